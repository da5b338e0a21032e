"""The network in float32 and NumPy: forward, backward, and the training step of the device (`float_step`).

The step does the device's operations, but not bit for bit: BLAS adds in an order of its own, and its exp is another
one. `pretrain` trains backbones with the same passes on batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn import pools
from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.networks import Conv, Dense, Depthwise, Network, Stage, pads_of

Float = NDArray[np.float32]
Biases = Sequence[Float]
"""float32 [n_out] of every layer, which are not read of one without; () where no layer has any."""
Ties = Literal["first", "all"]
"""Which of equal maxima in a pool's window get the error."""

_PIXEL = np.float32(2.0**-7)
_EVALUATED = 250  # images at a time: bounds the memory of a forward pass


def real(images: Int8) -> Float:
    """What the int8 images of the device stand for: 0 .. 127/128."""
    return images.astype(np.float32) * _PIXEL


def logits(network: Network, weights: Sequence[Float], images: Int8, biases: Biases = ()) -> Float:
    """float32 [n, classes] of images int8 [n, h, w, c]."""
    chunks = [images[at : at + _EVALUATED] for at in range(0, len(images), _EVALUATED)]
    done = [forward(network, weights, real(chunk), biases)[0] for chunk in chunks]
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


def forward(
    network: Network, weights: Sequence[Float], images: Float, biases: Biases = ()
) -> tuple[Float, list[LayerTrace]]:
    """Logits [n, classes] of real images [n, h, w, c], and what `backward` needs."""
    trace, given = [], [images]
    for stage in network.stages:
        inputs = given[-1]
        rows = inputs.reshape(len(inputs), -1) if isinstance(stage.layer, Dense) else _patches(stage, inputs)
        raw = _products(stage, rows, weights[stage.index]).reshape(len(inputs), *stage.raw_shape)
        if biases and stage.layer.bias:
            raw += biases[stage.index]
        if stage.added is not None:
            raw += given[stage.added]
        if not stage.last:
            np.maximum(raw, 0, out=raw)
        output = raw
        if stage.pool:
            windows = [raw[window] for window in _windows(stage)]
            output = reduce(np.maximum if stage.pooled else np.add, windows)
            if not stage.pooled:
                output = output / np.float32(len(windows))
        trace.append(LayerTrace(rows, raw, output))
        given.append(output)
    return given[-1], trace


def backward(
    network: Network, weights: Sequence[Float], trace: Sequence[LayerTrace], error: Float, *, ties: Ties
) -> list[Float]:
    """Gradient of every layer's weights, in their shape, from the error at the logits."""
    return [weights for weights, _ in gradients(network, weights, trace, error, ties=ties)]


def gradients(
    network: Network, weights: Sequence[Float], trace: Sequence[LayerTrace], error: Float, *, ties: Ties
) -> list[tuple[Float, Float]]:
    """Of every layer the gradient of its weights, in their shape, and that of its biases, [n_out]."""
    found = []
    passed: dict[int, list[Float]] = {}  # by activation: errors of what it was added to
    for stage in reversed(network.stages):
        layer = trace[stage.index]
        error = error.reshape(layer.output.shape)
        if not stage.last:
            error = error * (layer.output > 0)
        if stage.pool:
            error = _unpooled(stage, layer, error, ties)
        if stage.added is not None:
            passed.setdefault(stage.added, []).append(error)
        by_row = error.reshape(-1, stage.n_out)
        found.append((_gradient(stage, by_row, layer.rows).reshape(stage.weight_shape), by_row.sum(axis=0)))
        if stage.index:
            error = _through(stage, by_row, weights[stage.index])
            if not isinstance(stage.layer, Dense):
                error = _unpatch(stage, error)
            for added in passed.get(stage.index, ()):
                error = error + added.reshape(error.shape)
    return found[::-1]


def _products(stage: Stage, rows: Float, weights: Float) -> Float:
    """[n * positions, n_out]; what the rows of a depthwise convolution are `layers.columns_of` says."""
    matrix = weights.reshape(stage.n_out, -1)
    if isinstance(stage.layer, Depthwise):
        products: Float = np.einsum("ptc,ct->pc", rows.reshape(len(rows), -1, stage.n_out), matrix)
        return products
    return rows @ matrix.T


