"""Forward and backward of single layers on int8 tensors, vectorised: what the kernels must equal byte for byte.

Forward functions take a batch [n, ...] (accuracy is measured over thousands of images); backward ones take one image,
because training is batch 1. Activations and errors are HWC. Errors and gradients are int32 until requantised.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from m0sim.study.learn import depthwise
from m0sim.study.learn.arithmetic import LIMIT, Factors, Int8, Int32, IntArray, clamp, matmul, psto_shift, sat
from m0sim.study.learn.layout import Index
from m0sim.study.learn.networks import Conv, Dense, Depthwise, Shape, Stage, pads_of

LOSS_EXPONENT = -7
"""Exponent of the loss error: e = 127 stands for a probability error of about 1."""

_EXPONENT_RANGE = (-15, 7)


def patches(layer: Conv | Depthwise, images: Factors, raw_shape: Shape) -> Factors:
    """im2col: [n, h, w, c] -> [n, positions, kh * kw * c] of the same dtype."""
    n, height, width, channels = images.shape
    above, left = pads_of(layer)
    padded = np.zeros((n, height + 2 * above, width + 2 * left, channels), images.dtype)
    padded[:, above : above + height, left : left + width] = images
    pixels = padded.reshape(n, -1, channels)
    reached = pixels.take(_taps(layer, padded.shape[1:3], raw_shape), axis=1)
    return reached.reshape(n, prod(raw_shape[:2]), -1)


@lru_cache(maxsize=64)
def _taps(layer: Conv | Depthwise, padded_shape: Shape, raw_shape: Shape) -> Index:
    """int64 [positions, kh * kw]: the pixels of a padded image that every output position reads."""
    at = np.arange(prod(padded_shape)).reshape(padded_shape)
    windows = np.lib.stride_tricks.sliding_window_view(at, layer.kernel)[:: layer.stride, :: layer.stride]
    return np.ascontiguousarray(windows).reshape(prod(raw_shape[:2]), -1)


def columns_of(stage: Stage, inputs: Int8) -> Factors:
    """What every row of weights is multiplied by: float32 [n, positions, n_in] of inputs [n, ...].

    Of a depthwise convolution that is int8 [n, positions, taps * channels]: a row meets its own channel in each tap.
    """
    if isinstance(stage.layer, Depthwise):
        return patches(stage.layer, inputs, stage.raw_shape)
    factors = inputs.astype(np.float32)
    if isinstance(stage.layer, Dense):
        return factors.reshape(len(inputs), 1, -1)
    return patches(stage.layer, factors, stage.raw_shape)


def forward(stage: Stage, weights: Factors, columns: Factors) -> Int32:
    """Accumulators int32 [n, *raw_shape] of `columns_of` n inputs."""
    if isinstance(stage.layer, Depthwise):
        return depthwise.forward(stage, weights, columns)
    n, _, n_in = columns.shape
    rows, weights = columns.reshape(-1, n_in), weights.reshape(-1, n_in)
    # BLAS is faster with the longer matrix in front.
    acc = matmul(rows, weights.T) if len(rows) >= len(weights) else matmul(weights, rows.T).T
    return acc.reshape(n, *stage.raw_shape)


def dynamic_shifts(acc: IntArray) -> Int32:
    """int32 [n]: for every tensor acc[i] the shift that leaves 7 bits of its largest magnitude."""
    flat = acc.reshape(len(acc), -1)
    largest = np.maximum(flat.max(axis=1), -flat.min(axis=1)).tolist()
    return np.array([max(value.bit_length() - 7, 0) for value in largest], np.int32)


def requantise(acc: Int32, shift: int | Int32, relu: bool) -> Int8:
    """int8 [n, ...] of accumulators [n, ...]: sat(round_shift(acc, shift)), and 0 for negative ones with `relu`.

    `shift` is one number, 0..24, or one for each of the n.
    """
    if isinstance(shift, np.ndarray):
        shift = shift.reshape(-1, *[1] * (acc.ndim - 1))
    # Clamped first: what is in range can be rounded by an addition, and nothing leaves int32.
    limit = LIMIT << shift
    rounded = clamp(acc, 0 if relu else -limit, limit)
    if not relu:
        rounded += (rounded >> 31) * (shift > 0)
    rounded += 1 << shift >> 1
    rounded >>= shift
    return rounded.astype(np.int8)


def loss(logits: Int8, exponent: int, label: int) -> Int8:
    """Integer cross-entropy gradient int8 [classes] of logits with real value o * 2**exponent.

    e = 2**7 * (softmax - one-hot), with 2**z - 1 for e**o. The last shift rounds pseudo-stochastically without random
    numbers; the exponent is clamped to -15..7, so that everything stays within 32 bits.
    """
    low, high = _EXPONENT_RANGE
    z = [o * 47274 >> (15 - min(max(exponent, low), high)) for o in logits.tolist()]
    least = max(z) - 10
    n = [(1 << max(value - least, 0)) - 1 for value in z]
    total = sum(n)
    g = [value * 2048 // total for value in n]
    g[label] -= sum(g)
    return sat(psto_shift(np.array(g, np.int32), 4))


def error_through(stage: Stage, weights: Factors, raw_error: Int8) -> Int32:
    """Accumulators int32 [*in_shape] of the error at the layer's input; raw_error int8 [*raw_shape]."""
    if not raw_error.any():
        return np.zeros(stage.in_shape, np.int32)
    if isinstance(stage.layer, Dense):
        (some,) = raw_error.nonzero()
        return matmul(raw_error[None, some], weights[some]).reshape(stage.in_shape)
    if isinstance(stage.layer, Depthwise):
        reached = _reached_by(stage.layer, stage.in_shape, stage.raw_shape)
        return depthwise.error_through(stage, weights, raw_error, reached)
    # What every position sends through every tap, and one more row of zeros for where it would come from outside.
    sent = np.zeros((stage.positions * prod(stage.layer.kernel) + 1, stage.in_shape[-1]), np.int32)
    error = raw_error.reshape(-1, stage.n_out)
    sent[:-1] = matmul(error, weights.reshape(stage.n_out, -1)).reshape(-1, stage.in_shape[-1])
    met: Int32 = sent.take(_senders(stage.layer, stage.in_shape, stage.raw_shape), axis=0)
    acc: Int32 = met.sum(axis=0, dtype=np.int32).reshape(stage.in_shape)
    return acc


