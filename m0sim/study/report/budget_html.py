"""The HTML report of ``m0sim budget``: one file that needs no network and no script."""

from __future__ import annotations

from dataclasses import asdict

from m0sim.study.report import budget_data, budget_plots, pages
from m0sim.study.report.pages import PagePart
from m0sim.study.whatif.budget import Budget


def page(budget: Budget) -> str:
    """The report: its tables, then its pictures."""
    asked, said = budget.question, budget_data.to_json(budget)
    known = ("network", "weight_count", "macs", "data", "profile", "clock_hz", "solve")
    return pages.page(
        title=f"What fits: training {asked.found.name}",
        heading=[f"{budget_data.heading(budget)}."],
        parts=[
            *(PagePart(sheet.title, sheet) for sheet in budget_data.sheets(budget)),
            *pages.pictured(budget_plots.plots(budget)),
        ],
        notes=[("", note) for note in budget_data.notes(budget)],
        provenance={
            **{name: said.get(name) for name in known},
            "methods": asked.methods,
            "budgets": [room.text for room in asked.rooms],
            "knobs": asdict(asked.knobs),
            "stack_reserve": asked.stack_reserve or None,
        },
    )
