"""A training run as JSON (docs/json.md) and as the table that people read."""

from __future__ import annotations

from typing import Any

from m0sim.report import cost_json
from m0sim.report.cost_json import SCHEMA
from m0sim.report.units import count, si
from m0sim.study.learn.experiment.checkpoint import STATE
from m0sim.study.learn.experiment.training import Epoch, Training, accuracy, known_accuracy
from m0sim.study.learn.methods import is_reconstruction
from m0sim.study.report.compare_data import Sheet


def to_json(training: Training) -> dict[str, Any]:
    """The object that ``m0sim train --json`` prints and train.json holds."""
    task, progress = training.task, training.progress
    chip = task.profile
    steps = len(progress.epochs) * training.images + progress.position
    is_known = task.engine == "device" or task.measured > 0
    cycles = progress.cycles if is_known else None
    return {
        "schema": SCHEMA,
        "task": task.transfer.title,
        "split": None,
        **task.identity(),
        "accuracy_before": accuracy(training.before[1], training.test),
        "accuracy": [known_accuracy(e.right_test, training.test) for e in progress.epochs],
        "accuracy_start": known_accuracy(training.start[1], training.test),
        "old_images": training.old,
        "accuracy_old_before": accuracy(training.before_old, training.old) if training.old else None,
        "accuracy_old": [known_accuracy(e.right_old, training.old) for e in progress.epochs],
        "accuracy_validation_before": accuracy(training.before[0], training.validation),
        "accuracy_validation": [accuracy(e.right_validation, training.validation) for e in progress.epochs],
        "chosen_epoch": training.chosen,
        "cycles": cycles,
        "cycles_source": "measured" if task.engine == "device" else "estimate",
        "cycles_by_epoch": [e.cycles for e in progress.epochs] if is_known else None,
        "flash_estimate_cycles": None if training.flash is None else training.flash.cycles,
        "flash_misses_words": None if training.flash is None else training.flash.misses_words,
        "seconds": None if cycles is None else chip.seconds(cycles),
        **cost_json.energy(None if cycles is None else chip.energy_use(cycles)),
        "sram_bytes": training.deployment.need.sram_bytes,
        "fits": training.deployment.is_fit,
        "pruned": [list(e.pruned) for e in progress.epochs],
        "edges": list(training.edges),
        "steps": steps,
        "is_finished": training.is_finished,
        "is_reconstruction": is_reconstruction(task.setting.method),
        "state": STATE,
    }


def heading(training: Training) -> str:
    """One line: what was trained on what."""
    task = training.task
    return (
        f"{task.found.name}, {task.source.title} {task.transfer.words}, {task.setting.label}, "
        f"shift {task.setting.shift}, seed {task.seed}, {count(training.images)} images an epoch, {task.engine} engine"
    )


def sheet(training: Training) -> Sheet:
    """One row an epoch, the first before any."""
    chip = training.task.profile
    is_known = training.task.engine == "device" or training.task.measured > 0
    before = Epoch(*training.before, 0, (), training.before_old if training.old else None)
    rows = [_row("before", before, training, is_known)]
    rows += [_row(str(number), epoch, training, is_known) for number, epoch in enumerate(training.progress.epochs, 1)]
    source = "measured" if training.task.engine == "device" else "an estimate from measured steps"
    return Sheet(
        "accuracy by epoch",
        f"Cycles: {source}, of all steps so far; seconds and energy: theirs on {chip.name} at "
        f"{chip.clock_hz / 1e6:g} MHz. {count(training.validation)} validation and {count(training.test)} test images, "
        f"classified by the golden model. Old task: {count(training.old)} test images as the backbone knows them, "
        "after the last epoch and the one that validation chose. Before: the backbone, untouched. Pruned: share of "
        "edges by layer.",
        ("epoch", "validation", "test", "old task", "cycles", "seconds", "energy", *_layers(training)),
        tuple(rows),
    )


def _layers(training: Training) -> tuple[str, ...]:
    if training.task.setting.learns != "scores":
        return ()
    return tuple(f"pruned {i}" for i in range(len(training.edges)))


def _row(name: str, epoch: Epoch, training: Training, is_known: bool) -> tuple[str, ...]:
    chip = training.task.profile
    cycles = epoch.cycles if is_known else None
    energy = None if cycles is None else chip.energy_joules(cycles)
    shares = [f"{100 * n / edges:.2f} %" for n, edges in zip(epoch.pruned, training.edges, strict=False)]
    return (
        name,
        _share(epoch.right_validation, training.validation),
        _share(epoch.right_test, training.test),
        _share(epoch.right_old, training.old),
        "unknown" if cycles is None else count(cycles),
        "unknown" if cycles is None else f"{chip.seconds(cycles):,.2f}",
        "unknown" if energy is None else si(energy, "J"),
        *(shares or ["-"] * len(_layers(training))),
    )


def _share(right: int | None, count: int) -> str:
    return "-" if right is None else f"{100 * right / count:.2f} %"


def closing(training: Training) -> str:
    """One line: what came out."""
    sram = f"{count(training.deployment.need.sram_bytes)} bytes of SRAM"
    if not training.deployment.is_fit:
        sram += f", which {training.task.profile.name} has not: it ran in an enlarged copy"
    if training.flash is not None:
        sram += f"; flash adds {count(round(training.flash.cycles))} cycles to each of the first steps (est.)"
    if training.chosen is None:
        return f"no epoch finished; {sram}"
    last, best = training.progress.epochs[-1], training.progress.epochs[training.chosen - 1]
    old = ""
    if last.right_old is not None:
        shares = [_share(right, training.old) for right in (last.right_old, best.right_old, training.before_old)]
        old = "; old task {}, {} and {}".format(*shares)
    return (
        f"test {_share(last.right_test, training.test)} after the last epoch, "
        f"{_share(best.right_test, training.test)} after epoch {training.chosen}, which validation chose, "
        f"{_share(training.before[1], training.test)} before{old}; {sram}"
    )
