"""Forward and backward of single layers on int8 tensors, vectorised: what the kernels must equal byte for byte.

Forward functions take a batch [n, ...] (accuracy is measured over thousands of images); backward ones take one image,
because training is batch 1. Activations and errors are HWC. Errors and gradients are int32 until requantised.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from m0sim.learn.arithmetic import Int8, Int32, bit_length, matmul, psto_shift, round_shift, sat
from m0sim.learn.networks import Conv, Shape, Stage

Argmax = NDArray[np.uint8]

LOSS_EXPONENT = -7
"""Exponent of the loss error: e = 127 stands for a probability error of about 1."""

_EXPONENT_RANGE = (-15, 7)


def patches(layer: Conv, images: Int8, raw_shape: Shape) -> Int8:
    """im2col: [n, h, w, c] -> [n, positions, kh * kw * c]."""
    n, height, width, channels = images.shape
    (kh, kw), step, pad = layer.kernel, layer.stride, layer.pad
    padded = np.zeros((n, height + 2 * pad, width + 2 * pad, channels), np.int8)
    padded[:, pad : pad + height, pad : pad + width] = images
    rows, columns = raw_shape[:2]
    result = np.empty((n, rows, columns, kh, kw, channels), np.int8)
    for i in range(kh):
        for j in range(kw):
            result[:, :, :, i, j] = padded[:, i : i + step * rows : step, j : j + step * columns : step]
    return result.reshape(n, rows * columns, -1)


def forward(stage: Stage, weights: Int8, inputs: Int8) -> Int32:
    """Accumulators int32 [n, *raw_shape] of inputs [n, ...]."""
    n, matrix = len(inputs), weights.reshape(stage.n_out, -1)
    if isinstance(stage.layer, Conv):
        columns = patches(stage.layer, inputs, stage.raw_shape).reshape(n * stage.positions, -1)
    else:
        columns = inputs.reshape(n, -1)
    return matmul(columns, matrix.T).reshape(n, *stage.raw_shape)


def dynamic_shifts(acc: Int32) -> Int32:
    """int32 [n]: for every tensor acc[i] the shift that leaves 7 bits of its largest magnitude."""
    flat = acc.reshape(len(acc), -1)
    return np.maximum(bit_length(np.maximum(flat.max(axis=1), -flat.min(axis=1))) - 7, 0)


def requantise(acc: Int32, shift: int | Int32, relu: bool) -> Int8:
    """int8 [n, ...] of accumulators [n, ...]; `shift` is one number, or one for each of the n."""
    if isinstance(shift, np.ndarray):
        shift = shift.reshape(-1, *[1] * (acc.ndim - 1))
    stored = sat(round_shift(acc, shift))
    return np.maximum(stored, 0) if relu else stored


def pool(raw: Int8) -> tuple[Int8, Argmax]:
    """2x2 maximum of [n, h, w, c] and where it was: 0..3, row-major in the window, the first maximum."""
    rows, columns = raw.shape[1] // 2, raw.shape[2] // 2
    corners = [raw[:, i : 2 * rows : 2, j : 2 * columns : 2] for i in (0, 1) for j in (0, 1)]
    top, bottom = np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3])
    in_top, in_bottom = corners[1] > corners[0], corners[3] > corners[2]
    argmax = np.where(bottom > top, 2 + in_bottom.astype(np.uint8), in_top.astype(np.uint8))
    return np.maximum(top, bottom), argmax.astype(np.uint8)


def unpool(error: Int8, argmax: Argmax, raw_shape: Shape) -> Int8:
    """The error [h/2, w/2, c] moved to the argmax positions of [h, w, c]; all else is 0."""
    raw = np.zeros(raw_shape, np.int8)
    rows, columns = error.shape[:2]
    for position in range(4):
        i, j = divmod(position, 2)
        raw[i : 2 * rows : 2, j : 2 * columns : 2] = np.where(argmax == position, error, 0)
    return raw


def loss(logits: Int8, exponent: int, label: int) -> Int8:
    """Integer cross-entropy gradient int8 [classes] of logits with real value o * 2**exponent.

    e = 2**7 * (softmax - one-hot), with 2**z - 1 for e**o. The last shift rounds pseudo-stochastically without random
    numbers; the exponent is clamped to -15..7, so that everything stays within 32 bits.
    """
    low, high = _EXPONENT_RANGE
    z = (logits.astype(np.int32) * 47274) >> (15 - min(max(exponent, low), high))
    z = np.maximum(z - (z.max() - 10), 0)
    n = (1 << z) - 1
    g = n * 2048 // n.sum()
    g[label] -= g.sum()
    return sat(psto_shift(g.astype(np.int32), 4))


def error_through(stage: Stage, weights: Int8, raw_error: Int8) -> Int32:
    """Accumulators int32 [*in_shape] of the error at the layer's input; raw_error int8 [*raw_shape]."""
    matrix = weights.reshape(stage.n_out, -1)
    if not isinstance(stage.layer, Conv):
        return matmul(raw_error.reshape(1, -1), matrix).reshape(stage.in_shape)
    (kh, kw), step, pad = stage.layer.kernel, stage.layer.stride, stage.layer.pad
    height, width, channels = stage.in_shape
    rows, columns = stage.raw_shape[:2]
    spread = matmul(raw_error.reshape(-1, stage.n_out), matrix).reshape(rows, columns, kh, kw, channels)
    padded = np.zeros((height + 2 * pad, width + 2 * pad, channels), np.int32)
    for i in range(kh):
        for j in range(kw):
            padded[i : i + step * rows : step, j : j + step * columns : step] += spread[:, :, i, j]
    return padded[pad : pad + height, pad : pad + width]


def gradient(stage: Stage, raw_error: Int8, inputs: Int8) -> Int32:
    """G int32 [*weight_shape]: error times activation, summed over positions; inputs int8 [*in_shape] of one image."""
    if isinstance(stage.layer, Conv):
        columns = patches(stage.layer, inputs.reshape(1, *stage.in_shape), stage.raw_shape)[0]
        g = matmul(raw_error.reshape(-1, stage.n_out).T, columns)
    else:
        g = np.multiply.outer(raw_error.reshape(-1).astype(np.int32), inputs.reshape(-1).astype(np.int32))
    return g.reshape(stage.weight_shape)
