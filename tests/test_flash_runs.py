"""The runs that tell what flash adds: they leave everything as one ideal run does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from m0sim import Fault, Machine
from m0sim.chip.cost import Cost
from m0sim.errors import UsageError
from m0sim.report.flash import lines

FLASH = 0x10000000
# LDR r1, [r0]; ADDS r1, #1; STR r1, [r0]; MOVS r0, r1; BX LR: six halfwords of three words, with a NOP first.
BUMP = np.array([0xBF00, 0x6801, 0x3101, 0x6001, 0x0008, 0x4770], np.uint16).tobytes()
WORDS = 3
MISS = 60  # cycles a word at clkdiv 2, as profiles/rp2040.toml has it


@pytest.fixture
def machine() -> Machine:
    return Machine.from_raw(BUMP, FLASH)


def without_flash(cost: Cost) -> Cost:
    return replace(cost, flash=None)


def test_cold_warm_and_report_agree(machine: Machine) -> None:
    buffer = machine.alloc(np.zeros(1, np.int32))
    ideal = machine.call(FLASH, buffer)
    cold, warm = (machine.call(FLASH, buffer, flash=model) for model in ("cold", "warm"))
    report = machine.call(FLASH, buffer, flash_report=True)
    assert cold.cycles == ideal.cycles + WORDS * MISS
    assert warm.cycles == ideal.cycles
    assert report.flash is not None
    assert (report.flash.cold_cycles, report.flash.warm_cycles) == (WORDS * MISS, 0)
    assert [cost.result for cost in (ideal, cold, warm, report)] == [1, 2, 3, 4]
    assert buffer.read().tolist() == [4]


def test_a_report_changes_nothing_else(machine: Machine) -> None:
    buffer = machine.alloc(np.zeros(1, np.int32))
    plain = machine.call(FLASH, buffer)
    buffer.write(np.zeros(1, np.int32))
    assert without_flash(machine.call(FLASH, buffer, flash_report=True)) == plain


def test_a_long_call_is_run_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its report has no figures, and says how to ask for them; asked for, they are there whatever the length."""
    executed = len(BUMP) // 2
    monkeypatch.setattr("m0sim.chip.engine.flash_runs.REPORT_LIMIT", executed)
    buffer = machine.alloc(np.zeros(1, np.int32))
    at_the_limit = machine.call(FLASH, buffer, flash_report=True)
    assert at_the_limit.instructions == executed
    assert at_the_limit.flash is not None
    assert at_the_limit.flash.cold is not None
    monkeypatch.setattr("m0sim.chip.engine.flash_runs.REPORT_LIMIT", executed - 1)
    beyond = machine.call(FLASH, buffer, flash_report=True)
    assert beyond.flash is not None
    assert (beyond.flash.cold, beyond.flash.warm) == (None, None)
    assert lines(beyond.flash) == [
        "flash waits, which is in none of the figures above: --flash cold or --flash warm counts it"
    ]
    asked = machine.call(FLASH, buffer, flash="cold", flash_report=True)
    assert asked.flash is not None
    assert asked.flash.cold_cycles == WORDS * MISS


@pytest.mark.parametrize("model", ["ideal", "cold", "warm"])
def test_answers_begin_again(machine: Machine, model: str) -> None:
    """A register that answers in turn gives its first answer to every run."""
    cost = machine.call(FLASH, 0x40054000, registers={0x40054000: [5, 9, 9]}, flash=model, flash_report=True)
    assert cost.result == 6
    assert [(use.loads, use.stores, use.last_stored) for use in cost.registers] == [(1, 1, 6)]


def test_a_fault_comes_from_the_run_that_counts(machine: Machine) -> None:
    for options in ({"flash": "cold"}, {"flash": "warm"}, {"flash_report": True}):
        with pytest.raises(Fault) as caught:
            machine.call(FLASH, 1, **options)
        assert caught.value.kind == "unaligned"


def test_what_only_one_engine_can_do(machine: Machine) -> None:
    with pytest.raises(UsageError, match="needs the timed engine"):
        machine.call(FLASH, 0, flash="cold", engine="unicorn")
    with pytest.raises(UsageError, match="unknown flash model 'hot'"):
        machine.call(FLASH, 0, flash="hot")


def test_the_cost_says_what_it_is_of(machine: Machine) -> None:
    buffer = machine.alloc(np.zeros(1, np.int32))
    cold = machine.call(FLASH, buffer, flash="cold")
    assert cold.flash_model == "cold"
    assert cold.provenance is not None
    assert cold.provenance.engine == "timed"
    assert int(cold.instruction_table.stalls.sum()) == WORDS * MISS


def test_wait_states_at_a_clock() -> None:
    """STM32G0 waits two cycles at 64 MHz for a 64-bit word of flash; at 24 MHz none. By hand: no word comes twice."""
    from m0sim.chip import device

    slow, fast = (device.load("stm32g0").at_clock(hertz) for hertz in (24_000_000, 64_000_000))
    code = np.array([0xBF00, 0xBF00, 0xBF00, 0x4770], np.uint16).tobytes()  # one word of 64 bits
    costs = [Machine.from_raw(code, 0x08000000, part).call(0x08000000, flash="cold") for part in (slow, fast)]
    assert [cost.cycles for cost in costs] == [5, 7]
