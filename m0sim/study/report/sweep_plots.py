"""The pictures of ``m0sim sweep``: SRAM against cycles, one for each network."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

from m0sim.study.report import drawing, front_plot
from m0sim.study.report.drawing import Plot
from m0sim.study.report.sweep_data import point_of
from m0sim.study.whatif import results
from m0sim.study.whatif.sweep import Finished


def plots(finished: Finished) -> dict[str, tuple[str, Plot]]:
    """By name: what the picture shows, and the function that draws it."""
    measured = [row for row in finished.rows if row["status"] == results.MEASURED]
    found: dict[str, tuple[str, Plot]] = {}
    for network in dict.fromkeys(row["network"] for row in measured):
        points = [point_of(row) for row in measured if row["network"] == network]
        title = f"{network}: SRAM against cycles"
        found[f"front-{network}"] = (f"SRAM against cycles: {network}", partial(front_plot.draw, points, title))
    return found


def left_over(folder: Path, drawn: Collection[str]) -> list[Path]:
    """The pictures of other sweeps that are in a folder."""
    found = [path for kind in ("png", "svg") for path in folder.glob(f"front-*.{kind}")]
    return [path for path in found if path.name not in drawn]


def files(finished: Finished) -> dict[str, bytes]:
    """File name to contents: front-NETWORK, as PNG and SVG."""
    return drawing.files(plots(finished))
