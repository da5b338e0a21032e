"""The passes through a whole network, with calibrated (static) or measured (dynamic) scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from m0sim.study.learn import additions, pools
from m0sim.study.learn.arithmetic import Factors, Int8, Int32
from m0sim.study.learn.biases import first_values
from m0sim.study.learn.layers import columns_of, dynamic_shifts, forward, requantise
from m0sim.study.learn.networks import Network, Stage
from m0sim.study.learn.pools import Argmax


class Scales(Protocol):
    """The part of a configuration that the forward pass reads."""

    @property
    def image_exponent(self) -> int: ...
    @property
    def weight_exponents(self) -> tuple[int, ...]: ...
    @property
    def biases(self) -> tuple[tuple[int, ...], ...]: ...
    @property
    def forward(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Forward:
    """Tensors of a forward pass over n images: lists with one entry a layer, arrays [n, ...].

    `activations` and `exponents` have one entry more, the first being the images. Shifts and exponents are int32 [n]
    where scales are measured, one number for all images where they are not.
    """

    activations: list[Int8]
    exponents: list[int | Int32]
    columns: list[Factors]
    """What a layer's weights multiplied: see `layers.columns_of`."""
    accumulators: list[Int32]
    raw: list[Int8]
    argmax: list[Argmax | None]
    shifts: list[int | Int32]


def forward_pass(
    network: Network,
    weights: Sequence[Factors],
    images: Int8,
    scales: Scales,
    dynamic: bool,
    first: Sequence[Int32 | None] = (),
) -> Forward:
    """All tensors of images [n, h, w, c]; every image has its own dynamic scales.

    `first`, one a layer, has the values int32 [outputs] that the accumulators begin with instead of the biases that
    `scales` has; None: those. Empty: those everywhere.
    """
    result = Forward([images], [scales.image_exponent], [], [], [], [], [])
    for stage in network.stages:
        begins = first[stage.index] if first else None
        layer_forward(result, stage, weights[stage.index], scales, dynamic, begins)
    return result


def layer_forward(
    result: Forward, stage: Stage, weights: Factors, scales: Scales, dynamic: bool, begins: Int32 | None = None
) -> None:
    """Append the tensors of the next stage to those of the stages below; `begins`: instead of the stage's biases."""
    columns = columns_of(stage, result.activations[-1])
    acc = forward(stage, weights, columns)
    if begins is not None:
        acc += begins
    elif stage.layer.bias:
        acc += first_values(scales.biases[stage.index], result.exponents[-1] - scales.image_exponent, acc.ndim)
    shift = dynamic_shifts(acc) if dynamic else scales.forward[stage.index]
    exponent = result.exponents[-1] + scales.weight_exponents[stage.index] + shift
    raw = requantise(acc, shift, relu=not stage.last and stage.added is None)
    if stage.added is not None:
        added = result.activations[stage.added], result.exponents[stage.added]
        raw, exponent = additions.forward(raw, exponent, *added)
    pooled, argmax = pools.forward(stage, raw)
    result.columns.append(columns)
    result.accumulators.append(acc)
    result.raw.append(raw)
    result.activations.append(pooled)
    result.argmax.append(argmax)
    result.shifts.append(shift)
    result.exponents.append(exponent)


def gated_error(acc: Int32, gate: Int8, shift: int | None) -> tuple[Int8, int]:
    """The error int8 that a layer passes on, 0 where the stored activation `gate` is 0, and its shift.

    `shift` None measures it over the whole tensor, before gating.
    """
    used = int(dynamic_shifts(acc[None])[0]) if shift is None else shift
    error = requantise(acc, used, relu=False)
    error *= (gate > 0).view(np.int8)
    return error, used
