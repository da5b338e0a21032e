"""One training run: epochs of steps on the chip or on the golden model, accuracy after each, to be stopped and resumed.

Every epoch uses the same images in an order of its own (`images.order`). Accuracy is measured on the golden model,
which the device equals byte for byte, so evaluation costs no cycles.

A finished run also says what it has forgotten: the accuracy on the old task (`images.old_test`) of the state after the
last epoch and of the one that the validation images chose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from m0sim.chip import device
from m0sim.chip.device import Device
from m0sim.chip.options import Engine
from m0sim.errors import UsageError
from m0sim.study.learn import methods, network_files, networks, sources
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.deployment import Deployment
from m0sim.study.learn.experiment import images
from m0sim.study.learn.experiment.calibration import RIGHT, Calibration
from m0sim.study.learn.experiment.images import ImagePart
from m0sim.study.learn.experiment.setting import Setting, model_of
from m0sim.study.learn.methods.base import Arrays
from m0sim.study.learn.network_files import Found, Given
from m0sim.study.learn.pretrain import Backbone
from m0sim.study.learn.program import DeviceProgram, FlashOfStep
from m0sim.study.learn.sources import DataSource, FileOptions
from m0sim.study.learn.state import Examples
from m0sim.study.learn.transfer import NONE, Transfer, rotation

ENGINES = ("device", "golden")
MEASURED_STEPS = 16
"""Of every epoch of the golden engine so many steps, evenly spread, also run on the chip, for their cycles."""
FLASH_STEPS = 5
"""Steps that `TrainingRun.flash_of_step` is the mean of."""
VALIDATION_IMAGES = 1000
TEST_IMAGES = 1024

Tell = Callable[[int, int], None]
"""Called with the steps done and to do."""


@dataclass(frozen=True)
class Task:
    """What is trained, on what, and how it is judged."""

    network: Given
    data: str
    setting: Setting
    data_dir: Path | None = None
    transfer: Transfer = field(default_factory=rotation)
    """What all images are changed by: the task that is to be learned."""
    data_options: FileOptions = field(default_factory=FileOptions)
    """How a file of data is read and divided."""
    data_hashes: tuple[str, ...] = ()
    """Of the files of data, once they are known: `complete` fills them in."""
    seed: int = 0
    images: int = 0
    """Training images, the first of the transfer part; 0 for all."""
    epochs: int = 10
    validation_images: int = 0
    """The first of the validation part; 0 for all."""
    test_images: int | None = 0
    """The first of the test part; 0 for all. None: the test images are not looked at."""
    engine: str = "device"
    """One of `ENGINES`."""
    chip_engine: Engine = "unicorn"
    """What executes the steps that run on the chip; the results are the same."""
    measured: int = MEASURED_STEPS
    """Golden engine: steps an epoch whose cycles are measured; 0 leaves the cycles unknown."""
    calibration: Calibration = RIGHT
    """A wrong one tells how much a method depends on it."""
    backbone: Path | None = None
    """A file of `m0sim pretrain`; None for the one that `network` brings."""
    profile: Device = field(default_factory=lambda: device.load(device.DEFAULT))
    options: DeviceOptions = field(default_factory=DeviceOptions)

    @cached_property
    def found(self) -> Found:
        """The network with its backbone: what the run starts from."""
        return network_files.with_backbone(self.network, self.backbone)

    @property
    def source(self) -> DataSource:
        """Where the images are from."""
        return DataSource(self.data, self.data_dir, self.data_options, self.transfer.file, self.data_hashes)

    def identity(self) -> dict[str, Any]:
        """What decides about the result, as JSON values: two runs with the same give the same bytes.

        ``task`` and ``split`` are there where it is no rotation and where there is a file of data; ``backbone_sha256``
        where it is no bundled one; ``method_code``, a hash of what it is written in, where the method is none of
        m0sim's; ``calibration`` where it is a wrong one, and decides about the method.
        """
        task = {} if self.transfer.kind == "rotate" else {"task": self.transfer.title}
        is_wrong = self.calibration != RIGHT and methods.get(self.setting.method).is_calibrated
        return {
            "network": self.found.name,
            "data": self.source.title,
            "backbone": self.found.file or None,
            **self.found.identity(),
            "angle": self.transfer.angle,
            **task,
            **sources.record(self.source),
            "method": self.setting.method,
            **methods.record(self.setting.method),
            "shift": self.setting.shift,
            "options": dict(sorted(self.setting.options.items())),
            "seed": self.seed,
            "images": self.images,
            "epochs": self.epochs,
            "validation_images": self.validation_images,
            "test_images": self.test_images,
            "engine": self.engine,
            "measured": self.measured if self.engine == "golden" else None,
            "profile": self.profile.name,
            "deployment": asdict(self.options),
            **({"calibration": self.calibration.title} if is_wrong else {}),
        }


@dataclass(frozen=True, slots=True)
class Epoch:
    """What there is after an epoch; integers only."""

    right_validation: int
    right_test: int | None
    """None where the test images were not looked at."""
    cycles: int
    """Of all steps so far; 0 where they are not counted."""
    pruned: tuple[int, ...]
    """Edges by layer; empty for a method that prunes none."""
    right_old: int | None = None
    """On the old task; None of all but the last and the chosen epoch of a finished run."""


@dataclass
class RunProgress:
    """How far a run is; with the learned arrays all that is needed to go on."""

    arrays: Arrays
    epochs: list[Epoch] = field(default_factory=list)
    position: int = 0
    """Steps done of the epoch that has begun."""
    cycles: int = 0
    step_cycles: int = 0
    """Golden engine: what the last measured step took."""
    chosen: Arrays | None = None
    """The learned arrays after the epoch that the validation images chose so far; None before the first epoch, and in a
    checkpoint of before they were kept."""


@dataclass(frozen=True)
class Training:
    """A finished or interrupted run."""

    task: Task
    deployment: Deployment
    edges: tuple[int, ...]
    """Weights of each layer."""
    test: int
    validation: int
    """Numbers of images that accuracy is measured on."""
    images: int
    before: tuple[int, int]
    """Right answers (validation, test) of the untouched backbone: no transfer."""
    start: tuple[int, int | None]
    """The same of the state before the first step: a method may have pruned. No test images where they judge the last
    and the chosen epoch alone."""
    progress: RunProgress
    old: int = 0
    """Images of the old task that accuracy is measured on; 0: there are none, or no test images are looked at."""
    before_old: int = 0
    """Right answers of the untouched backbone on them."""
    flash: FlashOfStep | None = None
    """What flash adds to a step, as `TrainingRun.flash_of_step` has it; None also where that was not asked."""

    @property
    def is_finished(self) -> bool:
        return len(self.progress.epochs) == self.task.epochs

    @property
    def chosen(self) -> int | None:
        """The epoch (from 1) with the most right validation answers, the first of equals; None before the first."""
        return _chosen(self.progress.epochs)


class TrainingRun:
    """A task with its images and its model; `train` goes on from `progress` until the end or until told to stop."""

    def __init__(self, task: Task, progress: RunProgress | None = None) -> None:
        """Raises UsageError for what does not go together."""
        self.task = complete(task)
        self.backbone = _backbone(self.task)
        self.transfer = self._part("transfer").first(self.task.images)
        self.validation = self._part("validation").first(self.task.validation_images)
        self.test, self.old = self._judged_parts()
        calibration = self._calibration_images()
        old = images.old(self.task.source, self.backbone.network, self.task.setting.old_images)
        examples = Examples(calibration.images, calibration.labels, old.images, old.labels)
        self.model = model_of(self.task.setting, self.backbone, examples, self.task.seed, self.task.calibration)
        self.deployment = Deployment.of(self.model, self.task.options, self.task.profile)
        self._start = self.model.initial()
        untrained = self.model.arrays(self._start)
        kept = [] if progress is None else [progress.arrays, *filter(None, [progress.chosen])]
        if any(_kinds(arrays) != _kinds(untrained) for arrays in kept):
            raise UsageError("the checkpoint does not have the arrays that this run learns: leave out --resume")
        self.progress = progress or RunProgress(untrained)
        self._state = self.model.state_of(self.progress.arrays, self._steps)
        on_device = self.task.engine == "device"
        self._chip: DeviceProgram | None = self.deployment.program(self._state) if on_device else None

    @property
    def _steps(self) -> int:
        return len(self.progress.epochs) * len(self.transfer) + self.progress.position

    @property
    def _refresh(self) -> int:
        """Between two renewals of its cut a run cannot be stopped: the scores alone do not tell the mask."""
        return int(self.task.setting.options.get("refresh", 1))

    def _part(self, which: str) -> ImagePart:
        return images.part(self.task.source, self.backbone.network, which, self.task.transfer)

    def _calibration_images(self) -> ImagePart:
        wanted = self.task.calibration
        if wanted.upright:
            of_backbone = sources.without_place(self.task.source)
            return images.part(of_backbone, self.backbone.network, "transfer", NONE).first(wanted.images)
        return self._part("transfer").first(wanted.images)

    def _judged_parts(self) -> tuple[ImagePart, ImagePart]:
        """The test images of the new task and of the old one; none, and none are read, where they must not be seen."""
        none, wanted = self.validation.first(0), self.task.test_images
        if wanted is None:
            return none, none
        test = self._part("test").first(wanted)
        return test, images.old_test(self.task.source, self.backbone.network, len(test))

    def train(
        self,
        tell: Tell | None = None,
        keep: Callable[[RunProgress], None] | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
        *,
        has_curve: bool = True,
    ) -> Training:
        """Run the steps that are left. `keep` gets the progress after every epoch, and where `is_stopped` says so.

        The test images judge every epoch (`has_curve`), or only the last one and the one that validation chose, when
        both are there.
        """
        total, count = self.task.epochs * len(self.transfer), len(self.transfer)
        while len(self.progress.epochs) < self.task.epochs and not is_stopped():
            epoch = len(self.progress.epochs)
            for index in images.order(self.task.seed, epoch, count)[self.progress.position :]:
                self._step(self.transfer.images[index], int(self.transfer.labels[index]))
                if tell:
                    tell(self._steps, total)
                if is_stopped() and self._steps % self._refresh == 0:
                    break
            self._collect()
            if self.progress.position == count:
                self._close_epoch(has_curve)
            if keep:
                keep(self.progress)
        if len(self.progress.epochs) == self.task.epochs:
            self._judge()
        return self._result(has_curve)

    def flash_of_step(self) -> FlashOfStep | None:
        """What flash adds to a step: the mean of the run's first ones, run apart, whatever the engine.

        None where the profile knows of no flash that waits at its clock.
        """
        if not self.task.profile.flash_waits:
            return None
        chip, transfer = self.deployment.program(self._start), self.transfer
        first = images.order(self.task.seed, 0, len(transfer))[:FLASH_STEPS]
        return FlashOfStep.of([chip.step_in_flash(transfer.images[i], int(transfer.labels[i])) for i in first])

    def _step(self, image: Any, label: int) -> None:
        progress = self.progress
        if self._chip is not None:
            progress.cycles += self._chip.count_step(image, label, self.task.chip_engine)
        else:
            if self.task.measured and progress.position % self._stride() == 0:
                chip = self.deployment.program(self._state)
                progress.step_cycles = chip.count_step(image, label, self.task.chip_engine)
            progress.cycles += progress.step_cycles
            self._state = self.model.step(self._state, image, label)
        progress.position += 1

    def _stride(self) -> int:
        return max(1, len(self.transfer) // self.task.measured)

    def _collect(self) -> None:
        if self._chip is not None:
            self._state = self.model.state_on(self._chip)
        self.progress.arrays = self.model.arrays(self._state)

    def _close_epoch(self, has_curve: bool) -> None:
        progress, state = self.progress, self._state
        test = self._right(state, self.test) if has_curve else None
        validation = self.model.right(state, self.validation)
        progress.epochs.append(Epoch(validation, test, progress.cycles, self.model.pruned(state)))
        progress.position = 0
        if _chosen(progress.epochs) == len(progress.epochs):
            progress.chosen = progress.arrays

    def _judge(self) -> None:
        """Fill in what the test images say of the last epoch and of the chosen one, where its arrays are there."""
        epochs, found = self.progress.epochs, {len(self.progress.epochs): self._state}
        chosen = _chosen(epochs)
        if chosen is not None and chosen not in found and self.progress.chosen is not None:
            found[chosen] = self.model.state_of(self.progress.chosen, chosen * len(self.transfer))
        for number, state in found.items():
            epoch = epochs[number - 1]
            test = self._right(state, self.test) if epoch.right_test is None else epoch.right_test
            epochs[number - 1] = replace(epoch, right_test=test, right_old=self._right(state, self.old))

    def _right(self, state: Any, part: ImagePart) -> int | None:
        """Right answers; None where there are no images to ask about."""
        return self.model.right(state, part) if len(part) else None

    def _result(self, has_curve: bool) -> Training:
        parts = (self.validation, self.test, self.old)
        before = [self.model.untouched(part) if len(part) else 0 for part in parts]
        start = self.model.right(self._start, self.validation)
        return Training(
            task=self.task,
            deployment=self.deployment,
            edges=tuple(stage.edges for stage in self.backbone.network.stages),
            test=len(self.test),
            validation=len(self.validation),
            images=len(self.transfer),
            before=(before[0], before[1]),
            start=(start, self._right(self._start, self.test) if has_curve else None),
            progress=self.progress,
            old=len(self.old),
            before_old=before[2],
        )

    def learned(self) -> Backbone | None:
        """The network as it is now, by itself; None of a method in float.

        The images that calibrated the method calibrate it where the method's scales are dynamic.
        """
        calibration = self._part("transfer").first(images.CALIBRATION)
        found = self.model.deployable(self._state, calibration.images)
        if found is None:
            return None
        made = {"method": self.task.setting.label, "seed": self.task.seed, "steps": self._steps}
        (weights, config), record = found, {**self.backbone.record, "learned": made}
        network = self.backbone.network
        if config.biases:
            network = networks.with_biases(network, [bool(b) for b in config.biases])
        return replace(self.backbone, network=network, weights=weights, config=config, record=record)


def complete(task: Task) -> Task:
    """The task with its numbers of images filled in. Raises UsageError for what is out of range."""
    if task.engine not in ENGINES:
        raise UsageError(f"engine must be {' or '.join(ENGINES)}, not {task.engine!r}")
    if not 1 <= task.epochs <= 10_000:
        raise UsageError(f"--epochs must be 1 to 10,000, not {task.epochs}")
    if task.seed < 0:
        raise UsageError(f"--seed must be 0 or more, not {task.seed}")
    task = replace(task, data_hashes=sources.known(task.source).hashes)
    test, source = task.test_images, task.source
    count = images.count_of(task.images, source, "transfer", "--images")
    if task.calibration.images != images.CALIBRATION:
        images.count_of(task.calibration.images, source, "transfer", "calibration images")
    refresh = task.setting.options.get("refresh", 1)
    if count % refresh:
        raise UsageError(f"refresh must divide the number of images, {count}, not {refresh}")
    return replace(
        task,
        images=count,
        validation_images=images.count_of(task.validation_images, source, "validation", "--validation-images"),
        test_images=None if test is None else images.count_of(test, source, "test", "--test-images"),
    )


def _backbone(task: Task) -> Backbone:
    found = task.found.start
    images.load(task.source, found.network)
    sources.check_backbone(task.source, found.record)
    return found


def _chosen(epochs: Sequence[Epoch]) -> int | None:
    right = [epoch.right_validation for epoch in epochs]
    return 1 + right.index(max(right)) if right else None


def accuracy(right: int, count: int) -> float:
    """A share, rounded so that it prints the same everywhere."""
    return round(right / count, 6)


def known_accuracy(right: int | None, count: int) -> float | None:
    """The same of what was perhaps not judged: None then."""
    return None if right is None else accuracy(right, count)


def _kinds(arrays: Arrays) -> dict[str, tuple[Any, ...]]:
    return {name: (array.dtype, array.shape) for name, array in arrays.items()}


def same(a: Arrays, b: Arrays) -> bool:
    """Whether two states have the same keys, dtypes and values."""
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a)
