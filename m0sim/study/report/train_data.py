"""A training run as JSON (docs/json.md) and as the table that people read."""

from __future__ import annotations

from typing import Any

from m0sim.report import cost_json
from m0sim.report.cost_json import SCHEMA
from m0sim.report.units import count, si
from m0sim.study.learn.experiment.checkpoint import STATE
from m0sim.study.learn.experiment.training import Training, accuracy
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
        "accuracy": [accuracy(e.right_test, training.test) for e in progress.epochs],
        "accuracy_start": accuracy(training.start[1], training.test),
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
    rows = [_row("before", training.before, training, 0 if is_known else None, ())]
    for number, epoch in enumerate(training.progress.epochs, 1):
        right = (epoch.right_validation, epoch.right_test)
        rows.append(_row(str(number), right, training, epoch.cycles if is_known else None, epoch.pruned))
    source = "measured" if training.task.engine == "device" else "an estimate from measured steps"
    return Sheet(
        "accuracy by epoch",
        f"Cycles: {source}, of all steps so far; seconds and energy: theirs on {chip.name} at "
        f"{chip.clock_hz / 1e6:g} MHz. {count(training.validation)} validation and {count(training.test)} test images, "
        "classified by the golden model. Before: the backbone, untouched. Pruned: share of edges by layer.",
        ("epoch", "validation", "test", "cycles", "seconds", "energy", *_layers(training)),
        tuple(rows),
    )


def _layers(training: Training) -> tuple[str, ...]:
    if training.task.setting.learns != "scores":
        return ()
    return tuple(f"pruned {i}" for i in range(len(training.edges)))


def _row(
    name: str, right: tuple[int, int], training: Training, cycles: int | None, pruned: tuple[int, ...]
) -> tuple[str, ...]:
    chip = training.task.profile
    energy = None if cycles is None else chip.energy_joules(cycles)
    shares = [f"{100 * n / edges:.2f} %" for n, edges in zip(pruned, training.edges, strict=False)]
    return (
        name,
        f"{100 * right[0] / training.validation:.2f} %",
        f"{100 * right[1] / training.test:.2f} %",
        "unknown" if cycles is None else count(cycles),
        "unknown" if cycles is None else f"{chip.seconds(cycles):,.2f}",
        "unknown" if energy is None else si(energy, "J"),
        *(shares or ["-"] * len(_layers(training))),
    )


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
    return (
        f"test {100 * last.right_test / training.test:.2f} % after the last epoch, "
        f"{100 * best.right_test / training.test:.2f} % after epoch {training.chosen}, which validation chose; "
        f"{100 * training.before[1] / training.test:.2f} % before; {sram}"
    )
