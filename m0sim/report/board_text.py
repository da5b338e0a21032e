"""Exported images and the logs of boards for a person."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from m0sim.board.image import Exported
from m0sim.board.log import BenchLog, BoardLog
from m0sim.report.text import grid
from m0sim.report.units import count, signed

_STYLES = {"equal": "green", "differs": "bold red", "missing": "yellow"}


def exported(done: Exported, path: Path, left_out: Mapping[str, str]) -> RenderableType:
    """What was written, and what the board is expected to print."""
    table = grid("bench", *(("cold", "warm") if done.code == "flash" else ("cycles",)), "result")
    for bench in done.benches:
        cycles = (bench.cycles, bench.later_cycles) if done.code == "flash" else (bench.cycles,)
        table.add_row(Text(bench.name), *(Text(count(each)) for each in cycles), Text(bench.result_text))
    many = f"{count(len(done.benches))} bench{'es' if len(done.benches) > 1 else ''}, {done.repeats} times each"
    where = f"code in {_PLACES[done.code]}, {count(done.sram_bytes)} bytes of SRAM"
    head = f"{path}: {many}, {where}, image {done.fingerprint}"
    notes = [Text(f"left out: {name}: {reason}", style="yellow") for name, reason in left_out.items()]
    return Group(Text(head), Text(), table, *notes)


_PLACES = {"sram": "SRAM", "flash": "flash"}


def log(found: BoardLog) -> RenderableType:
    """The board's figures beside the simulated ones."""
    where = f"code in {_PLACES.get(found.code, found.code)} at {found.clock_hz / 1e6:g} MHz"
    head = f"{found.path}: image {found.image}, exported by m0sim {found.version}, {where}, {found.repeats} times each"
    table = grid("bench", "board", "m0sim", "difference", "")
    table.columns[-1].justify = "left"
    for number, bench in enumerate(found.benches):
        table.add_row(*_row(number, bench))
    parts = [f"{found.count('equal')} equal", f"{found.count('differs')} differ", f"{found.count('missing')} missing"]
    notes = [Text(f"warning: {note}", style="yellow") for note in found.notes]
    return Group(Text(head), Text(), table, Text(), Text(", ".join(parts)), *notes)


def _row(number: int, bench: BenchLog) -> list[Text]:
    board = [c.cycles for c in bench.measured]
    simulated = [c.cycles for c in bench.simulated]
    apart = [c.cycles - bench.simulated_at(i).cycles for i, c in enumerate(bench.measured)] if simulated else []
    words: str = bench.status
    if bench.fault is not None:
        words += f": a fault at {bench.fault:#010x}"
    elif bench.differences:
        words += f": {', '.join(bench.differences)}"
    elif bench.status == "missing":
        words += f": {len(board)} of {bench.repeats} repeats"
    return [
        Text(bench.name or f"number {number}"),
        Text(_span(board)),
        Text(_span(simulated)),
        Text(_span(apart, is_signed=True)),
        Text(words, style=_STYLES[bench.status]),
    ]


def _span(values: list[int], *, is_signed: bool = False) -> str:
    """One value, or the least and most."""
    text = signed if is_signed else count
    if not values:
        return ""
    least, most = min(values), max(values)
    return text(least) if least == most else f"{text(least)} to {text(most)}"
