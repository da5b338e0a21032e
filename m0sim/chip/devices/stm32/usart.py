"""USART with the registers of RM0444, chapter 33 (STM32G0), RM0367, chapter 29 (L0) and RM0091, chapter 27 (F0).

Modelled: asynchronous frames of 7 to 9 bits, oversampling by 16 and 8, the prescaler, TXE, TC, RXNE, TEACK, REACK, the
idle frame that is sent when TE is set, and the interrupts of TXE, TC and RXNE. Not modelled, and noted where it is
turned on: FIFO mode, DMA, flow control, synchronous mode, LIN, IrDA, smartcard, half duplex, address match, time-out.
Errors of the line never occur. Whoever sends to it waits while RDR is full, so it is never overrun.
"""

from __future__ import annotations

from m0sim.chip.devices.block import Register
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.line import Receiver, Transmitter
from m0sim.chip.devices.requests import RequestLine
from m0sim.chip.devices.stm32.peripheral import Peripheral

_RE, _TE, _RXNEIE, _TCIE, _TXEIE, _M0 = 1 << 2, 1 << 3, 1 << 5, 1 << 6, 1 << 7, 1 << 12
_ALL = 0xFFFF_FFFF
_CR1_UNUSED = 1 << 31 | 1 << 30 | 1 << 29 | 1 << 27 | 1 << 26 | 1 << 14 | 1 << 13 | 1 << 11 | 1 << 4
"""FIFO mode and its interrupts, block end, receiver time-out, character match, mute mode, wake-up, idle line."""
_CR2_UNUSED = _ALL & ~(3 << 12)
_RXNE, _TC, _TXE, _BUSY, _TEACK, _REACK = 1 << 5, 1 << 6, 1 << 7, 1 << 16, 1 << 21, 1 << 22
_PRESCALERS = (1, 2, 4, 6, 8, 10, 12, 16, 32, 64, 128, 256)
"""By PRESC: RM0444, 33.8.14."""
_STOP_HALVES = (2, 1, 4, 3)
"""Half bits by CR2.STOP."""
_TICKS = 4
"""Times are counted in quarters of a cycle of the kernel clock: half a bit may have half a cycle."""


