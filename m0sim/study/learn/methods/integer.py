"""What the integer methods share: the step of the golden model, its trace, and the model that deploys it.

A step is: forward, loss, backward and update layer by layer from the last to the first (the error through a layer uses
the weights before their update), prune. A method says which weights the passes see, by which shift a layer learns from
its gradient, and how; its `IntegerForm` says the same of the device.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from m0sim import toolchain
from m0sim.chip.device import Device
from m0sim.errors import UsageError
from m0sim.study.learn import additions, biases, layout, onchip, pools
from m0sim.study.learn.arithmetic import STATIC_SHIFT_MAX, Int8, Int32
from m0sim.study.learn.calibrate import calibrate, forward_shifts
from m0sim.study.learn.config import Config, DeviceOptions, cooled, first_trained
from m0sim.study.learn.device_form import IntegerForm, Read
from m0sim.study.learn.layers import LOSS_EXPONENT, NO_GRADIENT, Gradient, error_through, gradient, loss
from m0sim.study.learn.layout import Index
from m0sim.study.learn.methods.base import Arrays, Labelled, Method, Model
from m0sim.study.learn.methods.options import shared
from m0sim.study.learn.networks import Network, Stage
from m0sim.study.learn.passes import Forward, forward_pass, gated_error
from m0sim.study.learn.plan import Plan
from m0sim.study.learn.pools import Argmax
from m0sim.study.learn.program import DeviceProgram
from m0sim.study.learn.state import NOTHING, Examples, Frozen, Layer, Learned, Selection, State
from m0sim.study.learn.step import SCRATCH_FORMS, Step, StepSettings, build

_EVALUATED = 32
"""Images at a time: few enough for a cache."""


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
    """G, rows that are zero left out; None where no gradient is computed."""
    update_shifts: tuple[int, ...]
    """The shift that the layer's update used (tin-tin: negative is to the left)."""
    state: State
    """After the step."""
    replayed: StepTrace | None = field(default=None, kw_only=True)
    """Of the old image that followed, where one did; its tensors of layers that do not learn are empty."""

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
    error: Int8 = NOTHING
    """The error behind the layer's pool, int8 ``stage.out_shape``."""


