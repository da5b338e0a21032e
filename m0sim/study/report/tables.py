"""Results as rows for a data frame: flat dictionaries of numbers and words, every row with the same keys.

``pandas.DataFrame(rows)``, ``polars.DataFrame(rows)`` and ``pyarrow.Table.from_pylist(rows)`` take them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from m0sim.report import cost_json
from m0sim.study.learn.comparison import Comparison
from m0sim.study.learn.experiment.training import Epoch, Training, accuracy, known_accuracy
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
    before = Epoch(*result.before, 0, (), result.before_old if result.old else None)
    for number, epoch in enumerate((before, *result.progress.epochs)):
        cycles = epoch.cycles if is_known else None
        row: dict[str, Any] = {
            "epoch": number,
            "accuracy_validation": accuracy(epoch.right_validation, result.validation),
            "accuracy": known_accuracy(epoch.right_test, result.test),
            "accuracy_old": known_accuracy(epoch.right_old, result.old),
            "cycles": cycles,
            "seconds": None if cycles is None else chip.seconds(cycles),
            "energy_joules": cost_json.energy(None if cycles is None else chip.energy_use(cycles))["energy_joules"],
        }
        rows.append(row | {f"pruned_{layer}": count for layer, count in enumerate(epoch.pruned)})
    return _flat(rows)


def budget(result: Budget, which: str) -> list[Row]:
    """One row for each method in each budget: what was ``asked``, the ``best`` that fits, or the ``solution``.

    Where nothing fits all but the method, the room as it was typed and its bytes is None.
    """
    found = []
    for plain, row in zip(result.rows, budget_data.to_json(result)["rows"], strict=True):
        answer = row if which == "asked" else row[which] or {}
        names = {"method": row["method"], "room": plain.asked.room.text, "sram_bytes": row["sram_bytes"]}
        found.append(names | {key: value for key, value in answer.items() if key not in _NO_COLUMNS})
    kinds = dict.fromkeys(kind for row in found for kind in row.get("sram_by_kind", {}))
    for row in found:
        if "sram_by_kind" in row:
            row["sram_by_kind"] = {kind: row["sram_by_kind"].get(kind, 0) for kind in kinds}
    return _flat(found)


_NO_COLUMNS = ("best", "solution", "banks", "cycles_of_steps")


def _flat(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    flat = [_row(row) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row)
    return [{name: row.get(name) for name in names} for row in flat]


def _row(nested: Mapping[str, Any], prefix: str = "") -> Row:
    row: Row = {}
    for name, value in nested.items():
        column = prefix + name.replace(" ", "_")
        row |= _row(value, f"{column}_") if isinstance(value, Mapping) else {column: value}
    return row
