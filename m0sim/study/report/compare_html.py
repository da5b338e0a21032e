"""The HTML report of ``m0sim compare``: one file that needs no network and no script."""

from __future__ import annotations

from itertools import zip_longest

from m0sim.study.learn.comparison import RECONSTRUCTION, Comparison
from m0sim.study.report import compare_data, compare_plots, pages
from m0sim.study.report.pages import PagePart


def page(comparison: Comparison) -> str:
    """The report: cycles and SRAM with their plots, and what flash adds."""
    drawn = pages.drawn(compare_plots.plots(comparison)).values()
    sheets = compare_data.sheets(comparison)
    heading = [f"{compare_data.heading(comparison)}. Ratios are to {comparison.base}."]
    if any(m.is_reconstruction for m in comparison.methods):
        heading.append(
            f'Methods marked "{RECONSTRUCTION}" are built from an abstract; none of this is a paper\'s number.'
        )
    return pages.page(
        title=f"m0sim compare: {comparison.network} on {comparison.profile}",
        heading=heading,
        parts=[PagePart(sheet.title, sheet, picture) for sheet, picture in zip_longest(sheets, drawn)],
        notes=compare_data.notes(comparison),
        provenance={k: v for k, v in compare_data.to_json(comparison).items() if k not in ("schema", "methods")},
    )
