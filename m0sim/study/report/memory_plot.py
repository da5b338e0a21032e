"""Memory over the time of a training step: every tensor a rectangle of addresses and operations."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from m0sim.report.units import count
from m0sim.study.learn.plan import Placed, Plan
from m0sim.study.learn.step import KINDS
from m0sim.study.report.drawing import GREY, KIND_COLOURS, PAPER, RED, STYLE, WIDE, kib, kib_tip, tip, to_bytes

COLOURS = {**KIND_COLOURS, "constants": GREY}
_BLACK = "#101010"  # on the colours of the kinds, whatever the page's ink is
_LETTER = 0.06  # inches of a letter of a name, about
_NAMED = 0.035
"""Share of the height from which on a rectangle has room for its name."""


def draw(plan: Plan, title: str, kind: str = "svg", width: float = WIDE) -> bytes:
    """The plan as a picture: bytes of SRAM upwards, operations of a step to the right, grouped by phase."""
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(width, 0.62 * WIDE), layout="constrained")
        axes = figure.subplots()
        placed = [p for p in plan.placed.values() if p.tensor.place == "sram"]
        for p in placed:
            _rectangle(axes, p, plan, width)
        axes.set_xlim(0, len(plan.step.ops))
        axes.set_ylim(0, 1.02 * plan.sram_bytes / 1024)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylabel("KiB of SRAM, from the plan's start")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, weight="bold")
        _phases(axes, plan)
        _peak(axes, plan)
        kinds = [kind for kind in KINDS if any(p.tensor.kind == kind for p in placed)]
        handles = [Patch(facecolor=COLOURS[kind], label=kind) for kind in kinds]
        columns = 8 if width >= WIDE else 3
        figure.legend(handles=handles, loc="outside lower left", ncols=columns, frameon=False, fontsize=8)
        return to_bytes(figure, kind)


Box = tuple[int, int, int, int]
"""Operation, offset in bytes, number of operations, bytes."""


def boxes(plan: Plan) -> list[Box]:
    """The rectangle of every tensor in SRAM."""
    return [_box(p) for p in plan.placed.values() if p.tensor.place == "sram"]


def _box(p: Placed) -> Box:
    return p.first, p.offset, p.last + 1 - p.first, p.tensor.size


def _rectangle(axes: Axes, p: Placed, plan: Plan, width: float) -> None:
    first, offset, operations, size = _box(p)
    where, high = (first, offset / 1024), size / 1024
    colour = COLOURS[p.tensor.kind]
    drawn = axes.add_patch(Rectangle(where, operations, high, facecolor=colour, edgecolor=PAPER, linewidth=0.4))
    tip(drawn, f"{p.tensor.name}, {p.tensor.kind}: {kib_tip(size)} at {count(offset)}, {_when(p, plan)}")
    letters = (width - 1) * operations / len(plan.step.ops) / _LETTER
    if size >= _NAMED * plan.sram_bytes and letters >= len(p.tensor.name):
        middle = (first + operations / 2, (offset + size / 2) / 1024)
        words: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "color": _BLACK, "clip_on": True}
        axes.annotate(p.tensor.name, middle, **words)


def _when(p: Placed, plan: Plan) -> str:
    first, last = plan.step.ops[p.first].phase, plan.step.ops[p.last].phase
    phases = f"in {first}" if first == last else f"from {first} to {last}"
    return f"operations {p.first + 1} to {p.last + 1} of {len(plan.step.ops)}, {phases}"


def _phases(axes: Axes, plan: Plan) -> None:
    """Ticks where a phase begins; backward and update take turns, layer by layer."""
    starts, at = [], 0
    for phase, ops in groupby(op.phase for op in plan.step.ops):
        starts.append((at, phase))
        at += len(list(ops))
    axes.set_xticks([start for start, _ in starts], [phase for _, phase in starts], rotation=90, fontsize=7, ha="left")
    for start, _ in starts[1:]:
        axes.axvline(start, color=GREY, linewidth=0.5, linestyle=":")


def _peak(axes: Axes, plan: Plan) -> None:
    """The moment at which the most bytes are live, framed, and a figure above."""
    height = plan.sram_bytes / 1024
    axes.add_patch(Rectangle((plan.peak, 0), 1, height, facecolor="none", edgecolor=RED, linewidth=1.6))
    words = f"peak framed: {kib(plan.lower_bound)} live, {kib(plan.sram_bytes)} planned"
    axes.set_title(words, loc="left", fontsize=8, color=RED)
