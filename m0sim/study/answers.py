"""What the calls return: the data classes that everything else works with, as tables and as JSON objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from m0sim.errors import UsageError
from m0sim.study.learn import comparison
from m0sim.study.learn.experiment import training
from m0sim.study.learn.pretrain import Backbone
from m0sim.study.report import budget_data, compare_data, tables, train_data
from m0sim.study.report.tables import Row
from m0sim.study.whatif import budget


class Comparison(comparison.Comparison):
    """What `compare` found: `methods` has a `MethodResult` for each method, in the order of the reports."""

    def table(self) -> list[Row]:
        """One row a method: ``method``, ``cycles_mean``, ``phases_forward``, ``sram_total`` (bytes), ``ratio``, ..."""
        return tables.comparison(self)

    def to_dict(self) -> dict[str, Any]:
        """The object that ``m0sim compare --json`` prints."""
        return compare_data.to_json(self)


@dataclass(frozen=True)
class Training(training.Training):
    """What `train` found: `progress` has the learned arrays and an `Epoch` for each that was finished."""

    learned: Backbone | None = None
    """The network as it is now, which the other calls take; None of a method in float."""

    def table(self) -> list[Row]:
        """One row an epoch, 0 being the untouched backbone: ``epoch``, ``accuracy`` (share of the test images),
        ``accuracy_validation``, ``accuracy_old`` (on the old task: None but for the last and the chosen epoch),
        ``cycles`` (of all steps so far), ``seconds``, ``energy_joules``, and ``pruned_0``, ... (edges of each layer) of
        methods that prune."""
        return tables.training(self)

    def to_dict(self) -> dict[str, Any]:
        """The object that ``m0sim train --json`` prints."""
        return train_data.to_json(self)


class Budget(budget.Budget):
    """What `budget` found: `rows` has a `BudgetRow` for each method in each budget."""

    def table(self, which: Literal["asked", "best", "solution"] = "asked") -> list[Row]:
        """One row for each method in each budget: ``method``, ``room``, ``fits``, ``needed_bytes``, ``cycles``, ...

        `which`: what was asked for, the best that fits, or the most of the knob that was solved for. Where none fits
        only method, room and its size are not None. Raises UsageError for a solution without solve.
        """
        if which not in ("asked", "best", "solution"):
            raise UsageError(f"table({which!r}): there are asked, best and solution")
        if which == "solution" and self.question.solve is None:
            raise UsageError("nothing was solved for: give budget(..., solve='fraction'), 'width' or 'layers'")
        return tables.budget(self, which)

    def to_dict(self) -> dict[str, Any]:
        """The object that ``m0sim budget --json`` prints."""
        return budget_data.to_json(self)
