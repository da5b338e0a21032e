"""The load of a core over time: against a slow core that notes what each of its cycles was for, and by hand."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import firmware_images
import numpy as np
import pytest
from exception_scenarios import IRQ, SCENARIOS, TIMED, Scenario, does, emit, note, pend
from firmware_runs import load, processor, run_processor, slow_core
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import encode as e
from reference.slow_core import Core
from reference.timed_programs import LIMIT, TimedProgram, timed_program
from rich.console import Console
from test_exceptions_slow import by_hand

from m0sim import Firmware
from m0sim.chip.engine.processor import Processor
from m0sim.chip.results.load import LoadCounts, over_time
from m0sim.chip.run_cost import CoreLoad, LoadOverTime, RunCost
from m0sim.report import run_json, run_load

ASLEEP, HANDLER, THREAD = range(3)


class Noting(Core):
    """Notes what each cycle was for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.course: list[int] = []
        self.dozes = self.is_between = False

    def _tick(self, cycles: int = 1) -> None:
        for _ in range(cycles):
            is_handler = self.is_between or bool(self.system.active)
            self.course.append(ASLEEP if self.dozes else HANDLER if is_handler else THREAD)
            super()._tick()

    def _doze(self) -> None:
        self.dozes = True
        super()._doze()
        self.dozes = False

    def _enter(self, number: int, return_address: int) -> None:
        self.is_between = True
        super()._enter(number, return_address)
        self.is_between = False

    def _return(self, exc_return: int) -> None:
        self.is_between = True
        super()._return(exc_return)
        self.is_between = False


def compare(program: TimedProgram, profile: str, begin: int = 0) -> None:
    core = slow_core(program.image, program.entry, profile, program.lines, kind=Noting)
    assert isinstance(core, Noting)
    core.run(LIMIT)
    made, _ = processor(program.image, program.entry, profile)
    if begin:
        run_processor(made, min(begin, core.now), program.lines)
        program = replace(program, lines=tuple(line for line in program.lines if line.cycle > made.now))
        made.begin_load()
    first = made.now if begin else 0
    run_processor(made, core.now, program.lines)
    found, course = made.load(), np.array(core.course[first : made.now])
    for i in range(len(found.asleep)):
        bucket = course[i * found.bucket_cycles : (i + 1) * found.bucket_cycles]
        counted = int(found.asleep[i]), int(found.handlers[i])
        assert counted == ((bucket == ASLEEP).sum(), (bucket == HANDLER).sum()), i
    assert len(course) <= found.bucket_cycles * len(found.asleep)


@pytest.mark.parametrize("name", TIMED)
def test_programs_by_hand(name: str) -> None:
    compare(by_hand(TIMED[name], TIMED[name].requests), "rp2040")


@pytest.mark.parametrize("name", ["two_tasks", "first_thread_on_psp", "wfi_masked"])
def test_threads_by_turns(name: str) -> None:
    """A return to another thread ends a handler, too."""
    compare(by_hand(SCENARIOS[name], ()), "rp2040")


def test_sleep_in_a_handler() -> None:
    """Is asleep, and no cycle of the handler's."""
    scenario = Scenario(
        does(pend(IRQ[0]), note(1)),
        {IRQ[0]: does(emit(e.WFI), note(2)), IRQ[1]: note(3)},
        [],
        priorities={IRQ[0]: 3},
        requests=((4000, 1, 20),),
    )
    program = by_hand(scenario, scenario.requests)
    compare(program, "rp2040")
    made, _ = processor(program.image, program.entry, "rp2040")
    run_processor(made, LIMIT, program.lines)
    assert made.sleep_cycles > 2000
    found, rows = made.load(), made.exceptions
    assert found.handlers.sum() == rows["cycles"].sum() - made.sleep_cycles


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("begin", [0, 700])
def test_generated_programs(seed: int, begin: int) -> None:
    source = random.Random(seed).randbytes(150)
    compare(timed_program(source, load("rp2040").flash.base), "rp2040", begin)


@pytest.mark.long
@pytest.mark.parametrize("profile", ["m0plus-slowmul", "nrf51", "rp2040"])
def test_many_generated_programs(profile: str) -> None:
    for seed in range(100, 200):
        source = random.Random(seed).randbytes(400)
        compare(timed_program(source, load(profile).flash.base), profile, begin=random.Random(seed).choice((0, 2000)))


@pytest.fixture(scope="module")
def sleeper() -> Processor:
    program = timed_program(bytes(20), load("rp2040").flash.base)
    return processor(program.image, program.entry, "rp2040")[0]


