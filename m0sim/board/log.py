"""What a board printed: read from a log that may have anything before, between and behind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from zlib import crc32

from m0sim import files
from m0sim.errors import UsageError
from m0sim.names import printable

LOG_LIMIT = 16 << 20
"""Bytes of a log: a day of it at 115,200 baud is more, but nobody's benches are."""
FORMAT = 1
"""Of the log: goes up when a line changes its meaning."""
_MOST_BENCHES, _MOST_REPEATS = 10_000, 1000
_HEAD = re.compile(
    r"m0sim export (\d{1,9}) version (\S{1,40}) image ([0-9a-f]{8}) "
    r"benches (\d{1,9}) repeats (\d{1,9}) clock (\d{1,10}) code (\w{1,20})"
)
_LINE = re.compile(
    r"(m0sim|board) (\d{1,9}) cycles (\d{1,10}) result (-|[0-9a-f]{8}|[0-9a-f]{16}) memory ([0-9a-f]{8})"
)
_BENCH = re.compile(r"bench (\d{1,9}) (.*)")
_FAULT = re.compile(r"fault (\d{1,9}) pc ([0-9a-f]{8})")
_END = re.compile(r"end ([0-9a-f]{8})")

Status = Literal["equal", "differs", "missing"]


@dataclass(frozen=True, slots=True)
class Count:
    """What one call took, and what it left."""

    cycles: int
    result: str
    """The words of the result in hexadecimal; ``-`` for none."""
    memory: str
    """CRC-32 of all memory that the call may have written, its stack not, in hexadecimal."""


@dataclass(slots=True)
class BenchLog:
    """One bench of a log."""

    name: str = ""
    simulated: list[Count] = field(default_factory=list)
    """By repeat; the last one is that of all others."""
    measured: list[Count] = field(default_factory=list)
    """By repeat."""
    fault: int | None = None
    """Where the board's processor met one."""
    repeats: int = 0

    def simulated_at(self, repeat: int) -> Count:
        """What m0sim says of one repeat."""
        return self.simulated[min(repeat, len(self.simulated) - 1)]

    @property
    def status(self) -> Status:
        """Whether board and simulation agree in every repeat, in all that is told."""
        if self.simulated and any(c != self.simulated_at(i) for i, c in enumerate(self.measured)):
            return "differs"
        if self.fault is not None:
            return "differs"
        return "equal" if self.simulated and len(self.measured) == self.repeats else "missing"

    @property
    def differences(self) -> tuple[str, ...]:
        """What of it differs: cycles, result, memory."""
        pairs = [(c, self.simulated_at(i)) for i, c in enumerate(self.measured)] if self.simulated else []
        fields = ("cycles", "result", "memory")
        return tuple(f for f in fields if any(getattr(a, f) != getattr(b, f) for a, b in pairs))


@dataclass(frozen=True, slots=True)
class BoardLog:
    """The last report in a log, or the last one that is whole."""

    path: Path
    version: str
    """Of the m0sim that made the image."""
    image: str
    """The image's fingerprint."""
    code: str
    """What the code runs from: ``sram`` or ``flash``."""
    clock_hz: int
    repeats: int
    benches: tuple[BenchLog, ...]
    has_end: bool
    is_intact: bool
    """Whether every character came as it was sent."""

    @property
    def is_equal(self) -> bool:
        """Whether the board agrees with the simulation in all that it was to measure."""
        return self.is_intact and all(bench.status == "equal" for bench in self.benches)

    def count(self, status: Status) -> int:
        """How many benches are that."""
        return sum(bench.status == status for bench in self.benches)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of the log itself."""
        if not self.has_end:
            return ("the log ends before the report does: press a key in the terminal, and log it again",)
        if not self.is_intact:
            return ("characters were lost or changed on the way: press a key in the terminal, and log it again",)
        return ()


def read(path: Path) -> BoardLog:
    """The last whole report of a log, or the last one. Raises `UsageError` where there is none in it."""
    text = files.read(path, LOG_LIMIT, "the log").decode("utf-8", "replace")
    lines = text.replace("\r", "\n").split("\n")  # a line's end may be CR LF, LF, or doubled by a terminal
    heads = [(i, found) for i, line in enumerate(lines) if (found := _HEAD.search(line)) is not None]
    if not heads:
        raise UsageError(
            f"{path}: has no line that begins with 'm0sim export': is it the log of an exported image, "
            "at 115,200 baud? (docs/board.md)"
        )
    ends = [*(i for i, _ in heads[1:]), len(lines)]
    reports = [_report(path, head, lines[i:end]) for (i, head), end in zip(heads, ends, strict=True)]
    return next((report for report in reversed(reports) if report.is_intact), reports[-1])


def _report(path: Path, head: re.Match[str], lines: Sequence[str]) -> BoardLog:
    number, version, image, count, repeats, clock, code = head.groups()
    if int(number) != FORMAT:
        raise UsageError(f"{path}: is a log of format {number}, not {FORMAT}: read it with the m0sim that exported it")
    if not 1 <= int(count) <= _MOST_BENCHES or not 1 <= int(repeats) <= _MOST_REPEATS:
        raise UsageError(f"{path}: says that it has {count} benches of {repeats} repeats: no exported image has")
    benches = [BenchLog(repeats=int(repeats)) for _ in range(int(count))]
    told = [head[0]]
    checksum: int | None = None
    for line in lines[1:]:
        ended = _END.fullmatch(line)
        if ended:
            checksum = int(ended[1], 16)
            break
        if line:
            told.append(line)
            _take(line, benches)
    intact = checksum == crc32("".join(f"{line}\n" for line in told).encode())
    return BoardLog(path, version, image, code, int(clock), int(repeats), tuple(benches), checksum is not None, intact)


def _take(line: str, benches: Sequence[BenchLog]) -> None:
    """What a line says of a bench; nothing where it is none of ours."""
    if found := _LINE.fullmatch(line):
        who, number, cycles, result, memory = found.groups()
        if int(number) < len(benches):
            bench = benches[int(number)]
            counts = bench.simulated if who == "m0sim" else bench.measured
            if len(counts) < bench.repeats:
                counts.append(Count(int(cycles), result, memory))
    elif (found := _BENCH.fullmatch(line)) and int(found[1]) < len(benches):
        benches[int(found[1])].name = printable(found[2][:200])
    elif (found := _FAULT.fullmatch(line)) and int(found[1]) < len(benches):
        benches[int(found[1])].fault = int(found[2], 16)
