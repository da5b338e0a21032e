"""What the emulator calls: the core's functions, attached to Unicorn and detached again."""

from __future__ import annotations

import ctypes
from typing import Any

from unicorn import (
    UC_HOOK_BLOCK,
    UC_HOOK_CODE,
    UC_HOOK_EDGE_GENERATED,
    UC_HOOK_INSN_INVALID,
    UC_HOOK_MEM_READ_PROT,
    UC_HOOK_MEM_WRITE_PROT,
    UC_HOOK_TLB_FILL,
    UC_PROT_NONE,
    UC_TLB_VIRTUAL,
    Uc,
    UcError,
)
from unicorn.unicorn_py3.unicorn import uclib

from m0sim.chip import isa
from m0sim.chip.device import Device, IoPort
from m0sim.chip.engine.counters import Counters
from m0sim.chip.engine.mapping import sram_ranges
from m0sim.chip.memory import AddressSpace
from m0sim.chip.native.library import address_of


class Hooks:
    """The core's hooks in one emulator, which must outlive them."""

    def __init__(self, uc: Uc, counters: Counters, device: Device, space: AddressSpace) -> None:
        """Attach them."""
        self._engine = uc._uch
        self._counters = counters
        self._space = space
        self._watched: set[int] = set()
        core = counters.core
        core.emu_stop = _address(uclib.uc_emu_stop)
        core.reg_read, core.reg_write = _address(uclib.uc_reg_read), _address(uclib.uc_reg_write)
        self._add(UC_HOOK_BLOCK, "m0_on_block")
        self._add(UC_HOOK_INSN_INVALID, "m0_on_invalid")
        uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        for base, end in sram_ranges(space):
            self._add(UC_HOOK_TLB_FILL, "m0_on_tlb_fill", base, end - 1)
            self._add(UC_HOOK_EDGE_GENERATED, "m0_on_translation", base, end - 1)
        if device.io_port is not None:
            self._map_port(uc, device.io_port)

    def _map_port(self, uc: Uc, port: IoPort) -> None:
        """The port as memory without any right: the core is asked before each access, at the exact instruction."""
        core = ctypes.c_void_p(self._counters.tables.address)
        read, write = (ctypes.c_void_p(address_of(name)) for name in ("m0_port_read", "m0_port_write"))
        _check(uclib.uc_mmio_map(self._engine, port.base, port.size, read, core, write, core))
        uc.mem_protect(port.base, port.size, UC_PROT_NONE)
        self._add(UC_HOOK_MEM_READ_PROT | UC_HOOK_MEM_WRITE_PROT, "m0_on_port", port.base, port.end - 1)
        self._add(UC_HOOK_TLB_FILL, "m0_on_tlb_fill", port.base, port.end - 1)

    def watch_sp_writes(self) -> tuple[int, int]:
        """Hook the instructions behind the SP writes of the block that a run stopped at. Returns the block's range."""
        stopped_at = self._counters.core.stop_block
        self._counters.tables["blocks"]["sp_writes"][stopped_at] = 2
        begin, end = self._counters.range_of(stopped_at)
        for at in self._behind_sp_writes(begin, end):
            if at not in self._watched:
                self._watched.add(at)
                self._add(UC_HOOK_CODE, "m0_on_sp_written", at, at)
        return begin, end

    def _behind_sp_writes(self, address: int, end: int) -> list[int]:
        found = []
        while address < end:
            first, second = self._space.halfword(address), self._space.halfword(address + 2)
            address += 4 if isa.is_wide(first) else 2
            if isa.writes_sp(first, second):
                found.append(address)
        return found

    def _add(self, kind: int, callback: str, begin: int = 1, end: int = 0) -> None:
        handle = ctypes.c_size_t()
        place = ctypes.cast(ctypes.byref(handle), uclib.uc_hook_add.argtypes[1])
        _check(
            uclib.uc_hook_add(
                self._engine,
                place,
                kind,
                ctypes.c_void_p(address_of(callback)),
                ctypes.c_void_p(self._counters.tables.address),
                ctypes.c_uint64(begin),
                ctypes.c_uint64(end),
            )
        )


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _check(error: int) -> None:
    if error:
        raise UcError(error)
