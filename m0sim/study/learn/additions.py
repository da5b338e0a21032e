"""Residual additions: what an earlier layer gave is added to a convolution's output before the ReLU.

Two int8 tensors whose last places differ are added in the coarser of the two: the other one is shifted to the right by
the difference of their exponents, rounded to the nearest, ties away from zero, and the sum saturates. No other rule is
there, forward or backward:

* forward: the convolution's output, requantised without a ReLU, plus the activation that stage `Stage.added` reads;
  then the ReLU.
* backward: the error at the sum goes unchanged into the convolution, and is added to the error that came to the added
  activation through the layers in between. What comes from several additions is added one after the other, in the
  order of the way back; the gate closes the sum. Nothing is passed to the image, or to what no layer that learns gave.

With dynamic scales either side may be the coarser one. With static scales that is the convolution, and the error
through the layers: calibration raises their shifts so far, which keeps all exponents sums of the shifts, and the
difference a constant of the configuration.
"""

from __future__ import annotations

import numpy as np

from m0sim.study.learn import pools
from m0sim.study.learn.arithmetic import Int8, Int32, IntArray, round_shift, sat
from m0sim.study.learn.config import Config
from m0sim.study.learn.layers import LOSS_EXPONENT
from m0sim.study.learn.networks import Network, Stage

Exponent = int | Int32
"""Of one tensor or, int32 [n], of each of n."""


def add(a: Int8, b: Int8, difference: Exponent) -> Int8:
    """The sum of two tensors [n, ...] or [...] of one shape, `difference` being a's exponent minus b's.

    One number or, for tensors [n, ...], one for each of the n.
    """
    if isinstance(difference, np.ndarray):
        difference = difference.reshape(-1, *[1] * (a.ndim - 1))
    wide: tuple[IntArray, IntArray] = (a.astype(np.int32), b.astype(np.int32))
    # A shift by more than 8 is one by 8: 0.
    by = np.clip(difference, -8, 8)
    return sat(round_shift(wide[0], -by) + round_shift(wide[1], by))


def forward(raw: Int8, exponent: Exponent, skip: Int8, skip_exponent: Exponent) -> tuple[Int8, Exponent]:
    """What a stage gives before its pool, and its exponent: the addition and the ReLU."""
    total = add(raw, skip, exponent - skip_exponent)
    return np.maximum(total, 0), _coarser(exponent, skip_exponent)


def backward(error: Int8, exponent: int, skip: Int8, skip_exponent: int, gate: Int8) -> tuple[Int8, int]:
    """The error of an activation with that of one addition that it went into, 0 where `gate` is 0; its exponent."""
    total = add(error, skip, exponent - skip_exponent)
    total *= (gate > 0).view(np.int8)
    return total, int(_coarser(exponent, skip_exponent))


def _coarser(a: Exponent, b: Exponent) -> Exponent:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        found: Int32 = np.maximum(a, b).astype(np.int32)
        return found
    return max(a, b)


def takes_error(stage: Stage, first: int) -> int | None:
    """The activation to whose error that of the stage's sum is added, the lowest stage that learns being `first`."""
    return stage.added if stage.added is not None and stage.added > first else None


# -- static scales


def activation_exponents(network: Network, config: Config) -> list[int]:
    """Of what each stage reads, and of the logits."""
    found = [config.image_exponent]
    for weight, shift in zip(config.weight_exponents, config.forward, strict=True):
        found.append(found[-1] + weight + shift)
    return found


def error_exponents(network: Network, config: Config, first: int) -> list[int]:
    """Of the error at each stage's output; LOSS_EXPONENT for those that have none."""
    found = [LOSS_EXPONENT] * len(network.stages)
    for stage in reversed(network.stages[first + 1 :]):
        i = stage.index
        behind = found[i] - pools.exponent_fall(stage)
        found[i - 1] = behind + config.weight_exponents[i] + config.backward[i]
    return found


def forward_difference(stage: Stage, network: Network, config: Config) -> int:
    """By how much the exponent of a stage's own output is above that of what is added to it."""
    assert stage.added is not None
    exponents = activation_exponents(network, config)
    return exponents[stage.index + 1] - exponents[stage.added]


def backward_difference(stage: Stage, network: Network, config: Config, first: int) -> int:
    """The same of the errors: that of the added activation over that of the stage's sum."""
    assert stage.added is not None
    exponents = error_exponents(network, config, first)
    return exponents[stage.added - 1] - (exponents[stage.index] - pools.exponent_fall(stage))


def check(network: Network, config: Config, first: int) -> None:
    """ValueError for static shifts with which what is added would be the coarser side."""
    for stage in network.stages:
        if stage.added is None:
            continue
        if config.forward and forward_difference(stage, network, config) < 0:
            raise ValueError(f"{network.name}: the forward shift of layer {stage.index} is too small for its addition")
        is_passed = takes_error(stage, first) is not None
        if is_passed and config.backward and backward_difference(stage, network, config, first) < 0:
            raise ValueError(
                f"{network.name}: the backward shift of layer {stage.added} is too small for the error of layer "
                f"{stage.index}, which it is added to"
            )
