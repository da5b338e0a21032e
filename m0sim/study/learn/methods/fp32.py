"""Backpropagation and SGD in float32: what the integers are compared with. Compiled from C, so it may not be available.

The device adds in another order than NumPy: the model equals it up to rounding only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from m0sim.chip.device import Device
from m0sim.study.learn import float_model, float_step
from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.config import Config, DeviceOptions
from m0sim.study.learn.float_model import Float
from m0sim.study.learn.float_step import FloatForm, FloatProgram
from m0sim.study.learn.methods.base import Arrays, Labelled, Method, Model, Tuned
from m0sim.study.learn.networks import Network
from m0sim.study.learn.plan import Plan, pack
from m0sim.study.learn.program import DeviceProgram
from m0sim.study.learn.state import Examples, Learned
from m0sim.study.learn.step import Step

RATE = 7
"""A run learns at the rate 2**-(RATE + shift)."""

Weights = tuple[Float, ...]
"""The state: one array a layer, in logical shape."""


class Fp32(Method):
    """W = W - rate * G."""

    name = "fp32"
    learns = "weights"
    source = "plain backpropagation and SGD"
    tuned = Tuned(-2)
    requirement = "it is compiled, which needs the extra m0sim[toolchain]"
    can_leave_layers = False
    device = FloatForm()

    def is_available(self) -> bool:
        return float_step.is_available()

    @property
    def is_calibrated(self) -> bool:
        return False

    @property
    def note(self) -> str:
        return f"compiled: {self.device.version()}"

    def unsupported(self, network: Network) -> str:
        return float_step.unsupported(network)

    def outline(self, network: Network, trained: int, fraction: float | None, options: DeviceOptions) -> Step:
        self.check(network)
        return float_step.build(network, Config.learning_rate)

    def calibrated(
        self, network: Network, weights: Sequence[Int8], config: Config, examples: Examples, seed: int
    ) -> Config:
        """As it is: floats need no shifts."""
        return config

    def slowed(self, config: Config, shift: int) -> Config:
        """From a rate of its own on, which is no power of two where nothing is trained."""
        return replace(config, learning_rate=2.0 ** -(RATE + shift))

    def model(
        self, network: Network, weights: Sequence[Int8], config: Config, examples: Examples, seed: int
    ) -> FloatModel:
        self.check(network)
        return FloatModel(network, real_weights(weights, config), config.learning_rate)


def real_weights(weights: Sequence[Int8], config: Config) -> Weights:
    """The real values of a backbone's weights, ``float32``."""
    return tuple((w * 2.0**e).astype(np.float32) for w, e in zip(weights, config.weight_exponents, strict=True))


@dataclass(frozen=True, eq=False)
class FloatModel(Model):
    """The model in NumPy, and the program in soft float."""

    is_exact: ClassVar = False

    network: Network
    backbone: Weights
    rate: float

    def initial(self) -> Weights:
        return self.backbone

    def step(self, state: Weights, image: Int8, label: int) -> Weights:
        return float_model.step(self.network, state, image, label, self.rate)

    def right(self, state: Weights, part: Labelled) -> int:
        logits = float_model.logits(self.network, state, part.images)
        return int(np.count_nonzero(logits.argmax(axis=1) == part.labels))

    def untouched(self, part: Labelled) -> int:
        return self.right(self.backbone, part)

    def arrays(self, state: Weights) -> Arrays:
        return {f"weights{i}": array for i, array in enumerate(state)}

    def state_of(self, arrays: Mapping[str, Learned], steps: int) -> Weights:
        return tuple(arrays[f"weights{stage.index}"] for stage in self.network.stages)

    def plan(self, options: DeviceOptions, banks: tuple[int, ...] = ()) -> Plan:
        return pack(float_step.build(self.network, self.rate), reuse=options.reuse, banks=banks)

    def program(self, plan: Plan, state: Weights, device: Device) -> DeviceProgram:
        return FloatProgram(plan, device, state, "zig")

    def state_on(self, program: DeviceProgram) -> Weights:
        assert isinstance(program, FloatProgram)
        return program.weights()


METHOD = Fp32()
