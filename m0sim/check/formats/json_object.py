"""A check's result as one JSON object. The names are fixed: other people's scripts read them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from m0sim import files
from m0sim.check import baseline
from m0sim.check.assembly import assembly
from m0sim.check.figures import NUMBERS, Figures, InstructionRow
from m0sim.check.growth import Fit, Growth
from m0sim.check.result import Result
from m0sim.check.verdict import Verdict, summary
from m0sim.check.where import FunctionChange, Where
from m0sim.report.cost_json import SCHEMA

_FIGURES = ("function", "profile", "flash", "wait_states", *NUMBERS, "executed_bytes")


def json_text(result: Result) -> str:
    """The object as text."""
    return files.json_text(to_object(result))


def to_object(result: Result) -> dict[str, Any]:
    """The object of docs/check.md."""
    return {
        "schema": SCHEMA,
        "benches": [_bench(verdict) for verdict in result.verdicts],
        "growth": [_growth(growth) for growth in result.growths],
        "summary": summary(result.verdicts),
        "notes": list(result.notes),
    }


def _bench(verdict: Verdict) -> dict[str, Any]:
    failure = verdict.failure
    return {
        "name": verdict.name,
        "status": verdict.status,
        **_figures(verdict.figures),
        "baseline": None if verdict.baseline is None else verdict.baseline.cycles,
        "before": None if verdict.baseline is None else _figures(verdict.baseline),
        "limits": [
            {"name": check.name, "limit": check.limit, "value": check.value, "exceeded": check.exceeded}
            for check in verdict.checks
        ],
        "sizes": [asdict(change) for change in verdict.sizes],
        "where": None if verdict.where is None else _where(verdict.where),
        "failure": None if failure is None else {"kind": failure.kind, "text": failure.text},
        "fault": None if failure is None else failure.fault,
        "warnings": list(verdict.warnings),
    }


def _growth(growth: Growth) -> dict[str, Any]:
    before = None if growth.before is None else _fit(growth.before)
    return {"name": growth.family, "axis": growth.axis, "held": dict(growth.held), **_fit(growth.fit), "before": before}


def _fit(fit: Fit) -> dict[str, Any]:
    return {
        "sizes": [size for size, _ in fit.points],
        "cycles": [cycles for _, cycles in fit.points],
        "kind": fit.kind,
        "formula": fit.formula or None,
        "exact": fit.is_exact,
        "off": fit.off,
        "also": list(fit.also),
    }


def _figures(figures: Figures | None) -> dict[str, Any]:
    found = {name: None if figures is None else getattr(figures, name) for name in _FIGURES}
    return found | {"run": None if figures is None or figures.run is None else baseline.run_object(figures.run)}


def _where(where: Where) -> dict[str, Any]:
    return {
        "functions": [_function(function) for function in where.functions],
        "sources": [asdict(source) for source in where.sources],
    }


def _function(function: FunctionChange) -> dict[str, Any]:
    return {
        "name": function.name,
        "old": function.old,
        "new": function.new,
        "lines": [asdict(line) for line in function.lines],
        "instructions": [[{"old": _row(old), "new": _row(new)} for old, new in hunk] for hunk in function.hunks],
    }


def _row(row: InstructionRow | None) -> dict[str, Any] | None:
    return None if row is None else {**asdict(row), "assembly": assembly(row)}
