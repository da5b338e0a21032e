"""The region table of an armlink image: what its start-up code copies, clears and decompresses.

`__scatterload` walks the table between ``Region$$Table$$Base`` and ``Region$$Table$$Limit``: load address, run address,
bytes in memory and the handler, a word each (Arm Compiler armlink User Guide, "Scatter-loading Features" and
"Optimization with RW data compression"). Compression is on by default.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from m0sim.image.segments import MEMORY_LIMIT, Segment
from m0sim.image.symbols import RawSymbol

_ENTRY = struct.Struct("<4I")
_MOST_REGIONS = 1024
_WORD = 4  # what sizes in the table are rounded up to


@dataclass(frozen=True, slots=True)
class Compressed:
    """Variables that only start-up code can bring into memory."""

    address: int
    size: int
    """Bytes in memory."""
    stored_bytes: int
    """Bytes in flash."""


def compressed_regions(segments: Sequence[Segment], symbols: Iterable[RawSymbol]) -> list[Compressed]:
    """The regions that the image's table says are compressed; empty for images of other linkers.

    Told by the handler's name, or, where symbols were stripped down, by fewer bytes in the file than in memory.
    """
    values = {s.name: s.value for s in symbols}
    base, limit = (values.get(f"Region$$Table$${end}", 0) for end in ("Base", "Limit"))
    decompressors = {value & ~1 for name, value in values.items() if name.startswith("__decompress")}
    found = []
    for _, address, size, handler in _ENTRY.iter_unpack(_table(segments, base, limit)):
        parts = [
            s for s in segments if s.data and s.load_address != s.address and address <= s.address < address + size
        ]
        if not parts or size > MEMORY_LIMIT:
            continue
        stored = max(s.load_address + len(s.data) for s in parts) - min(s.load_address for s in parts)
        if handler & ~1 in decompressors or stored + _WORD <= size:
            found.append(Compressed(address, size, stored))
    return found


def _table(segments: Sequence[Segment], base: int, limit: int) -> bytes:
    size = limit - base
    if not 0 < size <= _MOST_REGIONS * _ENTRY.size or size % _ENTRY.size:
        return b""
    holder = next((s for s in segments if s.address <= base and limit <= s.address + len(s.data)), None)
    return b"" if holder is None else holder.data[base - holder.address : limit - holder.address]


def uninitialised(segments: Iterable[Segment], regions: Sequence[Compressed]) -> list[Segment]:
    """`segments` with each of the regions blank where it runs, and compressed where it is stored."""
    found = [Segment(r.address, r.address, b"", r.size, True, True, False) for r in regions]
    for s in segments:
        region = next((r for r in regions if r.address <= s.address < r.address + r.size and s.data), None)
        found.append(s if region is None else replace(s, address=s.load_address, size=len(s.data), writable=False))
    return sorted(found, key=lambda s: (s.address, s.size))
