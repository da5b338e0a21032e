"""The report of ``m0sim compare`` for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from m0sim.study.learn.comparison import Comparison
from m0sim.study.report import compare_data
from m0sim.study.report.compare_data import Sheet

_GAP = 2


class WideTable:
    """A table without lines that goes on below, names repeated, where the terminal has no room for more columns."""

    def __init__(self, sheet: Sheet) -> None:
        self.columns = list(zip(sheet.columns, *sheet.rows, strict=True))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for i, part in enumerate(self._parts(options.max_width)):
            if i:
                yield Text()
            yield _table(part)

    def _parts(self, width: int) -> Iterator[list[tuple[str, ...]]]:
        """The columns in runs that are no wider than `width`, each headed by the first column."""
        names = self.columns[0]
        part, used = [names], _width(names)
        for column in self.columns[1:]:
            if len(part) > 1 and used + _width(column) - _GAP > width:
                yield part
                part, used = [names], _width(names)
            part.append(column)
            used += _width(column)
        yield part


def _width(column: tuple[str, ...]) -> int:
    return max(map(len, column)) + _GAP


def _table(columns: list[tuple[str, ...]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    for i, (heading, *_) in enumerate(columns):
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    for row in zip(*(column[1:] for column in columns), strict=True):
        # A name that is indented belongs to the row above it.
        table.add_row(*map(Text, row), style="dim" if row[0].startswith(" ") else "")
    return table


def compare(comparison: Comparison) -> RenderableType:
    """The tables of a comparison and its notes."""
    parts: list[RenderableType] = [Text(compare_data.heading(comparison), style="bold")]
    for sheet in compare_data.sheets(comparison):
        title = Text(sheet.title, style="bold")
        parts += [Text(), title, WideTable(sheet), Text(sheet.remark, style="dim")]
    notes = compare_data.notes(comparison)
    if notes:
        parts.append(Text())
    parts += [Text.assemble((method, "bold"), f": {text}") for method, text in notes]
    return Group(*parts)
