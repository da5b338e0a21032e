"""Functions, call edges and the call tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.cost import CallEdge, CallNode, FunctionCost, InstructionTable
from m0sim.chip.results.counts import Counts
from m0sim.chip.results.instructions import is_branch_link


def functions(counts: Counts, table: InstructionTable) -> dict[str, FunctionCost]:
    """Cost by function, most self cycles first."""
    names, entries = counts.functions.names, counts.functions.entries
    self_cycles = np.bincount(table.function, table.cycles, len(names))
    instructions = np.bincount(table.function, table.executions, len(names))
    edges = _all_calls(counts)
    calls = np.zeros(len(names), np.int64)
    np.add.at(calls, edges["callee"], edges["calls"])
    active = np.flatnonzero((calls > 0) | (instructions > 0))
    costs = [
        FunctionCost(
            name=names[i],
            address=int(entries[i]) if i else 0,
            calls=int(calls[i]),
            self_cycles=int(self_cycles[i]),
            inclusive_cycles=int(counts.inclusive[i]),
            instructions=int(instructions[i]),
        )
        for i in active.tolist()
    ]
    costs.sort(key=lambda cost: (-cost.self_cycles, cost.address))
    return {cost.name: cost for cost in costs}


def call_edges(counts: Counts, table: InstructionTable) -> tuple[CallEdge, ...]:
    """Every call that happened, by calling instruction and callee."""
    edges = np.sort(_all_calls(counts)[2:], order=("call_end", "callee"))
    places = _callers(edges["call_end"], table).tolist()
    columns = (edges[column].tolist() for column in ("call_end", "callee", "calls", "inclusive"))
    around, names = counts.functions.around, counts.functions.names
    return tuple(
        CallEdge(around(behind - 2)[0], place, names[callee], calls, inclusive)
        for place, behind, callee, calls, inclusive in zip(places, *columns, strict=True)
    )


def call_tree(counts: Counts, table: InstructionTable) -> tuple[CallNode, ...]:
    """The calls by context, parents before children."""
    rows = counts.contexts.tolist()
    callee = counts.edges["callee"].tolist()
    caller = _callers(counts.edges["call_end"], table).tolist()
    place_of = {0: -1}
    keys: list[tuple[int, int, int]] = []
    for index, (parent, edge, target, *_) in enumerate(rows[1:], start=1):
        if target == index:
            place_of[index] = len(keys)
            keys.append((place_of[parent], caller[edge], callee[edge]))
    calls, own = [0] * len(keys), [0] * len(keys)
    for _, _, target, below, ended, inclusive, *_ in rows[1:]:
        calls[place_of[target]] += ended
        own[place_of[target]] += inclusive
        if below != 0:
            own[place_of[below]] -= inclusive
    return _nodes(counts.functions.names, keys, calls, own)


def _nodes(
    names: tuple[str, ...], keys: list[tuple[int, int, int]], calls: list[int], own: list[int]
) -> tuple[CallNode, ...]:
    """From each node's parent, calling instruction, and callee."""
    inclusive = own.copy()
    for place in range(len(keys) - 1, 0, -1):
        inclusive[keys[place][0]] += inclusive[place]
    return tuple(
        CallNode(names[callee], parent, address, *figures)
        for (parent, address, callee), *figures in zip(keys, calls, own, inclusive, strict=True)
    )


def _all_calls(counts: Counts) -> npt.NDArray[Any]:
    """The edges with all their calls, those that contexts counted among them. Edge 1 is the call from outside."""
    edges = counts.edges.copy()
    for column in ("calls", "inclusive"):
        np.add.at(edges[column], counts.contexts["edge"][1:], counts.contexts[column][1:])
    return edges


def _callers(call_ends: npt.NDArray[np.uint32], table: InstructionTable) -> npt.NDArray[np.int64]:
    """Addresses of the instructions that end directly before; 0 for 0, the outside.

    A BL has four bytes. It is one where a BL ran: every call is an instruction that was executed.
    """
    ends = call_ends.astype(np.int64)
    links = table.address[is_branch_link(table.encoding)]
    return np.where(ends == 0, 0, ends - np.where(np.isin(ends - 4, links), 4, 2))
