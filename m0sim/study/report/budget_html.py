"""The HTML report of ``m0sim budget``: one file that needs no network and no script."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from m0sim.report.page_template import render
from m0sim.study.report import budget_data, budget_plots, drawing
from m0sim.study.report.drawing import Plot
from m0sim.study.whatif.budget import Budget


def page(budget: Budget) -> str:
    """The report, its pictures inside as SVG: a wide and a narrow form of each, of which the page shows one."""
    return render(
        "whatif.html.j2",
        "m0sim.study.report",
        title=f"What fits: training {budget.question.found.name}",
        heading=budget_data.heading(budget),
        sheets=budget_data.sheets(budget),
        pictures=pictures(budget_plots.plots(budget)),
        notes=budget_data.notes(budget),
    )


def pictures(plots: Mapping[str, tuple[str, Plot]]) -> list[dict[str, str]]:
    """Plots, by name with their titles, as markup in both forms: they are our own, so nothing needs escaping."""
    widths = {"wide": drawing.WIDE, "narrow": drawing.NARROW}
    return [
        {
            "title": title,
            **{form: Markup(drawing.inline(plot("svg", width), f"{name}-{form}")) for form, width in widths.items()},
        }
        for name, (title, plot) in plots.items()
    ]
