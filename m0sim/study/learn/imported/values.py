"""What the nodes of a graph stand for while it is read: arrays, and tensors that say what computes them.

A tensor knows for each of its elements which element of its producer's output (in HWC order) it is. So transposing and
reshaping are what NumPy does to that array of indices, and no layout has to be guessed. Factors and constants that are
applied to a tensor wait in it until a layer with weights takes them up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn.imported.float_network import Real
from m0sim.study.learn.layout import Index
from m0sim.study.learn.networks import AveragePool, Conv, Dense, Depthwise, Pool, Shape


@dataclass(eq=False)
class Input:
    """The graph's input. How its values lie in an image [h, w, c] is known when the first layer reads them."""

    elements: int
    shape: Shape = ()
    """[h, w, c]; empty until then."""
    order: Index | None = None
    """Which element of the file's input each element of the image, in HWC order, is."""

    def settle(self, order: Index, shape: Shape) -> None:
        """Say how images lie; what was said first holds."""
        if self.order is None:
            self.order, self.shape = order, shape


@dataclass(frozen=True, eq=False)
class Linear:
    """A layer with weights, without what follows it."""

    words: str
    """Its node, for messages."""
    layer: Conv | Depthwise | Dense
    weights: Real
    """In logical shape."""
    bias: Real
    of: Producer
    shape: Shape


@dataclass(frozen=True, eq=False)
class Rectified:
    """A ReLU, up to `cap` where it is not None."""

    words: str
    of: Producer
    cap: float | None
    shape: Shape


@dataclass(frozen=True, eq=False)
class Pooled:
    """A maximum or mean over windows."""

    words: str
    of: Producer
    pool: Pool | AveragePool
    shape: Shape


@dataclass(frozen=True, eq=False)
class Sum:
    """Two tensors added."""

    words: str
    first: Producer
    second: Producer
    shape: Shape


Producer = Input | Linear | Rectified | Pooled | Sum


@dataclass(frozen=True, eq=False)
class IndexedTensor:
    """What a node gives, of one image: arrays of the shape that the graph has, its batch being 1."""

    producer: Producer
    index: Index
    """Element of the producer's output, HWC (of the graph's input, as the file has it)."""
    scale: Real
    offset: Real
    """Each element is scale * that + offset."""

    @property
    def shape(self) -> Shape:
        return self.index.shape

    @property
    def is_plain(self) -> bool:
        """Whether nothing waits to be applied."""
        return bool((self.scale == 1).all() and not self.offset.any())

    def moved(self, how: Callable[[NDArray[np.generic]], NDArray[np.generic]]) -> IndexedTensor:
        """The same values in another shape or order."""
        index, scale, offset = how(self.index), how(self.scale), how(self.offset)
        return replace(self, index=index, scale=scale, offset=offset)  # type: ignore[arg-type]

    def scaled(self, scale: Real, offset: Real) -> IndexedTensor:
        """scale * this + offset, broadcast; ValueError where that makes the tensor larger."""
        by, along = np.broadcast_to(scale, self.shape), np.broadcast_to(offset, self.shape)
        return replace(self, scale=self.scale * by, offset=self.offset * by + along)

    def places(self) -> Index:
        """For each element which of the producer's it is, HWC. Of an input that is settled."""
        if isinstance(self.producer, Input):
            assert self.producer.order is not None
            at = np.empty(self.producer.elements, np.int64)
            at[self.producer.order] = np.arange(self.producer.elements)
            return at[self.index]
        return self.index


@dataclass(frozen=True, eq=False)
class ModelEnd:
    """Something behind the logits, such as what Softmax or ArgMax makes of them."""

    logits: IndexedTensor
    classes: tuple[object, ...] = ()
    """What the file calls the classes, where it says so."""


def tensor_of(producer: Producer, index: Index) -> IndexedTensor:
    """What a producer gives, its elements in the graph's shape and order."""
    return IndexedTensor(producer, index, np.ones(index.shape), np.zeros(index.shape))


def image_view(shape: Shape, is_signal: bool) -> Index:
    """Indices of an image [h, w, c] as the graph has it: [1, c, h, w], or [1, c, length] of a signal."""
    index = np.arange(prod(shape)).reshape(shape).transpose(2, 0, 1)[None]
    return index[:, :, 0] if is_signal else index


def by_channel(tensor: IndexedTensor, places: Index, channels: int) -> tuple[Real, Real]:
    """The scale and offset that wait in a tensor, each [channels]; ValueError where they differ within a channel."""
    channel = places % channels
    found = []
    for values in (tensor.scale, tensor.offset):
        each = np.zeros(channels)
        each[channel] = values
        if not np.array_equal(each[channel], values):
            raise ValueError("has factors or constants that differ within a channel, which no layer takes up")
        found.append(each)
    return found[0], found[1]
