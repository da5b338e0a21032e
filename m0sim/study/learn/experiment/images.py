"""The images of a run: which, how changed, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from m0sim.errors import UsageError
from m0sim.study.learn import draws, sources
from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.datasets import Dataset, network_input
from m0sim.study.learn.layout import Index
from m0sim.study.learn.networks import Network
from m0sim.study.learn.sources import DataSource
from m0sim.study.learn.state import NOTHING
from m0sim.study.learn.transfer import NONE, Transfer

CALIBRATION = 128
"""So many images, the first of the transfer part, calibrate the shifts."""


@dataclass(frozen=True)
class ImagePart:
    """Changed images int8 [n, h, w, c] as a network reads them, and their labels uint8 [n]."""

    images: Int8
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> ImagePart:
        """The first `count` of them."""
        return ImagePart(self.images[:count], self.labels[:count])


_NO_IMAGES = ImagePart(NOTHING, np.zeros(0, np.uint8))


@lru_cache(maxsize=2)
def load(source: DataSource, network: Network) -> Dataset:
    """The whole data set, read once a process."""
    return sources.load(source, network)


@lru_cache(maxsize=8)
def part(source: DataSource, network: Network, which: str, task: Transfer) -> ImagePart:
    """A part of a data set as the place has it that the device comes to; made once a process."""
    whole = load(source, network)
    chosen = whole.part(which)
    return ImagePart(network_input(task.applied(chosen.images, whole.indices(which))), chosen.labels)


def old(source: DataSource, network: Network, count: int) -> ImagePart:
    """The first `count` images that the backbone was trained on, as they were. UsageError where there are fewer."""
    of_backbone = sources.without_place(source)
    there = sources.count(of_backbone, "backbone") if count else 0
    if count > there:
        raise UsageError(
            f"{count} images of the old task are wanted, {of_backbone.title} has {there} in its backbone part: "
            "ask for fewer, or give it more"
        )
    return part(of_backbone, network, "backbone", NONE).first(count) if count else _NO_IMAGES


def old_test(source: DataSource, network: Network, most: int) -> ImagePart:
    """The old task: the first `most` test images, or all that there are, as the place has them that the backbone comes
    from, changed by nothing."""
    of_backbone = sources.without_place(source)
    there = min(most, sources.count(of_backbone, "test"))
    return part(of_backbone, network, "test", NONE).first(there) if there else _NO_IMAGES


def order(seed: int, epoch: int, count: int) -> Index:
    """The order of `count` images in an epoch (from 0): a permutation, the same with every version of NumPy."""
    return draws.order(seed, draws.ORDER, epoch, count)


def count_of(wanted: int, source: DataSource, which: str, option: str) -> int:
    """How many images of a part are used: `wanted`, or all of them for 0. Raises UsageError when there are fewer."""
    there = sources.count(source, which)
    if not 0 <= wanted <= there:
        has = f"{source.title} has {there} images in its {which} part"
        raise UsageError(f"{option} must be 1 to {there} ({has}), not {wanted}")
    return wanted or there
