"""How weights and scores lie in the device's memory, and the way there and back.

A layer is a matrix [n_out, n_in] (a convolution in im2col order: n_in = kh * kw * c_in). P is n_in rounded up to a
multiple of 4; outputs come in groups of 4, the last group padded. For each group, for each four inputs 4j..4j+3, there
is one 32-bit word for each of the four outputs; its bytes, from the lowest address, belong to inputs 4j+2, 4j+3, 4j,
4j+1. The *storage index* of an edge is its byte index in this array; ties between equal scores go to the lowest.

Weights are stored as w + 128 (padding 128, which is w = 0), scores as S + 128 (padding 0, which no score has).

Tin-Tin's W16 is stored as the uint16 W16 + 32895 + (W16 >= 0), whose upper byte is the stored byte of W16 rounded to a
weight. Four halves stand in the place of the four bytes of a word, in the order of inputs 4j+2, 4j, 4j+3, 4j+1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn.arithmetic import Int8

Bytes = NDArray[np.uint8]
Halves = NDArray[np.uint16]
Int16 = NDArray[np.int16]
Index = NDArray[np.int64]

OFFSET = 128
_BYTE_OF_INPUT = np.array([2, 3, 0, 1])
_HALF_OF_BYTE = np.array([0, 2, 1, 3])
_WIDE_OFFSET = 32895
_WIDE_ZERO = _WIDE_OFFSET + 1
_LIST_OUTPUTS, _LIST_INPUTS = 64, 128  # as in kernels/dense_back.S
_LIST_FAR = 240  # as in kernels/prune_list.S
_WIDE_OUTPUTS, _WIDE_INPUTS, _WIDE_EDGES = 37, 96, 1 << 13  # as in kernels/dense.S
_COLUMNS_PADDING = 12  # as in kernels/dense_columns.S
_FAR = 255
"""How far a gap of 0 advances without landing on an edge; also the largest gap that lands."""


def row_bytes(n_in: int) -> int:
    """P: the inputs of one output, padding included."""
    return (n_in + 3) // 4 * 4


def array_bytes(n_out: int, n_in: int) -> int:
    """Size of a layer's edge array."""
    return row_bytes(n_out) * row_bytes(n_in)


def error_list_bytes(n_out: int, n_in: int) -> int:
    """Scratch of m0k_dense_back: two words an error and one more for two of them; 0 where it makes no list."""
    return 12 * min(row_bytes(n_out), _LIST_OUTPUTS) if n_in >= _LIST_INPUTS else 0


def pruned_list_bytes(pruned: int, n_out: int, n_in: int) -> int:
    """What m0k_prune_list needs for so many pruned edges, wherever they are."""
    return pruned + array_bytes(n_out, n_in) // _LIST_FAR


def dense_scratch_bytes(n_out: int, n_in: int) -> int:
    """Scratch of m0k_dense_forward: lanes or a list of inputs; 0 where it makes neither."""
    row = row_bytes(n_in)
    is_wide = n_out >= _WIDE_OUTPUTS and row >= _WIDE_INPUTS and row * n_out >= _WIDE_EDGES
    return row * 5 // 2 + 64 if is_wide else 0


@lru_cache(maxsize=64)
def storage_index(n_out: int, n_in: int) -> Index:
    """int64 [n_out * n_in]: the byte index of every edge, in logical order. Read-only, shared."""
    out, column = np.arange(n_out)[:, None], np.arange(n_in)[None, :]
    index = out // 4 * (4 * row_bytes(n_in)) + column // 4 * 16 + out % 4 * 4 + _BYTE_OF_INPUT[column % 4]
    return _shared(index)


@lru_cache(maxsize=64)
def storage_order(n_out: int, n_in: int) -> Index:
    """int64 [n_out * n_in]: the logical (flat) indices of the real edges as they follow one another in memory."""
    return _shared(np.argsort(storage_index(n_out, n_in)))


def _shared(index: Index) -> Index:
    flat = index.reshape(-1).astype(np.int64)
    flat.flags.writeable = False
    return flat


def pack_weights(weights: Int8) -> Bytes:
    """The edge array of int8 weights [n_out, ...]."""
    return _pack(weights, padding=OFFSET)


def columns_bytes(n_out: int, n_in: int) -> int:
    """Size of `pack_columns`' array."""
    return row_bytes(n_in) * (row_bytes(n_out) + 1) + _COLUMNS_PADDING


