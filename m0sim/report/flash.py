"""What the flash cache adds, for people and for scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from m0sim.chip.cost import Eviction, FlashCost, FlashRun
from m0sim.report.units import count

_MAX_EVICTIONS = 5
_IN_CYCLES = {"ideal": "in none of the figures above", "cold": "cold is in the cycles", "warm": "warm is in the cycles"}


def lines(flash: FlashCost) -> list[str]:
    """The report in sentences, one a line."""
    found = [f"flash cache, a model with one fitted parameter; {_IN_CYCLES[flash.model]}"]
    found += [f"  {name}: {_run(run)}" for name, run in (("cold", flash.cold), ("warm", flash.warm)) if run is not None]
    found += [f"  {eviction(e)}" for e in flash.evictions[:_MAX_EVICTIONS]]
    more = flash.evictions[_MAX_EVICTIONS:]
    if more:
        cycles = count(sum(e.cycles for e in more))
        found.append(f"  ... and {len(more)} more pairs, {cycles} cycles (--json has them all)")
    if flash.counted is not None and flash.counted.evictions_left_out:
        found.append(f"  ... and {count(flash.counted.evictions_left_out)} words pushed out by too many to tell apart")
    return found


def _run(run: FlashRun) -> str:
    code, data = count(run.code_misses), count(run.data_misses)
    return f"{count(run.cycles)} cycles more, {code} words of code and {data} of data missed"


def eviction(pair: Eviction) -> str:
    """Who is pushed out by whom, what it costs, and what would help."""
    size = f"{count(pair.misses)} word{'s' if pair.misses != 1 else ''}, {count(pair.cycles)} cycles"
    if pair.name == pair.by:
        return f"{pair.name} pushes itself out: {size}; it is larger than one way of the cache: put a part into SRAM"
    move = "" if pair.move_by is None else f"move {pair.name} on by {count(pair.move_by)} bytes, or "
    return f"{pair.name} is pushed out by {pair.by}, of the same sets: {size}; {move}put one of them into SRAM"


def as_object(flash: FlashCost) -> dict[str, Any]:
    """What ``flash`` is in JSON: docs/json.md."""
    return {
        "model": flash.model,
        "cold_cycles": flash.cold_cycles,
        "warm_cycles": flash.warm_cycles,
        "misses": {"code": flash.code_misses, "data": flash.data_misses},
        "cold_misses": _misses(flash.cold),
        "warm_misses": _misses(flash.warm),
        "evictions": [asdict(pair) for pair in flash.evictions],
        "evictions_left_out": 0 if flash.counted is None else flash.counted.evictions_left_out,
    }


def _misses(run: FlashRun | None) -> dict[str, int] | None:
    return None if run is None else {"code": run.code_misses, "data": run.data_misses}
