"""From an address to its row in the core's tables: by 4 KiB page, where aliases of one memory share a slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.banks import windows
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
        hosts, writable = [np.zeros(1, np.uint64)], [np.zeros(1, np.uint8)]
        count = 1
        for bank in space.banks:
            pages = -(-bank.size // PAGE)
            for base, offset, size in windows(bank, space.device):
                first, there = base // PAGE, count + offset // PAGE
                number = -(-size // PAGE)
                slots[first : first + number] = np.arange(there, there + number)
            hosts.append(bank.data.ctypes.data + np.arange(pages, dtype=np.uint64) * PAGE)
            writable.append(np.full(pages, bank.kind == "sram", np.uint8))
            count += pages
        return cls(slots, count, np.concatenate(hosts), np.concatenate(writable))

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
