"""A float network as a backbone: int8 weights of one power of two a layer, integer biases, calibrated shifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m0sim.errors import UsageError
from m0sim.study.learn import biases as bias_rules
from m0sim.study.learn import calibrate
from m0sim.study.learn.arithmetic import LIMIT, Int8
from m0sim.study.learn.config import Config
from m0sim.study.learn.imported import equalise, float_network
from m0sim.study.learn.imported.float_network import FloatNetwork, Real
from m0sim.study.learn.networks import Network
from m0sim.study.learn.passes import forward_pass

EXPONENTS = range(-40, 24)
"""Of weights: what any trained layer has."""
_COMPARED = 256
"""Images that tell whether equal channels are better."""


@dataclass(frozen=True)
class LayerReport:
    """What quantising cost one layer, on the calibration images."""

    node: str
    layer: str
    exponent: int
    """Real weight = w * 2**exponent."""
    shift: int
    output_exponent: int
    error: float
    """Root mean square of the difference between the layer's outputs in int8 and in float, over that of the float ones;
    what the layers in front of it cost is part of it."""
    saturated: float
    """Share of its outputs that are at the end of the int8 range."""
    capped: float | None
    """Share of its outputs in float that are where its ReLU ends; None where it does not end."""

    @property
    def decibels(self) -> float:
        """The same as a signal-to-noise ratio."""
        return float(-20 * np.log10(self.error)) if self.error else float("inf")


@dataclass(frozen=True)
class Quantised:
    """int8 weights, and what the device is told."""

    network: Network
    weights: tuple[Int8, ...]
    config: Config

    def logits(self, images: Int8) -> Real:
        """Those of images int8 [n, h, w, c], as real numbers."""
        passed = forward_pass(self.network, self.weights, images, self.config, dynamic=False)
        return np.ldexp(passed.activations[-1].astype(np.float64), self.config.logit_exponent)


def quantise(model: FloatNetwork, images: Int8) -> tuple[Quantised, FloatNetwork]:
    """The network in int8, its shifts calibrated on images int8 [n, h, w, c], for which the model is (`on_device`); and
    the float network that it is of: the model, or what equalising its channels makes of it, whichever loses less of the
    logits of these images.

    Raises UsageError where a layer's numbers are out of range.
    """
    found = [(as_it_is(each, images), each) for each in (model, equalise.equalised(model))]
    sample = images[:_COMPARED]
    wanted = float_network.logits(model, _real(sample))
    lost = [float(np.mean((each.logits(sample) - wanted) ** 2)) for each, _ in found]
    return found[int(np.argmin(lost))]


def as_it_is(model: FloatNetwork, images: Int8) -> Quantised:
    """The same of the model alone."""
    network = model.network
    found = [_weights(network, i, weights) for i, weights in enumerate(model.weights)]
    weights, exponents = tuple(w for w, _ in found), tuple(e for _, e in found)
    given = tuple(_biases(network, i, exponents[i], bias) for i, bias in enumerate(model.biases))
    config = Config(weight_exponents=exponents, biases=given if any(given) else ())
    try:
        bias_rules.check(network, config)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return Quantised(network, weights, calibrate.forward_shifts(network, weights, images, config))


def to_int8(weights: NDArray[np.floating]) -> tuple[Int8, int]:
    """int8 weights and their exponent: the smallest with which the largest weight is at most 127.

    Only exact steps (frexp, a power of two) and one rounding, half to even.
    """
    fraction, exponent = np.frexp(np.abs(weights).max())  # largest = fraction * 2^exponent, fraction in [0.5, 1)
    exponent = int(exponent) - 7 + int(float(fraction) * 128 > LIMIT)
    return np.rint(np.ldexp(weights, -exponent)).astype(np.int8), exponent


def _real(images: Int8) -> Real:
    """What the device's images stand for."""
    return np.ldexp(images.astype(np.float64), Config.image_exponent)


def _weights(network: Network, index: int, weights: Real) -> tuple[Int8, int]:
    if not np.isfinite(weights).all() or not weights.any():
        raise UsageError(f"{network.name}: layer {index} has no weight other than 0, or one that is no number")
    found, exponent = to_int8(weights)
    if exponent not in EXPONENTS:
        raise UsageError(f"{network.name}: layer {index} has weights up to {np.abs(weights).max():g}, out of range")
    return found, exponent


def _biases(network: Network, index: int, exponent: int, bias: Real) -> tuple[int, ...]:
    if not np.any(bias):
        return ()
    found = np.rint(np.ldexp(bias, -(exponent + Config.image_exponent)))
    if not (np.abs(found) <= bias_rules.LARGEST).all():
        raise UsageError(
            f"{network.name}: layer {index} has biases up to {np.abs(bias).max():g}, too large beside its weights"
        )
    return tuple(map(int, found.tolist()))


def reports(model: FloatNetwork, quantised: Quantised, nodes: Sequence[str], images: Int8) -> list[LayerReport]:
    """What each layer lost on images int8 [n, h, w, c]; `nodes` are its names in the file."""
    config = quantised.config
    passed = forward_pass(quantised.network, quantised.weights, images, config, dynamic=False)
    real = float_network.forward(model, _real(images))
    found = []
    for i, (node, wanted) in enumerate(zip(nodes, real, strict=True)):
        exponent = int(passed.exponents[i + 1])
        has = passed.activations[i + 1].astype(np.int64)
        error = np.sqrt(np.mean((np.ldexp(has.astype(np.float64), exponent) - wanted) ** 2))
        size = np.sqrt(np.mean(wanted**2))
        layer = float_network.words(quantised.network.stages[i].layer)
        share = float(np.mean(np.abs(has) == LIMIT))
        relative = float(error / size) if size else float(error > 0)
        cap = model.caps[i]
        capped = None if cap is None else float(np.mean(wanted >= cap * (1 - 1e-9)))
        exponents = config.weight_exponents[i], config.forward[i], exponent
        found.append(LayerReport(node, layer, *exponents, relative, share, capped))
    return found
