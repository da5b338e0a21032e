"""From native hooks to a `Cost`: the tables that the hooks fill, and what is computed from them after a run."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt
from unicorn import UC_HOOK_BLOCK, UC_HOOK_MEM_READ, UC_HOOK_MEM_WRITE

from m0sim.chip import isa, timing
from m0sim.chip.cost import CallEdge, CallNode, FlashMisses, FunctionCost, InstructionTable, Int64Array, TrafficCost
from m0sim.chip.device import Device
from m0sim.chip.memory import AddressSpace
from m0sim.chip.native import layout
from m0sim.chip.native.library import CORE, address_of
from m0sim.chip.native.tables import Tables
from m0sim.errors import UsageError
from m0sim.image import Image, Symbol

Level = Literal["cycles", "memory"]
LEVELS: tuple[str, ...] = get_args(Level)


def level_of(text: str) -> Level:
    """The level of that name. Raises `UsageError` where there is none."""
    if text not in LEVELS:
        raise UsageError(f"unknown level {text!r}: one of {', '.join(LEVELS)}")
    return cast(Level, text)


_NO_SYMBOL = "(no symbol)"
_STACK = "(stack)"
_HEAP = "(heap)"
_NO_ENTRY = 0xFFFFFFFF  # of the function "(no symbol)": no instruction is there
_PORT_CALLBACKS = ("m0_port_read", "m0_port_write")
# Decoded blocks that are kept, 32 MiB of them. Code that rewrites itself makes new ones for as long as it runs; what
# old ones counted is then put together by instruction, and they are forgotten.
_BLOCKS_KEPT = 1 << 18


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
        self.tables = Tables()
        self.core = self.tables.core
        self._watched: set[int] = set()
        self._set_up_decoding()
        self._set_up_pages()
        self._set_up_functions()
        self._set_up_port()
        self._owners: list[str] = []
        self._earlier = np.zeros(0, layout.EXECUTED)  # counted in this run by blocks that were forgotten

    # -- set-up

    def _set_up_decoding(self) -> None:
        self.tables.share("first", np.ascontiguousarray(isa.FIRST))
        self.tables.share("second", np.ascontiguousarray(isa.SECOND))
        self.tables.share("flow", np.ascontiguousarray(isa.FLOW))
        self.tables.share("kind_cycles", timing.base_cycles(self.timing))
        self.core.taken_extra = self.timing.taken_extra

    def _set_up_pages(self) -> None:
        pages = np.zeros(1 << 20, np.int32)
        numbers, addresses, indices, rights = self._space.pages().T
        slots = 1 + int(indices.max())
        hosts, writable = np.zeros(slots, np.uint64), np.zeros(slots, np.uint8)
        pages[numbers] = indices
        hosts[indices] = addresses
        writable[indices] = rights
        self._pages = pages
        self._slots = slots
        self.tables.share("pages", pages)
        self.tables.share("hosts", hosts)
        self.tables.share("writable", writable)
        self.tables.share("executed", np.zeros(slots * 4, np.uint8))
        self.tables.share("function_at", np.zeros(slots * 2048, np.int32))
        self.tables.share("data_at", np.zeros(slots * 2048, np.uint8))
        for begin, end in self._image.data_ranges:
            self._fill(self.tables["data_at"], begin, end, 1)

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
        rows = np.zeros(len(self.names), layout.FUNCTION)
        rows["entry"][0] = _NO_ENTRY
        for number, symbol in enumerate(symbols, start=1):
            rows["entry"][number] = symbol.address
            self._fill(self.tables["function_at"], symbol.address, symbol.address + symbol.size, number)
        self.tables.share("functions", rows)

    def _set_up_port(self) -> None:
        device_port, port = self._device.io_port, self.core.port
        if device_port is None:
            return
        self.tables.share("words", np.zeros(device_port.size // 4, np.uint32), port)
        port.base = device_port.base
        port.is_sio = int(self._device.has_sio_divider)
        port.saved_load = self.timing.load - self.timing.load_on_io_port
        port.saved_store = self.timing.store - self.timing.store_on_io_port

    def attach(self, uc: Any) -> Callable[[bool], None]:
        """Install the hooks in a Unicorn instance. Returns a switch for those of level ``memory``."""
        from unicorn import UC_HOOK_EDGE_GENERATED, UC_HOOK_INSN_INVALID, UC_HOOK_TLB_FILL, UC_TLB_VIRTUAL
        from unicorn.unicorn_py3.unicorn import uclib

        self._uclib, self._uch = uclib, uc._uch
        self.core.emu_stop = _address(uclib.uc_emu_stop)
        self.core.reg_read, self.core.reg_write = _address(uclib.uc_reg_read), _address(uclib.uc_reg_write)
        self._block_hook = self._hook(UC_HOOK_BLOCK, "m0_on_block")
        self._hook(UC_HOOK_INSN_INVALID, "m0_on_invalid")
        uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        for base, end in self._space.sram_ranges():
            self._hook(UC_HOOK_TLB_FILL, "m0_on_tlb_fill", base, end - 1)
            self._hook(UC_HOOK_EDGE_GENERATED, "m0_on_translation", base, end - 1)
        self._attach_port(uc)
        return self._watch_memory

    def _attach_port(self, uc: Any) -> None:
        """The port as memory without any right: the core is asked before each access, at the exact instruction."""
        from unicorn import UC_HOOK_MEM_READ_PROT, UC_HOOK_MEM_WRITE_PROT, UC_HOOK_TLB_FILL, UC_PROT_NONE

        port = self._device.io_port
        if port is None:
            return
        core, read, write = map(ctypes.c_void_p, (self.tables.address, *map(address_of, _PORT_CALLBACKS)))
        _check(self._uclib.uc_mmio_map(self._uch, port.base, port.size, read, core, write, core))
        uc.mem_protect(port.base, port.size, UC_PROT_NONE)
        self._hook(UC_HOOK_MEM_READ_PROT | UC_HOOK_MEM_WRITE_PROT, "m0_on_port", port.base, port.end - 1)
        self._hook(UC_HOOK_TLB_FILL, "m0_on_tlb_fill", port.base, port.end - 1)

    def _hook(self, kind: int, callback: str, begin: int = 1, end: int = 0) -> ctypes.c_size_t:
        handle = ctypes.c_size_t()
        place = ctypes.cast(ctypes.byref(handle), self._uclib.uc_hook_add.argtypes[1])
        _check(
            self._uclib.uc_hook_add(
                self._uch,
                place,
                kind,
                ctypes.c_void_p(address_of(callback)),
                ctypes.c_void_p(self.tables.address),
                ctypes.c_uint64(begin),
                ctypes.c_uint64(end),
            )
        )
        return handle

    def _watch_memory(self, on: bool) -> None:
        hooks = ["m0_on_block", "m0_on_block_in_flash"]
        if on:
            self._set_up_owners()
            self._set_up_flash_cache()
            self._access_hook = self._hook(UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, "m0_on_access")
        else:
            _check(self._uclib.uc_hook_del(self._uch, self._access_hook))
        if self._device.xip_cache is not None:  # one block hook alone is called directly, two are not
            _check(self._uclib.uc_hook_del(self._uch, self._block_hook))
            self._block_hook = self._hook(UC_HOOK_BLOCK, hooks[on])

    # -- level memory

    def _set_up_owners(self) -> None:
        """Number the symbols, buffers and memories, and map every byte to the one it belongs to."""
        self._owners = ["(elsewhere)"]
        owner_at = np.zeros(self._slots * 4096, np.uint16)
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
        self.core.stack_owner = len(self._owners)
        self._owners.append(_STACK)
        self.core.stack_low = self._space.stack_limit
        self.core.stack_high = self._space.stack_top
        self.tables.share("owner_at", owner_at)
        self.tables.share("touched", np.zeros(self._slots * 4096, np.uint8))
        self.tables.share("traffic", np.zeros(len(self._owners), layout.TRAFFIC))

    def _set_up_flash_cache(self) -> None:
        cache, flash = self._device.xip_cache, self._device.flash
        if cache is None or flash is None:
            return
        shared = self.core.cache
        self.tables.share("lines", np.full(cache.sets * cache.ways, -1, np.int64), shared)
        shared.sets, shared.ways, shared.line_shift = cache.sets, cache.ways, cache.line_bytes.bit_length() - 1
        shared.base, shared.end = flash.base, flash.end
        shared.code_misses = shared.data_misses = 0

    def flash_misses(self) -> FlashMisses | None:
        """Lines that the flash's cache would have fetched; after a run at level ``memory``."""
        cache = self._device.xip_cache
        if cache is None:
            return None
        code, data = self.core.cache.code_misses, self.core.cache.data_misses
        words = (code + data) * cache.line_bytes // 4
        return FlashMisses(code, data, words * cache.miss_cycles_per_word)

    def _own(self, owner_at: npt.NDArray[np.uint16], address: int, size: int, name: str) -> None:
        slot = int(self._pages[address >> 12])
        if slot == 0 or len(self._owners) >= np.iinfo(np.uint16).max:
            return
        first = slot * 4096 + (address & 0xFFF)
        owner_at[first : first + size] = len(self._owners)
        self._owners.append(name)

    def touched(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        """For each byte: bit 0 set where it was read, bit 1 where it was written. Level ``memory`` only."""
        first = int(self._pages[address >> 12]) * 4096 + (address & 0xFFF)
        return self.tables["touched"][first : first + size].copy()

    def traffic(self) -> tuple[TrafficCost, ...]:
        """Accesses by owner, most bytes first."""
        counts = self.tables["traffic"]
        owner_at, touched = self.tables["owner_at"], self.tables["touched"] != 0
        low, high = int(self.core.sp_min), int(self.core.stack_high)
        first = int(self._pages[low >> 12]) * 4096 + (low & 0xFFF)
        touched[first : first + high - low] = False  # the stack's, whoever has what it did not come down to
        bytes_touched = np.bincount(owner_at[touched], minlength=len(self._owners))
        rows = []
        for number in np.flatnonzero(counts["loads"] + counts["stores"]).tolist():
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
        root = int(self.tables["function_at"][self._code_index(entry)])
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

    def limit_stack(self, sp_limit: int) -> None:
        """From now on a lower SP than that is an overflow."""
        self.core.sp_limit = sp_limit

    def end(self, pc: int, *, block_is_complete: bool) -> None:
        """Count what the newest block did before control came to `pc`."""
        if self.core.is_full or not block_is_complete:  # then it makes a block of the part that ran
            self.tables.grow()
        settle = CORE.m0_settle if block_is_complete else CORE.m0_settle_part
        settle(self.tables.address, self._uch, pc)

    def close_frames(self) -> None:
        """Add the inclusive cycles of the calls that are still open."""
        CORE.m0_close_frames(self.tables.address)

    def grow(self, pc: int) -> None:
        """Make room in tables that are nearly full; the run goes on at `pc`."""
        if self.core.block_count >= _BLOCKS_KEPT:
            self.end(pc, block_is_complete=True)
            self._earlier = _by_instruction(self._executed_rows())
            self.tables.forget_code()
        else:
            self.tables.grow()

    def forget(self) -> None:
        """Drop every decoded block, after the bytes of code changed under the hooks' feet."""
        self.tables.forget_code()

    def watch_sp_writes(self) -> tuple[int, int]:
        """Hook the instructions behind the SP writes of the block that a run stopped at. Returns the block's range."""
        from unicorn import UC_HOOK_CODE

        self.tables["blocks"]["sp_writes"][self.core.stop_block] = 2
        begin, end = self._range_of(self.core.stop_block)
        for at in self._behind_sp_writes(begin, end):
            if at not in self._watched:
                self._watched.add(at)
                self._hook(UC_HOOK_CODE, "m0_on_sp_written", at, at)
        return begin, end

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
        return int(self.core.cycles)

    @property
    def is_idle(self) -> bool:
        """True where no block is pending: the run stopped between two."""
        return self.tables.pending == 0

    def is_pending(self, address: int) -> bool:
        """True where the newest block begins at `address`: it was counted as begun."""
        return not self.is_idle and self._range_of(self.tables.pending)[0] == address

    @property
    def last_instruction(self) -> int:
        """The branch, jump or return (of 16 bits) that the newest block ends with."""
        return self._range_of(self.tables.pending)[1] - 2

    def _range_of(self, block: int) -> tuple[int, int]:
        key, end = self.tables["blocks"]["key"][block], self.tables["blocks"]["end"][block]
        return int(key) >> layout.KEY_SHIFT & 0xFFFFFFFF, int(end)

    @property
    def stack_bytes(self) -> int:
        return int(self._sp_top - self.core.sp_min)

    def has_writable_code(self) -> bool:
        """True where the emulator ever fetched code from memory that can be written, counted or refused."""
        return bool(self.tables["executed"].any())

    def call_stack(self) -> list[tuple[str, int]]:
        """The open calls, outermost first: function and the address it returns to."""
        frames = self.tables["frames"][: self.core.depth]
        numbers = zip(frames["function"].tolist(), frames["return_address"].tolist(), strict=True)
        return [(self.names[function], back) for function, back in numbers]

    def function_at(self, address: int) -> tuple[str, int]:
        """Name of the function around an address, and its entry (the address itself where there is no symbol)."""
        number = int(self.tables["function_at"][self._code_index(address)]) if address >> 32 == 0 else 0
        if number == 0:
            return _NO_SYMBOL, address
        return self.names[number], int(self.tables["functions"]["entry"][number])

    def instruction_table(self) -> InstructionTable:
        """Executions, taken branches and cycles of every executed instruction."""
        rows = _by_instruction(self._executed_rows())
        address, encoding = rows["address"].astype(np.int64), rows["encoding"].astype(np.int64)
        code = self._pages[address >> 12].astype(np.int64) * 2048 + (address & 0xFFF) // 2
        function = self.tables["function_at"][code].astype(np.int64)
        executions, taken = rows["executions"].copy(), rows["taken"].copy()
        cycles = executions * self._cycles_of(encoding) + taken * self.timing.taken_extra
        cycles -= rows["port_accesses"] * self._saved_on_port(encoding)
        return InstructionTable(address, encoding, executions, taken, cycles, function, self.names)

    def _executed_rows(self) -> npt.NDArray[Any]:
        """Rows of `layout.EXECUTED`; an instruction in several blocks has several."""
        rows = np.zeros(CORE.m0_fold(self.tables.address), layout.EXECUTED)
        count = CORE.m0_expand(self.tables.address, rows.ctypes.data)
        return np.concatenate([self._earlier, rows[:count]])

    def _cycles_of(self, encoding: Int64Array) -> Int64Array:
        first = encoding & 0xFFFF
        is_link = (first >= 0xE800) & (encoding >> 16 & 0xD000 == 0xD000)
        wide = np.where(is_link, self.timing.branch_link, self.timing.system)
        return np.where(first >= 0xE800, wide, timing.cycles_of_first(self.timing, first)).astype(np.int64)

    def _saved_on_port(self, encoding: Int64Array) -> Int64Array:
        is_load = isa.FIRST[encoding & 0xFFFF, isa.LOADED] > 0
        saved: Int64Array = np.where(is_load, self.core.port.saved_load, self.core.port.saved_store)
        return saved

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
        rows = self.tables["functions"]
        edges = self._counted_edges()
        calls = np.zeros(size, np.int64)
        np.add.at(calls, edges["callee"], edges["calls"])
        active = np.flatnonzero((calls > 0) | (instructions > 0))
        costs = [
            FunctionCost(
                name=self.names[i],
                address=int(rows["entry"][i]) if i else 0,
                calls=int(calls[i]),
                self_cycles=int(self_cycles[i]),
                inclusive_cycles=int(rows["inclusive"][i]),
                instructions=int(instructions[i]),
            )
            for i in active.tolist()
        ]
        costs.sort(key=lambda cost: (-cost.self_cycles, cost.address))
        return {cost.name: cost for cost in costs}

    def _counted_edges(self) -> npt.NDArray[Any]:
        """The edges with all their calls, those that contexts counted among them. Edge 1 is the call from outside."""
        edges = self.tables.used("edges").copy()
        contexts = self.tables.used("contexts")[1:]
        for column in ("calls", "inclusive"):
            np.add.at(edges[column], contexts["edge"], contexts[column])
        return edges

    def edges(self) -> tuple[CallEdge, ...]:
        """Every call that happened, by calling instruction and callee."""
        edges = np.sort(self._counted_edges()[2:], order=("call_end", "callee"))
        columns = zip(*(edges[column].tolist() for column in ("call_end", "callee", "calls", "inclusive")), strict=True)
        return tuple(
            CallEdge(self.function_at(behind - 2)[0], self._call_before(behind), self.names[callee], calls, inclusive)
            for behind, callee, calls, inclusive in columns
        )

    def call_tree(self) -> tuple[CallNode, ...]:
        """The calls by context, parents before children."""
        rows = self.tables.used("contexts").tolist()
        edges = self.tables.used("edges")
        call_end, callee = edges["call_end"].tolist(), edges["callee"].tolist()
        place_of = {0: -1}
        keys: list[tuple[int, int, int]] = []
        for index, (parent, edge, target, *_) in enumerate(rows[1:], start=1):
            if target == index:
                place_of[index] = len(keys)
                keys.append((place_of[parent], call_end[edge], callee[edge]))
        calls, own = [0] * len(keys), [0] * len(keys)
        for _, _, target, below, ended, inclusive, *_ in rows[1:]:
            calls[place_of[target]] += ended
            own[place_of[target]] += inclusive
            if below != 0:
                own[place_of[below]] -= inclusive
        return self._nodes(keys, calls, own)

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
        return int(self.core.contexts_refused)

    def _call_before(self, behind: int) -> int:
        """Address of the instruction that ends directly before `behind`: four bytes for BL, else two."""
        first, second = self._halfwords(behind - 4)
        is_link = isa.is_wide(first) and isa.kind_of(first, second) is isa.Kind.BRANCH_LINK
        return behind - 4 if is_link else behind - 2


def _by_instruction(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows of `layout.EXECUTED`, one for each address and encoding, in that order."""
    keys, place = np.unique(rows["address"].astype(np.uint64) << 32 | rows["encoding"], return_inverse=True)
    sums = np.zeros(len(keys), rows.dtype)
    sums["address"], sums["encoding"] = keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF)
    for column in ("executions", "taken", "port_accesses"):
        np.add.at(sums[column], place, rows[column])
    return sums


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _check(error: int) -> None:
    from unicorn import UcError

    if error:
        raise UcError(error)
