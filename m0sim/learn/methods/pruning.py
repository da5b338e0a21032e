"""Which of a layer's scored edges stay."""

from __future__ import annotations

import numpy as np

from m0sim.learn.arithmetic import LIMIT, Int8
from m0sim.learn.layout import OFFSET, Index
from m0sim.learn.methods.base import Mask, Selection


def top_k(scores: Int8, k: int, storage: Index) -> tuple[Mask, Selection]:
    """Exactly k edges with the largest scores, ties to the lowest storage index; flat arrays of one layer.

    The selection's cut is the largest score that at least k edges reach, so `ties` is 1 or more unless k = 0
    (cut 255, ties 0).
    """
    if k <= 0:
        return np.zeros(scores.shape, np.bool_), Selection(255, 0)
    if k > scores.size:
        raise ValueError(f"cannot keep {k} of {scores.size} edges")
    cut = _cut(scores, k)
    mask: Mask = scores > cut
    ties = k - int(np.count_nonzero(mask))
    equal = np.flatnonzero(scores == cut)
    mask[equal[np.argsort(storage[equal])[:ties]]] = True
    return mask, Selection(cut + OFFSET, ties)


def _cut(scores: Int8, k: int) -> int:
    """The largest score that at least k edges reach, by bisection: counting is faster than partitioning."""
    low, beyond = -LIMIT, LIMIT + 1
    while beyond - low > 1:
        middle = (low + beyond) // 2
        if np.count_nonzero(scores >= middle) >= k:
            low = middle
        else:
            beyond = middle
    return low


def threshold(scores: Int8, theta: int) -> tuple[Mask, Selection]:
    """The edges with a score of theta (-127..127) or more."""
    if not -127 <= theta <= 127:
        raise ValueError(f"theta is {theta}, must be in -127..127")
    return scores >= theta, Selection(theta + OFFSET - 1, 0)
