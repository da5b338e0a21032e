"""The report of ``m0sim annotate``: one row one line, the same columns everywhere, nothing wrapped."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from m0sim.names import printable
from m0sim.report.annotate_data import (
    FAULT,
    FunctionListing,
    Listing,
    ListingRow,
    encoding,
    heading,
    loop_sentence,
    mark_of,
    sources_sentence,
    stalls_of,
)
from m0sim.report.units import count, share

_HEADINGS = ("address", "executions", "cycles", "stalls", "%", "taken", "not taken", "encoding", "instruction")
_STALLS = _HEADINGS.index("stalls")  # a column only of runs that waited
_WARM = 0.05  # share of all cycles from which on a row is highlighted


def show(listing: Listing) -> None:
    """Print the listing: styled on a terminal, plain anywhere else."""
    console = Console(highlight=False)
    for line in lines(listing):
        if console.is_terminal:
            console.print(line, soft_wrap=True)
        else:
            print(line.plain)


def lines(listing: Listing) -> Iterator[Text]:
    """The report, a line each, without trailing blanks."""
    cost = listing.cost
    result = "" if cost.result is None or listing.fault is not None else f", result {cost.result_text}"
    cycles = f"{count(cost.cycles)} cycles{_stalls(listing)}"
    yield Text.assemble((printable(cost.function), "bold"), f" on {cost.profile}: {cycles}{result}")
    for function in listing.functions:
        yield Text()
        yield from _function(function, cost.cycles, listing.has_stalls)
    if listing.left_out:
        what = "1 more function" if listing.left_out == 1 else f"{count(listing.left_out)} more functions"
        rest = f"{what} with {count(listing.left_out_cycles)} self cycles: --all shows every one"
        yield from (Text(), Text(rest, style="dim"))
    yield from (Text(f"warning: {printable(warning)}", style="yellow") for warning in cost.warnings)
    yield from (Text(f"note: {printable(note)}", style="dim") for note in listing.notes)


def _stalls(listing: Listing) -> str:
    """What the cycles have of waiting, and by which flash."""
    cost = listing.cost
    return f" with {cost.flash_model} flash, {count(cost.stall_cycles)} of them stalls" if listing.has_stalls else ""


def _function(function: FunctionListing, total: int, has_stalls: bool) -> Iterator[Text]:
    size = "" if function.size is None else f", {count(function.size)} bytes"
    calls = "1 call" if function.calls == 1 else f"{count(function.calls)} calls"
    own = f"{count(function.self_cycles)} self cycles, {share(function.self_cycles, total)}"
    place = f" at 0x{function.address:08x}{size}: {calls}, {own}; inclusive {count(function.inclusive_cycles)}"
    yield Text.assemble((printable(function.name), "bold"), place)
    if function.hot_loop is not None:
        yield Text(loop_sentence(function.hot_loop, total), style="yellow")
    if function.sources.inlined:
        yield Text(printable(sources_sentence(function.sources)), style="yellow")
    rows = [_HEADINGS, *(_cells(row, total) for row in function.rows)]
    table = rows if has_stalls else [cells[:_STALLS] + cells[_STALLS + 1 :] for cells in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    costs = function.lines if has_stalls else {}
    yield Text("   " + _aligned(table[0], widths), style="bold")
    shown = None
    for row, cells in zip(function.rows, table[1:], strict=True):
        source = row.source
        if source is not None and (source, row.inlined) != shown:
            shown = (source, row.inlined)
            text = "" if source.text is None else f": {printable(source.text.expandtabs(4))}"
            spent = f": {stalls_of(costs[source])}" if source in costs else ""
            yield Text(f"{printable(heading(row))}{spent}{text.rstrip()}", style="cyan")
        mark = mark_of(row, function.hot_loop)
        yield Text(f"{mark or ' '}  {_aligned(cells, widths)}".rstrip(), style=_style(row, mark, total))


def _cells(row: ListingRow, total: int) -> tuple[str, ...]:
    instruction = row.instruction
    remark = f"  ; {instruction.remark}" if instruction.remark else ""
    ran = row.executions > 0
    has_cost = row.has_cost
    return (
        f"0x{instruction.address:08x}",
        count(row.executions) if ran else "-",
        count(row.cycles) if has_cost else "-",
        count(row.stalls) if has_cost else "-",
        f"{100 * row.cycles / total:.2f}" if has_cost and total else "-",
        "-" if not ran or row.taken is None else count(row.taken),
        "-" if not ran or row.not_taken is None else count(row.not_taken),
        encoding(row),
        printable(instruction.text + remark),
    )


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    """Figures to the right, encoding and instruction to the left."""
    *figures, halfwords, instruction = cells
    right = [cell.rjust(width) for cell, width in zip(figures, widths, strict=False)]
    return "  ".join([*right, halfwords.ljust(widths[-2]), instruction])


def _style(row: ListingRow, mark: str, total: int) -> str:
    if mark == FAULT:
        return "bold red"
    if not row.executions:
        return "dim"
    return "bold" if row.cycles >= _WARM * total else ""