def _gradient(stage: Stage, by_row: Float, rows: Float) -> Float:
    """[n_out, n_in], from the errors [n * positions, n_out]."""
    if isinstance(stage.layer, Depthwise):
        gradient: Float = np.einsum("pc,ptc->ct", by_row, rows.reshape(len(rows), -1, stage.n_out))
        return gradient
    return by_row.T @ rows


def _through(stage: Stage, by_row: Float, weights: Float) -> Float:
    """The error at the rows that the layer multiplied."""
    matrix = weights.reshape(stage.n_out, -1)
    if isinstance(stage.layer, Depthwise):
        return (by_row[:, None, :] * matrix.T).reshape(len(by_row), -1)
    return by_row @ matrix


def _unpooled(stage: Stage, layer: LayerTrace, pooled: Float, ties: Ties) -> Float:
    """The error before the pool, [n, *raw_shape]."""
    error, is_given = np.zeros_like(layer.raw), np.zeros(layer.output.shape, np.bool_)
    windows = _windows(stage)
    if not stage.pooled:
        for window in windows:
            error[window] = pooled / np.float32(len(windows))
        return error
    for window in windows:
        is_largest = layer.raw[window] == layer.output
        error[window] = pooled * (is_largest & ~is_given if ties == "first" else is_largest)
        is_given |= is_largest
    return error


def _windows(stage: Stage) -> list[tuple[slice, slice, slice]]:
    """Index of each value of all windows of the pool in an output [n, h, w, c], row-major in the window."""
    height, width = pools.window_of(stage)
    bottom, right = stage.out_shape[0] * height, stage.out_shape[1] * width
    places = np.ndindex(height, width)
    return [(slice(None), slice(i, bottom, height), slice(j, right, width)) for i, j in places]


def _taps(stage: Stage) -> Iterator[tuple[int, int, tuple[slice, slice, slice]]]:
    """For every position (i, j) in the kernel the padded inputs [n, h, w, c] that meet it."""
    assert isinstance(stage.layer, Conv | Depthwise)
    (kh, kw), step = stage.layer.kernel, stage.layer.stride
    rows, columns = (step * (size - 1) + 1 for size in stage.raw_shape[:2])
    for i in range(kh):
        for j in range(kw):
            yield i, j, (slice(None), slice(i, i + rows, step), slice(j, j + columns, step))


def _padded(stage: Stage, n: int) -> tuple[Float, Float]:
    """Zeros [n, h + 2 pad, w + 2 pad, c], and the view of them without the padding."""
    assert isinstance(stage.layer, Conv | Depthwise)
    height, width, channels = stage.in_shape
    above, left = pads_of(stage.layer)
    whole = np.zeros((n, height + 2 * above, width + 2 * left, channels), np.float32)
    return whole, whole[:, above : above + height, left : left + width]


def _window(stage: Stage) -> tuple[int, ...]:
    """What a convolution reads for an output position: kernel height and width, channels."""
    assert isinstance(stage.layer, Conv | Depthwise)
    return (*stage.layer.kernel, stage.in_shape[2])


def _patches(stage: Stage, images: Float) -> Float:
    """im2col: [n, h, w, c] -> [n * positions, kh * kw * c]."""
    whole, inner = _padded(stage, len(images))
    inner[:] = images
    columns = np.empty((len(images), *stage.raw_shape[:2], *_window(stage)), np.float32)
    for i, j, met in _taps(stage):
        columns[:, :, :, i, j] = whole[met]
    return columns.reshape(len(images) * stage.positions, -1)


def _unpatch(stage: Stage, rows: Float) -> Float:
    """The transpose of `_patches`: sums [n * positions, kh * kw * c] -> [n, h, w, c]."""
    columns = rows.reshape(-1, *stage.raw_shape[:2], *_window(stage))
    whole, inner = _padded(stage, len(columns))
    for i, j, met in _taps(stage):
        whole[met] += columns[:, :, :, i, j]
    return inner
