"""All peripherals of one part, wired together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from m0sim.chip.attached import Attached
from m0sim.chip.devices.bus import Bus
from m0sim.chip.devices.clock import SystemClock
from m0sim.chip.devices.host import EVERYTHING, Reach
from m0sim.chip.devices.moved import Moved


class Receiver(Protocol):
    """A device that somebody can send bytes to."""

    def receive(self, data: bytes) -> None:
        """Somebody sends these bytes, one after the other."""


class Pins(Protocol):
    """The pins of a part, as the world outside has them."""

    @property
    def numbers(self) -> Collection[int]:
        """Of those that there are."""

    def drive(self, pin: int, level: int | None) -> None:
        """Drive a pin to 0 or 1 from outside, or with None let go of it."""


class Analog(Protocol):
    """What measures voltages."""

    channels: int
    reference: Fraction
    """Volts of the highest value, and one step more."""

    def apply(self, channel: int, volts: Fraction) -> None:
        """The world outside has a channel, from 0 on, at so many volts."""

    def follow(self, channel: int, volts: Callable[[Fraction], float]) -> None:
        """It is at what a function of the time says from now on, in seconds."""


def _nothing() -> None:
    pass


def _nobody() -> tuple[Moved, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Board:
    """What a run needs of a part's peripherals. `bus.reset()` is due before the first instruction."""

    bus: Bus
    clock: SystemClock
    receivers: Mapping[str, Receiver]
    """By the name that their output has too, in the datasheet's order: the first is where input goes by default."""
    pins: Pins | None = None
    interrupts: tuple[str, ...] = ()
    """Names of the interrupts, by number."""
    wire: Callable[[int, int], None] | None = None
    """Connects a pin to another one, whose level it has from then on. None where the part has no way to."""
    analog: Analog | None = None
    by_core: Reach = EVERYTHING
    """What is reset when the processor asks for a reset (AIRCR.SYSRESETREQ)."""
    pressed: Callable[[], None] = _nothing
    """Called after a reset of everything by the reset pin: what only that changes."""
    attach: Callable[[Attached], None] | None = None
    """Attaches a device to I2C or SPI; may raise `UsageError`. None where the part has none that is modelled."""
    movers: Callable[[], tuple[Moved, ...]] = _nobody
    """Who else has moved bytes, up to now."""
