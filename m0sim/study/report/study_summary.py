"""A study in one table: a row a method, its tasks side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from m0sim.report.units import count, si
from m0sim.study.report.compare_data import Sheet
from m0sim.study.report.study_front import is_recommended
from m0sim.study.report.study_lines import named, tuned_labels
from m0sim.study.report.study_tasks import data_words, short, task_of, tasks_of

Values = Mapping[str, Any]

ORIGINS = (
    "No figure is a paper's. *: our reconstruction of a method that we know from its abstract. niti: the arithmetic of "
    "its public code, static shifts by our calibration. Ours: priot-s-head, priot-threshold, cool, sensitive and root."
)
"""For every caption: what is the papers', what is reconstruction, what is ours."""


def sheet(r: Values) -> Sheet:
    """The tuned settings, in the order of the study file."""
    tasks = tasks_of(r)
    unit = "\N{DEGREE SIGN}" if all(what.angle is not None for what in tasks) else ""
    by_task = [[f for f in r["finals"] if f["is_tuned"] and task_of(f) == what] for what in tasks]
    heads = [f"{short(what)}{unit}: {column}" for what in tasks for column in ("right, %", "regained, %", "old, %")]
    befores = "; ".join(
        f"{short(what)}{unit}: {_percent(found[0]['accuracy_before'])} % before, old task {_old_before(found[0])}"
        for what, found in zip(tasks, by_task, strict=True)
    )
    return Sheet(
        "all tasks side by side",
        f"{r['network']}, {data_words(r)}; test images after the last of {r['epochs']} epochs of {count(r['images'])} "
        f"images, {len(r['seeds'])} seeds: mean (worst seed). {befores}. Regained: the share of what the task took. "
        f"Old: on the images as the backbone knows them. Cycles a step, seconds and energy of the whole training on "
        f"{r['profile']} are estimated from measured steps: the mean of the tasks; SRAM is planned, "
        f"of the task that needs most. >: recommended for this network. "
        f"{ORIGINS}",
        ("method", *heads, "SRAM, KiB", "cycles a step", "seconds", "energy"),
        tuple(_row(r, label, by_task) for label in tuned_labels(r)),
    )


def _row(r: Values, label: str, by_task: Sequence[Sequence[Values]]) -> tuple[str, ...]:
    finals = [next(f for f in found if f["label"] == label) for found in by_task]
    first, steps = finals[0], r["epochs"] * r["images"]
    pairs = zip(finals, (found[0] for found in by_task), strict=True)
    cells = [cell for f, reference in pairs for cell in (_right(f), _regained(f, reference), _old(f))]
    cycles = sum(f["cycles"] for f in finals) / len(finals)
    joules = [f["energy_joules"] for f in finals]
    energy = "unknown" if None in joules else si(sum(joules) / len(joules), "J")
    return (
        f"{'> ' * is_recommended(r, first)}{named(first)}",
        *cells,
        _sram(finals),
        count(round(cycles / steps)),
        f"{cycles / r['clock_hz']:,.1f}",
        energy,
    )


def _sram(finals: Sequence[Values]) -> str:
    most = max(finals, key=lambda f: f["sram_bytes"])
    return f"{most['sram_bytes'] / 1024:.1f}{'' if most['fits'] else ' (does not fit)'}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _old_before(f: Values) -> str:
    return f"{_percent(f['accuracy_old_before'])} %" if f.get("old_images") else "not judged"


def _last(f: Values, which: str = "accuracy") -> list[float]:
    """After the last epoch, by seed. The spreads of the result are rounded, and rounding twice is not rounding."""
    return [epochs[-1] for epochs in f[which]]


def _mean(found: Sequence[float]) -> float:
    return sum(found) / len(found)


def _right(f: Values) -> str:
    return f"{_percent(_mean(_last(f)))} ({_percent(min(_last(f)))})"


def _regained(f: Values, reference: Values) -> str:
    """Of the way back from the untouched backbone's accuracy to what it has on the old task.

    Both are the first method's, alike for all rows: other calibrated shifts make a backbone a little better or worse.
    """
    before = reference["accuracy_before"]
    lost = reference["accuracy_old_before"] - before if reference.get("old_images") else 0
    return f"{100 * (_mean(_last(f)) - before) / lost:.0f}" if lost > 0 else "-"


def _old(f: Values) -> str:
    return _percent(_mean(_last(f, "accuracy_old"))) if f.get("old_last") else "-"
