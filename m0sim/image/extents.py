"""What each byte of a section belongs to: its symbols, the padding between them, and what has no name.

The extents of a section lie one behind the other and have all of its bytes, so their sizes add up to the section's.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from m0sim.image.image import Image
from m0sim.image.ranges import owners, within
from m0sim.image.segments import Section
from m0sim.image.symbols import Symbol

Kind = Literal["function", "object", "label", "padding", "unnamed"]
"""What bytes are. A label has no size of its own: what follows it, up to the next symbol, goes by its name."""
_NOPS = (b"\xc0\x46", b"\x00\xbf")  # MOV r8, r8, which assemblers align ARMv6-M code with, and NOP
_FILLINGS = (b"\0", b"\xff", b"\xd4")  # the second as in erased flash, the third is what ld.lld puts between code
_WORD = 4


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes that belong together."""

    address: int
    size: int
    kind: Kind
    symbol: Symbol | None
    """None for padding and what has no name. Of several symbols for one address, the one that `Image` puts first."""

    @property
    def end(self) -> int:
        """The address behind its last byte."""
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class Layout:
    """What tells the bytes of an image apart that no symbol with a size has."""

    labels: Sequence[Symbol]
    """By address, one an address."""
    edges: Sequence[int]
    """By address: where the linker began or ended something. What is known of one side says nothing of the other."""


def layout(image: Image, edges: Iterable[int] = (), not_labels: Iterable[str] = ()) -> Layout:
    """What the image itself tells, and a linker's `edges`; `not_labels` are names that only a linker script gave."""
    script = set(not_labels)
    best: dict[int, Symbol] = {}
    unsized = (s for s in image.symbols if not s.size and s.linkage_name not in script)
    for symbol in sorted(unsized, key=lambda s: (s.is_global, s.kind != "object")):  # a script's symbols are global
        best.setdefault(symbol.address, symbol)
    changes = (new.address for old, new in pairwise(image.origins) if old.file != new.file)
    return Layout([best[address] for address in sorted(best)], sorted({*edges, *changes}))


def extents(image: Image, section: Section, known: Layout) -> list[Extent]:
    """The extents of a section, by address."""
    end = section.address + section.size
    found: list[Extent] = []
    at = section.address
    for start, stop, symbol in _named(image, section, known):
        found += _between(image, section, known, at, start, found[-1] if found else None)
        kind: Kind = "function" if symbol.kind == "function" else "object"
        found.append(Extent(start, stop - start, kind, symbol))
        at = stop
    found += _between(image, section, known, at, end, found[-1] if found else None)
    return found


def function_bytes(image: Image) -> dict[str, int]:
    """Bytes of every function, its literal pools among them; what lies inside of another one is not that one's."""
    sizes: dict[str, int] = {}
    known = layout(image)
    for section in image.sections:
        for extent in extents(image, section, known):
            if extent.kind == "function" and extent.symbol is not None:
                sizes[extent.symbol.name] = sizes.get(extent.symbol.name, 0) + extent.size
    return sizes


def _named(image: Image, section: Section, known: Layout) -> Iterator[tuple[int, int, Symbol]]:
    """First address, address behind the last, and symbol, of what symbols with a size have in the section."""
    end = section.address + section.size
    spans: dict[int, tuple[int, Symbol]] = {}
    symbols = image.symbols
    first = bisect_left(symbols, section.address, key=lambda s: s.address)
    last = bisect_left(symbols, end, key=lambda s: s.address)
    for symbol in symbols[first:last]:
        if symbol.size and symbol.kind != "label":
            size, best = spans.get(symbol.address, (0, symbol))
            spans[symbol.address] = max(size, _size_of(symbol, known)), best
    owned = owners((address, min(address + size, end), symbol) for address, (size, symbol) in spans.items())
    for (start, owner), (stop, _) in pairwise(owned):
        if owner is not None and start < stop:
            yield start, stop, owner


def _size_of(symbol: Symbol, known: Layout) -> int:
    """A size that the file gives is believed; one that was measured ends where another object begins."""
    edge = bisect_right(known.edges, symbol.address)
    if not symbol.is_measured or edge == len(known.edges):
        return symbol.size
    return min(symbol.size, known.edges[edge] - symbol.address)


def _between(
    image: Image, section: Section, known: Layout, start: int, end: int, before: Extent | None
) -> Iterator[Extent]:
    """What fills the bytes from `start` to `end`, which no symbol with a size has; `before` ends where they begin."""
    if before is not None and before.symbol is not None and before.symbol.is_measured:
        pool_end = _pool_end(image, known, start, end)
        if pool_end > start:
            yield Extent(start, pool_end - start, "function", before.symbol)
            start = pool_end
    labels = known.labels[_first(known.labels, start) : _first(known.labels, end)]
    edges = known.edges[bisect_right(known.edges, start) : bisect_left(known.edges, end)]
    by_address = {label.address: label for label in labels}
    cuts = sorted({start, *by_address, *edges, end})
    for at, stop in pairwise(cuts):
        label = by_address.get(at)
        is_sure = label is not None and (not label.is_global or _begins_at(image, at))
        if not is_sure and _is_padding(image, section, at, stop):
            yield Extent(at, stop - at, "padding", None)
        else:
            yield Extent(at, stop - at, "unnamed" if label is None else "label", label)


def _first(labels: Sequence[Symbol], address: int) -> int:
    return bisect_left(labels, address, key=lambda label: label.address)


def _begins_at(image: Image, address: int) -> bool:
    """Whether an object file has something that begins there; a linker script's symbol may lie anywhere."""
    at = bisect_left(image.origins, address, key=lambda origin: origin.address)
    return at < len(image.origins) and image.origins[at].address == address


def _pool_end(image: Image, known: Layout, start: int, end: int) -> int:
    """Where the literal pool behind a function ends that has no size of its own; `start` where there is none.

    A pool is data behind code, aligned to words, and belongs to the function in front of it, up to the next symbol.
    """
    pool = within(image.data_ranges, min(-start % _WORD + start, end - 1)) if start < end else None
    if pool is None or pool[0] > -start % _WORD + start:
        return start
    label, edge = _first(known.labels, start), bisect_right(known.edges, start)
    limits = [end, pool[1]]
    limits += [known.labels[label].address] if label < len(known.labels) else []
    limits += [known.edges[edge]] if edge < len(known.edges) else []
    return max(min(limits), start)


def _is_padding(image: Image, section: Section, start: int, end: int) -> bool:
    """Whether the bytes only bring what follows them to its alignment: too few for more, and with nothing in them."""
    alignment = min(end & -end, max(section.align, _WORD))
    return end - start < alignment and _is_filling(_content(image, section, start, end))


def _is_filling(content: bytes) -> bool:
    """Whether it is what assemblers and linkers fill with: one of some bytes, or NOPs, perhaps behind a zero."""
    if any(not content.strip(filling) for filling in _FILLINGS):
        return True
    code = content[1:] if len(content) % 2 and not content[0] else content
    return any(code == nop * (len(code) // 2) for nop in _NOPS)


def _content(image: Image, section: Section, start: int, end: int) -> bytes:
    """The bytes in the file; none of what start-up code clears or decompresses."""
    if section.kind in ("bss", "reserved") or section.load_size is not None:
        return b""
    for segment in image.segments:
        if segment.address <= start and end <= segment.end:
            return segment.data[start - segment.address : end - segment.address]
    return b""
