"""The content of a boot ROM: what is in it, what its functions are called, and what of it no program reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from m0sim import image
from m0sim.chip.bootrom.tables import EXITS, RomExit, names_in
from m0sim.chip.device import Device, MemoryRegion
from m0sim.errors import UsageError
from m0sim.image import Image, Symbol
from m0sim.image.ranges import Range

#: Reads below are looked at one by one: of a program that follows a null pointer, or one that looks up the ROM.
LOOKED_AT = 0x400
_VECTORS = 16  # bytes: SP and the three vectors, which the core alone reads
_MARK, _MARK_AT = b"Mu\x01", 0x10
_HEADER_END = 0x1A  # of what is at fixed addresses: RP2040 datasheet, table 163
_OWN = Path(__file__).resolve().parent / "rp2040.elf"


@dataclass(frozen=True, eq=False)
class BootRom:
    """What is in a device's ROM."""

    image: Image
    """Its bytes, at their addresses, and its functions."""
    region: MemoryRegion
    is_own: bool
    """m0sim's, not the vendor's: its functions do the same in other cycles."""

    @cached_property
    def hidden(self) -> npt.NDArray[np.uint8]:
        """For each word below `LOOKED_AT`, 1 where a load is a fault: ``uint8[256]``.

        The vectors, and what holds nothing: who reads there has followed a null pointer.
        """
        hidden = np.ones(LOOKED_AT // 4, np.uint8)
        for segment in self.image.segments:
            hidden[max(segment.address, _VECTORS) // 4 : -(-segment.end // 4)] = 0
        return hidden

    @property
    def float_code(self) -> Range:
        """Where m0sim's own floating point functions are; empty in another ROM."""
        return self._between("bootrom_float_begin", "bootrom_float_end")

    @property
    def helpers(self) -> Range:
        """The same of all functions that programs call for their speed: bits, memory, floating point."""
        return self._between("bootrom_helpers_begin", "bootrom_float_end")

    def _between(self, begin: str, end: str) -> Range:
        found = {s.name: s.address for s in self.image.symbols} if self.is_own else {}
        return found.get(begin, 0), found.get(end, 0)

    def exit_at(self, pc: int, number: int) -> RomExit | None:
        """What a BKPT of m0sim's own ROM means; None for one that is elsewhere, or means nothing."""
        return EXITS.get(number) if self.is_own and self.region.contains(pc) else None


def boot_rom_of(device: Device, firmware: Image, file: str | Path | None = None) -> BootRom | None:
    """The boot ROM that a program finds on a device: that of `file`, or m0sim's own where the profile asks for one.

    None where the device has no ROM, nobody knows what is in it, or the program brings it along. Raises `UsageError`
    for a file that is no boot ROM of this device.
    """
    region = next((r for r in device.regions if r.kind == "rom"), None)
    if region is None:
        if file is not None:
            raise UsageError(f"{device.name} has no ROM that {file} could be the content of; choose another --profile")
        return None
    is_linked_there = any(region.base <= device.resolve(s.address) < region.end for s in firmware.segments)
    if file is not None:
        if is_linked_there:
            raise UsageError(f"{firmware.path} has content of the ROM itself: leave out --bootrom")
        return BootRom(_read(Path(file), region), region, is_own=False)
    if is_linked_there or not region.boot_rom:
        return None
    return BootRom(_own(), region, is_own=True)


@cache
def _own() -> Image:
    if not _OWN.is_file():
        raise UsageError(f"{_OWN} is not built; in a checkout, run make")
    return image.load_elf(_OWN)


def with_boot_rom(firmware: Image, rom: BootRom) -> Image:
    """The program, and the ROM's code and names beside it. Where both have a name, it is the program's."""
    taken = {name for s in firmware.symbols for name in (s.name, s.linkage_name)}
    names = [s for s in rom.image.symbols if s.kind != "label" and not (rom.is_own and s.name.startswith("__aeabi_"))]
    symbols = tuple(_renamed(s, taken) for s in names)
    return firmware.beside(replace(rom.image, symbols=symbols, data_ranges=tuple(_data_of(rom))))


def _renamed(symbol: Symbol, taken: set[str]) -> Symbol:
    return replace(symbol, name=f"{symbol.name} (boot ROM)") if symbol.name in taken else symbol


def _data_of(rom: BootRom) -> Iterator[Range]:
    """What is no code: the tables, and what lies between them."""
    yield rom.region.base, min((begin for begin, _ in rom.image.code_ranges), default=rom.region.end)
    yield from rom.image.data_ranges


def _read(path: Path, region: MemoryRegion) -> Image:
    """An ELF, or the whole ROM as it is: then its tables tell where functions are."""
    rom = image.load_raw(path, region.base)
    if rom.segments[0].data[:4] == b"\x7fELF":
        rom = image.load_elf(path)
        if any(not region.contains(s.address, s.size) for s in rom.segments):
            raise UsageError(f"{path}: is not linked for the ROM, {region.base:#x} to {region.end - 1:#x}")
    elif rom.segments[0].size != region.size:
        raise UsageError(f"{path}: {rom.segments[0].size:,} bytes are not the {region.size:,} of the ROM")
    content = bytearray(region.size)
    for segment in rom.segments:
        at = segment.address - region.base
        content[at : at + len(segment.data)] = segment.data
    if content[_MARK_AT : _MARK_AT + len(_MARK)] != _MARK:
        raise UsageError(f"{path}: is no boot ROM: 'Mu' and 1 are not at {_MARK_AT:#x}")
    if rom.symbols:
        return rom
    return replace(rom, symbols=names_in(bytes(content)), code_ranges=((region.base + _HEADER_END, region.end),))
