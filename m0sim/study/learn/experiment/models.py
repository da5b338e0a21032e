"""A method with its backbone, ready to learn: on the golden model step by step, or on the simulated chip."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from m0sim.chip.device import Device
from m0sim.study.learn import float_model, float_step, kernels, methods, onchip
from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.experiment.images import Part
from m0sim.study.learn.experiment.setting import FLOAT_RATE, Setting, configure
from m0sim.study.learn.fit import Need, chip_for
from m0sim.study.learn.methods import Config
from m0sim.study.learn.methods.base import Examples, Learned
from m0sim.study.learn.methods.passes import forward_pass
from m0sim.study.learn.plan import pack
from m0sim.study.learn.pretrain import Backbone
from m0sim.study.learn.program import DeviceProgram

Arrays = dict[str, Learned]
"""The learned arrays by name, as state.npz has them."""


@dataclass(frozen=True)
class Chip:
    """The training step on the simulated chip, with a state of its own."""

    program: DeviceProgram
    state: Callable[[], Any]
    """What it has learned, as the model's states are."""

    def step(self, image: Int8, label: int) -> int:
        """Train on one image; returns the cycles."""
        return self.program.count_step(image, label)


class Model(ABC):
    """What is computed: states are values, and a step makes the next one."""

    sram_bytes: int
    """Planned, the stack included."""
    is_fit: bool
    """False: its chip is an enlarged copy of the device."""

    @abstractmethod
    def initial(self) -> Any:
        """The state before the first step."""

    @abstractmethod
    def step(self, state: Any, image: Int8, label: int) -> Any:
        """The state after one step."""

    @abstractmethod
    def right(self, state: Any, part: Part) -> int:
        """How many of the images get their label."""

    @abstractmethod
    def untouched(self, part: Part) -> int:
        """The same of the backbone as it was deployed, before anything was pruned or learned."""

    @abstractmethod
    def arrays(self, state: Any) -> Arrays: ...

    @abstractmethod
    def state_of(self, arrays: Mapping[str, Learned], steps: int) -> Any:
        """The state that `steps` steps made: exact where the cut was renewed in the last of them."""

    @abstractmethod
    def pruned(self, state: Any) -> tuple[int, ...]:
        """Edges of each layer that are pruned; nothing for a method that prunes none."""

    @abstractmethod
    def deploy(self, state: Any) -> Chip: ...


def model_of(
    setting: Setting, backbone: Backbone, calibration: Part, seed: int, device: Device, options: onchip.Options
) -> Model:
    """The setting on a backbone, with shifts from the calibration images."""
    if setting.method == float_step.METHOD:
        return FloatModel(setting, backbone, device)
    return IntegerModel(setting, backbone, calibration, seed, device, options)


class IntegerModel(Model):
    """The golden model of m0sim.study.learn.methods, and the program that equals it byte for byte."""

    def __init__(
        self,
        setting: Setting,
        backbone: Backbone,
        calibration: Part,
        seed: int,
        device: Device,
        options: onchip.Options,
    ) -> None:
        self._network, self._seed = backbone.network, seed
        images, labels = calibration.images, calibration.labels
        self.config: Config = configure(setting, self._network, backbone.weights, backbone.config, images, labels, seed)
        self._method = methods.get(setting.method)
        self._frozen = self._method.freeze(self._network, backbone.weights, self.config, Examples(images, labels))
        self._plan = onchip.plan(self._network, setting.method, self.config, self._frozen, options)
        need = Need.of(self._plan, kernels.stack_bytes(self._plan.step))
        self.sram_bytes, self.is_fit = need.sram_bytes, need.fits(device)
        self._device = chip_for(need, device)

    def initial(self) -> methods.State:
        return self._method.initial_state(self._network, self._frozen, self.config, self._seed)

    def step(self, state: methods.State, image: Int8, label: int) -> methods.State:
        return self._method.step(self._network, self._frozen, state, image, label, self.config).state

    def right(self, state: methods.State, part: Part) -> int:
        predicted = self._method.predict(self._network, self._frozen, state, part.images, self.config)
        return int(np.count_nonzero(predicted == part.labels))

    def untouched(self, part: Part) -> int:
        right = 0
        for at in range(0, len(part), 250):
            chunk = part.images[at : at + 250]
            ahead = forward_pass(self._network, self._frozen.weights, chunk, self.config, self._method.dynamic)
            right += int(np.count_nonzero(ahead.activations[-1].argmax(axis=1) == part.labels[at : at + 250]))
        return right

    def arrays(self, state: methods.State) -> Arrays:
        return self._method.arrays(state)

    def state_of(self, arrays: Mapping[str, Learned], steps: int) -> methods.State:
        return self._method.state_of(self._network, self._frozen, arrays, self.config, steps)

    def pruned(self, state: methods.State) -> tuple[int, ...]:
        if self._method.learns != "scores":
            return ()
        masks = (layer.mask for layer in state.layers)
        return tuple(0 if mask is None else int(np.count_nonzero(~mask)) for mask in masks)

    def deploy(self, state: methods.State) -> Chip:
        program = onchip.deploy(self._plan, self.config, self._frozen, state, kernels.load(), self._device)

        def read() -> methods.State:
            learned = onchip.learned(program, self._frozen)
            named = {f"{self._method.learns}{i}": array for i, array in enumerate(learned) if array.size}
            return self.state_of(named, program.steps)

        return Chip(program, read)


class FloatModel(Model):
    """Backpropagation and SGD in float32; on the chip in soft float, which adds in another order than NumPy."""

    def __init__(self, setting: Setting, backbone: Backbone, device: Device) -> None:
        self._network, self._device = backbone.network, device
        self.rate = 2.0 ** -(FLOAT_RATE + setting.shift)
        exponents = backbone.config.weight_exponents
        self._weights = tuple((w * 2.0**e).astype(np.float32) for w, e in zip(backbone.weights, exponents, strict=True))
        need = Need.of(pack(float_step.build(self._network, self.rate)), float_step.STACK_BYTES)
        self.sram_bytes, self.is_fit = need.sram_bytes, need.fits(device)

    def initial(self) -> tuple[float_model.Float, ...]:
        return self._weights

    def step(self, state: tuple[float_model.Float, ...], image: Int8, label: int) -> tuple[float_model.Float, ...]:
        return float_model.step(self._network, state, image, label, self.rate)

    def right(self, state: tuple[float_model.Float, ...], part: Part) -> int:
        logits = float_model.logits(self._network, state, part.images)
        return int(np.count_nonzero(logits.argmax(axis=1) == part.labels))

    def untouched(self, part: Part) -> int:
        return self.right(self._weights, part)

    def arrays(self, state: tuple[float_model.Float, ...]) -> Arrays:
        return {f"weights{i}": array for i, array in enumerate(state)}

    def state_of(self, arrays: Mapping[str, Learned], steps: int) -> tuple[float_model.Float, ...]:
        return tuple(arrays[f"weights{stage.index}"] for stage in self._network.stages)

    def pruned(self, state: tuple[float_model.Float, ...]) -> tuple[int, ...]:
        return ()

    def deploy(self, state: tuple[float_model.Float, ...]) -> Chip:
        program = float_step.deploy(self._network, state, self._device, self.rate)
        return Chip(program, program.weights)
