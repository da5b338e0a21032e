"""What the flash cache adds, for people and for scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from m0sim.chip.flash_cost import Eviction, FlashCost, FlashRun, FlashWaits
from m0sim.report.units import count

_MAX_EVICTIONS = 5
_IN_CYCLES = {"ideal": "in none of the figures above", "cold": "cold is in the cycles", "warm": "warm is in the cycles"}


def lines(flash: FlashCost) -> list[str]:
    """The report in sentences, one a line."""
    if flash.cold is None and flash.warm is None and flash.model == "ideal":
        return ["flash waits, which is in none of the figures above: --flash cold or --flash warm counts it"]
    return [*(_cache_lines(flash) if flash.waits is None else _wait_lines(flash, flash.waits)), *_bus_lines(flash)]


def _bus_lines(flash: FlashCost) -> list[str]:
    cycles = 0 if flash.counted is None else flash.counted.bus_cycles
    more = "1 cycle" if cycles == 1 else f"{count(cycles)} cycles"
    return [f"peripheral bus: {more} more; {_is_in(flash)}"] if cycles else []


def _is_in(flash: FlashCost) -> str:
    return "in none of the figures above" if flash.model == "ideal" else "they are in the cycles"


def _wait_lines(flash: FlashCost, waits: FlashWaits) -> list[str]:
    run = flash.counted
    if run is None:
        return []
    how = "exact" if waits.is_exact else "an estimate"
    states = f"{waits.states} wait state" + "s" * (waits.states != 1)
    words = f"{count(run.code_misses)} reads of code and {count(run.data_misses)} of data waited"
    first = f"flash with {states}, {how}: {count(run.cycles)} cycles more, {words}; {_is_in(flash)}"
    return [first, f"  ({waits.source})"]


def _cache_lines(flash: FlashCost) -> list[str]:
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
        "waits": None if flash.waits is None else {"cycles": flash.cold_cycles, **asdict(flash.waits)},
        "bus_cycles": 0 if flash.counted is None else flash.counted.bus_cycles,
        "evictions": [asdict(pair) for pair in flash.evictions],
        "evictions_left_out": 0 if flash.counted is None else flash.counted.evictions_left_out,
    }


def _misses(run: FlashRun | None) -> dict[str, int] | None:
    return None if run is None else {"code": run.code_misses, "data": run.data_misses}
