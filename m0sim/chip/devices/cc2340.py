"""CC2340R2: CLKCTL, UART, LGPT and GPIO at its one clock.

Source: CC23xx Technical Reference Manual (SWCU193), chapters by block.

Not modelled, and noted: the radio, the system timer, power modes, and the switch from HFOSC to the crystal, which
changes no frequency.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from m0sim.chip.devices.block import Block, Device, Register, TimedBlock
from m0sim.chip.devices.board import Board
from m0sim.chip.devices.bus import Bus
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.counter import Counter
from m0sim.chip.devices.host import Host
from m0sim.chip.devices.line import Receiver, Transmitter
from m0sim.chip.devices.unmodelled import UnmodelledBlock

HZ = 48_000_000
_UART_LINE, _UART_CLOCK, _GPIO_CLOCK = 11, 2, 0
_LGPT = ((13, 27, 16), (14, 28, 16), (17, 29, 16), (18, 30, 24))
"""Interrupt, bit of CLKCTL and bits of each."""


class Peripheral(Block):
    """A block whose clock CLKCTL gates. While that is off, loads give 0 and stores do nothing, and both are noted."""

    def __init__(self, name: str, base: int, registers: Iterable[Register]) -> None:
        super().__init__(name, base, registers)
        self.size, self.has_aliases = 0x1000, False
        self.is_clocked = True

    def load(self, offset: int) -> int:
        """The register at `offset`."""
        if not self.is_clocked:
            self.bus.unmodelled(self, offset, None, "while its clock is off (CLKCTL)")
            return 0
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        if not self.is_clocked:
            self.bus.unmodelled(self, offset, value, "while its clock is off (CLKCTL)")
            return
        super().store(offset, value)

    def note(self, offset: int, bits: int, what: str) -> None:
        """Note where a register has any of these bits set."""
        if self.words[offset] & bits:
            self.bus.unmodelled(self, offset, self.words[offset], what)


class Clkctl(Peripheral):
    """Which blocks have a clock."""

    CLKCFG0, CLKENSET0, CLKENCLR0 = 0x0C, 0x14, 0x20

    def __init__(self) -> None:
        super().__init__(
            "CLKCTL",
            0x4002_0000,
            (
                Register(self.CLKCFG0, "CLKCFG0", writable=0),
                Register(0x10, "CLKCFG1", writable=0),
                Register(self.CLKENSET0, "CLKENSET0", writable=0),
                Register(0x18, "CLKENSET1", writable=0),
                Register(self.CLKENCLR0, "CLKENCLR0", writable=0),
                Register(0x24, "CLKENCLR1", writable=0),
            ),
        )
        self.gated: dict[int, Peripheral] = {}
        """By bit."""
        self.stores = {
            self.CLKENSET0: lambda value: self._gate(self.words[self.CLKCFG0] | value),
            self.CLKENCLR0: lambda value: self._gate(self.words[self.CLKCFG0] & ~value),
        }

    def reset(self) -> None:
        """All off."""
        super().reset()
        self._gate(0)

    def _gate(self, enabled: int) -> None:
        self.words[self.CLKCFG0] = enabled
        for bit, block in self.gated.items():
            block.is_clocked = bool(enabled >> bit & 1)
            self.bus.changed(block)


class Gpio(Peripheral):
    """A pin that is an output has its level from DOUT, another what drives it from outside. IOC is not looked at."""

    DOUT, DOE, DIN = 0x200, 0x500, 0x700
    numbers = range(32)

    def __init__(self) -> None:
        steps = (0x10, "SET"), (0x20, "CLR"), (0x30, "TGL")
        commands = [
            (base, at, f"{name}{step}31_0")
            for base, name in ((self.DOUT, "DOUT"), (self.DOE, "DOE"))
            for at, step in steps
        ]
        super().__init__(
            "GPIO",
            0x4002_3000,
            (
                Register(0x44, "IMASK", effect=False),
                Register(self.DOUT, "DOUT31_0"),
                Register(self.DOE, "DOE31_0"),
                Register(self.DIN, "DIN31_0", writable=0),
                *(Register(base + at, name, writable=0) for base, at, name in commands),
            ),
        )
        self._outside = 0
        self.loads = {self.DIN: self._input}
        self.stores = {base + at: partial(self._change, base, at) for base, at, _ in commands}

    def drive(self, pin: int, level: int | None) -> None:
        """Drive a pin to 0 or 1 from outside, or with None let go of it."""
        self._outside = self._outside & ~(1 << pin) | (level or 0) << pin
        self.bus.changed(self)

    def _change(self, offset: int, command: int, bits: int) -> None:
        word = self.words[offset]
        self.words[offset] = {0x10: word | bits, 0x20: word & ~bits, 0x30: word ^ bits}[command]

    def _input(self) -> int:
        enabled = self.words[self.DOE]
        return self.words[self.DOUT] & enabled | self._outside & ~enabled


class Uart(TimedBlock, Peripheral):
    """UART0, a PL011 with FIFOs of 8. The receive time-out, breaks, LIN, IrDA and DMA are not modelled."""

    DR, FR, IBRD, FBRD, LCRH, CTL = 0x00, 0x18, 0x24, 0x28, 0x2C, 0x30
    IFLS, IMSC, RIS, MIS, ICR = 0x34, 0x38, 0x3C, 0x40, 0x44
    DEPTH = 8
    _LEVELS = (1, 2, 4, 6, 7, 7, 7, 7)
    """Characters by TXSEL and RXSEL: 1/8 to 7/8 of the FIFO."""
    _RX, _TX, _EOT = 1 << 4, 1 << 5, 1 << 11
    _UARTEN, _TXE, _RXE, _FEN = 1 << 0, 1 << 8, 1 << 9, 1 << 4
    _QUARTERS = 4
    """Times are counted in quarters of a cycle: a bit takes 16 * (IBRD + FBRD / 64) of them."""

    def __init__(self, clock: SystemClock) -> None:
        super().__init__(
            "UART0",
            0x4003_4000,
            (
                Register(self.DR, "DR", writable=0xFF),
                Register(0x04, "RSR_ECR", writable=0),
                Register(self.FR, "FR", writable=0),
                Register(self.IBRD, "IBRD", writable=0xFFFF),
                Register(self.FBRD, "FBRD", writable=0x3F),
                Register(self.LCRH, "LCRH", writable=0xFF),
                Register(self.CTL, "CTL", 0x300),
                Register(self.IFLS, "IFLS", 0x12, writable=0x3F),
                Register(self.IMSC, "IMSC", writable=0xFFF),
                Register(self.RIS, "RIS", writable=0),
                Register(self.MIS, "MIS", writable=0),
                Register(self.ICR, "ICR", writable=0),
                Register(0x48, "DMACTL", effect=False),
            ),
        )
        self._ticks = Ticks(clock, Source("UART0", HZ * self._QUARTERS))
        self._out, self._in = Transmitter(self._ticks), Receiver(self._ticks)
        self._in.is_on = lambda: self._is_on(self._RXE)
        self._raw = self._waited = 0
        self._was_busy = False
        self.loads = {
            self.DR: self._read,
            self.FR: self._flags,
            self.RIS: lambda: self._raw,
            self.MIS: lambda: self._raw & self.words[self.IMSC],
        }
        self.stores = {
            self.DR: self._write,
            self.LCRH: self._format,
            self.CTL: lambda _: self._control(),
            self.IMSC: lambda _: self.note(
                self.IMSC, ~(self._RX | self._TX | self._EOT), "an interrupt that never comes"
            ),
            self.ICR: self._clear,
        }
        self.volatile = {self.DR, self.RIS, self.MIS}

    def receive(self, data: bytes) -> None:
        """Somebody sends these bytes to the chip, after those that he is sending already."""
        self.bus.clock.now = self.bus.host.now
        self._settle()
        self._in.offer(data)
        self._plan()

    def reset(self) -> None:
        """Off and empty."""
        super().reset()
        self._out.clear()
        self._in.clear()
        self._out.frame = self._in.frame = self._raw = self._waited = 0
        self._was_busy = False
        self.bus.host.set_line(_UART_LINE, False)

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """FR has its value until a frame ends or has come."""
        is_steady, until = super().steady(offset)
        ticks = [t for t in (self._out.next_change, self._in.arrival) if t is not None]
        if offset == self.FR and ticks:
            until = self._ticks.cycle_of(min(ticks))
        return is_steady and self.is_clocked, until

    def _is_on(self, direction: int) -> bool:
        needed = self._UARTEN | direction
        return self.words[self.CTL] & needed == needed

    def _level(self, shift: int) -> int:
        return self._LEVELS[self.words[self.IFLS] >> shift & 7]

    def _settle(self) -> None:
        """Bring FIFOs and flags to what they are now."""
        self._out.settle()
        waiting, busy, has_fifo = self._out.waiting, self._out.is_busy, bool(self.words[self.LCRH] & self._FEN)
        if waiting <= (self._level(0) if has_fifo else 0) < self._waited:
            self._raw |= self._TX
        if self._was_busy and not busy:
            self._raw |= self._EOT
        if self._in.settle() and self._in.level >= (self._level(3) if has_fifo else 1):
            self._raw |= self._RX
        self._waited, self._was_busy = waiting, busy
        self._tell()

    def _plan(self) -> None:
        self._tell()
        ticks = [self._in.arrival, self._out.next_change if self.words[self.IMSC] & (self._TX | self._EOT) else None]
        known = [tick for tick in ticks if tick is not None]
        self.schedule(self._ticks.cycle_of(min(known)) if known else None)

    def _tell(self) -> None:
        self.bus.host.set_line(_UART_LINE, bool(self._raw & self.words[self.IMSC]))

    def _flags(self) -> int:
        level = self._in.level
        flags = (1 << 3 if self._out.is_busy else 0) | (0 if level else 1 << 4) | (1 << 5 if self._out.is_full else 0)
        return flags | (1 << 6 if level >= self._in.depth else 0) | (0 if self._out.waiting else 1 << 7)

    def _control(self) -> None:
        self.note(self.CTL, 1 << 7 | 3 << 14, "loopback, flow control")
        self._in.resume()

    def _format(self, line: int) -> None:
        """A store to LCRH takes over the divisor, too."""
        bits = 1 + 5 + (line >> 5 & 3) + (line >> 1 & 1) + 1 + (line >> 3 & 1)
        self._out.frame = self._in.frame = bits * (64 * self.words[self.IBRD] + self.words[self.FBRD])
        self._out.depth = self._in.depth = self.DEPTH if line & self._FEN else 1
        self._in.resume()

    def _write(self, value: int) -> None:
        if not self._is_on(self._TXE):
            self.bus.unmodelled(self, self.DR, value, "sending while UARTEN or TXE is 0: nothing is sent")
        elif self._out.send():
            self._waited, self._was_busy = self._out.waiting, True
            self.bus.host.output(bytes((value & 0xFF,)), self.name)

    def _read(self) -> int:
        value = self._in.read()
        self._raw &= ~self._RX
        self.bus.changed(self)
        self._plan()
        return value

    def _clear(self, flags: int) -> None:
        self._raw &= ~flags


class Lgpt(Peripheral):
    """A timer that counts up to TGT, once or again and again. Other modes, capture and outputs are not modelled."""

    CTL, CNTR, PRECFG, IMASK, RIS, MIS = 0x0C, 0x14, 0x18, 0x68, 0x6C, 0x70
    ISET, ICLR, IMSET, IMCLR, TGT, TGTNC = 0x74, 0x78, 0x7C, 0x80, 0x13C, 0x1BC
    _ONCE, _AGAIN = 1, 2
    _TGT, _ZERO = 1, 2

    def __init__(self, number: int, clock: SystemClock) -> None:
        self._line, _, bits = _LGPT[number]
        most = (1 << bits) - 1
        names = {self.RIS: "RIS", self.MIS: "MIS", self.ISET: "ISET", self.ICLR: "ICLR", self.IMSET: "IMSET"}
        super().__init__(
            f"LGPT{number}",
            0x4006_0000 + 0x1000 * number,
            (
                Register(self.CTL, "CTL", writable=0x3F),
                Register(self.CNTR, "CNTR", writable=0),
                Register(self.PRECFG, "PRECFG", writable=0xFF03),
                Register(self.IMASK, "IMASK", writable=0x77F),
                Register(self.TGT, "TGT", most, writable=most),
                Register(self.TGTNC, "TGTNC", writable=0),
                *(Register(offset, name, writable=0) for offset, name in (names | {self.IMCLR: "IMCLR"}).items()),
            ),
        )
        self._counter = Counter(Ticks(clock, clock), most + 1)
        self._raw = 0
        self.loads = {
            self.CNTR: lambda: self._counter.value,
            self.RIS: lambda: self._raw,
            self.MIS: lambda: self._raw & self.words[self.IMASK],
            self.TGTNC: lambda: self.words[self.TGT],
        }
        self.stores = {
            self.CTL: self._control,
            self.PRECFG: self._prescale,
            self.CNTR: lambda value: self._counter.restart(value & most),
            self.TGT: lambda _: self._set_period(),
            self.TGTNC: lambda value: self._set_target(value & most),
            self.IMASK: lambda _: self._check_mask(),
            self.IMSET: lambda value: self._mask(self.words[self.IMASK] | value),
            self.IMCLR: lambda value: self._mask(self.words[self.IMASK] & ~value),
            self.ISET: lambda value: self._flag(value, 0),
            self.ICLR: lambda value: self._flag(0, value),
        }
        self.volatile = {self.CTL, self.CNTR, self.RIS, self.MIS}

    def reset(self) -> None:
        """At 0, standing still."""
        super().reset()
        self._counter.is_running, self._raw = False, 0
        self._counter.prescale, self._counter.period = 1, self.words[self.TGT] + 1
        self._counter.restart()
        self.bus.host.set_line(self._line, False)

    def load(self, offset: int) -> int:
        """The register at `offset`, as of now."""
        self._settle()
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        self._settle()
        super().store(offset, value)
        self._tell()
        self._plan()

    def at(self) -> None:
        """The counter is at TGT, or at 0."""
        self._settle()
        self._plan()

    def _settle(self) -> None:
        counter, target = self._counter, self.words[self.TGT]
        before, wraps = counter.settle()
        self._raw |= self._TGT if counter.passed(before, wraps, target) else 0
        if wraps:
            self._raw |= self._ZERO
            if self.words[self.CTL] & 7 == self._ONCE:
                self.words[self.CTL] &= ~7
                counter.is_running = False
                counter.restart()
        self._tell()

    def _plan(self) -> None:
        counter, wanted = self._counter, self.words[self.IMASK] & ~self._raw
        marks = [self.words[self.TGT] or counter.period] if wanted & self._TGT else []
        if wanted & self._ZERO or self.words[self.CTL] & 7 == self._ONCE:
            marks.append(counter.period)
        known = [cycle for cycle in map(counter.cycle_of, marks) if cycle is not None]
        self.schedule(min(known, default=None))

    def _tell(self) -> None:
        self.bus.host.set_line(self._line, bool(self._raw & self.words[self.IMASK]))

    def _control(self, value: int) -> None:
        if value & 7 > self._AGAIN:
            self.bus.unmodelled(self, self.CTL, value, "counting up and down, in step with others, or QDEC")
        runs = value & 7 in (self._ONCE, self._AGAIN)
        if runs and not self._counter.is_running:
            self._counter.restart()
        self._counter.is_running = runs

    def _prescale(self, value: int) -> None:
        self._counter.prescale = (value >> 8 & 0xFF) + 1
        self.note(self.PRECFG, 3, "another tick than the clock")

    def _set_period(self) -> None:
        self._counter.period = self.words[self.TGT] + 1

    def _set_target(self, value: int) -> None:
        self.words[self.TGT] = value
        self._set_period()

    def _mask(self, value: int) -> None:
        self.words[self.IMASK] = value & 0x77F
        self._check_mask()

    def _check_mask(self) -> None:
        self.note(self.IMASK, ~(self._TGT | self._ZERO), "an interrupt that never comes")

    def _flag(self, raised: int, cleared: int) -> None:
        self._raw = (self._raw | raised) & ~cleared


_INTERRUPTS = (
    "CPUIRQ0", "CPUIRQ1", "CPUIRQ2", "CPUIRQ3", "CPUIRQ4", "GPIO", "LRFD_IRQ0", "LRFD_IRQ1", "DMA_DONE", "AES", "SPI0",
    "UART0", "I2C0", "LGPT0", "LGPT1", "ADC", "CPUIRQ16", "LGPT2", "LGPT3",
)  # fmt: skip
"""SWCU193, chapter Interrupts and Events."""

_UNMODELLED = (
    ("PMCTL", 0x4000_0000), ("CKMD", 0x4000_1000), ("RTC", 0x4000_2000), ("IOC", 0x4000_3000), ("SYS0", 0x4000_4000),
    ("EVTULL", 0x4000_5000), ("PMUD", 0x4000_6000), ("DBGSS", 0x4000_F000), ("FLASH", 0x4002_1000),
    ("SYSTIM", 0x4002_2000), ("VIMS", 0x4002_4000), ("EVTSVT", 0x4002_5000), ("DMA", 0x4002_6000),
    ("SPI0", 0x4003_0000), ("I2C0", 0x4003_8000), ("ADC", 0x4005_0000), ("AES", 0x400C_0000),
)  # fmt: skip


def build(host: Host) -> Board:
    """The peripherals of a CC2340R2."""
    clock = SystemClock(HZ)
    clkctl, uart, gpio = Clkctl(), Uart(clock), Gpio()
    timers = [Lgpt(number, clock) for number in range(len(_LGPT))]
    clkctl.gated = {_UART_CLOCK: uart, _GPIO_CLOCK: gpio}
    clkctl.gated |= {bit: timer for timer, (_, bit, _) in zip(timers, _LGPT, strict=True)}
    unmodelled = [UnmodelledBlock(name, base, has_aliases=False) for name, base in _UNMODELLED]
    unmodelled.append(UnmodelledBlock("LRFD", 0x4008_0000, 0x1_C000, has_aliases=False))
    unmodelled.append(UnmodelledBlock("FCFG", 0x4E00_0000, 0x2000, has_aliases=False))
    unmodelled.append(UnmodelledBlock("CCFG", 0x4E02_0000, 0x1000, has_aliases=False))
    devices: list[Device] = [clkctl, uart, gpio, *timers, *unmodelled]
    return Board(Bus(host, clock, devices), clock, {uart.name: uart}, interrupts=_INTERRUPTS, pins=gpio)
