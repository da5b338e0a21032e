"""What a run cost: plain data that `results` fills in and `report` and `check` read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from m0sim.chip.field_docs import documented
from m0sim.chip.flash_cost import FlashCost
from m0sim.chip.options import FlashModel
from m0sim.chip.views import Views
from m0sim.errors import UsageError

Int64Array = npt.NDArray[np.int64]


@documented
@dataclass(frozen=True, slots=True)
class FunctionCost:
    """One function's share. All figures are for the whole run."""

    name: str
    """As `m0sim list` shows it."""
    address: int
    """Of its first instruction."""
    calls: int
    """Times it was entered: by a call, by a tail call, or as the function that was asked for."""
    self_cycles: int
    """Cycles of its own instructions."""
    inclusive_cycles: int
    """`self_cycles` plus those of everything it called; under recursion counted once, at the outermost call."""
    instructions: int
    """Of its own that were executed."""
    stall_cycles: int = 0
    """Those of its own cycles in which it waited for flash or a slow bus."""


@documented
@dataclass(frozen=True, slots=True)
class CallEdge:
    """All calls from one place to one function."""

    caller: str
    """The function that calls."""
    call_address: int
    """Of the calling (or tail-calling) instruction."""
    callee: str
    """The function that is called."""
    calls: int
    """How often."""
    inclusive_cycles: int
    """Of these calls, with all that they called."""


CHIP = "(chip)"
"""The root of a call tree that has several: of firmware with handlers or threads. Its own cycles are those of entering
exceptions and returning from them."""


@documented
@dataclass(frozen=True, slots=True)
class CallNode:
    """One function in one calling context: reached from its parent's context by one calling instruction.

    Recursion is folded: a call of a function that is already among the node and its ancestors makes no new node. It
    counts in `calls` of that ancestor, and until it returns its cycles are the ancestor's, not those of the nodes
    between. So a cycle belongs to exactly one node and its ancestors, `self_cycles` is `inclusive_cycles` less
    those of the children, and the root has all cycles.

    Nodes follow calls, `FunctionCost.self_cycles` follows addresses. By function the two have the same sums except for
    code that is run without entering its function: after a return to an address behind the end of the calling one.
    There the cycles stay with the node of the function that called. Code that runs on across the end of its function
    enters the next one, as by a jump.
    """

    function: str
    """Its name."""
    parent: int
    """Index into `Cost.call_tree`; -1 for the root. Parents come before their children."""
    call_address: int
    """The calling (or tail-calling) instruction; 0 for the root."""
    calls: int
    """How often it was entered in this context."""
    self_cycles: int
    """Of its own instructions in this context."""
    inclusive_cycles: int
    """With those of the nodes below it."""


@documented
@dataclass(frozen=True, slots=True)
class InstructionCost:
    """One instruction at one address. Code that was overwritten has a row for each encoding that ran."""

    address: int
    encoding: int
    """First halfword in bits 0..15, second (of a 32-bit instruction) in bits 16..31."""
    executions: int
    taken: int
    """Executions in which a conditional branch was taken."""
    cycles: int
    """`stalls` among them."""
    stalls: int
    """Cycles that its fetches and accesses waited for flash or a slow bus; 0 where memory is ideal."""
    function: str


