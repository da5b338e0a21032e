"""Seeded integers that are the same on every machine and with every version of NumPy.

The bits are PCG64's raw output, seeded by SeedSequence([seed, stream, layer]) (both are stable by NumPy's promise);
each 64-bit output gives two 32-bit draws, the low half first. What is made of a draw u is integer arithmetic only:

* a normal score: the number of thresholds T[v] <= u, minus 127, with T[v] = round(2**32 * Phi((v + 0.5) / d)) for v in
  -127..126: N(0, d) rounded to integers and clipped to [-127, 127], d being the deviation;
* a choice among n: (u * n) >> 32;
* noise on an image's values: as a score, with v in -255..254, clipped to [-255, 255].
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn.arithmetic import LIMIT, Int8
from m0sim.study.learn.layout import Index

SCORES, SCORED_SET, ORDER, NOISE, SPLIT, REPLAY = range(6)
"""Streams: initial scores, PRIOT-S's random choice of edges, the order of images in an epoch (experiment/images.py),
noise on images, who is of which part (split.py), and the order of old images (methods/niti_replay.py)."""

DEVIATION = 32


_NOISE_LIMIT = 255


@lru_cache(maxsize=8)
def _thresholds(deviation: float, limit: int = LIMIT) -> NDArray[np.int64]:
    # Phi is wanted to 2**-32; a platform's erf that differs in the last bit (2**-53) rounds to the same integers.
    normal = NormalDist(0, deviation)
    return np.array([round(2**32 * normal.cdf(v + 0.5)) for v in range(-limit, limit)], np.int64)


def _draws(seed: int, stream: int, layer: int, count: int) -> NDArray[np.int64]:
    raw = np.random.PCG64(np.random.SeedSequence([seed, stream, layer])).random_raw((count + 1) // 2)
    halves = np.stack([raw & np.uint64(0xFFFFFFFF), raw >> np.uint64(32)], axis=-1)
    return halves.astype(np.int64).reshape(-1)[:count]


def normal_scores(seed: int, layer: int, count: int, deviation: int = DEVIATION) -> Int8:
    """int8 [count] from N(0, deviation), clipped to [-127, 127]."""
    below = np.searchsorted(_thresholds(deviation), _draws(seed, SCORES, layer, count), side="right")
    return (below - LIMIT).astype(np.int8)


def choices(seed: int, layer: int, sizes: Index) -> Index:
    """int64, one number in 0..sizes[i]-1 for every i."""
    return (_draws(seed, SCORED_SET, layer, len(sizes)) * sizes) >> 32


def order(seed: int, stream: int, number: int, count: int) -> Index:
    """A permutation of 0..count-1: by PCG64's raw 64-bit outputs, seeded by SeedSequence([seed, stream, number])."""
    raw = np.random.PCG64(np.random.SeedSequence([seed, stream, number])).random_raw(count)
    return np.argsort(raw, kind="stable").astype(np.int64)


def noise(image: int, count: int, deviation: float) -> Index:
    """int64 [count] from N(0, deviation), clipped to [-255, 255]: of image number `image` always the same."""
    below = np.searchsorted(_thresholds(deviation, _NOISE_LIMIT), _draws(0, NOISE, image, count), side="right")
    return below.astype(np.int64) - _NOISE_LIMIT
