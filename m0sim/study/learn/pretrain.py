"""Backbones: a small network trained on upright images in float32, quantised to int8, its forward shifts calibrated.

How they are trained: `float_training`.
Quantisation gives the weights of a layer one power-of-two exponent: real weight = w * 2^exponent, w in -127..127, the
smallest exponent that holds the largest weight. An image's int8 0..127 stands for x * 2^-7. The static shifts p follow
the rule of `calibrate`, on upright backbone images.

The same seed gives the same file on the same machine, with the same NumPy and number of BLAS threads. Elsewhere the
float weights differ by some 1e-6, because the order in which a BLAS library adds products is its own affair. Rounding
to int8 often hides that (tiny-cnn-8 came out the same with OpenBLAS's kernels for SSE and AVX-512, tiny-cnn did not
with one thread and two), but nothing promises it: the bundled files are the reference, not their seed. All that follows
from int8 weights is integer arithmetic and the same everywhere.

The matrices are small: one thread (OPENBLAS_NUM_THREADS=1 in the environment) is faster than two, and on a busy machine
many times faster.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import m0sim
from m0sim import arrays, files
from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import biases, float_model, float_training, network_toml, networks, sources
from m0sim.study.learn.arithmetic import LIMIT, STATIC_SHIFT_MAX, Int8
from m0sim.study.learn.calibrate import calibrate
from m0sim.study.learn.config import Config
from m0sim.study.learn.datasets import SPLITS, Dataset, network_input
from m0sim.study.learn.float_model import Float
from m0sim.study.learn.float_training import FloatRun, Progress, Recipe, recipe_of
from m0sim.study.learn.imported.quantise import to_int8
from m0sim.study.learn.methods import niti_static
from m0sim.study.learn.networks import Network
from m0sim.study.learn.passes import forward_pass

SCHEMA = 1
"""Version of the file format."""

BUNDLED = ("tiny-cnn-8", "tiny-cnn", "vgg11-quarter")
"""Networks with a bundled backbone, trained on the digits, on MNIST and on JPEG copies of CIFAR-10."""

CALIBRATION_IMAGES = 1024
"""So many backbone images, the first ones, choose the shifts."""

_EVALUATED = 500  # images at a time: bounds the memory of a forward pass
_NETWORK = "network"
_FOLDER = Path(__file__).parent / "backbones"


@dataclass(frozen=True)
class Backbone:
    """A quantised network: what an on-device study starts from."""

    network: Network
    weights: tuple[Int8, ...]
    """One array a layer in logical shape: dense [n_out, n_in], convolution [c_out, kh, kw, c_in]; -127..127."""
    config: Config
    """Its weight exponents and forward shifts; the rest is as `Config` has it."""
    record: Mapping[str, Any]
    """How it was made: command, seed, recipe, versions, index ranges of the images, accuracy on upright test images."""

    @cached_property
    def sha256(self) -> str:
        """Of all that a run starts from: the network, the weights, and what belongs to them."""
        config = self.config
        constants = (config.weight_exponents, config.forward, config.biases)
        found = hashlib.sha256((network_toml.identity(self.network) + repr(constants)).encode())
        for array in self.weights:
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def logits(self, images: Int8) -> Int8:
        """Integer forward pass with the static shifts: int8 [n, classes] of images int8 [n, h, w, c]."""
        chunks = [images[at : at + _EVALUATED] for at in range(0, len(images), _EVALUATED)]
        passes = (forward_pass(self.network, self.weights, chunk, self.config, dynamic=False) for chunk in chunks)
        return np.concatenate([done.activations[-1] for done in passes])

    def accuracy(self, data: Dataset) -> float:
        """Share of the images of `data` whose largest logit (the first of them) is that of their label."""
        return _share_right(self.logits(network_input(data.images)), data.labels)


class Pretraining:
    """The way to a backbone: `run` has its training, `backbone` makes one of what was trained."""

    def __init__(self, network: Network, data: Dataset, seed: int = 0, note: str = "") -> None:
        """`data` is a whole data set as `load` gives it; its backbone images are trained on. `note` is kept in the
        record: what a reader must know of the data.

        Raises `UsageError` when the images do not have the network's input shape, or `seed` is negative.
        """
        data.check(network)
        if seed < 0:
            raise UsageError(f"seed {seed}: a seed is 0 or more")
        self._network, self._data, self._seed, self._note = network, data, seed, note
        self._images, self._test = data.part("backbone"), data.part("test")
        self.run = FloatRun(network, self._images, recipe_of(data), seed)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What decides the bytes of the backbone, as JSON has it: training that goes on must be told the same."""
        pixels = hashlib.sha256(np.ascontiguousarray(self._data.images).data)
        pixels.update(np.ascontiguousarray(self._data.labels).data)
        told = {name: value for name, value in self._record({}).items() if name not in ("command", "accuracy")}
        told |= {
            "network": network_toml.identity(self._network),
            "note": self._note,
            "images_sha256": pixels.hexdigest(),
        }
        told["OPENBLAS_NUM_THREADS"] = os.environ.get("OPENBLAS_NUM_THREADS")
        found: dict[str, Any] = json.loads(json.dumps(told))
        return found

    def backbone(self) -> Backbone:
        """What the training has come to, quantised and calibrated on the first backbone images."""
        network, images, test, run = self._network, self._images, self._test, self.run
        weights, exponents = zip(*map(to_int8, run.weights), strict=True)
        given = tuple(
            _quantise_biases(real, exponent) if stage.layer.bias else ()
            for stage, real, exponent in zip(network.stages, run.biases, exponents, strict=True)
        )
        start = Config(weight_exponents=exponents, biases=given if any(given) else ())
        sample = slice(CALIBRATION_IMAGES)
        calibrated = calibrate(
            network, niti_static.METHOD, weights, network_input(images.images[sample]), images.labels[sample], start
        )
        config = replace(start, forward=calibrated.forward)
        quantised = Backbone(network, weights, config, {})
        in_float = _float_accuracy(network, run.weights, run.biases, test)
        accuracy = {"float32": in_float, "quantised": quantised.accuracy(test)}
        return Backbone(network, weights, config, self._record(accuracy))

    def _record(self, accuracy: Mapping[str, float]) -> dict[str, Any]:
        return _record(self._network, self._data, self.run.recipe, self._seed, accuracy, self._note)


