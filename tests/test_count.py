"""What makes many short calls cheap: cycles alone, and SRAM that only becomes executable when something runs there."""

from __future__ import annotations

import numpy as np
import pytest

from m0sim import Fault, Machine
from m0sim.chip.engine.timed_run import TimedRun
from m0sim.chip.engine.unicorn_run import UnicornRun
from m0sim.chip.options import ENGINES, Engine
from m0sim.errors import UsageError

#: f(r0: buffer, r1, r2: halfwords): write r1 and BX LR there, call it, write r2 over r1, call it again;
#: result = first << 8 | second.
REWRITES = (
    *(0xB570, 0x0004, 0x0016),  # push {r4-r6, lr}; movs r4, r0; movs r6, r2
    *(0x8021, 0x2347, 0x021B, 0x3370, 0x8063),  # strh r1, [r4]; r3 = 0x4770; strh r3, [r4, #2]
    *(0x1C65, 0x47A8, 0x0003),  # adds r5, r4, #1; blx r5; movs r3, r0
    *(0x8026, 0x47A8),  # strh r6, [r4]; blx r5
    *(0x021B, 0x4318, 0xBD70),  # lsls r3, r3, #8; orrs r0, r3; pop {r4-r6, pc}
)
MOVS_R0 = 0x2000
JUMP = (0x4700,)  # bx r0


def machine(*halfwords: int) -> Machine:
    return Machine.from_raw(np.array(halfwords, "<u2").tobytes(), 0x10000000)


def test_code_that_a_program_writes_runs_and_may_be_rewritten() -> None:
    chip = machine(*REWRITES)
    buffer = chip.alloc(8)
    for first, second in ((5, 9), (1, 2), (2, 1)):
        assert chip.call(0x10000000, buffer, MOVS_R0 | first, MOVS_R0 | second).result == first << 8 | second


def test_code_that_the_host_writes_runs_and_may_be_rewritten() -> None:
    chip = machine(*JUMP)
    buffer = chip.alloc(np.array([MOVS_R0 | 5, 0x4770], np.uint16))
    assert chip.call(0x10000000, buffer.address | 1).result == 5
    buffer.write(np.array([MOVS_R0 | 7, 0x4770], np.uint16))
    assert chip.call(0x10000000, buffer.address | 1).result == 7


def test_a_jump_to_nowhere_is_still_a_fault() -> None:
    with pytest.raises(Fault) as raised:
        machine(*JUMP).call(0x10000000, 0x30000001)
    assert raised.value.kind == "not-code"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_count_is_the_cycles_of_a_call(engine: Engine) -> None:
    chip, other = machine(*REWRITES), machine(*REWRITES)
    buffers = chip.alloc(8), other.alloc(8)
    arguments = MOVS_R0 | 5, MOVS_R0 | 9
    for _ in range(3):
        counted = chip.count(0x10000000, buffers[0], *arguments, engine=engine)
        assert counted == other.call(0x10000000, buffers[1], *arguments).cycles
    np.testing.assert_array_equal(buffers[0].read(), buffers[1].read())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_count_faults_as_a_call_does(engine: Engine) -> None:
    chip = machine(0x6001, 0x4770)  # str r1, [r0]; bx lr
    with pytest.raises(Fault) as raised:
        chip.count(0x10000000, 0x10000000, 1, engine=engine)
    assert raised.value.kind == "read-only"
    buffer = chip.alloc(4)
    with pytest.raises(Fault) as raised:
        chip.count(0x10000000, buffer.address + 4, 1)
    assert raised.value.kind == "red-zone"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_count_runs_on_the_engine_that_was_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"unicorn": TimedRun, "timed": UnicornRun}[engine]
    monkeypatch.setattr(other, "execute", lambda run: pytest.fail(f"ran as {run}"))
    assert machine(0x4770).count(0x10000000, engine=engine) == 2  # bx lr


def test_there_is_no_other_engine() -> None:
    with pytest.raises(UsageError, match=r"unknown engine 'timid'.*did you mean 'timed'"):
        machine(0x4770).count(0x10000000, engine="timid")
