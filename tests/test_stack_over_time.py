"""How deep the stack is over time: against SP after each instruction, and what it leaves as it was."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import firmware_images
import numpy as np
import pytest
from conftest import examples
from firmware_runs import load, processor, run_processor
from hypothesis import HealthCheck, Phase, given, settings
from reference.timed_programs import LIMIT, timed_program
from test_exceptions_slow import sources
from test_timeline import Built

from m0sim import Firmware
from m0sim.chip.engine import stack_marks
from m0sim.chip.engine.stack_marks import StackMarks
from m0sim.chip.run_cost import RunCost
from m0sim.report import page, run_json
from m0sim.report.run_memory import heap_chart, stack_chart


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Builds each program once."""
    folder = tmp_path_factory.mktemp("over_time")
    return cache(lambda name: firmware_images.build(name, folder))


@pytest.mark.parametrize("name", ["sleep", "second_core", "tasks", "reboots"])
def test_no_figure_changes_by_how_often_it_is_asked(built: Built, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The deepest of all stretches is the report's, of the last stack; longer stretches are those of shorter ones."""
    monkeypatch.setattr(stack_marks, "_FIRST_CYCLES", 64)
    often = Firmware.from_elf(built(name)).run(seconds=0.02)
    monkeypatch.setattr(stack_marks, "_FIRST_CYCLES", 1 << 40)
    once = Firmware.from_elf(built(name)).run(seconds=0.02)
    assert often.stack_over_time is not None
    assert once.stack_over_time is not None
    assert without(often) == without(once)
    for core, (marks, (whole,)) in enumerate(zip(often.stack_over_time.cores, once.stack_over_time.cores, strict=True)):
        stacks = often.cores[core].stacks if often.cores else often.stacks
        assert stacks[0].bytes <= max(marks)
        assert whole <= max(marks)
        assert 64 < len(marks) <= 256


def without(done: RunCost) -> dict[str, Any]:
    found = run_json.run(done)
    found.pop("stack_over_time")
    return found


def check(source: bytes, profile: str) -> None:
    """Stretches of 32 cycles, and each of them by the stack pointer before and behind every instruction."""
    flash = load(profile).flash
    assert flash is not None
    program = timed_program(source, flash.base)
    made, _ = processor(program.image, program.entry, profile)
    marks, borders, lows = StackMarks(), [0], list[int]()
    marks.begin(0, [made])
    low, rng = made.registers[13], random.Random(source)

    def main_stack() -> int:
        timed = made.core.timed
        return int(timed.other_sp if timed.control & 2 else timed.r[13])

    def cuts() -> int:
        nonlocal low
        low = min(low, main_stack())
        if made.now - borders[-1] >= 32 and rng.random() < 0.5:
            lows.append(low)
            borders.append(made.now)
            low = main_stack()
            stretches.append(made.take_stack_bytes())
        return 1

    stretches: list[int] = []
    made.take_stack_bytes()
    run_processor(made, LIMIT, program.lines, iter(cuts, 0))
    assert stretches == [made.msp_high - each for each in lows]


def test_generated_programs() -> None:
    @settings(
        max_examples=examples(10),
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(sources(200))
    def every(source: bytes) -> None:
        check(source, "rp2040")

    every()


class Stack:
    """A core whose stack is as deep as somebody says."""

    def __init__(self) -> None:
        self.deepest = 0

    def take_stack_bytes(self) -> int:
        found, self.deepest = self.deepest, 0
        return found


@pytest.mark.parametrize("count", [1, 255, 256, 257, 512, 1500])
def test_stretches_become_longer(count: int) -> None:
    """Each is the deepest of those that it is made of; a core that comes later had none."""
    rng = np.random.default_rng(count)
    depths = rng.integers(0, 1000, count)
    first, second = Stack(), Stack()
    marks: Any = StackMarks()
    marks.begin(100, [first])
    for i, depth in enumerate(depths.tolist()):
        assert marks.due >= 100 + 1024 * (i + 1)
        first.deepest = max(first.deepest, depth)
        if marks.due == 100 + 1024 * (i + 1):
            marks.note([first, second] if i >= count // 2 else [first])
    found = marks.end(100 + 1024 * count, [first, second])
    times = found.bucket_cycles // 1024
    assert times in (1, 2, 4, 8, 16)
    assert found.cores[0] == tuple(max(depths[i : i + times].tolist()) for i in range(0, count, times))
    assert len(found.cores[0]) <= 256
    assert all(not any(core) for core in found.cores[1:])


class TestPage:
    def test_has_charts(self, built: Built) -> None:
        for name, has_heap in (("allocates", True), ("second_core", False)):
            firmware = Firmware.from_elf(built(name))
            done = firmware.run()
            shown = page.page(done.cost, firmware, run=done)
            assert "Main stack over time" in shown
            assert ("Heap over time" in shown) == has_heap
            assert '<a href="#over-time">' in shown

    def test_the_heap_steps_where_it_grew(self, built: Built) -> None:
        done = Firmware.from_elf(built("allocates")).run()
        (size,) = done.heap
        shown = heap_chart(done)
        assert "2,048" in shown or "2,000" in shown
        assert size.cycle < done.cycles
        assert stack_chart(done)

    def test_a_begin_that_is_never_reached(self, built: Built) -> None:
        done = Firmware.from_elf(built("second_core")).run(begin="IRQ15_Handler")
        assert done.stack_over_time is None
        assert stack_chart(done) == ""
        assert run_json.run(done)["stack_over_time"] is None
