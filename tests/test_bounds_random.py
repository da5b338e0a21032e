"""Static bounds against runs of random programs: never below what a run took, and wrong tables show."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, seed, settings
from reference.programs import DEPTH, Program, programs
from test_accounting_random import EVERY_EXAMPLE, PROFILES, load, named

from m0sim import Cost, Machine
from m0sim.bounds.analysis import Analysis
from m0sim.bounds.annotations import Annotations
from m0sim.bounds.cycles import CycleBound
from m0sim.bounds.stack import Bound
from m0sim.toml import parse

MOST_RUNS = 13
"""Of a loop's first instruction: the generator's loops make at most 12 passes, and a test may follow the last."""
EXAMPLES = 20


def bounds(program: Program, profile: str) -> tuple[Bound, CycleBound, Cost]:
    """Of the program's entry, with the annotations that it asks for, and what a run took."""
    device = load(profile)
    image = named(program, device.flash.base)
    machine = Machine(image, device)
    data = machine.alloc(np.frombuffer(program.data, np.uint8))
    cost = machine.call(device.flash.base + program.entry, data, *program.args)
    recursion: dict[str, int] = {}
    loops: dict[str, int] = {}
    while True:
        lines = ["[stack.recursion]", *(f'"{name}" = {DEPTH + 1}' for name in recursion)]
        lines += ["[cycles.loops]", *(f'"{place}" = {MOST_RUNS}' for place in loops)]
        told = Annotations.of(parse(Path("notes.toml"), "\n".join(lines), ("stack", "cycles")))
        analysis = Analysis(image, device, told)
        stack, cycles = analysis.stack(cost.function), analysis.cycles(cost.function)
        known = len(recursion) + len(loops)
        recursion |= {r.function: DEPTH + 1 for r in stack.reasons if r.kind == "recursion"}
        loops |= {r.place: MOST_RUNS for r in cycles.reasons if r.kind == "loop"}
        if len(recursion) + len(loops) == known:
            return stack, cycles, cost


@pytest.mark.parametrize("shard", [0, 1, 2, *(pytest.param(n, marks=pytest.mark.long) for n in range(3, 12))])
def test_no_bound_is_below_a_run(shard: int) -> None:
    profile = list(PROFILES)[shard % len(PROFILES)]
    seen: Counter[str] = Counter()

    @seed(shard)
    @settings(EVERY_EXAMPLE, max_examples=EXAMPLES)
    @given(programs())
    def check(program: Program) -> None:
        stack, cycles, cost = bounds(program, profile)
        assert stack.stack_bytes is not None, stack.reasons
        assert stack.stack_bytes >= cost.stack_bytes
        seen.update(all=1, same_stack=stack.stack_bytes == cost.stack_bytes)
        if cycles.cycles is None:
            assert {reason.kind for reason in cycles.reasons} == {"recursion"}
            return
        assert cycles.cycles >= cost.cycles
        seen.update(bounded=1, same_cycles=cycles.cycles == cost.cycles)

    check()
    assert seen["same_stack"] > seen["all"] / 2
    assert seen["bounded"] > seen["all"] / 2
    assert seen["same_cycles"] > seen["bounded"] / 10
