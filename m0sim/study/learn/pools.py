"""Pools of int8 maps, forward and backward, vectorised: what the kernels of pool.S, pool_window.S and average.S equal.

A pool stands behind a ReLU: its inputs are 0..127. Rows and columns that make no whole window are dropped, and no error
comes to them.

* Maximum: the error goes to the first maximum of its window.
* Mean of n values: round_shift(sum * M, 16), M = round(2^16 / n), in the scale of the values. The error of a window is
  spread over it as round_shift(e * M', 8), M' = round(2^(8 + f) / n), f = floor(log2 n): e / n in a scale whose
  exponent is f less, so that little of the 7 bits is lost.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn.arithmetic import LIMIT, Int8, round_shift
from m0sim.study.learn.layout import Index
from m0sim.study.learn.networks import AveragePool, Pool, Shape, Stage

Argmax = NDArray[np.uint8]

MEAN_BITS, SPREAD_BITS = 16, 8
"""Fraction bits of the factors of a mean, and of its error. Windows of a mean have up to 4,096 values."""


def window_of(stage: Stage) -> tuple[int, int]:
    """Height and width of the window of a stage's pool."""
    assert stage.pool is not None
    return stage.pool.window or (stage.raw_shape[0], stage.raw_shape[1])


def is_listed(stage: Stage) -> bool:
    """Whether the kernels on the way back read where a maximum was; else the error is put into a map of its own."""
    return stage.pool == Pool()


def mean_factor(stage: Stage) -> int:
    """M."""
    return _rounded(1 << MEAN_BITS, prod(window_of(stage)))


def spread_factor(stage: Stage) -> int:
    """M', 128..256."""
    return _rounded(1 << SPREAD_BITS + exponent_fall(stage), prod(window_of(stage)))


def exponent_fall(stage: Stage) -> int:
    """f: by how much the exponent of the error at the layer's own output is below that of the error behind its pool."""
    return prod(window_of(stage)).bit_length() - 1 if isinstance(stage.pool, AveragePool) else 0


def _rounded(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor)


def forward(stage: Stage, raw: Int8) -> tuple[Int8, Argmax | None]:
    """What the next layer reads of outputs [n, h, w, c], and of a maximum where it was: row-major in the window."""
    if stage.pool is None:
        return raw, None
    values = raw.reshape(len(raw), -1).take(_windows(stage.raw_shape, window_of(stage)), axis=1)
    if isinstance(stage.pool, Pool):
        return _maximum(values)
    sums = values.sum(axis=1, dtype=np.int32) * np.int32(mean_factor(stage))
    return np.minimum(round_shift(sums, MEAN_BITS), LIMIT).astype(np.int8), None


def _maximum(values: Int8) -> tuple[Int8, Argmax]:
    """Of [n, k, ...], by halves, and the first k where it is."""
    count = values.shape[1]
    if count == 1:
        return values[:, 0], np.zeros(values[:, 0].shape, np.uint8)
    if count == 2:
        return np.maximum(values[:, 0], values[:, 1]), (values[:, 1] > values[:, 0]).view(np.uint8)
    half = count // 2
    (first, in_first), (second, in_second) = _maximum(values[:, :half]), _maximum(values[:, half:])
    return np.maximum(first, second), np.where(second > first, in_second + np.uint8(half), in_first)


def backward(stage: Stage, error: Int8, argmax: Argmax | None) -> Int8:
    """The error [*raw_shape] at the layer's own output, from the one behind its pool."""
    if stage.pool is None:
        return error
    raw = np.zeros(prod(stage.raw_shape), np.int8)
    flat = error.reshape(-1)
    (some,) = flat.nonzero()
    windows = _windows(stage.raw_shape, window_of(stage))
    windows = windows.reshape(len(windows), -1)
    if argmax is not None:
        raw[windows[argmax.reshape(-1)[some], some]] = flat[some]
    else:
        spread = flat[some].astype(np.int32) * np.int32(spread_factor(stage))
        raw[windows[:, some]] = round_shift(spread, SPREAD_BITS).astype(np.int8)
    return raw.reshape(stage.raw_shape)


@lru_cache(maxsize=64)
def _windows(raw_shape: Shape, window: tuple[int, int]) -> Index:
    """int64 [k, h', w', c]: where in [h, w, c] (flat) the k values of every window lie, row-major in it."""
    (height, width), channels = window, raw_shape[2]
    rows, columns = raw_shape[0] // height, raw_shape[1] // width
    at = np.arange(prod(raw_shape)).reshape(raw_shape)[: height * rows, : width * columns]
    windows = at.reshape(rows, height, columns, width, channels).transpose(1, 3, 0, 2, 4)
    return np.ascontiguousarray(windows).reshape(height * width, rows, columns, channels)
