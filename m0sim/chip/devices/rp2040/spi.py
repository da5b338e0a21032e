"""SPI0 and SPI1, ARM's PL022, as masters: RP2040 datasheet, section 4.4. Who answers, is attached from outside.

Frames take their time. Where nobody is selected, 0 comes back, as from a line that is pulled down; in loopback mode,
what was sent. A device is asked when a frame has ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from fractions import Fraction

from m0sim.chip.attached import SpiDevice
from m0sim.chip.devices.block import Register, TimedBlock
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.rp2040.dreq import Dreq
from m0sim.chip.devices.rp2040.interposer import INTERPOSER_CYCLES

FIFO_DEPTH = 8
_SSE, _LBM, _MS = 2, 1, 4
_FRF, _SPH = 3 << 4, 1 << 7
_TFE, _TNF, _RNE, _RFF, _BSY = 1, 2, 4, 8, 16
_ROR, _RT, _RX, _TX = 1, 2, 4, 8
_TIMEOUT_BITS = 32
_RXDMAE, _TXDMAE = 1, 2
_IDENTIFICATION = (0x22, 0x10, 0x34, 0x00, 0x0D, 0xF0, 0x05, 0xB1)


class SpiTarget:
    """A device on the bus, and whether its chip select is low."""

    def __init__(self, device: SpiDevice, has_own_select: Callable[[], bool], level: Callable[[], int]) -> None:
        """`has_own_select`: whether the SPI itself drives its chip select now; else, `level` is that of the pin."""
        self.device = device
        self._has_own_select, self._level = has_own_select, level
        self.is_selected = False

    def look(self, seconds: Fraction) -> None:
        """Take over the level that a program has given the pin."""
        if not self._has_own_select():
            self.drive(self._level(), seconds)

    def frame_begins(self, seconds: Fraction) -> None:
        """The SPI's own chip select goes low."""
        if self._has_own_select():
            self.drive(0, seconds)

    def frame_ended(self, seconds: Fraction) -> None:
        """It goes high."""
        if self._has_own_select():
            self.drive(1, seconds)

    def drive(self, level: int, seconds: Fraction) -> None:
        """The chip select has this level."""
        if level == 0 and not self.is_selected:
            self.is_selected = True
            self.device.select(seconds)
        elif level and self.is_selected:
            self.is_selected = False
            self.device.deselect(seconds)


