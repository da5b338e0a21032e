"""The summary of ``m0sim sweep`` for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from m0sim.study.report import sweep_data
from m0sim.study.report.compare_text import WideTable
from m0sim.study.whatif.grid import Constraints
from m0sim.study.whatif.sweep import Finished


def summary(constraints: Constraints, finished: Finished) -> RenderableType:
    """The best of each budget, the front, and what failed."""
    parts: list[RenderableType] = [Text(sweep_data.heading(finished), style="bold")]
    for sheet in sweep_data.sheets(constraints, finished):
        parts += [Text(), Text(sheet.title, style="bold"), WideTable(sheet), Text(sheet.remark, style="dim")]
    return Group(*parts, *(Text(f"\n{note}") for note in sweep_data.notes(finished)))
