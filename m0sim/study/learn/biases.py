"""Biases: constants that a layer's accumulators begin with, one for each output.

A bias is an integer b with the exponent that the layer's accumulators have behind an image: real value = b *
2**(weight exponent + image exponent), b within +-`LARGEST`. The accumulators' own exponent is that of the layer's
inputs plus that of its weights, so b is shifted by how far the inputs' exponent is above the image's: rounded to the
nearest, ties away from zero, or, to the left, clamped to +-`LARGEST`. With static scales that is done before
deployment, with dynamic ones for every image.

Accumulators saturate nowhere: `LARGEST` and the products of up to `INPUTS_MAX` inputs stay below 2**30, which is what
requantising may round without leaving int32.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from m0sim.study.learn.arithmetic import LIMIT, Int32, round_shift
from m0sim.study.learn.config import Config
from m0sim.study.learn.networks import Network

LARGEST = (1 << 29) - 1
INPUTS_MAX = (1 << 29) // LIMIT**2
"""Inputs of one output of a layer with biases."""
_LEFT_MAX, _RIGHT_MAX = 30, 31
"""Further shifts change nothing: one is past `LARGEST`, the other makes 0 of every sum of errors."""


def first_values(biases: tuple[int, ...], shift: int | Int32, ndim: int = 2) -> Int32:
    """What accumulators [n, ..., outputs] of `ndim` dimensions begin with, an array that broadcasts against them.

    `shift` is the inputs' exponent minus the image's: one number, or one for each of the n.
    """
    by = np.asarray(shift, np.int64).reshape(-1, *[1] * (ndim - 1))
    right, left = np.clip(by, 0, 31), np.clip(-by, 0, 30)
    shifted = round_shift(np.array(biases, np.int64) << left, right)
    first: Int32 = np.clip(shifted, -LARGEST, LARGEST).astype(np.int32)
    return first


def static_first_values(config: Config, index: int) -> Int32:
    """int32 [outputs]: those of layer `index` with calibrated shifts."""
    first: Int32 = first_values(config.biases[index], _finer(config, index))[0]
    return first


class Rule(NamedTuple):
    """How biases learn from sums of errors: b = clamp(b - clamp(Round(sum, right) * 2**left)), both to +-limit."""

    right: int
    left: int
    limit: int


def rule(config: Config, index: int) -> Rule:
    """That of layer `index`: right - left is its r of `Config.bias_update`.

    Learned biases are first values, in the unit of their accumulators, and can be said exactly as constants of the
    network (`constants`), too: where the unit of those is the coarser one, they move by multiples of it.
    """
    r = config.bias_update[index]
    left = min(max(-r, -_finer(config, index), 0), _LEFT_MAX)
    return Rule(min(r + left, _RIGHT_MAX), left, _limit(config, index))


def moved(biases: Int32, sums: Int32, by: Rule) -> Int32:
    """Biases int32 [outputs] after sums of errors int32 [outputs]."""
    delta = np.clip(round_shift(sums.astype(np.int64), by.right) << by.left, -by.limit, by.limit)
    after: Int32 = np.clip(biases - delta, -by.limit, by.limit).astype(np.int32)
    return after


def learnable(config: Config, index: int, outputs: int) -> Int32:
    """int32 [outputs]: what the first values of layer `index` are before they learn: of its biases, or zeros."""
    if not config.biases or not config.biases[index]:
        return np.zeros(outputs, np.int32)
    limit = _limit(config, index)
    found: Int32 = np.clip(static_first_values(config, index), -limit, limit)
    return found


def constants(first: Int32, config: Config, index: int) -> tuple[int, ...]:
    """Learned first values of layer `index` as `Config.biases` has them: `static_first_values` gives them back."""
    finer = _finer(config, index)
    return tuple(b << finer if finer >= 0 else b >> min(-finer, _LEFT_MAX) for b in first.tolist())


def _limit(config: Config, index: int) -> int:
    """The largest first value that is a constant within +-`LARGEST`."""
    finer = _finer(config, index)
    coarser = min(max(-finer, 0), _LEFT_MAX)
    return LARGEST >> max(finer, 0) >> coarser << coarser


def _finer(config: Config, index: int) -> int:
    """By how many bits the unit of a layer's constants is finer than that of its accumulators."""
    return sum(config.weight_exponents[:index]) + sum(config.forward[:index])


def check(network: Network, config: Config) -> None:
    """ValueError where the biases of a configuration are not those that the network's layers have."""
    given = config.biases or ((),) * len(network.stages)
    if len(given) != len(network.stages):
        raise ValueError(f"{network.name}: biases of {len(given)} layers, it has {len(network.stages)}")
    for stage, biases in zip(network.stages, given, strict=True):
        wanted = stage.n_out if stage.layer.bias else 0
        if len(biases) != wanted:
            raise ValueError(f"{network.name}: layer {stage.index} has {wanted} biases, not {len(biases)}")
        if any(abs(b) > LARGEST for b in biases):
            raise ValueError(f"{network.name}: a bias of layer {stage.index} is not within +-{LARGEST:,}")
        if biases and stage.n_in > INPUTS_MAX:
            raise ValueError(f"{network.name}: layer {stage.index} has biases: at most {INPUTS_MAX:,} inputs an output")
