"""What is kept of old images for the layers that learn: the activations in front of them, and the labels.

The layers below never change and scales are static, so that a step on these activations is a step on their image. Kept
is what the lowest layer that learns reads, and what is added above it and comes from below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn import additions
from m0sim.study.learn.arithmetic import Factors, Int8
from m0sim.study.learn.config import Config
from m0sim.study.learn.networks import Network
from m0sim.study.learn.passes import Forward, forward_pass, layer_forward

_BATCH = 250


@dataclass(frozen=True, eq=False)
class Latents:
    """Of n images, in the order in which they are replayed."""

    activations: Mapping[int, Int8]
    """By the stage that reads them: int8 [n, ...]."""
    labels: NDArray[np.integer]
    """[n]."""

    def __len__(self) -> int:
        return len(self.labels)


def kept(network: Network, first: int) -> tuple[int, ...]:
    """Which activations the layers from `first` on read from below, ascending; `first` is the last."""
    added = {stage.added for stage in network.stages[first:] if stage.added is not None}
    return tuple(sorted({first} | {index for index in added if index < first}))


def of(
    network: Network,
    weights: Sequence[Int8],
    config: Config,
    first: int,
    images: Int8,
    labels: NDArray[np.integer],
) -> Latents:
    """Those of images int8 [n, h, w, c] and labels [n] with a configuration's static shifts."""
    found: dict[int, list[Int8]] = {index: [] for index in kept(network, first)}
    for at in range(0, len(images), _BATCH):
        ahead = forward_pass(network, weights, images[at : at + _BATCH], config, dynamic=False)
        for index, parts in found.items():
            parts.append(ahead.activations[index])
    return Latents({index: np.concatenate(parts) for index, parts in found.items()}, labels)


def forward(network: Network, weights: Sequence[Factors], latents: Latents, which: int, config: Config) -> Forward:
    """The forward pass of one of them through the layers that learn; tensors of the layers below are empty."""
    first = max(latents.activations)
    exponents: list[int | np.ndarray] = [*additions.activation_exponents(network, config)[: first + 1]]
    nothing = np.zeros((1, 0), np.int8)
    activations = [
        latents.activations[index][which : which + 1] if index in latents.activations else nothing
        for index in range(first + 1)
    ]
    columns: list[Factors] = [nothing] * first
    sums = [nothing.astype(np.int32)] * first
    result = Forward(activations, exponents, columns, sums, [nothing] * first, [None] * first, [0] * first)
    for stage in network.stages[first:]:
        layer_forward(result, stage, weights[stage.index], config, dynamic=False)
    return result
