"""The code of an image as the analysis reads it: instructions, constants, and where straight code is cut."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import numpy as np

from m0sim.chip import isa
from m0sim.chip.isa import Kind
from m0sim.image import Image, Symbol
from m0sim.image.ranges import Range

_CONSTANT_KINDS = ("code", "rodata")
_PAGE = 4096
_REACH = 2052
"""Bytes that B reaches, in both directions: DDI 0419, A6.7.10."""


class CodeReader:
    """Reads an image. Nothing of it is taken for constant but code, its literal pools, and read-only data."""

    def __init__(self, image: Image, sram: Sequence[Range] = ()) -> None:
        """`sram` is where variables may be: a file without names does not tell them from code there."""
        self.image = image
        in_doubt = () if image.symbols else sram
        self._starts = [begin for begin, _ in image.code_ranges]
        constant = sorted(
            (s.address, s.address + s.size)
            for s in image.sections
            if s.kind in _CONSTANT_KINDS
            and not any(s.address < end and begin < s.address + s.size for begin, end in in_doubt)
        )
        self._constant_ranges = constant
        self._constant_starts = [begin for begin, _ in constant]
        self._functions = {function.address: function for function in image.functions}
        self._names: dict[int, str] = {}
        self._targets: dict[int, frozenset[int]] = {}
        self._segment_starts = [segment.address for segment in image.segments]

    def is_code(self, address: int) -> bool:
        """Whether the halfword at `address` is code: neither a literal pool nor outside of the image."""
        at = bisect_right(self._starts, address) - 1
        return at >= 0 and address + 2 <= self.image.code_ranges[at][1]

    def encoding(self, address: int) -> int | None:
        """The instruction at `address`, as `isa.branch_target` takes it; None where no code is, or half of one."""
        if not self.is_code(address):
            return None
        data = self._bytes(address, 4)
        if len(data) < 2:
            return None
        first = data[0] | data[1] << 8
        if first < 0xE800:
            return first
        return first | (data[2] | data[3] << 8) << 16 if len(data) == 4 else None

    def constant(self, address: int, size: int) -> int | None:
        """The little-endian number of `size` bytes at `address`; None where it could change while the program runs."""
        at = bisect_right(self._constant_starts, address) - 1
        if at < 0 or address + size > self._constant_ranges[at][1]:
            return None
        data = self._bytes(address, size)
        return int.from_bytes(data, "little") if len(data) == size else None

    def is_target(self, address: int) -> bool:
        """Whether a function begins here, or a branch goes here that has its target in its encoding.

        Every halfword of code is read as if an instruction began there, so that this says yes of too many.
        """
        page = address & -_PAGE
        if page not in self._targets:
            self._targets[page] = self._targets_in(page)
        return address in self._targets[page]

    def function(self, address: int) -> Symbol | None:
        """The function that begins at `address`."""
        return self._functions.get(address)

    def name(self, address: int) -> str:
        """What a person calls the function that begins at `address`, or the place: such as ``fir`` or ``fir+0x0c``."""
        if address not in self._names:
            symbol = self.image.function_at(address)
            offset = 0 if symbol is None else address - symbol.address
            name = f"0x{address:08x}" if symbol is None else symbol.name
            self._names[address] = f"{name}+0x{offset:02x}" if offset else name
        return self._names[address]

    def _targets_in(self, page: int) -> frozenset[int]:
        found = {f.address for f in self._functions_in(page)}
        ranges = self.image.code_ranges
        first = max(bisect_right(self._starts, page - _REACH) - 1, 0)
        for begin, end in ranges[first : bisect_left(self._starts, page + _PAGE + _REACH)]:
            low, high = max(begin, page - _REACH), min(end, page + _PAGE + _REACH)
            if low < high:
                found.update(t for t in _targets(low, self._bytes(low, high - low)) if page <= t < page + _PAGE)
        return frozenset(found)

    def _functions_in(self, page: int) -> Sequence[Symbol]:
        functions = self.image.functions
        first = bisect_left(functions, page, key=lambda f: f.address)
        return functions[first : bisect_left(functions, page + _PAGE, key=lambda f: f.address)]

    def _bytes(self, address: int, size: int) -> bytes:
        """Up to `size` bytes at `address`, zeros where the image fills memory with zeros."""
        segments = self.image.segments
        at = bisect_right(self._segment_starts, address) - 1
        while at >= 0:  # segments may overlap, with the same bytes: the last one that begins before may be the shorter
            segment = segments[at]
            if address < segment.end:
                offset = address - segment.address
                size = min(size, segment.end - address)
                return segment.data[offset : offset + size].ljust(size, b"\0")
            at -= 1
        return b""


def _targets(begin: int, data: bytes) -> Iterator[int]:
    """Where B<cond> and B go, with an instruction assumed at each halfword of `data`."""
    words = np.frombuffer(data[: len(data) & ~1], "<u2").astype(np.int64)
    places = begin + 4 + 2 * np.arange(len(words))
    kinds = isa.FIRST[words, isa.KIND]
    for kind, bits in ((Kind.BRANCH_CONDITIONAL, 8), (Kind.BRANCH, 11)):
        chosen = kinds == kind
        sign = 1 << bits - 1
        offsets = ((words[chosen] & 2 * sign - 1) ^ sign) - sign
        yield from (places[chosen] + 2 * offsets).tolist()
