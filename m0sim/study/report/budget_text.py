"""The report of ``m0sim budget`` for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from m0sim.study.report import budget_data
from m0sim.study.report.compare_text import WideTable
from m0sim.study.whatif.budget import Budget


def budget(result: Budget) -> RenderableType:
    """The tables of a budget and its notes."""
    parts: list[RenderableType] = [Text(budget_data.heading(result), style="bold")]
    for sheet in budget_data.sheets(result):
        parts += [Text(), Text(sheet.title, style="bold"), WideTable(sheet), Text(sheet.remark, style="dim")]
    return Group(*parts, Text(), *(Text(note) for note in budget_data.notes(result)))
