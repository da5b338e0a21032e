"""Stacked bars, a method a row: of `m0sim compare` and `m0sim budget`. What dwarfs the others is cut off and marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from m0sim.study.report.drawing import INK, PAPER, STYLE, WIDE, scale_end, tip, to_bytes

_ROW = 0.32  # inches of height for a method
_FURTHEST = 2  # a line further away than so many bars would squeeze them: it is only named
_LETTER = 0.075  # inches of a letter of a label, about
_CUT = 1.05  # of the longest to scale: where a longer bar is cut off


@dataclass(frozen=True)
class MethodBar:
    """A method."""

    name: str
    parts: Mapping[str, float]
    """Lengths by part, in the axis' unit."""
    figure: str
    """What is written behind the end."""
    tips: Mapping[str, str]
    """What the mouse shows on each part."""
    whisker: tuple[float, float] | None = None
    """From and to, if there is a spread to show."""

    @property
    def length(self) -> float:
        """To where something is drawn."""
        return max(sum(self.parts.values()), self.whisker[1] if self.whisker else 0.0)


@dataclass(frozen=True)
class BarChart:
    """Bars with what is around them."""

    title: str
    remark: str
    unit: str
    """Under the axis."""
    bars: Sequence[MethodBar]
    colours: Mapping[str, str]
    """By part, in the order in which parts follow each other."""
    lines: Sequence[tuple[float, str]] = ()
    """Dashed lines with their names, such as budgets."""


def draw(chart: BarChart, kind: str = "svg", width: float = WIDE) -> bytes:
    """A figure as bytes: title and legend, the bars, and below them the remark."""
    columns = 8 if width >= WIDE else 3
    longest = scale_end([bar.length for bar in chart.bars])
    end = _CUT * longest if any(bar.length > longest for bar in chart.bars) else longest
    near, far = _near(chart.lines, end)
    levels = _levels(near, 1.2 * end / (width - 1.6))
    remark = "\n".join([*chart.remark.splitlines(), *_said(chart, end, far)])
    above = 0.38 + 0.19 * -(-len(chart.colours) // columns)
    below = 0.12 + 0.15 * len(remark.splitlines())
    height = above + below + _ROW * len(chart.bars) + 0.6 + 0.15 * len(set(levels))
    with style.context(["default", STYLE]):
        rect = (0, below / height, 1, 1 - (above + below) / height)
        figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(rect=rect, w_pad=0.1, h_pad=0.07))
        axes = figure.subplots()
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, max([1.18 * end, *(1.05 * at for at, _ in near)]) or 1)
        axes.set_ylim(len(chart.bars) - 0.45, -0.55)
        axes.set_yticks(range(len(chart.bars)), [bar.name for bar in chart.bars])
        axes.set_xlabel(chart.unit)
        for (at, name), level in zip(near, levels, strict=True):
            _line(axes, at, name, level)
        for row, bar in enumerate(chart.bars):
            _bar(axes, row, bar, chart.colours, end)
        figure.text(0.1 / width, 1 - 0.08 / height, chart.title, va="top", fontsize=11, weight="bold")
        figure.text(0.1 / width, 0.08 / height, remark, va="bottom", fontsize=8, linespacing=1.3)
        _legend(figure, chart.colours, columns, 1 - 0.28 / height)
        return to_bytes(figure, kind)


def _near(lines: Sequence[tuple[float, str]], end: float) -> tuple[list[tuple[float, str]], list[str]]:
    """The lines that are drawn, from left to right, and the names of those that are too far away."""
    near = sorted(line for line in lines if line[0] <= _FURTHEST * end)
    return near, [name for at, name in sorted(lines) if at > _FURTHEST * end]


def _levels(near: Sequence[tuple[float, str]], inch: float) -> list[int]:
    """On which level above the bars each name has room: 0 is the lowest. `inch` is so much of the axis."""
    levels, ends = [], [float("-inf")] * len(near)
    for at, name in near:
        half = (0.5 * _LETTER * len(name) + 0.04) * inch
        level = next(level for level, taken in enumerate(ends) if taken <= at - half)
        ends[level] = at + half
        levels.append(level)
    return levels


def _said(chart: BarChart, end: float, far: Sequence[str]) -> list[str]:
    cut = any(bar.length > end for bar in chart.bars)
    return ["//: off the scale, cut off"] * cut + [f"beyond the scale: {', '.join(far)}"] * bool(far)


def _bar(axes: Axes, row: int, bar: MethodBar, colours: Mapping[str, str], end: float) -> None:
    start = 0.0
    for part, colour in colours.items():
        size = min(bar.parts.get(part, 0.0), max(end - start, 0.0))
        if size <= 0:
            continue
        drawn = axes.barh(row, size, left=start, height=0.66, color=colour, edgecolor=PAPER, linewidth=0.4)
        tip(drawn.patches[0], bar.tips.get(part, ""))
        start += size
    where: dict[str, Any] = {"textcoords": "offset points", "va": "center"}
    is_cut = bar.length > end
    if is_cut:
        axes.annotate("//", (end, row), (-14, 0), fontsize=11, weight="bold", color=PAPER, ha="center", **where)
    elif bar.whisker:
        axes.plot(bar.whisker, [row, row], color=INK, linewidth=1, marker="|", markersize=5)
    behind = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}  # hides a line, if it is there
    figure = f"{bar.figure} \N{RIGHTWARDS ARROW}" if is_cut else bar.figure
    axes.annotate(figure, (end if is_cut else bar.length, row), (5, 0), fontsize=8, bbox=behind, **where)


def _line(axes: Axes, at: float, name: str, level: int) -> None:
    axes.axvline(at, color=INK, linestyle="--", linewidth=1)
    axes.annotate(
        name,
        (at, 1),
        (0, 1 + 10 * level),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=8,
    )


def _legend(figure: Figure, colours: Mapping[str, str], columns: int, top: float) -> None:
    """Row by row in the order of the bars; matplotlib itself goes column by column."""
    patches = [Patch(facecolor=colour, label=part) for part, colour in colours.items()]
    figure.legend(
        handles=[patch for i in range(columns) for patch in patches[i::columns]],
        ncols=columns,
        loc="upper left",
        bbox_to_anchor=(0, top),
        frameon=False,
        fontsize=8,
        handlelength=1,
        columnspacing=1.2,
    )
