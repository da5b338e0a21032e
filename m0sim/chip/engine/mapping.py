"""Where the emulator sees the memories: each bank at its address and its aliases. Guest and host share the bytes."""

from __future__ import annotations

from typing import Any

from unicorn import UC_PROT_ALL, UC_PROT_EXEC, UC_PROT_READ

from m0sim.chip.banks import windows
from m0sim.chip.bootrom.rom import LOOKED_AT
from m0sim.chip.memory import AddressSpace

_GRAIN = 1024  # what Unicorn maps in


def map_into(uc: Any, space: AddressSpace) -> None:
    """Map the banks and their aliases into a Unicorn instance."""
    for bank in space.banks:
        rights = UC_PROT_ALL if bank.kind == "sram" else UC_PROT_READ | UC_PROT_EXEC
        for base, offset, size in windows(bank, space.device):
            skipped = LOOKED_AT if bank.kind == "rom" and space.has_own_boot_rom else 0  # `mmio` has that
            length = -(-size // _GRAIN) * _GRAIN - skipped
            uc.mem_map_ptr(base + skipped, length, rights, bank.data.ctypes.data + offset + skipped)


def sram_ranges(space: AddressSpace) -> list[tuple[int, int]]:
    """Begin and end of every range that is mapped as SRAM or an alias of it, in whole KiB, ascending."""
    found = [w for bank in space.banks if bank.kind == "sram" for w in windows(bank, space.device)]
    return sorted((base, base + -(-size // _GRAIN) * _GRAIN) for base, _, size in found)


def other_ranges(space: AddressSpace) -> list[tuple[int, int]]:
    """Begin and end of the ranges that `sram_ranges` leaves of the 4 GiB."""
    begins, ends = zip(*sram_ranges(space), strict=True)
    return [(begin, end) for begin, end in zip((0, *ends), (*begins, 1 << 32), strict=True) if begin < end]
