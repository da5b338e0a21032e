"""How wide the road is: accuracy on validation images at every learning shift, and with calibrations that are wrong.

Every method of a study is trained with several seeds at all of its learning shifts, and at the chosen one with each
wrong calibration, for as many epochs as the final runs. No test image is looked at. Where tuning was as long, its runs
are some of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from m0sim.study.learn import methods
from m0sim.study.learn.experiment.calibration import RIGHT, Calibration
from m0sim.study.learn.experiment.study import Chosen, RunResult, RunResults, Study, StudyEntry, key_of
from m0sim.study.learn.experiment.training import Task
from m0sim.study.learn.transfer import Transfer

POINTS = 2
"""Percentage points below a method's best that are still the road."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One learning shift with one calibration, seed by seed."""

    shift: int
    calibration: Calibration
    right: tuple[int, ...]
    """Right validation answers after the last epoch."""
    before: tuple[int, ...]
    """Those of the untouched backbone, rightly calibrated."""

    @property
    def total(self) -> int:
        return sum(self.right)

    @property
    def collapsed(self) -> int:
        """Seeds that collapsed: after the last epoch they have less than the untouched backbone."""
        return sum(right < before for right, before in zip(self.right, self.before, strict=True))


@dataclass(frozen=True, slots=True)
class Road:
    """One method at one task."""

    shifts: tuple[Trial, ...]
    """By learning shift, ascending."""
    calibrations: tuple[Trial, ...]
    """The wrong ones at the chosen shift; none of a method that is not calibrated."""
    images: int
    """Validation images."""

    @property
    def best(self) -> Trial:
        """The shift with the best mean of the seeds, the larger (slower) of equals."""
        return max(self.shifts, key=lambda trial: (trial.total, trial.shift))

    def is_within(self, trial: Trial) -> bool:
        """Whether the mean of the seeds is at most `POINTS` below the best one."""
        return 100 * (self.best.total - trial.total) <= POINTS * self.images * len(trial.right)

    @property
    def within(self) -> tuple[int, int]:
        """The least and the largest shift around the best one between which every tried shift is within `POINTS`."""
        tried = [trial.shift for trial in self.shifts]
        low = high = tried.index(self.best.shift)
        while low > 0 and self.is_within(self.shifts[low - 1]):
            low -= 1
        while high < len(tried) - 1 and self.is_within(self.shifts[high + 1]):
            high += 1
        return tried[low], tried[high]


def tasks(study: Study, chosen: Chosen) -> list[Task]:
    """All runs, each once; none where the study does not ask for them."""
    found = [
        task
        for what in study.tasks
        for entry in study.entries
        for group in (*_by_shift(study, entry, what), *_by_calibration(study, entry, what, chosen))
        for task in group
    ]
    return list({key_of(task): task for task in found}.values())


def road(study: Study, entry: StudyEntry, what: Transfer, chosen: Chosen, rows: RunResults) -> Road:
    """What the finished runs say of one method at one task."""
    by_shift = _by_shift(study, entry, what)
    before = tuple(row.before[0] for row in _rows(by_shift[0], rows))
    shifts = [_trial(group, before, rows) for group in by_shift]
    wrong = [_trial(group, before, rows) for group in _by_calibration(study, entry, what, chosen)]
    ascending = sorted(shifts, key=lambda trial: trial.shift)
    return Road(tuple(ascending), tuple(wrong), study.validation_images)


def _by_shift(study: Study, entry: StudyEntry, what: Transfer) -> list[list[Task]]:
    return [_seeds(study, entry, what, shift, RIGHT) for shift in entry.shifts] if study.robustness else []


def _by_calibration(study: Study, entry: StudyEntry, what: Transfer, chosen: Chosen) -> list[list[Task]]:
    if study.robustness is None or not methods.get(entry.setting.method).is_calibrated:
        return []
    shift = chosen[what, entry.setting.label]
    return [_seeds(study, entry, what, shift, wrong) for wrong in study.robustness.calibrations]


def _seeds(study: Study, entry: StudyEntry, what: Transfer, shift: int, calibration: Calibration) -> list[Task]:
    seeds = study.robustness.seeds if study.robustness else ()
    setting = replace(entry.setting, shift=shift)
    plain = [study.task(setting, what, seed, study.epochs) for seed in seeds]
    return [replace(task, test_images=None, calibration=calibration) for task in plain]


def _rows(group: Sequence[Task], rows: RunResults) -> list[RunResult]:
    return [rows[key_of(task)] for task in group]


def _trial(group: Sequence[Task], before: tuple[int, ...], rows: RunResults) -> Trial:
    right = tuple(row.right_validation[-1] for row in _rows(group, rows))
    return Trial(group[0].setting.shift, group[0].calibration, right, before)
