"""The images of a run: which, how turned, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m0sim.errors import UsageError
from m0sim.study.learn import datasets as data
from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.layout import Index
from m0sim.study.learn.rotate import rotate

CALIBRATION = 128
"""So many images, the first of the transfer part, calibrate the shifts."""

_ORDER_STREAM = 2  # of the seed; draws.py has the others


@dataclass(frozen=True)
class ImagePart:
    """Rotated images int8 [n, h, w, c] as a network reads them, and their labels uint8 [n]."""

    images: Int8
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> ImagePart:
        """The first `count` of them."""
        return ImagePart(self.images[:count], self.labels[:count])


@lru_cache(maxsize=2)
def load(name: str, data_dir: Path | None) -> data.Dataset:
    """The whole data set, read once a process."""
    return data.load(name, data_dir)


@lru_cache(maxsize=8)
def part(name: str, data_dir: Path | None, which: str, angle: float) -> ImagePart:
    """A part of a data set, turned by `angle` degrees; made once a process."""
    chosen = load(name, data_dir).part(which)
    return ImagePart(data.network_input(rotate(chosen.images, angle)), chosen.labels)


def order(seed: int, epoch: int, count: int) -> Index:
    """The order of `count` images in an epoch (from 0): a permutation, the same with every version of NumPy.

    The images sorted by PCG64's raw 64-bit outputs, seeded by SeedSequence([seed, 2, epoch]).
    """
    raw = np.random.PCG64(np.random.SeedSequence([seed, _ORDER_STREAM, epoch])).random_raw(count)
    return np.argsort(raw, kind="stable").astype(np.int64)


def count_of(wanted: int, name: str, which: str, option: str) -> int:
    """How many images of a part are used: `wanted`, or all of them for 0. Raises UsageError when there are fewer."""
    there = len(data.indices(name, which))
    if not 0 <= wanted <= there:
        raise UsageError(f"{option} must be 1 to {there} ({name} has {there} images in its {which} part), not {wanted}")
    return wanted or there
