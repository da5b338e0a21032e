"""The pictures of ``m0sim budget``: memory over time, SRAM by kind against the budgets, SRAM against cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from m0sim.study.learn.comparison import RECONSTRUCTION
from m0sim.study.learn.methods import is_reconstruction
from m0sim.study.learn.step import KINDS
from m0sim.study.report import bars, drawing, front_plot, memory_plot
from m0sim.study.report.bars import BarChart, MethodBar
from m0sim.study.report.drawing import OTHER_COLOURS, Plot, kib, kib_tip
from m0sim.study.report.front_plot import PlottedPoint
from m0sim.study.whatif import sizes
from m0sim.study.whatif.budget import Answer, Budget
from m0sim.study.whatif.configuration import layers_of
from m0sim.study.whatif.planned import Planned

_COLOURS = {**memory_plot.COLOURS, "packing": OTHER_COLOURS[0], "stack": OTHER_COLOURS[1]}


def plots(budget: Budget) -> dict[str, tuple[str, Plot]]:
    """By name: what the picture shows, and the function that draws it."""
    asked = {a.configuration.method: a.planned for a in (row.asked for row in budget.rows)}
    found: dict[str, tuple[str, Plot]] = {"sram": ("SRAM by kind against the budgets", partial(_sram, budget, asked))}
    points = _points(budget)
    if points:
        title = f"{budget.question.found.name}: SRAM against cycles"
        found["front"] = ("SRAM against cycles", lambda kind, width: front_plot.draw(points, title, kind, width))
    return found | {f"memory-{method}": (f"Memory of a step: {method}", _memory(p)) for method, p in asked.items()}


def files(budget: Budget) -> dict[str, bytes]:
    """File name to contents: sram, front and memory-METHOD, as PNG and SVG."""
    return drawing.files(plots(budget))


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


def _sram(budget: Budget, asked: Mapping[str, Planned], kind: str, width: float) -> bytes:
    parts = {m: {**p.plan.sram_by_kind(), "stack": p.stack_bytes} for m, p in asked.items()}
    shown = [k for k in (*KINDS, "packing", "stack") if any(of.get(k) for of in parts.values())]
    stars = [f"* {RECONSTRUCTION}"] if any(map(is_reconstruction, asked)) else []
    chart = BarChart(
        title="SRAM of a training step, by kind",
        remark="\n".join(["planned, with the stack; 1 KiB = 1,024 bytes", *stars]),
        unit="KiB of SRAM",
        bars=[_bar(method, of, asked[method].needed_bytes) for method, of in parts.items()],
        colours={k: _COLOURS[k] for k in shown},
        lines=[(room.size / 1024, f"{sizes.kib(room)} KiB") for room in budget.question.rooms],
    )
    return bars.draw(chart, kind, width)


def _bar(method: str, parts: Mapping[str, int], needed: int) -> MethodBar:
    return MethodBar(
        name=method + "*" * is_reconstruction(method),
        parts={k: size / 1024 for k, size in parts.items()},
        figure=kib(needed).removesuffix(" KiB"),
        tips={k: f"{method}, {k}: {kib_tip(size)} of {kib_tip(needed)}" for k, size in parts.items()},
    )
