"""What all methods share: configuration, state, the trace of a step, and the step itself.

A step is: forward, loss, backward and update layer by layer from the last to the first (the error through a layer uses
the weights before their update), prune. A method says which weights the passes see, by which shift a layer learns from
its gradient, and how.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from m0sim.errors import UsageError
from m0sim.study.learn import draws
from m0sim.study.learn.arithmetic import STATIC_SHIFT_MAX, Int8, Int32
from m0sim.study.learn.layers import LOSS_EXPONENT, Argmax, Gradient, error_through, gradient, loss
from m0sim.study.learn.layout import Index
from m0sim.study.learn.methods.passes import Forward, forward_pass, gated_error, raw_error
from m0sim.study.learn.networks import Network, Stage

Mask = NDArray[np.bool_]
Learned = NDArray[Any]
"""int8 weights or scores, or tin-tin's int16 weights."""


@dataclass(frozen=True)
class Config:
    """Everything a method is told before deployment. Tuples have one entry for each layer with weights."""

    weight_exponents: tuple[int, ...]
    """Real weight = w * 2**exponent."""
    forward: tuple[int, ...] = ()
    """Static shifts p of the accumulators, 0..24 (static methods)."""
    backward: tuple[int, ...] = ()
    """Static shifts q of the error through each layer (static methods); the first is not used."""
    update: tuple[int, ...] = ()
    """Static shifts of what a layer learns by: s of the gradient (niti-static), r of the score gradient (priot*)."""
    image_exponent: int = -7
    """Real pixel = x * 2**exponent: 0..127 is 0..1."""
    mu: int = 1
    """Log2 learning rate of NITI: the largest gradient of a layer moves its weight by about 2**mu."""
    keep: float = 0.98
    """Share of a layer's (scored) edges that top-k keeps: k = round(keep * edges), a half to the even number."""
    theta: int = -64
    """Score from which on the threshold keeps an edge, -127..127."""
    prune: Literal["top-k", "threshold"] = "top-k"
    """How priot-s prunes; priot and priot-threshold have theirs by name."""
    deviation: int = draws.DEVIATION
    """Standard deviation of the initial scores, 1..127."""
    fraction: float = 0.1
    """Share of the edges that priot-s scores."""
    selection: Literal["random", "largest", "sensitive"] = "random"
    """Which edges priot-s scores: one a block at random, the largest |W|, or those whose scores the calibration images
    would move most."""
    spread: Literal["even", "root"] = "even"
    """How priot-s shares its scored edges out: the same fraction of every layer, or by the square roots of the layers'
    numbers of edges, which gives small layers more."""
    seed: int = 0
    """Seed of priot-s's random choice of edges (the initial scores have their own, see `initial_state`)."""
    rate: int = 8
    """Learning rate of tin-tin: 2**-rate."""
    trained: int = 0
    """How many of the last layers learn, 0 for all; the others keep the backbone's weights, every edge of them."""
    cool: int = 0
    """The learning rate is halved every so many steps (see `cooled`); 0: never."""
    refresh: int = 1
    """The cut of top-k is renewed every so many steps; in between the scores that are above it may become more or
    less than k."""

    @property
    def logit_exponent(self) -> int:
        """Exponent of the logits with static scales."""
        return self.image_exponent + sum(self.weight_exponents) + sum(self.forward)


@dataclass(frozen=True)
class Frozen:
    """What does not change while training."""

    weights: tuple[Int8, ...]
    """The backbone, one int8 array a layer in logical shape."""
    scored: tuple[Index, ...] = ()
    """PRIOT-S: logical (flat) indices of the scored edges, ascending; none of a layer that does not learn."""
    first: int = 0
    """Index of the lowest layer that learns."""

    @cached_property
    def edges(self) -> tuple[tuple[Index, Index, Int8], ...]:
        """PRIOT-S: row, column and weight of every scored edge."""
        pairs = zip(self.weights, self.scored, strict=True)
        return tuple((*np.divmod(scored, w[0].size), w.reshape(-1)[scored]) for w, scored in pairs)