@settings(deadline=None)
@given(st.lists(st.integers(0, 60).flatmap(lambda bits: st.integers(0, 1 << bits >> 12)), max_size=30))
def test_buckets_grow_and_lose_nothing(sleeper: Processor, lengths: list[int]) -> None:
    """Awake and asleep by turns, for as long as given: from one cycle to many hours."""
    sleeper.begin_load()
    begin = sleeper.now
    borders = [0, *np.cumsum(np.array(lengths, np.int64), dtype=np.int64).tolist()]
    for i, at in enumerate(borders[1:]):
        if i % 2:
            sleeper.sleep_until(begin + at)
        else:
            sleeper.core.cycles = begin + at
    found = sleeper.load()
    length, count = found.bucket_cycles, len(found.asleep)
    assert borders[-1] <= length * count
    assert length == 1 or borders[-1] > length * count // 2
    edges = [i * length for i in range(count + 1)]
    naps = [nap for i, nap in enumerate(pairwise(borders)) if i % 2]
    expected = [sum(max(0, min(to, end) - max(at, first)) for at, to in naps) for first, end in pairwise(edges)]
    assert found.asleep.tolist() == expected
    assert not found.handlers.any()


class TestTogether:
    def counts(self, length: int, asleep: Sequence[int], handlers: Sequence[int]) -> LoadCounts:
        return LoadCounts(length, *(np.array([*column, *[0] * (8 - len(column))]) for column in (asleep, handlers)))

    def test_buckets_of_one_length(self) -> None:
        """By hand: 35 cycles in buckets of 8; the second core's were 4, and it counted to 34."""
        first = self.counts(8, [8, 0, 3, 8, 0], [0, 8, 1, 0, 3])
        second = self.counts(4, [4, 4, 1, 2, 0, 0, 4, 0], [0, 0, 3, 0, 0, 0, 0, 4])
        assert over_time([first, second], [35, 34]) == LoadOverTime(
            8,
            (
                CoreLoad(0, (0, 8, 5, 0, 3), (0, 8, 1, 0, 3)),
                CoreLoad(1, (0, 5, 8, 4, 2), (0, 3, 0, 4, 0)),
            ),
        )

    def test_nothing(self) -> None:
        assert over_time([self.counts(1, [], [])], [0]) == LoadOverTime(1, (CoreLoad(0, (), ()),))

    def test_a_few_as_one(self) -> None:
        found = LoadOverTime(4, (CoreLoad(0, (1, 2, 3, 4, 0), (0, 1, 0, 2, 0)),)).merged(2)
        assert found == LoadOverTime(8, (CoreLoad(0, (3, 7, 0), (1, 2, 0)),))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> RunCost:
    return Firmware.from_elf(firmware_images.build("second_core", tmp_path_factory.mktemp("load"))).run()


class TestReports:
    def shown(self, done: RunCost, **options: object) -> str:
        text = io.StringIO()
        Console(file=text, width=200, color_system=None, **options).print(run_load.LoadTable(done))  # type: ignore[arg-type]
        return text.getvalue()

    def test_a_table_where_no_terminal_is(self, ran: RunCost) -> None:
        head, *rows = self.shown(ran).splitlines()
        assert head.split("  ")[0] == "load from cycle"
        assert 4 <= len(rows) <= 8
        step = int(rows[1].split()[0].replace(",", ""))
        busy = ran.load.cores[1].busy[: step // ran.load.bucket_cycles]
        assert rows[0].split()[5] == f"{100 * sum(busy) / step:.1f}"

    def test_blocks_on_a_terminal(self, ran: RunCost) -> None:
        first, second, legend = self.shown(ran, force_terminal=True).splitlines()
        assert first.startswith("core 0  █████")
        assert set(second.removeprefix("core 1  ")) <= set(" ▁▂▃▄▅▆▇█")
        assert legend.startswith("a block is 4,096 cycles")

    @pytest.mark.parametrize(("busy", "block"), [(0, " "), (1, "▁"), (500, "▄"), (999, "▇"), (1000, "█")])
    def test_only_nothing_is_empty_and_all_is_full(self, ran: RunCost, busy: int, block: str) -> None:
        one = LoadOverTime(1000, (CoreLoad(0, (busy,), (0,)),))
        assert run_load.blocks(one, 1000).plain.splitlines()[0] == f"busy  {block}"

    def test_json_and_chart(self, ran: RunCost) -> None:
        found = run_json.run(ran)["load"]
        assert found["bucket_cycles"] * len(found["cores"][0]["busy"]) >= ran.cycles
        assert [sum(core["busy"]) for core in found["cores"]] == [
            core.cost.cycles - core.sleep_cycles for core in ran.cores
        ]
        drawn = run_load.chart(ran)
        assert drawn.count('<path class="line') == 2 * 3
        assert "core 1, in handlers" in drawn
        assert "<circle" not in drawn

    def test_nothing_is_told_of_a_core_that_never_rests(self, tmp_path: Path) -> None:
        done = Firmware.from_elf(firmware_images.build("supervisor", tmp_path)).run()
        quiet = LoadOverTime(done.load.bucket_cycles, (CoreLoad(0, done.load.cores[0].busy, ()),))
        assert not run_load.is_told(replace(done, load=quiet))
