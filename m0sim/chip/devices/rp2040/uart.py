"""UART0 and UART1, ARM's PL011: RP2040 datasheet, section 4.2.

Times are exact to the frame: a frame begins when its character comes to the idle transmitter, without waiting for the
next edge of the baud generator (at most 1/16 bit). UARTFR is left to the host until the cycle in which a flag changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from m0sim.chip.devices.block import Block, Register
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.rp2040.dreq import Dreq
from m0sim.chip.devices.rp2040.interposer import INTERPOSER_CYCLES

FIFO_DEPTH = 32
_UARTEN, _TXE, _RXE, _LBE = 1 << 0, 1 << 8, 1 << 9, 1 << 7
_FEN = 1 << 4
_TXFE, _RXFF, _TXFF, _RXFE, _BUSY = 1 << 7, 1 << 6, 1 << 5, 1 << 4, 1 << 3
_RX, _TX, _RT, _OE = 1 << 4, 1 << 5, 1 << 6, 1 << 10
_DATA_OE = 1 << 11
_RXDMAE, _TXDMAE = 1, 2
_TX_LEVELS, _RX_LEVELS = (4, 8, 16, 24, 28), (4, 8, 16, 24, 28)
"""FIFO levels of UARTIFLS: 1/8, 1/4, 1/2, 3/4 and 7/8 of 32."""
_TIMEOUT_BITS = 32
"""Bit periods without another character after which the receive timeout interrupt comes: section 4.2.6.4."""
_QUARTERS = 4
"""Times are counted in quarters of a cycle of clk_peri: a bit takes 16 * (IBRD + FBRD / 64) cycles."""
_IDENTIFICATION = (0x11, 0x10, 0x34, 0x00, 0x0D, 0xF0, 0x05, 0xB1)


class Uart(Block):
    """One UART. What is sent goes to the host when the frame begins; `receive` is what somebody sends to it.

    The sender at the other end begins when the receiver is enabled, sends frame after frame, and waits while the
    receive FIFO is full, as with flow control by RTS; with `paced` false it does not wait, and the FIFO overruns.
    """

    alias_stall = INTERPOSER_CYCLES
    DR, RSR, FR, ILPR, IBRD, FBRD, LCR_H, CR = 0x00, 0x04, 0x18, 0x20, 0x24, 0x28, 0x2C, 0x30
    IFLS, IMSC, RIS, MIS, ICR, DMACR, PERIPHID0 = 0x34, 0x38, 0x3C, 0x40, 0x44, 0x48, 0xFE0

    def __init__(self, number: int, clock: SystemClock, clk_peri: Source) -> None:
        names = [*(f"UARTPERIPHID{i}" for i in range(4)), *(f"UARTPCELLID{i}" for i in range(4))]
        super().__init__(
            f"UART{number}",
            0x4003_4000 + 0x4000 * number,
            (
                Register(self.DR, "UARTDR", writable=0),
                Register(self.RSR, "UARTRSR", writable=0, clears=0xF),
                Register(self.FR, "UARTFR", writable=0),
                Register(self.ILPR, "UARTILPR", writable=0xFF, effect=False),
                Register(self.IBRD, "UARTIBRD", writable=0xFFFF),
                Register(self.FBRD, "UARTFBRD", writable=0x3F),
                Register(self.LCR_H, "UARTLCR_H", writable=0xFF),
                Register(self.CR, "UARTCR", _TXE | _RXE, writable=0xFF87),
                Register(self.IFLS, "UARTIFLS", 0x12, writable=0x3F),
                Register(self.IMSC, "UARTIMSC", writable=0x7FF),
                Register(self.RIS, "UARTRIS", writable=0),
                Register(self.MIS, "UARTMIS", writable=0),
                Register(self.ICR, "UARTICR", writable=0, clears=0x7FF),
                Register(self.DMACR, "UARTDMACR", writable=7),
                *(
                    Register(self.PERIPHID0 + 4 * i, name, value, writable=0)
                    for i, (name, value) in enumerate(zip(names, _IDENTIFICATION, strict=True))
                ),
            ),
        )
        self.paced = True
        self.is_connected: Callable[[], bool] = lambda: True
        """Whether any pin is its TX."""
        self._line = 20 + number
        self._clk_peri = clk_peri
        self._quarters = Source("uart")
        self._ticks = Ticks(clock, self._quarters)
        self._sent: deque[int] = deque()
        """When frames end that have not ended: one that is being sent, and those in the FIFO."""
        self._held: deque[int] = deque()
        """Characters in the FIFO of a transmitter that is not enabled."""
        self._level = 0
        """Characters in the transmit FIFO when it was last looked at."""
        self._frame = self._bit = 0
        """Quarters that a frame takes, and one bit."""
        self._received: deque[int] = deque()
        self._coming: deque[int] = deque()
        self._arrival: int | None = None
        self._timeout: int | None = None
        self._raw = 0
        self._is_full = False
        clk_peri.watch(self._retune)
        clock.watch(self._plan)
        self.loads = {
            self.DR: self._read,
            self.FR: self._flags,
            self.RSR: lambda: self.words[self.RSR],
            self.RIS: lambda: self._raw,
            self.MIS: lambda: self._raw & self.words[self.IMSC],
        }
        self.stores = {
            self.DR: self._write,
            self.RSR: self._clear_errors,
            self.CR: self._control,
            self.ICR: self._clear,
            self.IMSC: lambda _: self._tell(),
            self.IFLS: lambda _: self._level_changed(),
            self.LCR_H: self._set_line,
        }
        self.volatile = {self.DR, self.RIS, self.MIS}

    def receive(self, data: bytes) -> None:
        """Somebody sends these bytes to the chip, after those that he is sending already."""
        self._coming.extend(data)
        self._send_next()
        self._plan()

    def withdraw(self) -> bytes:
        """Somebody sends nothing more; what he had not begun to send."""
        begun = [self._coming.popleft()] if self._arrival is not None else []
        rest, self._coming = bytes(self._coming), deque(begun)
        return rest

    # -- the block

    def reset(self) -> None:
        """Off and empty."""
        super().reset()
        self._sent.clear()
        self._held.clear()
        self._received.clear()
        self._arrival = self._timeout = None
        self._level = self._frame = self._bit = self._raw = 0
        self.bus.host.set_line(self._line, False)

    def load(self, offset: int) -> int:
        """The register at `offset`, as of now."""
        self._settle()
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        self._settle()
        super().store(offset, value)

    def at(self) -> None:
        """A character has come, or one has left the FIFO that an interrupt waits for."""
        self._settle()
        self._plan()

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """UARTFR has its value until the next flag changes."""
        is_steady, until = super().steady(offset)
        return is_steady, self._next_change() if offset == self.FR else until

    # -- requests to the DMA: section 4.2.5

    def requests(self) -> tuple[Dreq, Dreq]:
        """For places in the transmit FIFO, and for characters that have come."""
        return (
            Dreq(f"{self.name}_TX", self, self._places, self._place_due),
            Dreq(f"{self.name}_RX", self, self._to_be_read, self._arrival_due),
        )

    def _places(self) -> int:
        self._settle()
        return max(0, self._depth() - self._level) if self.words[self.DMACR] & _TXDMAE else 0

    def _place_due(self) -> int | None:
        return self._ticks.cycle_of(self._sent[0]) if self._sent else None

    def _to_be_read(self) -> int:
        self._settle()
        return len(self._received) if self.words[self.DMACR] & _RXDMAE else 0

    def _arrival_due(self) -> int | None:
        return None if self._arrival is None else self._ticks.cycle_of(self._arrival)

    # -- what time brings

    def _settle(self) -> None:
        """Bring FIFOs and interrupts to what they are now."""
        now = self._ticks.count()
        sent = self._sent
        while sent and sent[0] <= now:
            sent.popleft()
        level = self._occupied(now)
        if level <= self._tx_level() < self._level:
            self._raw |= _TX
        self._level = level
        while self._arrival is not None and self._arrival <= now:
            self._arrive(self._arrival)
        if self._timeout is not None and self._timeout <= now:
            self._timeout = None
            self._raw |= _RT
        self._tell()

    def _plan(self) -> None:
        """Ask for the next cycle in which something happens that nobody has to ask for."""
        self._tell()
        ticks = [t for t in (self._arrival, self._timeout) if t is not None]
        level = self._tx_level()
        if self.words[self.IMSC] & _TX and len(self._sent) - 1 > level:
            # frames begin when the one before ends: that leaves `level` characters in the FIFO
            ticks.append(self._sent[len(self._sent) - level - 2])
        self.schedule(self._ticks.cycle_of(min(ticks)) if ticks else None)

    def _next_change(self) -> int | None:
        """The cycle in which a flag of UARTFR changes next, as things stand."""
        ticks = [] if self._arrival is None else [self._arrival]
        sent, occupied = self._sent, self._level
        if sent:
            if occupied >= self._depth():
                ticks.append(sent[0])
            elif occupied:
                ticks.append(sent[-2])
            else:
                ticks.append(sent[-1])
        return self._ticks.cycle_of(min(ticks)) if ticks else None

    def _tell(self) -> None:
        self.bus.host.set_line(self._line, bool(self._raw & self.words[self.IMSC]))

    # -- registers

    def _depth(self) -> int:
        return FIFO_DEPTH if self.words[self.LCR_H] & _FEN else 1

    def _occupied(self, now: int) -> int:
        """Characters in the transmit FIFO: all that have not ended but the one that is being sent."""
        return len(self._held) or max(0, len(self._sent) - 1)

    def _tx_level(self) -> int:
        return _TX_LEVELS[min(4, self.words[self.IFLS] & 7)] if self.words[self.LCR_H] & _FEN else 0

    def _rx_level(self) -> int:
        return _RX_LEVELS[min(4, self.words[self.IFLS] >> 3 & 7)] if self.words[self.LCR_H] & _FEN else 1

    def _flags(self) -> int:
        sending, received, depth = self._level, len(self._received), self._depth()
        flags = (_BUSY if self._sent or self._held else 0) | (_TXFE if sending == 0 else 0)
        flags |= (_TXFF if sending >= depth else 0) | (_RXFF if received >= depth else 0)
        return flags | (_RXFE if received == 0 else 0)

    def _control(self, value: int) -> None:
        if value & _LBE:
            self.bus.unmodelled(self, self.CR, value, "loopback")
        if self._can_send():
            while self._held:
                self._begin(self._held.popleft())
            self._level = self._occupied(self._ticks.count())
        self._send_next()
        self._plan()

    def _set_line(self, line: int) -> None:
        """A frame is a start bit, 5 to 8 bits of data, a parity bit where there is one, and 1 or 2 stop bits.

        The divisor, too, is taken over by a store to UARTLCR_H: section 4.2.7.1.
        """
        bits = 1 + 5 + (line >> 5 & 3) + (line >> 1 & 1) + 1 + (line >> 3 & 1)
        self._bit = 64 * self.words[self.IBRD] + self.words[self.FBRD]
        self._frame = bits * self._bit
        self._level_changed()

    def _level_changed(self) -> None:
        """What has come may be enough for the interrupt now."""
        if len(self._received) >= self._rx_level():
            self._raw |= _RX
        self._plan()

    def _retune(self) -> None:
        self._quarters.set(self._clk_peri.hz * _QUARTERS)
        self._plan()

    def _can_send(self) -> bool:
        needed = _UARTEN | _TXE
        return self.words[self.CR] & needed == needed and self._frame > 0

    def _write(self, value: int) -> None:
        if self._level >= self._depth():
            return  # it is lost
        if not self._can_send():
            self._held.append(value & 0xFF)
        else:
            self._begin(value & 0xFF)
        self._level = self._occupied(self._ticks.count())
        if self._level > self._tx_level():
            self._raw &= ~_TX
        self._plan()

    def _begin(self, character: int) -> None:
        now = self._ticks.count()
        self._sent.append((self._sent[-1] if self._sent else now) + self._frame)
        if not self.is_connected():
            self.bus.unmodelled(self, self.DR, character, "sent, and no pin has this UART's TX as its function")
        self.bus.host.output(bytes((character,)), self.name)

    # -- receiving

    def _has_room(self) -> bool:
        needed = _UARTEN | _RXE
        if self.words[self.CR] & needed != needed or not self._frame:
            return False
        return not self.paced or len(self._received) < self._depth()

    def _send_next(self) -> None:
        """The sender begins a frame, where he can."""
        if self._arrival is None and self._coming and self._has_room():
            self._arrival = self._ticks.count() + self._frame

    def _arrive(self, when: int) -> None:
        character = self._coming.popleft()
        self._arrival = None
        if len(self._received) >= self._depth():
            self._raw |= _OE
            self.words[self.RSR] |= 8
            self._is_full = True
        else:
            self._received.append(character | (_DATA_OE if self._is_full else 0))
            self._is_full = False
        if len(self._received) >= self._rx_level():
            self._raw |= _RX
        self._timeout = when + _TIMEOUT_BITS * self._bit
        if self._coming and self._has_room():
            self._arrival = when + self._frame

    def _read(self) -> int:
        if not self._received:
            return 0
        value = self._received.popleft()
        if len(self._received) < self._rx_level():
            self._raw &= ~_RX
        if not self._received:
            self._raw &= ~_RT
            self._timeout = None
        self._send_next()
        self._plan()
        self.bus.changed(self)
        return value

    def _clear_errors(self, _: int) -> None:
        self.words[self.RSR] = 0

    def _clear(self, value: int) -> None:
        self._raw &= ~value
        self._tell()
