"""The integer arithmetic of the study on NumPy arrays: exact, and the same on every machine.

Every function is defined over unbounded integers and exact for int32 arguments from -(2**31 - 1) to 2**31 - 1 (nothing
wraps) and for int64 of up to 62 bits. Source: docs/arithmetic.md, after NITI's public code (wangmaolin/niti,
BSD-2).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
IntArray = NDArray[Any]
"""An int32 or int64 array; results have the dtype of the argument."""
Factors = NDArray[np.int8] | NDArray[np.float32]
"""int8 values, or the same values in float32: what is multiplied again and again is cast once."""

LIMIT = 127
"""Largest magnitude of a stored value; -128 is never stored, so that negation cannot overflow."""

STATIC_SHIFT_MAX = 24
"""Static shifts are 0..24."""

_FLOAT32_TERMS = 1040
"""Products of int8 values of which any sum is an exact float32: 1040 * 127**2 < 2**24."""


_FEW = 8192
"""Up to so many values np.clip's checks take longer than its loop, which is a fast one, saves."""


def clamp(x: IntArray, low: int | IntArray, high: int | IntArray) -> IntArray:
    """The values of x within low..high, in an array of its own."""
    if x.size > _FEW:
        return np.clip(x, low, high)
    clamped: IntArray = np.minimum(x, high)
    np.maximum(clamped, low, out=clamped)
    return clamped


def sat(x: IntArray) -> Int8:
    """Clamp to [-127, 127] and store as int8."""
    return clamp(x, -LIMIT, LIMIT).astype(np.int8)


def round_shift(x: IntArray, shift: int | IntArray) -> IntArray:
    """x / 2**shift to the nearest integer, ties away from zero; a shift <= 0 leaves x as it is.

    `shift` is a number or an array that broadcasts against x.
    """
    if isinstance(shift, np.ndarray):
        return np.where(shift <= 0, x, _round_right(x, np.maximum(shift, 1)))
    return x if shift <= 0 else _round_right(x, shift)


def _round_right(x: IntArray, shift: int | IntArray) -> IntArray:
    # (x + 2**(shift-1) + (x >> 31)) >> shift, by the last bit shifted out instead of an addition: that one could
    # leave int32. On ARMv6-M this bit is the carry: ADDS x, sign; ASRS x, shift; ADCS x, zero.
    result: IntArray = x >> (8 * x.itemsize - 1)
    result += x
    carry = result >> (shift - 1)
    carry &= 1
    result >>= shift
    result += carry
    return result


def psto_shift(x: IntArray, shift: int) -> IntArray:
    """x / 2**shift, rounded pseudo-stochastically: the low half of the remainder decides about the high half.

    Symmetric around zero and deterministic. A shift <= 0 leaves x as it is; any shift above is allowed.
    """
    if shift <= 0:
        return x
    if shift > 30 and x.dtype != np.int64:
        return psto_shift(x.astype(np.int64), min(shift, 62)).astype(x.dtype)
    # t + (q > u) in one carry, as in kernels/niti.S: u's complement is added to t and q behind one another.
    magnitude = np.abs(x).view(f"u{x.itemsize}")
    if shift & 1:
        magnitude <<= 1
    half = shift - (shift >> 1)
    rounded = magnitude >> half
    rounded += ~magnitude & ((1 << half) - 1)
    rounded >>= half
    result: IntArray = rounded.view(x.dtype)
    negative = x >> (8 * x.itemsize - 1)  # -1 or 0; ~n + 1 is -n
    result ^= negative
    result -= negative
    return result


def bit_length(x: IntArray) -> Int32:
    """Number of bits of every |x|, elementwise: 0 for 0, 7 for 127, 8 for 128."""
    return np.frexp(np.abs(x.astype(np.float64)))[1].astype(np.int32)


def largest(x: IntArray) -> int:
    """max|x| over the whole array, 0 if it is empty."""
    return max(int(x.max()), -int(x.min())) if x.size else 0


def matmul(a: Factors, b: Factors) -> Int32:
    """a @ b in int32, exactly, of matrices that hold int8 values.

    Computed by BLAS in float32, in pieces of at most 1,040 terms: every product and partial sum of a piece is an
    integer that float32 holds exactly, so the order of the sums does not matter.
    """
    a, b = a.astype(np.float32, copy=False), b.astype(np.float32, copy=False)
    if (terms := len(b)) <= _FLOAT32_TERMS:
        return (a @ b).astype(np.int32)
    product = np.zeros((len(a), b.shape[1]), np.int32)
    pieces = -(-terms // _FLOAT32_TERMS)
    for start, end in pairwise(terms * piece // pieces for piece in range(pieces + 1)):
        product += (a[:, start:end] @ b[start:end]).astype(np.int32)
    return product