class Usart(Peripheral):
    """One USART. What is sent goes to the host when the frame begins."""

    CR1, CR2, CR3, BRR, GTPR, RTOR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
    RQR, ISR, ICR, RDR, TDR = 0x18, 0x1C, 0x20, 0x24, 0x28

    UE, OVER8, M1 = 1 << 0, 1 << 15, 1 << 28
    """Bits of CR1."""
    CR1_UNUSED, CR3_UNUSED = _CR1_UNUSED, _ALL & ~(1 << 12 | 1 << 11 | 1)
    """Overrun detection and one-bit sampling make no difference here, nor does EIE without errors."""
    ACKNOWLEDGES = True
    """Whether it has TEACK and REACK."""
    REGISTERS: tuple[Register, ...] = (
        Register(CR1, "CR1"),
        Register(CR2, "CR2"),
        Register(CR3, "CR3"),
        Register(BRR, "BRR", writable=0xFFFF),
        Register(GTPR, "GTPR", writable=0xFFFF),
        Register(RTOR, "RTOR"),
        Register(RQR, "RQR", writable=0),
        Register(ISR, "ISR", 0xC0, writable=0),
        Register(ICR, "ICR", writable=0),
        Register(RDR, "RDR", writable=0),
        Register(TDR, "TDR", writable=0x1FF),
    )

    def __init__(self, name: str, base: int, line: RequestLine, clock: SystemClock, kernel: Source) -> None:
        super().__init__(name, base, self.REGISTERS)
        self._line = line
        self._kernel = kernel
        self._quarters = Source(name)
        self._ticks = Ticks(clock, self._quarters)
        self._transmitter = Transmitter(self._ticks)
        self._receiver = Receiver(self._ticks)
        self._receiver.is_on = lambda: self._is_on(_RE)
        self._tc = True
        kernel.watch(self._retune)
        clock.watch(self._plan)
        self.loads = {self.ISR: self._status, self.RDR: self._read}
        self.stores = {
            self.CR1: self._control,
            self.CR2: lambda _: self._format(),
            self.CR3: lambda _: self.unused(
                self.CR3, self.CR3_UNUSED, "other modes than asynchronous, DMA, flow control"
            ),
            self.BRR: lambda _: self._format(),
            self.TDR: self._write,
        }
        self.more_registers()
        self.volatile = {self.RDR}
        self._was_on = False

    def more_registers(self) -> None:
        """What the registers do that not all kinds of USARTs have."""
        self.stores |= {self.RQR: self._request, self.ICR: self._clear}
        self.inert(self.GTPR, self.RTOR)

    def receive(self, data: bytes) -> None:
        """Somebody sends these bytes to the chip, after those that he is sending already."""
        self.bus.clock.now = self.bus.host.now
        self._settle()
        self._receiver.offer(data)
        self._plan()

    # -- the block

    def reset(self) -> None:
        """Off and empty."""
        super().reset()
        self._transmitter.clear()
        self._receiver.clear()
        self._tc, self._was_on = True, False
        self._line.set(self, False)
        self._retune()

    def load(self, offset: int) -> int:
        """The register at `offset`, as of now."""
        self._settle()
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        self._settle()
        super().store(offset, value)

    def at(self) -> None:
        """A flag has changed that an interrupt waits for."""
        self._settle()
        self._plan()

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """ISR has its value until a frame ends or has come."""
        is_steady, until = super().steady(offset)
        if offset != self.ISR:
            return is_steady, until
        ticks = [t for t in (self._transmitter.next_change, self._receiver.arrival) if t is not None]
        return is_steady, self._ticks.cycle_of(min(ticks)) if ticks else None

    # -- frames

    def _settle(self) -> None:
        self._transmitter.settle()
        self._receiver.settle()

    def _is_on(self, direction: int) -> bool:
        cr1 = self.words[self.CR1]
        return bool(cr1 & self.UE and cr1 & direction)

    def _retune(self) -> None:
        self._quarters.set(self._kernel.hz * _TICKS / self.prescaler())
        self._format()

    def prescaler(self) -> int:
        """What the kernel clock is divided by first."""
        return 1

    def _format(self) -> None:
        """How long a frame takes: start bit, data with parity, stop bits. BRR: RM0444, 33.5.7."""
        cr1, cr2, divisor = self.words[self.CR1], self.words[self.CR2], self.words[self.BRR]
        self.unused(self.CR2, _CR2_UNUSED, "other modes than asynchronous, swapped or inverted lines")
        usartdiv = divisor & 0xFFF0 | (divisor & 7) << 1
        half_bit = usartdiv if cr1 & self.OVER8 else 2 * divisor  # USARTDIV is twice the cycles of a bit then
        halves = 2 + 2 * self._data_bits() + _STOP_HALVES[cr2 >> 12 & 3]
        self._transmitter.frame = self._receiver.frame = halves * half_bit
        self._receiver.resume()
        self._plan()

    def _data_bits(self) -> int:
        cr1 = self.words[self.CR1]
        return 9 if cr1 & _M0 else 7 if cr1 & self.M1 else 8

    def _plan(self) -> None:
        """Ask for the next cycle in which an interrupt comes."""
        self._tell()
        cr1, ticks = self.words[self.CR1], []
        if cr1 & _TXEIE:
            ticks.append(self._transmitter.falls_to(0))
        if cr1 & _TCIE:
            ticks.append(self._transmitter.last_end)
        if cr1 & _RXNEIE:
            ticks.append(self._receiver.arrival)
        awaited = [t for t in ticks if t is not None]
        self.schedule(self._ticks.cycle_of(min(awaited)) if awaited else None)

    def _tell(self) -> None:
        status, cr1 = self._status(), self.words[self.CR1]
        # RXNEIE, TCIE and TXEIE are the bits in CR1 that RXNE, TC and TXE are in ISR
        self._line.set(self, bool(cr1 & self.UE and status & cr1 & (_RXNEIE | _TCIE | _TXEIE)))

    # -- registers

    def _status(self) -> int:
        status = 0 if self._transmitter.waiting else _TXE
        status |= _TC if self._tc and not self._transmitter.is_busy else 0
        status |= (_RXNE if self._receiver.level else 0) | (_BUSY if self._receiver.arrival is not None else 0)
        if not self.ACKNOWLEDGES:
            return status & ~_BUSY
        return status | (_TEACK if self._is_on(_TE) else 0) | (_REACK if self._is_on(_RE) else 0)

    def _control(self, cr1: int) -> None:
        self.unused(self.CR1, self.CR1_UNUSED, "FIFO mode, mute mode, or an interrupt other than TXE, TC, RXNE, PE")
        self._format()
        is_on = self._is_on(_TE)
        if is_on and not self._was_on:
            self._transmitter.idle()
        self._was_on = is_on
        if not cr1 & self.UE:
            self._transmitter.clear()
            self._tc = True
        self._receiver.resume()
        self._plan()

    def _write(self, value: int) -> None:
        if not self._was_on or not self._transmitter.frame:
            self.bus.unmodelled(self, self.TDR, value, "sending while UE, TE or BRR is 0: nothing is sent")
            return
        if self._transmitter.waiting:
            what = "stored while TXE is 0: it takes the place of the character that waits, but that is shown"
            self.bus.unmodelled(self, self.TDR, value, what)
            return
        self._tc = True
        self._transmitter.send()
        self.bus.host.output(bytes((value & (1 << self._data_bits()) - 1 & 0xFF,)), self.name)
        self._plan()

    def _read(self) -> int:
        value = self._receiver.read()
        self.bus.changed(self)
        self._plan()
        return value

    def _request(self, value: int) -> None:
        if value & 1 << 3:  # RXFRQ
            self._receiver.read()
        if value & ~(1 << 3 | 1 << 4) & 0x1F:
            self.bus.unmodelled(self, self.RQR, value, "break, mute mode and automatic baud rate")
        self._plan()

    def _clear(self, value: int) -> None:
        if value & _TC:
            self._tc = False
        self._plan()


