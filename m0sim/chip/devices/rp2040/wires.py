"""Wires from the RP2040's pins to devices that are attached from outside: functions of pins, datasheet, table 278."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from m0sim.chip.attached import Attached, I2cAttached, I2cDevice, SpiAttached
from m0sim.chip.devices.i2c_lines import I2cLines
from m0sim.chip.devices.rp2040.gpio import F_I2C, F_SPI, PINS, IoBank0
from m0sim.chip.devices.rp2040.i2c import I2c
from m0sim.chip.devices.rp2040.spi import Spi, SpiTarget
from m0sim.errors import UsageError

_ADDRESSES = 1 << 10
_Pair = tuple[int, int]
"""SDA and SCL."""


class Wires:
    """Where devices are attached."""

    def __init__(self, pins: IoBank0, i2cs: Sequence[I2c], spis: Sequence[Spi]) -> None:
        self._pins, self._spis = pins, spis
        self._on_i2c: list[I2cAttached] = []
        self._pulled_up = set[_Pair]()
        for number, i2c in enumerate(i2cs):
            i2c.is_connected = partial(self._has_i2c, number)
            i2c.device_at = partial(self._reached, number)
        pins.followers.append(self._follow)

    def attach(self, attached: Attached) -> None:
        """Attach a device. Raises `UsageError` where that cannot be."""
        if attached.bus not in (0, 1):
            name = "I2C" if isinstance(attached, I2cAttached) else "SPI"
            raise UsageError(f"there is no {name}{attached.bus}: an RP2040 has {name}0 and {name}1")
        if isinstance(attached, I2cAttached):
            self._attach_i2c(attached)
        else:
            self._attach_spi(attached)

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

    # -- I2C

    def _attach_i2c(self, attached: I2cAttached) -> None:
        bus, address = attached.bus, attached.address
        if not 0 <= address < _ADDRESSES:
            raise UsageError(f"I2C address {address:#x}: they are 0 to 0x7f, of 10 bits to 0x3ff")
        if any((other.bus, other.address) == (bus, address) for other in self._on_i2c):
            raise UsageError(f"I2C{bus} has two devices at address {address:#x}")
        if attached.pins is not None:
            _check(bus, attached.pins)
            self._pull_up(bus, attached.pins)
        self._on_i2c.append(attached)

    def _i2c_pins(self, number: int) -> tuple[list[int], list[int]]:
        """Pins that are its SDA, and its SCL: of four in a row SDA and SCL of I2C0, then those of I2C1."""
        pins = self._pins.pins_of(F_I2C, range(PINS))
        sda, scl = ([pin for pin in pins if pin % 4 == 2 * number + line] for line in (0, 1))
        return sda, scl

    def _has_i2c(self, number: int) -> bool:
        """Whether it has pins for both of its lines."""
        return all(self._i2c_pins(number))

    def _reached(self, number: int, address: int) -> I2cDevice | None:
        """The device at an address of an I2C, where pins lead to it."""
        sda, scl = self._i2c_pins(number)
        for attached in self._on_i2c:
            if (attached.bus, attached.address) == (number, address):
                pins = attached.pins
                is_reached = bool(sda and scl) if pins is None else pins[0] in sda and pins[1] in scl
                return attached.device if is_reached else None
        return None

    def _follow(self) -> None:
        """Pins that become an I2C's are those that its devices are wired to, and stay so."""
        for number in {attached.bus for attached in self._on_i2c if attached.pins is None}:
            sda, scl = self._i2c_pins(number)
            if sda and scl:
                self._pull_up(number, (sda[0], scl[0]))

    def _pull_up(self, number: int, pair: _Pair) -> None:
        """Resistors pull two pins up, and devices see what else does."""
        if pair in self._pulled_up:
            return
        self._pulled_up.add(pair)

        def hold(is_low: bool) -> None:
            self._pins.drive(pair[0], int(not is_low))

        lines = I2cLines(partial(self._by_hand, number, pair), hold)
        for pin in pair:
            self._pins.drive(pin, 1)
        for pin in pair:
            self._pins.listen(pin, partial(self._changed, lines, pair))

    def _by_hand(self, number: int, pair: _Pair, address: int) -> I2cDevice | None:
        """The device at an address, for who drives two pins as an I2C would."""
        is_wired = (attached for attached in self._on_i2c if attached.pins in (None, pair))
        return next((a.device for a in is_wired if (a.bus, a.address) == (number, address)), None)

    def _changed(self, lines: I2cLines, pair: _Pair) -> None:
        bus = self._pins.bus
        sda, scl = (bus.host.pins.level >> pin & 1 for pin in pair)
        lines.change(sda, scl, bus.clock.seconds())


def _check(number: int, pair: _Pair) -> None:
    for pin, line, name in zip(pair, (0, 1), ("SDA", "SCL"), strict=True):
        if pin not in range(2 * number + line, PINS, 4):
            known = ", ".join(str(each) for each in range(2 * number + line, PINS, 4))
            raise UsageError(f"pin {pin} is no {name} of I2C{number}: {known}")
