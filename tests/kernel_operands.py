"""What the kernels are measured on: tensors recorded from training steps on MNIST, and uniform random ones.

``python tests/kernel_operands.py`` records the steps again, from the MNIST files in the folder that the environment
variable M0SIM_MNIST_DIR names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn import datasets as data
from m0sim.study.learn import draws, methods, networks
from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.calibrate import calibrate
from m0sim.study.learn.layout import storage_index
from m0sim.study.learn.methods import StepTrace
from m0sim.study.learn.methods.pruning import kept_by, top_k
from m0sim.study.learn.pretrain import bundled
from m0sim.study.learn.rotate import rotate

RECORDED = Path(__file__).parent / "data" / "tiny-cnn-steps.npz"
NETWORK, DATA, METHOD = "tiny-cnn", "mnist", "priot"
ANGLE, CALIBRATION_IMAGES, IMAGES, SEED = 30.0, 32, 40, 0
DENSE = 2
"""The stage that says which step is the busiest: the dense layer from 784 to 64."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Layer:
    """Tensors of one layer in one step, in logical order: weights and scores [n_out, n_in], the rest HWC."""

    weights: Int8
    masked: Int8
    """The weights that the step's passes multiplied by."""
    scores: Int8
    """Before the step."""
    keep: int
    """Edges that top-k keeps."""
    inputs: Int8
    error: Int8
    """At the layer's output, behind its pool."""
    raw: Int8
    """Output before the pool."""
    argmax: Array
    moved: Array
    """int16: what the step adds to the scores."""
    forward: int
    backward: int
    update: int


@dataclass(frozen=True)
class Recorded:
    """One training step of `METHOD` on a rotated image of MNIST."""

    layers: tuple[Layer, ...]
    logits: Int8
    label: int
    logit_exponent: int

    @property
    def is_idle(self) -> bool:
        """The loss has no error: nothing goes back and no score moves."""
        return not self.layers[-1].error.any()


def record(folder: Path) -> dict[str, Array]:
    """The steps on the first IMAGES transfer images, as stored arrays: the first axis is the step."""
    network, method, backbone = networks.get(NETWORK), methods.get(METHOD), bundled(NETWORK)
    images = data.load(DATA, folder)
    frozen = method.freeze(network, backbone.weights, backbone.config)
    config = calibrate(
        network, method, backbone.weights, *_part(images, "validation", CALIBRATION_IMAGES), backbone.config, SEED
    )
    state = method.initial_state(network, frozen, config, SEED)
    pixels, labels = _part(images, "transfer", IMAGES)
    steps = []
    for image, label in zip(pixels, labels, strict=True):
        trace = method.step(network, frozen, state, image, int(label), config)
        steps.append(_stored(trace, image, state.learned))
        state = trace.state
    arrays = {name: np.stack([step[name] for step in steps]) for name in steps[0]}
    arrays |= {f"weights{i}": w for i, w in enumerate(frozen.weights)}
    keep = [round(config.keep * stage.edges) for stage in network.stages]
    arrays["labels"], arrays["logit_exponent"] = labels, np.array(config.logit_exponent)
    arrays["shifts"] = np.array([config.forward, config.backward, config.update, keep])
    return arrays


def _part(images: data.Dataset, part: str, count: int) -> tuple[Int8, NDArray[np.uint8]]:
    chosen = np.array(data.SPLITS[DATA][part])[:count]
    return data.network_input(rotate(images.images[chosen], ANGLE)), images.labels[chosen]


def _stored(trace: StepTrace, image: Int8, before: Sequence[Array]) -> dict[str, Array]:
    """The scores are kept as how far the step moved them: they start from a seeded draw, and few ever move."""
    arrays: dict[str, Array] = {"logits": trace.logits}
    inputs = (image, *trace.activations)
    for i, error in enumerate(trace.errors):
        after = trace.state.learned[i].astype(np.int16)
        arrays |= {f"inputs{i}": inputs[i], f"error{i}": error, f"raw{i}": trace.raw[i], f"moved{i}": after - before[i]}
        argmax = trace.argmax[i]
        arrays[f"argmax{i}"] = np.zeros(0, np.uint8) if argmax is None else argmax
    return arrays


@cache
def recorded() -> tuple[Recorded, ...]:
    """The committed steps, one for each image."""
    with np.load(RECORDED) as stored:
        arrays = dict(stored)
    layers = [_layers(arrays, i) for i in range(arrays["shifts"].shape[1])]
    exponent = int(arrays["logit_exponent"])
    numbers = zip(arrays["logits"], arrays["labels"].tolist(), strict=True)
    return tuple(Recorded(of, *n, exponent) for of, n in zip(zip(*layers, strict=True), numbers, strict=True))


def busiest(steps: Sequence[Recorded]) -> Recorded:
    """The step that moves most scores of the dense layer."""
    return max(steps, key=lambda step: np.count_nonzero(step.layers[DENSE].moved))


def _layers(arrays: dict[str, Array], i: int) -> list[Layer]:
    """The layer in each of the steps."""
    weights = arrays[f"weights{i}"].reshape(len(arrays[f"weights{i}"]), -1)
    *shifts, keep = arrays["shifts"][:, i].tolist()
    scores = draws.normal_scores(SEED, i, weights.size).reshape(weights.shape)
    found = []
    for step, moved in enumerate(arrays[f"moved{i}"]):
        masked = weights * kept(scores, keep)
        tensors = (arrays[f"{name}{i}"][step] for name in ("inputs", "error", "raw", "argmax", "moved"))
        found.append(Layer(weights, masked, scores, keep, *tensors, *shifts))
        scores = (scores + moved.reshape(weights.shape)).astype(np.int8)
    return found


def kept(scores: Int8, keep: int) -> Array:
    """Which edges [n_out, n_in] top-k keeps."""
    mask = kept_by(top_k(scores, keep), scores.reshape(-1), storage_index(*scores.shape))
    return mask.reshape(scores.shape)


def uniform(seed: int, *shape: int, low: int = -127) -> Int8:
    """int8, every value of low..127 as likely as any other."""
    return np.random.default_rng(seed).integers(low, 128, shape).astype(np.int8)


def main() -> None:
    folder = os.environ.get("M0SIM_MNIST_DIR")
    if folder is None:
        sys.exit("kernel_operands.py: name the folder with MNIST's files in M0SIM_MNIST_DIR")
    RECORDED.parent.mkdir(exist_ok=True)
    np.savez_compressed(RECORDED, **record(Path(folder)))
    print(f"{RECORDED.name}: {RECORDED.stat().st_size} bytes")


if __name__ == "__main__":
    main()
