"""Writers of Intel HEX and UF2, as simple as the formats: the tests' own, to read back what they wrote."""

from __future__ import annotations

import struct
from collections.abc import Iterable

RP2040 = 0xE48BFF56


def record(kind: int, offset: int, payload: bytes = b"") -> str:
    """A line of Intel HEX."""
    content = bytes([len(payload), offset >> 8 & 255, offset & 255, kind]) + payload
    return f":{content.hex().upper()}{-sum(content) & 255:02X}"


def hex_lines(memory: Iterable[tuple[int, bytes]], width: int = 16) -> list[str]:
    """Data records of at most `width` bytes with the linear addresses that they need, and the end record."""
    lines, high = [], 0
    for address, data in memory:
        at = 0
        while at < len(data):
            place = address + at
            if place >> 16 != high:
                high = place >> 16
                lines.append(record(4, 0, high.to_bytes(2, "big")))
            size = min(width, len(data) - at, 0x10000 - (place & 0xFFFF))
            lines.append(record(0, place & 0xFFFF, data[at : at + size]))
            at += size
    return [*lines, record(1, 0)]


def hex_file(memory: Iterable[tuple[int, bytes]], width: int = 16) -> bytes:
    return "\n".join([*hex_lines(memory, width), ""]).encode()


def block(address: int, data: bytes, number: int, count: int, *, family: int = RP2040, flags: int = 0x2000,
          size: int = 256) -> bytes:  # fmt: skip
    """A block of UF2."""
    head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, flags, address, size, number, count, family)
    return head + data.ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30)


def uf2_file(memory: Iterable[tuple[int, bytes]], family: int = RP2040) -> bytes:
    """Every 256-byte page that has a byte of `memory`, the rest of it zero, by address."""
    pages: dict[int, bytearray] = {}
    for address, data in memory:
        for i, byte in enumerate(data, address):
            pages.setdefault(i & ~255, bytearray(256))[i & 255] = byte
    return b"".join(
        block(at, bytes(page), i, len(pages), family=family) for i, (at, page) in enumerate(sorted(pages.items()))
    )
