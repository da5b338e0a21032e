"""What an emulator error, an interrupt or a refused access means in the words of ARMv6-M."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unicorn import (
    UC_ERR_FETCH_PROT,
    UC_ERR_FETCH_UNMAPPED,
    UC_ERR_INSN_INVALID,
    UC_ERR_WRITE_PROT,
    UC_MEM_FETCH_UNMAPPED,
    UC_MEM_READ_PROT,
    UC_MEM_WRITE_PROT,
    UC_MEM_WRITE_UNMAPPED,
    Uc,
)
from unicorn.arm_const import UC_ARM_REG_CPSR, UC_ARM_REG_R0

from m0sim.chip import isa
from m0sim.chip.bootrom.rom import BootRom
from m0sim.chip.bootrom.tables import FUNCTIONS
from m0sim.chip.device import Device
from m0sim.chip.isa import Kind
from m0sim.chip.stops import Cause, FaultKind

WFI = 0xBF30
_SVC, _DATA_ABORT, _BKPT = 2, 4, 7  # QEMU's exception numbers, as Unicorn passes them
_THUMB_BIT = 1 << 5  # of CPSR, as Unicorn shows it

#: Faults that are raised at the target of a jump: the block that jumped is complete.
AT_TARGET = (FaultKind.ARM_STATE, FaultKind.NOT_CODE)
_ROM = "ROM, contents unknown"
HIDDEN = "where the boot ROM has nothing for programs"
_CACHE = "the memory of the flash cache, which is on: it is SRAM only where the image has something in it"


class Traps:
    """Remembers why Unicorn stopped; its two hooks run only when something is wrong."""

    def __init__(self, device: Device, has_register: Callable[[int], bool], boot_rom: BootRom | None = None) -> None:
        """`has_register` tells where an access is to be made that no right allows: to a peripheral's register."""
        self._device = device
        self._has_register = has_register
        self._boot_rom = boot_rom
        self.clear()

    def clear(self) -> None:
        self._interrupt = 0
        self._access: tuple[int, int, int] | None = None

    @property
    def happened(self) -> bool:
        return self._interrupt != 0

    @property
    def is_breakpoint(self) -> bool:
        return self._interrupt == _BKPT

    def on_interrupt(self, uc: Uc, number: int, data: object) -> None:
        """UC_HOOK_INTR."""
        self._interrupt = number
        uc.emu_stop()

    def on_invalid_access(self, uc: Uc, kind: int, address: int, size: int, value: int, data: object) -> bool:
        """UC_HOOK_MEM_INVALID: never mended, only remembered."""
        if kind in (UC_MEM_READ_PROT, UC_MEM_WRITE_PROT) and self._has_register(address):
            return True
        self._access = (kind, address, size)
        return False

    def explain(self, uc: Uc, pc: int, error: int, halfword: Callable[[int], int]) -> Cause:
        """What the emulator stopped for, at `pc` and with `error`."""
        if self._interrupt == _SVC:
            number = halfword(pc - 2) & 0xFF
            return Cause(FaultKind.SUPERVISOR_CALL, f"SVC #{number}", pc - 2)
        if self._interrupt == _BKPT:
            return self.breakpoint(pc, halfword(pc) & 0xFF)
        if self._interrupt == _DATA_ABORT:
            return Cause(FaultKind.UNALIGNED, _unaligned_reason(uc, pc, halfword(pc)), pc)
        if self._interrupt:
            return Cause(FaultKind.EXCEPTION, f"processor exception {self._interrupt}", pc)
        if self._access is not None:
            return self._bad_access(uc, pc, error)
        if error == UC_ERR_INSN_INVALID:
            if is_arm_state(uc):
                return Cause(FaultKind.ARM_STATE, to_arm_state(pc), pc)
            return Cause(FaultKind.UNDEFINED, isa.describe_undefined(halfword(pc), halfword(pc + 2)), pc)
        return Cause(FaultKind.EXCEPTION, f"the emulator stopped with error {error}", pc)

    def breakpoint(self, pc: int, number: int) -> Cause:
        """A BKPT that is no semihosting call."""
        known = None if self._boot_rom is None else self._boot_rom.exit_at(pc, number)
        return Cause(FaultKind.BREAKPOINT, f"BKPT #{number}" if known is None else known.what, pc)

    def _bad_access(self, uc: Uc, pc: int, error: int) -> Cause:
        assert self._access is not None
        kind, address, size = self._access
        if kind == UC_MEM_FETCH_UNMAPPED or error in (UC_ERR_FETCH_UNMAPPED, UC_ERR_FETCH_PROT):
            if is_arm_state(uc):
                return Cause(FaultKind.ARM_STATE, to_arm_state(pc), pc)
            return Cause(FaultKind.NOT_CODE, jump_to(address, self.absent(address)), pc)
        if error == UC_ERR_WRITE_PROT:
            return Cause(FaultKind.READ_ONLY, read_only(size, address), pc)
        reason = unmapped(kind == UC_MEM_WRITE_UNMAPPED, size, address, self.absent(address))
        return Cause(FaultKind.UNMAPPED, reason, pc)

    def absent(self, address: int) -> str:
        """What the device has at an address where this machine has nothing; empty where it has nothing either."""
        region = self._device.region_at(address)
        if region is None:
            return ""
        if region.kind == "rom":
            return _ROM if self._boot_rom is None else HIDDEN
        return _CACHE if region.is_cache else ""


