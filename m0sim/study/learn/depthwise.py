"""Depthwise convolutions on int8 tensors: each channel by itself, with weights [channels, kh, kw] of its own.

What a layer reads is gathered as for every convolution, [n, positions, taps * channels] (`layers.columns_of`): a tap's
channels lie together, and each meets its own weight.
"""

from __future__ import annotations

from math import prod

import numpy as np

from m0sim.study.learn.arithmetic import Factors, Int8, Int32
from m0sim.study.learn.layout import Index
from m0sim.study.learn.networks import Stage


def forward(stage: Stage, weights: Factors, columns: Factors) -> Int32:
    """Accumulators int32 [n, *raw_shape] of `columns_of` n inputs."""
    by_tap = columns.reshape(len(columns), stage.positions, -1, stage.n_out)
    acc: Int32 = np.einsum("nptc,tc->npc", by_tap, _by_tap(weights), dtype=np.int32, casting="unsafe")
    return acc.reshape(-1, *stage.raw_shape)


def error_through(stage: Stage, weights: Factors, raw_error: Int8, reached: Index) -> Int32:
    """Accumulators int32 [*in_shape] of the error at the input, from raw_error int8 [*raw_shape].

    `reached` int64 [h * w, taps] is the output position that an input reaches through each tap, their number for none.
    """
    error = np.zeros((stage.positions + 1, stage.n_out), np.int8)
    error[:-1] = raw_error.reshape(-1, stage.n_out)
    met = error.take(reached, axis=0)
    acc: Int32 = np.einsum("ptc,tc->pc", met, _by_tap(weights), dtype=np.int32, casting="unsafe")
    return acc.reshape(stage.in_shape)


def gradient(stage: Stage, raw_error: Int8, columns: Factors) -> tuple[Index, Int32]:
    """The channels that have an error, and their G int32 [.., taps]; columns int8 [positions, taps * channels]."""
    error = raw_error.reshape(-1, stage.n_out)
    (some,) = np.abs(error).max(axis=0).nonzero()
    by_tap = columns.reshape(len(columns), -1, stage.n_out)
    return some, np.einsum("pc,ptc->ct", error[:, some], by_tap[:, :, some], dtype=np.int32, casting="unsafe")


def _by_tap(weights: Factors) -> Factors:
    """[channels, kh, kw] -> [taps, channels]."""
    return weights.reshape(len(weights), prod(weights.shape[1:])).T
