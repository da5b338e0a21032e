"""Which code the compiler took from other functions: for an address, the functions that were inlined there.

From the entries of DWARF 2 to 5 (DWARF 5, section 3.3.8). What compilers write is a tree: the code of an inlined
function lies in that of the function around it, and no two of one level share any. Where a file says otherwise it is
damaged, and of the function it is about nothing is told: no split is better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from m0sim.image.cxx_names import demangled
from m0sim.image.dwarf import FileNames
from m0sim.image.dwarf_entries import At, Entries, Entry, Tag, Unit
from m0sim.image.dwarf_forms import BadDwarf
from m0sim.image.ranges import Range
from m0sim.image.rust_names import RustNames
from m0sim.names import printable

Int64Array = npt.NDArray[np.int64]

DEPTH_LIMIT = 64
"""Functions inlined into each other."""
PIECE_LIMIT = 1 << 19
"""Ranges of all inlined code: one for each 4 bytes of a full 2 MiB flash."""
_NOTE_LIMIT = 50


@dataclass(frozen=True, slots=True)
class InlineFrame:
    """A function of the source whose code stands in another one's."""

    name: str
    """As a symbol of it would be called: C++ demangled, Rust's path without its hash. Printable."""
    file: str
    """That it is written in; empty where the image does not tell."""
    call_file: str
    """That the call is written in that was replaced by its code; empty where the image does not tell."""
    call_line: int
    """0 where the image does not tell."""


InlineStack = tuple[InlineFrame, ...]
"""Inlined functions around an address, the innermost last."""


@dataclass(frozen=True, slots=True)
class InlineTable:
    """Inline stacks by address."""

    starts: Int64Array
    """Rising addresses, shape (n,): from each on, up to the next, code has the stack of the same place in `stack`."""
    stack: Int64Array
    """Shape (n,): indexes into `stacks`."""
    stacks: tuple[InlineStack, ...]
    """The first is that of code that nothing was inlined to: empty."""

    def places(self, addresses: Int64Array) -> Int64Array:
        """The stack of each of `addresses`, any shape, as its index into `stacks`; same shape."""
        if not len(self.starts):
            return np.zeros_like(addresses)
        at = np.searchsorted(self.starts, addresses, side="right") - 1
        return np.where(at >= 0, self.stack[np.maximum(at, 0)], 0)


class _Piece(NamedTuple):
    """A range of a subprogram or of what was inlined to it."""

    start: int
    end: int
    depth: int
    stack: int
    around: int
    """The stack of what it has to lie in; of a subprogram's own -1."""


