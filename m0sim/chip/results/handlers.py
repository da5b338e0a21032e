"""What exceptions and threads did in a run, from the core's rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

from m0sim.chip.cost import CHIP, CallNode
from m0sim.chip.results.calls import NOBODY
from m0sim.chip.results.counts import Counts
from m0sim.chip.run_cost import HandlerCost, Latency, StackUse

_OF_THE_CORE = {2: "NMI", 3: "HardFault", 11: "SVCall", 14: "PendSV", 15: "SysTick"}
_FIRST_INTERRUPT = 16
RESET = "(reset)"
"""The thread that began at reset."""
_SYNCHRONOUS = (3, 11)
"""Taken where an instruction asks for them: there is no latency to speak of."""
_HELD = ((1, "PRIMASK"), (2, "a handler of the same or a higher priority"), (4, "an instruction"))


def exception_name(number: int, interrupts: Sequence[str]) -> str:
    """Such as ``SysTick``, ``TIMER_IRQ_0`` or ``IRQ 7``."""
    if number < _FIRST_INTERRUPT:
        return _OF_THE_CORE.get(number, f"exception {number}")
    place = number - _FIRST_INTERRUPT
    return interrupts[place] if place < len(interrupts) and interrupts[place] else f"IRQ {place}"


def handlers(
    counts: Counts, exceptions: npt.NDArray[Any], interrupts: Sequence[str], own: dict[int, int]
) -> tuple[HandlerCost, ...]:
    """All exceptions that were entered, by number.

    `exceptions` are rows of `layout.EXCEPTION`; `interrupts` are the part's names; `own` has the self cycles of the
    handlers' functions, by exception number.
    """
    functions = _functions(counts)
    return tuple(
        HandlerCost(
            name=_named(exception_name(number, interrupts), functions.get(number, "")),
            exception=exception_name(number, interrupts),
            number=number,
            entries=int(row["entries"]),
            self_cycles=own.get(number, 0) + int(row["overhead"]),
            inclusive_cycles=int(row["cycles"]),
            latency=None if number in _SYNCHRONOUS else _latency(row),
            tail_chained=int(row["tail_chained"]),
        )
        for number, row in enumerate(exceptions)
        if row["entries"]
    )


def _named(exception: str, function: str) -> str:
    return f"{function} ({exception})" if function else exception


def _functions(counts: Counts) -> dict[int, str]:
    """The function that each exception entered, by its number; of several, the one with most entries."""
    found: dict[int, tuple[int, str]] = {}
    for row in counts.contexts[1:]:
        edge = counts.edges[row["edge"]]
        if row["parent"] == 0 and edge["call_end"] > NOBODY:
            number = int(edge["call_end"]) - NOBODY
            name = counts.functions.names[edge["callee"]]
            found[number] = max(found.get(number, (-1, "")), (int(row["calls"]), name))
    return {number: name for number, (_, name) in found.items()}


def _latency(row: Any) -> Latency | None:
    held = [text for bit, text in _HELD if int(row["longest_held"]) & bit]
    return Latency(
        min=int(row["latency_min"]),
        mean=float(row["latency_sum"] / row["entries"]),
        max=int(row["latency_max"]),
        held_by=", ".join(held),
    )


def own_cycles(tree: Sequence[CallNode], counts: Counts) -> dict[int, int]:
    """Self cycles of the handlers' own functions, by exception number."""
    own: dict[int, int] = {}
    places = [node for node in tree if node.parent == 0] if tree and tree[0].function == CHIP else []
    roots = [row for row in counts.contexts[1:] if row["parent"] == 0]
    for node, row in zip(places, roots, strict=False):
        number = int(counts.edges[row["edge"]]["call_end"]) - NOBODY
        if number > 0:
            own[number] = own.get(number, 0) + node.self_cycles
    return own


def task_stacks(tasks: npt.NDArray[Any], name: Callable[[int], str]) -> tuple[StackUse, ...]:
    """The stack of each thread that used PSP: rows of `layout.TASK`; `name` gives that of a function by its number.

    The first thread began at reset, whatever it runs by the time that it has such a stack.
    """
    return tuple(
        StackUse(name(int(row["function"])) if place else RESET, int(row["psp_high"]), int(row["psp_low"]))
        for place, row in enumerate(tasks)
        if 0 <= row["psp_low"] < 1 << 32
    )
