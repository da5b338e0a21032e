"""Which of a layer's scored edges stay."""

from __future__ import annotations

import numpy as np

from m0sim.study.learn.arithmetic import LIMIT, Int8
from m0sim.study.learn.layout import OFFSET, Index
from m0sim.study.learn.state import Mask, Selection


def top_k(scores: Int8, k: int) -> Selection:
    """What keeps exactly k edges of a layer, those with the largest scores.

    The cut is the largest score that at least k edges reach, so `ties` is 1 or more unless k = 0 (cut 255, ties 0).
    """
    if k <= 0:
        return Selection(255, 0)
    if k > scores.size:
        raise ValueError(f"cannot keep {k} of {scores.size} edges")
    low, beyond = -LIMIT, LIMIT + 1  # by bisection: counting is faster than partitioning
    while beyond - low > 1:
        middle = (low + beyond) // 2
        if np.count_nonzero(scores >= middle) >= k:
            low = middle
        else:
            beyond = middle
    return Selection(low + OFFSET, k - int(np.count_nonzero(scores > low)))


def threshold(theta: int) -> Selection:
    """What keeps the edges with a score of theta (-127..127) or more."""
    if not -127 <= theta <= 127:
        raise ValueError(f"theta is {theta}, must be in -127..127")
    return Selection(theta + OFFSET - 1, 0)


def kept_by(selection: Selection, scores: Int8, storage: Index) -> Mask:
    """The edges that a selection keeps: those above its cut, and the first `ties` at it by storage index. Flat."""
    cut = selection.cut - OFFSET
    mask: Mask = scores > cut
    if selection.ties:
        (equal,) = (scores == cut).nonzero()
        mask[equal[np.argsort(storage[equal])[: selection.ties]]] = True
    return mask