class IntegerMethod(Method):
    """A method in integers: the golden form is here and in its subclasses, `device` is the other one."""

    options: ClassVar = shared("trained", "sharpness", "cool")
    requirement = "its kernels are assembled, which needs the extra m0sim[toolchain]"

    @property
    @abstractmethod
    def device(self) -> IntegerForm: ...

    @property
    def dynamic(self) -> bool:
        """Scales measured on every tensor instead of calibrated."""
        return self.device.dynamic

    @property
    def is_calibrated(self) -> bool:
        return not self.dynamic

    @property
    def learns_biases(self) -> bool:
        return self.device.learns_biases

    @property
    def mask_forms(self) -> tuple[str, ...]:
        return self.device.mask_forms

    @property
    def scratch_forms(self) -> tuple[str, ...]:
        return SCRATCH_FORMS

    def is_available(self) -> bool:
        return not self.device.source_files() or toolchain.is_installed()

    def freeze(
        self, network: Network, weights: Sequence[Int8], config: Config, examples: Examples | None = None
    ) -> Frozen:
        """The part that does not change, from the backbone's weights in logical shape.

        `examples` are needed where the configuration chooses by them: priot-s with selection ``sensitive``.
        """
        for stage, array in zip(network.stages, weights, strict=True):
            if array.shape != stage.weight_shape or array.dtype != np.int8 or (array == -128).any():
                raise ValueError(f"layer {stage.index} needs int8 weights {stage.weight_shape} in -127..127")
        biases.check(network, config)
        if config.cool < 0 or config.refresh < 1:
            raise UsageError(f"cool must be 0 or more and refresh 1 or more, not {config.cool} and {config.refresh}")
        first = first_trained(network, config.trained)
        if not self.dynamic:
            additions.check(network, config, first)
        return Frozen(tuple(weights), first=first)

    def initial_state(self, network: Network, frozen: Frozen, config: Config, seed: int) -> State:
        """The state before the first step; `seed` decides about initial scores."""
        return self._state(network, frozen, config, lambda stage: self.start(stage, frozen, config, seed))

    def _state(self, network: Network, frozen: Frozen, config: Config, learned: Callable[[Stage], Learned]) -> State:
        unchanged = [Layer(weights) for weights in frozen.weights[: frozen.first]]
        stages = network.stages[frozen.first :]
        return State((*unchanged, *(self.layer(stage, learned(stage), frozen, config) for stage in stages)))

    def learned_in(self, stage: Stage) -> Literal["weights", "scores"]:
        """What one layer learns."""
        return self.learns

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

    def learned_error(self, stage: Stage, error: Int8, wrong: int, config: Config) -> Int8:
        """The part that a layer learns from of the error int8 [*raw_shape] at its own output.

        `wrong` is the magnitude of the loss error of the label's logit, 0..127.
        """
        return error

    def learn(self, context: Context, learned: Learned, frozen: Frozen, config: Config) -> tuple[Learned, int]:
        """One layer's new array and the shift that was used; `learned` itself where nothing changes."""
        shift, (rows, values, shape) = self.shift(context, config), context.gradient
        if not len(rows):
            return learned, shift
        old, backbone = learned.reshape(len(learned), -1), frozen.weights[context.stage.index].reshape(len(learned), -1)
        if len(rows) == len(old):
            new = self.moved(old, backbone, values, shift)
        else:
            new = old.copy()
            new[rows] = self.moved(old[rows], backbone[rows], values, shift)
        return (learned if np.array_equal(new, old) else new.reshape(shape)), shift

    def takes_gradient(self, stage: Stage) -> bool:
        """Whether a layer that learns does so by the gradient of its weights; if not, it is never computed."""
        return self.device.takes_gradient(stage)

    def updated(
        self, context: Context, before: Layer, frozen: Frozen, config: Config, renews: bool
    ) -> tuple[Layer, int]:
        """One layer after its update, and the shift that was used; `renews`: the cut of a mask is made anew."""
        learned, shift = self.learn(context, before.learned, frozen, config)
        if learned is before.learned and not (renews and config.refresh > 1):
            return before, shift
        return self.layer(context.stage, learned, frozen, config, None if renews else before.selection), shift

    def first_values(self, state: State) -> tuple[Int32 | None, ...]:
        """What the accumulators of each layer begin with where that is learned, as `forward_pass` takes it."""
        return ()

    def with_learned(self, config: Config, state: State) -> Config:
        """The configuration with what has been learned of its constants, for a network that learns no more."""
        return config

    def step(
        self, network: Network, frozen: Frozen, state: State, image: Int8, label: int, config: Config
    ) -> StepTrace:
        """One training step on one image int8 [h, w, c]."""
        config = cooled(config, state.steps)
        ahead = forward_pass(network, state.factors, image[None], config, self.dynamic, self.first_values(state))
        return self.learned_from(network, frozen, state, ahead, label, config)

    def learned_from(
        self, network: Network, frozen: Frozen, state: State, ahead: Forward, label: int, config: Config
    ) -> StepTrace:
        """Loss, backward pass and update behind the forward pass of one image; `config` is this step's."""
        back = _Backward(self, network, frozen, state, config, ahead)
        exponent = _single(ahead.exponents[-1])
        back.run(loss(ahead.activations[-1][0], exponent, label), label)
        return StepTrace(
            weights=state.weights,
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
        self, network: Network, frozen: Frozen, state: State, images: Int8, config: Config, batch: int = _EVALUATED
    ) -> Int8:
        """int8 [n, classes] of images [n, h, w, c]."""
        first = self.first_values(state)
        parts = [
            forward_pass(network, state.factors, images[at : at + batch], config, self.dynamic, first).activations[-1]
            for at in range(0, len(images), batch)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, network.classes), np.int8)

    def predict(self, network: Network, frozen: Frozen, state: State, images: Int8, config: Config) -> Index:
        """The class of every image: the first of the largest logits."""
        return np.asarray(self.logits(network, frozen, state, images, config).argmax(axis=1), np.int64)

    def arrays(self, state: State) -> dict[str, Learned]:
        """The learned arrays by name, as state.npz holds them: weights0 .. or scores0 .., of the layers that learn."""
        return {f"{self.learns}{i}": array for i, array in enumerate(state.learned) if array.size}

    def arrays_on(self, read: Read, stage: Stage, frozen: Frozen) -> dict[str, Learned]:
        """Those of one layer that learns, from the device's memory."""
        return {f"{self.learns}{stage.index}": self.device.read(read, stage, frozen)}

    def state_of(
        self, network: Network, frozen: Frozen, arrays: Mapping[str, Learned], config: Config, steps: int = 0
    ) -> State:
        """The state that `arrays` made after so many steps, its cuts made anew: exact where `refresh` divides them."""
        state = self._state(network, frozen, config, lambda stage: arrays[f"{self.learns}{stage.index}"])
        return replace(state, steps=steps)

    # -- in the words of all methods

    def outline(self, network: Network, trained: int, fraction: float | None, options: DeviceOptions) -> Step:
        count = len(network.stages)
        first = count - trained
        scored = self.scored_at_most(network, fraction, first)
        edges = scored if fraction is not None else tuple(stage.edges for stage in network.stages)
        keeps = [self.device.keeps(Config(()), count) for count in edges]
        zeros = (0,) * count
        settings = StepSettings(
            self.device,
            self.configured(Config(zeros, zeros, zeros, zeros, zeros), {}),
            options,
            first=first,
            keep=tuple(k for k in keeps if k is not None),
            scored=scored,
            gap_bytes=tuple(map(_most_gap_bytes, network.stages, scored)),
        )
        return build(network, settings)

    def scored_at_most(self, network: Network, fraction: float | None, first: int) -> tuple[int, ...]:
        """Scored edges of each layer: one in every block, the last block may be shorter; 0 of one that has none."""
        if fraction is None:
            return (0,) * len(network.stages)
        blocks = round(1 / fraction)
        return tuple(0 if stage.index < first else -(-stage.edges // blocks) for stage in network.stages)

    def calibrated(
        self, network: Network, weights: Sequence[Int8], config: Config, examples: Examples, seed: int
    ) -> Config:
        return calibrate(network, self, weights, examples.images, examples.labels, config, seed)

    def slowed(self, config: Config, shift: int) -> Config:
        """Update shifts grow by as much (to 0..24, of biases -24..24), tin-tin's rate, too; niti-dynamic's mu falls."""
        most = STATIC_SHIFT_MAX
        update = tuple(min(max(s + shift, 0), most) for s in config.update)
        biases = tuple(min(max(s + shift, -most), most) for s in config.bias_update)
        return replace(config, update=update, bias_update=biases, mu=config.mu - shift, rate=config.rate + shift)

    def model(
        self, network: Network, weights: Sequence[Int8], config: Config, examples: Examples, seed: int
    ) -> IntegerModel:
        return IntegerModel(self, network, config, self.freeze(network, weights, config, examples), seed)


def _most_gap_bytes(stage: Stage, scored: int) -> int:
    """A gap an edge, and one more for every 255 bytes without one."""
    return scored + layout.array_bytes(stage.n_out, stage.n_in) // 255


@dataclass(frozen=True, eq=False)
class IntegerModel(Model):
    """The golden model, and the program that equals it byte for byte."""

    method: IntegerMethod
    network: Network
    config: Config
    frozen: Frozen
    seed: int
    """Of the initial scores."""

    def initial(self) -> State:
        return self.method.initial_state(self.network, self.frozen, self.config, self.seed)

    def step(self, state: State, image: Int8, label: int) -> State:
        return self.method.step(self.network, self.frozen, state, image, label, self.config).state

    def right(self, state: State, part: Labelled) -> int:
        predicted = self.method.predict(self.network, self.frozen, state, part.images, self.config)
        return int(np.count_nonzero(predicted == part.labels))

    def untouched(self, part: Labelled) -> int:
        backbone = State(tuple(Layer(weights) for weights in self.frozen.weights))
        return self.right(backbone, part)

    def arrays(self, state: State) -> Arrays:
        return self.method.arrays(state)

    def state_of(self, arrays: Mapping[str, Learned], steps: int) -> State:
        return self.method.state_of(self.network, self.frozen, arrays, self.config, steps)

    def deployable(self, state: State, images: Int8) -> tuple[tuple[Int8, ...], Config]:
        config = self.config
        if self.method.dynamic:
            config = forward_shifts(self.network, state.weights, images, config)
        return state.weights, self.method.with_learned(config, state)

    def pruned(self, state: State) -> tuple[int, ...]:
        if self.method.learns != "scores":
            return ()
        masks = (layer.mask for layer in state.layers)
        return tuple(0 if mask is None else int(np.count_nonzero(~mask)) for mask in masks)

    @property
    def scored_edges(self) -> int | None:
        return sum(map(len, self.frozen.scored)) if self.frozen.scored else None

    def plan(self, options: DeviceOptions, banks: tuple[int, ...] = ()) -> Plan:
        return onchip.plan(self.network, self.method.device, self.config, self.frozen, options, banks)

    def program(self, plan: Plan, state: State, device: Device) -> DeviceProgram:
        return onchip.deploy(plan, self.config, self.frozen, state, self.method.device.kernels(), device)

    def state_on(self, program: DeviceProgram) -> State:
        stages = self.network.stages[self.frozen.first :]
        named = [self.method.arrays_on(program.read, stage, self.frozen) for stage in stages]
        return self.state_of({name: array for arrays in named for name, array in arrays.items()}, program.steps)


def _single(scale: int | Int32) -> int:
    """The shift or exponent of the only image."""
    return scale if isinstance(scale, int) else int(scale[0])


class _Backward:
    """The way back through the layers; lists are filled from the last entry to the first."""

    def __init__(
        self,
        method: IntegerMethod,
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
        self.errors: list[Int8] = [NOTHING] * count
        self.accumulators: list[Int32 | None] = [None] * count
        self.shifts: list[int | None] = [None] * count
        self.exponents = [LOSS_EXPONENT] * count
        self.passed: dict[int, list[tuple[Int8, int]]] = {}  # by activation: errors of what it was added to
        self.gradients: list[Gradient | None] = [None] * count
        self.update_shifts = [0] * count

    def run(self, loss_error: Int8, label: int) -> None:
        self.errors[-1] = loss_error
        self.wrong = abs(int(loss_error[label]))
        for stage in reversed(self.network.stages[self.frozen.first :]):
            self._layer(stage)

    def _layer(self, stage: Stage) -> None:
        i, ahead = stage.index, self.ahead
        inputs = ahead.activations[i][0]
        error = pools.backward(stage, self.errors[i], ahead.argmax[i])
        exponent = self.exponents[i] - pools.exponent_fall(stage)
        if (to := additions.takes_error(stage, self.frozen.first)) is not None:
            self.passed.setdefault(to, []).append((error, exponent))
        if i > self.frozen.first:
            acc = error_through(stage, self.layers[i].factors, error).reshape(inputs.shape)
            fixed = None if self.method.dynamic else self.config.backward[i]
            below, shift = gated_error(acc, inputs, fixed)
            below_exponent = exponent + self.config.weight_exponents[i] + shift
            for passed in self.passed.get(i, ()):
                below, below_exponent = additions.backward(below, below_exponent, *passed, inputs)
            self.errors[i - 1], self.exponents[i - 1] = below, below_exponent
            self.accumulators[i - 1], self.shifts[i - 1] = acc, shift
        g = NO_GRADIENT
        if self.method.takes_gradient(stage):
            used = self.method.learned_error(stage, error, self.wrong, self.config)
            self.gradients[i] = g = gradient(stage, used, ahead.columns[i][0])
        context = Context(stage, g, exponent + _single(ahead.exponents[i]), self.errors[i])
        self.layers[i], self.update_shifts[i] = self.method.updated(
            context, self.layers[i], self.frozen, self.config, self.renews
        )