class Spi(TimedBlock):
    """One SPI. A frame has DSS + 1 bits, each of CPSDVSR * (1 + SCR) cycles of clk_peri (section 4.4.3.4)."""

    alias_stall = INTERPOSER_CYCLES
    CR0, CR1, DR, SR, CPSR, IMSC, RIS, MIS, ICR, DMACR = range(0, 0x28, 4)

    def __init__(self, number: int, clock: SystemClock, clk_peri: Source) -> None:
        names = [*(f"SSPPERIPHID{i}" for i in range(4)), *(f"SSPPCELLID{i}" for i in range(4))]
        identification = [
            Register(0xFE0 + 4 * i, name, value, writable=0)
            for i, (name, value) in enumerate(zip(names, _IDENTIFICATION, strict=True))
        ]
        super().__init__(
            f"SPI{number}",
            0x4003_C000 + 0x4000 * number,
            (
                Register(self.CR0, "SSPCR0", writable=0xFFFF),
                Register(self.CR1, "SSPCR1", writable=0xF),
                Register(self.DR, "SSPDR", writable=0),
                Register(self.SR, "SSPSR", writable=0),
                Register(self.CPSR, "SSPCPSR", writable=0xFF),
                Register(self.IMSC, "SSPIMSC", writable=0xF),
                Register(self.RIS, "SSPRIS", writable=0),
                Register(self.MIS, "SSPMIS", writable=0),
                Register(self.ICR, "SSPICR", writable=0, clears=3),
                Register(self.DMACR, "SSPDMACR", writable=3),
                *identification,
            ),
        )
        self._line = 18 + number
        self._ticks = Ticks(clock, clk_peri)
        self.targets: list[SpiTarget] = []
        """Who is attached."""
        self._ends: deque[tuple[int, int, int]] = deque()
        """Of frames that have not ended: the tick in which one ends, what is sent, and its bits."""
        self._received: deque[int] = deque()
        self._latched = 0
        self._timeout: int | None = None
        for source in (clock, clk_peri):
            source.watch(self._plan)
        self.loads = {
            self.DR: self._read,
            self.SR: self._status,
            self.RIS: self._raw,
            self.MIS: lambda: self._raw() & self.words[self.IMSC],
        }
        self.stores = {self.DR: self._write, self.CR1: self._control, self.ICR: self._clear}
        self.volatile = {self.DR, self.RIS, self.MIS}

    def reset(self) -> None:
        """Off and empty."""
        super().reset()
        self._ends.clear()
        self._received.clear()
        self._latched, self._timeout = 0, None
        self.bus.host.set_line(self._line, False)

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """Flags change at the end of a frame."""
        return super().steady(offset)[0], self._ticks.cycle_of(self._ends[0][0]) if self._ends else None

    def requests(self) -> tuple[Dreq, Dreq]:
        """For places in the transmit FIFO, and for frames that were received: section 4.4.3.16."""
        return (
            Dreq(f"{self.name}_TX", self, self._places, self._frame_due),
            Dreq(f"{self.name}_RX", self, self._to_be_read, self._frame_due),
        )

    def _places(self) -> int:
        self._settle()
        return max(0, FIFO_DEPTH - self._waiting()) if self.words[self.DMACR] & _TXDMAE else 0

    def _to_be_read(self) -> int:
        self._settle()
        return len(self._received) if self.words[self.DMACR] & _RXDMAE else 0

    def _frame_due(self) -> int | None:
        return self._ticks.cycle_of(self._ends[0][0]) if self._ends else None

    def _settle(self) -> None:
        now = self._ticks.count()
        while self._ends and self._ends[0][0] <= now:
            when, sent, bits = self._ends.popleft()
            value = self._exchange(when, sent, bits)
            if len(self._received) < FIFO_DEPTH:
                self._received.append(value)
            else:
                self._latched |= _ROR
            self._timeout = when + _TIMEOUT_BITS * self._bit()
        if self._timeout is not None and self._timeout <= now:
            self._timeout = None
            self._latched |= _RT if self._received else 0
        self.bus.host.set_line(self._line, bool(self._raw() & self.words[self.IMSC]))

    def _plan(self) -> None:
        """Ends of frames matter to interrupts only; flags are computed when they are asked for."""
        ticks = [self._ends[0][0]] if self._ends and self.words[self.IMSC] else []
        if self._timeout is not None and self.words[self.IMSC] & _RT:
            ticks.append(self._timeout)
        self.schedule(self._ticks.cycle_of(min(ticks)) if ticks else None)
        self.bus.host.set_line(self._line, bool(self._raw() & self.words[self.IMSC]))

    def _bit(self) -> int:
        return (self.words[self.CPSR] & ~1) * (1 + (self.words[self.CR0] >> 8 & 0xFF))

    def _waiting(self) -> int:
        return max(0, len(self._ends) - 1)

    def _status(self) -> int:
        waiting, received = self._waiting(), len(self._received)
        flags = (_TFE if waiting == 0 else 0) | (_TNF if waiting < FIFO_DEPTH else 0) | (_BSY if self._ends else 0)
        return flags | (_RNE if received else 0) | (_RFF if received == FIFO_DEPTH else 0)

    def _raw(self) -> int:
        """Half empty and half full are levels: section 4.4.3.14."""
        waiting, received = self._waiting(), len(self._received)
        half = FIFO_DEPTH // 2
        return self._latched | (_TX if waiting <= half else 0) | (_RX if received >= half else 0)

    def _write(self, value: int) -> None:
        if not self.words[self.CR1] & _SSE or not self._bit():
            self.bus.unmodelled(self, self.DR, value, "data while it is off or has no clock")
            return
        if self._waiting() >= FIFO_DEPTH:
            return  # it is lost
        for target in self.targets:
            target.look(self.bus.clock.seconds())
        if self.words[self.CR0] & _FRF:
            self.bus.unmodelled(self, self.CR0, self.words[self.CR0], "other frames than Motorola's")
        bits = (self.words[self.CR0] & 0xF) + 1
        begin = self._ends[-1][0] if self._ends else self._ticks.count()
        self._ends.append((begin + bits * self._bit(), value & (1 << bits) - 1, bits))

    def _exchange(self, when: int, sent: int, bits: int) -> int:
        """What comes back for a frame that ended in a tick."""
        if self.words[self.CR1] & _LBM:
            return sent
        seconds, answer = self.bus.clock.seconds(self._ticks.cycle_of(when)), 0
        between = (
            not self._ends or not self.words[self.CR0] & _SPH
        )  # then the pin of a chip select of its own goes high
        for target in self.targets:
            target.frame_begins(seconds)
            if target.is_selected:
                answer |= target.device.exchange(sent, bits) & (1 << bits) - 1
            if between:
                target.frame_ended(seconds)
        return answer

    def select_changed(self, target: SpiTarget) -> None:
        """A pin that is a chip select has another level."""
        self._settle()
        target.look(self.bus.clock.seconds())

    def _read(self) -> int:
        value = self._received.popleft() if self._received else 0
        if not self._received:
            self._latched &= ~_RT
        self.bus.changed(self)
        self._plan()
        return value

    def _control(self, value: int) -> None:
        if value & _MS:
            self.bus.unmodelled(self, self.CR1, value, "being a slave")

    def _clear(self, value: int) -> None:
        self._latched &= ~value
