"""The energy of a run whose clock changes: the sum over the stretches of one clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from m0sim.chip.cost import Cost
from m0sim.chip.device import Device
from m0sim.chip.energy import EnergyUse, use_of
from m0sim.chip.results.memory_use import cycles_by_memory
from m0sim.chip.run_cost import ClockRate

_ASLEEP = "asleep as awake, for nobody published that current"


@dataclass(frozen=True, slots=True)
class _Stretch:
    cycles: int
    hertz: float


def with_energy(cost: Cost, device: Device, rates: Sequence[ClockRate], first: int, sleep_cycles: int) -> Cost:
    """The cost of a run from cycle `first` on, with its energy.

    Of what ran from flash and from SRAM, every stretch has the same share. What ran at a clock without a published
    current is left out, and a warning says how long that was; all of it is None where no stretch has one.
    """
    in_flash, in_sram = cycles_by_memory(cost.instruction_table, device)
    share = in_sram / max(1, in_flash + in_sram)
    uses: list[EnergyUse] = []
    left_out: dict[float, float] = {}
    for stretch in _stretches(rates, first, first + cost.cycles):
        use = _use(device, stretch, share)
        if use is None:
            left_out[stretch.hertz] = left_out.get(stretch.hertz, 0.0) + stretch.cycles / stretch.hertz
        else:
            uses.append(use)
    if not uses:
        return _none(cost)
    notes = [_ASLEEP] if sleep_cycles else []
    warning = _warning(left_out)
    return replace(
        cost,
        energy_joules=sum(use.joules for use in uses),
        energy_joules_low=_sum([use.low_joules for use in uses]),
        energy_joules_high=_sum([use.high_joules for use in uses]),
        energy_source="; ".join(dict.fromkeys([*(use.source for use in uses), *notes])),
        energy_bounds_source="; ".join(dict.fromkeys(use.bounds_source for use in uses)),
        warnings=(*cost.warnings, *([warning] if warning else [])),
    )


def _stretches(rates: Sequence[ClockRate], first: int, end: int) -> Iterator[_Stretch]:
    ends = [*(rate.cycle for rate in rates[1:]), end]
    for rate, until in zip(rates, ends, strict=True):
        cycles = min(until, end) - max(rate.cycle, first)
        if cycles > 0 and rate.hertz > 0:
            yield _Stretch(cycles, rate.hertz)


def _use(device: Device, stretch: _Stretch, sram_share: float) -> EnergyUse | None:
    if device.energy is None:
        return None
    sram = stretch.cycles * sram_share
    return use_of(device.energy, round(stretch.hertz), stretch.cycles - sram, sram)


def _sum(joules: Sequence[float | None]) -> float | None:
    known = [each for each in joules if each is not None]
    return sum(known) if len(known) == len(joules) else None


def _none(cost: Cost) -> Cost:
    return replace(
        cost,
        energy_joules=None,
        energy_joules_low=None,
        energy_joules_high=None,
        energy_source=None,
        energy_bounds_source=None,
    )


def _warning(left_out: dict[float, float]) -> str:
    if not left_out:
        return ""
    parts = ", ".join(f"{seconds * 1e3:.3g} ms at {hertz / 1e6:.6g} MHz" for hertz, seconds in left_out.items())
    return f"energy is without {parts}: nobody published a current at that clock"