def pretrain(
    network: Network, data: Dataset, seed: int = 0, progress: Progress | None = None, note: str = ""
) -> Backbone:
    """Train, quantise and calibrate a backbone at one go: see `Pretraining`."""
    made = Pretraining(network, data, seed, note)
    made.run.train(progress or (lambda done, todo: None))
    return made.backbone()


def save(backbone: Backbone, path: Path) -> None:
    """Write `backbone` as .npz: weights_0, weights_1, ..., weight_exponents, forward_shifts, record (JSON text) and
    network (TOML text), and biases_0, ... of the layers that have biases. Raises `UsageError` where it cannot write, or
    the network has a name that no file may have."""
    stored: dict[str, NDArray[Any]] = {f"weights_{i}": array for i, array in enumerate(backbone.weights)}
    stored |= {f"biases_{i}": np.array(b, np.int32) for i, b in enumerate(backbone.config.biases) if b}
    stored["weight_exponents"] = np.array(backbone.config.weight_exponents, np.int32)
    stored["forward_shifts"] = np.array(backbone.config.forward, np.int32)
    stored["record"] = np.array(json.dumps(backbone.record))
    stored[_NETWORK] = np.array(network_toml.dumps(backbone.network))
    files.write(path, arrays.to_npz(stored))


def read(path: Path) -> Backbone:
    """The backbone that `save` wrote; raises `UsageError`, one line, when the file is missing, damaged or another."""
    if not path.exists():
        raise UsageError(f"{path}: no such backbone; m0sim pretrain makes one")
    what = "a backbone (.npz of m0sim pretrain)"
    stored = arrays.read_npz(path, what)
    with arrays.refusing(path, what):
        return _from_arrays(stored, path)


def bundled(network: str) -> Backbone:
    """The backbone that m0sim brings for `network`; raises `UsageError` where it brings none."""
    if network not in BUNDLED:
        known = ", ".join(BUNDLED)
        raise UsageError(f"no bundled backbone for {network!r}, only for {known}{did_you_mean(network, BUNDLED)}")
    return read(_FOLDER / f"{network}.npz")


