"""A sweep's results as JSON (docs/json.md), and as the tables that text and HTML share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from m0sim.report.cost_json import SCHEMA
from m0sim.report.units import count, kib
from m0sim.study.learn.comparison import RECONSTRUCTION
from m0sim.study.learn.methods import is_reconstruction
from m0sim.study.report.compare_data import Sheet
from m0sim.study.report.front_plot import PlottedPoint, front
from m0sim.study.whatif import results
from m0sim.study.whatif.grid import Constraints
from m0sim.study.whatif.results import SweepRow
from m0sim.study.whatif.sweep import Finished


def to_json(constraints: Constraints, finished: Finished) -> dict[str, Any]:
    """The object that ``m0sim sweep --json`` prints."""
    by_status = dict.fromkeys((results.MEASURED, results.FAILED, results.TOO_LARGE), 0)
    for row in finished.rows:
        by_status[row["status"]] += 1
    return {
        "schema": SCHEMA,
        "points": finished.points,
        "finished": len(finished.rows),
        "measured": by_status[results.MEASURED],
        "failed": by_status[results.FAILED],
        "too_large": by_status[results.TOO_LARGE],
        "best": [{"sram_bytes": budget, **row} for budget, row in results.best(finished.rows, constraints)],
        "front": front_rows(finished.rows),
        "failures": [{"key": row["key"], "reason": row["reason"]} for row in failures(finished.rows)],
    }


def front_rows(rows: Sequence[SweepRow]) -> list[SweepRow]:
    """The measured rows that no other beats, network by network, least SRAM first."""
    found = []
    for network in dict.fromkeys(row["network"] for row in rows):
        own = {row["key"]: row for row in rows if row["network"] == network and row["status"] == results.MEASURED}
        found += [own[point.key] for point in front([point_of(row) for row in own.values()])]
    return found


def point_of(row: SweepRow) -> PlottedPoint:
    """A measured row as a point of the plot."""
    fraction = "" if row["fraction"] is None else f", {100 * row['fraction']:.3g} %"
    width = "" if row["width"] == 1 else f", x{row['width']:g}"
    label = f"{row['trained']}/{row['layers']}{fraction}{width}"
    need, cycles = row["needed_bytes"], float(row["cycles"])
    return PlottedPoint(row["method"], label, need, cycles, row["trained"], row["accuracy"], row["key"])


def failures(rows: Sequence[SweepRow]) -> list[SweepRow]:
    """The rows with a reason instead of figures."""
    return [row for row in rows if row["status"] == results.FAILED]


def heading(finished: Finished) -> str:
    """One line: how much of the sweep there is."""
    rows = finished.rows
    counts = {status: sum(row["status"] == status for row in rows) for status in (results.FAILED, results.TOO_LARGE)}
    said = [f"{count(n)} {status}" for status, n in counts.items() if n]
    words = f"{count(len(rows))} of {count(finished.points)} points" + "".join(f", {part}" for part in said)
    return f"sweep: {words}"


def sheets(constraints: Constraints, finished: Finished) -> tuple[Sheet, ...]:
    """The best of each budget, the front, and what failed."""
    limit = constraints.cycles
    among = "" if limit is None else f" Of those that take at most {count(limit)} cycles a step."
    found = []
    if constraints.sram:
        best = [(f"{budget / 1024:,.10g}", row) for budget, row in results.best(finished.rows, constraints)]
        words = "The highest accuracy where it is known, then the most layers that learn, the largest share of scored "
        words += f"edges, the fewest cycles with what flash adds.{among}"
        found.append(Sheet("the best in each budget", words, ("budget, KiB", *_COLUMNS), _rows(best)))
    shown = [(str(row["network"]), row) for row in front_rows(finished.rows)]
    words = "No other configuration of the network needs as little SRAM and as few cycles and learns as well: by "
    words += "accuracy where it is known, then by the number of layers. Cycles: measured, zero wait states."
    found.append(Sheet("the front", words, ("network", *_COLUMNS), _rows(shown)))
    failed = [(str(r["method"]), str(r["network"]), str(r["reason"])) for r in failures(finished.rows)]
    if failed:
        found.append(
            Sheet(
                "failed", "Left as they are; --retry runs them again.", ("method", "network", "reason"), tuple(failed)
            )
        )
    return tuple(found)


_COLUMNS = (
    *("method", "layers", "scored", "mask", "scratch", "weights", "width", "profile", "seed"),
    *("needed, KiB", "cycles", "flash (est.)", "accuracy"),
)


def _rows(named: Sequence[tuple[str, SweepRow]]) -> tuple[tuple[str, ...], ...]:
    return tuple((name, *_cells(row)) for name, row in named)


def _cells(row: SweepRow) -> tuple[str, ...]:
    extra, accuracy = row["flash_estimate_cycles"], row["accuracy"]
    return (
        row["method"],
        f"{row['trained']} of {row['layers']}",
        "-" if row["fraction"] is None else f"{100 * row['fraction']:.3g} %",
        row["mask"] or "-",
        row["scratch"] or "-",
        row["weights"] or "-",
        f"{row['width']:g}",
        row["profile"],
        str(row["seed"]),
        kib(row["needed_bytes"]),
        count(row["cycles"]),
        "-" if extra is None else count(round(extra)),
        "-" if accuracy is None else f"{100 * accuracy:.2f} %",
    )


def notes(finished: Finished) -> tuple[str, ...]:
    """What a reader of the figures must know."""
    names = [name for name in dict.fromkeys(row["method"] for row in finished.rows) if is_reconstruction(name)]
    said = f"{', '.join(names)}: {RECONSTRUCTION}; none of this is a paper's number."
    return (said,) if names else ()