def is_arm_state(uc: Any) -> bool:
    """True after a jump to an even address."""
    return not uc.reg_read(UC_ARM_REG_CPSR) & _THUMB_BIT


def to_arm_state(target: int) -> str:
    """A sentence about a jump, call or return to an address whose bit 0 was clear: DDI 0419, BXWritePC."""
    return f"jump to an even address, {target:#010x}, which asks for Arm state{null_hint(target) or code_hint(target)}"


def unmapped(is_store: bool, size: int, address: int, absent: str = "") -> str:
    """A sentence about an access where nothing answers; `absent` says what the chip has there that we have not."""
    what = "store" if is_store else "load"
    plural = "byte" if size == 1 else "bytes"
    return f"{what} of {size} {plural} at {address:#010x}, {absent or _nothing_at(address)}{null_hint(address)}"


def read_only(size: int, address: int) -> str:
    """A sentence about a store to flash or ROM."""
    plural = "byte" if size == 1 else "bytes"
    return f"store of {size} {plural} to read-only memory at {address:#010x}{null_hint(address)}"


def jump_to(address: int, absent: str = "") -> str:
    """A sentence about a jump to where no memory is; `absent` as of `unmapped`."""
    hint = null_hint(address) or code_hint(address | 1)
    return f"jump to {address:#010x}, {absent or 'where there is no memory'}{hint}"


def null_hint(address: int) -> str:
    """What to add to a sentence about an address that looks like a null pointer with an offset."""
    return " (a null pointer?)" if address < 0x100 else ""


def code_hint(target: int) -> str:
    """Of a jump to where nothing is, whose address is the code of a function of the RP2040's boot ROM."""
    letters = target.to_bytes(4, "little")[:2].decode("latin-1")
    if target >= 1 << 16 or letters not in FUNCTIONS:
        return ""
    return f" ({letters!r} of the boot ROM's functions? pico-sdk's start-up looks it up: --startup runs that first)"


def _nothing_at(address: int) -> str:
    if 0x40000000 <= address < 0x60000000 or address >= 0xE0000000:  # DDI 0419, B3.1: peripherals, system
        register = f"--register {address & ~3:#x}=VALUE"
        return f"a peripheral, which is not modelled: replace the function that uses it with a stub, or say {register}"
    return "where there is no memory"


def _unaligned_reason(uc: Uc, pc: int, first: int) -> str:
    address = effective_address(uc, first)
    kind = Kind(int(isa.FIRST[first, isa.KIND]))
    what = "store" if kind in (Kind.STORE, Kind.STORE_MULTIPLE) else "load"
    moved = int(max(isa.FIRST[first, isa.LOADED], isa.FIRST[first, isa.STORED]))
    size = 4 if kind in (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE, Kind.POP_PC) else moved
    where = "" if address is None else f" at {address:#010x}"
    return f"unaligned {what} of {size} bytes{where}"


def effective_address(uc: Any, first: int) -> int | None:
    """Where a load or store that is not aligned goes, from the registers as they are: DDI 0419, A6.7.

    None that is relative to SP, whose two low bits are zero (B1.4.1).
    """

    def low(shift: int) -> int:
        return int(uc.reg_read(UC_ARM_REG_R0 + (first >> shift & 7)))

    top = first >> 12
    immediate = first >> 6 & 31
    if top == 0x5:
        return low(3) + low(6) & 0xFFFFFFFF
    if top in (0x6, 0x7, 0x8):
        return low(3) + immediate * {6: 4, 7: 1, 8: 2}[top] & 0xFFFFFFFF
    return low(8) if top == 0xC else None
