"""All peripherals of one part, wired together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from m0sim.chip.devices.bus import Bus
from m0sim.chip.devices.clock import SystemClock


class Receiver(Protocol):
    """A device that somebody can send bytes to."""

    def receive(self, data: bytes) -> None:
        """Somebody sends these bytes, one after the other."""


class Pins(Protocol):
    """The pins of a part, as the world outside has them."""

    def drive(self, pin: int, level: int | None) -> None:
        """Drive a pin to 0 or 1 from outside, or with None let go of it."""


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
