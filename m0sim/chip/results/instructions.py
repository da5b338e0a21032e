"""What each instruction did, and sums over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip import isa, timing
from m0sim.chip.cost import InstructionTable, Int64Array
from m0sim.chip.results.counts import Counts
from m0sim.chip.timing import Timing


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


def by_instruction(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows of `layout.EXECUTED`, one for each address and encoding, in that order."""
    keys, place = np.unique(rows["address"].astype(np.uint64) << 32 | rows["encoding"], return_inverse=True)
    sums = np.zeros(len(keys), rows.dtype)
    sums["address"], sums["encoding"] = keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF)
    for column in ("executions", "taken", "port_accesses", "stalls"):
        np.add.at(sums[column], place, rows[column])
    ran: npt.NDArray[Any] = sums[(sums["executions"] != 0) | (sums["stalls"] != 0)]
    return ran


def instruction_table(counts: Counts) -> InstructionTable:
    """Executions, taken branches and cycles of every executed instruction."""
    rows = by_instruction(counts.executed)
    address, encoding = rows["address"].astype(np.int64), rows["encoding"].astype(np.int64)
    functions = counts.functions
    function = functions.at[functions.pages.halfwords(address)].astype(np.int64)
    executions, taken = rows["executions"].copy(), rows["taken"].copy()
    cycles = executions * _cycles(counts.timing, encoding) + taken * counts.timing.taken_extra
    cycles -= rows["port_accesses"] * _saved_on_port(counts.timing, encoding)
    stalls = rows["stalls"].copy()
    return InstructionTable(address, encoding, executions, taken, cycles + stalls, stalls, function, functions.names)


def is_branch_link(encoding: Int64Array) -> npt.NDArray[np.bool_]:
    """``bool`` by encoding, as `InstructionTable` has them: BL, the one 32-bit call."""
    return np.asarray((encoding & 0xFFFF >= 0xE800) & (encoding >> 16 & 0xD000 == 0xD000))


def _cycles(table: Timing, encoding: Int64Array) -> Int64Array:
    first = encoding & 0xFFFF
    wide = np.where(is_branch_link(encoding), table.branch_link, table.system)
    return np.where(first >= 0xE800, wide, timing.cycles_of_first(table, first)).astype(np.int64)


def _saved_on_port(table: Timing, encoding: Int64Array) -> Int64Array:
    """Cycles that an access to the single-cycle I/O port is faster than one to memory."""
    is_load = isa.FIRST[encoding & 0xFFFF, isa.LOADED] > 0
    load, store = table.load - table.load_on_io_port, table.store - table.store_on_io_port
    saved: Int64Array = np.where(is_load, load, store)
    return saved


def totals(table: InstructionTable) -> Totals:
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
