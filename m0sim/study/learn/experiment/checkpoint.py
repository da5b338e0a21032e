"""A run on disk: `state.npz`, the learned arrays alone, `learned.npz`, the network that they make, and
`checkpoint.npz`, from which an interrupted run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from m0sim import arrays, files
from m0sim.errors import UsageError
from m0sim.study.learn import pretrain, resuming
from m0sim.study.learn.experiment.training import Epoch, RunProgress, Task
from m0sim.study.learn.methods.base import Arrays
from m0sim.study.learn.pretrain import Backbone
from m0sim.study.learn.resuming import count

STATE, CHECKPOINT, LEARNED = "state.npz", "checkpoint.npz", "learned.npz"

SCHEMA = 1

_RECORD = "record"
_CHOSEN = "chosen."
_MAY_GROW = "epochs"
"""The one thing that a resumed run may be told anew: how long to go on."""


def save_state(folder: Path, learned: Arrays) -> None:
    """Write state.npz. The same arrays give the same bytes."""
    files.write(folder / STATE, arrays.to_npz(learned))


def save_learned(folder: Path, learned: Backbone | None) -> None:
    """Write learned.npz, a backbone file: the network with what was learned. None: nothing that is one."""
    if learned is not None:
        pretrain.save(learned, folder / LEARNED)


def save(folder: Path, task: Task, progress: RunProgress) -> None:
    """Write checkpoint.npz: the learned arrays, those of the chosen epoch under ``chosen.NAME``, and, as JSON text
    under ``record``, the task and all counters."""
    record = {
        "schema": SCHEMA,
        "task": task.identity(),
        "position": progress.position,
        "cycles": progress.cycles,
        "step_cycles": progress.step_cycles,
        "epochs": [[e.right_validation, e.right_test, e.cycles, list(e.pruned)] for e in progress.epochs],
    }
    chosen = {f"{_CHOSEN}{name}": array for name, array in (progress.chosen or {}).items()}
    stored = {**progress.arrays, **chosen, _RECORD: np.array(json.dumps(record, sort_keys=True))}
    files.write(folder / CHECKPOINT, arrays.to_npz(stored))


def load(folder: Path, task: Task) -> RunProgress:
    """The progress that `save` wrote. Raises UsageError where there is none, or where it is another task's."""
    path = folder / CHECKPOINT
    resuming.check_there(path)
    what = "a checkpoint of m0sim train"
    learned = arrays.read_npz(path, what)
    with arrays.refusing(path, what):
        record = json.loads(str(learned.pop(_RECORD)))
        resuming.check_same(path, record["task"], task.identity(), _MAY_GROW)
        epochs = [_epoch(*values) for values in record["epochs"]]
        names = [name for name in learned if name.startswith(_CHOSEN)]
        chosen = {name.removeprefix(_CHOSEN): learned.pop(name) for name in names}
        counts = {key: count(record[key]) for key in ("position", "cycles", "step_cycles")}
        progress = RunProgress(learned, epochs, **counts, chosen=chosen or None)
        if progress.position >= task.images:
            raise ValueError(f"step {progress.position} of {task.images}")
    if len(progress.epochs) > task.epochs:
        raise UsageError(f"{path}: has {len(progress.epochs)} epochs already: --epochs must be that many or more")
    return progress


def _epoch(right: Any, test: Any, cycles: Any, pruned: Any) -> Epoch:
    return Epoch(count(right), None if test is None else count(test), count(cycles), tuple(map(count, pruned)))
