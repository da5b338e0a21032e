"""Static bounds against runs of random programs: never below what a run took, and each way to be too low shows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from conftest import parts
from hypothesis import given, seed, settings
from reference.accountant import Memory, Trace, trace
from reference.programs import DEPTH, Program, programs
from test_accounting_random import EVERY_EXAMPLE, STACK, load, named

from m0sim import Cost, Machine
from m0sim.bounds.analysis import Analysis
from m0sim.bounds.annotations import Annotations
from m0sim.bounds.cycles import CycleBound
from m0sim.bounds.stack import Bound
from m0sim.toml import parse

MOST_PASSES = 13
"""The generator's loops make at most 12 passes; one more is a test that ends a loop."""
EXAMPLES = 40


def bounds(program: Program, profile: str) -> tuple[Bound, CycleBound, Cost]:
    """Of the program's entry, after as many annotations as it needs, and what a run took."""
    device = load(profile)
    image = named(program, device.flash.base)
    machine = Machine(image, device)
    data = machine.alloc(np.frombuffer(program.data, np.uint8))
    cost = machine.call(image.path and device.flash.base + program.entry, data, *program.args)
    recursion: dict[str, int] = {}
    loops: dict[str, int] = {}
    while True:
        text = "[stack.recursion]\n" + "".join(f'"{name}" = {n}\n' for name, n in recursion.items())
        text += "[cycles.loops]\n" + "".join(f'"{place}" = {n}\n' for place, n in loops.items())
        from pathlib import Path

        analysis = Analysis(image, device, Annotations.of(parse(Path("a.toml"), text, ("stack", "cycles"))))
        stack, cycles = analysis.stack(cost.function), analysis.cycles(cost.function)
        known = len(recursion) + len(loops)
        recursion |= {r.function: DEPTH + 1 for r in stack.reasons if r.kind == "recursion"}
        loops |= {r.place: MOST_PASSES for r in cycles.reasons if r.kind == "loop"}
        if len(recursion) + len(loops) == known:
            return stack, cycles, cost


@pytest.mark.parametrize("shard", range(2))
def test_no_bound_is_below_a_run(shard):
    seen = Counter()

    @seed(shard)
    @settings(EVERY_EXAMPLE, max_examples=EXAMPLES)
    @given(programs())
    def check(program):
        stack, cycles, cost = bounds(program, "rp2040")
        seen["all"] += 1
        for r in (*stack.reasons, *cycles.reasons):
            seen[r.kind, r.text[:40]] += 1
        if stack.stack_bytes is not None:
            seen["stack"] += 1
            seen["stack equal"] += stack.stack_bytes == cost.stack_bytes
            assert stack.stack_bytes >= cost.stack_bytes
        if cycles.cycles is not None:
            seen["cycles"] += 1
            seen["cycles equal"] += cycles.cycles == cost.cycles
            assert cycles.cycles >= cost.cycles
    check()
    print(seen)
