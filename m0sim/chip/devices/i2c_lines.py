"""Devices on SDA and SCL, as they see a bus that is driven edge by edge: I2C-bus specification (UM10204), section 3.1.

For firmware that drives the two pins itself. Addresses have 7 bits, and no device holds SCL.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from fractions import Fraction

from m0sim.chip.attached import I2cDevice

_BYTE_BITS = 8


class _Phase(Enum):
    IDLE = auto()
    """Whatever comes but a start is not for anybody here."""
    ADDRESS = auto()
    WRITE = auto()
    READ = auto()


class I2cLines:
    """Two lines with pull-ups, and the devices on them."""

    def __init__(self, device_at: Callable[[int], I2cDevice | None], hold: Callable[[bool], None]) -> None:
        """`device_at` is asked for an address; `hold` pulls SDA low, or lets go of it."""
        self._device_at, self._hold = device_at, hold
        self._sda = self._scl = 1
        self._phase = _Phase.IDLE
        self._device: I2cDevice | None = None
        """Who acknowledged its address, until a stop."""
        self._bits = self._byte = 0
        """Clocks of the byte, its acknowledgement among them, and what it is."""

    def change(self, sda: int, scl: int, seconds: Fraction) -> None:
        """The lines are so now. Where both have changed at once, SDA did so while SCL was low."""
        was_sda, was_scl, self._sda, self._scl = self._sda, self._scl, sda, scl
        if scl > was_scl:
            self._rise(sda)
        elif scl < was_scl:
            self._fall(seconds)
        elif scl and sda < was_sda:
            self._begin(_Phase.ADDRESS)
        elif scl and sda > was_sda:
            self._stop(seconds)

    def _begin(self, phase: _Phase) -> None:
        self._phase, self._bits, self._byte = phase, 0, 0
        self._hold(False)

    def _stop(self, seconds: Fraction) -> None:
        device, self._device = self._device, None
        self._begin(_Phase.IDLE)
        if device is not None:
            device.stop(seconds)

    def _rise(self, sda: int) -> None:
        """A bit counts where SCL rises (3.1.3)."""
        self._bits += 1
        if self._bits > _BYTE_BITS:
            if self._phase is _Phase.READ and sda:  # the master has enough
                self._phase = _Phase.IDLE
        elif self._phase is not _Phase.READ:
            self._byte = self._byte << 1 | sda

    def _fall(self, seconds: Fraction) -> None:
        """SDA may change from here on."""
        if self._phase is _Phase.IDLE:
            return
        if self._bits > _BYTE_BITS:
            self._begin(self._phase)
            if self._phase is _Phase.READ and self._device is not None:
                self._byte = self._device.read() & 0xFF
        if self._bits == _BYTE_BITS:
            self._hold(self._phase is not _Phase.READ and self._acknowledges(seconds))
        elif self._phase is _Phase.READ:
            self._hold(not self._byte >> _BYTE_BITS - 1 - self._bits & 1)

    def _acknowledges(self, seconds: Fraction) -> bool:
        """Whether a device takes the byte."""
        if self._phase is _Phase.ADDRESS:
            self._device, reads = self._device_at(self._byte >> 1), bool(self._byte & 1)
            takes = self._device is not None and self._device.start(reads, seconds)
            self._device = self._device if takes else None
            self._phase = (_Phase.READ if reads else _Phase.WRITE) if takes else _Phase.IDLE
            return takes
        takes = self._device is not None and self._device.write(self._byte)
        self._phase = _Phase.WRITE if takes else _Phase.IDLE
        return takes
