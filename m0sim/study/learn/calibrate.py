"""Static shifts by calibration: what a method's tensors look like on some labelled images before deployment.

The rules, layer by layer in the order of computation, each layer seeing what the shifts found so far store:

* forward p: for every image the shift that leaves 7 bits of the largest |accumulator| of the tensor (what dynamic
  scales would use); p is the `forward_percentile` of these over the images, rounded up. 100 is the smallest shift with
  which no calibration image saturates by more than rounding.
* backward q: the same with the error's accumulators and `backward_percentile`. Images whose tensor is all zero do not
  vote: most images of a trained network have next to no error, and they would pull q down. One of less than 7 bits
  does, with the negative number of bits that it lacks.
* Of a layer whose output something is added to, and of an error that another one is added to, the shift is found for
  the sum, and is raised until what is added has not the larger exponent (`additions` says why).
* update of weights (methods that learn weights): the bit length of the largest |G| of every image with an error, its
  `update_percentile`, minus mu: NITI's rule, frozen. It is the whole G, even where a step uses part of it.
* update of biases (bias-last): the same of the largest |sum of errors| over a channel's positions, minus mu + p. A bias
  counts in units of its accumulators, 2**p of which are one of the layer's output: so the largest sum moves an output
  by about 2**mu of its units. Clamped to -24..24: it is a shift to the left where sums are small.
* update of scores (priot*): the smallest r with which at most the share `moved` of the edges' deltas
  round_shift(w * G, r) is not zero, over all scored edges and all images with an error.

The other shifts are clamped to 0..24. Where no error passes or nothing learns, those of errors and updates are 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from m0sim.errors import UsageError
from m0sim.study.learn import additions, pools
from m0sim.study.learn.arithmetic import STATIC_SHIFT_MAX, Int8, Int32, IntArray, bit_length, largest, round_shift
from m0sim.study.learn.biases import static_first_values
from m0sim.study.learn.config import Config
from m0sim.study.learn.layers import (
    LOSS_EXPONENT,
    channel_sums,
    columns_of,
    dynamic_shifts,
    error_through,
    forward,
    gradient,
    loss,
    requantise,
)
from m0sim.study.learn.networks import Network, Stage
from m0sim.study.learn.passes import gated_error
from m0sim.study.learn.pools import Argmax
from m0sim.study.learn.state import Examples, Frozen, State


@dataclass(frozen=True)
class Rules:
    """The parameters of the calibration; the module's text says what they mean."""

    forward_percentile: float = 100.0
    backward_percentile: float = 90.0
    update_percentile: float = 90.0
    moved: float = 0.02


DEFAULT = Rules()


class Calibrated(Protocol):
    """What calibration asks of a method: `methods.integer.IntegerMethod` says more."""

    @property
    def dynamic(self) -> bool: ...
    @property
    def learns_biases(self) -> bool: ...
    def learned_in(self, stage: Stage) -> Literal["weights", "scores"]: ...
    def takes_gradient(self, stage: Stage) -> bool: ...
    def freeze(
        self, network: Network, weights: Sequence[Int8], config: Config, examples: Examples | None = None
    ) -> Frozen: ...
    def initial_state(self, network: Network, frozen: Frozen, config: Config, seed: int) -> State: ...


class _Scaled(NamedTuple):
    """One tensor of all images, and its exponent."""

    values: Int8
    """[n, ...]"""
    exponent: int


@dataclass
class _Layer:
    """What is kept of one layer's forward pass over all calibration images: arrays [n, ...]."""

    inputs: Int8
    argmax: Argmax | None


def calibrate(
    network: Network,
    method: Calibrated,
    weights: Sequence[Int8],
    images: Int8,
    labels: Sequence[int] | NDArray[np.integer],
    config: Config,
    seed: int = 0,
    rules: Rules = DEFAULT,
) -> Config:
    """`config` with the static shifts of `method` for images int8 [n, h, w, c] and their labels [n].

    Weights are the backbone's; the passes use what the method's initial state (from `seed`) makes of them. Shifts that
    `config` has, such as a backbone's, are not read. A dynamic method's configuration comes back as it is.
    """
    if method.dynamic:
        return config
    config = replace(config, forward=(), backward=(), update=(), bias_update=())  # `freeze` must not go by them
    frozen = method.freeze(network, weights, config, Examples(images, np.asarray(labels)))
    effective = method.initial_state(network, frozen, config, seed).weights
    layers, logits, forward_shifts = _forward(network, effective, images, config, rules)
    config = replace(config, forward=tuple(forward_shifts))
    errors = [loss(o, config.logit_exponent, int(y)) for o, y in zip(logits, labels, strict=True)]
    backward, update, bias_update = ([0] * len(layers) for _ in range(3))
    passed: dict[int, list[_Scaled]] = {}
    exponent = LOSS_EXPONENT
    for stage in reversed(network.stages[frozen.first :]):
        i, layer = stage.index, layers[stage.index]
        raw = [
            pools.backward(stage, e, None if layer.argmax is None else layer.argmax[n]) for n, e in enumerate(errors)
        ]
        exponent -= pools.exponent_fall(stage)
        if (to := additions.takes_error(stage, frozen.first)) is not None:
            passed.setdefault(to, []).append(_Scaled(np.stack(raw), exponent))
        if method.takes_gradient(stage):
            update[i] = _update_shift(stage, method, frozen, raw, layer.inputs, config, rules)
        if method.learns_biases:
            bias_update[i] = _bias_shift(stage, errors, config, rules)
        if i > frozen.first:
            acc = np.stack([error_through(stage, effective[i], e).reshape(layer.inputs.shape[1:]) for e in raw])
            exponent += config.weight_exponents[i]
            sums, least = _with_added(network, acc, exponent, passed.get(i, ()))
            found = [largest(a).bit_length() - 7 for a in sums if a.any()]
            backward[i] = max(_percentile(found, rules.backward_percentile), least)
            exponent += backward[i]
            errors = [gated_error(a, layer.inputs[n], backward[i])[0] for n, a in enumerate(acc)]
            for skip in passed.get(i, ()):
                where = zip(errors, skip.values, layer.inputs, strict=True)
                errors = [additions.backward(e, exponent, s, skip.exponent, gate)[0] for e, s, gate in where]
    config = replace(config, backward=tuple(backward), update=tuple(update))
    return replace(config, bias_update=tuple(bias_update)) if method.learns_biases else config


