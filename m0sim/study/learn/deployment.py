"""A model on a chip: its plan, whether it fits, and the program that runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from m0sim.chip.device import Device
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.fit import Need, chip_for
from m0sim.study.learn.methods import Model
from m0sim.study.learn.plan import Plan
from m0sim.study.learn.program import DeviceProgram


@dataclass(frozen=True, eq=False)
class Deployment:
    """How compare, train, study, budget and sweep run a training step."""

    model: Model
    plan: Plan
    device: Device
    """The one that was asked for."""

    @classmethod
    def of(cls, model: Model, options: DeviceOptions, device: Device, banks: tuple[int, ...] = ()) -> Deployment:
        """The model with these options on a device; `banks` as `plan.pack` has them."""
        return cls(model, model.plan(options, banks), device)

    @cached_property
    def need(self) -> Need:
        """What it takes of a chip."""
        return Need.of(self.plan, self.plan.step.settings.form.stack_bytes(self.plan.step))

    @property
    def is_fit(self) -> bool:
        """False: it runs on an enlarged copy of the device."""
        return self.need.fits(self.device)

    def program(self, state: Any) -> DeviceProgram:
        """A chip of its own that goes on from a state of the model."""
        return self.model.program(self.plan, state, chip_for(self.need, self.device))
