"""The report of ``m0sim study`` for a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from m0sim.study.report import study_data
from m0sim.study.report.compare_text import WideTable


def study(result: dict[str, Any]) -> RenderableType:
    """All tables of a result."""
    parts: list[RenderableType] = [Text(study_data.heading(result), style="bold")]
    for sheet in study_data.sheets(result):
        parts += [Text(), Text(sheet.title, style="bold"), WideTable(sheet), Text(sheet.remark, style="dim")]
    return Group(*parts)