def _from_arrays(stored: Mapping[str, NDArray[Any]], path: Path) -> Backbone:
    """Check all that later code relies on; raises what `arrays.refusing` makes a line of."""
    record = json.loads(str(stored["record"]))
    if record["schema"] != SCHEMA:
        raise ValueError(f"schema {record['schema']}, this version reads {SCHEMA}")
    network = _network(stored, record["network"], path)
    weights = tuple(stored[f"weights_{stage.index}"] for stage in network.stages)
    for stage, array in zip(network.stages, weights, strict=True):
        if array.dtype != np.int8 or array.shape != stage.weight_shape or array.min() < -LIMIT:
            raise ValueError(f"weights_{stage.index} is not int8 {list(stage.weight_shape)} of -127..127")
    exponents, shifts = (tuple(map(int, stored[name])) for name in ("weight_exponents", "forward_shifts"))
    if len(exponents) != len(weights) or len(shifts) != len(weights):
        raise ValueError(f"{len(exponents)} exponents and {len(shifts)} shifts for {len(weights)} layers")
    if not all(0 <= shift <= STATIC_SHIFT_MAX for shift in shifts):
        raise ValueError(f"shifts {list(shifts)} are not all 0..{STATIC_SHIFT_MAX}")
    given = _biases(stored, network)
    if _NETWORK not in stored:
        network = networks.with_biases(network, [bool(b) for b in given])
    config = Config(weight_exponents=exponents, forward=shifts, biases=given if any(given) else ())
    biases.check(network, config)
    return Backbone(network, weights, config, record)


def _network(stored: Mapping[str, NDArray[Any]], name: Any, path: Path) -> Network:
    """The network that a file carries, or, in one that was written before they did, the bundled one called `name`."""
    if _NETWORK not in stored:
        if name not in networks.NETWORKS:
            raise ValueError(f"unknown network {name!r}")
        return networks.get(name)
    text = stored[_NETWORK]
    if text.dtype.kind != "U" or text.ndim:
        raise ValueError("network is no text")
    network = network_toml.parse(str(text), path)
    if network.name != name:
        raise ValueError(f"the record is of network {name!r}, what it carries is {network.name!r}")
    return network


def _biases(stored: Mapping[str, NDArray[Any]], network: Network) -> tuple[tuple[int, ...], ...]:
    """The biases of each layer, none of one without."""
    found = {stage.index: stored.get(f"biases_{stage.index}") for stage in network.stages}
    for i, array in found.items():
        if array is not None and (array.dtype != np.int32 or array.ndim != 1 or not len(array)):
            raise ValueError(f"biases_{i} is not int32 [{network.stages[i].n_out}]")
    return tuple(() if array is None else tuple(map(int, array)) for array in found.values())


def _record(
    network: Network, data: Dataset, recipe: Recipe, seed: int, accuracy: Mapping[str, float], note: str
) -> dict[str, Any]:
    folder = "" if data.name == "digits" else " --data-dir DIR"
    options = folder if data.split is None else sources.words(data.split)
    threads = os.environ.get("OPENBLAS_NUM_THREADS")
    prefix = f"OPENBLAS_NUM_THREADS={threads} " if threads else ""
    title = network.name if network_toml.is_bundled(network) else f"{network.name}.toml"
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "schema": SCHEMA,
        "network": network.name,
        "data": data.name,
        **({"note": note} if note else {}),
        "command": f"{prefix}m0sim pretrain --network {title} --data {data.name}{options} --seed {seed}"
        + (f" --note {shlex.quote(note)}" if note else ""),
        "seed": seed,
        "recipe": float_training.as_json(recipe),
        **_images(data),
        "accuracy": {name: round(value, 4) for name, value in accuracy.items()},
        "versions": {
            "m0sim": m0sim.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "blas": f"{blas['name']} {blas['version']}",
            "machine": platform.machine(),
        },
    }


def _images(data: Dataset) -> dict[str, Any]:
    """Which images were used: ranges of a data set that m0sim knows, of others how they were divided."""
    if data.split is not None:
        return {"split": data.split}
    ranges = SPLITS[data.name]
    calibration = ranges["backbone"][:CALIBRATION_IMAGES]
    images = {"backbone": ranges["backbone"], "calibration": calibration, "test": ranges["test"]}
    return {"images": {name: [part.start, part.stop] for name, part in images.items()}}


def _quantise_biases(real: Float, weight_exponent: int) -> tuple[int, ...]:
    """As `biases` has them: integers with the exponent of the accumulators behind an image."""
    found = np.rint(np.ldexp(real, -(weight_exponent + Config.image_exponent)))
    return tuple(np.clip(found, -biases.LARGEST, biases.LARGEST).astype(int).tolist())


def _share_right(logits: NDArray[Any], labels: NDArray[np.uint8]) -> float:
    return float(np.mean(logits.argmax(axis=1) == labels))


def _float_accuracy(network: Network, weights: Sequence[Float], biases: Sequence[Float], data: Dataset) -> float:
    return _share_right(float_model.logits(network, weights, network_input(data.images), biases), data.labels)
