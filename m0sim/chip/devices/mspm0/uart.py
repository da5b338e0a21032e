"""UART: SLAU846, chapter UART.

Modelled: asynchronous frames of 5 to 8 bits, oversampling by 16, 8 and 3, FIFOs of 4, STAT, and the events TX, RX, EOT.
Not modelled, and noted where it is turned on: receive time-out, loopback, flow control, LIN, IrDA, Manchester, DMA.
Whoever sends to it waits while the FIFO is full, so it is never overrun.
"""

from __future__ import annotations

from m0sim.chip.devices.block import Register
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.line import Receiver, Transmitter
from m0sim.chip.devices.mspm0.peripheral import ClockChoice, Events, Peripheral
from m0sim.chip.devices.requests import RequestLine

_DEPTH = 4
_ENABLE, _RXE, _TXE, _FEN = 1 << 0, 1 << 3, 1 << 4, 1 << 17
_CTL0_UNUSED = 1 << 2 | 1 << 7 | 7 << 8 | 3 << 13
_RX, _TX, _EOT = 1 << 10, 1 << 11, 1 << 12
_BUSY, _RXFE, _RXFF, _TXFE, _TXFF, _IDLE = 1 << 0, 1 << 2, 1 << 3, 1 << 6, 1 << 7, 1 << 9
_OVERSAMPLING = (16, 8, 3, 16)
_TX_LEVELS, _RX_LEVELS = (2, 1, 2, 3, 0, 0, 3, 3), (1, 1, 2, 3, 4, 4, 1, 1)
"""Characters in the FIFO by TXIFLSEL and RXIFLSEL."""
_FRACTIONS = 64
"""Times are counted in 64ths of a cycle: a bit takes OVS * (IBRD + FBRD / 64) cycles."""


