"""The most of one knob that still fits: score fraction, width, or trained layers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from m0sim.chip.device import Device
from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import methods
from m0sim.study.learn.networks import WIDTH_MAX
from m0sim.study.whatif import planned
from m0sim.study.whatif.configuration import Configuration, layers_of, with_trained
from m0sim.study.whatif.planned import Planned
from m0sim.study.whatif.sizes import SramRoom

Knob = Literal["fraction", "width", "layers"]
KNOBS: tuple[Knob, ...] = get_args(Knob)

BLOCKS = range(1, 1025)
"""Edges for each scored one, 1/fraction: what `fraction` is solved over."""

WIDTH_STEP = 1 / 64
"""What `width` is solved in steps of, up to `WIDTH_MAX`."""


@dataclass(frozen=True)
class Space:
    """What everything must fit into."""

    room: SramRoom
    device: Device
    stack_reserve: int = 0

    def plan(self, configuration: Configuration) -> Planned:
        """The configuration's plan for this room."""
        return planned.plan(configuration, self.room, self.stack_reserve)

    def fits(self, configuration: Configuration) -> bool:
        """Whether it does."""
        return self.plan(configuration).fits(self.room, self.device)

    def may_fit(self, configuration: Configuration) -> bool:
        """Whether it would with the least SRAM that any plan could need."""
        return self.plan(configuration).may_fit(self.room, self.device)

    def may_fit_without_scratch(self, configuration: Configuration) -> bool:
        """The same of all but scratch."""
        return self.plan(configuration).may_fit_without_scratch(self.room, self.device)


def knob(name: str) -> Knob:
    """The knob called `name`; UsageError for another."""
    for known in KNOBS:
        if known == name:
            return known
    raise UsageError(f"--solve {name!r}: known are {', '.join(KNOBS)}{did_you_mean(name, KNOBS)}")


def most(configuration: Configuration, knob: Knob, space: Space) -> Configuration | None:
    """The configuration with the most of a knob that fits, its other knobs as they are.

    None where nothing fits, or the method has no such knob.
    """
    return first_fit(choices(configuration, knob), space)


def choices(configuration: Configuration, knob: Knob) -> list[Configuration]:
    """All values of a knob from the most to the least, none of which needs more bytes live, but for scratch, than the
    one before it."""
    if knob == "fraction":
        return [replace(configuration, fraction=1 / n) for n in BLOCKS] if configuration.fraction is not None else []
    if knob == "layers":
        if not methods.get(configuration.method).can_leave_layers:
            return []
        return [with_trained(configuration, k) for k in range(layers_of(configuration), 0, -1)]
    steps = range(round(WIDTH_MAX / WIDTH_STEP), 0, -1)
    return [replace(configuration, width=n * WIDTH_STEP) for n in steps]


def first_fit(ordered: Sequence[Configuration], space: Space) -> Configuration | None:
    """The first that fits, of configurations whose live bytes, but for scratch, never grow along the list.

    What cannot fit with a perfect plan and no scratch is skipped by halving; the rest is tried in turn.
    """
    start = bisect_left(ordered, True, key=space.may_fit_without_scratch)
    return next((c for c in ordered[start:] if space.may_fit(c) and space.fits(c)), None)
