"""The figures of one call, as text and HTML show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from m0sim.chip.cost import Cost
from m0sim.report.units import count, share, si

_OBSERVED = "bytes, observed in this run (not a worst case)"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a summary."""

    label: str
    value: str
    remark: str
    certainty: Literal["exact", "estimate", "observed", "unknown"]
    """Exact by the core's documented timing; an estimate; seen in this run, and another may differ; or not known."""


def figures(cost: Cost) -> list[Figure]:
    """The summary of a call."""
    each = f"{cost.cycles / cost.instructions:.2f} cycles each" if cost.instructions else ""
    if cost.energy_joules is None:
        energy = Figure("energy", "unknown", "the profile has no current with a source at this clock", "unknown")
    else:
        energy = Figure("energy", si(cost.energy_joules, "J"), _energy(cost), "estimate")
    cycles, stalls = _cycles(cost), []
    if cost.stall_cycles:
        waits = f"{share(cost.stall_cycles, cost.cycles)} of the cycles, waiting for flash or a slow bus"
        stalls.append(Figure("stalls", count(cost.stall_cycles), waits, cycles.certainty))
    heap = []
    if cost.heap_bytes is not None:
        heap.append(Figure("heap", count(cost.heap_bytes), _OBSERVED, "observed"))
    return [
        Figure("result", cost.result_text or "-", _as_hex(cost), "exact"),
        cycles,
        *stalls,
        Figure("time", si(cost.seconds, "s"), "", cycles.certainty),
        energy,
        Figure("instructions", count(cost.instructions), each, "exact"),
        Figure("loads", count(cost.loads), f"{count(cost.bytes_loaded)} bytes", "exact"),
        Figure("stores", count(cost.stores), f"{count(cost.bytes_stored)} bytes", "exact"),
        Figure("branches taken", count(cost.branches_taken), "conditional ones", "exact"),
        Figure("branches not taken", count(cost.branches_not_taken), "", "exact"),
        Figure("stack", count(cost.stack_bytes), _OBSERVED, "observed"),
        *heap,
    ]


def _energy(cost: Cost) -> str:
    """The bounds that are known, and where the figure is from."""
    low, high = (None if j is None else si(j, "J") for j in (cost.energy_joules_low, cost.energy_joules_high))
    bounds = f"{low} to {high}; " if low and high else f"from {low}; " if low else f"up to {high}; " if high else ""
    return f"{bounds}estimate: time x {cost.energy_source}"


def _cycles(cost: Cost) -> Figure:
    """They are of zero-wait-state memory, unless a model of the flash was asked for."""
    if cost.flash_model == "ideal":
        return Figure("cycles", count(cost.cycles), "exact for zero-wait-state memory", "exact")
    return Figure("cycles", count(cost.cycles), f"with {cost.flash_model} flash, by m0sim's model of it", "estimate")


def _as_hex(cost: Cost) -> str:
    """The bits of a negative result."""
    if not isinstance(cost.result, int) or cost.result >= 0:
        return ""
    bits = 32 if cost.result_type == "s32" else 64
    return f"{cost.result & (1 << bits) - 1:#x}"
