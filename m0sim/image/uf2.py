"""UF2, the file that an RP2040's boot ROM takes when it is copied to its drive.

Sources: USB Flashing Format (UF2), github.com/microsoft/uf2; RP2040 Datasheet, 2.8.4.2 "UF2 Format Details": 512-byte
blocks with 256 bytes of content, a family ID in each.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from m0sim.image.chunks import Chunk, joined
from m0sim.image.headers import Broken

MAGIC = b"UF2\nWQ]\x9e"
FILE_LIMIT = 64 << 20
"""Bytes of a file: 16 MiB of flash, the most that an RP2040 addresses, are 32 MiB of blocks."""

RP2040 = 0xE48BFF56
_FAMILIES = {
    0xE48BFF56: "RP2040",
    0xE48BFF57: "RP2350 (absolute addresses)",
    0xE48BFF58: "RP2350 (data)",
    0xE48BFF59: "RP2350 (Arm, secure)",
    0xE48BFF5A: "RP2350 (RISC-V)",
    0xE48BFF5B: "RP2350 (Arm, non-secure)",
    0x68ED2B88: "SAMD21",
    0x1851780A: "SAML21",
    0x55114460: "SAMD51",
    0x1B57745F: "nRF52",
    0xADA52840: "nRF52840",
    0x7EAB61ED: "ESP8266",
    0x1C5F21B0: "ESP32",
    0xBFDD4EEE: "ESP32-S2",
    0xC47E5767: "ESP32-S3",
    0xD42BA06C: "ESP32-C3",
    0x202E3A91: "STM32L0",
    0x1E1F432D: "STM32L1",
    0x00FF6919: "STM32L4",
    0x647824B6: "STM32F0",
    0x5EE21072: "STM32F1",
    0x5D1A0A2E: "STM32F2",
    0x6B846188: "STM32F3",
    0x57755A57: "STM32F4",
    0x53B80F00: "STM32F7",
    0x300F5633: "STM32G0",
    0x4C71240A: "STM32G4",
    0x6DB66082: "STM32H7",
    0x70D16653: "STM32WB",
    0x4FB2D5BD: "i.MX RT10xx",
    0x2ABC77EC: "LPC55xx",
}
_BLOCK = struct.Struct("<8I476sI")
_MAGICS = (0x0A324655, 0x9E5D5157, 0x0AB16F30)
_NOT_MAIN_FLASH, _FILE_CONTAINER, _HAS_FAMILY = 0x1, 0x1000, 0x2000
_CONTENT = 256
_SECTOR = 4096
_MEMORIES = {"flash": (0x10000000, 0x11000000), "SRAM": (0x20000000, 0x20042000)}


class _Block(NamedTuple):
    place: int
    """Number of the block in the file, from 0."""
    flags: int
    address: int
    size: int
    number: int
    """What the block itself says that its number is."""
    of: int
    """How many it says that there are."""
    family: int
    content: bytes


def read(data: bytes) -> list[Chunk]:
    """Memory by address, of the blocks that an RP2040 takes. Raises `Broken` that names the block."""
    if len(data) > FILE_LIMIT:
        raise Broken(f"is larger than {FILE_LIMIT >> 20} MiB: no UF2 of an RP2040 is")
    if len(data) % _BLOCK.size:
        whole, rest = divmod(len(data), _BLOCK.size)
        raise Broken(f"block {whole}: is cut short: {rest} of {_BLOCK.size} bytes")
    taken = [block for block in map(_checked, _blocks(data)) if not block.flags & _NOT_MAIN_FLASH]
    families: defaultdict[int | None, list[_Block]] = defaultdict(list)
    for block in taken:
        families[block.family if block.flags & _HAS_FAMILY else None].append(block)
    if RP2040 not in families:
        raise Broken(_other_families(families))
    blocks = families[RP2040]  # a file for several chips: each takes the blocks of its own family
    _check_numbers(blocks)
    _check_places(blocks)
    return joined((Chunk(b.address, b.content[: b.size], b.place) for b in blocks), "blocks")


def _blocks(data: bytes) -> Iterator[_Block]:
    for place, fields in enumerate(_BLOCK.iter_unpack(data)):
        first, second, flags, address, size, number, count, family, content, last = fields
        if (first, second, last) != _MAGICS:
            raise Broken(f"block {place}: its magic numbers are not those of UF2")
        yield _Block(place, flags, address, size, number, count, family, content)


def _checked(block: _Block) -> _Block:
    if block.flags & _FILE_CONTAINER:
        raise Broken(f"block {block.place}: is part of a file to store (flag 0x1000), not of a program")
    is_rp2040 = block.flags & _HAS_FAMILY and block.family == RP2040 and not block.flags & _NOT_MAIN_FLASH
    if is_rp2040 and block.size != _CONTENT:
        raise Broken(f"block {block.place}: has {block.size} bytes of content; an RP2040 takes {_CONTENT}")
    if is_rp2040 and block.number >= block.of:
        raise Broken(f"block {block.place}: says that it is number {block.number} of {block.of}")
    return block


def _other_families(families: defaultdict[int | None, list[_Block]]) -> str:
    if not families:
        return "has no blocks for main flash: there is nothing to load"
    if None in families:
        return f"block {families[None][0].place}: names no family: an RP2040 takes 0x{RP2040:08x} with flag 0x2000"
    family, blocks = next(iter(families.items()))
    name = _FAMILIES.get(family or 0, "a chip that m0sim does not know")
    return f"block {blocks[0].place}: family 0x{family:08x} is {name}, not RP2040: build it for an RP2040"


def _check_numbers(blocks: list[_Block]) -> None:
    """Each number once, and all that there should be."""
    count = blocks[0].of
    seen: dict[int, int] = {}
    for block in blocks:
        if block.of != count:
            raise Broken(f"block {block.place}: is one of {block.of}, block {blocks[0].place} one of {count}")
        if block.number in seen:
            raise Broken(f"block {block.place}: has number {block.number}, as block {seen[block.number]} has")
        seen[block.number] = block.place
    if len(seen) < count:
        missing = next(n for n in range(count) if n not in seen)
        raise Broken(f"is not whole: number {missing} of {count} blocks is missing")


def _check_places(blocks: list[_Block]) -> None:
    """All in flash, or all in SRAM: the boot ROM takes no mixture."""
    memories = [_memory(block) for block in blocks]
    for block, memory in zip(blocks, memories, strict=True):
        if memory != memories[0]:
            where = f"block {blocks[0].place} in {memories[0]}"
            raise Broken(f"block {block.place}: is in {memory}, {where}: an RP2040 takes all in one")


def _memory(block: _Block) -> str:
    for name, (begin, end) in _MEMORIES.items():
        if begin <= block.address <= end - _CONTENT:
            return name
    raise Broken(f"block {block.place}: 0x{block.address:08x} is neither in the flash nor in the SRAM of an RP2040")


def written(chunks: Iterable[Chunk]) -> bytes:
    """A UF2 file for an RP2040 with this memory, which must not overlap: blocks of 256 bytes, filled up with zeros.

    In flash, sectors of 4,096 bytes are filled up: the boot ROM erases one for every 16th number of a block
    (pico-bootrom, virtual_disk.c, and issues 9 and 19 of pico-bootrom-rp2040).
    Raises `Broken` where it is not all in flash, or all in SRAM.
    """
    pages: dict[int, bytearray] = {}
    for chunk in chunks:
        for at, byte in enumerate(chunk.data, chunk.address):
            pages.setdefault(at & -_CONTENT, bytearray(_CONTENT))[at % _CONTENT] = byte
    for address in [address for address in pages if address < _MEMORIES["flash"][1]]:
        for at in range(address & -_SECTOR, (address & -_SECTOR) + _SECTOR, _CONTENT):
            pages.setdefault(at, bytearray(_CONTENT))
    first, second, last = _MAGICS
    blocks = [
        _Block(number, _HAS_FAMILY, address, _CONTENT, number, len(pages), RP2040, bytes(content))
        for number, (address, content) in enumerate(sorted(pages.items()))
    ]
    _check_places(blocks)
    return b"".join(_BLOCK.pack(first, second, *block[1:], last) for block in blocks)
