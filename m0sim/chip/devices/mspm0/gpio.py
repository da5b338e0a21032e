"""GPIO: SLAU846, chapter GPIO. A pin that is an output has its level from DOUT, another what drives it from outside.

IOMUX is not looked at: an output is read back in DIN even where its PINCM has no INENA, and pulls are not modelled.
"""

from __future__ import annotations

from m0sim.chip.devices.block import Block, Register
from m0sim.chip.devices.mspm0.peripheral import Events, Peripheral
from m0sim.chip.devices.requests import RequestLine

_PINS = 32


class Gpio(Peripheral):
    """One port of 32 pins. Events of pins never come."""

    DOUT, DOUTSET, DOUTCLR, DOUTTGL = 0x1280, 0x1290, 0x12A0, 0x12B0
    DOE, DOESET, DOECLR, DIN = 0x12C0, 0x12D0, 0x12E0, 0x1380

    def __init__(self, name: str, base: int, line: RequestLine) -> None:
        writes = {self.DOUTSET: "DOUTSET", self.DOUTCLR: "DOUTCLR", self.DOUTTGL: "DOUTTGL"}
        writes |= {self.DOESET: "DOESET", self.DOECLR: "DOECLR"}
        super().__init__(
            name,
            base,
            (
                *Events.REGISTERS,
                Register(self.DOUT, "DOUT31_0"),
                Register(self.DOE, "DOE31_0"),
                Register(self.DIN, "DIN31_0", writable=0),
                *(Register(offset, f"{register}31_0", writable=0) for offset, register in writes.items()),
                *(Register(offset, "POLARITY") for offset in (0x1390, 0x13A0)),
                *(Register(offset, "FILTEREN") for offset in (0x1508, 0x150C)),
            ),
        )
        self._outside = self._driven = 0
        self._events = Events(self, line, 0)
        self.loads[self.DIN] = self._input
        self.stores |= {
            self.DOUTSET: lambda value: self._change(self.DOUT, value, 0, 0),
            self.DOUTCLR: lambda value: self._change(self.DOUT, 0, value, 0),
            self.DOUTTGL: lambda value: self._change(self.DOUT, 0, 0, value),
            self.DOESET: lambda value: self._change(self.DOE, value, 0, 0),
            self.DOECLR: lambda value: self._change(self.DOE, 0, value, 0),
        }

    def drive(self, pin: int, level: int | None) -> None:
        """Drive a pin to 0 or 1 from outside, or with None let go of it."""
        self._outside = self._outside & ~(1 << pin) | (level or 0) << pin
        self.bus.changed(self)

    def _change(self, offset: int, set_: int, clear: int, flip: int) -> None:
        self.words[offset] = (self.words[offset] | set_) & ~clear ^ flip

    def _input(self) -> int:
        enabled = self.words[self.DOE]
        return self.words[self.DOUT] & enabled | self._outside & ~enabled


class Iomux(Block):
    """PINCM of each pin. They are kept: a UART sends and a port drives its pins whatever is selected."""

    PINCM1, COUNT = 0x04, 251

    def __init__(self) -> None:
        registers = (Register(self.PINCM1 + 4 * i, f"PINCM{i + 1}") for i in range(self.COUNT))
        super().__init__("IOMUX", 0x4042_8000, registers)
        self.size, self.has_aliases = 0x2000, False


class Ports:
    """GPIOA's pins are 0 to 31, GPIOB's 32 to 63."""

    def __init__(self, ports: list[Gpio]) -> None:
        self._ports = ports
        self.numbers = range(_PINS * len(ports))

    def drive(self, pin: int, level: int | None) -> None:
        """Drive a pin to 0 or 1 from outside, or with None let go of it."""
        self._ports[pin // _PINS].drive(pin % _PINS, level)
