"""Counts in the middle of a run, with the calls that are open then; and a part of a run: from such counts on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.results.counts import Counts
from m0sim.chip.results.flash import FlashCounts
from m0sim.chip.results.instructions import by_instruction

_EXECUTED = ("executions", "taken", "port_accesses", "stalls")


@dataclass(frozen=True, eq=False, slots=True)
class OpenCalls:
    """Frames that are open: rows of `layout.FRAME`, and the cycle up to which each one ran, ``int64[n]``."""

    frames: npt.NDArray[Any]
    until: npt.NDArray[np.int64]


def with_open(counts: Counts, calls: OpenCalls, *, ended: bool) -> Counts:
    """Copies of the counts, with the cycles of open calls until now; `ended` counts them as calls, too."""
    edges, contexts, inclusive = counts.edges.copy(), counts.contexts.copy(), counts.inclusive.copy()
    rows, spent = calls.frames, calls.until - calls.frames["entered"]
    for table, column, mine in (
        (contexts, "context", rows["context"] != 0),
        (edges, "edge", rows["context"] == 0),
    ):
        np.add.at(table["inclusive"], rows[column][mine], spent[mine])
        np.add.at(table["calls"], rows[column][mine], int(ended))
    outermost = rows["outer"] == 0
    np.add.at(inclusive, rows["function"][outermost], spent[outermost])
    return replace(counts, executed=counts.executed.copy(), inclusive=inclusive, edges=edges, contexts=contexts)


def since(counts: Counts, before: Counts) -> Counts:
    """What was counted after `before`, both with their open calls. Rows of tables stay where they were."""
    earlier = before.executed.copy()
    for column in _EXECUTED:
        earlier[column] *= -1
    edges, contexts = counts.edges.copy(), counts.contexts.copy()
    for rows, old in ((edges, before.edges), (contexts, before.contexts)):
        for column in ("calls", "inclusive"):
            rows[column][: len(old)] -= old[column]
    return replace(
        counts,
        executed=by_instruction(np.concatenate([counts.executed, earlier])),
        inclusive=counts.inclusive - before.inclusive,
        edges=edges,
        contexts=contexts,
        cycles=counts.cycles - before.cycles,
    )


def flash_since(counts: FlashCounts | None, before: FlashCounts | None) -> FlashCounts | None:
    """What waited for flash after `before`, of the same run."""
    if counts is None or before is None:
        return counts
    evictions = counts.evictions.copy()
    earlier = {(row["word"], row["by"]): row["misses"] for row in before.evictions}
    for row in evictions:
        row["misses"] -= earlier.get((row["word"], row["by"]), 0)
    return FlashCounts(
        counts.model,
        counts.code_misses - before.code_misses,
        counts.data_misses - before.data_misses,
        evictions[evictions["misses"] > 0],
        counts.evictions_refused - before.evictions_refused,
        counts.vector_stalls - before.vector_stalls,
        counts.waited - before.waited,
        counts.states,
    )
