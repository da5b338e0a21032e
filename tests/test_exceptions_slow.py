"""Exceptions to the cycle: m0sim's Processor against the slow core of tests/reference, which shares no code with it.

Interrupts come from SysTick, from request lines at given cycles, and from software. Everything that can be seen is
compared: memory, registers, cycles, what was taken, tail-chained, late and abandoned, and how long that took. The slow
core itself is compared with QEMU and with the manual in test_exceptions_qemu.py and test_slow_core.py.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import pytest
from conftest import parts
from exception_scenarios import TIMED, Scenario, busy, events, lockups
from firmware_runs import (
    Seen,
    different,
    load,
    log_in,
    processor,
    run_processor,
    seen_of_core,
    seen_of_processor,
    slow_core,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reference.exception_programs import image
from reference.slow_core import Core, LineEvent
from reference.timed_programs import LIMIT, TimedProgram, timed_program

from m0sim.chip.native.layout import Stop

PROFILES = ("rp2040", "m0plus-slowmul", "nrf51")
SHORT, LONG = 200, 700
PHASES = (Phase.generate, Phase.shrink)
CHECKS = list(HealthCheck)


def sources(longest: int) -> st.SearchStrategy[bytes]:
    """Decisions that are as good as random; a failure is shrunk by taking the last ones away."""
    seeds = st.integers(0, 0xFFFFFFFF)
    return st.builds(lambda seed, size: random.Random(seed).randbytes(size), seeds, st.integers(20, longest))


def on_the_slow_core(program: TimedProgram, profile: str) -> Core:
    core = slow_core(program.image, program.entry, profile, program.lines)
    core.run(LIMIT)
    return core


def on_m0sim(
    program: TimedProgram, profile: str, until: int, *, is_simple: bool = False, cuts: Iterator[int] | None = None
) -> tuple[Seen, Stop]:
    made, emulator = processor(program.image, program.entry, profile, is_simple=is_simple)
    stop = run_processor(made, until, program.lines, cuts)
    return seen_of_processor(made, emulator), stop


def compare(program: TimedProgram, profile: str, seed: bytes = b"") -> Core:
    """The slow core, the fast form in one go, and either form in slices of any size."""
    core = on_the_slow_core(program, profile)
    found, stop = on_m0sim(program, profile, core.now)
    expected = seen_of_core(core)
    if stop is Stop.ASLEEP:  # the slow core sleeps on to the end
        expected["slept"] -= expected["cycles"] - found["cycles"]
        expected["cycles"] = found["cycles"]
    assert different(expected, found) == {}
    rng = random.Random(seed)
    cuts = iter(lambda: rng.choice((1, 2, 3, 5, 17, 96, 400)), 0)
    assert different(found, on_m0sim(program, profile, core.now, is_simple=rng.random() < 0.5, cuts=cuts)[0]) == {}
    return core


def in_form(profile: str, longest: int, examples: int) -> None:
    @settings(
        max_examples=examples, phases=PHASES, suppress_health_check=CHECKS, database=None, derandomize=longest == SHORT
    )
    @given(sources(longest))
    def every(source: bytes) -> None:
        compare(timed_program(source, load(profile).flash.base), profile, source)

    every()


@pytest.mark.parametrize("profile", PROFILES)
def test_programs(profile: str) -> None:
    in_form(profile, SHORT, 20)


@pytest.mark.long
@pytest.mark.parametrize("shard", parts(range(4), long=2))
@pytest.mark.parametrize("profile", PROFILES)
def test_thousands_of_programs(profile: str, shard: int) -> None:
    in_form(profile, LONG, 125)


def by_hand(scenario: Scenario, requests: Sequence[tuple[int, int, int]], profile: str = "rp2040") -> TimedProgram:
    lines = [LineEvent(cycle, irq, True) for cycle, irq, _ in requests]
    lines += [LineEvent(cycle + width, irq, False) for cycle, irq, width in requests]
    return TimedProgram(image([scenario.make], load(profile).flash.base), tuple(sorted(lines, key=lambda e: e.cycle)))


@pytest.mark.parametrize("name", TIMED)
def test_programs_by_hand(name: str) -> None:
    """Their events are what the manual says, on both."""
    scenario = TIMED[name]
    core = compare(by_hand(scenario, scenario.requests), "rp2040")
    assert core.stopped == "semihosting"
    assert list(events(log_in(bytes(core.regions[1].content), core.r[1]))) == scenario.events


@pytest.mark.parametrize("name", lockups())
def test_lockup(name: str) -> None:
    """Both lock up at the same instruction, with the same exceptions active."""
    program = by_hand(lockups()[name], ())
    core = on_the_slow_core(program, "rp2040")
    assert core.stopped.startswith("lockup")
    made, emulator = processor(program.image, program.entry, "rp2040")
    assert run_processor(made, LIMIT) is Stop.LOCKUP
    found = seen_of_processor(made, emulator)
    assert (found["ipsr"], found["active"]) == (core.ipsr, sum(1 << number for number in core.system.active))
    assert found["pc"] == core.r[15]


def sweep(cycles: Iterable[int], profile: str) -> Counter[str]:
    """A request, and one of a higher priority behind it, in every cycle of what can be abandoned."""
    counts: Counter[str] = Counter()
    for cycle in cycles:
        requests = ((500 + cycle, 2, 3), (500 + cycle + cycle % 37, 1, 2), (900 + cycle, 0, 2))
        core = compare(by_hand(busy(), requests, profile), profile, cycle.to_bytes(2, "little"))
        assert core.stopped == "semihosting"
        assert core.asleep == ""
        counts["abandoned"] += core.abandoned
        counts["late"] += sum(taken.late for taken in core.taken)
        counts["tail-chained"] += sum(taken.tail_chained for taken in core.taken)
    return counts


def test_requests_in_every_cycle() -> None:
    counts = sweep(range(0, 74, 2), "rp2040")
    assert counts["abandoned"] > 20
    assert min(counts["late"], counts["tail-chained"]) > 5


@pytest.mark.long
@pytest.mark.parametrize("first", parts(range(2), long=1))
@pytest.mark.parametrize("profile", PROFILES)
def test_requests_in_every_cycle_of_many(profile: str, first: int) -> None:
    """Of 500; in the long run every second one. The second requests come at all distances in either half."""
    counts = sweep(range(first, 500, 2), profile)
    assert counts["abandoned"] > 100


def test_programs_are_worth_it() -> None:
    """What comes up in 12 of them."""
    counts: Counter[str] = Counter()
    rng = random.Random(6)
    for _ in range(12):
        core = on_the_slow_core(timed_program(rng.randbytes(300), 0), "m0plus-slowmul")
        counts["abandoned"] += core.abandoned
        counts["asleep"] += core.slept
        counts["late"] += sum(taken.late for taken in core.taken)
        counts["tail-chained"] += sum(taken.tail_chained for taken in core.taken)
        counts["SysTick"] += sum(taken.number == 15 for taken in core.taken)
        counts["nested"] += sum(taken.number >= 16 for taken in core.taken)
    assert counts["abandoned"] > 10
    assert counts["asleep"] > 500
    assert counts["late"] > 0
    assert min(counts["tail-chained"], counts["SysTick"], counts["nested"]) > 100
