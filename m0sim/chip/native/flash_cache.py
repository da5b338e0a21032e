"""The core's model of the cache in front of a device's flash: its state, and what it counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.device import Alias, Device
from m0sim.chip.native import layout
from m0sim.chip.native.library import CORE
from m0sim.chip.native.tables import Tables

_WORD = 4
_GROUP = 64  # bytes of flash; see m0_xip in core.h
# Pairs of words that are told apart, 1 MiB of them; half of the rows stay free.
_EVICTION_ROWS = 1 << 16


class FlashCache:
    """`tables.core.xip` and its arrays. Not for a device without a cache: there an access costs nothing."""

    def __init__(self, tables: Tables, device: Device) -> None:
        """An empty cache in `tables`. Raises ValueError where the device has none."""
        cache, flash = device.xip_cache, device.flash
        if cache is None or flash is None:
            raise ValueError(f"{device.name} has no cache in front of its flash")
        self._address = tables.address
        self._state: Any = tables.core.xip
        aliases = (alias for alias in device.aliases if alias.of == flash.name)
        windows = [(view.base, _mode(view)) for view in (Alias(flash.name, flash.base), *aliases)]
        groups = max(1, cache.size // cache.ways // _GROUP)
        self._generation = np.zeros(groups, np.uint32)
        self._evictions = np.zeros(_EVICTION_ROWS, layout.EVICTION)
        self._arrays = {
            "windows": np.array(windows, layout.XIP_WINDOW),
            "ways": np.zeros(cache.sets * cache.ways, np.uint64),
            "generation": self._generation,
            "pushed_out_by": np.zeros(flash.size // _WORD, np.uint32),
            "evictions": self._evictions,
        }
        for name, array in self._arrays.items():
            tables.share(name, array, self._state)
        state = self._state
        state.window_count, state.size = len(windows), flash.size
        state.way_count, state.set_mask = cache.ways, cache.sets - 1
        state.line_shift, state.group_mask = cache.line_bytes.bit_length() - 1, groups - 1
        state.miss_cycles, state.eviction_mask = cache.miss_cycles_per_word, _EVICTION_ROWS - 1
        self.empty()

    def empty(self) -> None:
        """Make it what it is after a reset. What was counted stays."""
        CORE.m0_xip_empty(self._address)

    def drop(self, address: int) -> None:
        """A store to flash: the line that it goes to is deleted, where that window is looked up and allocates."""
        CORE.m0_xip_drop(self._address, address)

    def forget_counts(self) -> None:
        """Count from zero. What is in the cache stays, and who pushed whom out of it."""
        state = self._state
        if state.eviction_count:  # else the rows are zeros, of which there are too many to write for a short call
            self._evictions[:] = 0
        state.hits = state.code_misses = state.data_misses = state.eviction_count = state.evictions_refused = 0

    def set_counts(self, hits: int, code_misses: int, data_misses: int) -> None:
        """Put counts back to what they were: of accesses that are not the core's."""
        self._state.hits, self._state.code_misses, self._state.data_misses = hits, code_misses, data_misses

    def disable(self, is_disabled: bool = True) -> None:
        """Whether every access goes to the flash, as it does while the cache's memory is used as SRAM."""
        self._state.is_disabled = int(is_disabled)
        self._generation += np.uint32(1)

    def is_settled(self, begin: int, end: int) -> bool:
        """Whether accesses to all words from `begin` to before `end` would hit and change nothing."""
        return bool(CORE.m0_xip_is_settled(self._address, begin, end))

    def access(self, addresses: npt.NDArray[np.uint32], is_code: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint32]:
        """Access words in order; the cycles that each stalls, ``uint32[n]``."""
        kinds = np.ascontiguousarray(is_code, np.uint8)
        addresses = np.ascontiguousarray(addresses, np.uint32)
        stalls = np.zeros(len(addresses), np.uint32)
        CORE.m0_xip_stream(self._address, addresses.ctypes.data, kinds.ctypes.data, len(addresses), stalls.ctypes.data)
        return stalls

    @property
    def hits(self) -> int:
        """Words that were in the cache."""
        return int(self._state.hits)

    @property
    def code_misses(self) -> int:
        """Words of code that were not."""
        return int(self._state.code_misses)

    @property
    def data_misses(self) -> int:
        """Words of data that were not."""
        return int(self._state.data_misses)

    @property
    def evictions(self) -> npt.NDArray[Any]:
        """Rows of `layout.EVICTION` that are in use, a copy."""
        in_use: npt.NDArray[Any] = self._evictions[self._evictions["word"] != 0]
        return in_use

    @property
    def evictions_refused(self) -> int:
        """Words fetched again that no row counts, because there were too many."""
        return int(self._state.evictions_refused)

    @property
    def generation(self) -> npt.NDArray[np.uint32]:
        """Changes by group of sets, ``uint32[groups]``; the group of an address is ``address // 64 % groups``."""
        return self._generation.copy()


def _mode(view: Alias) -> int:
    return layout.XIP_LOOKED_UP * view.cacheable + layout.XIP_ALLOCATES * view.allocating
