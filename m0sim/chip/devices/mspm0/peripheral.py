"""What the blocks of an MSPM0 have in common: power, reset, and events for the processor.

MSPM0 G-Series Technical Reference Manual (SLAU846), chapters 2 (PMCU: peripheral power and reset) and 7 (events).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from m0sim.chip.devices.block import Block, Register
from m0sim.chip.devices.clock import Source
from m0sim.chip.devices.requests import RequestLine

_POWER_KEY, _RESET_KEY = 0x26, 0xB1
_RESETSTKY = 1 << 16
_LFCLK, _MFCLK, _BUSCLK = 1 << 1, 1 << 2, 1 << 3


class Peripheral(Block):
    """A block that PWREN turns on. Until then loads give 0 and stores do nothing, and both are noted."""

    PWREN, RSTCTL, STAT = 0x800, 0x804, 0x814

    def __init__(self, name: str, base: int, registers: Iterable[Register]) -> None:
        super().__init__(
            name,
            base,
            (
                Register(self.PWREN, "PWREN", writable=0),
                Register(self.RSTCTL, "RSTCTL", writable=0),
                Register(self.STAT, "STAT", _RESETSTKY, writable=0),
                *registers,
            ),
        )
        self.size, self.has_aliases = 0x2000, False
        self.is_powered = False
        self._was_reset = True
        self.loads[self.PWREN] = lambda: int(self.is_powered)
        self.loads[self.STAT] = lambda: _RESETSTKY if self._was_reset else 0
        self.stores[self.PWREN] = self._power
        self.stores[self.RSTCTL] = self._reset_control

    def reset(self) -> None:
        """Registers as after a reset; the power stays as it is."""
        super().reset()
        self._was_reset = True

    def load(self, offset: int) -> int:
        """The register at `offset`."""
        if not self.is_powered and offset not in (self.PWREN, self.RSTCTL, self.STAT):
            self.bus.unmodelled(self, offset, None, "while its power is off (PWREN)")
            return 0
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        if not self.is_powered and offset not in (self.PWREN, self.RSTCTL):
            self.bus.unmodelled(self, offset, value, "while its power is off (PWREN)")
            return
        super().store(offset, value)

    def note(self, offset: int, bits: int, what: str) -> None:
        """Note where a register has any of these bits set."""
        if self.words[offset] & bits:
            self.bus.unmodelled(self, offset, self.words[offset], what)

    def _power(self, value: int) -> None:
        if value >> 24 == _POWER_KEY:
            was_powered, self.is_powered = self.is_powered, bool(value & 1)
            if was_powered and not self.is_powered:
                self.reset()

    def _reset_control(self, value: int) -> None:
        if value >> 24 != _RESET_KEY:
            return
        if value & 2:
            self._was_reset = False
        if value & 1:
            self.reset()


class Events:
    """IIDX, IMASK, RIS, MIS, ISET and ICLR of the events for the processor: SLAU846, chapter 7."""

    IIDX, IMASK, RIS, MIS, ISET, ICLR = 0x1020, 0x1028, 0x1030, 0x1038, 0x1040, 0x1048
    REGISTERS = (
        Register(IIDX, "IIDX", writable=0),
        Register(IMASK, "IMASK"),
        Register(RIS, "RIS", writable=0),
        Register(MIS, "MIS", writable=0),
        Register(ISET, "ISET", writable=0),
        Register(ICLR, "ICLR", writable=0),
    )

    def __init__(self, block: Peripheral, line: RequestLine, modelled: int) -> None:
        """`modelled` are the flags that come; others are noted where they are enabled."""
        self._block, self._line, self._modelled = block, line, modelled
        self.raw = 0
        """RIS."""
        block.loads |= {self.RIS: lambda: self.raw, self.MIS: self.pending, self.IIDX: self._take}
        block.stores |= {self.IMASK: self._enable, self.ISET: self.raise_flags, self.ICLR: self._clear}
        block.volatile |= {self.IIDX, self.RIS, self.MIS}

    @property
    def enabled(self) -> int:
        """IMASK."""
        return self._block.words[self.IMASK]

    def pending(self) -> int:
        """MIS."""
        return self.raw & self.enabled

    def raise_flags(self, flags: int) -> None:
        """Something happened."""
        self.raw |= flags
        self.tell()

    def reset(self) -> None:
        """Nothing has happened."""
        self.raw = 0
        self.tell()

    def tell(self) -> None:
        """Set the request line."""
        self._line.set(self._block, bool(self.pending()))

    def _take(self) -> int:
        """The index of the lowest pending flag, 1 for bit 0, which is cleared by that; 0 for none."""
        pending = self.pending()
        lowest = pending & -pending
        self._clear(lowest)
        return lowest.bit_length()

    def _clear(self, flags: int) -> None:
        self.raw &= ~flags
        self._block.bus.changed(self._block)
        self.tell()

    def _enable(self, _: int) -> None:
        self._block.note(self.IMASK, ~self._modelled, "an event that never comes")
        self.tell()


class ClockChoice:
    """CLKSEL and CLKDIV: what a block counts. SLAU846, 2.3.2 (clocks of peripherals)."""

    CLKDIV, CLKSEL = 0x1000, 0x1008
    REGISTERS = (Register(CLKDIV, "CLKDIV", writable=7), Register(CLKSEL, "CLKSEL", writable=0xE))

    def __init__(self, block: Peripheral, lfclk: Source, mfclk: Source, busclk: Source) -> None:
        self._block = block
        self._choices = ((_BUSCLK, busclk), (_MFCLK, mfclk), (_LFCLK, lfclk))
        self.source = Source(block.name)
        block.stores |= {self.CLKDIV: lambda _: self.tune(), self.CLKSEL: lambda _: self.tune()}
        for source in (lfclk, mfclk, busclk):
            source.watch(self.tune)

    def tune(self) -> None:
        """Take over what is chosen."""
        selected = self._block.words[self.CLKSEL]
        hz = next((source.hz for bit, source in self._choices if selected & bit), Fraction(0))
        self.source.set(hz / (self._block.words[self.CLKDIV] + 1))
