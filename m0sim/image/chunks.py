"""Memory as HEX and UF2 files have it: bytes at addresses, and no word about what they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from m0sim.image.headers import Broken
from m0sim.image.image import Image
from m0sim.image.segments import MEMORY_LIMIT, Section, Segment


class Chunk(NamedTuple):
    """Bytes at an address."""

    address: int
    data: bytes
    place: int
    """The line or block of the file that they begin in, for errors."""

    @property
    def end(self) -> int:
        return self.address + len(self.data)


def joined(chunks: Iterable[Chunk], places: str) -> list[Chunk]:
    """`chunks` by address, adjacent ones made one. Raises `Broken`, naming both `places`, where two overlap."""
    runs: list[list[Chunk]] = []
    total = 0
    for chunk in sorted(chunks, key=lambda c: (c.address, c.place)):
        total += len(chunk.data)
        if total > MEMORY_LIMIT:
            raise Broken(f"has more than {MEMORY_LIMIT >> 20} MiB of memory: no Cortex-M0+ device has that")
        last = runs[-1][-1] if runs else None
        if last is not None and chunk.address < last.end:
            first, second = sorted((last.place, chunk.place))
            raise Broken(f"{places} {first} and {second} both have the byte at 0x{chunk.address:08x}")
        if last is not None and chunk.address == last.end:
            runs[-1].append(chunk)
        else:
            runs.append([chunk])
    return [Chunk(run[0].address, b"".join(c.data for c in run), run[0].place) for run in runs]


def image_of(path: Path, kind: str, chunks: Iterable[Chunk], entry: int, warnings: tuple[str, ...] = ()) -> Image:
    """An image without names: each chunk is a segment and a section ``hex0``, ``hex1`` ... of code, run where it lies.

    `kind` is the first part of the sections' names.
    """
    segments = tuple(
        Segment(c.address, c.address, c.data, len(c.data), readable=True, writable=True, executable=True)
        for c in chunks
    )
    sections = tuple(Section(f"{kind}{i}", s.address, s.size, "code", s.address) for i, s in enumerate(segments))
    code = tuple((s.address, s.end) for s in segments)
    return Image(path, entry, segments, sections, (), code, (), warnings=warnings, is_flat=True)
