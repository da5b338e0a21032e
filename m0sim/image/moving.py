"""Programs at other addresses than those they were linked for."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from m0sim.image.image import Image
from m0sim.image.ranges import Range, merged_ranges
from m0sim.image.segments import Segment
from m0sim.image.signatures import Signature
from m0sim.image.symbols import Symbol


@dataclass(frozen=True)
class MovedImage(Image):
    """A program of which some segments are elsewhere. It has no source lines, and the signatures of the first one."""

    origin: Image | None = field(default=None, repr=False)
    distance: int = 0
    moved: tuple[Range, ...] = ()
    """Where the segments that were moved are now."""

    def there(self, address: int) -> int:
        """Where what was at this address is now."""
        return address + self.distance if _holds(self.moved, address + self.distance) else address

    def signature(self, function: Symbol) -> Signature | None:
        """What `function` takes and returns, as the program tells where it was linked for."""
        if self.origin is None:
            return None
        was = function.address - self.distance if _holds(self.moved, function.address) else function.address
        return self.origin.signature(replace(function, address=was))


def moved(image: Image, distance: int, which: Callable[[Segment], bool] = lambda _: True) -> MovedImage:
    """The same program with the segments that `which` names `distance` bytes further on.

    Words of `Image.address_words` that point into them point there now. All else that code knows of its own place is
    relative to the program counter, if the linker put nothing in between: code of a program that does not say which
    words are addresses has to be run to know. Segments that stay are loaded where they run.
    """
    going = merged_ranges((s.address, s.end) for s in image.segments if which(s))

    def there(address: int) -> int:
        return address + distance if _holds(going, address) else address

    segments = []
    for segment in image.segments:
        at = there(segment.address) if which(segment) else segment.address
        segments.append(replace(segment, address=at, load_address=at, data=_pointing(image, segment, there)))
    return MovedImage(
        path=image.path,
        entry=there(image.entry),
        segments=tuple(sorted(segments, key=lambda s: s.address)),
        sections=tuple(
            sorted((replace(s, address=there(s.address), load_address=None) for s in image.sections), key=_place)
        ),
        symbols=tuple(sorted((replace(s, address=there(s.address)) for s in image.symbols), key=_place)),
        code_ranges=_ranges(image.code_ranges, there),
        data_ranges=_ranges(image.data_ranges, there),
        warnings=image.warnings,
        sha256=image.sha256,
        base=image.base,
        is_flat=image.is_flat,
        symbol_file=image.symbol_file,
        address_words=None if image.address_words is None else tuple(sorted(map(there, image.address_words))),
        origin=image,
        distance=distance,
        moved=tuple((begin + distance, end + distance) for begin, end in going),
    )


def _pointing(image: Image, segment: Segment, there: Callable[[int], int]) -> bytes:
    """The segment's bytes, with its addresses."""
    data = bytearray(segment.data)
    for at in image.address_words or ():
        if segment.address <= at <= segment.address + len(data) - 4:
            (value,) = struct.unpack_from("<I", data, at - segment.address)
            struct.pack_into("<I", data, at - segment.address, there(value & 0xFFFFFFFF) & 0xFFFFFFFF)
    return bytes(data)


def _holds(ranges: tuple[Range, ...], address: int) -> bool:
    """Whether one of sorted `ranges` has the address, or ends there, as a pointer behind the last element does."""
    at = bisect_right(ranges, (address, 1 << 33)) - 1
    return at >= 0 and address <= ranges[at][1]


def _place(named: object) -> int:
    address: int = named.address  # type: ignore[attr-defined]
    return address


def _ranges(ranges: tuple[Range, ...], there: Callable[[int], int]) -> tuple[Range, ...]:
    return tuple(sorted((there(begin), there(begin) + end - begin) for begin, end in ranges))
