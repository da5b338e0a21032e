"""One machine's counts: what the core is told before a run, asked during one, and what it counted afterwards."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt
from unicorn import Uc

from m0sim.chip import isa, timing
from m0sim.chip.byte_states import ByteStates
from m0sim.chip.device import Device
from m0sim.chip.memory import AddressSpace
from m0sim.chip.native import layout
from m0sim.chip.native.library import CORE
from m0sim.chip.native.tables import Tables
from m0sim.chip.owners import Owners, OwnersOfRuns
from m0sim.chip.pages import PAGE, Pages
from m0sim.chip.results.counts import NO_SYMBOL, Counts, Functions, Traffic
from m0sim.chip.results.instructions import by_instruction
from m0sim.image import Image, Range

_NO_ENTRY = 0xFFFFFFFF  # of the function "(no symbol)": no instruction is there
# Decoded blocks that are kept, 32 MiB of them. Code that rewrites itself makes new ones for as long as it runs; what
# old ones counted is then put together by instruction, and they are forgotten.
_BLOCKS_KEPT = 1 << 18
_TOUCHED = np.uint8(layout.BYTE_READ | layout.BYTE_WRITTEN)
_FINDING_ROWS = 1 << 13  # of which half are used


class Counters:
    """The core's tables for one machine; `hooks` has the functions that fill them."""

    def __init__(self, device: Device, image: Image, space: AddressSpace, uc: Uc) -> None:
        """Tables for `uc`, whose flags the core reads."""
        self._uc = uc
        self._engine = uc._uch
        self._device = device
        self._image = image
        self._space = space
        self._timing = timing.timing(device.core, device.multiplier_cycles)
        self.pages = Pages.of(space)
        self.tables = Tables()
        self.core = self.tables.core
        self._share_decoding()
        self._share_pages()
        self.functions = self._share_functions()
        self._share_port()
        self._owners_of_runs = OwnersOfRuns(space, image, self.pages)
        self._owners: Owners | None = None
        self.byte_states = ByteStates(space, image, self.pages)
        self._earlier = np.zeros(0, layout.EXECUTED)  # counted in this run by blocks that were forgotten

    def of_second_core(self) -> Counters:
        """Those of the chip's other core, which has the same memories, pins and words of the port."""
        second = Counters(self._device, self._image, self._space, self._uc)
        second.core.number, second.core.chip = 1, self.tables.address
        second.tables.share("words", self.tables["words"], second.core.port)
        return second

    # -- what does not change

    def _share_decoding(self) -> None:
        self.tables.share("first", np.ascontiguousarray(isa.FIRST))
        self.tables.share("second", np.ascontiguousarray(isa.SECOND))
        self.tables.share("flow", np.ascontiguousarray(isa.FLOW))
        self.tables.share("kind_cycles", timing.base_cycles(self._timing))
        self.core.taken_extra = self._timing.taken_extra

    def _share_pages(self) -> None:
        pages = self.pages
        self.tables.share("pages", pages.slots)
        self.tables.share("hosts", pages.hosts)
        self.tables.share("writable", pages.writable)
        self.tables.share("executed", np.zeros(pages.count * (PAGE // 1024), np.uint8))
        self.tables.share("data_at", np.zeros(pages.count * (PAGE // 2), np.uint8))
        for begin, end in self._image.data_ranges:
            pages.fill(self.tables["data_at"], begin, end, 1)

    def _share_functions(self) -> Functions:
        symbols = self._image.functions
        rows = np.zeros(1 + len(symbols), layout.FUNCTION)
        rows["entry"] = [_NO_ENTRY, *(s.address for s in symbols)]
        at = np.zeros(self.pages.count * (PAGE // 2), np.int32)
        for number, symbol in enumerate(symbols, start=1):
            self.pages.fill(at, symbol.address, symbol.address + symbol.size, number)
        self.tables.share("function_at", at)
        self.tables.share("functions", rows)
        return Functions(self.pages, (NO_SYMBOL, *(s.name for s in symbols)), rows["entry"], at)

    def _share_port(self) -> None:
        device_port, port = self._device.io_port, self.core.port
        if device_port is None:
            return
        self.tables.share("words", np.zeros(device_port.size // 4, np.uint32), port)
        port.base, port.size = device_port.base, device_port.size
        port.is_sio = int(self._device.has_sio_divider)
        port.saved_load = self._timing.load - self._timing.load_on_io_port
        port.saved_store = self._timing.store - self._timing.store_on_io_port

    # -- level memory

    def begin_traffic(self, handed_out: Range = (0, 0)) -> None:
        """Forget what was counted at level ``memory``, before a run at it; `handed_out` is the heap so far."""
        self._owners = self._owners_of_runs.now()
        self.core.stack_owner = self._owners.stack
        self.core.stack_low, self.core.stack_high = self._space.stack_limit, self._space.stack_top
        self.tables.share("owner_at", self._owners.at)
        self.tables.share("touched", self.byte_states.begin(handed_out))
        self.tables.share("traffic", np.zeros(len(self._owners.names), layout.TRAFFIC))
        self.tables.share("findings", np.zeros(_FINDING_ROWS, layout.FINDING))
        self.core.finding_mask = _FINDING_ROWS - 1
        self.core.finding_count = self.core.findings_refused = 0

    def touched(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        """For each byte: bit 0 set where it was read, bit 1 where it was written. Level ``memory`` only."""
        first = self.pages.byte(address)
        return self.tables["touched"][first : first + size] & _TOUCHED

    def _begin_stack(self, sp: int) -> None:
        assert self._owners is not None
        self.byte_states.begin_stack(sp)
        first, end = self.pages.byte(sp), self.pages.byte(sp) + self._space.stack_top - sp
        self._owners.at[first:end] = self._owners.stack

    # -- one run

    def begin(self, entry: int, return_address: int, sp: int, sp_limit: int, *, tracks: bool = False) -> None:
        """Zero all counts and open the frame of the function at `entry`; `tracks` at level ``memory``."""
        if tracks:
            self._begin_stack(sp)
        else:
            self.byte_states.lost()
        root = int(self.functions.at[self.pages.halfword(entry)])
        CORE.m0_begin(self.tables.address, root, return_address)
        core = self.core
        core.sp = core.sp_min = self._sp_top = sp
        core.sp_limit = sp_limit
        self._earlier = np.zeros(0, layout.EXECUTED)

    def reset_port(self) -> None:
        """Put the port's registers, and what is behind them, to what they are after a reset."""
        if self._device.io_port is not None:
            self.tables["words"][:] = 0
            self.core.port.divider = type(self.core.port.divider)()
            self.core.port.sio = type(self.core.port.sio)()

    def mark_port(self) -> Callable[[], None]:
        """What puts the port, and what is behind it, back to what they are now."""
        if self._device.io_port is None:
            return lambda: None
        port = self.core.port
        words, divider, sio = self.tables["words"].copy(), copy(port.divider), copy(port.sio)

        def put_back() -> None:
            self.tables["words"][:] = words
            port.divider, port.sio = divider, sio

        return put_back

    def limit_stack(self, sp_limit: int) -> None:
        """From now on a lower SP than that is an overflow."""
        self.core.sp_limit = sp_limit

    def end(self, pc: int, *, block_is_complete: bool) -> None:
        """Count what the newest block did before control came to `pc`."""
        if self.core.is_full or not block_is_complete:  # then it makes a block of the part that ran
            self.tables.grow()
        settle = CORE.m0_settle if block_is_complete else CORE.m0_settle_part
        settle(self.tables.address, self._engine, pc)

    def close_frames(self) -> None:
        """Add the inclusive cycles of the calls that are still open."""
        CORE.m0_close_frames(self.tables.address)

    def grow(self, pc: int) -> None:
        """Make room in tables that are nearly full; the run goes on at `pc`."""
        if self.core.block_count >= _BLOCKS_KEPT:
            self.end(pc, block_is_complete=True)
            self._earlier = by_instruction(self._executed())
            self.tables.forget_code()
        else:
            self.tables.grow()

    def forget(self) -> None:
        """Drop every decoded block, after the bytes of code changed under the hooks' feet."""
        self.tables.forget_code()

    # -- where a run stands

    @property
    def cycles(self) -> int:
        """Of all blocks before the newest."""
        return int(self.core.cycles)

    @property
    def stack_low(self) -> int:
        """The lowest SP so far."""
        return int(self.core.sp_min)

    @property
    def is_idle(self) -> bool:
        """True where no block is pending: the run stopped between two."""
        return self.tables.pending == 0

    def is_pending(self, address: int) -> bool:
        """True where the newest block begins at `address`: it was counted as begun."""
        return not self.is_idle and self.range_of(self.tables.pending)[0] == address

    @property
    def last_instruction(self) -> int:
        """The branch, jump or return (of 16 bits) that the newest block ends with."""
        return self.range_of(self.tables.pending)[1] - 2

    def range_of(self, block: int) -> tuple[int, int]:
        """Begin and end of a block, addresses."""
        key, end = self.tables["blocks"]["key"][block], self.tables["blocks"]["site"]["end"][block]
        return int(key) >> layout.KEY_SHIFT & 0xFFFFFFFF, int(end)

    def has_writable_code(self) -> bool:
        """True where the emulator ever fetched code from memory that can be written, counted or refused."""
        return bool(self.tables["executed"].any())

    def call_stack(self) -> list[tuple[str, int]]:
        """The open calls, outermost first: function and the address it returns to."""
        frames = self.tables["frames"][: self.core.depth]
        numbers = zip(frames["function"].tolist(), frames["return_address"].tolist(), strict=True)
        return [(self.functions.names[function], back) for function, back in numbers]

    # -- afterwards

    def counts(self, *, with_traffic: bool, executed: npt.NDArray[Any] | None = None) -> Counts:
        """All that the run counted; `with_traffic` after one at level ``memory``.

        `executed` are rows of `layout.EXECUTED`, where others than the hooks counted them.
        """
        core, divider = self.core, self.core.port.divider
        return Counts(
            functions=self.functions,
            timing=self._timing,
            executed=self._executed() if executed is None else executed,
            inclusive=self.tables["functions"]["inclusive"],
            edges=self.tables.used("edges"),
            contexts=self.tables.used("contexts"),
            contexts_refused=int(core.contexts_refused),
            cycles=self.cycles,
            stack_top=self._sp_top,
            stack_low=self.stack_low,
            divider_early=int(divider.early),
            divider_early_at=int(divider.early_at),
            traffic=self._traffic() if with_traffic else None,
        )

    def _traffic(self) -> Traffic:
        assert self._owners is not None
        return Traffic(
            owners=self._owners,
            counts=self.tables["traffic"],
            touched=self.tables["touched"] & _TOUCHED,
            findings=self.tables["findings"][self.tables["findings"]["kind"] != 0],
            findings_refused=int(self.core.findings_refused),
            buffers=tuple((a.address, a.size, a.name) for a in self._space.allocations),
            handed_out=self.byte_states.handed_out,
            stack_high=int(self.core.stack_high),
        )

    def _executed(self) -> npt.NDArray[np.void]:
        rows = np.zeros(CORE.m0_fold(self.tables.address), layout.EXECUTED)
        count = CORE.m0_expand(self.tables.address, rows.ctypes.data)
        return np.concatenate([self._earlier, rows[:count]])
