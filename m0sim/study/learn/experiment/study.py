"""Many runs side by side: every method tuned on the validation images, then judged on the test images.

Tuning runs one seed (or more) of every method at each of its learning shifts and never sees a test image. The shift
with the best validation accuracy after the last epoch is chosen for each task, the larger of equals: it is the slower
one. The final runs use that shift and, beside it, the untuned setting: shift 0 and defaults for whatever else is tuned.
All runs use the golden engine; the first seed of each final setting measures cycles.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from m0sim.chip.device import Device
from m0sim.chip.options import Engine
from m0sim.study.learn import methods, network_files, sources
from m0sim.study.learn.experiment.calibration import Calibration
from m0sim.study.learn.experiment.setting import Setting
from m0sim.study.learn.experiment.training import MEASURED_STEPS, Task, Training, TrainingRun
from m0sim.study.learn.network_files import Found, Given
from m0sim.study.learn.sources import DataSource, FileOptions
from m0sim.study.learn.transfer import Transfer

Chosen = Mapping[tuple[Transfer, str], int]
"""Learning shifts by task and label of the setting."""

UNTUNED = 0
"""The learning shift of the untuned setting."""


@dataclass(frozen=True, slots=True)
class StudyEntry:
    """A method with its options and the learning shifts that are tried."""

    setting: Setting
    shifts: tuple[int, ...]
    has_untuned: bool = True
    """Whether the untuned setting gets final runs as well."""

    @property
    def label(self) -> str:
        """Of the method without its tuned options."""
        return self.plain.label

    @property
    def plain(self) -> Setting:
        """The untuned setting."""
        known = methods.get(self.setting.method).options
        kept = {name: value for name, value in self.setting.options.items() if not known[name].is_tuned}
        return Setting(self.setting.method, UNTUNED, kept)


@dataclass(frozen=True, slots=True)
class Robustness:
    """What is asked about how wide the road is; `robustness` says more."""

    seeds: tuple[int, ...]
    calibrations: tuple[Calibration, ...]
    """Wrong ones."""


@dataclass(frozen=True)
class Study:
    """What a study file says."""

    network: Given
    data: str
    entries: tuple[StudyEntry, ...]
    tasks: tuple[Transfer, ...]
    """The transfer tasks."""
    seeds: tuple[int, ...]
    """Of the final runs; none: tuning only."""
    images: int
    epochs: int
    validation_images: int
    test_images: int
    tuning_epochs: int
    tuning_seeds: tuple[int, ...]
    profile: Device
    note: str = ""
    """What a reader must know of the data, such as that images are JPEG copies; every table and plot says it."""
    data_dir: Path | None = None
    data_options: FileOptions = field(default_factory=FileOptions)
    """How a file of data is read and divided."""
    chip_engine: Engine = "unicorn"
    """What executes the steps that are measured; the results are the same."""
    robustness: Robustness | None = None
    """None: not asked."""

    @cached_property
    def found(self) -> Found:
        """The network with its backbone, which other processes get by value."""
        return network_files.of(self.network)

    @property
    def source(self) -> DataSource:
        """Where the images are from."""
        return DataSource(self.data, self.data_dir, self.data_options)

    def task(self, setting: Setting, what: Transfer, seed: int, epochs: int) -> Task:
        """One run. The files of data must be those that this process has read."""
        return Task(
            network=self.found,
            data=self.data,
            setting=setting,
            data_dir=self.data_dir,
            transfer=what,
            data_options=self.data_options,
            data_hashes=sources.known(replace(self.source, place=what.file)).hashes,
            seed=seed,
            images=self.images,
            epochs=epochs,
            validation_images=self.validation_images,
            test_images=self.test_images,
            engine="golden",
            measured=0,
            chip_engine=self.chip_engine,
            profile=self.profile,
        )

    def tuning(self) -> list[Task]:
        """All tuning runs."""
        return [task for what in self.tasks for entry in self.entries for task in self.tries(entry, what)]

    def tries(self, entry: StudyEntry, what: Transfer) -> list[Task]:
        """The tuning runs of one method at one task, shift by shift."""
        return [
            replace(self.task(replace(entry.setting, shift=shift), what, seed, self.tuning_epochs), test_images=None)
            for shift in entry.shifts
            for seed in self.tuning_seeds
        ]

    def finals(self, chosen: Chosen) -> list[Task]:
        """All final runs, given the shift of every (task, label): the tuned ones first, seed by seed."""
        tuned, untuned = [], []
        for seed in self.seeds:
            for what in self.tasks:
                for entry in self.entries:
                    setting = replace(entry.setting, shift=chosen[what, entry.setting.label])
                    tuned.append(self.final(setting, what, seed))
                    if entry.has_untuned:
                        untuned.append(self.final(entry.plain, what, seed))
        return list({key_of(task): task for task in [*tuned, *untuned]}.values())

    def final(self, setting: Setting, what: Transfer, seed: int) -> Task:
        """The final run of a setting; that of the first seed measures cycles."""
        measured = MEASURED_STEPS if seed == self.seeds[0] else 0
        return replace(self.task(setting, what, seed, self.epochs), measured=measured)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run gave; integers only, so that a result is the same on every machine."""

    right_validation: tuple[int, ...]
    """After each epoch."""
    right_test: tuple[int | None, ...]
    """None after the epochs that the test images did not judge: all but the last one and the chosen one."""
    before: tuple[int, int]
    """Of the untouched backbone: right answers of (validation, test)."""
    start: tuple[int, int | None]
    cycles: tuple[int, ...]
    """Of all steps until the end of each epoch; zeros where they were not measured."""
    pruned: tuple[int, ...]
    """Edges by layer after the last epoch."""
    sram_bytes: int
    fits: bool
    right_old: tuple[int | None, ...] = ()
    """On the old task, of the epochs that `right_test` has; empty in a journal from before it was asked."""
    before_old: int = 0
    """Of the untouched backbone."""
    old_images: int = 0
    """Images of the old task; 0 where there are none."""

    def as_json(self) -> dict[str, Any]:
        """As one journal line has it."""
        return {name: getattr(self, name) for name in RunResult.__slots__}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> RunResult:
        """The inverse of `as_json`. Raises ValueError or TypeError for what that never makes."""
        read: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        made = RunResult(**read)
        if type(made.fits) is not bool or {type(read.get(name, 0)) for name in _SINGLE} != {int}:
            raise ValueError("fits or a single count is of another type")
        for name in _LISTS:
            kinds = {int, type(None)} if name in _UNJUDGED else {int}
            if not isinstance(getattr(made, name), tuple) or not {type(item) for item in getattr(made, name)} <= kinds:
                raise ValueError(f"{name} is no list of counts")
        count = len(made.right_validation)
        if not count or len(made.right_test) != count or len(made.cycles) != count:
            raise ValueError("not as many counts as epochs")
        if len(made.right_old) not in (0, count) or len(made.before) != 2 or len(made.start) != 2:
            raise ValueError("not as many counts as there must be")
        return made

    @property
    def is_whole(self) -> bool:
        """Whether it has all figures of a run that test images judge: a journal from before has fewer."""
        return len(self.right_old) == len(self.right_validation)

    @property
    def chosen(self) -> int:
        """Index of the epoch with the most right validation answers, the first of equals."""
        return self.right_validation.index(max(self.right_validation))


