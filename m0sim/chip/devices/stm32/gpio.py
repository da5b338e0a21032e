"""GPIO ports: RM0444, chapter 7; RM0367, chapter 9; RM0091, chapter 8.

A pin that is an output has its level from ODR. A pin that is an input has what somebody outside drives it to, else its
pull, else 0. Alternate functions do not come to pins: what a USART sends is shown whatever AFR says.
"""

from __future__ import annotations

from m0sim.chip.devices.block import Register
from m0sim.chip.devices.stm32.peripheral import Peripheral

PINS = 16
_INPUT, _OUTPUT, _ANALOG = 0, 1, 3
_PULL_UP = 1


class Gpio(Peripheral):
    """One port of 16 pins."""

    MODER, OTYPER, OSPEEDR, PUPDR, IDR, ODR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
    BSRR, LCKR, AFRL, AFRH, BRR = 0x18, 0x1C, 0x20, 0x24, 0x28
    is_on_apb = False

    def __init__(self, name: str, base: int, moder: int, ospeedr: int = 0, pupdr: int = 0) -> None:
        super().__init__(
            name,
            base,
            (
                Register(self.MODER, "MODER", moder),
                Register(self.OTYPER, "OTYPER", writable=0xFFFF),
                Register(self.OSPEEDR, "OSPEEDR", ospeedr),
                Register(self.PUPDR, "PUPDR", pupdr),
                Register(self.IDR, "IDR", writable=0),
                Register(self.ODR, "ODR", writable=0xFFFF),
                Register(self.BSRR, "BSRR", writable=0),
                Register(self.LCKR, "LCKR", writable=0x1_FFFF),
                Register(self.AFRL, "AFRL"),
                Register(self.AFRH, "AFRH"),
                Register(self.BRR, "BRR", writable=0),
            ),
        )
        self._outside: dict[int, int] = {}
        self.loads = {self.IDR: self._input}
        self.stores = {self.BSRR: self._set_and_reset, self.BRR: lambda value: self._set_and_reset(value << 16)}
        self.inert(self.LCKR)

    def drive(self, pin: int, level: int | None) -> None:
        """Drive a pin to 0 or 1 from outside, or with None let go of it."""
        if level is None:
            self._outside.pop(pin, None)
        else:
            self._outside[pin] = level
        self.bus.changed(self)

    def _set_and_reset(self, value: int) -> None:
        """Where a pin is both set and reset, it is set: RM0444, 7.4.7."""
        self.words[self.ODR] = (self.words[self.ODR] & ~(value >> 16) | value) & 0xFFFF

    def _input(self) -> int:
        return sum(self._level(pin) << pin for pin in range(PINS))

    def _level(self, pin: int) -> int:
        mode, pull = self.words[self.MODER] >> 2 * pin & 3, self.words[self.PUPDR] >> 2 * pin & 3
        out, is_open_drain = self.words[self.ODR] >> pin & 1, self.words[self.OTYPER] >> pin & 1
        if mode == _ANALOG:
            return 0
        if mode == _OUTPUT and not (is_open_drain and out):
            return out
        return self._outside.get(pin, int(pull == _PULL_UP))


class Ports:
    """All ports: pin 0 of port A is 0, that of port B is 16, and so on."""

    def __init__(self, ports: dict[int, Gpio]) -> None:
        self._ports = ports
        self.numbers = [PINS * port + pin for port in ports for pin in range(PINS)]

    def drive(self, pin: int, level: int | None) -> None:
        """Drive a pin to 0 or 1 from outside, or with None let go of it."""
        self._ports[pin // PINS].drive(pin % PINS, level)
