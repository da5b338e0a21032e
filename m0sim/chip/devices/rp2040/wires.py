"""Wires from the RP2040's pins to devices that are attached from outside: functions of pins, datasheet, table 278."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from m0sim.chip.attached import Attached, I2cAttached, SpiAttached
from m0sim.chip.devices.rp2040.gpio import F_I2C, F_SPI, PINS, IoBank0
from m0sim.chip.devices.rp2040.i2c import I2c
from m0sim.chip.devices.rp2040.spi import Spi, SpiTarget
from m0sim.errors import UsageError

_ADDRESSES = 1 << 10


class Wires:
    """Where devices are attached."""

    def __init__(self, pins: IoBank0, i2cs: Sequence[I2c], spis: Sequence[Spi]) -> None:
        self._pins, self._i2cs, self._spis = pins, i2cs, spis
        for number, i2c in enumerate(i2cs):
            i2c.is_connected = partial(self._has_i2c, number)

    def attach(self, attached: Attached) -> None:
        """Attach a device. Raises `UsageError` where that cannot be."""
        if attached.bus not in (0, 1):
            name = "I2C" if isinstance(attached, I2cAttached) else "SPI"
            raise UsageError(f"there is no {name}{attached.bus}: an RP2040 has {name}0 and {name}1")
        if isinstance(attached, I2cAttached):
            self._attach_i2c(attached)
        else:
            self._attach_spi(attached)

    def _attach_i2c(self, attached: I2cAttached) -> None:
        devices = self._i2cs[attached.bus].devices
        if not 0 <= attached.address < _ADDRESSES:
            raise UsageError(f"I2C address {attached.address:#x}: they are 0 to 0x7f, of 10 bits to 0x3ff")
        if attached.address in devices:
            raise UsageError(f"I2C{attached.bus} has two devices at address {attached.address:#x}")
        devices[attached.address] = attached.device

    def _attach_spi(self, attached: SpiAttached) -> None:
        spi, pin = self._spis[attached.bus], attached.select
        if pin is None:
            spi.targets.append(SpiTarget(attached.device, lambda: False, lambda: 0))
            return
        if pin not in range(PINS):
            raise UsageError(f"there is no pin {pin} for a chip select: pins are 0 to {PINS - 1}")
        target = SpiTarget(
            attached.device,
            lambda: self._pins.function(pin) == F_SPI,
            lambda: self._pins.bus.host.pins.level >> pin & 1,
        )
        spi.targets.append(target)
        self._pins.drive(pin, 1)  # a resistor pulls it up
        self._pins.listen(pin, partial(spi.select_changed, target))

    def _has_i2c(self, number: int) -> bool:
        """Whether it has pins for both of its lines: of four in a row SDA and SCL of I2C0, then those of I2C1."""
        lines = {pin % 4 - 2 * number for pin in self._pins.pins_of(F_I2C, range(PINS))}
        return {0, 1} <= lines
