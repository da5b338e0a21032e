"""Planned configurations on the simulated chip: what a step costs, and that it keeps to its plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from m0sim.chip.cost import Cost
from m0sim.chip.device import Device
from m0sim.errors import M0simError
from m0sim.study.learn import methods, sources
from m0sim.study.learn import side_by_side as compare
from m0sim.study.learn.config import Config
from m0sim.study.learn.datasets import CLASSES, Dataset
from m0sim.study.learn.deployment import Deployment
from m0sim.study.learn.methods import Model
from m0sim.study.learn.networks import Network
from m0sim.study.learn.plan import Plan
from m0sim.study.learn.pretrain import Backbone
from m0sim.study.learn.program import DeviceProgram, FlashOfStep, zero_wait_cycles
from m0sim.study.learn.sources import DataSource
from m0sim.study.whatif.configuration import Configuration, wide_network
from m0sim.study.whatif.planned import Planned

STEPS = 5
"""Training steps that a figure is the mean of, by default: cycles depend on the images."""

CYCLES_ENOUGH = 20_000_000
"""No further step begins behind so many cycles: soft float takes seconds a step, and varies less."""

MACS_MAX = 50_000_000
"""Networks with more forward MACs are not measured for a budget: a step of vgg11 takes minutes at level ``memory``."""


def source_of(network: Network, source: DataSource) -> DataSource:
    """The data; where they have no name digits for networks that take them, and noise for the others."""
    takes_digits = network.input_shape == (8, 8, 1) and network.classes >= CLASSES
    name = "digits" if takes_digits else sources.RANDOM
    return source if source.name else replace(source, name=name)


def images_of(network: Network, source: DataSource) -> Dataset:
    """The images of `source_of`."""
    return sources.load(source_of(network, source), network)


@dataclass(frozen=True)
class Measured:
    """Some training steps, run at level ``memory``."""

    cycles: tuple[int, ...]
    """Of each step, with zero-wait-state memory."""
    flash_estimate_cycles: float | None
    """As in `MethodResult`; mean."""
    flash_misses_words: float | None
    """The same."""
    stack_bytes: int
    sram_touched: int
    """Bytes of the plan that the steps read or wrote."""
    note: str

    @property
    def mean_cycles(self) -> int:
        """The mean of `cycles`, rounded."""
        return round(sum(self.cycles) / len(self.cycles))

    @property
    def with_flash(self) -> float:
        """Mean cycles and what flash adds: what configurations are ranked by."""
        return self.mean_cycles + (self.flash_estimate_cycles or 0.0)


class StepBench:
    """A chip and images to run steps on. A configuration is measured once, however often it is asked for."""

    def __init__(
        self, device: Device, images: Dataset, steps: int = STEPS, seed: int = 0, backbone: Backbone | None = None
    ) -> None:
        """`backbone` is what its network starts from; None: as in `ComparisonTask`."""
        self.device, self.data, self.steps, self.seed, self.backbone = device, images, steps, seed, backbone
        self._measured: dict[tuple[Configuration, tuple[int, ...]], Measured] = {}
        self._starts: dict[Network, compare.StartingPoint] = {}

    def measure(self, planned: Planned) -> Measured:
        """What a plan's steps cost. Raises UsageError where the images are not the network's."""
        key = (planned.configuration, planned.banks)
        if key not in self._measured:
            start = self.start(planned.step.network)
            self._measured[key] = measure(planned, self.device, start, self.seed)
        return self._measured[key]

    def start(self, network: Network) -> compare.StartingPoint:
        """The backbone's weights and the images."""
        if network not in self._starts:
            task = compare.ComparisonTask(
                network, self.data, self.device, (), self.steps, self.seed, backbone=self.backbone
            )
            self._starts[network] = compare.start_of(task)
        return self._starts[network]


def measure(planned: Planned, device: Device, start: compare.StartingPoint, seed: int = 0) -> Measured:
    """Run the steps of a plan, one for each training image of `start`, on the chip or, if it is too small, in an
    enlarged copy of it.

    Raises M0simError where a step does not keep to its plan, which would be a bug in a kernel.
    """
    model = model_of(planned.configuration, start, seed)
    program = deployment_of(planned, model, device).program(model.initial())
    watch = _Watch(program, planned)
    costs: list[Cost] = []
    for image, label in zip(*start.training, strict=True):
        costs.append(program.step_in_flash(image, int(label), level="memory"))
        watch.look(costs[-1])
        if sum(map(zero_wait_cycles, costs)) > CYCLES_ENOUGH:
            break
    flash = FlashOfStep.of(costs)
    return Measured(
        cycles=tuple(map(zero_wait_cycles, costs)),
        flash_estimate_cycles=None if flash is None else flash.cycles,
        flash_misses_words=None if flash is None else flash.misses_words,
        stack_bytes=max(cost.stack_bytes for cost in costs),
        sram_touched=int(watch.used.sum()),
        note=start.note,
    )


def deployment_of(planned: Planned, model: Model, device: Device) -> Deployment:
    """What the chip gets: with the real shifts and gaps in it. Its SRAM is that of the plan."""
    c = planned.configuration
    deployment = Deployment.of(model, c.options, device, planned.banks)
    if _sram(deployment.plan) != _sram(planned.plan):
        name = planned.step.network.name
        raise M0simError(f"{c.method} on {name}: the plan differs from that of the step that runs")
    return deployment


def _sram(plan: Plan) -> dict[str, tuple[int, int]]:
    return {name: (p.offset, p.end) for name, p in plan.placed.items() if p.tensor.place == "sram"}


def model_of(c: Configuration, start: compare.StartingPoint, seed: int) -> Model:
    """The method of `c`, calibrated; its mask, the place of its weights and reuse do not matter."""
    return _model(replace(c, mask=None, weights=None, reuse=True), start, seed)


@lru_cache(maxsize=16)
def _model(c: Configuration, start: compare.StartingPoint, seed: int) -> Model:
    method, backbone = methods.get(c.method), (wide_network(c.network, c.width), start.weights)
    given, fraction = start.config, c.fraction or Config.fraction
    config = Config(given.weight_exponents, biases=given.biases, trained=c.trained, fraction=fraction, seed=seed)
    config = method.configured(config, {})
    examples = start.examples(method)
    config = method.calibrated(*backbone, config, examples, seed)
    return method.model(*backbone, config, examples, seed)


class _Watch:
    """Which bytes of the plan the steps touch; a byte of SRAM outside plan and stack is an error."""

    def __init__(self, program: DeviceProgram, planned: Planned) -> None:
        self._program, self._planned = program, planned
        self.used: NDArray[np.bool_] = np.zeros(planned.plan.sram_bytes, np.bool_)

    def look(self, cost: Cost) -> None:
        """Note what the last step touched."""
        machine, planned = self._program.machine, self._planned
        banks = machine.device.srams
        touched = np.concatenate([machine.counters.touched(bank.base, bank.size) != 0 for bank in banks])
        address = np.concatenate([np.arange(bank.base, bank.end, dtype=np.int64) for bank in banks])
        top = machine.space.stack_top
        touched &= (address < top - planned.stack_bytes) | (address >= top)
        outside = np.flatnonzero(touched[planned.plan.sram_bytes :])
        if len(outside) or cost.stack_bytes > planned.stack_bytes:
            c = planned.configuration
            raise M0simError(
                f"{c.method} on {planned.step.network.name}: a step touched {len(outside)} bytes outside its plan and "
                f"took {cost.stack_bytes} bytes of stack, planned were {planned.stack_bytes}"
            )
        self.used |= touched[: planned.plan.sram_bytes]
