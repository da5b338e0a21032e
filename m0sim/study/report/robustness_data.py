"""How wide the road is, as JSON and as tables: what `experiment.robustness` finds of every method and task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from m0sim.report.units import count
from m0sim.study.learn import methods
from m0sim.study.learn.comparison import RECONSTRUCTION
from m0sim.study.learn.experiment import robustness
from m0sim.study.learn.experiment.robustness import POINTS, Road, Trial
from m0sim.study.learn.experiment.study import Chosen, RunResults, Study, StudyEntry, spread
from m0sim.study.learn.experiment.training import accuracy
from m0sim.study.learn.methods import is_reconstruction
from m0sim.study.learn.transfer import Transfer
from m0sim.study.report import study_tasks
from m0sim.study.report.compare_data import Sheet
from m0sim.study.report.study_tasks import data_words, heads, short, task_of

Values = dict[str, Any]

COLLAPSE = "after the last epoch fewer validation images are right than with the untouched backbone, rightly calibrated"


def result(study: Study, chosen: Chosen, rows: RunResults) -> Values | None:
    """What study.json has under ``robustness``; None where the study does not ask for it."""
    asked = study.robustness
    if asked is None:
        return None
    return {
        "seeds": list(asked.seeds),
        "calibrations": [wrong.title for wrong in asked.calibrations],
        "points": POINTS,
        "collapse": COLLAPSE,
        "roads": [_road(study, entry, what, chosen, rows) for what in study.tasks for entry in study.entries],
    }


def _road(study: Study, entry: StudyEntry, what: Transfer, chosen: Chosen, rows: RunResults) -> Values:
    road = robustness.road(study, entry, what, chosen, rows)
    low, high = road.within
    tried = [trial.shift for trial in road.shifts]
    return {
        **study_tasks.to_json(what),
        "method": entry.setting.method,
        "label": _label(study, entry),
        "options": dict(entry.setting.options),
        "is_reconstruction": is_reconstruction(entry.setting.method),
        "is_calibrated": methods.get(entry.setting.method).is_calibrated,
        "chosen_shift": chosen[what, entry.setting.label],
        "accuracy_before": [accuracy(n, road.images) for n in road.shifts[0].before],
        "best_shift": road.best.shift,
        "low_shift": low,
        "high_shift": high,
        "width_bits": high - low,
        "is_low_open": low == tried[0],
        "is_high_open": high == tried[-1],
        "shifts": [{"shift": trial.shift, **_trial(road, trial)} for trial in road.shifts],
        "calibrations": [{"calibration": t.calibration.title, **_trial(road, t)} for t in road.calibrations],
    }


def _seeds(found: Values) -> str:
    count = len(found["seeds"])
    return f"mean of {count} seeds" if count > 1 else "one seed"


def _label(study: Study, entry: StudyEntry) -> str:
    """Without the tuned options where that tells the methods apart, as it does of all that have final runs."""
    labels = [other.label for other in study.entries]
    return entry.label if labels.count(entry.label) == 1 else entry.setting.label


def _trial(road: Road, trial: Trial) -> Values:
    found = [accuracy(n, road.images) for n in trial.right]
    below = 100 * (road.best.total - trial.total) / (road.images * len(trial.right))
    return {
        "accuracy_validation": found,
        "spread": spread(found),
        "points_below_best": round(below, 4),
        "is_within": road.is_within(trial),
        "collapsed": trial.collapsed,
    }


# Tables


def sheets(r: Mapping[str, Any]) -> list[Sheet]:
    """The tables of a study's result; none where it has no such runs."""
    found = r.get("robustness")
    if not found:
        return []
    wrong = [_wrong_sheet(r, found)] if found["calibrations"] else []
    return [_road_sheet(r, found), *wrong]


def _road_sheet(r: Mapping[str, Any], found: Values) -> Sheet:
    return Sheet(
        "how wide the road is",
        f"{r['network']}, {data_words(r)}. "
        f"Validation accuracy after the last of {r['epochs']} epochs, {_seeds(found)}; "
        f"{count(r['validation_images'])} images. Within: the learning shifts around the best one whose mean is at "
        f"most {found['points']} points below it, and how many bits they are apart; <= and >= where no shift beyond "
        f"was tried. Collapsed: seeds with which {found['collapse']}; at the chosen shift, and of the runs at all "
        f"shifts. *: {RECONSTRUCTION}.",
        ("method", heads(r)[1], "best shift", "best, %", "chosen", "within", "bits", "collapsed", "at all shifts"),
        tuple(_road_row(road) for road in found["roads"]),
    )


def _road_row(road: Values) -> tuple[str, ...]:
    by_shift = {trial["shift"]: trial for trial in road["shifts"]}
    seeds = len(road["accuracy_before"])
    chosen = by_shift[road["chosen_shift"]]
    all_collapsed = sum(trial["collapsed"] for trial in road["shifts"])
    return (
        _name(road),
        short(task_of(road)),
        f"{road['best_shift']:+d}",
        f"{100 * by_shift[road['best_shift']]['spread']['mean']:.1f}",
        f"{road['chosen_shift']:+d}",
        _within(road),
        f"{'>= ' * (road['is_low_open'] or road['is_high_open'])}{road['width_bits']}",
        f"{chosen['collapsed']} of {seeds}",
        f"{all_collapsed} of {seeds * len(road['shifts'])}",
    )


def _within(road: Values) -> str:
    """``-3 to +1`` or ``-1``; with <= or >= where the shifts that were tried end there."""
    low = f"{'<= ' * road['is_low_open']}{road['low_shift']:+d}"
    high = f"{'>= ' * road['is_high_open']}{road['high_shift']:+d}"
    return low if low == high else f"{low} to {high}"


def _wrong_sheet(r: Mapping[str, Any], found: Values) -> Sheet:
    return Sheet(
        "wrong calibrations",
        f"Points below the method's best mean at any shift, at the chosen shift, {_seeds(found)}; "
        f"in brackets the seeds with which it collapsed: {found['collapse']}. Within: calibrations at most "
        f"{found['points']} points below. upright: calibrated on the same images before the task changes them; "
        "images:N: on the first N images; off, forward, backward, update: all static shifts, or those of the "
        f"accumulators, errors or updates, are so much larger than calibrated. *: {RECONSTRUCTION}.",
        ("method", heads(r)[1], "within", *found["calibrations"]),
        tuple(_wrong_row(road, len(found["calibrations"])) for road in found["roads"]),
    )


def _wrong_row(road: Values, width: int) -> tuple[str, ...]:
    trials: Sequence[Values] = road["calibrations"]
    if not road["is_calibrated"]:
        return (_name(road), short(task_of(road)), "not calibrated", *("-" for _ in range(width)))
    within = sum(trial["is_within"] for trial in trials)
    cells = [f"{trial['points_below_best']:.1f}{_brackets(trial)}" for trial in trials]
    return (_name(road), short(task_of(road)), f"{within} of {width}", *cells)


def _brackets(trial: Values) -> str:
    return f" ({trial['collapsed']})" if trial["collapsed"] else ""


def _name(road: Values) -> str:
    return f"{road['label']}{'*' * road['is_reconstruction']}"
