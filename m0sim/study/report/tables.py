"""Results as rows for a data frame: flat dictionaries of numbers and words, every row with the same keys.

``pandas.DataFrame(rows)``, ``polars.DataFrame(rows)`` and ``pyarrow.Table.from_pylist(rows)`` take them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from m0sim.report import cost_json
from m0sim.study.learn.comparison import Comparison
from m0sim.study.learn.experiment.training import Epoch, Training, accuracy
from m0sim.study.report import budget_data, compare_data
from m0sim.study.whatif.budget import Budget

Row = dict[str, int | float | str | bool | None]


def comparison(result: Comparison) -> list[Row]:
    """One row a method: what ``methods`` of its JSON holds, names within names joined by ``_``."""
    return _flat(compare_data.to_json(result)["methods"])


def training(result: Training) -> list[Row]:
    """One row an epoch, the first (epoch 0) before any: shares of right answers, and the cost of all steps so far."""
    chip, is_known = result.task.profile, result.task.engine == "device" or result.task.measured > 0
    rows = []
    for number, epoch in enumerate((Epoch(*result.before, 0, ()), *result.progress.epochs)):
        cycles = epoch.cycles if is_known else None
        row: dict[str, Any] = {
            "epoch": number,
            "accuracy_validation": accuracy(epoch.right_validation, result.validation),
            "accuracy": accuracy(epoch.right_test, result.test),
            "cycles": cycles,
            "seconds": None if cycles is None else chip.seconds(cycles),
            "energy_joules": cost_json.energy(None if cycles is None else chip.energy_use(cycles))["energy_joules"],
        }
        rows.append(row | {f"pruned_{layer}": count for layer, count in enumerate(epoch.pruned)})
    return _flat(rows)


def budget(result: Budget, which: str) -> list[Row]:
    """One row for each method in each budget: what was ``asked``, the ``best`` that fits, or the ``solution``.

    Where nothing fits all but method, room and size of the budget is None.
    """
    found = budget_data.to_json(result)["rows"]
    rows = []
    for plain, row in zip(result.rows, found, strict=True):
        asked = {key: value for key, value in row.items() if key not in ("best", "solution")}
        chosen = asked if which == "asked" else row[which] or {}
        names = {"method": asked["method"], "room": plain.asked.room.text, "sram_bytes": asked["sram_bytes"]}
        rows.append(names | chosen)
    return _flat(rows)


def _flat(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Without lists, which are not for a table."""
    flat = [_row(row) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row)
    return [{name: row.get(name) for name in names} for row in flat]


def _row(nested: Mapping[str, Any], prefix: str = "") -> Row:
    row: Row = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            row |= _row(value, f"{prefix}{name}_")
        elif not isinstance(value, list):
            row[prefix + name] = value
    return row
