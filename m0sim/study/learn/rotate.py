"""Images turned by any angle, in integer arithmetic only: the same bytes on every machine.

Sine and cosine are computed in Python's integers (no libm, whose last bit differs between systems) and rounded to
2^-14. A pixel's source position is then exact in units of 2^-15 of a pixel, and the four weights of the bilinear
interpolation are exact in units of 2^-30: the only other rounding is the last one, to a whole grey level.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from m0sim.errors import UsageError

TRIG_BITS = 14
"""Sine and cosine are integers in units of 2^-14."""

_UNIT_BITS = TRIG_BITS + 1  # positions are doubled, so that the centre (h - 1) / 2 is an integer too
_UNIT = 1 << _UNIT_BITS
_CHUNK = 256  # images at a time: what stays in the cache of an ordinary core

_WORK_BITS = 96
_PI = 314159265358979323846264338327950288419716939937510  # times 10^-50
_PI_SCALE = 10**50


def fixed_sin_cos(degrees: float) -> tuple[int, int]:
    """(sine, cosine) of an angle in degrees, rounded to integers in units of 2^-14; exact at multiples of 90.

    Integers only: a Taylor series with 96 fraction bits after an exact reduction to a quadrant.
    Raises `UsageError` when the angle is not finite.
    """
    if not math.isfinite(degrees):
        raise UsageError(f"cannot rotate by {degrees} degrees")
    quadrant, rest = divmod(Fraction(float(degrees)) % 360, 90)
    angle = (rest.numerator * _PI << _WORK_BITS) // (rest.denominator * 180 * _PI_SCALE)
    sine, cosine = _rounded(_taylor(angle, 1)), _rounded(_taylor(angle, 0))
    turns = ((sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine))
    return turns[quadrant]


def _taylor(angle: int, first: int) -> int:
    """The sine (first=1) or cosine (first=0) of 0 <= `angle` < 2 radians; fixed point with `_WORK_BITS` bits."""
    term = angle if first else 1 << _WORK_BITS
    total, power = 0, first
    while abs(term) > 3:  # not 0: floored divisions of a negative term end at -1
        total += term
        term = -(((term * angle >> _WORK_BITS) * angle >> _WORK_BITS) // ((power + 1) * (power + 2)))
        power += 2
    return total


def _rounded(value: int) -> int:
    shift = _WORK_BITS - TRIG_BITS
    return (value + (1 << (shift - 1))) >> shift


def rotate(images: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """`images`, uint8 [n, h, w, c], turned counter-clockwise by `degrees` about their centre; same shape.

    The centre is ((h - 1) / 2, (w - 1) / 2); what lies outside the image is 0. Bilinear, rounded half up. Square images
    turned by multiples of 90 degrees equal ``np.rot90`` exactly. Raises `UsageError` when the angle is not finite or
    the array is not such a batch.
    """
    if images.ndim != 4 or images.dtype != np.uint8:
        raise UsageError(f"rotate needs uint8 images [n, h, w, c], got {images.dtype} {list(images.shape)}")
    count, height, width, channels = images.shape
    index, weight = _sources(height, width, degrees)
    flat = images.reshape(count, height * width, channels)
    result = np.empty_like(flat)
    for start in range(0, count, _CHUNK):
        chunk = flat[start : start + _CHUNK]
        total = np.full(chunk.shape, 1 << (2 * _UNIT_BITS - 1), np.int64)
        for corner in range(4):
            total += chunk[:, index[corner]] * weight[corner][:, np.newaxis]
        result[start : start + _CHUNK] = total >> (2 * _UNIT_BITS)
    return result.reshape(images.shape)


def _sources(height: int, width: int, degrees: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each pixel of the result, the four pixels it is mixed from and their weights in units of 2^-30.

    Both int64 [4, h*w], corners in the order upper left, upper right, lower left, lower right. A corner outside the
    image has weight 0 and index 0.
    """
    sine, cosine = fixed_sin_cos(degrees)
    row, column = np.meshgrid(np.arange(height, dtype=np.int64), np.arange(width, dtype=np.int64), indexing="ij")
    down, right = 2 * row.ravel() - (height - 1), 2 * column.ravel() - (width - 1)  # doubled, from the centre
    x = right * cosine - down * sine + ((width - 1) << TRIG_BITS)
    y = right * sine + down * cosine + ((height - 1) << TRIG_BITS)
    left, above, x_part, y_part = x >> _UNIT_BITS, y >> _UNIT_BITS, x & (_UNIT - 1), y & (_UNIT - 1)
    corners = [
        (above + dy, left + dx, (y_part if dy else _UNIT - y_part) * (x_part if dx else _UNIT - x_part))
        for dy in (0, 1)
        for dx in (0, 1)
    ]
    inside = [(cy >= 0) & (cy < height) & (cx >= 0) & (cx < width) for cy, cx, _ in corners]
    index = [np.where(ok, cy * width + cx, 0) for ok, (cy, cx, _) in zip(inside, corners, strict=True)]
    weight = [np.where(ok, w, 0) for ok, (_, _, w) in zip(inside, corners, strict=True)]
    return np.stack(index), np.stack(weight)
