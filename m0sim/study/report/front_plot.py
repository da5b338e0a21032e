"""SRAM against cycles: a point a configuration, and the front of those that no other beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from m0sim.study.learn.comparison import RECONSTRUCTION
from m0sim.study.learn.methods import is_reconstruction
from m0sim.study.report import labels
from m0sim.study.report.drawing import (
    GREY,
    INK,
    LOOKS,
    MOST,
    STYLE,
    WIDE,
    Look,
    dot_tip,
    in_order,
    kib_tip,
    scale_end,
    three_digits,
    to_bytes,
)

_OTHER: Look = (GREY, ".")
_EDGE = 1.06
"""Of the largest figure to scale: where that is drawn which is off it."""


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
    """The points by method; those of the front are named, the others pale. At most eight methods have a look of their
    own, those of the front first; what takes so long that the others would lie on the axis is at the upper edge."""
    best = front(points)
    looks = looks_of(points, best)
    top = scale_end([p.cycles for p in points]) / 1e6
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(width, 0.62 * WIDE), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        axes.margins(x=0.08)
        axes.set_ylim(0, 1.1 * top or 1)
        for point in sorted(
            points, key=lambda p: (p in best, p.method in looks, p.sram_bytes, p.cycles, p.method, p.label)
        ):
            _point(axes, point, looks.get(point.method, _OTHER), is_pale=point not in best, top=top)
        axes.set_xlabel("KiB of SRAM needed, stack included")
        axes.set_ylabel("million cycles a training step, zero wait states")
        axes.set_title(title, loc="left", fontsize=11, weight="bold")
        is_cut = any(p.cycles / 1e6 > top for p in points)
        _legend(figure, points, looks, 5 if width >= WIDE else 3, is_cut=is_cut)
        off = [p for p in points if p.cycles / 1e6 > top]
        places = {p: (p.sram_bytes / 1024, min(p.cycles / 1e6, _EDGE * top)) for p in points}
        named = [(*places[p], p.label) for p in best if p not in off]
        far = [
            (*places[p], f"{p.method}: {three_digits(p.cycles / 1e6)} million \N{UPWARDS ARROW}") for p in _fewest(off)
        ]
        labels.place(figure, axes, named + far, list(places.values()))
        return to_bytes(figure, kind)


def looks_of(points: Sequence[PlottedPoint], best: Sequence[PlottedPoint]) -> dict[str, Look]:
    """Colour and marker of those methods that have one of their own: of the front first, then in the registry's order.

    A method keeps its look wherever as many methods as there are looks are known.
    """
    on_front = in_order(p.method for p in best)
    others = [m for m in in_order(p.method for p in points) if m not in on_front]
    chosen = in_order([*on_front, *others][:MOST])
    return {method: LOOKS[i] for i, method in enumerate(chosen)}


def _fewest(off: Sequence[PlottedPoint]) -> list[PlottedPoint]:
    """Of those off the scale one a method, the cheapest: the arrow says the rest."""
    found: dict[str, PlottedPoint] = {}
    for point in sorted(off, key=lambda p: p.cycles):
        found.setdefault(point.method, point)
    return list(found.values())


def _point(axes: Axes, point: PlottedPoint, look: Look, *, is_pale: bool, top: float) -> None:
    colour, marker = look
    x, y = point.sram_bytes / 1024, point.cycles / 1e6
    is_off = y > top
    y = min(y, _EDGE * top)
    axes.plot(
        [x],
        [y],
        marker=marker,
        linestyle="",
        color=colour,
        markersize=4.7 if is_pale and not is_off else 6.5,
        alpha=0.55 if is_pale and not is_off else 1.0,
        markeredgecolor=INK,
        markeredgewidth=0.5,
    )
    accuracy = "" if point.accuracy is None else f", accuracy {100 * point.accuracy:.2f} %"
    need = f"{kib_tip(point.sram_bytes)}, {point.cycles:,.0f} cycles a step{accuracy}"
    dot_tip(axes, x, y, f"{point.method}, {point.label}: {need}")


def _legend(
    figure: Figure, points: Sequence[PlottedPoint], looks: Mapping[str, Look], columns: int, *, is_cut: bool
) -> None:
    shown = in_order(p.method for p in points)
    rest = [m for m in shown if m not in looks]
    handles = [_handle(m + "*" * is_reconstruction(m), looks[m]) for m in shown if m in looks]
    handles += [_handle(f"{len(rest)} other method{'s' * (len(rest) > 1)}", _OTHER)] * bool(rest)
    said = "named: the front (layers that learn); pale: beaten"
    said += "\nat the upper edge: off the scale" * is_cut
    said += f"\n* {RECONSTRUCTION}" * any(map(is_reconstruction, shown))
    small: dict[str, Any] = {"fontsize": 8, "title_fontsize": 8}
    figure.legend(
        handles=handles, loc="outside lower left", ncols=columns, frameon=False, title=said, alignment="left", **small
    )


def _handle(name: str, look: Look) -> Line2D:
    return Line2D([], [], linestyle="", label=name, color=look[0], marker=look[1])
