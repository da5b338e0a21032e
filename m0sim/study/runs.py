"""A training run with its folder, a backbone with its file: resumed from there, kept there after every epoch and where
Ctrl-C ends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from m0sim import files
from m0sim.errors import UsageError
from m0sim.interrupts import noticing
from m0sim.study.learn import pretrain as backbones
from m0sim.study.learn import pretrain_checkpoint
from m0sim.study.learn.experiment import checkpoint, training
from m0sim.study.learn.experiment.training import RunProgress, Task, Tell, Training, TrainingRun
from m0sim.study.learn.pretrain import Backbone, Pretraining
from m0sim.study.report import train_data


def train(
    task: Task, folder: Path | None, tell: Tell | None = None, *, resume: bool = False
) -> tuple[Training, Backbone | None]:
    """Run a task, and what it learned as a network by itself; None of a method in float.

    Where Ctrl-C ends it the run is not finished. With a folder there are then or at its end checkpoint.npz, state.npz,
    train.json and, if there is one, learned.npz. Raises UsageError for what does not go together.
    """
    if resume and folder is None:
        raise UsageError("--resume needs the folder to resume from: -o DIR")
    if folder is not None:
        files.make_folder(folder)
    before = checkpoint.load(folder, training.complete(task)) if resume and folder is not None else None
    run = TrainingRun(task, before)

    def keep(progress: RunProgress) -> None:
        if folder is not None:
            checkpoint.save(folder, run.task, progress)

    with noticing() as stop:
        flash = run.flash_of_step()
        done = replace(run.train(tell, keep, stop), flash=flash)
    learned = run.learned()
    if folder is not None:
        _write(done, learned, folder)
    return done, learned


def pretrain(training: Pretraining, output: Path | None, tell: Tell | None = None, *, resume: bool = False) -> Backbone:
    """Train a backbone and write its file; beside it is a checkpoint until it is done.

    Raises KeyboardInterrupt, which says how far it came, where Ctrl-C ends it; UsageError where there is nothing to
    resume from, or that of another training.
    """
    kept, run = pretrain_checkpoint.path_for(output), training.run
    if resume and kept is None:
        raise UsageError("--resume needs the file whose checkpoint to resume from: -o FILE")
    if resume and kept is not None:
        pretrain_checkpoint.load(kept, training)

    def keep() -> None:
        if kept is not None:
            pretrain_checkpoint.save(kept, training)

    with noticing() as stop:
        run.train(tell or (lambda done, todo: None), keep, stop)
        if stop():
            done = f"{run.step // run.steps_of_epoch} of {run.recipe.epochs} epochs are done"
            where = "name a file with output to be able to go on" if kept is None else "go on with resume=True"
            raise KeyboardInterrupt(f"{done}: {where}")
    made = training.backbone()
    if output is not None:
        backbones.save(made, output)
    if kept is not None:
        kept.unlink(missing_ok=True)
    return made


def _write(done: Training, learned: Backbone | None, folder: Path) -> None:
    checkpoint.save_state(folder, done.progress.arrays)
    checkpoint.save_learned(folder, learned)
    files.write(folder / "train.json", files.json_text(train_data.to_json(done)))
