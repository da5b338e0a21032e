"""Transfers of one channel between memories, many at once: the bytes are those of one after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from m0sim.chip.devices.memories import Memory
from m0sim.chip.devices.rp2040.dma_channel import BSWAP, Channel

Bytes = npt.NDArray[np.uint8]


def copy(channel: Channel, count: int, source: Memory, target: Memory) -> Bytes:
    """Make the next `count` transfers, which stay in both memories; what passed, as the sniffer sees it.

    The channel itself is not moved on.
    """
    size = channel.size
    read = channel.offsets(count, writes=False) - source.base
    written = channel.offsets(count, writes=True) - target.base
    if source is target and _meet(read, written, size):
        return _one_by_one(channel, source.data, read, written)
    data = _gathered(source.data, read, size, channel.step(writes=False))
    if channel.control & BSWAP and size > 1:
        data = np.ascontiguousarray(data.reshape(-1, size)[:, ::-1]).ravel()
    if target.is_writable:
        _scatter(target.data, written, data, size)
    return data


def span(channel: Channel, count: int, writes: bool) -> tuple[int, int]:
    """The addresses from which to before which the next transfers are."""
    offsets = channel.offsets(count, writes)
    return int(offsets.min()), int(offsets.max()) + channel.size


def _meet(read: npt.NDArray[np.int64], written: npt.NDArray[np.int64], size: int) -> bool:
    return bool(read.min() < written.max() + size and written.min() < read.max() + size)


def _is_straight(offsets: npt.NDArray[np.int64], size: int) -> bool:
    return int(offsets[-1] - offsets[0]) == (len(offsets) - 1) * size


def _gathered(memory: Bytes, offsets: npt.NDArray[np.int64], size: int, step: int) -> Bytes:
    first = int(offsets[0])
    if step == 0:
        return np.tile(memory[first : first + size], len(offsets))
    if _is_straight(offsets, size):
        return memory[first : first + len(offsets) * size].copy()
    gathered: Bytes = memory[(offsets[:, None] + np.arange(size)).ravel()]
    return gathered


def _scatter(memory: Bytes, offsets: npt.NDArray[np.int64], data: Bytes, size: int) -> None:
    first = int(offsets[0])
    if len(offsets) > 1 and offsets[1] == offsets[0]:
        memory[first : first + size] = data[-size:]
    elif _is_straight(offsets, size):
        memory[first : first + len(data)] = data
    else:  # of places that come twice, the last one stays
        memory[(offsets[:, None] + np.arange(size)).ravel()] = data


def _one_by_one(channel: Channel, memory: Bytes, read: npt.NDArray[np.int64], written: npt.NDArray[np.int64]) -> Bytes:
    size, swaps, passed = channel.size, bool(channel.control & BSWAP), bytearray()
    for source, target in zip(read.tolist(), written.tolist(), strict=True):
        unit = memory[source : source + size].tobytes()
        unit = unit[::-1] if swaps else unit
        memory[target : target + size] = np.frombuffer(unit, np.uint8)
        passed += unit
    return np.frombuffer(bytes(passed), np.uint8)
