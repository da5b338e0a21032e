"""Stack and heap of a run over time, as charts."""

from __future__ import annotations

from itertools import pairwise

from m0sim.chip.run_cost import RunCost
from m0sim.report.chart import Chart, Line, svg

_POINTS = 128
"""The most stretches that are drawn."""


def stack_chart(done: RunCost) -> str:
    """Bytes of the main stack of each core, at its deepest in each stretch: an ``<svg>`` element, or nothing."""
    found = done.stack_over_time
    if found is None or not any(any(marks) for marks in found.cores):
        return ""
    times = max(1, -(-len(found.cores[0]) // _POINTS))
    length = found.bucket_cycles * times
    borders = [*range(0, done.cycles, length), done.cycles]
    lines = []
    for core, marks in enumerate(found.cores):
        deepest = [max(marks[i : i + times]) for i in range(0, len(marks), times)]
        points = [(at, bytes_) for ends, bytes_ in zip(pairwise(borders), deepest, strict=True) for at in ends]
        name = f"core {core}" if len(found.cores) > 1 else "main stack"
        lines.append(Line(name, points, has_dots=False))
    return svg(Chart("Main stack over time", "cycles", "bytes", lines))


def heap_chart(done: RunCost) -> str:
    """Bytes that `sbrk` has given out: an ``<svg>`` element, or nothing where it gave none."""
    if not done.heap:
        return ""
    first = 0 if done.stack_over_time is None else done.stack_over_time.begin
    sizes = [(max(size.cycle - first, 0), size.bytes) for size in done.heap]
    before = [size for cycle, size in sizes if cycle == 0][-1:]
    points = [(0, before[0] if before else 0)]
    for cycle, size in sizes:
        points += [(cycle, points[-1][1]), (cycle, size)] if cycle else []
    points.append((done.cycles, points[-1][1]))
    return svg(Chart("Heap over time", "cycles", "bytes", [Line("heap", points, has_dots=False)]))
