"""How the float32 weights of a backbone are found: recipes, augmentation, the two rules by which weights move.

Plain NumPy: batches through `float_model`, cross-entropy, no batch normalisation; biases where a layer has them,
without decay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn import float_model
from m0sim.study.learn.datasets import Dataset, network_input
from m0sim.study.learn.float_model import Float
from m0sim.study.learn.networks import Network

Progress = Callable[[int, int], None]
"""Told the number of training steps done and to do."""

_STEPS = 2000
_BATCH = 64
_RISE = 0.2  # share of one cycle in which the rate rises


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how a data set's backbone is trained."""

    epochs: int
    rate: float
    """The largest step size."""
    decay: float = 0.0
    """Share of the weights that a step takes away, times the step size."""
    smoothing: float = 0.0
    """Share of the target that is spread evenly over the classes."""
    batch: int = _BATCH
    rule: Literal["adam", "momentum"] = "adam"
    """`adam`: the rate is constant for half of the training, then falls linearly to 0. `momentum`: SGD with momentum
    0.9, in one cycle: the rate rises linearly for a fifth of the training, then falls to 0 as half a cosine."""
    clip: float = math.inf
    """The norm of all gradients together is at most this."""
    flip: bool = False
    """Whether half of the images are mirrored, left to right."""
    move: int = 0
    """Images are moved by up to so many pixels in both directions; what comes in is 0."""


RECIPES: Mapping[str, Recipe] = {
    # Found among a dozen by the mean accuracy over six seeds; most of it is due to the smoothing.
    "digits": Recipe(epochs=60, rate=1e-2, decay=0.1, smoothing=0.1),
    "mnist": Recipe(epochs=3, rate=2e-3),
    "cifar10": Recipe(epochs=24, rate=0.05, decay=5e-4, batch=128, rule="momentum", clip=2.0, flip=True, move=2),
}


def as_json(recipe: Recipe) -> dict[str, object]:
    """Every field; no limit to the gradients is null."""
    return {name: None if value == math.inf else value for name, value in asdict(recipe).items()}


def recipe_of(data: Dataset) -> Recipe:
    """That of a data set that m0sim knows; of others so many epochs that some 2,000 batches are seen, 3 to 200."""
    if data.split is None:
        return RECIPES[data.name]
    images = len(data.indices("backbone"))
    return Recipe(epochs=min(max(round(_STEPS * _BATCH / images), 3), 200), rate=2e-3, decay=0.05, smoothing=0.1)


def train(
    network: Network, data: Dataset, recipe: Recipe, seed: int, progress: Progress
) -> tuple[list[Float], list[Float]]:
    """Float32 weights, and biases that begin as zeros, after training on all of `data` (the last incomplete batch of an
    epoch is left out). Those of a layer without stay zeros."""
    rng = np.random.default_rng(seed)
    shapes = [stage.weight_shape for stage in network.stages]
    weights = [  # He et al. 2015, for layers with ReLU
        rng.normal(0.0, (2.0 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32) for shape in shapes
    ]
    biases = [np.zeros(stage.n_out, np.float32) for stage in network.stages]
    new = _Adam if recipe.rule == "adam" else _Momentum
    rules: list[_Rule] = [new(w, recipe.decay) for w in weights]
    rules += [new(b, 0.0) for b, stage in zip(biases, network.stages, strict=True) if stage.layer.bias]
    todo = recipe.epochs * (len(data) // batch_of(recipe, data))
    for step, (images, labels) in enumerate(_batches(data, recipe, rng), start=1):
        logits, trace = float_model.forward(network, weights, images, biases)
        error = float_model.softmax_error(logits, labels, recipe.smoothing)
        found = float_model.gradients(network, weights, trace, error, ties="all")
        of_biases = [gradient for (_, gradient), stage in zip(found, network.stages, strict=True) if stage.layer.bias]
        gradients = clipped([*(weight for weight, _ in found), *of_biases], recipe.clip)
        rate = rate_at(recipe, step, todo)
        for rule, gradient in zip(rules, gradients, strict=True):
            rule.move(gradient, step, rate)
        progress(step, todo)
    return weights, biases


def batch_of(recipe: Recipe, data: Dataset) -> int:
    """Images a step: as the recipe says, or all that there are."""
    return min(recipe.batch, len(data))


def rate_at(recipe: Recipe, step: int, steps: int) -> float:
    """The step size of step number `step`, 1 to `steps`."""
    done = (step - 1) / steps
    if recipe.rule == "adam":
        return recipe.rate * min(1.0, 2.0 * (1.0 - done))
    if done < _RISE:
        return recipe.rate * min(step / (_RISE * steps), 1.0)
    return recipe.rate * (1.0 + math.cos(math.pi * (done - _RISE) / (1.0 - _RISE))) / 2.0


def clipped(gradients: Sequence[Float], limit: float) -> list[Float]:
    """The gradients, all made smaller by one factor where their norm together is above `limit`."""
    if math.isinf(limit):
        return list(gradients)
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    return [g * np.float32(limit / norm) for g in gradients] if norm > limit else list(gradients)


class _Rule(Protocol):
    """How one array moves, in place."""

    def move(self, gradient: Float, step: int, rate: float) -> None:
        """Step number `step`, from 1 on."""


class _Adam:
    """Kingma, Ba 2015, with decoupled decay."""

    def __init__(self, array: Float, decay: float) -> None:
        self._array, self._decay = array, decay
        self._mean, self._square = np.zeros_like(array), np.zeros_like(array)

    def move(self, gradient: Float, step: int, rate: float) -> None:
        self._mean += np.float32(0.1) * (gradient - self._mean)
        self._square += np.float32(0.001) * (gradient**2 - self._square)
        direction = (self._mean / (1 - 0.9**step)) / (np.sqrt(self._square / (1 - 0.999**step)) + 1e-8)
        self._array -= np.float32(rate) * (direction + self._decay * self._array)


class _Momentum:
    """SGD with momentum 0.9; the decay is part of the gradient."""

    def __init__(self, array: Float, decay: float) -> None:
        self._array, self._decay = array, np.float32(decay)
        self._velocity = np.zeros_like(array)

    def move(self, gradient: Float, step: int, rate: float) -> None:
        self._velocity *= np.float32(0.9)
        self._velocity += gradient + self._decay * self._array
        self._array -= np.float32(rate) * self._velocity


def _batches(data: Dataset, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Float, NDArray[np.uint8]]]:
    batch = batch_of(recipe, data)
    for _ in range(recipe.epochs):
        order = rng.permutation(len(data))
        for at in range(0, len(data) - batch + 1, batch):
            chosen = order[at : at + batch]
            images = augmented(data.images[chosen], recipe, rng)
            yield float_model.real(network_input(images)), data.labels[chosen]


def augmented(images: NDArray[np.uint8], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.uint8]:
    """uint8 [n, h, w, c], mirrored and moved at random as the recipe says."""
    n, height, width, _ = images.shape
    if recipe.flip:
        is_mirrored = np.less(rng.random(n), 0.5)
        images = np.where(is_mirrored[:, None, None, None], images[:, :, ::-1], images)
    if recipe.move:
        by = recipe.move
        padded = np.pad(images, ((0, 0), (by, by), (by, by), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
        down, right = rng.integers(0, 2 * by + 1, (2, n))
        images = windows[np.arange(n), down, right].transpose(0, 2, 3, 1)
    return images
