"""How the float32 weights of a backbone are found: recipes, augmentation, the two rules by which weights move.

Plain NumPy: batches through `float_model`, cross-entropy, no batch normalisation; biases where a layer has them,
without decay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

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


class FloatRun:
    """A training under way, on all of `data` but for the last incomplete batch of an epoch.

    `arrays`, `rng` and `step`, how many are done, are all that the next step depends on.
    """

    def __init__(self, network: Network, data: Dataset, recipe: Recipe, seed: int) -> None:
        self.recipe = replace(recipe, batch=batch_of(recipe, data))
        self.rng = np.random.default_rng(seed)
        self.weights: list[Float] = [  # He et al. 2015, for layers with ReLU
            self.rng.normal(0.0, (2.0 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
            for shape in (stage.weight_shape for stage in network.stages)
        ]
        self.biases: list[Float] = [np.zeros(stage.n_out, np.float32) for stage in network.stages]
        """They begin as zeros; those of a layer without stay zeros."""
        self.step = 0
        self._network, self._data = network, data
        self._biased = [stage.index for stage in network.stages if stage.layer.bias]
        self._order = np.arange(len(data), dtype=np.int64)
        """Of the images in this epoch."""
        new = _Adam if recipe.rule == "adam" else _Momentum
        self._rules: list[_Rule] = [new(w, recipe.decay) for w in self.weights]
        self._rules += [new(self.biases[i], 0.0) for i in self._biased]

    @property
    def steps_of_epoch(self) -> int:
        """Whole batches."""
        return len(self._data) // self.recipe.batch

    @property
    def steps(self) -> int:
        """All told."""
        return self.recipe.epochs * self.steps_of_epoch

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays themselves, by name: float32, and `order`, int64. Who fills them goes on from there."""
        found: dict[str, NDArray[Any]] = {f"weights_{i}": array for i, array in enumerate(self.weights)}
        found |= {f"biases_{i}": self.biases[i] for i in self._biased}
        for i, rule in enumerate(self._rules):
            found |= {f"{name}_{i}": array for name, array in rule.memory.items()}
        return {**found, "order": self._order}

    def train(
        self,
        tell: Progress,
        keep: Callable[[], None] = lambda: None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run the steps that are left. `keep` is called after every epoch, and where `is_stopped` ends it."""
        while self.step < self.steps:
            self._train_batch()
            tell(self.step, self.steps)
            is_over = is_stopped()
            if is_over or self.step % self.steps_of_epoch == 0:
                keep()
            if is_over:
                return

    def _train_batch(self) -> None:
        images, labels = self._next_batch()
        self.step += 1
        recipe, stages = self.recipe, self._network.stages
        logits, trace = float_model.forward(self._network, self.weights, images, self.biases)
        error = float_model.softmax_error(logits, labels, recipe.smoothing)
        found = float_model.gradients(self._network, self.weights, trace, error, ties="all")
        of_biases = [gradient for (_, gradient), stage in zip(found, stages, strict=True) if stage.layer.bias]
        gradients = clipped([*(weight for weight, _ in found), *of_biases], recipe.clip)
        rate = rate_at(recipe, self.step, self.steps)
        for rule, gradient in zip(self._rules, gradients, strict=True):
            rule.move(gradient, self.step, rate)

    def _next_batch(self) -> tuple[Float, NDArray[np.uint8]]:
        at = self.step % self.steps_of_epoch * self.recipe.batch
        if at == 0:
            self._order[:] = self.rng.permutation(len(self._data))
        chosen = self._order[at : at + self.recipe.batch]
        images = augmented(self._data.images[chosen], self.recipe, self.rng)
        return float_model.real(network_input(images)), self._data.labels[chosen]


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
    """How one array moves, in place, and what is remembered for it from step to step."""

    memory: Mapping[str, Float]

    def move(self, gradient: Float, step: int, rate: float) -> None:
        """Step number `step`, from 1 on."""


class _Adam:
    """Kingma, Ba 2015, with decoupled decay."""

    def __init__(self, array: Float, decay: float) -> None:
        self._array, self._decay = array, decay
        self._mean, self._square = np.zeros_like(array), np.zeros_like(array)
        self.memory: Mapping[str, Float] = {"mean": self._mean, "square": self._square}

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
        self.memory: Mapping[str, Float] = {"velocity": self._velocity}

    def move(self, gradient: Float, step: int, rate: float) -> None:
        self._velocity *= np.float32(0.9)
        self._velocity += gradient + self._decay * self._array
        self._array -= np.float32(rate) * self._velocity


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
