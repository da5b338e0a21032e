"""Intel HEX: the records of a text file, each a line.

Source: Intel, Hexadecimal Object File Format Specification, revision A, 1988. Every line is checked before it counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from m0sim.image.chunks import Chunk, joined
from m0sim.image.headers import Broken

FILE_LIMIT = 64 << 20
"""Bytes of a file: 16 MiB of flash, the most that an RP2040 addresses, are 45 MiB of records of 16 bytes."""

_DATA, _END, _SEGMENT_BASE, _SEGMENT_START, _LINEAR_BASE, _LINEAR_START = range(6)
_SIZES = {_END: 0, _SEGMENT_BASE: 2, _SEGMENT_START: 4, _LINEAR_BASE: 2, _LINEAR_START: 4}
_SEGMENT = 1 << 16


@dataclass(slots=True)
class _State:
    """What the records so far say about those to come."""

    base: int = 0
    is_segmented: bool = False
    entry: int = 0
    ended: bool = False
    chunks: list[Chunk] = field(default_factory=list)


def read(data: bytes) -> tuple[list[Chunk], int]:
    """Memory by address, without gaps inside a chunk, and the entry point (Thumb bit cleared; 0 where none is given).

    Raises `Broken` that names the line for a record that is malformed or contradicts another one.
    """
    if len(data) > FILE_LIMIT:
        raise Broken(f"is larger than {FILE_LIMIT >> 20} MiB: no Intel HEX of a Cortex-M0+ device is")
    state = _State()
    number = 0
    for number, line in _lines(data):
        _record(state, line, number)
    if not state.ended:
        raise Broken(f"line {number}: ends without an end-of-file record (:00000001FF): it is cut short")
    if not state.chunks:
        raise Broken("has no data records: there is nothing to load")
    return joined(state.chunks, "lines"), state.entry & ~1


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines with something in them, and their numbers."""
    for number, line in enumerate(data.splitlines(), 1):
        text = line.strip()
        if text:
            yield number, text


def _record(state: _State, line: bytes, number: int) -> None:
    if state.ended:
        raise Broken(f"line {number}: stands behind the end-of-file record")
    content = _bytes(line, number)
    size, kind = content[0], content[3]
    offset = content[1] << 8 | content[2]
    payload = content[4:-1]
    if len(payload) != size:
        raise Broken(f"line {number}: says {size} bytes of data and has {max(len(payload), 0)}")
    if sum(content) & 0xFF:
        expected = -sum(content[:-1]) & 0xFF
        raise Broken(f"line {number}: checksum is {content[-1]:02X}, its bytes give {expected:02X}")
    if kind == _DATA:
        _data(state, offset, payload, number)
        return
    if kind not in _SIZES:
        raise Broken(f"line {number}: record type {kind:02X} is none of Intel HEX (00 to 05)")
    if size != _SIZES[kind]:
        raise Broken(f"line {number}: a record of type {kind:02X} has {_SIZES[kind]} bytes of data, not {size}")
    value = int.from_bytes(payload, "big")
    if kind == _END:
        state.ended = True
    elif kind in (_SEGMENT_BASE, _LINEAR_BASE):
        state.is_segmented = kind == _SEGMENT_BASE
        state.base = value << (4 if state.is_segmented else 16)
    elif kind == _LINEAR_START:
        state.entry = value
    # The other start address is CS:IP of an 8086, which no Arm device has: tools write it, nobody reads it.


def _bytes(line: bytes, number: int) -> bytes:
    if line[:1] != b":":
        raise Broken(f"line {number}: does not begin with ':': is this Intel HEX?")
    digits = line[1:]
    if not digits.isalnum():  # bytes.fromhex lets blanks pass
        raise Broken(f"line {number}: has characters that are no hexadecimal digits")
    try:
        content = bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        odd = len(digits) % 2
        what = "an odd number of digits" if odd else "characters that are no hexadecimal digits"
        raise Broken(f"line {number}: has {what}") from None
    if len(content) < 5:
        raise Broken(f"line {number}: is too short for a record: {len(content)} bytes of at least 5")
    return content


def _data(state: _State, offset: int, payload: bytes, number: int) -> None:
    if not payload:
        return
    if state.is_segmented and offset + len(payload) > _SEGMENT:
        raise Broken(f"line {number}: {len(payload)} bytes at offset {offset:04X} wrap around their 64 KiB segment")
    address = state.base + offset
    if address + len(payload) > 1 << 32:
        raise Broken(f"line {number}: ends above 32-bit addresses")
    state.chunks.append(Chunk(address, payload, number))
