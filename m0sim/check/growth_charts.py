"""Cost against size as charts: one for each matrix and axis, a line for each combination of the other axes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from m0sim.check.growth import Fit, Growth
from m0sim.check.matrix import text_of
from m0sim.report.chart import MOST_LINES, Chart, Line, svg


@dataclass(frozen=True, slots=True)
class GrowthChart:
    """One chart with what is written above and below it."""

    title: str
    """Such as ``dot with n``."""
    svg: str
    lines: tuple[str, ...]
    """What is told of each line's growth."""
    left_out: int
    """Lines that are told and not drawn."""


def charts(growths: Iterable[Growth]) -> Iterator[GrowthChart]:
    """In the manifest's order."""
    groups: defaultdict[tuple[str, str, tuple[str, ...]], list[Growth]] = defaultdict(list)
    for growth in growths:
        groups[growth.family, growth.axis, tuple(name for name, _ in growth.held)].append(growth)
    for (family, axis, _), members in groups.items():
        title, drawn = f"{family} with {axis}", members[:MOST_LINES]
        lines = [line for growth in drawn for line in _lines(growth)]
        chart = Chart(f"Cycles of {title}", axis, "cycles", lines)
        yield GrowthChart(title, svg(chart), tuple(growth.line for growth in members), len(members) - len(drawn))


def _lines(growth: Growth) -> Iterator[Line]:
    name = " ".join(f"{axis}={text_of(value)}" for axis, value in growth.held)
    yield Line(name or "now", _points(growth.fit))
    if growth.before is not None and growth.before.points != growth.fit.points:
        yield Line(f"{name} before".lstrip(), _points(growth.before), is_old=True)


def _points(fit: Fit) -> list[tuple[float, float]]:
    return [(float(size), float(cycles)) for size, cycles in fit.points]