class Examples(NamedTuple):
    """What the device will see, as far as it is known before: calibration images int8 [n, h, w, c] and labels [n]."""

    images: Int8
    labels: Sequence[int] | NDArray[np.integer[Any]]


class Selection(NamedTuple):
    """Which edges stay, as the device says it: those with S + 128 > cut, and the first `ties` of those equal to it."""

    cut: int
    ties: int


COOLEST = 8
"""How often a learning rate is halved at most: then hardly anything moves any more."""

_NOTHING: Int8 = np.zeros(0, np.int8)


@dataclass(frozen=True, slots=True)
class Layer:
    """What a method has learned in one layer, in logical order, and what follows from it."""

    weights: Int8
    """What the passes multiply by: masked, or rounded to int8."""
    learned: Learned = field(default_factory=lambda: _NOTHING)
    """Empty in a layer that does not learn."""
    mask: Mask | None = None
    """PRIOT: True where an edge stays, in the shape of the weights. Follows from scores and selection."""
    selection: Selection | None = None
    """What the device holds of the mask."""


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
    def learned(self) -> tuple[Learned, ...]:
        """The learned arrays, layer by layer."""
        return tuple(layer.learned for layer in self.layers)


@dataclass(frozen=True)
class StepTrace:
    """Every tensor of one training step, HWC, one entry for each layer with weights.

    Below the lowest layer that learns there is no way back: errors are empty there.
    """

    weights: tuple[Int8, ...]
    """What the forward and backward pass multiplied by."""
    accumulators: tuple[Int32, ...]
    raw: tuple[Int8, ...]
    """Requantised outputs before the pool, after the ReLU."""
    activations: tuple[Int8, ...]
    """Outputs that the next layer reads; the last are the logits."""
    argmax: tuple[Argmax | None, ...]
    shifts: tuple[int, ...]
    exponents: tuple[int, ...]
    """Exponents of the activations (static scales: by calibration)."""
    error_accumulators: tuple[Int32 | None, ...]
    """Of the error at a layer's output, before requantising and gating; None where there is no error or, for the last
    layer, no accumulator."""
    errors: tuple[Int8, ...]
    """Error at a layer's output (behind its pool), gated; the last is the loss error."""
    error_shifts: tuple[int | None, ...]
    error_exponents: tuple[int, ...]
    gradients: tuple[Gradient | None, ...]
    """G, rows that are zero left out."""
    update_shifts: tuple[int, ...]
    """The shift that the layer's update used (tin-tin: negative is to the left)."""
    state: State
    """After the step."""

    @property
    def logits(self) -> Int8:
        """int8 [classes]."""
        return self.activations[-1]

    @property
    def loss_error(self) -> Int8:
        """int8 [classes]."""
        return self.errors[-1]


class Context(NamedTuple):
    """What a layer may use to learn from its gradient."""

    stage: Stage
    gradient: Gradient
    exponent: int
    """Real gradient = G * 2**exponent (meaningful with dynamic scales)."""