@lru_cache(maxsize=64)
def _reached_by(layer: Conv | Depthwise, in_shape: Shape, raw_shape: Shape) -> Index:
    """int64 [h * w, kh * kw]: the output position that an input reaches through each tap, their number for none."""
    (kh, kw), (rows, columns) = layer.kernel, raw_shape[:2]
    y = np.arange(in_shape[0])[:, None] + pads_of(layer)[0] - np.arange(kh)
    x = np.arange(in_shape[1])[:, None] + pads_of(layer)[1] - np.arange(kw)
    is_row = (y % layer.stride == 0) & (y >= 0) & (y < rows * layer.stride)
    is_column = (x % layer.stride == 0) & (x >= 0) & (x < columns * layer.stride)
    at = (y // layer.stride)[:, None, :, None] * columns + (x // layer.stride)[None, :, None, :]
    is_there = is_row[:, None, :, None] & is_column[None, :, None, :]
    return np.where(is_there, at, rows * columns).reshape(-1, kh * kw)


@lru_cache(maxsize=64)
def _senders(layer: Conv, in_shape: Shape, raw_shape: Shape) -> Index:
    """int64 [kh * kw, h * w]: output position * kh * kw + tap of each tap through which an input is reached."""
    reached, taps = _reached_by(layer, in_shape, raw_shape), prod(layer.kernel)
    none = prod(raw_shape[:2]) * taps
    return np.ascontiguousarray(np.minimum(reached * taps + np.arange(taps), none).T)


class Gradient(NamedTuple):
    """G of one layer and one image, without rows of zeros of outputs that have no error."""

    rows: Index
    """int64 [rows]: the outputs that are there, ascending."""
    values: Int32
    """Their rows of G, [rows, n_in]."""
    shape: Shape
    """Of the weights."""

    def whole(self) -> Int32:
        """G int32 in the shape of the weights."""
        if len(self.rows) == self.shape[0]:
            return self.values.reshape(self.shape)
        g = np.zeros((self.shape[0], prod(self.shape[1:])), np.int32)
        g[self.rows] = self.values
        return g.reshape(self.shape)


def channel_sums(error: Int8) -> Int32:
    """int32 [channels]: the errors of each channel of an error [..., channels], summed over all positions."""
    sums: Int32 = error.reshape(-1, error.shape[-1]).sum(axis=0, dtype=np.int32)
    return sums


NO_GRADIENT = Gradient(np.zeros(0, np.int64), np.zeros((0, 0), np.int32), (0, 0))
"""Of a layer that learns without."""


def gradient(stage: Stage, raw_error: Int8, columns: Factors) -> Gradient:
    """G: error times activation, summed over positions; `columns_of` one image, [positions, n_in]."""
    if isinstance(stage.layer, Depthwise):
        return Gradient(*depthwise.gradient(stage, raw_error, columns), stage.weight_shape)
    error = raw_error.reshape(-1, stage.n_out)
    if len(error) == 1:
        (rows,) = error[0].nonzero()
        outer = np.multiply.outer(error[0, rows].astype(np.int32), columns[0].astype(np.int32))
        return Gradient(rows, outer, stage.weight_shape)
    rows = np.arange(stage.n_out if error.any() else 0)
    return Gradient(rows, matmul(error[:, : len(rows)].T, columns), stage.weight_shape)
