"""From native hooks to a `Cost`: the tables that the hooks fill, and what is computed from them after a run."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from m0sim.chip import ioport, isa, native, timing
from m0sim.chip.cost import CallEdge, CallNode, FlashMisses, FunctionCost, InstructionTable, Int64Array, TrafficCost
from m0sim.chip.device import Device
from m0sim.chip.memory import AddressSpace
from m0sim.chip.native import CONTEXT_LIMIT, Context, Edge, Frame, Function, Record, Slot, Traffic
from m0sim.errors import UsageError
from m0sim.image import Image, Symbol

Level = Literal["cycles", "memory"]
LEVELS: tuple[str, ...] = get_args(Level)


def level_of(text: str) -> Level:
    """The level of that name. Raises `UsageError` where there is none."""
    if text not in LEVELS:
        raise UsageError(f"unknown level {text!r}: one of {', '.join(LEVELS)}")
    return cast(Level, text)


_FRAME_CAPACITY = 1 << 16
_NO_SYMBOL = "(no symbol)"
_STACK = "(stack)"
_HEAP = "(heap)"
#: What the RP2040's divider remembers, beside its operands among the port's words.
_DIVIDER = [
    *(Slot.DIVIDER_READY, Slot.DIVIDER_DIRTY),
    *(Slot.QUOTIENT, Slot.REMAINDER, Slot.OLD_QUOTIENT, Slot.OLD_REMAINDER),
]
#: What the hooks note about the port during one run.
_PORT_NOTES = [
    *(Slot.IO_RECORD, Slot.IO_EXECUTION, Slot.IO_OFFSET, Slot.IO_FAULT, Slot.IO_FAULT_AT),
    *(Slot.DIVIDER_EARLY, Slot.DIVIDER_EARLY_AT),
]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the executed instructions."""

    instructions: int
    loads: int
    stores: int
    bytes_loaded: int
    bytes_stored: int
    branches_taken: int
    branches_not_taken: int


