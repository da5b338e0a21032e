"""An image without names, such as a HEX file, given those of the ELF that it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from m0sim.errors import UsageError
from m0sim.image.image import Image
from m0sim.image.ranges import Range, merged_ranges
from m0sim.image.segments import Section, Segment

_PADDING_LIMIT = 4096
"""Bytes of one value that are taken for the filling of a page, not for a program; a flash sector."""


def with_symbols(image: Image, symbols: Image) -> Image:
    """`image`, with run addresses, names and source lines of the ELF `symbols`.

    The bytes are those of `image`: what was patched into its data after linking stays. Raises `UsageError` where its
    code is not that of `symbols`, or where it lacks a section: then the names would be lies.
    """
    for section in symbols.sections:
        _check(section, image, symbols)
    segments = [_with_data_of(s, image) for s in symbols.segments]
    taken = merged_ranges(
        r for s in segments for r in ((s.load_address, s.load_address + len(s.data)), (s.address, s.end))
    )
    others = [s for segment in image.segments for s in _outside(segment, taken)]
    unnamed = [s for s in others if not _is_padding(s)]
    sections = [Section(f"other{i}", s.address, s.size, "code", s.address) for i, s in enumerate(unnamed)]
    return replace(
        symbols,
        path=image.path,
        sha256=image.sha256,
        base=image.base,
        symbol_file=symbols.path,
        segments=tuple(sorted((*segments, *others), key=lambda s: (s.address, s.size))),
        sections=tuple(sorted((*symbols.sections, *sections), key=lambda s: (s.address, s.size))),
        code_ranges=merged_ranges((*symbols.code_ranges, *((s.address, s.end) for s in unnamed))),
    )


def _check(section: Section, image: Image, symbols: Image) -> None:
    if section.load_address is None:
        return
    size = section.size if section.load_size is None else section.load_size
    found = _bytes_at(image.segments, section.load_address, size)
    if found is None:
        raise UsageError(
            f"{image.path}: has not all of section {section.name} of {symbols.path} ({size} bytes at "
            f"0x{section.load_address:08x}): it is not made from that file"
        )
    expected = _bytes_at(symbols.segments, section.address, size)
    if section.kind != "code" or expected is None or found == expected:
        return
    at = next(i for i, (one, other) in enumerate(zip(found, expected, strict=True)) if one != other)
    raise UsageError(
        f"{image.path}: its code is not that of {symbols.path}: section {section.name} differs first at "
        f"0x{section.load_address + at:08x}; give the ELF that it was made from"
    )


def _bytes_at(segments: Sequence[Segment], address: int, size: int) -> bytes | None:
    """Bytes by run address; None where they are not all in one segment."""
    for s in segments:
        if s.address <= address and address + size <= s.address + len(s.data):
            return s.data[address - s.address : address - s.address + size]
    return None


def _with_data_of(segment: Segment, image: Image) -> Segment:
    """`segment` with the bytes that `image` has where it is stored; its own where the image has none (alignment)."""
    data = bytearray(segment.data)
    start, end = segment.load_address, segment.load_address + len(data)
    for s in image.segments:
        first, last = max(s.address, start), min(s.address + len(s.data), end)
        if first < last:
            data[first - start : last - start] = s.data[first - s.address : last - s.address]
    return replace(segment, data=bytes(data))


def _outside(segment: Segment, taken: Sequence[Range]) -> Iterator[Segment]:
    """The parts of `segment` outside of the sorted ranges `taken`."""
    at = segment.address
    for start, stop in (*taken, (segment.end, segment.end)):
        end = min(start, segment.end)
        if at < end:
            data = segment.data[at - segment.address : end - segment.address]
            yield replace(segment, address=at, load_address=at, data=data, size=len(data))
        at = max(at, stop)


def _is_padding(segment: Segment) -> bool:
    return segment.size < _PADDING_LIMIT and segment.data.count(segment.data[0]) == segment.size
