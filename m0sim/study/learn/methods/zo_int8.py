"""Zeroth order in front, NITI behind: our reconstruction of ElasticZO-INT8 from its abstract.

The abstract (arXiv 2501.04287) says that the last few layers learn by backpropagation and the others by zeroth order,
all in integers, with gradients from integer cross-entropy values. The rest is our choice: a step is

    z from the seed and the step's number;  g = sign(L(sat(W + z)) - L(sat(W - z)));  W = sat(W - Psto(g * z, b))

for the layers in front, all of them at once, and then an ordinary step of niti-static for those behind. No array holds
z, W + z or W - z: both passes draw z again, four outputs at a time, and multiply by rows made of W and z; so does the
update. What saturates there is not W, which needs no copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn.arithmetic import Int8, psto_shift, sat
from m0sim.study.learn.config import Config, cooled
from m0sim.study.learn.device_form import Builder, Words
from m0sim.study.learn.methods.base import Tuned
from m0sim.study.learn.methods.integer import StepTrace
from m0sim.study.learn.methods.niti_static import NitiForm, NitiStatic
from m0sim.study.learn.methods.options import Option
from m0sim.study.learn.networks import Network, Stage
from m0sim.study.learn.passes import Forward, forward_pass
from m0sim.study.learn.state import Frozen, Layer, State
from m0sim.study.learn.step import HOST_INPUTS, Constants, Op, Phase, Ref, StepSettings, Tensor, apart

UInt32 = NDArray[np.uint32]

_STRIDE = 0x9E3779B9
_LAYER_BITS = 24
"""Draws of layer i begin at number i * 2**24."""
_FRACTION, _TERM = 12, 16
"""Bits behind the point of a loss, and of the powers of two that it is the logarithm of."""
_EXPONENT_RANGE = (-15, 7)
"""Of the logits, as the loss has it whose gradient the layers behind learn from."""

PASSES = {1: "W + z", -1: "W - z"}
"""The two passes that are compared, by the sign of z."""

_KEY = "key"
"""What all passes of a step draw from."""


# -- draws and losses, as in kernels/zo.S


def mix(x: UInt32) -> UInt32:
    """uint32 to uint32, one to one: the finaliser of MurmurHash3 (Austin Appleby, public domain)."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def stream(seed: int) -> int:
    """Where the keys of a seed begin."""
    return int(mix(np.array([seed & 0xFFFFFFFF], np.uint32))[0])


def key_of(seed: int, number: int) -> int:
    """What the draws of step `number` (1 is the first) begin with."""
    return int(mix(np.array([stream(seed) + number * _STRIDE & 0xFFFFFFFF], np.uint32))[0])