class Counters:
    """The native hooks' arrays for one machine."""

    def __init__(self, device: Device, image: Image, space: AddressSpace) -> None:
        self._device = device
        self._image = image
        self._space = space
        self.timing = timing.timing(device.core, device.multiplier_cycles)
        self.state = np.zeros(Slot.SIZE, np.int64)
        self._kept: dict[Slot, npt.NDArray[Any]] = {}
        self._watched: set[int] = set()
        self._set_up_decoding()
        self._set_up_pages()
        self._set_up_functions()
        self._set_up_port()
        self._owners: list[str] = []

    # -- set-up

    def _share(self, slot: Slot, array: npt.NDArray[Any]) -> None:
        """Tell the hooks where an array is, and keep it alive."""
        self._kept[slot] = array
        self.state[slot] = array.ctypes.data

    def _set_up_decoding(self) -> None:
        self._share(Slot.FIRST, np.ascontiguousarray(isa.FIRST))
        self._share(Slot.SECOND, np.ascontiguousarray(isa.SECOND))
        self._share(Slot.FLOW, np.ascontiguousarray(isa.FLOW))
        self._share(Slot.FIRST_CYCLES, timing.cycles_of_first(self.timing))
        self._share(Slot.SCRATCH, np.zeros(1, np.int64))
        self.state[Slot.WIDE_CYCLES] = self.timing.branch_link | self.timing.system << 16
        self.state[Slot.TAKEN_EXTRA] = self.timing.taken_extra
        self._share(Slot.RECORDS, np.zeros((1 << 12, Record.SIZE_OF), np.int64))
        self._share(Slot.POOL, np.zeros(1 << 14, np.int64))
        self._share(Slot.EDGES, np.zeros((1 << 12, Edge.SIZE_OF), np.int64))
        self._share(Slot.FRAMES, np.zeros((_FRAME_CAPACITY + 2, Frame.SIZE_OF), np.int64))
        self.state[Slot.FRAME_CAPACITY] = _FRAME_CAPACITY
        self._share(Slot.CONTEXTS, np.zeros((1 << 10, Context.SIZE_OF), np.int64))
        self._note_capacities()
        self._forget_records()

    def _note_capacities(self) -> None:
        self.state[Slot.RECORD_CAPACITY] = len(self._kept[Slot.RECORDS])
        self.state[Slot.POOL_CAPACITY] = len(self._kept[Slot.POOL])
        self.state[Slot.EDGE_CAPACITY] = len(self._kept[Slot.EDGES])
        self.state[Slot.CONTEXT_CAPACITY] = len(self._kept[Slot.CONTEXTS])

    def _forget_records(self) -> None:
        nothing = self._kept[Slot.RECORDS][0]  # what PENDING points to when no block is; it matches none
        nothing[:] = 0
        nothing[[Record.LOOP_KEY, Record.KEY, Record.ADDRESS]] = -1
        self.state[Slot.RECORD_COUNT] = 1
        self.state[Slot.POOL_COUNT] = 0

    def _set_up_pages(self) -> None:
        pages = np.zeros(1 << 20, np.int32)
        numbers, addresses, indices, rights = self._space.pages().T
        slots = 1 + int(indices.max())
        hosts, writable = np.zeros(slots, np.int64), np.zeros(slots, np.uint8)
        pages[numbers] = indices
        hosts[indices] = addresses
        writable[indices] = rights
        self._pages = pages
        self._slots = slots
        self._share(Slot.PAGES, pages)
        self._share(Slot.HOSTS, hosts)
        self._share(Slot.WRITABLE, writable)
        self._share(Slot.BLOCKS, np.zeros(slots * 2048, np.int32))
        self._share(Slot.FUNCTION_AT, np.zeros(slots * 2048, np.int32))
        self._share(Slot.DATA_AT, np.zeros(slots * 2048, np.uint8))
        self._share(Slot.IO_PLACES, np.zeros(slots * 2048, np.int32))
        self._share(Slot.EXECUTED, np.zeros(slots * 4, np.uint8))
        for begin, end in self._image.data_ranges:
            self._fill(self._kept[Slot.DATA_AT], begin, end, 1)

    def _code_index(self, address: int) -> int:
        return int(self._pages[address >> 12]) * 2048 + (address & 0xFFF) // 2

    def _fill(self, table: npt.NDArray[Any], begin: int, end: int, value: int) -> None:
        """Set a range of a table by code index. Pages of one memory have consecutive slots."""
        if begin < end and self._pages[begin >> 12]:
            first = self._code_index(begin)
            table[first : first + (end - begin + 1) // 2] = value

    def _set_up_functions(self) -> None:
        symbols: tuple[Symbol, ...] = self._image.functions
        self.names = (_NO_SYMBOL, *(s.name for s in symbols))
        rows = np.zeros((len(self.names), Function.SIZE_OF), np.int64)
        rows[0, Function.ENTRY] = -1
        for number, symbol in enumerate(symbols, start=1):
            rows[number, Function.ENTRY] = symbol.address
            self._fill(self._kept[Slot.FUNCTION_AT], symbol.address, symbol.address + symbol.size, number)
        self._share(Slot.FUNCTIONS, rows)

    def _set_up_port(self) -> None:
        port = self._device.io_port
        if port is None:
            return
        self._share(Slot.IO_WORDS, np.zeros(port.size // 4, np.int32))
        self.state[Slot.IO_BASE] = port.base
        self.state[Slot.IO_IS_SIO] = int(self._device.has_sio_divider)
        self.state[Slot.IO_SAVED_LOAD] = self.timing.load - self.timing.load_on_io_port
        self.state[Slot.IO_SAVED_STORE] = self.timing.store - self.timing.store_on_io_port

    def attach(self, uc: Any) -> Callable[[bool], None]:
        """Install the hooks in a Unicorn instance. Returns a switch for those of level ``memory``."""
        from unicorn import UC_HOOK_BLOCK, UC_HOOK_TLB_FILL, UC_TLB_VIRTUAL
        from unicorn.unicorn_py3.unicorn import uclib

        self._uclib, self._uch = uclib, uc._uch
        for slot, function in (
            (Slot.EMU_STOP, uclib.uc_emu_stop),
            (Slot.REG_READ, uclib.uc_reg_read),
            (Slot.REG_WRITE, uclib.uc_reg_write),
        ):
            self.state[slot] = ctypes.cast(function, ctypes.c_void_p).value or 0
        self._hook(UC_HOOK_BLOCK, native.on_block.address, self.state)
        uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        for base, end in self._space.sram_ranges():
            self._hook(UC_HOOK_TLB_FILL, native.on_tlb_fill.address, self.state, base, end - 1)
        if self._device.io_port is not None:
            port = self._device.io_port
            state = ctypes.c_void_p(self.state.ctypes.data)
            read, write = ctypes.c_void_p(ioport.on_port_read.address), ctypes.c_void_p(ioport.on_port_write.address)
            _check(uclib.uc_mmio_map(self._uch, port.base, port.size, read, state, write, state))
        return self._watch_memory

    def _hook(self, kind: int, callback: int, data: Int64Array, begin: int = 1, end: int = 0) -> ctypes.c_size_t:
        handle = ctypes.c_size_t()
        place = ctypes.cast(ctypes.byref(handle), self._uclib.uc_hook_add.argtypes[1])
        _check(
            self._uclib.uc_hook_add(
                self._uch,
                place,
                kind,
                ctypes.c_void_p(callback),
                ctypes.c_void_p(data.ctypes.data),
                ctypes.c_uint64(begin),
                ctypes.c_uint64(end),
            )
        )
        return handle

    def _watch_memory(self, on: bool) -> None:
        from unicorn import UC_HOOK_BLOCK, UC_HOOK_MEM_READ, UC_HOOK_MEM_WRITE

        if on:
            self._set_up_owners()
            self._set_up_flash_cache()
            kinds = UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE
            self._memory_hooks = [self._hook(kinds, native.on_access.address, self.state)]
            if self._device.xip_cache is not None:
                self._memory_hooks.append(self._hook(UC_HOOK_BLOCK, native.on_fetch.address, self.state))
        else:
            for hook in self._memory_hooks:
                _check(self._uclib.uc_hook_del(self._uch, hook))

    # -- level memory

    def _set_up_owners(self) -> None:
        """Number the symbols, buffers and memories, and map every byte to the one it belongs to."""
        self._share(Slot.OWNER_PAGES, self._pages)
        self._owners = ["(elsewhere)"]
        owner_at = np.zeros(self._slots * 4096, np.int16)
        for bank in self._space.banks:
            self._own(owner_at, bank.base, bank.size, f"({bank.kind})")
        heap = self._space.heap_span()
        if heap is not None:
            self._own(owner_at, heap[0], heap[1] - heap[0], _HEAP)
        objects = [(s.address, s.size, s.name) for s in self._image.symbols if s.kind == "object" and s.size]
        functions = [(s.address, s.size, f"{s.name} (literals)") for s in self._image.functions]
        buffers = [(a.address, a.size, a.name) for a in self._space.allocations]
        for address, size, name in (*functions, *objects, *buffers):
            self._own(owner_at, address, size, name)
        self.state[Slot.STACK_OWNER] = len(self._owners)
        self._owners.append(_STACK)
        self.state[Slot.STACK_LOW] = self._space.stack_limit
        self.state[Slot.STACK_HIGH] = self._space.stack_top
        self._share(Slot.OWNER_AT, owner_at)
        self._share(Slot.TOUCHED, np.zeros(self._slots * 4096, np.uint8))
        self._share(Slot.TRAFFIC, np.zeros((len(self._owners), Traffic.SIZE_OF), np.int64))

    def _set_up_flash_cache(self) -> None:
        cache, flash = self._device.xip_cache, self._device.flash
        if cache is None or flash is None:
            return
        self._share(Slot.XIP_LINES, np.full(cache.sets * cache.ways, -1, np.int64))
        self.state[Slot.XIP_SETS], self.state[Slot.XIP_WAYS] = cache.sets, cache.ways
        self.state[Slot.XIP_SHIFT] = cache.line_bytes.bit_length() - 1
        self.state[Slot.XIP_BASE], self.state[Slot.XIP_END] = flash.base, flash.end
        self.state[Slot.XIP_CODE_MISSES] = self.state[Slot.XIP_DATA_MISSES] = 0

    def flash_misses(self) -> FlashMisses | None:
        """Lines that the flash's cache would have fetched; after a run at level ``memory``."""
        cache = self._device.xip_cache
        if cache is None:
            return None
        code, data = int(self.state[Slot.XIP_CODE_MISSES]), int(self.state[Slot.XIP_DATA_MISSES])
        words = (code + data) * cache.line_bytes // 4
        return FlashMisses(code, data, words * cache.miss_cycles_per_word)

    def _own(self, owner_at: npt.NDArray[np.int16], address: int, size: int, name: str) -> None:
        slot = int(self._pages[address >> 12])
        if slot == 0 or len(self._owners) >= np.iinfo(np.int16).max:
            return
        first = slot * 4096 + (address & 0xFFF)
        owner_at[first : first + size] = len(self._owners)
        self._owners.append(name)

    def touched(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        """For each byte: bit 0 set where it was read, bit 1 where it was written. Level ``memory`` only."""
        first = int(self._pages[address >> 12]) * 4096 + (address & 0xFFF)
        return self._kept[Slot.TOUCHED][first : first + size].copy()

    def traffic(self) -> tuple[TrafficCost, ...]:
        """Accesses by owner, most bytes first."""
        counts = self._kept[Slot.TRAFFIC]
        owner_at, touched = self._kept[Slot.OWNER_AT], self._kept[Slot.TOUCHED] != 0
        low, high = int(self.state[Slot.SP_MIN]), int(self.state[Slot.STACK_HIGH])
        first = int(self._pages[low >> 12]) * 4096 + (low & 0xFFF)
        touched[first : first + high - low] = False  # the stack's, whoever has what it did not come down to
        bytes_touched = np.bincount(owner_at[touched], minlength=len(self._owners))
        rows = []
        for number in np.flatnonzero(counts.any(axis=1)).tolist():
            name = self._owners[number]
            size = int(bytes_touched[number])
            if name == _STACK:
                size = self.stack_bytes
            loads, stores, loaded, stored = counts[number].tolist()
            rows.append(TrafficCost(name, loads, stores, loaded, stored, size))
        return tuple(sorted(rows, key=lambda r: -(r.bytes_loaded + r.bytes_stored)))

    # -- one run

    def begin(self, entry: int, return_address: int, sp: int, sp_limit: int) -> None:
        """Zero all counts and open the frame of the function at `entry`."""
        state = self.state
        self._begin_port()
        used = int(state[Slot.RECORD_COUNT])
        records = self._kept[Slot.RECORDS]
        for column in (Record.COUNT, Record.TAKEN, Record.LOOPS, Record.EDGE, Record.CALL_EDGE):
            records[:used, column] = 0
        records[:used, Record.CALL_TARGET] = -1
        functions = self._kept[Slot.FUNCTIONS]
        functions[:, Function.ACTIVE :] = 0
        state[Slot.PENDING] = state[Slot.RECORDS]
        state[Slot.CYCLES] = state[Slot.STOP] = 0
        state[Slot.SP] = state[Slot.SP_MIN] = self._sp_top = sp
        state[Slot.SP_LIMIT] = sp_limit
        state[Slot.SP_MOVED_BY] = 0
        state[Slot.EDGE_COUNT] = 1
        root = int(self._kept[Slot.FUNCTION_AT][self._code_index(entry)])
        self._kept[Slot.EDGES][0] = 0
        self._kept[Slot.EDGES][0, Edge.CALLEE] = root
        self._kept[Slot.FRAMES][0] = 0
        self._kept[Slot.FRAMES][0, [Frame.RETURN, Frame.CONTEXT]] = return_address, 1
        self._kept[Slot.CONTEXTS][:2] = 0
        self._kept[Slot.CONTEXTS][1, Context.TARGET] = 1
        state[Slot.CONTEXT_COUNT], state[Slot.CONTEXTS_REFUSED] = 2, 0
        state[Slot.DEPTH] = 1
        functions[root, Function.ACTIVE] = 1

    def _begin_port(self) -> None:
        """Forget what was counted there. Its registers stay, and so does a division: no time passes between runs."""
        if self._device.io_port is None:
            return
        if self.state[Slot.IO_RECORD]:  # there was an access: the table is large
            self._kept[Slot.IO_PLACES][:] = 0
        self.state[_PORT_NOTES] = 0
        self.state[Slot.DIVIDER_READY] = max(0, self.state[Slot.DIVIDER_READY] - self.state[Slot.CYCLES])

    def reset_port(self) -> None:
        """Put the port's registers, and what is behind them, to what they are after a reset."""
        if self._device.io_port is None:
            return
        self._kept[Slot.IO_WORDS][:] = 0
        self.state[_DIVIDER] = 0

    def limit_stack(self, sp_limit: int) -> None:
        """From now on a lower SP than that is an overflow."""
        self.state[Slot.SP_LIMIT] = sp_limit

    def end(self, pc: int, *, block_is_complete: bool) -> None:
        """Count what the newest block did before control came to `pc`, and close all frames."""
        self.grow()
        settle = native.settle if block_is_complete else native.settle_part
        settle(self.state.ctypes.data, self._uch.value, pc)

    def close_frames(self) -> None:
        """Add the inclusive cycles of the calls that are still open."""
        native.pop_to(self.state.ctypes.data, 0)

    def grow(self) -> None:
        """Double the tables that are nearly full."""
        pending = int(self.state[Slot.PENDING] - self.state[Slot.RECORDS])
        for slot, count in ((Slot.RECORDS, Slot.RECORD_COUNT), (Slot.EDGES, Slot.EDGE_COUNT)):
            table = self._kept[slot]
            if int(self.state[count]) + 2 >= len(table):
                self._share(slot, np.concatenate([table, np.zeros_like(table)]))
        contexts = self._kept[Slot.CONTEXTS]
        if int(self.state[Slot.CONTEXT_COUNT]) + 2 >= len(contexts) < CONTEXT_LIMIT:
            self._share(Slot.CONTEXTS, np.concatenate([contexts, np.zeros_like(contexts)]))
        pool = self._kept[Slot.POOL]
        if int(self.state[Slot.POOL_COUNT]) + 512 >= len(pool):
            self._share(Slot.POOL, np.concatenate([pool, np.zeros_like(pool)]))
        self.state[Slot.PENDING] = self.state[Slot.RECORDS] + pending
        self._note_capacities()

    def forget(self) -> None:
        """Drop every decoded block, after the bytes of code changed under the hooks' feet."""
        self._kept[Slot.BLOCKS][:] = 0
        self._forget_records()

    def watch_sp_writes(self, address: int) -> tuple[int, int]:
        """Hook the instructions behind the SP writes of the newest block at `address`. Returns the block's range."""
        from unicorn import UC_HOOK_CODE

        index = int(self._kept[Slot.BLOCKS][self._code_index(address)])
        record = self._kept[Slot.RECORDS][index]
        record[Record.SP_WRITES] = 2
        end = address + int(record[Record.SIZE])
        for at in self._behind_sp_writes(address, end):
            if at not in self._watched:
                self._watched.add(at)
                self._hook(UC_HOOK_CODE, native.on_sp_written.address, self.state, at, at)
        return address, end

    def _behind_sp_writes(self, address: int, end: int) -> list[int]:
        found = []
        while address < end:
            first, second = self._halfwords(address)
            address += 4 if isa.is_wide(first) else 2
            if isa.writes_sp(first, second):
                found.append(address)
        return found

    def _halfwords(self, address: int) -> tuple[int, int]:
        view = self._space.view(address, 4)
        if view is None:
            view = self._space.view(address, 2)
        words = np.zeros(2, np.uint16) if view is None else view.view(np.uint16)
        return int(words[0]), int(words[-1])

    # -- results

    @property
    def cycles(self) -> int:
        return int(self.state[Slot.CYCLES])

    @property
    def is_idle(self) -> bool:
        """True where no block is pending: the run stopped between two."""
        return bool(self.state[Slot.PENDING] == self.state[Slot.RECORDS])

    def is_pending(self, address: int) -> bool:
        """True where the newest block begins at `address`: it was counted as begun."""
        records = self._kept[Slot.RECORDS]
        row = int(self.state[Slot.PENDING] - self.state[Slot.RECORDS]) // records.strides[0]
        return bool(records[row, Record.ADDRESS] == address)

    @property
    def pending_execution(self) -> tuple[int, int, int]:
        """Address and bytes of the newest block, and which execution of it this is."""
        records = self._kept[Slot.RECORDS]
        row = records[int(self.state[Slot.PENDING] - self.state[Slot.RECORDS]) // records.strides[0]]
        return int(row[Record.ADDRESS]), int(row[Record.SIZE]), int(row[Record.COUNT] + row[Record.LOOPS])

    @property
    def last_instruction(self) -> int:
        """The branch, jump or return (of 16 bits) that the newest block ends with."""
        records = self._kept[Slot.RECORDS]
        row = records[int(self.state[Slot.PENDING] - self.state[Slot.RECORDS]) // records.strides[0]]
        return int(row[Record.ADDRESS] + row[Record.SIZE]) - 2

    @property
    def stack_bytes(self) -> int:
        return int(self._sp_top - self.state[Slot.SP_MIN])

    def has_writable_code(self) -> bool:
        """True where the emulator ever fetched code from memory that can be written, counted or refused."""
        return bool(self._kept[Slot.EXECUTED].any())

    def call_stack(self) -> list[tuple[str, int]]:
        """The open calls, outermost first: function and the address it returns to."""
        frames = self._kept[Slot.FRAMES][: int(self.state[Slot.DEPTH])]
        callees = self._kept[Slot.EDGES][frames[:, Frame.EDGE], Edge.CALLEE].tolist()
        return [(self.names[c], back) for c, back in zip(callees, frames[:, Frame.RETURN].tolist(), strict=True)]

    def function_at(self, address: int) -> tuple[str, int]:
        """Name of the function around an address, and its entry (the address itself where there is no symbol)."""
        number = int(self._kept[Slot.FUNCTION_AT][self._code_index(address)]) if address >> 32 == 0 else 0
        if number == 0:
            return _NO_SYMBOL, address
        return self.names[number], int(self._kept[Slot.FUNCTIONS][number, Function.ENTRY])

    def instruction_table(self) -> InstructionTable:
        """Executions, taken branches and cycles of every executed instruction."""
        rows = self._executed_rows()
        keys, place = np.unique(rows[:, 0].astype(np.uint64) << 32 | rows[:, 1].astype(np.uint64), return_inverse=True)
        executions = np.zeros(len(keys), np.int64)
        taken = np.zeros(len(keys), np.int64)
        np.add.at(executions, place, rows[:, 2])
        np.add.at(taken, place, rows[:, 3])
        address = (keys >> np.uint64(32)).astype(np.int64)
        encoding = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
        code = self._pages[address >> 12].astype(np.int64) * 2048 + (address & 0xFFF) // 2
        function = self._kept[Slot.FUNCTION_AT][code].astype(np.int64)
        cycles = executions * self._cycles_of(encoding) + taken * self.timing.taken_extra
        cycles -= self._cycles_saved_on_port(code, encoding)
        return InstructionTable(address, encoding, executions, taken, cycles, function, self.names)

    def _executed_rows(self) -> Int64Array:
        """``int64[n, 4]``: address, encoding, executions, taken; an instruction in several blocks has several rows."""
        used = int(self.state[Slot.RECORD_COUNT])
        records = self._kept[Slot.RECORDS][1:used]
        records = np.ascontiguousarray(records[records[:, Record.COUNT] + records[:, Record.LOOPS] > 0])
        rows = np.zeros((int(records[:, Record.SIZE].sum()) // 2, 4), np.int64)
        count = native.expand(self.state.ctypes.data, records.ctypes.data, len(records), rows.ctypes.data)
        return rows[:count]

    def _cycles_of(self, encoding: Int64Array) -> Int64Array:
        first = encoding & 0xFFFF
        is_link = (first >= 0xE800) & (encoding >> 16 & 0xD000 == 0xD000)
        wide = np.where(is_link, self.timing.branch_link, self.timing.system)
        return np.where(first >= 0xE800, wide, self._kept[Slot.FIRST_CYCLES][first]).astype(np.int64)

    def _cycles_saved_on_port(self, code: Int64Array, encoding: Int64Array) -> Int64Array:
        is_load = isa.FIRST[encoding & 0xFFFF, isa.LOADED] > 0
        saved = np.where(is_load, self.state[Slot.IO_SAVED_LOAD], self.state[Slot.IO_SAVED_STORE])
        result: Int64Array = self._kept[Slot.IO_PLACES][code] * saved
        return result

    def totals(self, table: InstructionTable) -> Totals:
        """Sums of an instruction table by what the encodings do."""
        rows = isa.FIRST[table.encoding & 0xFFFF].astype(np.int64)
        count = table.executions
        loads, stores = rows[:, isa.LOADED] > 0, rows[:, isa.STORED] > 0
        is_conditional = rows[:, isa.KIND] == isa.Kind.BRANCH_CONDITIONAL
        taken = int(table.taken.sum())
        return Totals(
            instructions=int(count.sum()),
            loads=int((count * rows[:, isa.REGISTERS])[loads].sum()),
            stores=int((count * rows[:, isa.REGISTERS])[stores].sum()),
            bytes_loaded=int((count * rows[:, isa.LOADED]).sum()),
            bytes_stored=int((count * rows[:, isa.STORED]).sum()),
            branches_taken=taken,
            branches_not_taken=int(count[is_conditional].sum()) - taken,
        )

    def functions(self, table: InstructionTable) -> dict[str, FunctionCost]:
        """Cost by function, most self cycles first."""
        size = len(self.names)
        self_cycles = np.bincount(table.function, table.cycles, size)
        instructions = np.bincount(table.function, table.executions, size)
        rows = self._kept[Slot.FUNCTIONS]
        edges = self._counted_edges()
        calls = np.zeros(size, np.int64)
        np.add.at(calls, edges[:, Edge.CALLEE], edges[:, Edge.CALLS])
        active = np.flatnonzero((calls > 0) | (instructions > 0))
        costs = [
            FunctionCost(
                name=self.names[i],
                address=max(0, int(rows[i, Function.ENTRY])),
                calls=int(calls[i]),
                self_cycles=int(self_cycles[i]),
                inclusive_cycles=int(rows[i, Function.INCLUSIVE]),
                instructions=int(instructions[i]),
            )
            for i in active.tolist()
        ]
        costs.sort(key=lambda cost: (-cost.self_cycles, cost.address))
        return {cost.name: cost for cost in costs}

    def _contexts(self) -> Int64Array:
        return self._kept[Slot.CONTEXTS][: int(self.state[Slot.CONTEXT_COUNT])]

    def _counted_edges(self) -> Int64Array:
        """The edges with all their calls, those that contexts counted among them. Edge 0 is the call from outside."""
        edges: Int64Array = self._kept[Slot.EDGES][: int(self.state[Slot.EDGE_COUNT])].copy()
        contexts = self._contexts()[1:]
        for into, counted in ((Edge.CALLS, Context.CALLS), (Edge.INCLUSIVE, Context.INCLUSIVE)):
            np.add.at(edges[:, into], contexts[:, Context.EDGE], contexts[:, counted])
        return edges

    def edges(self) -> tuple[CallEdge, ...]:
        """Every call that happened, by calling instruction and callee."""
        merged: dict[tuple[int, int], list[int]] = {}
        for edge in self._counted_edges()[1:].tolist():
            sums = merged.setdefault((edge[Edge.CALL_AT], edge[Edge.CALLEE]), [0, 0])
            sums[0] += edge[Edge.CALLS]
            sums[1] += edge[Edge.INCLUSIVE]
        return tuple(
            CallEdge(self.function_at(behind - 2)[0], self._call_before(behind), self.names[callee], *sums)
            for (behind, callee), sums in sorted(merged.items())
        )

    def call_tree(self) -> tuple[CallNode, ...]:
        """The calls by context, parents before children.

        Rows of one parent, place and callee are one node: the block that ends with the call was cut in several ways.
        """
        rows = self._contexts().tolist()
        edges = self._kept[Slot.EDGES][: int(self.state[Slot.EDGE_COUNT])].tolist()
        place_of = {0: -1}
        nodes: dict[tuple[int, int, int], int] = {}
        for index, (parent, edge, target, *_) in enumerate(rows[1:], start=1):
            if target == index:
                key = (place_of[parent], edges[edge][Edge.CALL_AT], edges[edge][Edge.CALLEE])
                place_of[index] = nodes.setdefault(key, len(nodes))
        calls, own = [0] * len(nodes), [0] * len(nodes)
        for _, _, target, ended, inclusive, below, *_ in rows[1:]:
            calls[place_of[target]] += ended
            own[place_of[target]] += inclusive
            if below != 0:
                own[place_of[below]] -= inclusive
        return self._nodes(list(nodes), calls, own)

    def _nodes(self, keys: list[tuple[int, int, int]], calls: list[int], own: list[int]) -> tuple[CallNode, ...]:
        """From each node's parent, address behind the call, and callee."""
        address = {behind: self._call_before(behind) for behind in {behind for _, behind, _ in keys} if behind != 0}
        inclusive = own.copy()
        for place in range(len(keys) - 1, 0, -1):
            inclusive[keys[place][0]] += inclusive[place]
        return tuple(
            CallNode(self.names[callee], parent, address.get(behind, 0), *counts)
            for (parent, behind, callee), *counts in zip(keys, calls, own, inclusive, strict=True)
        )

    @property
    def contexts_refused(self) -> int:
        """Calls that `call_tree` has no node for, because there were too many contexts."""
        return int(self.state[Slot.CONTEXTS_REFUSED])

    def _call_before(self, behind: int) -> int:
        """Address of the instruction that ends directly before `behind`: four bytes for BL, else two."""
        first, second = self._halfwords(behind - 4)
        is_link = isa.is_wide(first) and isa.kind_of(first, second) is isa.Kind.BRANCH_LINK
        return behind - 4 if is_link else behind - 2


def _check(error: int) -> None:
    from unicorn import UcError

    if error:
        raise UcError(error)
