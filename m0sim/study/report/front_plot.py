"""SRAM against cycles: a point a configuration, and the front of those that no other beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from m0sim.study.learn.comparison import RECONSTRUCTION
from m0sim.study.learn.methods import is_reconstruction
from m0sim.study.report.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    SKY,
    STYLE,
    WIDE,
    YELLOW,
    in_order,
    look_of,
    to_bytes,
)

_COLOURS = (SKY, BLUE, ORANGE, YELLOW, RED, GREEN, GREY)
_MARKERS = "vs^<oDP"


@dataclass(frozen=True, slots=True)
class PlottedPoint:
    """A measured configuration."""

    method: str
    label: str
    """Short: it stands beside the point."""
    sram_bytes: int
    cycles: float
    trained: int
    """Layers that learn."""
    accuracy: float | None = None
    """Share of right answers, from a training result, if there is one."""
    key: str = ""
    """Of the configuration."""


def front(points: Sequence[PlottedPoint]) -> list[PlottedPoint]:
    """The points that no other beats, least SRAM first.

    One beats another that needs no less SRAM and no fewer cycles, and does not learn better: first by accuracy, where
    an unknown one counts as none, then by the number of layers that learn. Of equal points the first stays.
    """
    found: list[PlottedPoint] = []
    for point in sorted(points, key=lambda p: (p.sram_bytes, p.cycles, *(-x for x in _learns(p)))):
        if not any(_is_as_good(other, point) for other in found):
            found.append(point)
    return found


def _is_as_good(a: PlottedPoint, b: PlottedPoint) -> bool:
    return a.sram_bytes <= b.sram_bytes and a.cycles <= b.cycles and _learns(a) >= _learns(b)


def _learns(point: PlottedPoint) -> tuple[float, int]:
    """More is better."""
    return point.accuracy or 0.0, point.trained


def draw(points: Sequence[PlottedPoint], title: str, kind: str = "svg", width: float = WIDE) -> bytes:
    """The points by method; those of the front are named, the others pale."""
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(width, 0.62 * WIDE), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        best = front(points)
        for method in in_order(p.method for p in points):
            own = [p for p in points if p.method == method]
            _scatter(axes, method, [p for p in own if p not in best], pale=True)
            _scatter(axes, method, [p for p in own if p in best], pale=False)
        for i, point in enumerate(best):  # neighbours' names go below and above in turn
            where = (point.sram_bytes / 1024, point.cycles / 1e6)
            beside = (5, 5 if i % 2 else -9)
            axes.annotate(point.label, where, xytext=beside, textcoords="offset points", fontsize=6.5)
        axes.set_ylim(bottom=0)
        axes.margins(x=0.08)
        axes.set_xlabel("KiB of SRAM needed, stack included")
        axes.set_ylabel("million cycles a training step, zero wait states")
        axes.set_title(title, loc="left", fontsize=11, weight="bold")
        _legend(figure, points, 8 if width >= WIDE else 3)
        return to_bytes(figure, kind)


def _scatter(axes: Axes, method: str, points: Sequence[PlottedPoint], *, pale: bool) -> None:
    axes.scatter(
        [p.sram_bytes / 1024 for p in points],
        [p.cycles / 1e6 for p in points],
        s=22 if pale else 40,
        alpha=0.55 if pale else 1.0,
        color=look_of(method, _COLOURS),
        marker=look_of(method, _MARKERS),
        edgecolors=INK,
        linewidths=0.5,
    )


def _legend(figure: Figure, points: Sequence[PlottedPoint], columns: int) -> None:
    shown = in_order(p.method for p in points)
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            label=m + "*" * is_reconstruction(m),
            marker=look_of(m, _MARKERS),
            color=look_of(m, _COLOURS),
        )
        for m in shown
    ]
    said = "named: the front (layers that learn); pale: beaten"
    if any(map(is_reconstruction, shown)):
        said += f"\n* {RECONSTRUCTION}"
    small: dict[str, Any] = {"fontsize": 8, "title_fontsize": 8}
    figure.legend(
        handles=handles, loc="outside lower left", ncols=columns, frameon=False, title=said, alignment="left", **small
    )
