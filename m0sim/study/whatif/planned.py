"""What a configuration needs, computed without running anything.

SRAM is the plan of `study.learn.plan` and the stack. Code, parameter blocks and constants are in flash; firmware around
the training step (buffers, an interrupt's frame of 32 bytes on the stack) is the user's to add.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from m0sim.chip.device import Device
from m0sim.errors import UsageError
from m0sim.study.learn import layout, methods
from m0sim.study.learn.fit import Need, code_bytes
from m0sim.study.learn.plan import Plan, lower_bound, pack
from m0sim.study.learn.step import Step, Tensor
from m0sim.study.whatif.configuration import Configuration, wide_network
from m0sim.study.whatif.sizes import SramRoom


@dataclass(frozen=True)
class Planned:
    """A configuration and its plan in a given room."""

    configuration: Configuration
    step: Step
    stack_bytes: int
    """What the documented contracts of the kernels add up to, or the reserve that was asked for."""
    banks: tuple[int, ...]

    @cached_property
    def plan(self) -> Plan:
        """The tensors with their addresses."""
        return pack(self.step, reuse=self.configuration.reuse, banks=self.banks)

    @property
    def need(self) -> Need:
        """What it takes of a chip."""
        return Need.of(self.plan, self.stack_bytes)

    @property
    def needed_bytes(self) -> int:
        """SRAM: the plan and the stack."""
        return self.need.sram_bytes

    @cached_property
    def least(self) -> Need:
        """No plan needs less: the most that is live at one time, and the stack. Far quicker to say than `need`."""
        flash = sum(t.size for t in self.step.tensors.values() if t.place == "flash" and not t.optional)
        return Need(lower_bound(self.step, self.configuration.reuse), self.stack_bytes, code_bytes(self.step) + flash)

    @property
    def ratio(self) -> float:
        """The plan over its lower bound, the stack left out on both sides."""
        return self.plan.sram_bytes / self.plan.lower_bound

    @property
    def limiting(self) -> tuple[str, str]:
        """The largest tensor that is live when the most is, and the phase in which that is.

        Without reuse all are live all the time: the phase is that of the first operation on the tensor.
        """
        largest = max((p.tensor for p in self.plan.live_at_peak), key=lambda t: (t.size, t.name))
        peak = self.step.ops[self.plan.peak]
        if self.configuration.reuse:
            return largest.name, peak.phase
        return largest.name, next((op for op in self.step.ops if largest.name in op.tensors()), peak).phase

    def spare_bytes(self, room: SramRoom) -> int:
        """Bytes that are left, negative when they are missing."""
        return room.size - self.needed_bytes

    def fits(self, room: SramRoom, device: Device) -> bool:
        """Whether the room holds plan and stack, the stack within its bank, and the device's flash the rest."""
        return self.need.fits_banks(room.banks) and self.need.fits_flash(device)

    def may_fit(self, room: SramRoom, device: Device) -> bool:
        """Whether it would with a plan as small as the lower bound."""
        return self.least.fits_banks(room.banks) and self.least.fits_flash(device)

    def may_fit_without_scratch(self, room: SramRoom, device: Device) -> bool:
        """The same of all but scratch: a network with more channels never needs less of it."""
        kept = lower_bound(self.step, self.configuration.reuse, has_scratch=False)
        least = replace(self.least, plan_bytes=kept)
        return least.fits_banks(room.banks) and least.fits_flash(device)


def plan(configuration: Configuration, room: SramRoom | None = None, stack_reserve: int = 0) -> Planned:
    """Plan a configuration, for one stretch of SRAM or for the banks of `room`.

    `stack_reserve` is the stack in bytes that is set aside; 0 for what the kernels need. UsageError if they need more.
    """
    needed = _step(configuration)[1]
    if 0 < stack_reserve < needed:
        raise UsageError(
            f"a stack reserve of {stack_reserve:,} bytes: the kernels of {configuration.method} need {needed:,}"
        )
    banks = room.banks if room is not None and len(room.banks) > 1 else ()
    return _planned(configuration, stack_reserve or needed, banks)


@lru_cache(maxsize=16_384)
def _planned(configuration: Configuration, stack: int, banks: tuple[int, ...]) -> Planned:
    return Planned(configuration, _step(configuration)[0], stack, banks)


@lru_cache(maxsize=16_384)
def _step(configuration: Configuration) -> tuple[Step, int]:
    """The operations and tensors, and the stack that the kernels need."""
    c = configuration
    method = methods.get(c.method)
    step = method.outline(wide_network(c.network, c.width), c.trained, c.fraction, c.options)
    return _batched(step, c), method.device.stack_bytes(step)


def _batched(step: Step, configuration: Configuration) -> Step:
    """The step with the accumulators of a batch: int32 gradients of all that learns, kept from image to image."""
    if configuration.batch == 1:
        return step
    sums = {tensor.name: tensor for tensor in _gradient_sums(step, configuration)}
    return replace(step, tensors=step.tensors | sums)


def _gradient_sums(step: Step, configuration: Configuration) -> Iterator[Tensor]:
    for stage in step.settings.form.with_gradient(step.network, step.settings):
        if configuration.fraction is None or not step.settings.scored[stage.index]:  # a layer of weights has no scores
            size = 4 * stage.n_out * layout.row_bytes(stage.n_in)
            name = f"gradient{stage.index}"  # of a convolution it is there already: it then adds up in place
        else:
            size = 4 * step.settings.scored[stage.index]
            name = f"gradient sums{stage.index}"
        yield Tensor(name, "accumulators", size, persistent=True)
    if step.settings.form.learns_biases:
        for stage in step.network.stages[step.settings.first :]:
            yield Tensor(f"bias sums{stage.index}", "accumulators", 4 * stage.n_out, persistent=True)
