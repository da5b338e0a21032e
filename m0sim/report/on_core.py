"""Whose a cost is, where two cores ran: what formats of profiles are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from m0sim.chip.cost import Cost
from m0sim.chip.run_cost import RunCost
from m0sim.errors import UsageError, did_you_mean

CHOICES = ("0", "1", "both")


@dataclass(frozen=True, slots=True)
class OnCore:
    """What one core did."""

    cost: Cost
    name: str = ""
    """``core 0`` or ``core 1``; empty where no more than one ran, and nobody need be told."""


def chosen(done: RunCost, core: str) -> tuple[OnCore, ...]:
    """The cores of a run that a person wants: ``0``, ``1`` or ``both``, which is all that ran.

    Raises `UsageError` for another word, and for core 1 where that never ran.
    """
    check(core)
    if not done.cores:
        if core == "1":
            raise UsageError("--core 1: it never ran in this run; leave the option out, or see why nothing launched it")
        return (OnCore(done.cost),)
    everyone = tuple(OnCore(each.cost, f"core {each.number}") for each in done.cores)
    return everyone if core == "both" else (everyone[int(core)],)


def check(core: str) -> None:
    """Raises `UsageError` for what is no choice of cores."""
    if core not in CHOICES:
        raise UsageError(f"--core {core!r}: write 0, 1 or both{did_you_mean(core, CHOICES)}")


def total_cycles(cores: Sequence[OnCore]) -> int:
    """Of all cores, added up."""
    return sum(core.cost.cycles for core in cores)