class Method(ABC):
    """One way to train. Methods hold no data: all is in the configuration, the frozen part and the state."""

    name: str
    learns: Literal["weights", "scores"]
    dynamic: bool = False
    """Scales measured on every tensor instead of calibrated."""

    def freeze(
        self, network: Network, weights: Sequence[Int8], config: Config, examples: Examples | None = None
    ) -> Frozen:
        """The part that does not change, from the backbone's weights in logical shape.

        `examples` are needed where the configuration chooses by them: priot-s with selection ``sensitive``.
        """
        for stage, array in zip(network.stages, weights, strict=True):
            if array.shape != stage.weight_shape or array.dtype != np.int8 or (array == -128).any():
                raise ValueError(f"layer {stage.index} needs int8 weights {stage.weight_shape} in -127..127")
        if config.cool < 0 or config.refresh < 1:
            raise UsageError(f"cool must be 0 or more and refresh 1 or more, not {config.cool} and {config.refresh}")
        return Frozen(tuple(weights), first=first_trained(network, config.trained))

    def initial_state(self, network: Network, frozen: Frozen, config: Config, seed: int) -> State:
        """The state before the first step; `seed` decides about initial scores."""
        return self._state(network, frozen, config, lambda stage: self.start(stage, frozen, config, seed))

    def _state(self, network: Network, frozen: Frozen, config: Config, learned: Callable[[Stage], Learned]) -> State:
        unchanged = [Layer(weights) for weights in frozen.weights[: frozen.first]]
        stages = network.stages[frozen.first :]
        return State((*unchanged, *(self.layer(stage, learned(stage), frozen, config) for stage in stages)))

    @abstractmethod
    def start(self, stage: Stage, frozen: Frozen, config: Config, seed: int) -> Learned:
        """What one layer has learned before the first step."""

    @abstractmethod
    def layer(
        self, stage: Stage, learned: Learned, frozen: Frozen, config: Config, held: Selection | None = None
    ) -> Layer:
        """What follows from the learned array of one layer; a selection that is `held` stays."""

    @abstractmethod
    def shift(self, context: Context, config: Config) -> int:
        """The shift of one layer's update."""

    @abstractmethod
    def moved(self, learned: Learned, weights: Int8, gradient: Int32, shift: int) -> Learned:
        """What becomes of learned values with the backbone's weights and the gradient, three arrays of one shape."""

    def learn(self, context: Context, learned: Learned, frozen: Frozen, config: Config) -> tuple[Learned, int]:
        """One layer's new array and the shift that was used; `learned` itself where nothing changes."""
        shift, (rows, values, shape) = self.shift(context, config), context.gradient
        if not len(rows):
            return learned, shift
        old, backbone = learned.reshape(len(learned), -1), frozen.weights[context.stage.index].reshape(len(learned), -1)
        new = self.moved(old[rows], backbone[rows], values, shift)
        if np.array_equal(new, old[rows]):
            return learned, shift
        whole = old.copy()
        whole[rows] = new
        return whole.reshape(shape), shift

    def step(
        self, network: Network, frozen: Frozen, state: State, image: Int8, label: int, config: Config
    ) -> StepTrace:
        """One training step on one image int8 [h, w, c]."""
        config, weights = cooled(config, state.steps), state.weights
        ahead = forward_pass(network, weights, image[None], config, self.dynamic)
        back = _Backward(self, network, frozen, state, config, ahead)
        exponent = _single(ahead.exponents[-1])
        back.run(loss(ahead.activations[-1][0], exponent, label))
        return StepTrace(
            weights=weights,
            accumulators=tuple(t[0] for t in ahead.accumulators),
            raw=tuple(t[0] for t in ahead.raw),
            activations=tuple(t[0] for t in ahead.activations[1:]),
            argmax=tuple(None if t is None else t[0] for t in ahead.argmax),
            shifts=tuple(_single(t) for t in ahead.shifts),
            exponents=tuple(_single(t) for t in ahead.exponents[1:]),
            error_accumulators=tuple(back.accumulators),
            errors=tuple(back.errors),
            error_shifts=tuple(back.shifts),
            error_exponents=tuple(back.exponents),
            gradients=tuple(back.gradients),
            update_shifts=tuple(back.update_shifts),
            state=State(tuple(back.layers), state.steps + 1),
        )

    def logits(
        self, network: Network, frozen: Frozen, state: State, images: Int8, config: Config, batch: int = 250
    ) -> Int8:
        """int8 [n, classes] of images [n, h, w, c]."""
        parts = [
            forward_pass(network, state.weights, images[at : at + batch], config, self.dynamic).activations[-1]
            for at in range(0, len(images), batch)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, network.classes), np.int8)

    def predict(self, network: Network, frozen: Frozen, state: State, images: Int8, config: Config) -> Index:
        """The class of every image: the first of the largest logits."""
        return np.asarray(self.logits(network, frozen, state, images, config).argmax(axis=1), np.int64)

    def arrays(self, state: State) -> dict[str, Learned]:
        """The learned arrays by name, as state.npz holds them: weights0 .. or scores0 .., of the layers that learn."""
        return {f"{self.learns}{i}": array for i, array in enumerate(state.learned) if array.size}

    def state_of(
        self, network: Network, frozen: Frozen, arrays: Mapping[str, Learned], config: Config, steps: int = 0
    ) -> State:
        """The state that `arrays` made after so many steps, its cuts made anew: exact where `refresh` divides them."""
        state = self._state(network, frozen, config, lambda stage: arrays[f"{self.learns}{stage.index}"])
        return replace(state, steps=steps)


