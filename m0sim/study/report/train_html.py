"""The HTML report of ``m0sim train``: one file that needs no network and no script."""

from __future__ import annotations

from m0sim.study.learn.comparison import RECONSTRUCTION
from m0sim.study.learn.experiment.training import Training
from m0sim.study.learn.methods import is_reconstruction
from m0sim.study.report import pages, train_data, train_plots
from m0sim.study.report.pages import PagePart


def page(training: Training) -> str:
    """The report of a run, or of as much of it as there is: the curve, and the table by epoch."""
    task, sheet = training.task, train_data.sheet(training)
    (picture,) = pages.drawn(train_plots.plots(training)).values()
    closing = train_data.closing(training)
    heading = [f"{train_data.heading(training)}.", f"{closing[:1].upper()}{closing[1:]}."]
    if not training.is_finished:
        heading.append(f"Stopped after {len(training.progress.epochs)} of {task.epochs} epochs.")
    starred = [(task.setting.method, f"{RECONSTRUCTION}; none of this is a paper's number.")]
    return pages.page(
        title=f"m0sim train: {task.setting.method} on {task.found.name}",
        heading=heading,
        parts=[PagePart(sheet.title, sheet, picture)],
        notes=starred if is_reconstruction(task.setting.method) else [],
        provenance=task.identity() | {"clock_hz": task.profile.clock_hz, "chip_engine": task.chip_engine},
    )
