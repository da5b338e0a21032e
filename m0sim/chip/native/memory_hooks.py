"""The hooks of level ``memory``: traffic by owner, bytes touched, and the cache in front of the flash."""

from __future__ import annotations

from m0sim.chip.native.compiled import cfunc, njit
from m0sim.chip.native.pointers import load8u, load16u, load32, load64, store8, store64
from m0sim.chip.native.state import TRAFFIC_BYTES, Slot

_MEM_WRITE = 17  # UC_MEM_WRITE


@njit
def _misses(state, address):
    """1 if the cache has to fetch the line at `address`, which then is its set's most recently used one, else 0."""
    line = address >> load64(state, Slot.XIP_SHIFT)
    ways = load64(state, Slot.XIP_WAYS)
    first = load64(state, Slot.XIP_LINES) + 8 * ways * (line % load64(state, Slot.XIP_SETS))
    moved = line
    for way in range(ways):
        there = load64(first, way)
        store64(first, way, moved)
        if there == line:
            return 0
        moved = there
    return 1


@cfunc("void(int64, int64, int32, int64)")
def on_fetch(uc, address, size, state):
    """UC_HOOK_BLOCK at level ``memory``: the lines of flash that a block's instructions lie in."""
    if address < load64(state, Slot.XIP_BASE) or address >= load64(state, Slot.XIP_END):
        return
    bytes_per_line = 1 << load64(state, Slot.XIP_SHIFT)
    at = address & ~(bytes_per_line - 1)
    while at < address + size:
        store64(state, Slot.XIP_CODE_MISSES, load64(state, Slot.XIP_CODE_MISSES) + _misses(state, at))
        at += bytes_per_line


@cfunc("void(int64, int32, int64, int32, int64, int64)")
def on_access(uc, kind, address, size, value, state):
    """UC_HOOK_MEM_READ and _WRITE at level ``memory``: which bytes were touched, and whose they are."""
    slot = load32(load64(state, Slot.OWNER_PAGES), address >> 12)
    index = slot * 4096 + (address & 0xFFF)
    is_store = kind == _MEM_WRITE
    if load64(state, Slot.XIP_BASE) <= address < load64(state, Slot.XIP_END):
        store64(state, Slot.XIP_DATA_MISSES, load64(state, Slot.XIP_DATA_MISSES) + _misses(state, address))
    touched = load64(state, Slot.TOUCHED)
    mark = 2 if is_store else 1
    for i in range(size):
        store8(touched, index + i, load8u(touched, index + i) | mark)
    owner = load16u(load64(state, Slot.OWNER_AT), index)
    # A heap may have what the stack has not come down to.
    if max(load64(state, Slot.STACK_LOW), load64(state, Slot.SP_MIN)) <= address < load64(state, Slot.STACK_HIGH):
        owner = load64(state, Slot.STACK_OWNER)
    row = load64(state, Slot.TRAFFIC) + TRAFFIC_BYTES * owner
    column = 1 if is_store else 0
    store64(row, column, load64(row, column) + 1)
    store64(row, column + 2, load64(row, column + 2) + size)
