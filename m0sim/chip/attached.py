"""What is at the other end of I2C and SPI: what a device in Python does, and where it is attached.

A device is an object of a class of yours, derived from `I2cDevice` or `SpiDevice`. It is asked byte by byte, in the
order of the wire; `seconds` is simulated time since the first reset, exact. What it keeps, it keeps from run to run: a
run begins with a reset of the chip alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction


class I2cDevice(ABC):
    """A target on an I2C bus."""

    @abstractmethod
    def start(self, reads: bool, seconds: Fraction) -> bool:
        """Its address came behind a start or a repeated start, to be read or to be written; whether it acknowledges."""

    @abstractmethod
    def write(self, value: int) -> bool:
        """It is sent a byte; whether it acknowledges."""

    @abstractmethod
    def read(self) -> int:
        """The byte that it sends next, 0 to 255."""

    def stop(self, seconds: Fraction) -> None:  # noqa: B027 - most need nothing
        """A stop ended what `start` began. A repeated start has none before it."""


class SpiDevice(ABC):
    """A target on an SPI bus."""

    def select(self, seconds: Fraction) -> None:  # noqa: B027 - most need nothing
        """Its chip select went low."""

    @abstractmethod
    def exchange(self, value: int, bits: int) -> int:
        """A frame of so many bits, 4 to 16: what it is sent, and what it sends meanwhile."""

    def deselect(self, seconds: Fraction) -> None:  # noqa: B027 - most need nothing
        """Its chip select went high."""


@dataclass(frozen=True, slots=True)
class I2cAttached:
    """A device on a bus of the chip's, by the number of its I2C."""

    bus: int
    address: int
    """Of 7 bits, or of 10 from 0x80 on."""
    device: I2cDevice
    pins: tuple[int, int] | None = None
    """SDA and SCL that it is wired to, with a pull-up each; None: to the first that the program makes its I2C's."""


@dataclass(frozen=True, slots=True)
class SpiAttached:
    """A device on a bus of the chip's, by the number of its SPI."""

    bus: int
    device: SpiDevice
    select: int | None = None
    """The pin that is its chip select, low where it is selected. None: it always is."""


Attached = I2cAttached | SpiAttached
