"""What the state machines of PIO did in a run, from what the native core counted of each."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from m0sim.chip.run_cost import MachineCost

_EXECUTED, _DELAYED = 0, 7
_WAITED = {
    1: "a word in TX",
    2: "room in RX",
    3: "a pin",
    4: "an IRQ flag",
    5: "its IRQ flag to be cleared",
    6: "the OSR to be filled",
}
"""By number in `enum m0_pio_doing`."""
_PER_BLOCK = 4


def machines(counts: npt.NDArray[Any], before: npt.NDArray[Any] | None) -> tuple[MachineCost, ...]:
    """Those that were enabled, or moved a word, since `before`: rows of `layout.PIO_COUNTS`, by number."""
    found = []
    for number, row in enumerate(counts):
        since = {
            name: row[name] if before is None else row[name] - before[number][name] for name in counts.dtype.names or ()
        }
        cost = _machine(f"PIO{number // _PER_BLOCK} SM{number % _PER_BLOCK}", since)
        if cost.enabled_cycles or cost.written or cost.written_full or cost.pulled or cost.pushed or cost.read_empty:
            found.append(cost)
    return tuple(found)


def _machine(name: str, row: dict[str, Any]) -> MachineCost:
    steps = row["steps"].tolist()
    waited = [(what, steps[number]) for number, what in _WAITED.items() if steps[number]]
    return MachineCost(
        name=name,
        enabled_cycles=int(row["enabled"]),
        steps=sum(steps),
        executed=steps[_EXECUTED],
        delayed=steps[_DELAYED],
        waited=tuple(sorted(waited, key=lambda each: -each[1])),
        **{each: int(row[each]) for each in ("written", "pulled", "pushed", "read")},
        **{each: int(row[each]) for each in ("written_full", "pushed_full", "read_empty")},
    )