def pack_columns(weights: Int8) -> Bytes:
    """int8 weights [n_out, ...] by inputs: rows of outputs, padding, and max|w| of each row, as m0k.h has it."""
    n_out, n_in = weights.shape[0], weights[0].size
    column, rows = np.arange(n_in), np.zeros((row_bytes(n_in), row_bytes(n_out)), np.int16)
    rows[column // 4 * 4 + _BYTE_OF_INPUT[column % 4], :n_out] = weights.reshape(n_out, n_in).T
    parts = (rows.reshape(-1) + OFFSET, np.full(_COLUMNS_PADDING, OFFSET), np.abs(rows).max(axis=1))
    return np.concatenate(parts).astype(np.uint8)


def pack_scores(scores: Int8) -> Bytes:
    """The edge array of int8 scores [n_out, ...]."""
    return _pack(scores, padding=0)


def _pack(values: Int8, padding: int) -> Bytes:
    n_out, n_in = values.shape[0], values[0].size
    packed = np.full(array_bytes(n_out, n_in), padding, np.uint8)
    packed[storage_index(n_out, n_in)] = values.reshape(-1).astype(np.int16) + OFFSET
    return packed


def unpack(packed: Bytes, shape: tuple[int, ...]) -> Int8:
    """Weights or scores of logical `shape` [n_out, ...] out of an edge array; the padding is not looked at."""
    n_in = int(np.prod(shape[1:], dtype=np.int64))
    real = packed[storage_index(shape[0], n_in)].astype(np.int16) - OFFSET
    return real.astype(np.int8).reshape(shape)


def pack_wide(weights: Int16) -> Halves:
    """Tin-Tin's edge array, uint16, of int16 weights W16 [n_out, ...]; padding is W16 = 0."""
    n_out, n_in = weights.shape[0], weights[0].size
    packed = np.full(array_bytes(n_out, n_in), _WIDE_ZERO, np.uint16)
    values = weights.reshape(-1).astype(np.int32)
    packed[_wide_index(n_out, n_in)] = values + _WIDE_OFFSET + (values >= 0)
    return packed


def unpack_wide(packed: Halves, shape: tuple[int, ...]) -> Int16:
    """W16 of logical `shape` [n_out, ...] out of `pack_wide`'s array; the padding is not looked at."""
    n_in = int(np.prod(shape[1:], dtype=np.int64))
    values = packed[_wide_index(shape[0], n_in)].astype(np.int32)
    return (values - _WIDE_OFFSET - (values >= _WIDE_ZERO)).astype(np.int16).reshape(shape)


def _wide_index(n_out: int, n_in: int) -> Index:
    """Where the half of every edge lies, in logical order."""
    byte = storage_index(n_out, n_in)
    return np.asarray(byte // 4 * 4 + _HALF_OF_BYTE[byte % 4], np.int64)


def scored_storage(scored: Index, n_out: int, n_in: int) -> tuple[Index, Index]:
    """Where scored edges lie: `scored` are logical (flat) indices, PRIOT-S's in ascending order.

    Returns (storage indices in ascending order, order) such that ``scores[order]`` are the scores as the device holds
    them, and ``logical[order] = device`` is the way back.
    """
    storage = storage_index(n_out, n_in)[scored]
    order = np.argsort(storage)
    return storage[order], order.astype(np.int64)


def pack_gaps(storage: Index) -> Bytes:
    """Ascending storage indices as a list of gaps: 1..255 lands on the next edge, 0 advances 255 without landing."""
    distance = np.diff(storage, prepend=-1)
    skips = (distance - 1) // _FAR
    gaps = np.zeros(int(np.sum(skips + 1)), np.uint8)
    gaps[np.cumsum(skips + 1) - 1] = distance - skips * _FAR
    return gaps


def unpack_gaps(gaps: Bytes) -> Index:
    """The ascending storage indices that a list of gaps stands for."""
    steps = np.where(gaps == 0, _FAR, gaps).astype(np.int64)
    return np.asarray((np.cumsum(steps) - 1)[gaps != 0], np.int64)


_LANES_INPUTS, _LANES_POSITIONS = 576, 8
_PASS_BYTES = 4096


def conv_scratch(
    image: tuple[int, ...],
    n_out: int,
    kernel: tuple[int, int],
    stride: int,
    pads: tuple[int, int],
    *,
    signed: bool = False,
    provided: bool = False,
) -> int:
    """Bytes of scratch of m0k_conv_forward, by the rules of kernels/conv.S; `provided`: weights come from a provider.

    `pads` are the zeros above and below, and left and right.

    The patch of one position, and as many of a provider's rows as fit 4,096 bytes. With channels in fours, P up to 576
    and images of some positions at least lanes of a strip of the image, `kernel` rows high, and of the weights of eight
    outputs: what is taken is chosen by what an image brings.
    """
    (height, width, channels), (kernel_h, kernel_w), (pad_h, pad_w) = image, kernel, pads
    inputs = row_bytes(kernel_h * kernel_w * channels)
    groups = min(-(-n_out // 4), _PASS_BYTES // (4 * inputs))
    patch = inputs + (4 * inputs * groups if provided and groups > 1 else 0)
    is_first = (channels, kernel, stride, pads) == (1, (3, 3), 1, (1, 1)) and n_out % 8 == 0 and not signed
    if is_first:
        return max(patch, 172 + 12 * width)
    positions = (height + 2 * pad_h - kernel_h + stride) * (width + 2 * pad_w - kernel_w + stride)
    if channels % 4 or inputs > _LANES_INPUTS or positions < _LANES_POSITIONS * stride**2:
        return patch
    columns = width + 2 * pad_w
    strip = 8 * columns + kernel_h * columns * (2 * channels + 4)
    links = kernel_h * -(-kernel_w * channels // (12 if signed else 24))
    return max(patch, strip + 2 * inputs * (8 if n_out > 4 else 4) + 8 * links)
