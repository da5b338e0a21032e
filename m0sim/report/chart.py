"""A small line chart as SVG, drawn by hand: the profiler has no plotting library, and pages load nothing.

A chart brings its own colours, for light and dark, and a text for those who do not see it.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from m0sim.names import printable
from m0sim.report.units import count

MOST_LINES = 8
"""More are not told apart."""
_WIDTH, _HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 28, 52
_LETTER = 7.0
"""Width of a letter of the legend, on the safe side."""
_COLOURS = ("#0b57d0", "#b3261e", "#00695c", "#8f3a00", "#6a1b9a", "#455a64", "#9e6a00", "#ad1457")
_DARK = ("#8ab4f8", "#ff8a80", "#5fd0b8", "#ffb77a", "#d0a0f0", "#b0bec5", "#f0c060", "#ff90b8")


@dataclass(frozen=True, slots=True)
class Line:
    """A name, and points from left to right."""

    name: str
    points: Sequence[tuple[float, float]]
    is_old: bool = False
    """Drawn with dashes, in the colour of the line before it."""
    gaps: frozenset[int] = field(default_factory=frozenset)
    """Before which points, by their number, the line is broken: something is missing there."""
    has_dots: bool = True
    """Points are marked, and say their value where the mouse rests."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one horizontal axis."""

    title: str
    """For those who do not see it."""
    across: str
    """What the horizontal axis is."""
    up: str
    lines: Sequence[Line]
    labels: Sequence[tuple[float, str]] = ()
    """Marks of the horizontal axis; numbers where there are none."""
    from_zero: bool = True
    """Whether the vertical axis begins at 0; else near the smallest value, which shows small changes as large ones."""


def svg(chart: Chart) -> str:
    """The chart as one ``<svg>`` element; at most `MOST_LINES` colours, so give no more new lines than that.

    Raises `ValueError` where there is no point at all.
    """
    across = [x for line in chart.lines for x, _ in line.points]
    up = [y for line in chart.lines for _, y in line.points]
    marks = _marks(0.0 if chart.from_zero else min(up), max(up))
    left, right = min(across), max(across)
    low, high = marks[0], marks[-1]
    rows = _legend(chart.lines)
    height = _HEIGHT + 18 * len(rows)

    def x_of(value: float) -> float:
        share = (value - left) / (right - left) if right > left else 0.5
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" class="chart" role="img"'
        f' font-family="system-ui, sans-serif" font-size="12" aria-label="{_text(_told(chart))}">',
        f"<style>{_style()}</style>",
    ]
    for mark in marks:
        y = y_of(mark)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_number(mark)}</text>')
    for value, label in _apart([(x_of(x), label) for x, label in chart.labels or _numbers(left, right)]):
        parts.append(f'<path class="grid" d="M{value:.1f} {_HEIGHT - _BOTTOM}v5"/>')
        at = min(value, _WIDTH - _LETTER * len(label) / 2)  # whole, if not quite below its mark
        parts.append(f'<text x="{at:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{_text(label)}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 12}" text-anchor="middle">{_text(chart.across)}</text>')
    parts.append(f'<text x="4" y="{_TOP - 15}">{_text(chart.up)}</text>')
    for line, colour in zip(chart.lines, _colours(chart.lines), strict=True):
        parts += _drawn(line, colour, [(x_of(x), y_of(y)) for x, y in line.points])
    for row, entries in enumerate(rows):
        y = _HEIGHT + 18 * row + 6
        for x, line, colour in entries:
            dashes = ' stroke-dasharray="5 4"' if line.is_old else ""
            parts.append(f'<path class="line s{colour}"{dashes} d="M{x:.0f} {y - 4}h22"/>')
            parts.append(f'<text x="{x + 28:.0f}" y="{y}">{_text(line.name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _drawn(line: Line, colour: int, places: Sequence[tuple[float, float]]) -> list[str]:
    dashes = ' stroke-dasharray="5 4"' if line.is_old else ""
    steps = [f"{'M' if i == 0 or i in line.gaps else 'L'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(places)]
    dots = [
        f'<circle class="dot s{colour}" cx="{x:.1f}" cy="{y:.1f}" r="{2.5 if line.is_old else 3.5}">'
        f"<title>{_text(line.name)}: {_number(value)}</title></circle>"
        for (x, y), (_, value) in zip(places, line.points, strict=True)
    ]
    return [f'<path class="line s{colour}"{dashes} d="{"".join(steps)}"/>', *(dots if line.has_dots else ())]


def _colours(lines: Sequence[Line]) -> list[int]:
    found: list[int] = []
    for line in lines:
        found.append(found[-1] if line.is_old and found else (found[-1] + 1) % MOST_LINES if found else 0)
    return found


def _style() -> str:
    """Classes s0, s1, ... have the colours; in the dark others, as text on dark paper wants lighter ones."""
    common = (
        ".chart text{fill:#5c6066}.chart .grid{stroke:#d5d8dd;fill:none}.chart .line{fill:none;stroke-width:1.75}"
        ".chart .dot{stroke:none}"
    )
    dark = ".chart text{fill:#a0a5ad}.chart .grid{stroke:#3a3e46}"
    return f"{common}{_classes(_COLOURS)}@media (prefers-color-scheme:dark){{{dark}{_classes(_DARK)}}}"


def _classes(colours: Sequence[str]) -> str:
    return "".join(f".chart .line.s{i}{{stroke:{c}}}.chart .dot.s{i}{{fill:{c}}}" for i, c in enumerate(colours))


def _told(chart: Chart) -> str:
    lines = "; ".join(
        f"{line.name}: {_number(line.points[0][1])} to {_number(line.points[-1][1])}" for line in chart.lines
    )
    return f"{chart.title}. {lines}"


def _legend(lines: Sequence[Line]) -> list[list[tuple[float, Line, int]]]:
    """Rows of entries with where they begin: none where one line has all."""
    if len(lines) < 2:
        return []
    rows: list[list[tuple[float, Line, int]]] = [[]]
    x = float(_LEFT)
    for line, colour in zip(lines, _colours(lines), strict=True):
        wide = 28 + _LETTER * len(line.name) + 20
        if rows[-1] and x + wide > _WIDTH:
            rows.append([])
            x = float(_LEFT)
        rows[-1].append((x, line, colour))
        x += wide
    return rows


def _marks(low: float, high: float) -> list[float]:
    """Round numbers around a range, from 4 to 7 or so; never a single one."""
    if high <= low:
        high = low + max(1.0, abs(low) / 10)
        low = low if low == 0 else low - (high - low)
    step = _round_step((high - low) / 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [i * step for i in range(first, last + 1)]


def _numbers(low: float, high: float) -> list[tuple[float, str]]:
    return [(mark, _number(mark)) for mark in _marks(low, high) if low <= mark <= high] or [(low, _number(low))]


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def _apart(labels: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Those that have room, from the left; the last one before the one that it meets."""
    kept: list[tuple[float, str]] = []
    for place, label in labels:
        if kept and place - kept[-1][0] < _LETTER * (len(label) + len(kept[-1][1])) / 2 + 4:
            if (place, label) != tuple(labels[-1]) or len(kept) < 2:
                continue
            kept.pop()
        kept.append((place, label))
    return kept


def _number(value: float) -> str:
    return count(round(value)) if abs(value) >= 1000 or value == round(value) else f"{value:.4g}"


def _text(value: str) -> str:
    return html.escape(printable(value))
