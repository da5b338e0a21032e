"""The HTML report of ``m0sim compare``: one file that needs no network and no script."""

from __future__ import annotations

from markupsafe import Markup

from m0sim.report.page_template import render
from m0sim.study.learn.comparison import RECONSTRUCTION, Comparison
from m0sim.study.report import compare_data, compare_plots, drawing


def page(comparison: Comparison) -> str:
    """The report, its plots inside as SVG: a wide and a narrow form of each, of which the page shows one."""
    return render(
        "compare.html.j2",
        "m0sim.study.report",
        comparison=comparison,
        heading=compare_data.heading(comparison),
        sheets=compare_data.sheets(comparison),
        plots=[_plot(comparison, "cycles"), _plot(comparison, "sram")],
        notes=compare_data.notes(comparison),
        reconstruction=RECONSTRUCTION if any(m.is_reconstruction for m in comparison.methods) else "",
    )


def _plot(comparison: Comparison, name: str) -> dict[str, Markup]:
    """The plot by width, as markup: compare_plots made it, so nothing in it needs escaping."""
    draw = {"cycles": compare_plots.cycles, "sram": compare_plots.sram}[name]
    widths = {"wide": drawing.WIDE, "narrow": drawing.NARROW}
    return {
        form: Markup(drawing.inline(draw(comparison, "svg", width), f"{name}-{form}")) for form, width in widths.items()
    }