class Uart(Peripheral):
    """One UART. What is sent goes to the host when its character comes to it."""

    CTL0, LCRH, STAT_, IFLS, IBRD, FBRD = 0x1100, 0x1104, 0x1108, 0x110C, 0x1110, 0x1114
    TXDATA, RXDATA = 0x1120, 0x1124

    def __init__(
        self, name: str, base: int, line: RequestLine, clock: SystemClock, lfclk: Source, mfclk: Source, busclk: Source
    ) -> None:
        super().__init__(
            name,
            base,
            (
                *ClockChoice.REGISTERS,
                *Events.REGISTERS,
                Register(0x1018, "PDBGCTL", 3),
                Register(self.CTL0, "CTL0", 0x38),
                Register(self.LCRH, "LCRH"),
                Register(self.STAT_, "STAT", writable=0),
                Register(self.IFLS, "IFLS", 0x22),
                Register(self.IBRD, "IBRD", writable=0xFFFF),
                Register(self.FBRD, "FBRD", writable=0x3F),
                Register(0x1118, "GFCTL"),
                Register(self.TXDATA, "TXDATA", writable=0xFF),
                Register(self.RXDATA, "RXDATA", writable=0),
            ),
        )
        self._choice = ClockChoice(self, lfclk, mfclk, busclk)
        self._fractions = Source(f"{name} bits")
        self._choice.source.watch(self._retune)
        self._ticks = Ticks(clock, self._fractions)
        self._out, self._in = Transmitter(self._ticks), Receiver(self._ticks)
        self._in.is_on = lambda: self._is_on(_RXE)
        self._events = Events(self, line, _RX | _TX | _EOT)
        self._waited = 0
        self._was_busy = False
        clock.watch(self._plan)
        self.loads |= {self.STAT_: self._status, self.RXDATA: self._read}
        self.stores |= {self.CTL0: self._control, self.LCRH: self._format, self.TXDATA: self._write}
        self.stores[self.IFLS] = lambda _: self._plan()
        self.volatile |= {self.RXDATA}

    def receive(self, data: bytes) -> None:
        """Somebody sends these bytes to the chip, after those that he is sending already."""
        self.bus.clock.now = self.bus.host.now
        self._settle()
        self._in.offer(data)
        self._plan()

    # -- the block

    def reset(self) -> None:
        """Off and empty."""
        super().reset()
        self._out.clear()
        self._in.clear()
        self._out.frame = self._in.frame = self._waited = 0
        self._was_busy = False
        self._events.reset()
        self._choice.tune()
        self._control(0)

    def load(self, offset: int) -> int:
        """The register at `offset`, as of now."""
        self._settle()
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        self._settle()
        super().store(offset, value)
        if offset in (Events.IMASK, Events.ICLR):
            self._plan()

    def at(self) -> None:
        """A frame has ended, or come."""
        self._settle()
        self._plan()

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """STAT has its value until a frame ends or has come."""
        is_steady, until = super().steady(offset)
        ticks = [t for t in (self._out.next_change, self._in.arrival) if t is not None]
        if offset == self.STAT_ and ticks:
            until = self._ticks.cycle_of(min(ticks))
        return is_steady and self.is_powered, until

    # -- frames

    def _is_on(self, direction: int) -> bool:
        needed = _ENABLE | direction
        return self.words[self.CTL0] & needed == needed

    def _retune(self) -> None:
        self._fractions.set(self._choice.source.hz * _FRACTIONS)
        self._plan()

    def _settle(self) -> None:
        """Bring FIFOs and events to what they are now."""
        self._out.settle()
        flags, waiting, busy = 0, self._out.waiting, self._out.is_busy
        if waiting <= self._tx_level() < self._waited:
            flags |= _TX
        if self._was_busy and not busy:
            flags |= _EOT | (_TX if self._tx_level() == 0 and not self._fifo() else 0)
        if self._in.settle() and self._in.level >= self._rx_level():
            flags |= _RX
        self._waited, self._was_busy = waiting, busy
        if flags:
            self._events.raise_flags(flags)

    def _plan(self) -> None:
        """Ask for the next cycle in which an event comes that is enabled."""
        enabled, ticks = self._events.enabled, []
        if enabled & _TX:
            ticks.append(self._out.falls_to(self._tx_level()))
        if enabled & (_EOT | _TX):
            ticks.append(self._out.last_end)
        ticks.append(self._in.arrival)
        known = [tick for tick in ticks if tick is not None]
        self.schedule(self._ticks.cycle_of(min(known)) if known else None)

    def _fifo(self) -> bool:
        return bool(self.words[self.CTL0] & _FEN)

    def _tx_level(self) -> int:
        return _TX_LEVELS[self.words[self.IFLS] & 7] if self._fifo() else 0

    def _rx_level(self) -> int:
        return _RX_LEVELS[self.words[self.IFLS] >> 4 & 7] if self._fifo() else 1

    # -- registers

    def _status(self) -> int:
        level, depth = self._in.level, self._in.depth
        status = (_BUSY if self._out.is_busy else _IDLE) | (_TXFF if self._out.is_full else 0)
        status |= 0 if self._out.waiting else _TXFE
        return status | (0 if level else _RXFE) | (_RXFF if level >= depth else 0)

    def _control(self, _: int) -> None:
        self.note(self.CTL0, _CTL0_UNUSED, "loopback, flow control, or another mode than asynchronous")
        self._out.depth = self._in.depth = _DEPTH if self._fifo() else 1
        self._in.resume()
        self._plan()

    def _format(self, line: int) -> None:
        """Storing to LCRH takes over the divisor, too: SLAU846, UART, baud-rate generation."""
        bits = 1 + 5 + (line >> 4 & 3) + (line >> 1 & 1) + 1 + (line >> 3 & 1)
        oversampling = _OVERSAMPLING[self.words[self.CTL0] >> 15 & 3]
        divisor = _FRACTIONS * self.words[self.IBRD] + self.words[self.FBRD]
        self._out.frame = self._in.frame = bits * oversampling * divisor
        self.note(self.LCRH, 1, "a break")
        self._in.resume()
        self._plan()

    def _write(self, value: int) -> None:
        if not self._is_on(_TXE) or not self._choice.source.hz:
            self.bus.unmodelled(
                self, self.TXDATA, value, "sending while ENABLE, TXE or the clock is off: nothing is sent"
            )
        elif self._out.send():
            self._waited, self._was_busy = self._out.waiting, True
            self.bus.host.output(bytes((value & 0xFF,)), self.name)
            self._plan()

    def _read(self) -> int:
        value = self._in.read()
        self.bus.changed(self)
        self._plan()
        return value
