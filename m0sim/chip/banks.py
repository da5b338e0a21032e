"""The memories of a device, as arrays on the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from m0sim.chip.device import Device
from m0sim.image import Image

Bytes = npt.NDArray[np.uint8]

#: Fills SRAM that nothing initialised: read as code it is 0xDEDE, a permanently undefined instruction.
FILL = 0xDE
_ERASED = 0xFF
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Bank:
    """Contiguous memory of one kind with its bytes on the host; adjacent SRAM regions are one bank."""

    kind: str
    base: int
    size: int
    data: Bytes
    """``uint8``, the size rounded up to 4 KiB."""
    is_cache: bool = False
    """The memory of the flash cache, which is off then."""

    @property
    def end(self) -> int:
        return self.base + self.size

    def erase(self) -> None:
        """Make it what it is before anything is loaded."""
        self.data[:] = FILL if self.kind == "sram" else _ERASED


def banks_of(device: Device, image: Image) -> tuple[Bank, ...]:
    """The erased banks of a device, by address; ROM and the memory of a cache only where the image has something there.

    The image has the boot ROM's content, where that is known; elsewhere an access to ROM is a fault. A cache that is
    used as memory is off, so nothing but the image puts anything there.
    """
    merged: list[tuple[str, int, int, bool]] = []
    for region in device.regions:
        if (region.kind == "rom" or region.is_cache) and not _is_used(region.base, region.end, device, image):
            continue
        if merged and region.kind == "sram" == merged[-1][0] and merged[-1][2:] == (region.base, region.is_cache):
            merged[-1] = ("sram", merged[-1][1], region.end, region.is_cache)
        else:
            merged.append((region.kind, region.base, region.end, region.is_cache))
    banks = tuple(Bank(kind, base, end - base, _room(end - base), cache) for kind, base, end, cache in merged)
    for bank in banks:
        bank.erase()
    return banks


def windows(bank: Bank, device: Device) -> list[tuple[int, int, int]]:
    """Where a bank is seen: itself, and the aliases of its regions. Address, offset in the bank, bytes."""
    found = [(bank.base, 0, bank.size)]
    for alias in device.aliases:
        region = device.region(alias.of)
        if bank.base <= region.base < bank.end:
            found.append((alias.base, region.base - bank.base, region.size))
    return found


def _is_used(begin: int, end: int, device: Device, image: Image) -> bool:
    return any(begin <= device.resolve(s.address) < end for s in image.segments)


def _room(size: int) -> Bytes:
    return np.empty(-(-size // _PAGE) * _PAGE, np.uint8)
