"""`FILE.checkpoint.npz` beside the backbone FILE.npz that is being trained: the training so far, to go on from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from m0sim import arrays, files
from m0sim.study.learn import resuming
from m0sim.study.learn.pretrain import Pretraining

SCHEMA = 1

_RECORD = "record"


def path_for(output: Path | None) -> Path | None:
    """Where the checkpoint of a backbone file is; none of what is no file, such as a pipe."""
    if output is None or (output.exists() and not output.is_file()):
        return None
    return output.with_name(f"{output.stem}.checkpoint.npz")


def save(path: Path, training: Pretraining) -> None:
    """Write the arrays of the training and, as JSON text under ``record``, what it is of, its steps and its dice."""
    run = training.run
    record = {
        "schema": SCHEMA,
        "training": training.identity,
        "step": run.step,
        "random": run.rng.bit_generator.state,
    }
    files.write(path, arrays.to_npz({**run.arrays, _RECORD: np.array(json.dumps(record, sort_keys=True))}))


def load(path: Path, training: Pretraining) -> None:
    """Bring a training that has not begun to where `save` wrote it. Raises UsageError where there is no checkpoint, or
    one that is damaged or another training's."""
    resuming.check_there(path)
    what = "a checkpoint of m0sim pretrain"
    stored, run = arrays.read_npz(path, what), training.run
    with arrays.refusing(path, what):
        record = json.loads(str(stored.pop(_RECORD)))
        if record["schema"] != SCHEMA:
            raise ValueError(f"schema {record['schema']}, this version reads {SCHEMA}")
        resuming.check_same(path, record["training"], training.identity)
        step = resuming.count(record["step"])
        if step > run.steps:
            raise ValueError(f"step {step} of {run.steps}")
        if not np.array_equal(np.sort(stored["order"]), np.arange(len(stored["order"]))):
            raise ValueError("order is no order of images")
        for name, array in run.arrays.items():
            if stored[name].dtype != array.dtype or stored[name].shape != array.shape:
                raise ValueError(f"{name} is not {array.dtype} {list(array.shape)}")
            array[...] = stored[name]
        run.rng.bit_generator.state = record["random"]
        run.step = step
