"""A model file and images in, a backbone and what it cost out."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import m0sim
from m0sim import arrays
from m0sim.errors import UsageError
from m0sim.study.learn import data_files, datasets, sources
from m0sim.study.learn.data_files import Reading
from m0sim.study.learn.imported import float_network, quantise, read
from m0sim.study.learn.imported.float_network import FloatNetwork, Real, Scaling
from m0sim.study.learn.imported.quantise import LayerReport
from m0sim.study.learn.networks import Network, Shape
from m0sim.study.learn.pretrain import CALIBRATION_IMAGES, SCHEMA, Backbone
from m0sim.study.learn.sources import DataSource

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class CalibrationData:
    """Images uint8 [n, h, w, c] that choose the shifts, and others with labels, if there are any, that judge."""

    name: str
    record: dict[str, Any]
    """What decides which they are."""
    calibration: Pixels
    judged: Pixels
    labels: NDArray[np.uint8] | None


@dataclass(frozen=True)
class ImportedModel:
    """A backbone, and what quantising cost."""

    backbone: Backbone
    layers: tuple[quantise.LayerReport, ...]
    words: str
    """The network's layers."""
    notes: tuple[str, ...]
    calibrated: int
    judged: int


def shapes(source: DataSource, calibrate: Path | None) -> tuple[Shape, ...]:
    """What [h, w, c] the images can be taken for."""
    if calibrate is None:
        return sources.shapes(source)
    return data_files.shapes_of(_read(calibrate, source.options.reading)[0])


def examples(source: DataSource, calibrate: Path | None, network: Network) -> CalibrationData:
    """The images of a data set or file: its backbone part calibrates, its test part judges. Or, with `calibrate`, of a
    .npz file that need have no labels: the first calibrate, all of them judge.

    Raises UsageError, one line, where they do not fit the network.
    """
    if calibrate is None:
        data = sources.load(source, network)
        backbone, test = data.part("backbone"), data.part("test")
        record = sources.record(source)
        return CalibrationData(data.name, record, backbone.images[:CALIBRATION_IMAGES], test.images, test.labels)
    values, labels = _read(calibrate, source.options.reading)
    if network.input_shape not in data_files.shapes_of(values):
        wanted, has = (" x ".join(map(str, shape)) for shape in (network.input_shape, data_files.shapes_of(values)[0]))
        raise UsageError(f"{network.name} takes images of {wanted}, those of {calibrate} are {has}")
    if labels is not None and labels.max() >= network.classes:
        raise UsageError(
            f"{calibrate}: label {labels.max()}, but the model tells {network.classes} classes apart, from 0 on"
        )
    images = values.reshape(len(values), *network.input_shape)
    return CalibrationData(calibrate.name, {}, images[:CALIBRATION_IMAGES], images, labels)


@lru_cache(maxsize=1)
def _read(path: Path, reading: Reading) -> tuple[Pixels, NDArray[np.uint8] | None]:
    """The images of a .npz file, and its labels if it has some."""
    what = "images (.npz with an array images)"
    stored = arrays.read_npz(path, what)
    if "images" not in stored:
        raise UsageError(f"{path}: no array 'images'; it has {', '.join(list(stored)[:8]) or 'nothing'}")
    if "labels" in stored:
        contents = data_files.read(path, reading)
        return contents.values, contents.labels
    return data_files.pixels(path, stored["images"], reading), None


def scaling(input_range: str, mean: str | None, std: str | None) -> Scaling:
    """What the options --input-range, --mean and --std say."""
    low, colon, high = input_range.partition(":")
    (bottom,), (top,) = _numbers("--input-range", low), _numbers("--input-range", high if colon else "")
    if top <= bottom:
        raise UsageError(f"--input-range {input_range}: LOW:HIGH, such as 0:255, LOW being less")
    by = np.ones(1) if std is None else _numbers("--std", std)
    less = np.zeros(1) if mean is None else _numbers("--mean", mean)
    if (by <= 0).any():
        raise UsageError(f"--std {std}: each must be above 0")
    if len(less) != len(by) and 1 not in (len(less), len(by)):
        raise UsageError(f"--mean has {len(less)} numbers, --std {len(by)}: one for each channel, or one for all")
    return Scaling((top - bottom) / by, (bottom - less) / by)


def _numbers(option: str, text: str) -> Real:
    try:
        found = np.array([float(word) for word in text.split(",")])
    except ValueError:
        found = np.array([np.nan])
    if not np.isfinite(found).all():
        what = "LOW:HIGH, such as 0:255" if option == "--input-range" else "numbers, such as 0.5 or 0.49,0.48,0.45"
        raise UsageError(f"{option} {text!r}: needed is {what}")
    return found


def run(path: Path, source: DataSource, calibrate: Path | None, scale: Scaling, command: str) -> ImportedModel:
    """Import a model. Raises UsageError, one line, where the file, the images or the scaling do not fit."""
    found = read.read(path, shapes(source, calibrate))
    network = found.model.network
    given = examples(source, calibrate, network)
    channels = network.input_shape[2]
    for option, values in (("--mean", scale.offset), ("--std", scale.scale)):
        if len(values) not in (1, channels):
            raise UsageError(f"{option} has {len(values)} numbers, the images have {channels} channels")
    calibration = datasets.network_input(given.calibration)
    device = float_network.on_device(found.model, scale)
    quantised, real = quantise.quantise(device, calibration)
    layers = tuple(quantise.reports(real, quantised, found.nodes, calibration))
    notes = (*found.notes, *_caps(layers))
    bare = Backbone(quantised.network, quantised.weights, quantised.config, {})
    accuracy = {} if given.labels is None else _accuracy(found.model, scale, bare, given.judged, given.labels)
    judged = len(given.judged) if accuracy else 0
    record = {
        "schema": SCHEMA,
        "network": network.name,
        "data": given.name,
        "command": command,
        **given.record,
        "imported": {**found.provenance, "notes": list(notes), "is_equalised": real is not device},
        "counts": {"calibration": len(calibration), "judged": judged},
        "accuracy": accuracy,
        "versions": {"m0sim": m0sim.__version__, "numpy": np.__version__, "python": platform.python_version()},
    }
    backbone = Backbone(bare.network, bare.weights, bare.config, record)
    return ImportedModel(backbone, layers, float_network.describes(network), notes, len(calibration), judged)


def _caps(layers: Sequence[LayerReport]) -> Iterator[str]:
    for layer in layers:
        if layer.capped is not None:
            share = f"{100 * layer.capped:.2f} % of its outputs are there"
            yield f"{layer.node}: its ReLU ends ({share}); in int8 it ends where the range does"


def _accuracy(
    model: FloatNetwork, scale: Scaling, backbone: Backbone, images: Pixels, labels: NDArray[np.uint8]
) -> dict[str, float]:
    """Shares of images that the float model, given all of a pixel, and the integer one, given seven bits, get right."""
    real = float_network.logits(model, scale(images)).argmax(axis=1)
    whole = backbone.logits(datasets.network_input(images)).argmax(axis=1)
    found = {"float32": real == labels, "quantised": whole == labels}
    return {name: round(float(np.mean(is_right)), 4) for name, is_right in found.items()}
