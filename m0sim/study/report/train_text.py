"""The report of ``m0sim train`` for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from m0sim.study.learn.comparison import RECONSTRUCTION
from m0sim.study.learn.experiment.training import Training
from m0sim.study.learn.methods import is_reconstruction
from m0sim.study.report import train_data
from m0sim.study.report.compare_text import WideTable


def train(training: Training) -> RenderableType:
    """The table of a run and its closing line."""
    sheet = train_data.sheet(training)
    parts: list[RenderableType] = [Text(train_data.heading(training), style="bold"), Text(), WideTable(sheet)]
    parts.append(Text(sheet.remark, style="dim"))
    if is_reconstruction(training.task.setting.method):
        parts.append(Text(f"{training.task.setting.method}: {RECONSTRUCTION}", style="dim"))
    return Group(*parts, Text(), Text(train_data.closing(training)))
