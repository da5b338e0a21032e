"""Exceptions on the timed engine: programs of tests/firmware/exceptions.S, and sums of cycles counted by hand.

Cycles of instructions are those of DDI 0484C, table 3-1; entry is 15, tail-chaining 6 and return 11. Each program runs
in both forms of the engine, and in slices of several sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Build
from firmware_runner import FORMS, Bare, of_elf

from m0sim.chip.native.layout import FaultCause, Held, Stop
from m0sim.chip.results.instructions import instruction_table

ENTRY, TAIL, RETURN = 15, 6, 11
SVC, PENDSV, SYSTICK, IRQ0, IRQ1, NMI = 11, 14, 15, 16, 17, 2

Begin = Callable[..., Bare]


@pytest.fixture(params=FORMS)
def begin(request: pytest.FixtureRequest, build: Build) -> Begin:
    """``begin("nested") -> Bare``: the program, reset."""
    elf = build("exceptions.S")
    return lambda name, **options: of_elf(elf, name, **{"form": request.param} | options)


def everything(program: Bare) -> dict[str, Any]:
    """All that a run shows."""
    processor = program.processor
    return {
        "registers": processor.registers,
        "pc": processor.pc,
        "now": processor.now,
        "exceptions": processor.exceptions.tobytes(),
        "taken": int(processor.exceptions["entries"].sum()),
        "tasks": processor.tasks.tobytes(),
        "executed": processor.executed().tobytes(),
        "asleep": processor.sleep_cycles,
        "abandoned": processor.abandoned,
        "functions": program.emulator.counters.tables["functions"]["inclusive"].tobytes(),
        "contexts": sorted(program.emulator.counters.tables.used("contexts")[["edge", "calls", "inclusive"]].tolist()),
        "sram": [bytes(bank.data) for bank in program.emulator.space.banks if bank.kind == "sram"],
    }


def test_a_supervisor_call(begin: Begin) -> None:
    program = begin("one_svc")
    assert program.run() is Stop.BREAKPOINT
    assert program.log() == [11, 1]
    # two literals, SVC, the handler's log and BX, the log
    assert program.processor.now == 2 * 2 + ENTRY + 4 + 2 + RETURN + 4
    found = program.processor.exceptions[SVC]
    assert (found["entries"], found["latency_min"], found["latency_max"]) == (1, ENTRY, ENTRY)
    assert (found["cycles"], found["overhead"]) == (ENTRY + 4 + 2 + RETURN, ENTRY + RETURN)
    assert program.processor.overhead_cycles == ENTRY + RETURN


def test_priorities_preemption_and_tail_chaining(begin: Begin) -> None:
    program = begin("nested")
    assert program.run() is Stop.BREAKPOINT
    assert program.log() == [1, 0x51, 0x52, 14, 15, 0x53, 2, 0x54, 16, 2]
    log, store = 4, 2 + 2 + 2
    # before interrupt 1; its handler, with PendSV and SysTick in a chain and NMI inside; interrupt 0 behind it
    before = 2 * 2 + 2 * store + log + store
    inner = ENTRY + log + 2 + TAIL + log + 2 + RETURN
    nmi = ENTRY + log + 2 + RETURN
    handler = 4 * log + 3 * store + 2
    cycles = before + ENTRY + handler + inner + nmi + TAIL + log + 2 + RETURN + log
    assert program.processor.now == cycles
    found = program.processor.exceptions
    assert found["entries"][[NMI, PENDSV, SYSTICK, IRQ0, IRQ1]].tolist() == [1] * 5
    assert found["tail_chained"][[NMI, PENDSV, SYSTICK, IRQ0, IRQ1]].tolist() == [0, 0, 1, 1, 0]
    assert found["latency_max"][SYSTICK] == ENTRY + log + 2 + TAIL
    assert found["longest_held"][[SYSTICK, IRQ0]].tolist() == [Held.PRIORITY, Held.PRIORITY]
    assert found["longest_held"][[NMI, PENDSV, IRQ1]].tolist() == [0, 0, 0]
    # interrupt 0 pended behind the first store of the handler
    rest = handler - log - store + inner + nmi
    assert found["latency_max"][IRQ0] == rest + TAIL
    assert found["cycles"][IRQ1] == ENTRY + handler
    assert found["cycles"][IRQ0] == TAIL + log + 2 + RETURN
    assert found["cycles"].sum() == cycles - before - log


def test_a_profile_may_say_what_exceptions_cost(begin: Begin, tmp_path: Path) -> None:
    profile = tmp_path / "other.toml"
    profile.write_text('extends = "rp2040"\nexception_entry = 20\nexception_return = 7\ntail_chain = 3\n')
    usual, other = begin("nested"), begin("nested", profile=profile)
    for program in (usual, other):
        assert program.run() is Stop.BREAKPOINT
    assert other.log() == usual.log()
    # of five exceptions two were tail-chained
    assert other.processor.now - usual.processor.now == 3 * (20 - ENTRY) + 2 * (3 - TAIL) + 3 * (7 - RETURN)


def test_stack_frames(begin: Begin) -> None:
    program = begin("frames")
    assert program.run() is Stop.BREAKPOINT
    log = program.log()
    behind = next(s.address for s in program.emulator.image.symbols if s.name == "frames_behind")
    saved = [0x10101010, 0x11111111, 0x12121212, 0x13131313, 0x1C1C1C1C, 0x1E1E1E1E]
    assert log[:3] == [0x20004000 - 32, 0xFFFFFFF9, SVC]
    assert log[3:11] == [*saved, behind, 0x61000000]
    # SP was 8n + 4: four bytes more, and bit 9 tells so
    assert log[11:14] == [0x20004000 - 4 - 4 - 32, 0xFFFFFFF9, SVC]
    assert log[14:] == [*saved, behind + 4, 0x61000200]
    assert program.processor.registers[13] == 0x20004000 - 4
    assert program.processor.msp_low == 0x20004000 - 40


def test_the_process_stack(begin: Begin) -> None:
    program = begin("processes")
    assert program.run() is Stop.BREAKPOINT
    in_handler = [0xFFFFFFFD, 0x20006000 - 32, 0x20004000, 0]
    assert program.log() == [*in_handler, 2, 0x20006000, 0x20004000]
    task = program.processor.tasks[0]
    assert (task["psp_high"], task["psp_low"]) == (0x20006000, 0x20006000 - 32)
    assert program.processor.msp_low == 0x20004000


def test_systick_counts_and_abandoned_instructions(begin: Begin) -> None:
    program = begin("ticking")
    assert program.run() is Stop.BREAKPOINT
    processor, log = program.processor, program.log()
    found = processor.exceptions[SYSTICK]
    assert len(log) == found["entries"] == (processor.now - 20) // 100
    # It pends at zero, is reloaded the cycle behind, and is read 2 cycles into the handler; the latency is 15 if no
    # instruction of two cycles had to end first.
    assert {99 + 1 - 2 - latency for latency in range(found["latency_min"], found["latency_max"] + 1)} >= set(log)
    assert found["latency_min"] == ENTRY
    assert found["latency_max"] <= ENTRY + 2
    abandoned, lost = processor.abandoned
    assert 0 < abandoned <= len(log)
    assert abandoned <= lost
    executed = processor.executed()
    # What ran took the rest: entries and returns, and what was begun in vain, are nobody's.
    table = dict(zip(executed["address"].tolist(), executed["executions"].tolist(), strict=True))
    leaf = next(s for s in program.emulator.image.symbols if s.name == "ticking_leaf")
    assert [table[leaf.address + 2 * i] for i in range(4)] == [200] * 4


def test_sleep(begin: Begin) -> None:
    program = begin("sleeping")
    assert program.run() is Stop.BREAKPOINT
    assert program.log() == [15, 1, 15, 2]
    processor = program.processor
    # SysTick is at 0 when it is enabled, in the last cycle pair of its store, and pends 10,000 cycles later
    enabled = 2 * 2 + 3 * 6 - 2
    assert processor.now == enabled + 2 * 10_000 + ENTRY + 4 + 2 + RETURN + 4
    awake = [2 + 2, 2 * (ENTRY + 4 + 2 + RETURN), 4 + 2, 4]
    assert processor.sleep_cycles == processor.now - enabled - sum(awake)


def test_a_fault_and_lockup(begin: Begin) -> None:
    program = begin("faulting")
    program.processor.stop_at_faults(True)
    assert program.run() is Stop.FAULT
    fault = program.processor.fault
    assert fault is not None
    assert (fault.cause, fault.address, fault.size, fault.is_store) == (FaultCause.UNALIGNED, 0x20000001, 4, False)
    assert (fault.exception, fault.registers[1], fault.pc) == (0, 0x20000001, program.processor.pc)
    assert program.run() is Stop.LOCKUP
    assert program.log() == [3]
    fault = program.processor.fault
    assert fault is not None
    assert (fault.cause, fault.exception, program.processor.fault_count) == (FaultCause.UNDEFINED, 3, 2)
    assert program.run() is Stop.LOCKUP


def test_sleep_on_exit(begin: Begin) -> None:
    program = begin("on_exit")
    assert program.run() is Stop.BREAKPOINT
    assert program.log() == [15, 15, 15, 1]
    assert program.processor.exceptions["tail_chained"][SYSTICK] == 0
    assert program.processor.sleep_cycles > 2 * (1000 - 100)


def test_events(begin: Begin) -> None:
    program = begin("events")
    assert program.run() is Stop.ASLEEP
    assert program.log() == [1, 11, 2, 3]
    program.processor.send_event()
    assert program.run() is Stop.BREAKPOINT
    assert program.log()[-1] == 4
    assert program.processor.exceptions["entries"][IRQ0] == 0


def test_unprivileged_code(begin: Begin) -> None:
    program = begin("unprivileged")
    assert program.run() is Stop.BREAKPOINT
    # PRIMASK and CONTROL are as they were; the handler, which is privileged, reads what the thread may not
    assert program.log() == [0, 1, 3, 4]
    fault = program.processor.fault
    assert fault is not None
    assert (fault.cause, fault.address) == (FaultCause.UNPRIVILEGED, 0xE000E010)


def test_systick_without_its_exception(begin: Begin) -> None:
    program = begin("counting")
    assert program.run() is Stop.BREAKPOINT
    # 300 cycles, less one, between the two accesses: MOVS, 100 SUBS and BNE, all but the last taken; and STR's two
    passed = 2 + 1 + 99 * 3 + 2
    value, flag, again = program.log()
    assert value == 9 - (passed - 1) % 10
    assert (flag, again) == (0x10005, 0x5)


@pytest.mark.parametrize("name", ["bad_return", "bad_frame"])
def test_a_return_that_does_not_fit_is_a_fault(name: str, begin: Begin) -> None:
    program = begin(name)
    assert program.run() is Stop.BREAKPOINT
    assert program.log() == [3]
    fault = program.processor.fault
    assert fault is not None
    assert fault.cause is FaultCause.RETURN


PROGRAMS = ("one_svc", "nested", "frames", "processes", "ticking", "sleeping", "switching")


@pytest.mark.parametrize("name", PROGRAMS)
def test_slices_change_nothing(name: str, begin: Begin) -> None:
    whole = begin(name, form="simple")
    whole.run()
    expected = everything(whole)
    for cycles in (1, 2, 3, 7, 97, 100, 1000):
        program = begin(name)
        program.run(slice_cycles=cycles)
        assert everything(program) == expected, cycles


# ---------------------------------------------------------------------------------------------------- who called whom


def inclusive(program: Bare) -> dict[str, int]:
    """Cycles of the calls that have ended, by function."""
    counters = program.emulator.counters
    program.processor.executed()  # which adds them up
    return dict(zip(counters.functions.names, counters.tables["functions"]["inclusive"].tolist(), strict=True))


def contexts(program: Bare) -> dict[tuple[str, ...], tuple[int, int]]:
    """Calls that have ended, and their cycles, by the functions from the root on."""
    counters = program.emulator.counters
    rows, names = counters.tables.used("contexts"), counters.functions.names

    def path(row: int) -> tuple[str, ...]:
        return (*path(rows["parent"][row]), names[rows["callee"][row]]) if row else ()

    found: dict[tuple[str, ...], tuple[int, int]] = {}
    for i in range(1, len(rows)):  # one for each place that calls
        calls, cycles = found.get(path(i), (0, 0))
        found[path(i)] = calls + int(rows["calls"][i]), cycles + int(rows["inclusive"][i])
    return found


@pytest.mark.parametrize("period", [0, 53, 61, 100])
def test_a_handler_is_nobodys_callee(period: int, begin: Begin) -> None:
    program = begin("calling")
    program.emulator.write(0x20009000, np.uint32([max(period - 1, 0)]))
    assert program.run() is Stop.BREAKPOINT
    ticks = int(program.processor.exceptions["entries"][SYSTICK])
    assert (ticks > 10) == (period > 0)
    expected = {
        ("calling",): (0, 0),
        ("calling", "work"): (100, 100 * 15),
        ("calling", "work", "shared"): (200, 200 * 3),
    }
    if period:
        expected |= {("calling_tick",): (ticks, ticks * 9), ("calling_tick", "shared"): (ticks, ticks * 3)}
    assert contexts(program) == expected
    found = inclusive(program)
    assert (found["work"], found["shared"], found["calling_tick"]) == (1500, 3 * (200 + ticks), 9 * ticks)


def test_what_was_preempted_stands_still(begin: Begin) -> None:
    program, nop = settled(begin)
    until(program, nop)
    program.processor.pulse(0)
    program.run(limit=nop + ENTRY + 2)
    program.processor.pulse(1)
    program.run(limit=nop + ENTRY + 3 + ENTRY + 1)
    assert program.processor.open_until().tolist() == [nop, nop + ENTRY + 3, nop + ENTRY + 3 + ENTRY + 1]


def test_threads_have_calls_and_stacks_of_their_own(begin: Begin) -> None:
    program = begin("switching")
    assert program.run() is Stop.BREAKPOINT
    processor = program.processor
    assert contexts(program) == {
        ("switching",): (0, 0),
        ("switching", "first"): (10, 10 * 14),
        ("switching", "first", "yield"): (10, 10 * 8),
        ("switch",): (20, 20 * 14),
        ("second",): (0, 0),
        ("second", "yield"): (9, 9 * 8),
    }
    first, second = processor.tasks
    names = program.emulator.counters.functions.names
    assert [names[task["function"]] for task in (first, second)] == ["switching", "second"]
    assert [int(task["entries"]) for task in (first, second)] == [11, 10]
    assert (first["psp_high"], first["psp_low"]) == (0x20006000, 0x20006000 - 32)
    assert (second["psp_high"], second["psp_low"]) == (0x20007000, 0x20007000 - 16 - 32)
    # in the first round it makes room on its stack, in the last it was not yet gone on with behind its store
    assert second["cycles"] == 1 + 10 * (3 + 6) + 9 * (2 + 2)
    handlers = 20 * (ENTRY + 14 + RETURN)
    assert processor.now == first["cycles"] + second["cycles"] + handlers
    assert processor.msp_low == 0x20004000


@pytest.mark.parametrize("name", PROGRAMS)
def test_cycles_are_somebodys(name: str, begin: Begin) -> None:
    """All cycles are instructions', or exceptions' beyond them, or of sleep, or lost to what began again."""
    program = begin(name)
    program.run()
    processor = program.processor
    counts = program.emulator.counters.counts(with_traffic=False, executed=processor.executed())
    instructions = int(instruction_table(counts).cycles.sum())
    _, lost = processor.abandoned
    assert processor.now == instructions + processor.overhead_cycles + processor.sleep_cycles + lost
    inside = int(processor.exceptions["cycles"].sum()) + int(processor.tasks["cycles"].sum())
    assert processor.now == inside


# ------------------------------------------------------------------------------------------------ requests from outside


def settled(begin: Begin) -> tuple[Bare, int]:
    """The program that waits for requests, in its loop; and a cycle at which its NOP begins."""
    program = begin("requested")
    # two literals, two stores, the log
    into_loop = 4 + 12 + 4
    assert program.run(limit=into_loop) is Stop.LIMIT
    assert (program.processor.now, program.log()) == (into_loop, [1])
    return program, into_loop + 300 * 3


def until(program: Bare, cycle: int) -> None:
    """Run to that cycle, or the first boundary behind it."""
    program.processor.wake_at(cycle)
    assert program.run() is Stop.DUE
    program.processor.wake_at(None)


@pytest.mark.parametrize("offset", range(3))
def test_latency_of_a_request(offset: int, begin: Begin) -> None:
    """The loop is NOP and B: what comes in the second cycle of B has to wait for a cycle more."""
    program, nop = settled(begin)
    until(program, nop + offset)
    at = nop + (0, 1, 3)[offset]
    assert program.processor.now == at
    program.processor.pulse(1)
    assert program.run(limit=at + 1) is Stop.LIMIT
    assert program.processor.now == at + ENTRY
    assert program.processor.exception == IRQ1
    assert program.processor.exceptions["latency_max"][IRQ1] == at + ENTRY - (nop + offset)
    assert program.processor.exceptions["longest_held"][IRQ1] == (Held.INSTRUCTION if offset == 2 else 0)
    assert program.run(limit=at + 500) is Stop.LIMIT
    assert program.log() == [1, 17]


@pytest.mark.parametrize(("delay", "is_late"), [(1, True), (9, True), (10, False), (15, False)])
def test_late_arrival(delay: int, is_late: bool, begin: Begin) -> None:
    """One of higher priority takes over while the frame is stacked, for 9 cycles; later, it preempts the handler."""
    program, nop = settled(begin)
    until(program, nop)
    program.processor.pulse(0)
    until(program, nop + delay)
    program.processor.pulse(1)
    program.run(limit=nop + 500)
    log, found = program.log(), program.processor.exceptions
    assert log == [1, 17, 16]
    assert found["late"][IRQ1] == is_late
    if is_late:
        assert found["latency_max"][IRQ1] == ENTRY - delay
        assert found["latency_max"][IRQ0] == ENTRY + 4 + 2 + TAIL
        assert found["tail_chained"][IRQ0] == 1
        assert program.processor.overhead_cycles == ENTRY + TAIL + RETURN
    else:
        # the first handler was entered, and ran nothing yet
        assert found["latency_max"][IRQ1] == 2 * ENTRY - delay
        assert found["tail_chained"][IRQ0] == 0
        assert program.processor.overhead_cycles == 2 * (ENTRY + RETURN)


def test_a_level_pends_again_as_long_as_it_is_high(begin: Begin) -> None:
    program, nop = settled(begin)
    until(program, nop)
    program.processor.set_line(0, True)
    until(program, nop + ENTRY + 2 * (4 + 2 + TAIL))
    assert program.processor.exceptions["entries"][IRQ0] == 3
    program.processor.set_line(0, False)
    program.run(limit=nop + 500)
    assert program.log() == [1, 16, 16, 16]
    assert program.processor.exceptions["tail_chained"][IRQ0] == 2


def test_a_line_that_falls_again_has_pended(begin: Begin) -> None:
    program, nop = settled(begin)
    until(program, nop)
    program.processor.set_line(0, True)
    program.processor.set_line(0, False)
    program.run(limit=nop + 500)
    assert program.log() == [1, 16]


@pytest.mark.parametrize("number", [-1, 32])
def test_there_are_32_interrupts(number: int, begin: Begin) -> None:
    program = begin("requested")
    with pytest.raises(ValueError, match="0 to 31"):
        program.processor.pulse(number)
    with pytest.raises(ValueError, match="0 to 31"):
        program.processor.set_line(number, True)