def draws(stage: Stage, key: int, r: int, sparsity: int) -> Int8:
    """z int8 in the shape of the layer's weights: one of 2**sparsity inputs of an output has -r..r, the others 0."""
    block = 1 << sparsity
    blocks = -(-stage.n_in // block)
    number = np.arange(stage.n_out * blocks, dtype=np.uint32) + np.uint32(stage.index << _LAYER_BITS)
    drawn = mix(np.uint32(key) + number * np.uint32(_STRIDE)).reshape(stage.n_out, blocks)
    where = np.arange(blocks, dtype=np.uint32) * np.uint32(block) + (drawn & np.uint32(block - 1))
    value = ((drawn >> np.uint32(16)) * np.uint32(2 * r + 1) >> np.uint32(16)).astype(np.int8) - np.int8(r)
    z = np.zeros((stage.n_out, blocks * block), np.int8)
    np.put_along_axis(z, where.astype(np.int64), value, axis=1)
    return z[:, : stage.n_in].reshape(stage.weight_shape)


def loss_value(logits: Int8, exponent: int, label: int) -> int:
    """Cross-entropy in bits, times 2**12, of logits int8 [classes] with real value o * 2**exponent.

    Between powers of two 2**f is taken for 1 + f and log2(1 + f) for f.
    """
    low, high = _EXPONENT_RANGE
    right = 15 - _FRACTION - min(max(exponent, low), high)
    z: list[int] = [o * 47274 >> right if right > 0 else o * 47274 << -right for o in logits.tolist()]
    top, one, total = max(z), 1 << _FRACTION, 0
    for value in z:
        whole, part = divmod(value - top, one)
        total += (one + part << _TERM - _FRACTION) >> -whole
    bits = total.bit_length() - 1
    logarithm = (bits - _TERM) * one + (total >> bits - _FRACTION) - one
    return logarithm + top - z[label]


# -- on the device


@dataclass
class _Pass(Builder):
    """A pass by W + z, by W - z or, without a sign, the ordinary step."""

    lowest: int = 0
    """Index of the lowest layer that learns: from there on weights are in SRAM."""
    sign: int = 0
    front: Sequence[Stage] = ()
    """The layers that have z."""

    def frozen_weights(self, stage: Stage) -> Ref:
        return super().frozen_weights(stage) if stage.index < self.lowest else self.form.weights(self, stage)

    def _rows(self, stage: Stage, phase: Phase) -> Words:
        if not self.sign or stage not in self.front:
            return super()._rows(stage, phase)
        z = _values(self.settings.config)
        drawn = _drawn(self, stage) | {"steps": _bytes(self.sign * z), "weights": self.frozen_weights(stage)}
        return self.provider("m0k_rows_zo", **drawn, **self.row_scratch(stage, phase))


def _values(config: Config) -> NDArray[np.int16]:
    """What a draw may be, each as probable as the other."""
    r = config.option("r")
    return np.arange(-r, r + 1, dtype=np.int16)


def _moves(config: Config, g: int, z: NDArray[np.int16]) -> NDArray[np.int16]:
    """What is added to weights whose draw was z: -Psto(g * z, b), b as NITI has it for gradients of at most r."""
    b = int(config.option("r")).bit_length() - config.mu + int(config.option("front_shift"))
    moves: NDArray[np.int16] = -psto_shift(g * z, b)
    return moves


def _bytes(values: NDArray[np.int16]) -> Constants:
    """int8 values in constant words."""
    data = values.astype(np.int8).tobytes()
    return Constants(tuple(np.frombuffer(data + bytes(-len(data) % 4), "<u4").tolist()))


def _key(b: Builder) -> Ref:
    return b.tensor(_KEY, "scratch", 4)


def _drawn(b: Builder, stage: Stage) -> Words:
    """The fields by which a layer's z is drawn."""
    return {
        "n_in": stage.n_in,
        "n_out": stage.n_out,
        "key": _key(b),
        "first": stage.index << _LAYER_BITS,
        "sparsity": b.settings.config.option("sparsity"),
        "count": len(_values(b.settings.config)),
    }


class ZoForm(NitiForm):
    """Two passes forward and a step by what they say, then the step of niti-static."""

    def operations(self, network: Network, settings: StepSettings) -> tuple[tuple[Op, ...], dict[str, Tensor]]:
        front = front_of(network, settings.first, settings.config)
        behind = settings.first + len(front)
        b = _Pass(network, replace(settings, first=behind), self, lowest=settings.first, front=front)
        if front:
            self._explore(b)
        b.forward()
        b.loss()
        for stage in reversed(network.stages[behind:]):
            b.backward(stage)
            b.update(stage)
        return tuple(b.ops), b.tensors

    def with_gradient(self, network: Network, settings: StepSettings) -> tuple[Stage, ...]:
        return network.stages[settings.first + len(front_of(network, settings.first, settings.config)) :]

    def _explore(self, b: _Pass) -> None:
        """Losses of both passes, and the step that they decide about."""
        config, steps, key = b.settings.config, b.tensor("steps", "scratch", 4, persistent=True), _key(b)
        b.emit("forward", "m0k_zo_next", steps=steps, key=key, seed=stream(config.seed))
        added, taken = (self._look(b, sign) for sign in PASSES)
        z = _values(config)
        for stage in b.front:
            moves = {"down": _bytes(_moves(config, 1, z)), "up": _bytes(_moves(config, -1, z))}
            where = _drawn(b, stage) | {"weights": self.weights(b, stage), "loss_added": added, "loss_taken": taken}
            b.emit("update", "m0k_zo_move", **where, **moves)

    def _look(self, b: _Pass, sign: int) -> Ref:
        """Where the loss of a pass is. No maximum's place is kept in it, since nothing goes back."""
        logits = len(b.network.stages)
        look = replace(b, settings=replace(b.settings, first=logits), sign=sign, ops=[], tensors={})
        look.forward()
        value = look.tensor("loss", "scratch", 4)
        ends: Words = {"logits": look.activation(logits), "label": look.tensor("label", "activations", 4)}
        ends |= {"classes": b.network.classes, "exponent_address": look.exponent(logits), "loss": value}
        look.emit("loss", "m0k_zo_loss", **ends)
        mark = f" ({PASSES[sign]})"
        ops, tensors = apart(look.ops, look.tensors, mark, shared=(*HOST_INPUTS, _KEY))
        b.ops.extend(ops)
        b.tensors.update(tensors)
        return Ref(value.tensor + mark)


# -- the golden form


def front_of(network: Network, first: int, config: Config) -> tuple[Stage, ...]:
    """The layers that learn by zeroth order, `first` being the lowest that learns; none where `back` has them all."""
    return network.stages[first : max(first, len(network.stages) - config.option("back"))]


class ZoInt8(NitiStatic):
    """W = sat(W - Psto(g * z, b)) in front, W = sat(W - Psto(G, s)) behind."""

    name = "zo-int8"
    source = "the abstract of ElasticZO (arXiv 2501.04287), on niti-static"
    is_reconstruction = True
    tuned = Tuned()
    device = ZoForm()
    options: ClassVar = {
        **NitiStatic.options,
        "back": Option(1, 1, 64, help="so many of the last layers learn by backpropagation", is_tuned=False),
        "r": Option(31, 1, 127, help="draws are -N..N"),
        "sparsity": Option(8, 0, 16, help="2**N weights have one draw"),
        "front_shift": Option(1, -8, 8, help="bits by which the layers in front move less than those behind"),
    }

    def step(
        self, network: Network, frozen: Frozen, state: State, image: Int8, label: int, config: Config
    ) -> StepTrace:
        """One training step on one image int8 [h, w, c]: an `ExploredTrace` where layers are in front."""
        front = front_of(network, frozen.first, config)
        if not front:
            return super().step(network, frozen, state, image, label, config)
        found = explore(network, front, state, image, label, config)
        behind = replace(frozen, first=front[-1].index + 1)
        trace = super().step(network, behind, found.state, image, label, config)
        return ExploredTrace(**vars(trace), explored=found)


@dataclass(frozen=True)
class Explored:
    """What came of the layers in front in one step."""

    key: int
    looks: tuple[Forward, ...]
    """The passes of one image by W + z and by W - z."""
    losses: tuple[int, ...]
    state: State
    """With what they have learned; the step is not counted yet."""


@dataclass(frozen=True)
class ExploredTrace(StepTrace):
    """The trace of the ordinary step, and what was before it."""

    explored: Explored


def explore(
    network: Network, front: Sequence[Stage], state: State, image: Int8, label: int, config: Config
) -> Explored:
    """Let the layers in front learn from an image int8 [h, w, c]."""
    key, options = key_of(config.seed, state.steps + 1), (config.option("r"), config.option("sparsity"))
    z = {stage.index: draws(stage, key, *options).astype(np.int16) for stage in front}
    looks, losses = [], []
    for sign in PASSES:
        weights = [
            sat(layer.weights + sign * z[i]) if i in z else layer.factors for i, layer in enumerate(state.layers)
        ]
        looks.append(forward_pass(network, weights, image[None], config, dynamic=False))
        losses.append(loss_value(looks[-1].activations[-1][0], config.logit_exponent, label))
    g = (losses[0] > losses[1]) - (losses[0] < losses[1])
    layers, now = list(state.layers), cooled(config, state.steps)
    for i, drawn in z.items() if g else ():
        weights_now = sat(layers[i].weights + _moves(now, g, drawn))
        layers[i] = Layer(weights_now, weights_now)
    return Explored(key, tuple(looks), tuple(losses), replace(state, layers=tuple(layers)))


METHOD = ZoInt8()
