"""The network in float32 and NumPy: forward, backward, and the training step of the device (`float_step`).

The step does the device's operations, but not bit for bit: BLAS adds in an order of its own, and its exp is another
one. `pretrain` trains backbones with the same passes on batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from m0sim.errors import UsageError
from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.networks import Conv, Network, Stage, pads_of

Float = NDArray[np.float32]
Ties = Literal["first", "all"]
"""Which of equal maxima in a pool's window get the error."""

_PIXEL = np.float32(2.0**-7)
_EVALUATED = 250  # images at a time: bounds the memory of a forward pass


def real(images: Int8) -> Float:
    """What the int8 images of the device stand for: 0 .. 127/128."""
    return images.astype(np.float32) * _PIXEL


def logits(network: Network, weights: Sequence[Float], images: Int8) -> Float:
    """float32 [n, classes] of images int8 [n, h, w, c]."""
    chunks = [images[at : at + _EVALUATED] for at in range(0, len(images), _EVALUATED)]
    done = [forward(network, weights, real(chunk))[0] for chunk in chunks]
    return np.concatenate(done) if done else np.zeros((0, network.classes), np.float32)


def step(network: Network, weights: Sequence[Float], image: Int8, label: int, rate: float) -> tuple[Float, ...]:
    """The weights (logical shapes) after one step of SGD on one image int8 [h, w, c]."""
    found, trace = forward(network, weights, real(image[None]))
    error = softmax_error(found, np.array([label], np.uint8))
    gradients = backward(network, weights, trace, error, ties="first")
    return tuple(w - np.float32(rate) * g for w, g in zip(weights, gradients, strict=True))


def softmax_error(logits: Float, labels: NDArray[np.uint8], smoothing: float = 0.0) -> Float:
    """Gradient of the mean cross-entropy by the logits, [n, classes], a share of the target spread evenly."""
    n, classes = logits.shape
    error: Float = np.exp(logits - logits.max(axis=1, keepdims=True))
    error /= error.sum(axis=1, keepdims=True)
    error -= np.float32(smoothing / classes)
    error[np.arange(n), labels] -= np.float32(1.0 - smoothing)
    error /= np.float32(n)
    return error


@dataclass(frozen=True, slots=True)
class LayerTrace:
    """One layer's part of a forward pass: its input as rows [n * positions, n_in], its output before and after pool."""

    rows: Float
    raw: Float
    output: Float


def check(network: Network) -> None:
    """UsageError for a network with biases: there is no float code for them."""
    if any(stage.layer.bias for stage in network.stages):
        raise UsageError(f"fp32 does not train {network.name}: it has biases; choose methods in integers")


def forward(network: Network, weights: Sequence[Float], images: Float) -> tuple[Float, list[LayerTrace]]:
    """Logits [n, classes] of real images [n, h, w, c], and what `backward` needs."""
    trace, inputs = [], images
    for stage in network.stages:
        rows = _patches(stage, inputs) if isinstance(stage.layer, Conv) else inputs.reshape(len(inputs), -1)
        raw = (rows @ weights[stage.index].reshape(stage.n_out, -1).T).reshape(len(inputs), *stage.raw_shape)
        if not stage.last:
            np.maximum(raw, 0, out=raw)
        output = raw
        if stage.pooled:
            corners = [raw[window] for window in _windows(stage)]
            output = np.maximum(np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3]))
        trace.append(LayerTrace(rows, raw, output))
        inputs = output
    return inputs, trace


def backward(
    network: Network, weights: Sequence[Float], trace: Sequence[LayerTrace], error: Float, *, ties: Ties
) -> list[Float]:
    """Gradient of every layer's weights, in their shape, from the error at the logits."""
    gradients = []
    for stage in reversed(network.stages):
        matrix, layer = weights[stage.index].reshape(stage.n_out, -1), trace[stage.index]
        error = error.reshape(layer.output.shape)
        if not stage.last:
            error = error * (layer.output > 0)
        if stage.pooled:
            error = _unpooled(stage, layer, error, ties)
        by_row = error.reshape(-1, stage.n_out)
        gradients.append((by_row.T @ layer.rows).reshape(stage.weight_shape))
        if stage.index:
            error = by_row @ matrix
            if isinstance(stage.layer, Conv):
                error = _unpatch(stage, error)
    return gradients[::-1]


def _unpooled(stage: Stage, layer: LayerTrace, pooled: Float, ties: Ties) -> Float:
    """The error before the pool, [n, *raw_shape]."""
    error, is_given = np.zeros_like(layer.raw), np.zeros(layer.output.shape, np.bool_)
    for window in _windows(stage):
        is_largest = layer.raw[window] == layer.output
        error[window] = pooled * (is_largest & ~is_given if ties == "first" else is_largest)
        is_given |= is_largest
    return error


def _windows(stage: Stage) -> list[tuple[slice, slice, slice]]:
    """Index of each of the four corners of all 2x2 windows in an output [n, h, w, c]."""
    height, width = stage.raw_shape[0] // 2 * 2, stage.raw_shape[1] // 2 * 2
    return [(slice(None), slice(i, height, 2), slice(j, width, 2)) for i in (0, 1) for j in (0, 1)]


def _taps(stage: Stage) -> Iterator[tuple[int, int, tuple[slice, slice, slice]]]:
    """For every position (i, j) in the kernel the padded inputs [n, h, w, c] that meet it."""
    assert isinstance(stage.layer, Conv)
    (kh, kw), step = stage.layer.kernel, stage.layer.stride
    rows, columns = (step * (size - 1) + 1 for size in stage.raw_shape[:2])
    for i in range(kh):
        for j in range(kw):
            yield i, j, (slice(None), slice(i, i + rows, step), slice(j, j + columns, step))


def _padded(stage: Stage, n: int) -> tuple[Float, Float]:
    """Zeros [n, h + 2 pad, w + 2 pad, c], and the view of them without the padding."""
    assert isinstance(stage.layer, Conv)
    height, width, channels = stage.in_shape
    above, left = pads_of(stage.layer)
    whole = np.zeros((n, height + 2 * above, width + 2 * left, channels), np.float32)
    return whole, whole[:, above : above + height, left : left + width]


def _patches(stage: Stage, images: Float) -> Float:
    """im2col: [n, h, w, c] -> [n * positions, kh * kw * c]."""
    whole, inner = _padded(stage, len(images))
    inner[:] = images
    columns = np.empty((len(images), *stage.raw_shape[:2], *stage.weight_shape[1:]), np.float32)
    for i, j, met in _taps(stage):
        columns[:, :, :, i, j] = whole[met]
    return columns.reshape(-1, stage.n_in)


def _unpatch(stage: Stage, rows: Float) -> Float:
    """The transpose of `_patches`: sums [n * positions, kh * kw * c] -> [n, h, w, c]."""
    columns = rows.reshape(-1, *stage.raw_shape[:2], *stage.weight_shape[1:])
    whole, inner = _padded(stage, len(columns))
    for i, j, met in _taps(stage):
        whole[met] += columns[:, :, :, i, j]
    return inner
