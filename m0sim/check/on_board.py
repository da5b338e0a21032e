"""Benches of a manifest as calls for a board, and beside what the board said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from m0sim.board import log as logs
from m0sim.board.layout import Code
from m0sim.board.log import BenchLog, BoardLog
from m0sim.board.request import NAME_LIMIT, Request
from m0sim.check.bench import Bench, CallBench
from m0sim.check.measure import Failure, Measurement
from m0sim.chip import device
from m0sim.errors import UsageError
from m0sim.names import printable

_MOST_NAMED = 5


def request(bench: Bench, code: Code = "sram") -> Request:
    """The call of a bench. Raises `UsageError` for what nothing on a board can do."""
    if not isinstance(bench, CallBench):
        raise UsageError("is whole firmware, which measures nothing by itself")
    if not _is_of_the_board(bench, code):
        flash = "" if code == "sram" else ", its flash at half the clock"
        raise UsageError(f"is for {bench.profile}, and the board has an RP2040{flash}")
    for key in ("startup", "stubs", "registers", "stdout", "bootrom"):
        if getattr(bench, key):
            raise UsageError(f"needs {key}, which an exported image does not have")
    if bench.flash != "ideal" and code == "sram":
        raise UsageError(f"counts with {bench.flash} flash, and the exported code runs from SRAM: --flash")
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


def compared(measured: Measurement, bench: Bench, log: BoardLog) -> Measurement:
    """The same with a failure where the board does not agree with what is simulated now."""
    found = _of(log, bench)
    if found is None or measured.figures is None or measured.failure is not None:
        return measured
    repeats = _repeats(bench, log)
    differs = _difference(found, measured.figures.cycles, repeats)
    return replace(measured, failure=Failure("board", differs)) if differs else measured


def notes(benches: Sequence[Bench], log: BoardLog) -> list[str]:
    """Which benches the log has nothing of."""
    absent = [bench.name for bench in benches if _of(log, bench) is None]
    code = "flash" if log.code == "flash" else "SRAM"
    return [f"{log.path}, of code in {code}, has nothing to compare with {shortened_list(absent)}"] if absent else []


def shortened_list(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(map(repr, names[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


def _of(log: BoardLog, bench: Bench) -> BenchLog | None:
    """What the log has of a bench that counts what the board does."""
    if not isinstance(bench, CallBench) or (bench.flash == "ideal") != (log.code == "sram"):
        return None
    if not _is_of_the_board(bench, "sram" if log.code == "sram" else "flash"):
        return None
    return next((found for found in log.benches if found.name == name_of(bench.name)), None)


def _is_of_the_board(bench: CallBench, code: Code) -> bool:
    """Whether what the bench counts is what an exported image does."""
    meant, board = device.load(bench.profile), device.load("rp2040")
    if code == "flash" and meant.xip_cache != board.xip_cache:
        return False
    return (meant.core, meant.multiplier_cycles, meant.has_sio_divider) == (board.core, board.multiplier_cycles, True)


def _repeats(bench: Bench, log: BoardLog) -> slice:
    """Which repeats count what the bench does: from flash, the first one is cold."""
    if log.code == "sram":
        return slice(None)
    return slice(1) if bench.flash == "cold" else slice(1, None)


def _difference(bench: BenchLog, cycles: int, repeats: slice) -> str:
    if bench.fault is not None:
        return f"the board met a fault at {bench.fault:#010x}"
    counted = [count.cycles for count in bench.measured][repeats]
    simulated = [bench.simulated_at(i).cycles for i in range(bench.repeats)] if bench.simulated else []
    then = next(iter(simulated[repeats]), None)
    if any(each != cycles for each in counted):
        least, most = min(counted), max(counted)
        span = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        if then != cycles and then is not None:
            return f"the log is of another build, of {then:,} cycles in simulation: {span} on the board, {cycles:,} now"
        return f"{span} cycles on the board, {cycles:,} in simulation"
    others = [part for part in bench.differences if part != "cycles"]
    if others:
        return f"{' and '.join(others)} on the board not as in simulation"
    return "" if len(bench.measured) == bench.repeats else "the log has not all repeats of it"
