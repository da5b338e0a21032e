"""The float32 training step of the device (float_step) in NumPy: the same operations, sums in another order.

Not bit for bit: BLAS adds in an order of its own, and its exp is another one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.networks import Conv, Network, Stage

Float = NDArray[np.float32]

_PIXEL = np.float32(2.0**-7)
_EVALUATED = 250


def logits(network: Network, weights: Sequence[Float], images: Int8) -> Float:
    """float32 [n, classes] of images int8 [n, h, w, c]."""
    chunks = [images[at : at + _EVALUATED] for at in range(0, len(images), _EVALUATED)]
    done = [_Pass(network, weights, chunk).outputs[-1] for chunk in chunks]
    return np.concatenate(done) if done else np.zeros((0, network.classes), np.float32)


def step(network: Network, weights: Sequence[Float], image: Int8, label: int, rate: float) -> tuple[Float, ...]:
    """The weights (logical shapes) after one step of SGD on one image int8 [h, w, c]."""
    ahead = _Pass(network, weights, image[None])
    error = np.exp(ahead.outputs[-1][0] - ahead.outputs[-1][0].max())
    error /= error.sum()
    error[label] -= 1
    learned = list(weights)
    for stage in reversed(network.stages):
        i = stage.index
        by_row = ahead.unpooled(stage, error).reshape(-1, stage.n_out)
        if i > 0:
            below = _through(stage, weights[i], by_row)
            error = np.where(ahead.outputs[i][0].reshape(below.shape) > 0, below, np.float32(0))
        gradient = (by_row.T @ ahead.rows[i]).reshape(stage.weight_shape)
        learned[i] = weights[i] - np.float32(rate) * gradient
    return tuple(learned)


class _Pass:
    """A forward pass of images [n, ...]: what every layer reads, as it is and as rows of a matrix."""

    def __init__(self, network: Network, weights: Sequence[Float], images: Int8) -> None:
        self.outputs: list[Float] = [images.astype(np.float32) * _PIXEL]
        self.rows: list[Float] = []
        self._first: list[NDArray[np.intp] | None] = []
        for stage in network.stages:
            self._layer(stage, weights[stage.index])

    def _layer(self, stage: Stage, weights: Float) -> None:
        inputs = self.outputs[-1]
        rows = _patches(stage, inputs) if isinstance(stage.layer, Conv) else inputs.reshape(len(inputs), -1)
        raw = (rows @ weights.reshape(stage.n_out, -1).T).reshape(len(inputs), *stage.raw_shape)
        if not stage.last:
            np.maximum(raw, 0, out=raw)
        first = None
        if stage.pooled:
            windows = _windows(raw)
            first = windows.argmax(axis=-1)
            raw = windows.max(axis=-1)
        self.rows.append(rows)
        self._first.append(first)
        self.outputs.append(raw)

    def unpooled(self, stage: Stage, error: Float) -> Float:
        """The error before the pool [*raw_shape], at the first maximum of each window; one image."""
        first = self._first[stage.index]
        if first is None:
            return error
        raw = np.zeros(stage.raw_shape, np.float32)
        height, width, channels = stage.out_shape
        y, x, c = np.ogrid[:height, :width, :channels]
        raw[2 * y + first[0] // 2, 2 * x + first[0] % 2, c] = error.reshape(stage.out_shape)
        return raw


def _windows(raw: Float) -> Float:
    """[n, h, w, c] -> [n, h/2, w/2, c, 4]; an odd last row or column is dropped."""
    n, height, width, channels = raw.shape[0], raw.shape[1] // 2, raw.shape[2] // 2, raw.shape[3]
    even = raw[:, : 2 * height, : 2 * width].reshape(n, height, 2, width, 2, channels)
    return even.transpose(0, 1, 3, 5, 2, 4).reshape(n, height, width, channels, 4)


def _patches(stage: Stage, images: Float) -> Float:
    """im2col: [n, h, w, c] -> [n * positions, n_in]."""
    assert isinstance(stage.layer, Conv)
    (kh, kw), by, pad = stage.layer.kernel, stage.layer.stride, stage.layer.pad
    rows, columns = stage.raw_shape[:2]
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    result = np.empty((len(images), rows, columns, kh, kw, images.shape[3]), np.float32)
    for i in range(kh):
        for j in range(kw):
            result[:, :, :, i, j] = padded[:, i : i + by * rows : by, j : j + by * columns : by]
    return result.reshape(-1, stage.n_in)


def _through(stage: Stage, weights: Float, by_row: Float) -> Float:
    """The error at the layer's input [*in_shape], from [positions, n_out]."""
    spread = by_row @ weights.reshape(stage.n_out, -1)
    if not isinstance(stage.layer, Conv):
        return spread.reshape(stage.in_shape)
    (kh, kw), by, pad = stage.layer.kernel, stage.layer.stride, stage.layer.pad
    height, width, channels = stage.in_shape
    rows, columns = stage.raw_shape[:2]
    spread = spread.reshape(rows, columns, kh, kw, channels)
    padded = np.zeros((height + 2 * pad, width + 2 * pad, channels), np.float32)
    for i in range(kh):
        for j in range(kw):
            padded[i : i + by * rows : by, j : j + by * columns : by] += spread[:, :, i, j]
    return padded[pad : pad + height, pad : pad + width]
