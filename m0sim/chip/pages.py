"""From an address to its row in the core's tables: by 4 KiB page, where aliases of one memory share a slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.memory import AddressSpace

PAGE = 4096
_PAGES = 1 << 20  # of the 4 GiB


@dataclass(frozen=True, eq=False, slots=True)
class Pages:
    """Slots of pages. Pages of one memory have consecutive ones, so a range inside one memory is a range of rows."""

    slots: npt.NDArray[np.int32]
    """``int32[2**20]`` by page number; 0 where there is no memory."""
    count: int
    """Slots there are, slot 0 ("none") included."""
    hosts: npt.NDArray[np.uint64]
    """By slot: where the host has the page's bytes."""
    writable: npt.NDArray[np.uint8]
    """By slot: 1 where the guest can write."""

    @classmethod
    def of(cls, space: AddressSpace) -> Pages:
        """The pages of a device's memories."""
        slots = np.zeros(_PAGES, np.int32)
        numbers, addresses, indices, rights = space.pages().T
        count = 1 + int(indices.max())
        hosts, writable = np.zeros(count, np.uint64), np.zeros(count, np.uint8)
        slots[numbers] = indices
        hosts[indices] = addresses
        writable[indices] = rights
        return cls(slots, count, hosts, writable)

    def has(self, address: int) -> bool:
        """True where there is memory."""
        return bool(self.slots[address >> 12])

    def halfword(self, address: int) -> int:
        """Row of a halfword in tables by code index, `count` * 2048 rows."""
        return int(self.slots[address >> 12]) * (PAGE // 2) + (address & 0xFFF) // 2

    def byte(self, address: int) -> int:
        """Row of a byte in tables by byte, `count` * 4096 rows."""
        return int(self.slots[address >> 12]) * PAGE + (address & 0xFFF)

    def halfwords(self, addresses: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """`halfword` of many addresses, ``int64[n]``."""
        rows: npt.NDArray[np.int64] = self.slots[addresses >> 12] * np.int64(PAGE // 2) + (addresses & 0xFFF) // 2
        return rows

    def fill(self, table: npt.NDArray[Any], begin: int, end: int, value: int) -> None:
        """Set a range of a table by code index; nothing where there is no memory."""
        if begin < end and self.has(begin):
            first = self.halfword(begin)
            table[first : first + (end - begin + 1) // 2] = value
