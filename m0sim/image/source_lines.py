"""Source lines of code addresses, from the DWARF sections of an ELF."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from m0sim.image.ranges import Range, within
from m0sim.image.segments import MEMORY_LIMIT


class SourceLine(NamedTuple):
    """The source line of the code from `address` up to the next one's address; `file` is empty where there is none."""

    address: int
    file: str
    line: int


class DebugSection(NamedTuple):
    """A DWARF section as it is in the file."""

    data: memoryview
    compressed: bool


def source_lines(
    debug: Mapping[str, DebugSection], code: Sequence[Range]
) -> tuple[tuple[SourceLine, ...], tuple[str, ...]]:
    """Rows by address, each gap between sequences marked by a row without a file; and notes on what is left out."""
    if not debug:
        return (), ()
    from m0sim.dwarf import line_sequences

    contents: dict[str, bytes] = {}
    notes = []
    for name, section in debug.items():
        try:
            contents[name] = _decompressed(section.data) if section.compressed else bytes(section.data)
        except (zlib.error, struct.error, ValueError) as error:
            notes.append(f"{name} cannot be decompressed: {error}")
    sequences, more = line_sequences(contents)
    rows: list[SourceLine] = []
    end = 0
    # Functions that the linker dropped leave sequences at address 0 or so; of two for one address the first holds.
    for sequence in sorted(sequences, key=lambda s: s.rows[0].address):
        start = sequence.rows[0].address
        if start < end or within(code, start) is None:
            continue
        if rows and start > end:
            rows.append(SourceLine(end, "", 0))
        rows += [SourceLine(*row) for row in sequence.rows]
        end = sequence.end
    if rows:
        rows.append(SourceLine(end, "", 0))
    return tuple(rows), (*notes, *more)


def _decompressed(data: memoryview) -> bytes:
    """Content of a SHF_COMPRESSED section."""
    kind, size, _ = struct.unpack_from("<III", data)
    if kind != 1:
        raise ValueError("its compression is not zlib: link with --compress-debug-sections=none")
    if size > MEMORY_LIMIT:
        raise ValueError(f"{size} bytes are too many")
    return zlib.decompressobj().decompress(data[12:], max(size, 1))
