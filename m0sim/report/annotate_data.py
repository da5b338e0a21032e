"""What an annotated listing holds, the words that text and HTML share for it, and its JSON."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from m0sim.chip.cost import Cost
from m0sim.chip.fault import Fault
from m0sim.report.cost_json import SCHEMA, fault_object
from m0sim.report.disassembly import Instruction
from m0sim.report.inlined import SourceCosts, label
from m0sim.report.units import count, share

HOT, FAULT = ">", "!"
"""Marks of rows."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source line."""

    file: str
    line: int
    text: str | None
    """None where the file cannot be read, or may not."""

    @property
    def place(self) -> str:
        """``file:line``; the file as seen from the current folder where it lies in it."""
        here = os.path.join(os.getcwd(), "")
        return f"{self.file.removeprefix(here)}:{self.line}"


@dataclass(frozen=True, slots=True)
class ListingRow:
    """One instruction or piece of data, and what it cost in the whole run."""

    instruction: Instruction
    executions: int
    """0 where it did not run, and for data."""
    cycles: int
    stalls: int
    """Those of `cycles` in which it waited for flash or a slow bus; of data 0."""
    taken: int | None
    """Times a conditional branch was taken; None for every other instruction."""
    source: Source | None
    is_fault: bool
    """The instruction that the run ended at; it is not counted."""
    inlined: tuple[str, ...] = ()
    """The functions that were inlined here, each to the one before it; of data none."""

    @property
    def has_cost(self) -> bool:
        """Whether it ran, or waited to be fetched when the run ended."""
        return self.executions > 0 or self.stalls > 0

    @property
    def not_taken(self) -> int | None:
        return None if self.taken is None else self.executions - self.taken


@dataclass(frozen=True, slots=True)
class LineCost:
    """All instructions of a function that are of one source line, wherever in it they stand."""

    source: Source
    cycles: int
    stalls: int


@dataclass(frozen=True, slots=True)
class Loop:
    """The instructions from the target of a backward branch that was taken, to that branch."""

    first: int
    last: int
    """Address of the branch; of several to one target, the last."""
    iterations: int
    """Passes that came to the end of the loop, or left it there."""
    cycles: int
    """Of the instructions in the loop, loops inside it included, callees not."""
    own_cycles: int
    """The same without the loops inside it."""
    stalls: int
    """Those of `cycles` in which it waited for flash or a slow bus."""
    call_cycles: int
    """Of what its calls called."""

    def contains(self, address: int) -> bool:
        """Whether the instruction at `address` is in the loop."""
        return self.first <= address <= self.last


@dataclass(frozen=True, slots=True)
class FunctionListing:
    """A function from its first byte to its last: what ran, what did not, and its data."""

    name: str
    address: int
    size: int | None
    """Bytes; None for code without a symbol, of which only what ran is listed."""
    calls: int
    self_cycles: int
    inclusive_cycles: int
    rows: tuple[ListingRow, ...]
    loops: tuple[Loop, ...]
    """Those with the most own cycles first."""
    sources: SourceCosts
    """Its self cycles by functions of the source."""

    @property
    def lines(self) -> dict[Source, LineCost]:
        """What ran of each source line, in the order of their first instructions."""
        costs: dict[Source, LineCost] = {}
        for row in self.rows:
            if row.source is not None and row.has_cost:
                so_far = costs.get(row.source, LineCost(row.source, 0, 0))
                costs[row.source] = LineCost(row.source, so_far.cycles + row.cycles, so_far.stalls + row.stalls)
        return costs

    @property
    def hot_loop(self) -> Loop | None:
        """The loop whose own instructions took most cycles."""
        return self.loops[0] if self.loops else None


@dataclass(frozen=True, slots=True)
class Listing:
    """The functions chosen from one call, most self cycles first."""

    cost: Cost
    fault: Fault | None
    functions: tuple[FunctionListing, ...]
    left_out: int
    """Executed functions that were not chosen."""
    left_out_cycles: int
    notes: tuple[str, ...] = ()
    """What is not shown of sources and debug information, and why."""

    @property
    def has_stalls(self) -> bool:
        """Whether the run waited for anything: only then there is a column for it."""
        return self.cost.stall_cycles > 0


def stalls_of(line: LineCost) -> str:
    """Such as ``1,240 cycles, 240 of them stalls``."""
    cycles = "1 cycle" if line.cycles == 1 else f"{count(line.cycles)} cycles"
    return f"{cycles}, {f'{count(line.stalls)} of them stalls' if line.stalls else 'no stalls'}"


