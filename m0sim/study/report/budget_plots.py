"""The pictures of ``m0sim budget``: memory over time, SRAM by kind against the budgets, SRAM against cycles."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from m0sim.report.units import count
from m0sim.study.learn.comparison import RECONSTRUCTION
from m0sim.study.learn.methods import is_reconstruction
from m0sim.study.learn.step import KINDS
from m0sim.study.report import front_plot, memory_plot
from m0sim.study.report.drawing import INK, OTHER_COLOURS, PAPER, STYLE, WIDE, Plot, to_bytes
from m0sim.study.report.front_plot import PlottedPoint
from m0sim.study.whatif.budget import Answer, Budget
from m0sim.study.whatif.configuration import layers_of
from m0sim.study.whatif.planned import Planned

_COLOURS = {**memory_plot.COLOURS, "packing": OTHER_COLOURS[0], "stack": OTHER_COLOURS[1]}


def plots(budget: Budget) -> dict[str, tuple[str, Plot]]:
    """By name: what the picture shows, and the function that draws it."""
    asked = {a.configuration.method: a.planned for a in (row.asked for row in budget.rows)}
    found: dict[str, tuple[str, Plot]] = {"sram": ("SRAM by kind against the budgets", _sram(budget, asked))}
    points = _points(budget)
    if points:
        title = f"{budget.question.found.name}: SRAM against cycles"
        found["front"] = ("SRAM against cycles", lambda kind, width: front_plot.draw(points, title, kind, width))
    return found | {f"memory-{method}": (f"Memory of a step: {method}", _memory(p)) for method, p in asked.items()}


def files(budget: Budget) -> dict[str, bytes]:
    """File name to contents: sram, front and memory-METHOD, as PNG and SVG."""
    drawn = plots(budget)
    return {f"{name}.{kind}": plot(kind, WIDE) for name, (_, plot) in drawn.items() for kind in ("png", "svg")}


def _memory(planned: Planned) -> Plot:
    c = planned.configuration
    title = f"{c.method} on {planned.step.network.name}"
    return lambda kind, width: memory_plot.draw(planned.plan, title, kind, width)


def _points(budget: Budget) -> list[PlottedPoint]:
    """All measured answers, each configuration once."""
    found = {answer.configuration: _point(answer) for answer in _answers(budget) if answer.measured is not None}
    return list(found.values())


def _answers(budget: Budget) -> Iterator[Answer]:
    for row in budget.rows:
        yield from filter(None, (row.asked, row.best, row.solution))


def _point(answer: Answer) -> PlottedPoint:
    c = answer.configuration
    label = f"{c.trained}/{layers_of(c)}" + ("" if c.fraction is None else f", {100 * c.fraction:.3g} %")
    return PlottedPoint(c.method, label, answer.planned.needed_bytes, float(answer.cycles or 0), c.trained)


def _sram(budget: Budget, asked: dict[str, Planned]) -> Plot:
    return lambda kind, width: _draw_sram(budget, asked, kind, width)


def _draw_sram(budget: Budget, asked: dict[str, Planned], kind: str, width: float) -> bytes:
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(width, 1.5 + 0.32 * len(asked)), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right", "left"]].set_visible(False)
        bars = {m: {**p.plan.sram_by_kind(), "stack": p.stack_bytes} for m, p in asked.items()}
        shown = [k for k in (*KINDS, "packing", "stack") if any(bar.get(k) for bar in bars.values())]
        for row, (method, bar) in enumerate(bars.items()):
            _bar(axes, row, [(k, bar.get(k, 0)) for k in shown])
            axes.annotate(
                count(asked[method].needed_bytes),
                (sum(bar.values()) / 1024, row),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.8},
            )
        axes.set_yticks(range(len(bars)), [m + "*" * is_reconstruction(m) for m in bars])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(bars) - 0.45, -0.55)
        _budget_lines(axes, budget, max(p.needed_bytes for p in asked.values()) / 1024)
        stars = f"   * {RECONSTRUCTION}" if any(map(is_reconstruction, bars)) else ""
        axes.set_xlabel(f"KiB of SRAM, planned{stars}")
        figure.suptitle("SRAM of a training step by kind", x=0.01, ha="left", weight="bold")
        handles = [Patch(facecolor=_COLOURS[k], label=k) for k in shown]
        figure.legend(
            handles=handles, loc="outside lower left", ncols=8 if width >= WIDE else 3, frameon=False, fontsize=8
        )
        return to_bytes(figure, kind)


def _bar(axes: Axes, row: int, parts: list[tuple[str, int]]) -> None:
    start = 0.0
    for kind, size in parts:
        axes.barh(row, size / 1024, left=start, height=0.66, color=_COLOURS[kind], edgecolor=PAPER, linewidth=0.4)
        start += size / 1024


def _budget_lines(axes: Axes, budget: Budget, longest: float) -> None:
    """A dashed line a budget that is near the bars; of the others there is nothing to see."""
    axes.set_xlim(0, 1.18 * longest)
    for room in budget.question.rooms:
        if room.size / 1024 <= axes.get_xlim()[1]:
            axes.axvline(room.size / 1024, color=INK, linestyle="--", linewidth=1)
            axes.annotate(
                room.text,
                (room.size / 1024, 1),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="bottom",
                fontsize=8,
            )
