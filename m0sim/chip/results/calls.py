"""Functions, call edges and the call tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.cost import CHIP, CallEdge, CallNode, FunctionCost, InstructionTable
from m0sim.chip.results.counts import Counts
from m0sim.chip.results.instructions import is_branch_link


def functions(counts: Counts, table: InstructionTable) -> dict[str, FunctionCost]:
    """Cost by function, most self cycles first."""
    names, entries = counts.functions.names, counts.functions.entries
    self_cycles = np.bincount(table.function, table.cycles, len(names))
    instructions = np.bincount(table.function, table.executions, len(names))
    stalls = np.bincount(table.function, table.stalls, len(names))
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
            stall_cycles=int(stalls[i]),
        )
        for i in active.tolist()
    ]
    costs.sort(key=lambda cost: (-cost.self_cycles, cost.address))
    return {cost.name: cost for cost in costs}


def links(table: InstructionTable) -> frozenset[int]:
    """Addresses of the BL instructions that ran."""
    return frozenset(table.address[is_branch_link(table.encoding)].tolist())


NOBODY = 0xF0000000
"""Where calls of handlers and threads come from, plus the exception's number: no code is there."""


def call_edges(counts: Counts, linked: frozenset[int]) -> tuple[CallEdge, ...]:
    """Every call that happened, by calling instruction and callee; `linked` are the `links` of the run."""
    edges = np.sort(_all_calls(counts)[2:], order=("call_end", "callee"))
    edges = edges[edges["call_end"] < NOBODY]
    columns = zip(*(edges[column].tolist() for column in ("call_end", "callee", "calls", "inclusive")), strict=True)
    around, names = counts.functions.around, counts.functions.names
    return tuple(
        CallEdge(around(behind - 2)[0], _caller(behind, linked), names[callee], calls, inclusive)
        for behind, callee, calls, inclusive in columns
    )


def call_tree(counts: Counts, linked: frozenset[int]) -> tuple[CallNode, ...]:
    """The calls by context, parents before children; `linked` are the `links` of the run.

    Where there are handlers or threads, the root is `CHIP`, which calls them.
    """
    rows = counts.contexts.tolist()
    callee = counts.edges["callee"].tolist()
    caller = [_caller(behind, linked) for behind in counts.edges["call_end"].tolist()]
    roots = sum(row[0] == 0 for row in rows[1:])
    place_of = {0: 0 if roots > 1 else -1}
    keys: list[tuple[int, int, int]] = [(-1, 0, -1)] if roots > 1 else []
    for index, (parent, edge, target, *_) in enumerate(rows[1:], start=1):
        if target == index:
            place_of[index] = len(keys)
            keys.append((place_of[parent], caller[edge], callee[edge]))
    calls, own = [0] * len(keys), [0] * len(keys)
    if roots > 1:
        calls[0], own[0] = 1, counts.cycles - sum(row[5] for row in rows[1:] if row[0] == 0)
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
        CallNode(CHIP if callee < 0 else names[callee], parent, address, *figures)
        for (parent, address, callee), *figures in zip(keys, calls, own, inclusive, strict=True)
    )


def _all_calls(counts: Counts) -> npt.NDArray[Any]:
    """The edges with all their calls, those that contexts counted among them. Edge 1 is the call from outside."""
    edges = counts.edges.copy()
    for column in ("calls", "inclusive"):
        np.add.at(edges[column], counts.contexts["edge"][1:], counts.contexts[column][1:])
    return edges


def _caller(behind: int, linked: frozenset[int]) -> int:
    """Address of the instruction that ends directly before `behind`; 0 where nobody calls.

    Every call is an instruction that ran. It has four bytes where that was a BL, else two.
    """
    if behind == 0 or behind >= NOBODY:
        return 0
    return behind - 4 if behind - 4 in linked else behind - 2
