"""Benches of a manifest as calls for a board, and beside what the board said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from m0sim.board import log as logs
from m0sim.board.log import BenchLog, BoardLog
from m0sim.board.request import NAME_LIMIT, Request
from m0sim.check.bench import Bench, CallBench
from m0sim.check.measure import Failure, Measurement
from m0sim.errors import UsageError
from m0sim.names import printable

_MOST_NAMED = 5


def request(bench: Bench) -> Request:
    """The call of a bench. Raises `UsageError` for what nothing on a board can do."""
    if not isinstance(bench, CallBench):
        raise UsageError("is whole firmware, which measures nothing by itself")
    for key in ("startup", "stubs", "registers", "stdout", "bootrom"):
        if getattr(bench, key):
            raise UsageError(f"needs {key}, which an exported image does not have")
    if bench.flash != "ideal":
        raise UsageError(f"counts with {bench.flash} flash, and the exported code runs from SRAM")
    return Request(name_of(bench.name), bench.function, bench.args, bench.result, bench.before, bench.stop_after)


def name_of(bench: str) -> str:
    """What a log calls a bench."""
    return printable(bench)[:NAME_LIMIT]


def read_log(path: Path) -> BoardLog:
    """A whole log. Raises `UsageError` for one that is not, since nothing can be said of what is not there."""
    found = logs.read(path)
    for note in found.notes:
        raise UsageError(f"{path}: {note}")
    return found


def compared(measured: Measurement, log: BoardLog) -> Measurement:
    """The same with a failure where the board does not agree with what is simulated now."""
    bench = _of(log, measured.name)
    if bench is None or measured.figures is None or measured.failure is not None:
        return measured
    differs = _difference(bench, measured.figures.cycles)
    return replace(measured, failure=Failure("board", differs)) if differs else measured


def notes(found: Sequence[Measurement], log: BoardLog) -> list[str]:
    """Which benches the log has nothing of."""
    absent = [each.name for each in found if _of(log, each.name) is None]
    return [f"{log.path} has nothing of {shortened_list(absent)}"] if absent else []


def shortened_list(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(map(repr, names[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


def _of(log: BoardLog, name: str) -> BenchLog | None:
    return next((bench for bench in log.benches if bench.name == name_of(name)), None)


def _difference(bench: BenchLog, cycles: int) -> str:
    if bench.fault is not None:
        return f"the board met a fault at {bench.fault:#010x}"
    counted = [count.cycles for count in bench.measured]
    then = bench.simulated_at(0).cycles if bench.simulated else None
    if any(each != cycles for each in counted):
        least, most = min(counted), max(counted)
        span = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        if then != cycles and then is not None:
            return f"the log is of another build, of {then:,} cycles in simulation: {span} on the board, {cycles:,} now"
        return f"{span} cycles on the board, {cycles:,} in simulation"
    others = [part for part in bench.differences if part != "cycles"]
    if others:
        return f"{' and '.join(others)} on the board not as in simulation"
    return "" if bench.status == "equal" else "the log has not all repeats of it"