@documented
@dataclass(frozen=True, slots=True, eq=False)
class InstructionTable:
    """The executed instructions as parallel arrays, by rising address. `rows` gives them one by one."""

    address: Int64Array
    """Of each instruction."""
    encoding: Int64Array
    """First halfword in bits 0..15, second in bits 16..31."""
    executions: Int64Array
    """How often each was executed."""
    taken: Int64Array
    """How often a conditional branch was taken."""
    cycles: Int64Array
    """Of all executions, `stalls` among them."""
    stalls: Int64Array
    """Cycles that waited for flash or a slow bus."""
    function: Int64Array
    """Index into `function_names`."""
    function_names: tuple[str, ...]
    """Of all functions that executed something."""

    def __eq__(self, other: object) -> bool:
        """The same instructions, with the same counts."""
        if not isinstance(other, InstructionTable):
            return NotImplemented
        return self.function_names == other.function_names and all(
            np.array_equal(mine, theirs) for mine, theirs in zip(self._columns, other._columns, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    @property
    def _columns(self) -> tuple[Int64Array, ...]:
        return self.address, self.encoding, self.executions, self.taken, self.cycles, self.stalls, self.function

    @property
    def rows(self) -> tuple[InstructionCost, ...]:
        """The same, as objects."""
        columns = (self.address, self.encoding, self.executions, self.taken, self.cycles, self.stalls)
        names = [self.function_names[i] for i in self.function.tolist()]
        numbers = zip(*(c.tolist() for c in columns), names, strict=True)
        return tuple(InstructionCost(*row) for row in numbers)


@documented
@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Bytes by kind. Code to bss and reserved are the image's, from its section headers; the rest is this call's."""

    flash_code: int
    """Code that runs from flash."""
    flash_rodata: int
    """Constants that are read from flash."""
    flash_data: int
    """Initial values of the data that startup code copies to SRAM."""
    sram_code: int
    """Code that start-up copies to SRAM."""
    sram_rodata: int
    """Constants in SRAM."""
    sram_data: int
    """Variables with initial values."""
    sram_bss: int
    """Variables that start as zero."""
    sram_arguments: int
    """Buffers that were allocated, and arguments passed on the stack."""
    sram_stack: int
    """High-water mark below the initial SP. It was observed in this run; it is not a worst case."""
    sram_reserved: int = 0
    """Room that the linker keeps for a heap or a stack. In no total: what a call used of it is counted on its own."""

    sram_heap: int = 0
    """High-water mark of a heap that grows into free SRAM, observed; a heap that is an object counts as bss."""

    @property
    def flash_total(self) -> int:
        return self.flash_code + self.flash_rodata + self.flash_data

    @property
    def sram_total(self) -> int:
        image = self.sram_code + self.sram_rodata + self.sram_data + self.sram_bss
        return image + self.sram_arguments + self.sram_stack + self.sram_heap


@documented
@dataclass(frozen=True, slots=True)
class TrafficCost:
    """Accesses to one symbol, buffer or memory, counted at level ``memory``."""

    name: str
    """Of the symbol, buffer or memory."""
    loads: int
    """Data items read."""
    stores: int
    """Data items written."""
    bytes_loaded: int
    """Bytes read."""
    bytes_stored: int
    """Bytes written."""
    bytes_touched: int
    """Different bytes that were read or written at least once. For the stack: down to its mark."""


FindingKind = Literal["outside", "uninitialised"]
"""A read of memory that belongs to nothing; a read of SRAM that nothing was written to."""
FINDING_KINDS: tuple[str, ...] = get_args(FindingKind)


def finding_kinds_of(texts: Sequence[str]) -> tuple[FindingKind, ...]:
    """The kinds of these names. Raises `UsageError` where there is none."""
    for text in texts:
        if text not in FINDING_KINDS:
            raise UsageError(f"unknown finding {text!r}: one of {', '.join(FINDING_KINDS)}")
    return tuple(cast(FindingKind, text) for text in texts)


@documented
@dataclass(frozen=True, slots=True)
class Finding:
    """All reads of one instruction that no correct code makes, of one kind; docs/call.md has the rules."""

    kind: FindingKind
    function: str
    offset: int
    """Of the instruction in the function."""
    address: int
    """Of the instruction."""
    source: tuple[str, int] | None
    """File and line, where debug information tells."""
    accessed: int
    """Address of the first such read."""
    size: int
    """Bytes that it read."""
    nearest: str
    """The buffer, object or section that is nearest, ``(heap)`` or ``(stack)``; empty where there is nothing."""
    distance: int
    """From it: 1 is the first byte behind its end, -1 the last one before it, 0 inside."""
    count: int
    """Reads."""

    @property
    def text(self) -> str:
        """One line without the kind: who did what."""
        source = "" if self.source is None else f" ({self.source[0]}:{self.source[1]})"
        return f"{self.function}+{self.offset:#x}{source} {self.what}"

    @property
    def what(self) -> str:
        """The reads alone, such as ``read 4 bytes at 0x20000018, directly behind the end of buf, 2 times``."""
        size = "1 byte" if self.size == 1 else f"{self.size} bytes"
        times = "" if self.count == 1 else f", {self.count:,} times"
        return f"read {size} at {self.accessed:#010x}, {self._where}{times}"

    @property
    def _where(self) -> str:
        away = abs(self.distance) - 1
        if self.kind == "uninitialised":
            place = f"in {self.nearest}, " if self.distance == 0 else ""
            return f"{place}where nothing was written"
        if not self.nearest:
            return "where nothing is"
        if self.nearest == "(stack)" and self.distance < 0:
            return "below the stack pointer" if not away else f"{away:,} bytes below the stack pointer"
        side = "behind the end of" if self.distance > 0 else "before"
        return f"{f'{away:,} bytes' if away else 'directly'} {side} {self.nearest}"


@documented
@dataclass(frozen=True, slots=True)
class RegisterUse:
    """What a call did with one register of a peripheral that was given an answer."""

    address: int
    loads: int
    stores: int
    last_stored: int | None
    """The value of the last store, as wide as that was; None where there was none."""


@documented
@dataclass(frozen=True, slots=True)
class Provenance:
    """What a cost is of: the same words give the same cost."""

    image: str
    """The file's path as it was given."""
    sha256: str
    """Of the file's content, in hexadecimal."""
    function: str
    arguments: tuple[str, ...]
    """As they were typed; of a call from Python, in words."""
    before: tuple[str, ...]
    stubs: tuple[str, ...]
    registers: tuple[str, ...]
    stdout: tuple[str, ...]
    profile: str
    engine: str
    """What ran the code."""
    version: str
    """Of m0sim."""
    base: int | None = None
    """Where a raw binary was said to run."""
    symbols: str | None = None
    """The path of the ELF that gave the image its names, where it has none itself."""
    clock_hz: int | None = None
    """What the device ran at."""
    bootrom: str | None = None
    """The path of the file that was in its boot ROM; None where that was m0sim's own, or where it has none."""
    startup: str | None = None
    """The function up to which the image's own start-up code ran before the call; None where it did not."""


@documented
@dataclass(frozen=True, repr=False)
class Cost(Views):
    """Everything counted in one call. With ideal flash, cycles are exact for zero-wait-state memory: docs/accuracy.md.

    Two are equal where all that was counted is, whatever they are of.
    """

    function: str
    """The one that was called."""
    profile: str
    """The name of the device's profile."""
    level: str
    """What was counted: ``cycles``, or ``memory``, with traffic and findings."""
    result: int | float | bytes | None
    """r0 (and r1), read as `result_type` says: a number, a struct's bytes, None for void."""
    result_type: str
    """How r0 (and r1) was read: s32, u32, s64, u64, f32, f64, void, or struct for the bytes of one."""
    cycles: int
    """From the function's first instruction to its return, the return included, the calling BL not."""
    instructions: int
    """Executed ones."""
    loads: int
    """Data items read: an LDM of four registers is four."""
    stores: int
    """Data items written."""
    bytes_loaded: int
    """Bytes read."""
    bytes_stored: int
    """Bytes written."""
    branches_taken: int
    """Conditional branches only; unconditional ones are in neither figure."""
    branches_not_taken: int
    """Conditional branches that fell through."""
    stack_bytes: int
    """High-water mark of the stack, observed: no worst case."""
    stack_top: int
    """SP at entry, an address."""
    seconds: float
    """`cycles` at the profile's clock."""
    energy_joules: float | None
    """None where the profile has no current with a source at this clock."""
    memory: MemoryUse
    """Bytes by kind."""
    functions: Mapping[str, FunctionCost]
    """By name, most self cycles first."""
    edges: tuple[CallEdge, ...]
    """All calls, by place and function."""
    call_tree: tuple[CallNode, ...]
    """By calling context; the first is the function that was called. There are at most 262,144 contexts, recursive
    ones included: `warnings` has a line if there were more, and those cycles are their callers' own."""
    instruction_table: InstructionTable
    """Every instruction that was executed, with its counts."""
    traffic: tuple[TrafficCost, ...] = ()
    """Level ``memory``: by symbol, buffer or memory, most bytes first."""
    findings: tuple[Finding, ...] = ()
    """Level ``memory``: reads outside of anything, and of what nothing was written to; most counts first."""
    flash: FlashCost | None = None
    """None where it was not asked for, and where a report of it found that the call never waits."""
    heap_bytes: int | None = None
    """The heap's high-water mark since memory was as loaded, observed: what the program's `sbrk` gave out, or, where it
    has none, up to the highest byte that was written. None where the image has no heap."""
    stubs: tuple[str, ...] = ()
    """Functions that were replaced."""
    registers: tuple[RegisterUse, ...] = ()
    """Peripheral registers that were given answers, by address."""
    output: bytes = b""
    """What the call printed: by semihosting, through newlib's `_write`, or by the functions named for it."""
    output_dropped: int = 0
    """Bytes that it printed behind the first 1,048,576, which are not kept."""
    energy_joules_low: float | None = None
    """The lower bound of `energy_joules`; None where nobody published one."""
    energy_joules_high: float | None = None
    """The upper bound of it; None where nobody published one."""
    energy_source: str | None = None
    """What ran at which current, and who published it."""
    energy_bounds_source: str | None = None
    """Where the bounds are from."""
    warnings: tuple[str, ...] = ()
    """What looked wrong, one line each."""
    provenance: Provenance | None = field(default=None, compare=False)
    """None for a cost that no call of a `Machine` made."""

    def __repr__(self) -> str:
        result = "" if self.result is None else f", result {self.result_text}"
        return (
            f"<Cost of {self.function}: {self.cycles:,} cycles, {self.instructions:,} instructions, "
            f"{self.stack_bytes:,} bytes of stack{result}>"
        )

    @property
    def has_several_roots(self) -> bool:
        """Whether handlers or threads ran, which no code calls."""
        return bool(self.call_tree) and self.call_tree[0].function == CHIP

    @property
    def flash_model(self) -> FlashModel:
        """What its cycles are of: ideal flash, or a cold or warm one."""
        return "ideal" if self.flash is None else self.flash.model

    @property
    def result_text(self) -> str:
        """The result as a person reads it: a struct as its bytes in hex, nothing for void."""
        if isinstance(self.result, bytes):
            return self.result.hex(" ")
        return "" if self.result is None else str(self.result)

    @cached_property
    def stall_cycles(self) -> int:
        """Those of `cycles` in which the core waited for flash or a slow bus."""
        return int(self.instruction_table.stalls.sum())

    @cached_property
    def executed(self) -> dict[int, int]:
        """Executions by instruction address."""
        counts: dict[int, int] = {}
        table = self.instruction_table
        for address, executions in zip(table.address.tolist(), table.executions.tolist(), strict=True):
            counts[address] = counts.get(address, 0) + executions
        return counts
