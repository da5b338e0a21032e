"""The HTML report of ``m0sim sweep``: one file that needs no network and no script."""

from __future__ import annotations

import tomllib

from m0sim.study.learn import sources
from m0sim.study.report import pages, sweep_data, sweep_plots
from m0sim.study.report.pages import PagePart
from m0sim.study.whatif.grid import Sweep
from m0sim.study.whatif.sweep import Finished

_PLACES = ("folder", "data_dir")
"""Keys of a sweep's file that say where something was on that machine, and decide about no figure."""


def page(sweep: Sweep, finished: Finished) -> str:
    """The report: its tables, then its pictures."""
    said = {key: value for key, value in tomllib.loads(sweep.text).items() if key not in _PLACES}
    return pages.page(
        title=f"A sweep: {sweep.path.name}",
        heading=[f"{sweep_data.heading(finished)}."],
        parts=[
            *(PagePart(sheet.title, sheet) for sheet in sweep_data.sheets(sweep.constraints, finished)),
            *pages.pictured(sweep_plots.plots(finished)),
        ],
        notes=[("", note) for note in sweep_data.notes(finished)],
        provenance={"sweep": sweep.path.name, **said, **sources.record(sweep.source)},
    )