_SINGLE = ("sram_bytes", "before_old", "old_images")
_LISTS = ("right_validation", "right_test", "before", "start", "cycles", "pruned", "right_old")
_UNJUDGED = ("right_test", "start", "right_old")
"""Those in which a count may be missing."""

RunResults = Mapping[str, RunResult]
"""Finished runs by `key_of`."""


def key_of(task: Task) -> str:
    """What a run is known by: a hash of all that decides about its result."""
    text = json.dumps(task.identity(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run(task: Task) -> RunResult:
    """Train, and keep what the study needs. The test images judge the last and the chosen epoch alone."""
    return row_of(TrainingRun(task).train(has_curve=False))


def row_of(training: Training) -> RunResult:
    """The figures of a finished run."""
    epochs = training.progress.epochs
    return RunResult(
        right_validation=tuple(e.right_validation for e in epochs),
        right_test=tuple(e.right_test for e in epochs),
        before=training.before,
        start=training.start,
        cycles=tuple(e.cycles for e in epochs),
        pruned=epochs[-1].pruned,
        sram_bytes=training.deployment.need.sram_bytes,
        fits=training.deployment.is_fit,
        right_old=tuple(e.right_old for e in epochs),
        before_old=training.before_old,
        old_images=training.old,
    )


def choose(study: Study, rows: RunResults) -> dict[tuple[Transfer, str], int]:
    """The learning shift of every (task, label of the setting)."""
    return {
        (what, entry.setting.label): _best_shift(study, entry, what, rows)
        for what in study.tasks
        for entry in study.entries
    }


def _best_shift(study: Study, entry: StudyEntry, what: Transfer, rows: RunResults) -> int:
    right = dict.fromkeys(entry.shifts, 0)
    for task in study.tries(entry, what):
        right[task.setting.shift] += rows[key_of(task)].right_validation[-1]
    return max(right, key=lambda shift: (right[shift], shift))


def missing(tasks: Iterable[Task], rows: RunResults) -> list[Task]:
    """The tasks that are not done yet, or not with all that is asked of a run today."""
    return [task for task in tasks if not _is_done(task, rows.get(key_of(task)))]


def _is_done(task: Task, row: RunResult | None) -> bool:
    return row is not None and (task.test_images is None or row.is_whole)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, least, largest, and the standard deviation of a sample (0 for a single value)."""
    mean = sum(values) / len(values)
    deviation = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5 if len(values) > 1 else 0.0
    figures = {"mean": mean, "min": min(values), "max": max(values), "deviation": deviation}
    return {name: round(value, 4) for name, value in figures.items()}