def forward_shifts(
    network: Network, weights: Sequence[Int8], images: Int8, config: Config, rules: Rules = DEFAULT
) -> Config:
    """`config` with the shifts p alone, of images int8 [n, h, w, c]: they need no labels."""
    return replace(config, forward=tuple(_forward(network, weights, images, config, rules)[2]))


def _forward(
    network: Network, weights: Sequence[Int8], images: Int8, config: Config, rules: Rules
) -> tuple[list[_Layer], Int8, list[int]]:
    """The layers' inputs and argmax, the logits, and the shifts p."""
    layers: list[_Layer] = []
    shifts: list[int] = []
    given = [_Scaled(images, config.image_exponent)]
    for stage in network.stages:
        activations, exponent = given[-1].values, given[-1].exponent + config.weight_exponents[stage.index]
        acc = forward(stage, weights[stage.index], columns_of(stage, activations))
        if stage.layer.bias:
            acc += static_first_values(replace(config, forward=tuple(shifts)), stage.index)
        added = () if stage.added is None else (given[stage.added],)
        sums, least = _with_added(network, acc, exponent, added)
        shifts.append(max(_percentile(dynamic_shifts(sums), rules.forward_percentile), least))
        exponent += shifts[-1]
        raw = requantise(acc, shifts[-1], relu=not stage.last and not added)
        for skip in added:
            raw, _ = additions.forward(raw, exponent, skip.values, skip.exponent)
        pooled, argmax = pools.forward(stage, raw)
        layers.append(_Layer(activations, argmax))
        given.append(_Scaled(pooled, exponent))
    return layers, given[-1].values, shifts


def _with_added(network: Network, acc: Int32, exponent: int, added: Sequence[_Scaled]) -> tuple[IntArray, int]:
    """Accumulators [n, ...] with what is added to them after requantising, and the shift that this needs at least."""
    sums: IntArray = acc
    least = 0
    for skip in added:
        by = skip.exponent - exponent
        if by > STATIC_SHIFT_MAX:
            raise UsageError(
                f"{network.name}: what is added is 2^{by} times as coarse as the sums it is added to: at most "
                f"2^{STATIC_SHIFT_MAX}; choose a method with dynamic scales"
            )
        least = max(least, by)
        sums = sums + round_shift(skip.values.astype(np.int64) << max(by, 0), -by)
    return sums, least


def _update_shift(
    stage: Stage,
    method: Calibrated,
    frozen: Frozen,
    errors: Sequence[Int8],
    inputs: Int8,
    config: Config,
    rules: Rules,
) -> int:
    """s of a layer that learns weights, r of one that learns scores, from errors in front of the layer's pool."""
    learning = (n for n, error in enumerate(errors) if error.any())
    gradients = (gradient(stage, errors[n], columns_of(stage, inputs[n : n + 1])[0]) for n in learning)
    if method.learned_in(stage) == "weights":
        return _percentile([largest(g.values).bit_length() - config.mu for g in gradients], rules.update_percentile)
    matrix = frozen.weights[stage.index]
    scored = frozen.scored[stage.index] if frozen.scored else None
    bits = np.zeros(33, np.int64)
    for g in gradients:
        delta = (matrix * g.whole()).reshape(-1)
        bits += np.bincount(bit_length(delta if scored is None else delta[scored]), minlength=33)
    return _share_shift(bits, rules.moved)


def _bias_shift(stage: Stage, errors: Sequence[Int8], config: Config, rules: Rules) -> int:
    """r of bias-last, from errors behind the layer's pool."""
    sums = (channel_sums(error) for error in errors if error.any())
    found = [largest(total).bit_length() - config.mu - config.forward[stage.index] for total in sums]
    return _rounded_up(found, rules.update_percentile, -STATIC_SHIFT_MAX)


def _share_shift(bits: NDArray[np.int64], share: float) -> int:
    """The smallest r with which at most `share` of all deltas do not round to 0; bits[b] of them have b bits."""
    # |delta| >= 2**(r-1), that is at least r bits, is what rounds away from 0; for r = 0 it is any delta but 0.
    not_zero = [int(bits[max(r, 1) :].sum()) for r in range(STATIC_SHIFT_MAX + 1)]
    return next((r for r, count in enumerate(not_zero) if count <= share * int(bits.sum())), STATIC_SHIFT_MAX)


def _percentile(shifts: Sequence[int] | Int32, percentile: float) -> int:
    """The percentile of the shifts, rounded up, within 0..24; 0 if there are none."""
    return _rounded_up(shifts, percentile, 0)


def _rounded_up(shifts: Sequence[int] | Int32, percentile: float, least: int) -> int:
    """The same within `least`..24."""
    if not len(shifts):
        return 0
    found = math.ceil(float(np.percentile(np.asarray(shifts), percentile)))
    return min(max(found, least), STATIC_SHIFT_MAX)
