"""The timed engine: the native core's own interpreter, its tables, and its registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from unicorn.arm_const import UC_ARM_REG_CONTROL, UC_ARM_REG_MSP, UC_ARM_REG_PRIMASK, UC_ARM_REG_PSP

from m0sim.chip import output
from m0sim.chip.banks import Bank, windows
from m0sim.chip.bootrom.rom import LOOKED_AT
from m0sim.chip.engine.emulator import RETURN_ADDRESS, Emulator
from m0sim.chip.engine.flash_timing import waits_of
from m0sim.chip.native import layout
from m0sim.chip.native.flash_cache import FlashCache
from m0sim.chip.native.layout import Stop
from m0sim.chip.native.library import CORE
from m0sim.chip.options import FlashModel
from m0sim.chip.pages import PAGE
from m0sim.chip.results.flash import FlashCounts
from m0sim.chip.results.instructions import by_instruction

# Pages of code that are kept decoded, and calls in them; beyond, all is forgotten and decoded again.
_CHUNKS, _CALLS, _RETIRED = 512, 1 << 14, 1 << 12
_LINE_OPS_BYTES = 1024


class Interpreter:
    """The interpreter of one machine. Its memory, counters and devices are those of `emulator`."""

    def __init__(self, emulator: Emulator, first: Interpreter | None = None) -> None:
        """With `first`, the interpreter of core 0, this is that of core 1."""
        self._chip = emulator
        self.counters = self._counters = emulator.counters if first is None else emulator.counters.of_second_core()
        self._tables = self._counters.tables
        self._timed: Any = self._tables.core.timed
        self._earlier: list[npt.NDArray[Any]] = []
        self._waited = self._waits_settled = self._most_states = 0
        self._code_version = emulator.code_version
        self._is_for_firmware = False  # how what is decoded was decoded
        self._watched: frozenset[int] = frozenset()
        self.also_watched: frozenset[int] = frozenset()
        """Addresses before whose instructions `Stop.WATCHED` is wanted, beside those of the emulator's."""
        self.on_grow: Callable[[], None] | None = None
        """Called where tables are full, among them one that somebody else has to empty."""
        self._first = first
        self._cache = self._make_cache()
        self._flash: FlashModel = "ideal"
        self._share_tables()
        self._share_memory()
        self._use_flash("ideal")

    # -- tables

    def _share_tables(self) -> None:
        timed, pages = self._timed, self._counters.pages
        banks = self._chip.space.banks
        seen = sum(-(-size // PAGE) for bank in banks for _, _, size in windows(bank, self._chip.device))
        chunks = min(seen, _CHUNKS)
        self._share("ops", _aligned(chunks * layout.CHUNK_OPS, layout.OP))
        self._share("details", np.zeros(chunks * layout.CHUNK_OPS, layout.DETAIL))
        self._share("lines", np.zeros(chunks * layout.CHUNK_LINES, layout.LINE))
        self._share("chunks", np.zeros(chunks, layout.CHUNK))
        self._share("chunk_at", np.zeros(len(pages.slots), np.uint16))
        self._share("calls", np.zeros(_CALLS, layout.CALL))
        self._share("retired", np.zeros(_RETIRED, layout.EXECUTED))
        code_lines = np.zeros(pages.count * (PAGE // 64), np.uint8)
        self._share("code_lines", code_lines if self._first is None else self._first._tables["code_lines"])
        self._share("waits_at", np.zeros(pages.count, np.uint8))
        boot_rom = self._chip.space.boot_rom
        if boot_rom is not None and boot_rom.is_own:
            self._share("hidden", boot_rom.hidden)
            timed.hidden_end = LOOKED_AT
        self._share("watched", np.zeros(pages.count * (PAGE // 2), np.uint8))
        timed.chunk_capacity, timed.call_capacity, timed.retired_capacity = chunks, _CALLS, _RETIRED
        timed.call_count = 1
        timed.return_address = RETURN_ADDRESS
        timed.never = 1

    def _share(self, name: str, array: npt.NDArray[Any]) -> None:
        self._tables.share(name, array, self._timed)

    def _share_memory(self) -> None:
        timed, pages = self._timed, self._counters.pages
        banks = self._chip.space.banks
        sram = max((bank for bank in banks if bank.kind == "sram"), key=lambda bank: bank.size)
        timed.sram, timed.sram_base = sram.data.ctypes.data, sram.base
        timed.sram_limit[:] = [sram.size >> shift for shift in range(3)]
        timed.sram_code = timed.code_lines + int(pages.slots[sram.base // PAGE]) * (PAGE // 64)
        flash = self._flash_bank()
        if flash is not None:
            timed.flash, timed.flash_base = flash.data.ctypes.data, flash.base
            timed.flash_limit[:] = [flash.size >> shift for shift in range(3)]
        for bank in banks:
            if bank.kind == "flash":
                first = pages.slots[bank.base // PAGE]
                self._tables["waits_at"][first : first + -(-bank.size // PAGE)] = 1

    def _share_states(self) -> None:
        """Where the states and owners of the bytes are that handlers access themselves."""
        timed, states, owners = self._timed, self._tables["touched"], self._tables["owner_at"]
        slots = self._counters.pages.slots
        for name, base in (("sram", timed.sram_base), ("flash", timed.flash_base)):
            first = int(slots[base // PAGE]) * PAGE
            setattr(timed, f"{name}_states", states.ctypes.data + first)
            setattr(timed, f"{name}_owners", owners.ctypes.data + first * owners.itemsize)

    def _flash_bank(self) -> Bank | None:
        return next((bank for bank in self._chip.space.banks if bank.kind == "flash"), None)

    # -- flash

    def _make_cache(self) -> FlashCache | None:
        device = self._chip.device
        if device.xip_cache is None or device.flash is None:
            return None
        if self._first is not None:
            return self._first.cache
        cache = FlashCache(self._tables, device)
        cache.disable(self._chip.space.has_cache_as_sram)
        return cache

    @property
    def cache(self) -> FlashCache | None:
        """The cache in front of the flash; None where the device has none."""
        return self._cache

    def _use_flash(self, model: FlashModel) -> None:
        """Choose how flash lets wait, for the runs to come."""
        self._flash = model
        kind, timing = layout.FlashModel.IDEAL, self._chip.device.flash_timing
        if model != "ideal" and self._cache is not None:
            kind = layout.FlashModel.CACHE
        elif model != "ideal" and timing is not None and timing.wait_states:
            kind = layout.FlashModel.WAITS
        if kind != self._timed.flash_model:
            self._timed.flash_model = int(kind)
            self._forget()

    @property
    def lets_flash_wait(self) -> bool:
        """Whether flash may keep a reader waiting."""
        return self._flash != "ideal" and (self._cache is not None or self._chip.device.flash_timing is not None)

    # -- one run

    def begin(
        self,
        registers: Sequence[int],
        entry: int,
        sp: int,
        sp_limit: int,
        *,
        flash: FlashModel = "ideal",
        tracks: bool = False,
        is_simple: bool = False,
    ) -> None:
        """Set the registers for a call, and zero all counts. With `warm` flash, its cache stays as it is.

        `is_simple` has the simple form execute every instruction: what tests compare the fast one with.
        """
        timed = self._timed
        self._use_flash(flash)
        self._watch()
        is_other = self._is_for_firmware != bool(self._tables.core.system.is_on)
        if is_other or self._code_version != self._chip.code_version or timed.tracks != tracks:
            self._forget()
        self._code_version, timed.tracks = self._chip.code_version, tracks
        self._is_for_firmware = bool(self._tables.core.system.is_on)
        timed.is_simple = is_simple
        self._counters.begin(entry, RETURN_ADDRESS, sp, sp_limit, tracks=tracks)
        if tracks:
            self._share_states()
        CORE.m0_begin_timed(self._tables.address)
        self._earlier = []
        if self._first is not None:
            pass  # the cache is as the first core left it
        elif self._cache is not None:
            self._cache.forget_counts()
            if flash == "cold":
                self._cache.empty()
        elif flash != "ideal":
            self._begin_waits()
        given = len(registers)
        timed.r[:] = [*registers, *[0] * (13 - given), sp, RETURN_ADDRESS | 1, 0]
        timed.n = timed.c = timed.v = 0
        timed.z = 1
        timed.pc = entry
        self.take_special()

    def begin_firmware(
        self,
        entry: int,
        sp: int,
        sp_limit: int = 0,
        *,
        flash: FlashModel = "ideal",
        is_simple: bool = False,
        hides_rom: bool = False,
    ) -> None:
        """The same for firmware that runs from `entry`: code is decoded so that events come exactly in time.

        All of the boot ROM can be read, as on hardware, unless `hides_rom`.
        """
        self._tables.core.system.is_on = 1
        self._forget()
        self.begin([], entry, sp, sp_limit, flash=flash, is_simple=is_simple)
        self._tables.core.system.is_on = 0  # until the reset
        if not hides_rom:
            self._timed.hidden_end = 0

    def end_firmware(self) -> None:
        """There are no exceptions any more: calls without them come next. Counts stay."""
        system = self._tables.core.system
        system.is_on = system.attention = system.stops_at_fault = system.asleep = 0
        system.ipsr = system.depth = system.is_entering = system.returns_to = system.lacks_t = 0

    def set_flash_waits(self, states: int) -> None:
        """Flash on the chip has so many wait states from now on. With ideal flash nothing waits all the same."""
        if self._flash == "ideal" or self._cache is not None or self._chip.device.flash_timing is None:
            return
        self._settle_waits()
        self._tables.core.waits.wait_states = states
        self._most_states = max(self._most_states, states)
        kind = int(layout.FlashModel.WAITS if states else layout.FlashModel.IDEAL)
        if kind != self._timed.flash_model:
            self._timed.flash_model = kind
            self.forget_code()

    def _settle_waits(self) -> None:
        """Count what was waited for with the wait states until now."""
        waits = self._tables.core.waits
        misses = int(waits.code_waits + waits.data_waits)
        self._waited += (misses - self._waits_settled) * int(waits.wait_states)
        self._waits_settled = misses

    def _begin_waits(self) -> None:
        waits, flash = self._tables.core.waits, self._flash_bank()
        for name, value in waits_of(self._chip.device).items():
            setattr(waits, name, value)
        self._waited = self._waits_settled = 0
        self._most_states = int(waits.wait_states)
        if flash is not None:
            waits.base, waits.first_slot = flash.base, int(self._counters.pages.slots[flash.base // PAGE])
        CORE.m0_wait_reset(self._tables.address)

    def _wanted(self) -> frozenset[int]:
        chip = self._chip
        wanted = {stub.symbol.address for stub in chip.stubs} | set(chip.heap.watched)
        wanted |= {s.address for s in chip.image.symbols if s.name == output.WRITE and s.kind == "function"}
        return frozenset(wanted | self.also_watched)

    def _watch(self) -> None:
        """Have Python see the instructions where something of its own begins."""
        wanted = self._wanted()
        if wanted == self._watched:
            return
        pages, table = self._counters.pages, self._tables["watched"]
        table[:] = 0
        for address in wanted:
            if pages.has(address):
                table[pages.halfword(address)] = 1
        self._watched = wanted
        self._forget()

    def watch(self, addresses: frozenset[int]) -> None:
        """Have `Stop.WATCHED` before these, from now on: in the middle of a run, whose counts stay."""
        self.also_watched = addresses
        if self._wanted() == self._watched:
            return
        self._earlier.append(self._own_rows())
        self._watch()

    def run(self, limit: int) -> Stop:
        """Run from `pc` until something stops it, or so many cycles are counted."""
        core = self._tables.core
        core.stop = Stop.NONE
        core.limit = limit
        CORE.m0_run_timed(self._tables.address)
        return Stop(core.stop)

    def grow(self) -> None:
        """Make room after `Stop.GROW`."""
        if self.on_grow is not None:
            self.on_grow()
        self._tables.grow()
        timed = self._timed
        if timed.call_count + 64 >= timed.call_capacity or timed.chunk_count >= timed.chunk_capacity:
            self._earlier.append(self._own_rows())
            self._forget()
        elif timed.retired_count:
            rows = self._tables["retired"][: timed.retired_count]
            self._earlier.append(rows.copy())
            timed.retired_count = 0
        if len(self._earlier) > 1:
            self._earlier = [by_instruction(np.concatenate(self._earlier))]

    def forget_code(self) -> None:
        """Bytes of flash changed: decode afresh what was decoded, counts kept."""
        self._earlier.append(self._own_rows())
        self._forget()

    def _forget(self) -> None:
        CORE.m0_forget_timed(self._tables.address)
        self._timed.retired_count = 0

    def executed(self) -> npt.NDArray[Any]:
        """What the run executed: rows of `layout.EXECUTED`."""
        return np.concatenate([*self._earlier, self._own_rows()])

    def _own_rows(self) -> npt.NDArray[Any]:
        rows = np.zeros(CORE.m0_count_timed(self._tables.address), layout.EXECUTED)
        return rows[: CORE.m0_expand_timed(self._tables.address, rows.ctypes.data)]

    # -- registers

    @property
    def pc(self) -> int:
        return int(self._timed.pc)

    def registers(self) -> tuple[int, ...]:
        """r0 to r12, SP and LR as they are."""
        return tuple(self._timed.r[:15])

    def flags(self) -> int:
        """N, Z, C and V in bits 31 to 28."""
        timed = self._timed
        return int(timed.n & 1 << 31 | (timed.z == 0) << 30 | timed.c << 29 | (timed.v >> 31) << 28)

    def flash(self) -> FlashCounts | None:
        """What waited for flash in the run; None with ideal flash."""
        cache, waits, nothing = self._cache, self._tables.core.waits, np.zeros(0, layout.EVICTION)
        if self._flash == "ideal":
            return None
        if cache is None:
            self._settle_waits()
            misses = int(waits.code_waits), int(waits.data_waits)
            return FlashCounts(self._flash, *misses, nothing, 0, waited=self._waited, states=self._most_states)
        if self._first is not None:
            return FlashCounts(self._flash, *self.cache_counts[1:], nothing, 0)  # who pushed out what, the first tells
        return FlashCounts(self._flash, cache.code_misses, cache.data_misses, cache.evictions, cache.evictions_refused)

    @property
    def cache_counts(self) -> tuple[int, int, int]:
        """Of the words that this core read through the flash cache: hits, misses of code, and of data."""
        counted = self._tables.core.xip
        return int(counted.hits), int(counted.code_misses), int(counted.data_misses)

    def end_at(self, address: int, *, block_is_complete: bool) -> None:
        """Everything that ran is counted."""

    def take_special(self) -> None:
        """PRIMASK, CONTROL and the stack pointer that is not in use are the machine's, whichever engine runs."""
        timed, uc = self._timed, self._chip.uc
        timed.control, timed.primask = uc.reg_read(UC_ARM_REG_CONTROL), uc.reg_read(UC_ARM_REG_PRIMASK)
        timed.other_sp = uc.reg_read(self._other_sp)

    def give_special(self) -> None:
        """The same, back to the machine after a run."""
        timed, uc = self._timed, self._chip.uc
        uc.reg_write(UC_ARM_REG_CONTROL, timed.control)
        uc.reg_write(UC_ARM_REG_PRIMASK, timed.primask)
        mine, other = timed.r[13], timed.other_sp
        uses_psp = bool(timed.control & 2)
        uc.reg_write(UC_ARM_REG_PSP, mine if uses_psp else other)
        uc.reg_write(UC_ARM_REG_MSP, other if uses_psp else mine)

    @property
    def _other_sp(self) -> int:
        return int(UC_ARM_REG_MSP if self._timed.control & 2 else UC_ARM_REG_PSP)


def _aligned(rows: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Rows that begin with a line's operations: the core tells the first of them by its address."""
    size = rows * np.dtype(dtype).itemsize
    room = np.zeros(size + _LINE_OPS_BYTES, np.uint8)
    begin = -room.ctypes.data % _LINE_OPS_BYTES
    return room[begin : begin + size].view(dtype)
