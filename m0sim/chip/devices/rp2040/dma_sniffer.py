"""The DMA's sniffer, which calculates checksums of what passes: RP2040 datasheet, section 2.5.5.2."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

CRC32, CRC32_REVERSED, CRC16, CRC16_REVERSED, PARITY, SUM = 0, 1, 2, 3, 14, 15
KINDS = (CRC32, CRC32_REVERSED, CRC16, CRC16_REVERSED, PARITY, SUM)
_WIDTH = {CRC32: 32, CRC32_REVERSED: 32, CRC16: 16, CRC16_REVERSED: 16}
_POLYNOMIAL = {32: 0x04C1_1DB7, 16: 0x1021}
"""IEEE 802.3's and CCITT's."""
_REVERSED = [int(f"{byte:08b}"[::-1], 2) for byte in range(256)]
_WORD = 0xFFFF_FFFF


@cache
def _table(width: int) -> tuple[int, ...]:
    """What 8 steps of the shift register make of each byte in its uppermost bits."""
    table, top, mask = [], 1 << width - 1, (1 << width) - 1
    for byte in range(256):
        value = byte << width - 8
        for _ in range(8):
            value = (value << 1 ^ (_POLYNOMIAL[width] if value & top else 0)) & mask
        table.append(value)
    return tuple(table)


def step(kind: int, value: int, data: npt.NDArray[np.uint8], size: int, *, swaps: bool) -> int:
    """What `SNIFF_DATA` is behind some transfers of `size` bytes each: `data`, as it lies in memory.

    A CRC's register shifts to the left. It takes the bits of a transfer from the highest on, of the reversed kinds from
    the lowest on. With `swaps` the bytes of each transfer come in the other order.
    """
    if kind == SUM:
        words = data.view(f"{'>' if swaps else '<'}u{size}")
        return (value + int(words.sum(dtype=np.uint64))) & _WORD
    if kind == PARITY:
        return value & 1 ^ int(np.bitwise_count(data).sum()) & 1
    is_reversed = kind in (CRC32_REVERSED, CRC16_REVERSED)
    from_lowest = is_reversed != swaps
    ordered = data if from_lowest else data.reshape(-1, size)[:, ::-1].ravel()
    width = _WIDTH[kind]
    table, mask, top = _table(width), (1 << width) - 1, width - 8
    value &= mask
    stream = ordered.tobytes()
    if is_reversed:
        stream = stream.translate(bytes(_REVERSED))
    for byte in stream:
        value = value << 8 & mask ^ table[value >> top ^ byte]
    return value


def shown(value: int, *, is_reversed: bool, is_inverted: bool) -> int:
    """`SNIFF_DATA` as it is read."""
    if is_reversed:
        value = int(f"{value:032b}"[::-1], 2)
    return value ^ _WORD if is_inverted else value
