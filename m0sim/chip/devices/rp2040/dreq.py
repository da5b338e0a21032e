"""Data requests, by which blocks pace the DMA: RP2040 datasheet, section 2.5.3.

Blocks say what they can take or give, and the board gives each request its number (table 119). A request is asked when
a channel waits for it, and never else: what no channel uses costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from m0sim.chip.devices.block import Device


@dataclass(frozen=True, slots=True)
class Dreq:
    """One request."""

    name: str
    device: Device
    """Whose it is: after each access to it and each of its events the request is looked at again."""
    count: Callable[[], int]
    """Transfers that are asked for now: places in a FIFO, or what is in one.

    Of a request that comes in pulses: all pulses up to now.
    """
    due: Callable[[], int | None]
    """The cycle in which there may be more by itself, or an earlier one; None where only an access brings them."""
    comes_in_pulses: bool = False


class Duplex(Protocol):
    """A block that has one request for what it can take, and one for what it can give."""

    def requests(self) -> tuple[Dreq, Dreq]:
        """Both."""


def level(name: str, device: Device, is_wanted: Callable[[], bool], due: Callable[[], int | None]) -> Dreq:
    """A request of a block that says no more than whether it wants a transfer."""
    return Dreq(name, device, lambda: int(is_wanted()), due)
