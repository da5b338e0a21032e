"""A run on disk: `state.npz`, the learned arrays alone, and `checkpoint.npz`, from which an interrupted run goes on."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from m0sim import files
from m0sim.errors import UsageError
from m0sim.learn.experiment.models import Arrays
from m0sim.learn.experiment.training import Epoch, Progress, Task

STATE, CHECKPOINT = "state.npz", "checkpoint.npz"

SCHEMA = 1

_RECORD = "record"
_MAY_GROW = "epochs"
"""The one thing that a resumed run may be told anew: how long to go on."""


def save_state(folder: Path, arrays: Arrays) -> None:
    """Write state.npz. The same arrays give the same bytes."""
    files.write(folder / STATE, _npz(arrays))


def save(folder: Path, task: Task, progress: Progress) -> None:
    """Write checkpoint.npz: the learned arrays and, as JSON text under ``record``, the task and all counters."""
    record = {
        "schema": SCHEMA,
        "task": task.identity(),
        "position": progress.position,
        "cycles": progress.cycles,
        "step_cycles": progress.step_cycles,
        "epochs": [[e.right_validation, e.right_test, e.cycles, list(e.pruned)] for e in progress.epochs],
    }
    arrays = {**progress.arrays, _RECORD: np.array(json.dumps(record, sort_keys=True))}
    files.write(folder / CHECKPOINT, _npz(arrays))


def load(folder: Path, task: Task) -> Progress:
    """The progress that `save` wrote. Raises UsageError where there is none, or where it is another task's."""
    path = folder / CHECKPOINT
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        record = json.loads(str(arrays.pop(_RECORD)))
        _check_task(path, record["task"], task.identity())
        epochs = [Epoch(right, test, cycles, tuple(pruned)) for right, test, cycles, pruned in record["epochs"]]
        progress = Progress(arrays, epochs, record["position"], record["cycles"], record["step_cycles"])
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such checkpoint to resume from; leave out --resume") from error
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path}: not a checkpoint of m0sim train: {error}") from error
    if len(progress.epochs) > task.epochs:
        raise UsageError(f"{path}: has {len(progress.epochs)} epochs already: --epochs must be that many or more")
    return progress


def _check_task(path: Path, stored: dict[str, Any], asked: dict[str, Any]) -> None:
    for name, value in asked.items():
        if name != _MAY_GROW and stored.get(name) != value:
            raise UsageError(f"{path}: was made with {name} {_shown(stored.get(name))}, not {_shown(value)}")


def _shown(value: Any) -> str:
    return json.dumps(value)


def _npz(arrays: dict[str, Any]) -> bytes:
    """NumPy stamps every member with the same date, so equal arrays are equal bytes."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()