class PrescaledUsart(Usart):
    """An STM32G0's: with a prescaler."""

    PRESC = 0x2C
    REGISTERS = (*Usart.REGISTERS, Register(PRESC, "PRESC", writable=0xF))

    def more_registers(self) -> None:
        """PRESC, too."""
        super().more_registers()
        self.stores[self.PRESC] = lambda _: self._retune()

    def prescaler(self) -> int:
        """RM0444, 33.8.14."""
        return _PRESCALERS[min(self.words[self.PRESC], 11)]


class OldUsart(Usart):
    """The kind with one data register, as the PY32F002B has it: reference manual, chapter USART.

    TC is cleared by storing 0 to it, or by the next character. All of CR3 is noted.
    """

    ISR, RDR, TDR, BRR, CR1, CR2, CR3 = 0x00, 0x04, 0x04, 0x08, 0x0C, 0x10, 0x14
    UE, OVER8, M1 = 1 << 13, 0, 0
    CR1_UNUSED, CR3_UNUSED = 1 << 11 | 1 << 4 | 1 << 1 | 1, _ALL
    ACKNOWLEDGES = False
    REGISTERS = (
        Register(ISR, "SR", 0xC0, writable=0),
        Register(RDR, "DR", writable=0x1FF),
        Register(BRR, "BRR", writable=0xFFFF),
        Register(CR1, "CR1"),
        Register(CR2, "CR2"),
        Register(CR3, "CR3"),
    )

    def more_registers(self) -> None:
        """SR can be stored to."""
        self.stores[self.ISR] = lambda value: self._clear(~value)