class Inlines:
    """The inlined code of one image, each unit read when an address in it is asked for."""

    def __init__(self, sections: Mapping[str, bytes], functions: Mapping[int, int], unread: str = "") -> None:
        """`functions` has the size of every function by its address: code that begins elsewhere was dropped by the
        linker, and its entries were not. `unread` says why a section that this needs is not among `sections`."""
        self.notes: tuple[str, ...] = ()
        """Why inlined code is not told, one line each."""
        self._functions = functions
        self._files = FileNames(sections)
        self._rust = RustNames()
        self._origins: dict[int, tuple[str, str]] = {}
        self._stacks: list[InlineStack] = [()]
        self._places: dict[InlineStack, int] = {(): 0}
        self._marks: dict[int, int] = {}
        self._taken: set[int] = set()
        self._pieces = PIECE_LIMIT
        self._unseen: list[tuple[Unit, list[Range] | None]] = []
        self._table: InlineTable | None = None
        if unread:
            self._note(unread)
        try:
            if sections.get(".debug_info") and sections.get(".debug_abbrev"):
                self._entries = Entries(sections)
                self._unseen = [(unit, self._code_of_unit(unit)) for unit in self._entries.units]
                for damage in self._entries.damaged:
                    self._note(damage)
        except BadDwarf as bad:
            self._note(str(bad))

    def table(self, addresses: Int64Array) -> InlineTable:
        """The stacks of at least all `addresses`."""
        asked = np.unique(addresses)
        wanted = [unit for unit, code in self._unseen if code is None or _has_any(code, asked)]
        if self._table is None or wanted:
            starts = {unit.start for unit in wanted}
            self._unseen = [(unit, code) for unit, code in self._unseen if unit.start not in starts]
            for unit in wanted:
                self._read(unit)
            marks = sorted(self._marks.items())
            self._table = InlineTable(
                np.array([address for address, _ in marks], np.int64),
                np.array([stack for _, stack in marks], np.int64),
                tuple(self._stacks),
            )
        return self._table

    def _note(self, what: str) -> None:
        note = f"inlined functions are left out: {what}"
        if note not in self.notes and len(self.notes) < _NOTE_LIMIT:
            self.notes += (note,)

    def _code_of_unit(self, unit: Unit) -> list[Range] | None:
        """None where the unit does not tell: then any code may be its own."""
        top = unit.top
        if top is None or not ({At.RANGES, At.HIGH_PC} & top.values.keys()):
            return None
        try:
            return self._entries.code_of(unit, top)
        except BadDwarf:
            return None

    # -- one unit

    def _read(self, unit: Unit) -> None:
        """Adds a unit's functions to `_marks`, those before what is damaged among them."""
        functions: list[list[tuple[int, Entry]]] = []  # GNU C has functions inside of others
        try:
            for level, entry in self._entries.with_code(unit, (Tag.SUBPROGRAM, Tag.INLINED)):
                while functions and functions[-1][0][0] >= level:
                    self._add(unit, functions.pop())
                if entry.tag == Tag.SUBPROGRAM:
                    functions.append([])
                elif not functions:
                    raise BadDwarf("inlined code lies in no function")
                functions[-1].append((level, entry))
            while functions:
                self._add(unit, functions.pop())
        except BadDwarf as bad:
            self._note(f"unit 0x{unit.start:x}: {bad}")

    def _add(self, unit: Unit, entries: Sequence[tuple[int, Entry]]) -> None:
        """Adds one function, of which the first of `entries` is, and the others are inlined."""
        if len(entries) < 2 or not self._is_linked(unit, entries[0][1]):
            return
        try:
            pieces = self._of_function(unit, entries)
            marks = _flat(pieces)
        except BadDwarf as bad:
            name, _ = self._name(entries[0][1], ())
            self._note(f"{name or f'the function at 0x{entries[0][1].number(At.LOW_PC):08x}'}: {bad}")
            return
        own = {piece.start for piece in pieces if piece.around < 0}
        # Of two for one address the first holds, as of lines: C++ has some functions in many units, folding makes more.
        if not own & self._taken:
            self._taken |= own
            for address, stack in marks.items():
                if stack or not self._marks.get(address):  # one may end where another begins
                    self._marks[address] = stack

    def _is_linked(self, unit: Unit, entry: Entry) -> bool:
        """Whether the linker kept it: every piece of it begins where a function does, and ends in that."""
        code = self._entries.code_of(unit, entry)
        return all(begin in self._functions and end - begin <= max(self._functions[begin], 2) for begin, end in code)

    def _of_function(self, unit: Unit, entries: Sequence[tuple[int, Entry]]) -> list[_Piece]:
        first = entries[0][1]
        pieces = [_Piece(begin, end, 0, 0, -1) for begin, end in self._entries.code_of(unit, first)]
        around: list[tuple[int, InlineStack]] = [(entries[0][0], ())]
        for level, entry in entries[1:]:
            while around[-1][0] >= level:
                around.pop()
            if len(around) > DEPTH_LIMIT:
                raise BadDwarf(f"more than {DEPTH_LIMIT} functions are inlined into each other")
            outer = around[-1][1]
            stack = (*outer, self._frame(unit, entry))
            around.append((level, stack))
            place, outer_place = self._place(stack), self._place(outer)
            for begin, end in self._entries.code_of(unit, entry):
                pieces.append(_Piece(begin, end, len(stack), place, outer_place))
        self._pieces -= len(pieces)
        if self._pieces < 0:
            raise BadDwarf(f"there are more than {PIECE_LIMIT:,} ranges of inlined code")
        return pieces

    def _place(self, stack: InlineStack) -> int:
        if stack not in self._places:
            self._places[stack] = len(self._stacks)
            self._stacks.append(stack)
        return self._places[stack]

    def _frame(self, unit: Unit, entry: Entry) -> InlineFrame:
        origin = entry.number(At.ABSTRACT_ORIGIN, -1)
        if origin < 0:
            raise BadDwarf("inlined code does not say of what")
        if origin not in self._origins:
            self._origins[origin] = self._name(self._entries.at(origin), (origin,))
        name, file = self._origins[origin]
        if not name:
            raise BadDwarf("an inlined function has no name")
        return InlineFrame(name, file, self._file(unit, entry.number(At.CALLED_IN, -1)), entry.number(At.CALL_LINE))

    def _name(self, entry: Entry, seen: tuple[int, ...]) -> tuple[str, str]:
        """Name and file of a function: its own, or of what it is an instance of, which may be in another unit."""
        name = linkage_name = file = ""
        for _ in range(4):
            if entry.tag != Tag.SUBPROGRAM:
                raise BadDwarf("code is inlined of what is no function")
            name = name or entry.name
            linkage_name = linkage_name or _text(entry, At.LINKAGE_NAME) or _text(entry, At.MIPS_LINKAGE_NAME)
            file = file or self._file(self._entries.unit_of(entry.offset), entry.number(At.DECLARED_IN, -1))
            further = entry.number(At.ABSTRACT_ORIGIN, entry.number(At.SPECIFICATION, -1))
            if further < 0:
                break
            entry = self._entries.at(further)
        spoken = self._rust.path(linkage_name) or demangled(linkage_name) or name or linkage_name
        return printable(spoken), file

    def _file(self, unit: Unit, number: int) -> str:
        if unit.top is None or number < 0:
            return ""
        folder = _text(unit.top, At.FOLDER)
        names = self._files.of(unit.top.number(At.LINE_PROGRAM, -1), folder)
        return names[number] if number < len(names) else ""


def _text(entry: Entry, attribute: int) -> str:
    value = entry.values.get(attribute)
    return value if isinstance(value, str) else ""


def _has_any(code: Sequence[Range], addresses: Int64Array) -> bool:
    """Whether any of the sorted `addresses` is in one of the ranges."""
    return any(np.searchsorted(addresses, begin) < np.searchsorted(addresses, end) for begin, end in code)


def _flat(pieces: Sequence[_Piece]) -> dict[int, int]:
    """The stack of the code from each of these addresses on. Raises BadDwarf where pieces do not lie in each other."""
    marks: dict[int, int] = {}
    open_: list[_Piece] = []

    def close(address: int) -> None:
        while open_ and open_[-1].end <= address:
            done = open_.pop()
            marks[done.end] = open_[-1].stack if open_ else 0

    for piece in sorted(pieces, key=lambda p: (p.start, p.depth)):
        close(piece.start)
        if (open_[-1].stack if open_ else -1) != piece.around:
            raise BadDwarf("inlined code lies outside of what it is inlined to")
        if open_ and piece.end > open_[-1].end:
            raise BadDwarf("inlined code reaches beyond what it is inlined to")
        open_.append(piece)
        marks[piece.start] = piece.stack
    close(1 << 33)
    return marks
