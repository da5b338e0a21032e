"""Whether a training step fits a chip: one rule, asked by budget, compare, train, study, sweep and solve alike.

It is the rule of what places the bytes: the plan from the start of SRAM upwards, the stack from the end of SRAM
downwards, both ends on 8 bytes (AAPCS: SP is a multiple of 8 at a call), nothing between them. The machine keeps no
more than the stack's bytes free (`m0sim.chip.machine.Machine`, `stack_bytes`), so that what fits runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from m0sim.chip.device import Device, MemoryRegion
from m0sim.errors import UsageError
from m0sim.study.learn.plan import Plan
from m0sim.study.learn.step import Step

FLASH_FOR_CODE = 64 * 1024
"""Flash set aside for m0sim's kernels, parameter blocks and operation lists, in bytes: more than they ever take."""

_STACK_ALIGN = 8
_ENLARGED_STEP = 64 * 1024  # an enlarged copy of a device: its size is not what the study is about


@dataclass(frozen=True, slots=True)
class Need:
    """What a step takes of a chip, in bytes."""

    plan_bytes: int
    """From the start of SRAM to the end of the plan's highest tensor."""
    stack_bytes: int
    flash_bytes: int
    """At most: constant tensors, but not the optional ones, and `code_bytes`."""

    @classmethod
    def of(cls, plan: Plan, stack_bytes: int) -> Need:
        """Of a plan and a stack of that depth."""
        return cls(plan.sram_bytes, stack_bytes, plan.flash_bytes + code_bytes(plan.step))

    @property
    def sram_bytes(self) -> int:
        """The least SRAM, in one stretch, that holds plan and stack."""
        return _rounded(self.plan_bytes, _STACK_ALIGN) + _rounded(self.stack_bytes, _STACK_ALIGN)

    @property
    def gap_bytes(self) -> int:
        """Of these, what neither plan nor stack uses: their ends lie on 8 bytes."""
        return self.sram_bytes - self.plan_bytes - self.stack_bytes

    def fits(self, device: Device) -> bool:
        """Whether a chip holds it: SRAM regions that follow one another count as one stretch.

        The plan is in the first stretch. The stack ends the last one that has room for it, as on the machine.
        """
        first, *others = stretches(device)
        stack = _rounded(self.stack_bytes, _STACK_ALIGN)
        elsewhere = self.plan_bytes <= first and any(stack <= size for size in others)
        return (self.fits_banks((first,)) or elsewhere) and self.fits_flash(device)

    def fits_banks(self, banks: Sequence[int]) -> bool:
        """Whether banks of so many bytes that follow one another hold it, the stack within the last of them."""
        stack = _rounded(self.stack_bytes, _STACK_ALIGN)
        return self.sram_bytes <= sum(banks) and stack <= banks[-1]

    def fits_flash(self, device: Device) -> bool:
        """Whether the device's first flash region holds constants and code."""
        return device.flash is not None and self.flash_bytes <= device.flash.size


def code_bytes(step: Step) -> int:
    """Flash set aside for kernels, parameter blocks and operation lists of a step."""
    return FLASH_FOR_CODE + step.settings.form.added_code_bytes()


def holds_optional(plan: Plan, device: Device) -> bool:
    """Whether the device's flash holds the optional tensors of a plan, too."""
    return device.flash is not None and plan.most_flash_bytes + code_bytes(plan.step) <= device.flash.size


def stretches(device: Device) -> list[int]:
    """Bytes of each stretch of SRAM, by rising address; regions that follow one another are one."""
    sizes: list[int] = []
    end = -1
    for region in device.srams:
        if region.base == end:
            sizes[-1] += region.size
        else:
            sizes.append(region.size)
        end = region.end
    return sizes


def chip_for(need: Need, device: Device) -> Device:
    """The device where the step fits it, else a copy with one SRAM and one flash region that are large enough.

    The copy has no aliases: a larger region would run into them. Raises UsageError for a device without flash.
    """
    if need.fits(device):
        return device
    flash = device.flash
    if flash is None:
        raise UsageError(f"{device.name} has no flash to put the kernels into")
    sram = device.srams[0]
    grown = (
        replace(flash, size=max(flash.size, _rounded(need.flash_bytes, _ENLARGED_STEP))),
        MemoryRegion(sram.name, "sram", sram.base, max(device.sram_bytes, _rounded(need.sram_bytes, _ENLARGED_STEP))),
    )
    return replace(device, regions=tuple(sorted(grown, key=lambda r: r.base)), aliases=())


def _rounded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
