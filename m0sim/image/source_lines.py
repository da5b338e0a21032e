"""Source lines of code addresses, from the DWARF sections of an ELF."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from m0sim.image.ranges import Range, within

DEBUG_LIMIT = 64 << 20
"""Bytes of all debug sections that lines are read from, inflated. Large firmware for a Cortex-M0+ has 10 MiB."""
LINE_LIMIT = 8 << 20
"""Bytes of ``.debug_line``, which is run as a program: 2 seconds for the largest. Large firmware has 1 MiB."""
_ZLIB, _ZSTD = 1, 2


class SourceLine(NamedTuple):
    """The source line of the code from `address` up to the next one's address; `file` is empty where there is none."""

    address: int
    file: str
    line: int


Compression = Literal["", "header", "zdebug"]
"""None; an ELF compression header and data (SHF_COMPRESSED); the older form, of sections named ``.zdebug_``."""


class DebugSection(NamedTuple):
    """A DWARF section as it is in the file."""

    data: memoryview
    compression: Compression = ""

    @property
    def compressed(self) -> bool:
        return bool(self.compression)


def source_lines(
    debug: Mapping[str, DebugSection], code: Sequence[Range]
) -> tuple[tuple[SourceLine, ...], tuple[str, ...]]:
    """Rows by address, each gap between sequences marked by a row without a file; and notes on what is left out."""
    if not debug:
        return (), ()
    from m0sim.image.dwarf import line_sequences

    contents, notes = section_contents(debug)
    sequences, more = line_sequences(contents, lambda address: within(code, address) is not None)
    rows: list[SourceLine] = []
    end = 0
    # Of two for one address the first holds.
    for sequence in sorted(sequences, key=lambda s: s.rows[0].address):
        start = sequence.rows[0].address
        if start < end:
            continue
        if rows and start > end:
            rows.append(SourceLine(end, "", 0))
        rows += [SourceLine(*row) for row in sequence.rows]
        end = sequence.end
    if rows:
        rows.append(SourceLine(end, "", 0))
    return tuple(rows), (*notes, *more)


def section_contents(debug: Mapping[str, DebugSection]) -> tuple[dict[str, bytes], list[str]]:
    """The sections that can be read, inflated within `DEBUG_LIMIT`, and a note on each that cannot."""
    contents: dict[str, bytes] = {}
    notes = []
    room = DEBUG_LIMIT
    for name, section in debug.items():
        try:
            contents[name] = _content(section, min(room, LINE_LIMIT) if name == ".debug_line" else room)
            room -= len(contents[name])
        except (zlib.error, struct.error, ValueError) as error:
            notes.append(f"{name} is left out: {error}")
    return contents, notes


def _content(section: DebugSection, limit: int) -> bytes:
    """The section's bytes, inflated, at most `limit`. The size that it claims is looked at before anything is done."""
    size, packed = _claimed(section)
    if size > limit:
        raise ValueError(f"its {size} bytes are more than the {limit} that are read of it")
    if not section.compressed:
        return bytes(packed)
    content = zlib.decompressobj().decompress(packed, size + 1)
    if len(content) != size:
        raise ValueError(f"it does not hold the {size} bytes that it claims")
    return content


def _claimed(section: DebugSection) -> tuple[int, memoryview]:
    """Bytes that it says it has, and those that hold them (System V ABI, "Compressed Sections")."""
    data = section.data
    if section.compression == "zdebug":
        (size,) = struct.unpack_from(">Q", data, 4)
        if bytes(data[:4]) != b"ZLIB":
            raise ValueError("it does not begin with ZLIB")
        return size, data[12:]
    if section.compression == "header":
        kind, size, _ = struct.unpack_from("<III", data)
        if kind != _ZLIB:
            name = "zstd" if kind == _ZSTD else f"method {kind}"
            raise ValueError(f"it is compressed with {name}: link with --compress-debug-sections=zlib")
        return size, data[12:]
    return len(data), data