@lru_cache(maxsize=64)
def _grown(config: Config, by: int) -> Config:
    update = tuple(min(shift + by, STATIC_SHIFT_MAX) for shift in config.update)
    return replace(config, update=update, mu=config.mu - by, rate=config.rate + by)


def cooled(config: Config, steps: int) -> Config:
    """The configuration after so many steps: update shifts grown by 1 for each `cool` of them, by COOLEST at most.

    Static shifts stay within 0..24; mu of niti-dynamic falls and tin-tin's rate grows.
    """
    return _grown(config, min(steps // config.cool, COOLEST)) if config.cool else config


def first_trained(network: Network, trained: int) -> int:
    """Index of the lowest of the last `trained` layers, 0 if that is 0; UsageError if there are not so many."""
    count = len(network.stages)
    if not 0 <= trained <= count:
        raise UsageError(f"{network.name} has {count} layers that can learn: trained must be 0..{count}, not {trained}")
    return count - trained if trained else 0


def _single(scale: int | Int32) -> int:
    """The shift or exponent of the only image."""
    return scale if isinstance(scale, int) else int(scale[0])


class _Backward:
    """The way back through the layers; lists are filled from the last entry to the first."""

    def __init__(
        self,
        method: Method,
        network: Network,
        frozen: Frozen,
        state: State,
        config: Config,
        ahead: Forward,
    ) -> None:
        count = len(network.stages)
        self.method, self.network, self.frozen, self.config = method, network, frozen, config
        self.ahead = ahead
        self.layers = list(state.layers)
        self.renews = (state.steps + 1) % config.refresh == 0
        self.errors: list[Int8] = [_NOTHING] * count
        self.accumulators: list[Int32 | None] = [None] * count
        self.shifts: list[int | None] = [None] * count
        self.exponents = [LOSS_EXPONENT] * count
        self.gradients: list[Gradient | None] = [None] * count
        self.update_shifts = [0] * count

    def run(self, loss_error: Int8) -> None:
        self.errors[-1] = loss_error
        for stage in reversed(self.network.stages[self.frozen.first :]):
            self._layer(stage)

    def _layer(self, stage: Stage) -> None:
        i, ahead = stage.index, self.ahead
        inputs = ahead.activations[i][0]
        error = raw_error(stage, self.errors[i], ahead.argmax[i])
        if i > self.frozen.first:
            acc = error_through(stage, self.layers[i].weights, error).reshape(inputs.shape)
            fixed = None if self.method.dynamic else self.config.backward[i]
            self.errors[i - 1], shift = gated_error(acc, inputs, fixed)
            self.accumulators[i - 1], self.shifts[i - 1] = acc, shift
            self.exponents[i - 1] = self.exponents[i] + self.config.weight_exponents[i] + shift
        self.gradients[i] = g = gradient(stage, error, ahead.columns[i][0])
        context = Context(stage, g, self.exponents[i] + _single(ahead.exponents[i]))
        before = self.layers[i]
        learned, self.update_shifts[i] = self.method.learn(context, before.learned, self.frozen, self.config)
        if learned is not before.learned or (self.renews and self.config.refresh > 1):
            held = None if self.renews else before.selection
            self.layers[i] = self.method.layer(stage, learned, self.frozen, self.config, held)
