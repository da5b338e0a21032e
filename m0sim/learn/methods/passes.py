"""The passes through a whole network, with calibrated (static) or measured (dynamic) scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from m0sim.learn.arithmetic import Int8, Int32
from m0sim.learn.layers import Argmax, dynamic_shifts, forward, pool, requantise, unpool
from m0sim.learn.networks import Network, Stage


class Scales(Protocol):
    """The part of a configuration that the forward pass reads."""

    @property
    def image_exponent(self) -> int: ...
    @property
    def weight_exponents(self) -> tuple[int, ...]: ...
    @property
    def forward(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Forward:
    """Tensors of a forward pass over n images: lists with one entry a layer, arrays [n, ...].

    `activations` and `exponents` (int32 [n]) have one entry more, the first being the images.
    """

    activations: list[Int8]
    exponents: list[Int32]
    accumulators: list[Int32]
    raw: list[Int8]
    argmax: list[Argmax | None]
    shifts: list[Int32]


def forward_pass(network: Network, weights: Sequence[Int8], images: Int8, scales: Scales, dynamic: bool) -> Forward:
    """All tensors of images [n, h, w, c]; every image has its own dynamic scales."""
    start = np.full(len(images), scales.image_exponent, np.int32)
    result = Forward([images], [start], [], [], [], [])
    for stage in network.stages:
        acc = forward(stage, weights[stage.index], result.activations[-1])
        if dynamic:
            shift = dynamic_shifts(acc)
            raw = requantise(acc, shift, relu=not stage.last)
        else:
            shift = np.full(len(images), scales.forward[stage.index], np.int32)
            raw = requantise(acc, scales.forward[stage.index], relu=not stage.last)
        pooled, argmax = pool(raw) if stage.pooled else (raw, None)
        result.accumulators.append(acc)
        result.raw.append(raw)
        result.activations.append(pooled)
        result.argmax.append(argmax)
        result.shifts.append(shift)
        result.exponents.append(result.exponents[-1] + scales.weight_exponents[stage.index] + shift)
    return result


def raw_error(stage: Stage, error: Int8, argmax: Argmax | None) -> Int8:
    """The error at the layer's own output, from the one behind its pool; one image."""
    return error if argmax is None else unpool(error, argmax, stage.raw_shape)


def gated_error(acc: Int32, gate: Int8, shift: int | None) -> tuple[Int8, int]:
    """The error int8 that a layer passes on, 0 where the stored activation `gate` is 0, and its shift.

    `shift` None measures it over the whole tensor, before gating.
    """
    used = int(dynamic_shifts(acc[None])[0]) if shift is None else shift
    error = requantise(acc, used, relu=False)
    return np.where(gate > 0, error, np.int8(0)), used