def loop_sentence(loop: Loop, total: int) -> str:
    """Such as ``loop 0x10000014-0x10000022: 1,000 iterations, 9.00 cycles each, 49.9 % of all``."""
    passes = "1 iteration" if loop.iterations == 1 else f"{count(loop.iterations)} iterations"
    each = f"{loop.cycles / loop.iterations:,.2f} cycles each" if loop.iterations else f"{count(loop.cycles)} cycles"
    if loop.stalls and loop.iterations:
        each += f" ({loop.stalls / loop.iterations:,.2f} of them stalls)"
    if loop.call_cycles and loop.iterations:
        each += f" and {loop.call_cycles / loop.iterations:,.2f} in calls"
    return f"loop 0x{loop.first:08x}-0x{loop.last:08x}: {passes}, {each}, {share(loop.cycles, total)} of all"


def sources_sentence(sources: SourceCosts) -> str:
    """Such as ``cycles by source: 8,000 of dense_q7 (inlined), 2,000 its own``."""
    parts = [f"{count(part.self_cycles)} of {part.label}" for part in sources.inlined]
    return f"cycles by source: {', '.join(parts)}, {count(sources.own_cycles)} its own"


def heading(row: ListingRow) -> str:
    """Where the row's source line is, and in which inlined function, such as ``dot.h:6, mul8 (inlined)``."""
    place = "" if row.source is None else row.source.place
    inlined = label(" > ".join(row.inlined)) if row.inlined else ""
    return ", ".join(filter(None, (place, inlined)))


def mark_of(row: ListingRow, hot: Loop | None) -> str:
    """``!`` where the run ended with a fault, ``>`` in the hot loop, else empty."""
    if row.is_fault:
        return FAULT
    return HOT if hot is not None and hot.contains(row.instruction.address) else ""


def encoding(row: ListingRow) -> str:
    """Halfwords in the order of memory; of data nothing, its value is in the text."""
    value = row.instruction.encoding
    if row.instruction.is_data:
        return "-"
    return f"{value:04x}" if row.instruction.size == 2 else f"{value & 0xFFFF:04x}{value >> 16:04x}"


def to_json(shown: Listing) -> dict[str, Any]:
    """The object that ``m0sim annotate --json`` prints."""
    cost = shown.cost
    return {
        "schema": SCHEMA,
        "function": cost.function,
        "profile": cost.profile,
        "result": cost.result.hex() if isinstance(cost.result, bytes) else cost.result,
        "cycles": cost.cycles,
        "stall_cycles": cost.stall_cycles,
        "instructions": cost.instructions,
        "functions": [_function_object(f) for f in shown.functions],
        "left_out": {"functions": shown.left_out, "self_cycles": shown.left_out_cycles},
        "warnings": list(cost.warnings),
        "notes": list(shown.notes),
        "fault": None if shown.fault is None else fault_object(shown.fault),
    }


def _function_object(f: FunctionListing) -> dict[str, Any]:
    return {
        "name": f.name,
        "address": f.address,
        "size": f.size,
        "calls": f.calls,
        "self_cycles": f.self_cycles,
        "inclusive_cycles": f.inclusive_cycles,
        "own_cycles": f.sources.own_cycles,
        "inlined": [asdict(part) for part in f.sources.inlined],
        "stall_cycles": sum(row.stalls for row in f.rows),
        "lines": [_line_object(line) for line in f.lines.values()],
        "rows": [_row_object(row, f.hot_loop) for row in f.rows],
        "loops": [_loop_object(loop, loop is f.hot_loop) for loop in f.loops],
    }


def _line_object(line: LineCost) -> dict[str, Any]:
    return {**asdict(line.source), "cycles": line.cycles, "stall_cycles": line.stalls}


def _row_object(row: ListingRow, hot: Loop | None) -> dict[str, Any]:
    instruction, source = row.instruction, row.source
    return {
        "address": instruction.address,
        "size": instruction.size,
        "encoding": instruction.encoding,
        "is_data": instruction.is_data,
        "text": instruction.text,
        "remark": instruction.remark,
        "executions": row.executions,
        "cycles": row.cycles,
        "stall_cycles": row.stalls,
        "taken": row.taken,
        "not_taken": row.not_taken,
        "in_hot_loop": hot is not None and hot.contains(instruction.address),
        "is_fault": row.is_fault,
        "source": None if source is None else asdict(source),
        "inlined": list(row.inlined),
    }


def _loop_object(loop: Loop, is_hot: bool) -> dict[str, Any]:
    return {
        "first": loop.first,
        "last": loop.last,
        "iterations": loop.iterations,
        "cycles": loop.cycles,
        "own_cycles": loop.own_cycles,
        "stall_cycles": loop.stalls,
        "call_cycles": loop.call_cycles,
        "is_hot": is_hot,
    }
