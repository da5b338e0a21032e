"""The HTML report of ``m0sim sweep``: one file that needs no network and no script."""

from __future__ import annotations

from m0sim.report.page_template import render
from m0sim.study.report import sweep_data, sweep_plots
from m0sim.study.report.budget_html import pictures
from m0sim.study.whatif.grid import Sweep
from m0sim.study.whatif.sweep import Finished


def page(sweep: Sweep, finished: Finished) -> str:
    """The report, its pictures inside as SVG."""
    return render(
        "whatif.html.j2",
        "m0sim.study.report",
        title=f"A sweep: {sweep.path.name}",
        heading=sweep_data.heading(finished),
        sheets=sweep_data.sheets(sweep.constraints, finished),
        pictures=pictures(sweep_plots.plots(finished)),
        notes=sweep_data.notes(finished),
    )
