"""What machine code does not tell and a person does: where calls go, how deep recursion is, how often loops run.

The tables ``[stack]`` and ``[cycles]`` of docs/stack.md, in a TOML file of their own or in ``m0sim.toml``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from m0sim.bounds.code import CodeReader
from m0sim.errors import UsageError
from m0sim.image import Image
from m0sim.image.ranges import Range
from m0sim.toml import Table, read

T = TypeVar("T")
KEYS = ("stack", "cycles")
_STACK_KEYS = ("calls", "recursion", "frames", "bounds", "noreturn")
_CYCLES_KEYS = ("loops", "bounds")
_MOST_BYTES = 1 << 20
_MOST_ACTIVE = 1 << 20
_MOST_PASSES = 1 << 40
_MOST_CYCLES = 1 << 50
_LONGEST_FUNCTION = 1 << 20


@dataclass(frozen=True, slots=True)
class Loop:
    """How often a loop runs each time that it is entered."""

    ranges: tuple[Range, ...]
    """Where it is: code of the innermost loop around each of these."""
    most: int
    is_instruction: bool
    """Whether `most` is how often the instruction at the begin of the range runs; else how many passes there are."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The annotations of one image, by addresses. Those of a function are by its begin."""

    targets: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Where a call or a jump goes, by its address or by the function that it is in."""
    recursion: Mapping[int, int] = field(default_factory=dict)
    """How many calls of a function are open at once, at most."""
    frames: Mapping[int, int] = field(default_factory=dict)
    """Bytes that a function itself takes, without what it calls."""
    stack_bounds: Mapping[int, int] = field(default_factory=dict)
    """Bytes that a function takes with all that it calls; it is not read then."""
    endless: frozenset[int] = frozenset()
    """Functions that never return."""
    loops: tuple[Loop, ...] = ()
    cycle_bounds: Mapping[int, int] = field(default_factory=dict)
    """Cycles of a call of a function, which is not read then."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """The tables as they are written."""

    stack: Table | None = None
    cycles: Table | None = None

    @classmethod
    def load(cls, path: Path, others: Collection[str] = ()) -> Annotations:
        """Those of a file, which may have the keys `others` besides. Raises `UsageError`, one line."""
        return cls.of(read(path, "the annotations", (*KEYS, *others)))

    @classmethod
    def of(cls, top: Table) -> Annotations:
        """Those of the tables of a file. Raises `UsageError` for another key."""
        return cls(top.table("stack", _STACK_KEYS), top.table("cycles", _CYCLES_KEYS))

    def resolve(self, code: CodeReader, elsewhere: Callable[[str], bool] = lambda name: False) -> Resolved:
        """What they say of one image.

        Raises `UsageError`, one line with file, line and key, for a name that it has not, or that is no such thing. One
        that is `elsewhere`, in another image of the manifest, is left out.
        """
        reader = _Resolver(code, elsewhere)
        calls = reader.table(self.stack, "calls", reader.targets)
        endless = [] if self.stack is None else self.stack.array("noreturn")
        return Resolved(
            targets={at: targets for place, targets in calls for at in reader.sites(place)},
            recursion=reader.numbers(self.stack, "recursion", 1, _MOST_ACTIVE),
            frames=reader.numbers(self.stack, "frames", 0, _MOST_BYTES),
            stack_bounds=reader.numbers(self.stack, "bounds", 0, _MOST_BYTES),
            endless=frozenset(reader.in_array(self.stack, "noreturn", name) for name in endless),
            loops=tuple(reader.loops(self.cycles)),
            cycle_bounds=reader.numbers(self.cycles, "bounds", 0, _MOST_CYCLES),
        )


def is_place(code: CodeReader, name: str) -> bool:
    """Whether an image has a place that an annotation names."""
    try:
        _Resolver(code, lambda _: False).place(name)
    except UsageError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Place:
    ranges: tuple[Range, ...]
    is_function: bool = False
    is_line: bool = False


class _Resolver:
    """Finds in one image what annotations name."""

    def __init__(self, code: CodeReader, elsewhere: Callable[[str], bool]) -> None:
        self._code, self._image, self._elsewhere = code, code.image, elsewhere

    def place(self, name: str) -> _Place:
        """A function, ``function+0x1c``, ``file.c:16`` or ``function:16``. Raises `UsageError`."""
        offset = re.fullmatch(r"(.+)\+(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,9})", name)
        if offset:
            at = self.function(offset[1]) + int(offset[2], 0)
            if at & 1 or not self._code.is_code(at):
                raise UsageError(f"no instruction is there: {offset[1]} begins at 0x{self.function(offset[1]):08x}")
            return _Place(((at, at + 2),))
        line = re.fullmatch(r"(.*[^:]):([0-9]{1,9})", name)
        if line:
            return _Place(tuple(self._of_line(line[1], int(line[2]))), is_line=True)
        at = self.function(name)
        return _Place(((at, at + 2),), is_function=True)

    def function(self, name: str) -> int:
        """Where a function begins, which may be outside of the image where its address is given."""
        if re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}", name):
            return int(name, 16) & ~1
        return self._image.find(name).address

    def table(self, table: Table | None, key: str, value: Callable[[Table, str], T]) -> list[tuple[_Place, T]]:
        """Places, and what is said of each."""
        inner = None if table is None else table.table(key)
        found = []
        for name in [] if inner is None else inner.raw:
            assert inner is not None
            place = self._found(inner, name, name)
            said = value(inner, name)
            if place is not None:
                found.append((place, said))
        return found

    def numbers(self, table: Table | None, key: str, low: int, high: int) -> dict[int, int]:
        """A number of each function."""
        found = {}
        for place, (inner, name) in self.table(table, key, lambda inner, name: (inner, name)):
            if place.is_line:
                inner.fail(name, "must be a function, not a line")
            found[place.ranges[0][0]] = inner.integer(name, low, high)
        return found

    def targets(self, table: Table, name: str) -> tuple[int, ...]:
        """The functions that a call may go to."""
        wanted = table.array(name)
        if not wanted:
            table.fail(name, 'must be an array of functions, such as ["on_rx", "on_tx"]')
        return tuple(target for one in wanted for target in self._several(table, name, one))

    def _several(self, table: Table, key: str, name: object) -> Iterator[int]:
        """What an entry names: a function, a place in one, or all instructions of ``function+0x10..0x40``."""
        span = re.fullmatch(r"(.+\+0x[0-9a-fA-F]{1,8})\.\.(0x[0-9a-fA-F]{1,8})", name if isinstance(name, str) else "")
        if span is None:
            yield self.in_array(table, key, name)
            return
        at = self.in_array(table, key, span[1])
        last = self.in_array(table, key, f"{span[1].rpartition('+')[0]}+{span[2]}")
        if last - at > _LONGEST_FUNCTION:
            table.fail(key, f"{name!r}: more than {_LONGEST_FUNCTION:,} bytes")
        while at <= last:
            yield at
            encoding = self._code.encoding(at)
            at += 2 if encoding is None or encoding & 0xFFFF < 0xE800 else 4

    def in_array(self, table: Table | None, key: str, name: object) -> int:
        """The function, or the place, that an entry of an array names."""
        assert table is not None
        if not isinstance(name, str):
            table.fail(key, f"must be an array of functions' names, not of {name!r}")
        place = self._found(table, key, name)
        return 0 if place is None else place.ranges[0][0]

    def sites(self, place: _Place) -> Iterator[int]:
        """The addresses that a call at a place may have; of a function its begin, which stands for all in it."""
        for begin, end in place.ranges:
            yield from range(begin, end, 2)

    def loops(self, table: Table | None) -> Iterator[Loop]:
        for place, (inner, name) in self.table(table, "loops", lambda inner, name: (inner, name)):
            if place.is_function:
                inner.fail(name, f'must say which loop: "{name}+0x1c", an instruction of it, or "file.c:16"')
            yield Loop(place.ranges, inner.integer(name, 1, _MOST_PASSES), not place.is_line)

    def _found(self, table: Table, key: str, name: str) -> _Place | None:
        try:
            return self.place(name)
        except UsageError as error:
            if self._elsewhere(name):
                return None
            table.fail(key, str(error))

    def _of_line(self, where: str, number: int) -> Iterator[Range]:
        """Code of a line of a file, or of a function."""
        rows = self._image.lines()
        if not rows:
            raise UsageError("the image has no source lines: compile with -g, or say function+0x1c")
        begin, end = 0, 1 << 32
        file = where.replace("\\", "/")
        if _is_function(self._image, where):
            symbol = self._image.find(where)
            begin, end, file = symbol.address, symbol.address + min(symbol.size, _LONGEST_FUNCTION), ""
        found = False
        first = bisect_right(rows, begin, key=lambda row: row.address) - 1
        for i in range(max(first, 0), len(rows)):
            row = rows[i]
            if row.address >= end:
                break
            if row.line == number and f"/{row.file}".replace("\\", "/").endswith(f"/{file}" if file else ""):
                following = rows[i + 1].address if i + 1 < len(rows) else row.address + 2
                found = True
                yield max(begin, row.address), min(end, following, row.address + _LONGEST_FUNCTION)
        if not found:
            raise UsageError(f"no code is from line {number} of {where}")


def _is_function(image: Image, name: str) -> bool:
    try:
        return image.find(name).kind == "function"
    except UsageError:
        return False
