"""The HTML report of ``m0sim study``: one file that needs no network and no script, from what study.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m0sim.study.report import pages, robustness_plots, study_data, study_front, study_plots
from m0sim.study.report.pages import PagePart
from m0sim.study.report.study_summary import ORIGINS
from m0sim.study.report.study_tasks import data_words, place, tasks_of

Values = dict[str, Any]


def page(result: Values) -> str:
    """The report: every table, below it the plot that shows the same."""
    plots = study_plots.plots(result) | study_front.plots(result) | robustness_plots.plots(result)
    drawn = pages.drawn(plots)
    return pages.page(
        title=f"A study: {result['network']} learns {result['data']}",
        heading=[f"{study_data.heading(result)}.", ORIGINS],
        parts=[PagePart(sheet.title, sheet, drawn.get(name)) for sheet, name in study_data.pictured(result)],
        notes=_notes(result),
        provenance=_provenance(result),
    )


def _notes(result: Values) -> list[tuple[str, str]]:
    said = [f"{data_words(result)}: no figure is comparable with one on other images."] if result.get("note") else []
    if result["finals"]:
        said.append(
            "Cycles, seconds and energy are estimated from steps that were measured on the simulated chip; SRAM is "
            "planned, with the stack. Accuracy is the golden model's, which the chip equals byte for byte."
        )
    return [("", text) for text in said]


def _provenance(result: Values) -> Mapping[str, Any]:
    left_out = ("schema", "tuning", "finals", "gaps", "robustness", "angles", "tasks")
    found = {name: value for name, value in result.items() if name not in left_out}
    road = result.get("robustness") or {}
    return {
        **found,
        "tasks": [place(what) for what in tasks_of(result)],
        "methods": list(dict.fromkeys(entry["label"] for entry in result["tuning"])),
        "method code": {e["method"]: e["method_code"] for e in result["finals"] if e.get("method_code")},
        "robustness": {"seeds": road.get("seeds"), "calibrations": road.get("calibrations")},
    }
