"""The DMA's checksums against zlib, binascii and NumPy: RP2040 datasheet, section 2.5.5.2."""

from __future__ import annotations

import binascii
import zlib

import numpy as np
import pytest
from dma_chip import SNIFF_CTRL, SNIFF_DATA, SRAM, Descriptor, DmaChip
from hypothesis import given, settings
from hypothesis import strategies as st

CRC32, CRC32R, CRC16, CRC16R, PARITY, SUM = 0, 1, 2, 3, 14, 15
BSWAP, OUT_REV, OUT_INV = 1 << 9, 1 << 10, 1 << 11
WORD = 0xFFFF_FFFF


def sniffed(data: bytes, kind: int, seed: int, *, size: int = 0, flags: int = 0, bswap: bool = False) -> int:
    """What SNIFF_DATA is behind `data`, sent by channel 7 in units of 1 << size bytes."""
    chip = DmaChip()
    chip.sram[: len(data)] = list(data)
    chip.store(SNIFF_DATA, seed)
    chip.store(SNIFF_CTRL, 1 | 7 << 1 | kind << 5 | flags)
    wanted = Descriptor(SRAM, SRAM + 0x8000, len(data) >> size, size=size, incr_write=False, sniff=True, bswap=bswap)
    chip.start(7, wanted)
    chip.finish(7)
    return chip.load(SNIFF_DATA)


def reversed_bits(value: int, width: int = 32) -> int:
    return int(f"{value:0{width}b}"[::-1], 2)


whole = st.binary(max_size=60).map(lambda data: data[: len(data) & ~3])


@settings(max_examples=60, deadline=None)
@given(data=whole, size=st.integers(0, 2))
def test_crc_32_is_that_of_zlib(data: bytes, size: int) -> None:
    """LSB first: as Ethernet and zip have it, with both output options; units are little-endian, so any size does."""
    assert sniffed(data, CRC32R, WORD, size=size, flags=OUT_REV | OUT_INV) == zlib.crc32(data)


@settings(max_examples=60, deadline=None)
@given(data=whole, size=st.integers(0, 2))
def test_crc_32_msb_first(data: bytes, size: int) -> None:
    """CRC-32/BZIP2, which is zlib's with all bytes and the result reversed."""
    mirrored = bytes(reversed_bits(byte, 8) for byte in data)
    swapped = BSWAP if size else 0
    assert sniffed(data, CRC32, WORD, size=size, flags=OUT_INV | swapped) == reversed_bits(zlib.crc32(mirrored))


@settings(max_examples=60, deadline=None)
@given(data=whole, size=st.integers(0, 2), seed=st.integers(0, 0xFFFF))
def test_crc_16_is_that_of_binascii(data: bytes, size: int, seed: int) -> None:
    assert sniffed(data, CRC16, seed, size=size, flags=BSWAP) == binascii.crc_hqx(data, seed)
    mirrored = bytes(reversed_bits(byte, 8) for byte in data)
    assert sniffed(data, CRC16R, seed, size=size) == binascii.crc_hqx(mirrored, seed)


@settings(max_examples=60, deadline=None)
@given(data=whole, size=st.integers(0, 2), seed=st.integers(0, WORD))
def test_sum_and_parity(data: bytes, size: int, seed: int) -> None:
    units = np.frombuffer(data, f"<u{1 << size}")
    assert sniffed(data, SUM, seed, size=size) == (seed + int(units.astype(np.uint64).sum())) & WORD
    assert sniffed(data, PARITY, 0, size=size) == int.from_bytes(data, "little").bit_count() % 2


def test_a_known_value() -> None:
    """The check value of CRC-32 and of CRC-16/CCITT-FALSE."""
    assert sniffed(b"123456789", CRC32R, WORD, flags=OUT_REV | OUT_INV) == 0xCBF4_3926
    assert sniffed(b"123456789", CRC16, 0xFFFF) == 0x29B1


def test_two_swaps_cancel() -> None:
    """The sniffer is behind the channel's own byte swap: section 2.5.7, SNIFF_CTRL."""
    data = bytes(range(1, 41))
    plain = sniffed(data, CRC32, 0, size=2)
    assert sniffed(data, CRC32, 0, size=2, flags=BSWAP, bswap=True) == plain
    assert sniffed(data, CRC32, 0, size=2, bswap=True) == sniffed(data, CRC32, 0, size=2, flags=BSWAP) != plain


@pytest.mark.parametrize("sniff", [False, True])
@pytest.mark.parametrize("channel", [6, 7])
def test_only_the_channel_that_is_watched_and_says_so(sniff: bool, channel: int) -> None:
    chip = DmaChip()
    chip.sram[:4] = 1
    chip.store(SNIFF_CTRL, 1 | 7 << 1 | SUM << 5)
    chip.start(channel, Descriptor(SRAM, SRAM + 64, 4, size=0, sniff=sniff))
    chip.finish(channel)
    assert chip.load(SNIFF_DATA) == (4 if sniff and channel == 7 else 0)


def test_a_checksum_that_is_not_listed_is_named() -> None:
    chip = DmaChip()
    chip.store(SNIFF_CTRL, 1 | 9 << 5)
    assert any("checksum" in note.what for note in chip.board.bus.notes.values())
