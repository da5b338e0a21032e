"""Numbers, strings and forms of DWARF's sections: DWARF 5, sections 7.5 and 7.6 (forms, LEB128).

A length in a file is never believed beyond its bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from m0sim.names import printable

TEXT_LIMIT = 4096
"""Characters of a path."""


class BadDwarf(Exception):
    """What is wrong with a section."""


class Reader:
    """Little-endian numbers and strings from `data`, from `at` up to `end`; BadDwarf beyond."""

    __slots__ = ("at", "data", "end", "wide")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None, wide: bool = False) -> None:
        self.data, self.at, self.wide = data, at, wide
        self.end = len(data) if end is None else end

    def unit(self) -> Reader:
        """A reader of the unit that starts here; moves behind it, or nowhere when its length is impossible."""
        start = self.at
        length = self.number(4)
        wide = length == 0xFFFFFFFF
        if wide:
            length = self.number(8)
        first = self.at
        if length > self.end - first or (length >= 0xFFFFFFF0 and not wide):
            self.at = start
            raise BadDwarf(f"its length {length} reaches beyond the section")
        self.at = first + length
        return Reader(self.data, first, self.at, wide)

    def skip(self, size: int) -> int:
        """Moves on by `size` bytes; returns where it was."""
        start = self.at
        if size > self.end - start:
            raise BadDwarf("it ends early")
        self.at = start + size
        return start

    def number(self, size: int) -> int:
        start = self.skip(size)
        return int.from_bytes(self.data[start : self.at], "little")

    def offset(self) -> int:
        """An offset into another section: 8 bytes in 64-bit DWARF, else 4."""
        return self.number(8 if self.wide else 4)

    def uleb(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.skip(1)]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
            if shift > 63:
                raise BadDwarf("a number has more than 64 bits")

    def sleb(self) -> int:
        start = self.at
        value = self.uleb()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) else value

    def text(self) -> str:
        end = self.data.find(b"\0", self.at, min(self.end, self.at + TEXT_LIMIT))
        if end < 0:
            raise BadDwarf("a string does not end")
        start, self.at = self.at, end + 1
        return printable(self.data[start:end].decode("utf-8", "replace"))


FIXED_SIZE = {0x19: 0, 0x21: 0}
"""Bytes of the forms that hold a number: data, flags, references, indexes (strx, addrx) of one unit or another."""
FIXED_SIZE |= dict.fromkeys((0x0B, 0x0C, 0x11, 0x25, 0x29), 1) | dict.fromkeys((0x05, 0x12, 0x26, 0x2A), 2)
FIXED_SIZE |= dict.fromkeys((0x06, 0x13, 0x1C, 0x28, 0x2C), 4) | dict.fromkeys((0x07, 0x14, 0x20, 0x24), 8)
FIXED_SIZE |= {0x27: 3, 0x2B: 3, 0x1E: 16}
_LENGTH_SIZE = {0x0A: 1, 0x03: 2, 0x04: 4}
_ULEB = (0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23)
_OFFSET = (0x10, 0x17, 0x1D)
_STRING, _STRP, _LINE_STRP, _ADDR, _SDATA, _BLOCK, _EXPRLOC, IMPLICIT_CONST = (
    0x08,
    0x0E,
    0x1F,
    0x01,
    0x0D,
    0x09,
    0x18,
    0x21,
)


def form_value(reader: Reader, form: int, sections: Mapping[str, bytes], address_size: int = 4) -> int | str:
    """The value of a form: a number, a string, or 0 for what a line table has no use for."""
    if form in (_STRP, _LINE_STRP):
        table = sections.get(".debug_str" if form == _STRP else ".debug_line_str", b"")
        return Reader(table, reader.offset()).text()
    if form == _STRING:
        return reader.text()
    if form in FIXED_SIZE:
        return reader.number(FIXED_SIZE[form])
    if form in _ULEB:
        return reader.uleb()
    if form == _SDATA:
        return reader.sleb()
    if form in _OFFSET:
        return reader.offset()
    if form == _ADDR:
        return reader.number(address_size)
    if form in (_BLOCK, _EXPRLOC):
        reader.skip(reader.uleb())
    elif form in _LENGTH_SIZE:
        reader.skip(reader.number(_LENGTH_SIZE[form]))
    else:
        raise BadDwarf(f"form 0x{form:x} is not known")
    return 0
