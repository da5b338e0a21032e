"""A training run with its folder: resumed from there, kept there after every epoch and where Ctrl-C ends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from m0sim import files
from m0sim.errors import UsageError
from m0sim.interrupts import noticing
from m0sim.study.learn.experiment import checkpoint, training
from m0sim.study.learn.experiment.training import RunProgress, Task, Tell, Training, TrainingRun
from m0sim.study.learn.pretrain import Backbone
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


def _write(done: Training, learned: Backbone | None, folder: Path) -> None:
    checkpoint.save_state(folder, done.progress.arrays)
    checkpoint.save_learned(folder, learned)
    files.write(folder / "train.json", files.json_text(train_data.to_json(done)))
