"""A point of a sweep: the key of all that decides about it, and its measurement, which may be on another machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import m0sim
from m0sim.chip.device import Device
from m0sim.errors import M0simError
from m0sim.study.learn import methods, network_toml
from m0sim.study.learn import side_by_side as compare
from m0sim.study.learn.datasets import Dataset, MisfitError
from m0sim.study.learn.networks import Network
from m0sim.study.learn.state import Samples
from m0sim.study.whatif import planned
from m0sim.study.whatif.configuration import Configuration, wide_network
from m0sim.study.whatif.grid import Point, Sweep
from m0sim.study.whatif.measure import Measured, images_of, measure, source_of


def run(
    configuration: Configuration,
    device: Device,
    seed: int,
    expected: str,
    start: compare.StartingPoint,
    files: Sequence[tuple[str, str]] = (),
) -> Measured:
    """Measure a point. Raises M0simError where this is not the m0sim that asked; see `identity`.

    `files` are those of methods, as `methods.specs` has them.
    """
    methods.add_all(files)
    here = identity(configuration.method)
    if here != expected:
        raise M0simError(f"a worker has {here}, the sweep {expected}")
    return measure(planned.plan(configuration), device, start, seed)


def identity(method: str) -> str:
    """The code that a figure is of: m0sim's version and the kernels, or the compiler that makes them.

    Of a method from outside also its name, and a hash of what it is written in.
    """
    code = methods.code_of(method)
    return f"m0sim {m0sim.__version__}, {methods.get(method).device.version()}{code and f', {method} {code}'}"


class Inputs:
    """What a sweep's points start from: weights and images, by network and seed."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._images: dict[Network, Dataset] = {}
        self._starts: dict[tuple[Network, int], compare.StartingPoint] = {}
        self._digests: dict[compare.StartingPoint, str] = {}

    def checked(self, point: Point) -> Point:
        """The point, without its configuration where the images are not its network's.

        UsageError where the images cannot be read: that is nothing of a single point.
        """
        if point.configuration is None:
            return point
        try:
            self.start(point)
        except MisfitError as error:
            return replace(point, configuration=None, reason=str(error))
        return point

    def start(self, point: Point) -> compare.StartingPoint:
        """The start of a point. UsageError where the images are not the network's."""
        assert point.configuration is not None
        network = wide_network(point.configuration.network, point.configuration.width)
        key = (network, point.seed)
        if key not in self._starts:
            images = self._images_of(point.configuration.network)
            backbone = self._sweep.networks[point.values["network"]].backbone
            task = compare.ComparisonTask(
                network, images, point.device, (), self._sweep.steps, point.seed, backbone=backbone
            )
            self._starts[key] = compare.start_of(task)
        return self._starts[key]

    def data_name(self, point: Point) -> str:
        """The data set of a point's images."""
        return source_of(self._sweep.networks[point.values["network"]].network, self._sweep.source).title

    def _images_of(self, network: Network) -> Dataset:
        if network not in self._images:
            self._images[network] = images_of(network, self._sweep.source)
        return self._images[network]

    def backbone_sha256(self, point: Point) -> str | None:
        """Of its backbone, as the results of training have it; None for a bundled one, and where there is none."""
        found = self._sweep.networks[point.values["network"]]
        return None if found.backbone is None else found.identity().get("backbone_sha256")

    def _text(self, point: Point) -> str:
        """What tells its network from every other one."""
        return network_toml.identity(self._sweep.networks[point.values["network"]].network)

    def key(self, point: Point) -> str:
        """The hash of all that decides about a point's figures: code, configuration, chip, weights, images, seed."""
        configuration = point.configuration
        if configuration is None:
            values = dict(point.values) | {"network": self._text(point)}
            return _hash({"values": values, "version": m0sim.__version__})
        chip = asdict(point.device)
        del chip["path"]
        start = self.start(point)
        if start not in self._digests:
            self._digests[start] = _digest(start)
        knobs = asdict(configuration) | {"network": self._text(point)}
        parts = [knobs, chip, point.seed, identity(configuration.method), self._digests[start]]
        if old := methods.get(configuration.method).old_images({}):
            parts.append(_digest_of(start.old_samples(old)))
        return _hash(parts)


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _digest(start: compare.StartingPoint) -> str:
    found = hashlib.sha256(repr((start.config.weight_exponents, start.config.biases, start.note)).encode())
    for array in (*start.weights, *start.calibration, *start.training):
        found.update(_bytes_of(array))
    return found.hexdigest()


def _digest_of(samples: Samples) -> str:
    return hashlib.sha256(b"".join(map(_bytes_of, samples))).hexdigest()


def _bytes_of(array: NDArray[Any]) -> bytes:
    """All that an array is."""
    return repr((array.dtype.str, array.shape)).encode() + np.ascontiguousarray(array).tobytes()
