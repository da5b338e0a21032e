"""What training starts from and what it has made: values that the golden model and the device share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn import layout
from m0sim.study.learn.arithmetic import Factors, Int8
from m0sim.study.learn.latents import Latents
from m0sim.study.learn.layout import Bytes, Index
from m0sim.study.learn.networks import Stage

Mask = NDArray[np.bool_]
Learned = NDArray[Any]
"""int8 weights or scores, tin-tin's int16 weights, or fp32's float32 weights."""


@dataclass(frozen=True)
class Frozen:
    """What does not change while training."""

    weights: tuple[Int8, ...]
    """The backbone, one int8 array a layer in logical shape."""
    scored: tuple[Index, ...] = ()
    """PRIOT-S: logical (flat) indices of the scored edges, ascending; none of a layer that does not learn."""
    first: int = 0
    """Index of the lowest layer that learns."""
    latents: Latents | None = None
    """Of old images, where the method replays them."""

    @cached_property
    def scored_weights(self) -> tuple[Int8, ...]:
        """PRIOT-S: the weight of every scored edge."""
        return tuple(w.reshape(-1)[scored] for w, scored in zip(self.weights, self.scored, strict=True))

    def candidates(self, stage: Stage) -> int:
        """How many of a layer's edges have a score, where the method has scores."""
        return len(self.scored[stage.index]) if self.scored else stage.edges

    def gaps(self, stage: Stage) -> Bytes:
        """PRIOT-S: the list of gaps that says on the device which edges of a layer are scored."""
        storage, _ = layout.scored_storage(self.scored[stage.index], stage.n_out, stage.n_in)
        return layout.pack_gaps(storage)


NOTHING: Int8 = np.zeros(0, np.int8)
"""What a layer that does not learn has learned."""


class Samples(NamedTuple):
    """Images int8 [n, h, w, c] as a network reads them, and their labels [n]."""

    images: Int8
    labels: NDArray[np.integer[Any]]


class Examples(NamedTuple):
    """What is known before deployment: calibration images int8 [n, h, w, c] of what the device will see, labels [n]."""

    images: Int8
    labels: NDArray[np.integer[Any]]
    old_images: Int8 = NOTHING
    """Of what the backbone was trained on, as it was: so many as the method asks for (`Method.old_images`)."""
    old_labels: NDArray[np.integer[Any]] = np.zeros(0, np.uint8)


class Selection(NamedTuple):
    """Which edges stay, as the device says it: those with S + 128 > cut, and the first `ties` of those equal to it."""

    cut: int
    ties: int


@dataclass(frozen=True)
class Layer:
    """What a method has learned in one layer, in logical order, and what follows from it."""

    weights: Int8
    """What the passes multiply by: masked, or rounded to int8."""
    learned: Learned = field(default_factory=lambda: NOTHING)
    """Empty in a layer that does not learn."""
    mask: Mask | None = None
    """PRIOT: True where an edge stays, in the shape of the weights. Follows from scores and selection."""
    selection: Selection | None = None
    """What the device holds of the mask."""

    @cached_property
    def factors(self) -> Factors:
        """The weights in float32: a layer that does not learn is cast once."""
        return self.weights.astype(np.float32)

    def with_learned(self, learned: Learned) -> Layer:
        """Another array that is learned beside the same weights, which are not cast again."""
        other = replace(self, learned=learned)
        vars(other)["factors"] = self.factors  # where a cached property has its value
        return other


@dataclass(frozen=True, slots=True)
class State:
    """What a method has learned."""

    layers: tuple[Layer, ...]
    steps: int = 0
    """Made so far."""

    @property
    def weights(self) -> tuple[Int8, ...]:
        """What the passes multiply by, layer by layer."""
        return tuple(layer.weights for layer in self.layers)

    @property
    def factors(self) -> tuple[Factors, ...]:
        """The same in float32."""
        return tuple(layer.factors for layer in self.layers)

    @property
    def learned(self) -> tuple[Learned, ...]:
        """The learned arrays, layer by layer."""
        return tuple(layer.learned for layer in self.layers)
