"""The second stage of a boot: 256 bytes with a checksum, which the boot ROM of an RP2040 copies to SRAM and enters.

Source: RP2040 datasheet, 2.8.1.3.1 "Checksum".
"""

from __future__ import annotations

from m0sim.image import Image

SIZE = 256
PLACE = 0x20041F00
"""Where it runs."""


def checksum(content: bytes) -> int:
    """CRC-32 of 252 bytes: polynomial 04c11db7, the highest bit first, beginning with ones, nothing inverted."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def with_copies(content: bytes, copies: int) -> bytes:
    """The runtime's second stage, told where its list of copies is, and its checksum: boot2.S."""
    told = content[: SIZE - 8] + copies.to_bytes(4, "little")
    return told + checksum(told).to_bytes(4, "little")


def is_in(program: Image, address: int) -> bool:
    """Whether a program has one of its own there, which another one may stand in for."""
    for segment in program.segments:
        if segment.address == address and len(segment.data) >= SIZE:
            stage = segment.data[:SIZE]
            return checksum(stage[:-4]) == int.from_bytes(stage[-4:], "little")
    return False
