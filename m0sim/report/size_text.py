"""What an image takes, as tables for a person."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from m0sim.report.size_data import NONE, By, Bytes, Row, Size
from m0sim.report.text import grid
from m0sim.report.units import count, signed, size

_PLACES: dict[By, tuple[tuple[str, Callable[[Row], str]], ...]] = {
    "section": (
        ("kind", lambda row: row.kind),
        ("address", lambda row: "" if row.address is None else f"{row.address:#010x}"),
    ),
    "object": (),
    "symbol": (
        ("kind", lambda row: "" if row.name.startswith("[") else row.kind),
        ("section", lambda row: row.section),
        ("object", lambda row: row.object),
    ),
}
"""The columns between the name and the figures."""


def report(new: Size, wanted: Sequence[By], limit: int | None, old: Size | None = None) -> RenderableType:
    """The report of ``m0sim size``: a table for each of `wanted`, of at most `limit` rows but for that of sections."""
    parts: list[RenderableType] = [Text(_headline(new, old))]
    for by in wanted:
        if new.rows(by):
            most = None if by == "section" else limit
            parts += [Text(), _table(by, new.rows(by), most, shows_sram=new.shows_sram, is_compared=old is not None)]
    parts += [Text(f"note: {note}", style="yellow") for note in new.notes]
    return Group(*parts)


def _headline(new: Size, old: Size | None) -> str:
    figures = [_total("flash", new.total.flash, None if old is None else old.total.flash)]
    if new.is_sram_known:
        kept = f", {count(new.reserved)} of them kept for heap and stack" if new.reserved else ""
        figures.append(_total("SRAM", new.total.sram, None if old is None else old.total.sram) + kept)
    compared = "" if old is None else f" against {old.path}"
    return f"{new.path}{compared}: {'; '.join(figures)}"


def _total(memory: str, now: int, before: int | None) -> str:
    text = f"{memory} {count(now)} bytes" + (f" ({size(now)})" if now >= 1 << 10 else "")
    return text if before is None else f"{text}, {signed(now - before)}"


def _table(by: By, rows: Sequence[Row], limit: int | None, *, shows_sram: bool, is_compared: bool) -> Table:
    """Rows, what is left out of them, and the total that all of them add up to."""
    places = _PLACES[by]
    memories = ("flash", "SRAM") if shows_sram else ("flash",)
    figures = [heading for name in memories for heading in ((name, "before", "change") if is_compared else (name,))]
    table = grid(by, *(heading for heading, _ in places), *figures)
    for column in table.columns[1 : 1 + len(places)]:
        column.justify = "left"
    listed = [row for row in rows if not is_compared or by == "section" or row.change != NONE]
    shown = listed if limit is None else listed[:limit]
    left_out = set(rows) - set(shown)

    def add(name: Text, cells: Sequence[str], now: Bytes, before: Bytes | None) -> None:
        table.add_row(name, *map(Text, cells), *_figures(now, before)[: len(figures)])

    for row in shown:
        add(Text(row.name), [cell(row) for _, cell in places], row.size, row.before)
    if left_out:
        what = "more" if len(listed) > len(shown) else "unchanged"
        add(Text(f"... {count(len(left_out))} {what}", style="dim"), [""] * len(places), *_sum(left_out))
    add(Text("total", style="bold"), [""] * len(places), *_sum(rows))
    return table


def _sum(rows: Collection[Row]) -> tuple[Bytes, Bytes | None]:
    befores = [row.before for row in rows if row.before is not None]
    return sum((row.size for row in rows), NONE), sum(befores, NONE) if befores else None


def _figures(now: Bytes, before: Bytes | None) -> list[str]:
    """Of flash, then of SRAM: now, and where something was before, that and the change."""
    if before is None:
        return [count(now.flash), count(now.sram)]
    change = now - before
    return [
        *(count(now.flash), count(before.flash), signed(change.flash)),
        *(count(now.sram), count(before.sram), signed(change.sram)),
    ]
