"""What the kernels are measured on: tensors recorded from a training step on MNIST, and uniform random ones.

``python tests/kernel_operands.py`` records the step again, from the MNIST files in the folder that the environment
variable M0SIM_MNIST_DIR names.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
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

RECORDED = Path(__file__).parent / "data" / "tiny-cnn-step.npz"
NETWORK, DATA, METHOD = "tiny-cnn", "mnist", "priot"
ANGLE, CALIBRATION_IMAGES, IMAGES, SEED = 30.0, 32, 40, 0
DENSE = 2
"""The stage whose update is recorded at its dearest: the dense layer from 784 to 64."""

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
    backward: int
    update: int


@dataclass(frozen=True)
class Recorded:
    """One training step of `METHOD` on a rotated image of MNIST."""

    layers: tuple[Layer, ...]
    logits: Int8
    label: int
    logit_exponent: int
    image: int
    """Index of the image in the data set."""
    step: int
    """Steps before it."""


def record(folder: Path) -> dict[str, Array]:
    """The step that moves most scores of the dense layer among the first IMAGES transfer images, as stored arrays."""
    network, method, backbone = networks.get(NETWORK), methods.get(METHOD), bundled(NETWORK)
    images = data.load(DATA, folder)
    frozen = method.freeze(network, backbone.weights, backbone.config)
    config = calibrate(
        network, method, backbone.weights, *_part(images, "validation", CALIBRATION_IMAGES), backbone.config, SEED
    )
    state = method.initial_state(network, frozen, config, SEED)
    first, best, most = state.learned, None, -1
    pixels, labels = _part(images, "transfer", IMAGES)
    for step in range(IMAGES):
        trace = method.step(network, frozen, state, pixels[step], int(labels[step]), config)
        moved = np.count_nonzero(trace.state.learned[DENSE] != state.learned[DENSE])
        if moved > most:
            best, most, chosen, before = trace, moved, step, state.learned
        state = trace.state
    assert best is not None
    arrays = _stored(best, pixels[chosen], [b.astype(np.int16) - f for b, f in zip(before, first, strict=True)])
    arrays |= {f"weights{i}": w for i, w in enumerate(frozen.weights)}
    numbers = (int(labels[chosen]), config.logit_exponent, data.SPLITS[DATA]["transfer"][chosen], chosen)
    keep = [round(config.keep * stage.edges) for stage in network.stages]
    arrays["numbers"], arrays["shifts"] = np.array(numbers), np.array([config.backward, config.update, keep])
    return arrays


def _part(images: data.Dataset, part: str, count: int) -> tuple[Int8, NDArray[np.uint8]]:
    chosen = np.array(data.SPLITS[DATA][part])[:count]
    return data.network_input(rotate(images.images[chosen], ANGLE)), images.labels[chosen]


def _stored(trace: StepTrace, image: Int8, moved: list[Array]) -> dict[str, Array]:
    """The scores are kept as what earlier steps added to the initial ones, which are a seeded draw: small."""
    arrays: dict[str, Array] = {"logits": trace.logits}
    inputs = (image, *trace.activations)
    for i, error in enumerate(trace.errors):
        arrays |= {f"inputs{i}": inputs[i], f"error{i}": error, f"raw{i}": trace.raw[i], f"moved{i}": moved[i]}
        argmax = trace.argmax[i]
        arrays[f"argmax{i}"] = np.zeros(0, np.uint8) if argmax is None else argmax
    return arrays


def recorded() -> Recorded:
    """The committed step."""
    with np.load(RECORDED) as stored:
        arrays = dict(stored)
    label, exponent, image, step = arrays["numbers"].tolist()
    layers = tuple(_layer(arrays, i) for i in range(arrays["shifts"].shape[1]))
    return Recorded(layers, arrays["logits"], label, exponent, image, step)


def _layer(arrays: dict[str, Array], i: int) -> Layer:
    weights = arrays[f"weights{i}"].reshape(len(arrays[f"weights{i}"]), -1)
    moved = arrays[f"moved{i}"].reshape(weights.shape)
    scores = (draws.normal_scores(SEED, i, weights.size).reshape(weights.shape) + moved).astype(np.int8)
    backward, update, keep = arrays["shifts"][:, i].tolist()
    mask = kept_by(top_k(scores, keep), scores.reshape(-1), storage_index(*weights.shape))
    masked = weights * mask.reshape(weights.shape)
    tensors = (arrays[f"{name}{i}"] for name in ("inputs", "error", "raw", "argmax"))
    return Layer(weights, masked, scores, keep, *tensors, backward, update)


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
