"""The memory that the core works in: one `struct m0_core` and the tables that it points to."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.native import layout
from m0sim.chip.native.library import CORE

#: Calling contexts that there may be: 12 MiB of them.
CONTEXT_LIMIT = 1 << 18
FRAME_CAPACITY = 1 << 16

_SLOTS = ("ready", "block_slots", "edge_slots", "context_slots")


@dataclass(frozen=True, slots=True)
class _Growing:
    """A table that grows, and the fields of the core that count its rows: those in use and those there are."""

    name: str
    count: str
    capacity: str
    dtype: npt.DTypeLike
    rows: int
    """To begin with."""
    reserve: int
    """Free rows that two blocks need at most: the next one, and the part of one that a fault cuts short."""


_CACHE_LINE = 64
_BLOCK_HALFWORDS = 514  # a page of the emulator's, and the rest of an instruction that runs over its end
_GROWING = (
    _Growing("blocks", "block_count", "block_capacity", layout.BLOCK, 1 << 10, 2),
    _Growing("copies", "copy_count", "copy_capacity", np.uint64, 1 << 10, 2 * (_BLOCK_HALFWORDS // 4 + 1)),
    _Growing("port_counts", "port_count_count", "port_count_capacity", np.int32, 1 << 12, 2 * _BLOCK_HALFWORDS),
    _Growing("edges", "edge_count", "edge_capacity", layout.EDGE, 1 << 10, 2),
    _Growing("contexts", "context_count", "context_capacity", layout.CONTEXT, 1 << 10, 2),
)


def _zeros(rows: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Rows that begin with a cache line, as core.h has it of blocks; NumPy's own begin 16 bytes into one."""
    size = rows * np.dtype(dtype).itemsize
    room = np.zeros(size + _CACHE_LINE, np.uint8)
    begin = -room.ctypes.data % _CACHE_LINE
    return room[begin : begin + size].view(dtype)


class Tables:
    """One machine's `core`, with the arrays that it and its structs point to by their field's name."""

    def __init__(self) -> None:
        self.core: Any = layout.Core()
        self.address = ctypes.addressof(self.core)
        self._arrays: dict[str, dict[type, npt.NDArray[Any]]] = {}  # by the field's name, and its struct
        self.core.chip = self.core.running = self.address
        self.core.quantum = 1
        self.core.context_limit = CONTEXT_LIMIT
        self.core.frame_capacity = FRAME_CAPACITY
        self.share("frames", _zeros(FRAME_CAPACITY + 2, layout.FRAME))
        for table in _GROWING:
            self.share(table.name, _zeros(table.rows, table.dtype))
            setattr(self.core, table.capacity, table.rows)
        self._make_slots(1 << 10)
        self.core.edge_count = self.core.context_count = 1
        self.core.epoch = layout.EPOCH_ONE
        self.forget_code()

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        (array,) = self._arrays[name].values()
        return array

    def of(self, name: str, owner: Any) -> npt.NDArray[Any]:
        """The array of a name that more than one struct has: that of `owner`."""
        return self._arrays[name][type(owner)]

    def share(self, name: str, array: npt.NDArray[Any], owner: Any = None) -> None:
        """Tell the core where an array is, and keep it alive."""
        owner = self.core if owner is None else owner
        self._arrays.setdefault(name, {})[type(owner)] = array
        setattr(owner, name, array.ctypes.data)

    def used(self, name: str) -> npt.NDArray[Any]:
        """The rows of a table that are in use, row 0 ("none") included."""
        count = next(table.count for table in _GROWING if table.name == name)
        return self[name][: getattr(self.core, count)]

    def forget_code(self) -> None:
        """Drop every decoded block."""
        core = self.core
        nothing = self["blocks"][0]  # what is pending when no block is; no way leads from it
        nothing["arc"]["key"] = nothing["key"] = layout.KEY_NONE
        nothing["site"]["call_target"] = layout.NOTHING
        self["block_slots"][:] = self["ready"][:] = 0
        core.block_count = core.copy_count = core.port_count_count = 1
        core.last_ran = core.sp_mover = core.port.block = 0
        core.pending = core.blocks

    def grow(self) -> None:
        """Double the tables that are nearly full. What points to rows goes on pointing to them."""
        core = self.core
        pending = core.pending - core.blocks
        for table in _GROWING:
            rows = self[table.name]
            limit = CONTEXT_LIMIT if table.name == "contexts" else len(rows) + 1
            if getattr(core, table.count) + table.reserve > len(rows) < limit:
                larger = _zeros(2 * len(rows), table.dtype)
                larger[: len(rows)] = rows
                self.share(table.name, larger)
                setattr(core, table.capacity, 2 * len(rows))
        core.pending = core.blocks + pending
        core.is_full = 0
        rows_at_most = max(core.block_capacity, core.edge_capacity, core.context_capacity)
        if rows_at_most > core.hash_mask + 1:
            self._make_slots(rows_at_most)
            CORE.m0_rehash(self.address)

    def _make_slots(self, count: int) -> None:
        """Hash tables of `count` slots, a power of two."""
        for name in (*_SLOTS, "block_next"):
            self.share(name, np.zeros(count, np.uint32))
        self.core.hash_mask = count - 1

    @property
    def pending(self) -> int:
        """Index of the newest block, 0 if none is pending."""
        return int(self.core.pending - self.core.blocks) // layout.BLOCK.itemsize
