"""A check's result as github-action-benchmark reads it, for ``tool: customSmallerIsBetter``."""

from __future__ import annotations

import json

from m0sim.check.formats import text
from m0sim.check.limits import unit_of
from m0sim.check.result import Result


def github(result: Result) -> str:
    """An array of ``{"name", "unit", "value", "extra"}``, four a bench and more a run; one that faulted has none."""
    entries = [
        {
            "name": f"{text.label(verdict) if figure == 'cycles' else verdict.name}: {figure}",
            "unit": unit_of(figure),
            "value": value,
            "extra": f"{verdict.figures.function} on {verdict.figures.profile}",
        }
        for verdict in result.verdicts
        if verdict.figures is not None
        for figure, value in verdict.figures.shown.items()
    ]
    return json.dumps(entries, indent=2) + "\n"
