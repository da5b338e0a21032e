"""nRF51: CLOCK, UART, TIMER, RTC, GPIO, and the bits of POWER and NVMC that firmware waits for.

Source: Nordic nRF51 Series Reference Manual v3.0, chapters CLOCK, UART, TIMER, RTC, GPIO, POWER and NVMC. Tasks are
stores of 1, events are registers that become 1; oscillators run at once. PPI, shortcuts but those of TIMER, and the
radio are not modelled.
"""

from __future__ import annotations

from functools import partial

from m0sim.chip.devices.block import WORD, Block, Device, Register, TimedBlock
from m0sim.chip.devices.board import Board
from m0sim.chip.devices.bus import Bus
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.counter import Counter
from m0sim.chip.devices.host import Host
from m0sim.chip.devices.line import Receiver, Transmitter
from m0sim.chip.devices.unmodelled import UnmodelledBlock

CPU_HZ, LOW_HZ = 16_000_000, 32_768
_INTENSET, _INTENCLR, _EVENTS = 0x304, 0x308, 0x100


class Peripheral(Block):
    """Tasks, events, and interrupts that events request where INTEN has their bit."""

    def __init__(
        self, name: str, base: int, line: int, events: dict[int, str], tasks: dict[int, str], plain: dict[int, str]
    ) -> None:
        registers = [Register(at, event) for at, event in events.items()]
        registers += [Register(at, task, writable=0) for at, task in tasks.items()]
        registers += [Register(at, register) for at, register in plain.items()]
        registers += [Register(_INTENSET, "INTENSET", writable=0), Register(_INTENCLR, "INTENCLR", writable=0)]
        super().__init__(name, base, registers)
        self.has_aliases = False
        self._line, self._events = line, tuple(events)
        self.enabled = 0
        """INTEN."""
        self.stores = {at: lambda _: self.tell() for at in events}
        self.stores |= {_INTENSET: self._set, _INTENCLR: self._clear}
        self.loads = {_INTENSET: lambda: self.enabled, _INTENCLR: lambda: self.enabled}

    def reset(self) -> None:
        """Nothing enabled, no event."""
        super().reset()
        self.enabled = 0
        self.tell()

    def event(self, offset: int) -> None:
        """An event has happened."""
        self.words[offset] = 1
        self.tell()
        self.bus.changed(self)

    def tell(self) -> None:
        """Set the request line: the bit of an event is its number in INTEN."""
        requested = any(self.words[at] and self.enabled >> (at - _EVENTS) // 4 & 1 for at in self._events)
        self.bus.host.set_line(self._line, requested)

    def _set(self, value: int) -> None:
        self.enabled |= value
        self.tell()

    def _clear(self, value: int) -> None:
        self.enabled &= ~value
        self.tell()


class PowerClock(Peripheral):
    """POWER and CLOCK share their addresses. Oscillators have started as soon as they are asked to."""

    def __init__(self) -> None:
        tasks = {
            0x00: "HFCLKSTART",
            0x04: "HFCLKSTOP",
            0x08: "LFCLKSTART",
            0x0C: "LFCLKSTOP",
            0x10: "CAL",
            0x78: "CONSTLAT",
            0x7C: "LOWPWR",
        }
        events = {0x100: "HFCLKSTARTED", 0x104: "LFCLKSTARTED", 0x10C: "DONE"}
        plain = {0x400: "RESETREAS", 0x408: "HFCLKRUN", 0x40C: "HFCLKSTAT", 0x414: "LFCLKRUN", 0x418: "LFCLKSTAT",
                 0x41C: "LFCLKSRCCOPY", 0x428: "RAMSTATUS", 0x500: "SYSTEMOFF", 0x510: "POFCON", 0x518: "LFCLKSRC",
                 0x51C: "GPREGRET", 0x524: "RAMON", 0x550: "XTALFREQ", 0x554: "RAMONB", 0x578: "DCDCEN"}  # fmt: skip
        super().__init__("POWER_CLOCK", 0x4000_0000, 0, events, tasks, plain)
        self._high = self._low = False
        self.loads[0x40C] = lambda: 1 << 16 | self._high
        self.loads[0x418] = lambda: self._low << 16 | self.words[0x518] & 3
        self.loads[0x428] = lambda: 0xF
        self.stores |= {0x00: self._start_high, 0x04: self._stop_high, 0x08: self._start_low, 0x0C: self._stop_low}
        self.stores |= {0x10: lambda _: self.event(0x10C), 0x500: self._off}

    def reset(self) -> None:
        """On the internal oscillator."""
        super().reset()
        self._high = self._low = False

    def _start_high(self, _: int) -> None:
        self._high = True
        self.event(0x100)

    def _stop_high(self, _: int) -> None:
        self._high = False

    def _start_low(self, _: int) -> None:
        self._low = True
        self.event(0x104)

    def _stop_low(self, _: int) -> None:
        self._low = False

    def _off(self, value: int) -> None:
        if value & 1:
            self.bus.host.halt("the firmware turned the chip off (POWER SYSTEMOFF)")


_RXDRDY, _TXDRDY = 0x108, 0x11C
_STARTRX, _STOPRX, _STARTTX, _STOPTX = 0x00, 0x04, 0x08, 0x0C
_RXD, _TXD, _BAUDRATE, _ENABLE, _CONFIG = 0x518, 0x51C, 0x524, 0x500, 0x56C


class Uart(TimedBlock, Peripheral):
    """UART0: TXDRDY when a byte has been sent, RXDRDY when one has come; six bytes wait to be read."""

    def __init__(self, clock: SystemClock) -> None:
        events = {0x100: "CTS", 0x104: "NCTS", _RXDRDY: "RXDRDY", _TXDRDY: "TXDRDY", 0x124: "ERROR", 0x144: "RXTO"}
        tasks = {_STARTRX: "STARTRX", _STOPRX: "STOPRX", _STARTTX: "STARTTX", _STOPTX: "STOPTX", 0x1C: "SUSPEND"}
        plain = {0x200: "SHORTS", 0x480: "ERRORSRC", _ENABLE: "ENABLE", 0x508: "PSELRTS", 0x50C: "PSELTXD",
                 0x510: "PSELCTS", 0x514: "PSELRXD", _RXD: "RXD", _TXD: "TXD",
                 _BAUDRATE: "BAUDRATE", _CONFIG: "CONFIG"}  # fmt: skip
        super().__init__("UART0", 0x4000_2000, 2, events, tasks, plain)
        self._ticks = Ticks(clock, clock)
        self._out, self._in = Transmitter(self._ticks, 0), Receiver(self._ticks, 6)
        self._sends = self._receives = False
        self._in.is_on = lambda: self._receives and self.words[_ENABLE] == 4
        self.loads[_RXD] = self._read
        self.stores |= {
            _STARTTX: partial(self._run, True, None), _STOPTX: partial(self._run, False, None),
            _STARTRX: partial(self._run, None, True), _STOPRX: partial(self._run, None, False),
            _TXD: self._write, _BAUDRATE: lambda _: self._tune(), _CONFIG: lambda _: self._tune(),
            _ENABLE: lambda _: self._in.resume(),
        }  # fmt: skip
        self.volatile = {_RXD}
        clock.watch(self._plan)

    def receive(self, data: bytes) -> None:
        """Somebody sends these bytes."""
        self._in.offer(data)
        self._plan()

    def reset(self) -> None:
        """Off, at 250,000 baud."""
        super().reset()
        self._out.clear()
        self._in.clear()
        self._sends = self._receives = False
        self.words[_BAUDRATE] = 0x0400_0000
        self._tune()

    def _settle(self) -> None:
        was_busy = self._out.is_busy
        self._out.settle()
        if was_busy and not self._out.is_busy:
            self.event(_TXDRDY)
        if self._in.settle():
            self.event(_RXDRDY)

    def _plan(self) -> None:
        ticks = [tick for tick in (self._out.next_change, self._in.arrival) if tick is not None]
        self.schedule(self._ticks.cycle_of(min(ticks)) if ticks else None)

    def _tune(self) -> None:
        """A bit is 2**32 / BAUDRATE cycles of 16 MHz; a frame has 10, or 11 with parity."""
        rate = self.words[_BAUDRATE]
        bits = 11 if self.words[_CONFIG] & 0xE else 10
        self._out.frame = self._in.frame = round(bits * 2**32 / rate) if rate else 0

    def _run(self, sends: bool | None, receives: bool | None, _: int) -> None:
        self._sends = self._sends if sends is None else sends
        self._receives = self._receives if receives is None else receives
        self._in.resume()

    def _write(self, value: int) -> None:
        if self._sends and self.words[_ENABLE] == 4 and self._out.send():
            self.bus.host.output(bytes((value & 0xFF,)), self.name)
        else:
            self.bus.unmodelled(self, _TXD, value, "a byte while another is sent, or while it is off: lost")

    def _read(self) -> int:
        value = self._in.read()
        if self._in.level:
            self.event(_RXDRDY)
        self._plan()
        return value


_COMPARE0, _SHORTS, _MODE, _BITMODE, _PRESCALER, _CC0 = 0x140, 0x200, 0x504, 0x508, 0x510, 0x540
_BITS = (16, 8, 24, 32)


class Timer(TimedBlock, Peripheral):
    """TIMER0 to 2: 16 MHz / 2**PRESCALER. As a counter of events it counts TASKS_COUNT."""

    def __init__(self, number: int, clock: SystemClock) -> None:
        events = {_COMPARE0 + 4 * i: f"COMPARE{i}" for i in range(4)}
        tasks = {0x00: "START", 0x04: "STOP", 0x08: "COUNT", 0x0C: "CLEAR", 0x10: "SHUTDOWN"}
        tasks |= {0x40 + 4 * i: f"CAPTURE{i}" for i in range(4)}
        plain = {_SHORTS: "SHORTS", _MODE: "MODE", _BITMODE: "BITMODE", _PRESCALER: "PRESCALER"}
        plain |= {_CC0 + 4 * i: f"CC{i}" for i in range(4)}
        super().__init__(f"TIMER{number}", 0x4000_8000 + 0x1000 * number, 8 + number, events, tasks, plain)
        self._counter = Counter(Ticks(clock, clock))
        self.stores |= {
            0x00: partial(self._run, True), 0x04: partial(self._run, False), 0x10: partial(self._run, False),
            0x08: self._count, 0x0C: lambda _: self._counter.restart(),
            _BITMODE: lambda value: setattr(self._counter, "period", 1 << _BITS[value & 3]),
            _PRESCALER: lambda value: setattr(self._counter, "prescale", 1 << (value & 0xF)),
        }  # fmt: skip
        self.stores |= {0x40 + 4 * i: partial(self._capture, i) for i in range(4)}
        clock.watch(self._plan)

    def reset(self) -> None:
        """It stands at 0."""
        super().reset()
        self.words[_PRESCALER] = 4
        self._counter.is_running = False
        self._counter.prescale, self._counter.period = 16, 1 << 16
        self._counter.restart()

    def _settle(self) -> None:
        self._match(*self._counter.settle())

    def _match(self, before: int, wraps: int) -> None:
        matched = [i for i in range(4) if self._counter.passed(before, wraps, self.words[_CC0 + 4 * i])]
        for i in matched:
            self.event(_COMPARE0 + 4 * i)
            if self.words[_SHORTS] >> i & 1:
                self._counter.restart()
            if self.words[_SHORTS] >> 8 + i & 1:
                self._counter.is_running = False

    def _plan(self) -> None:
        cycles = [self._counter.cycle_of(self.words[_CC0 + 4 * i]) for i in range(4)]
        self.schedule(min((cycle for cycle in cycles if cycle is not None), default=None))

    def _run(self, runs: bool, _: int) -> None:
        self._counter.is_running = runs and not self.words[_MODE] & 1

    def _count(self, _: int) -> None:
        if self.words[_MODE] & 1:
            before = self._counter.value
            wraps, self._counter.value = divmod(before + 1, self._counter.period)
            self._match(before, wraps)

    def _capture(self, i: int, _: int) -> None:
        self.words[_CC0 + 4 * i] = self._counter.value


_TICK, _OVRFLW, _EVTEN, _COUNTER, _RTC_PRESCALER = 0x100, 0x104, 0x340, 0x504, 0x508


class Rtc(TimedBlock, Peripheral):
    """RTC0 and RTC1: 24 bits of 32,768 Hz / (PRESCALER + 1)."""

    def __init__(self, number: int, clock: SystemClock) -> None:
        channels = range(3 + number)
        events = {_TICK: "TICK", _OVRFLW: "OVRFLW"} | {_COMPARE0 + 4 * i: f"COMPARE{i}" for i in channels}
        tasks = {0x00: "START", 0x04: "STOP", 0x08: "CLEAR", 0x0C: "TRIGOVRFLW"}
        plain = {
            _EVTEN: "EVTEN",
            0x344: "EVTENSET",
            0x348: "EVTENCLR",
            _COUNTER: "COUNTER",
            _RTC_PRESCALER: "PRESCALER",
        }
        plain |= {_CC0 + 4 * i: f"CC{i}" for i in channels}
        base, line = ((0x4000_B000, 11), (0x4001_1000, 17))[number]
        super().__init__(f"RTC{number}", base, line, events, tasks, plain)
        self._channels = channels
        self._counter = Counter(Ticks(clock, Source("LFCLK", LOW_HZ)), 1 << 24)
        self.loads[_COUNTER] = lambda: self._counter.value
        self.stores |= {
            0x00: partial(self._run, True), 0x04: partial(self._run, False), 0x08: lambda _: self._counter.restart(),
            0x0C: lambda _: self._counter.restart(0xFF_FFF0),
            _RTC_PRESCALER: lambda value: setattr(self._counter, "prescale", (value & 0xFFF) + 1),
            0x344: lambda value: self._route(self.words[_EVTEN] | value),
            0x348: lambda value: self._route(self.words[_EVTEN] & ~value),
        }  # fmt: skip
        self.volatile = {_COUNTER}
        clock.watch(self._plan)

    def reset(self) -> None:
        """It stands at 0."""
        super().reset()
        self._counter.is_running, self._counter.prescale = False, 1
        self._counter.restart()

    def _wanted(self, offset: int) -> bool:
        """Events happen where they are routed or request an interrupt."""
        return bool((self.enabled | self.words[_EVTEN]) >> (offset - _EVENTS) // 4 & 1)

    def _settle(self) -> None:
        counter = self._counter
        before, wraps = counter.settle()
        if (wraps or counter.value != before) and self._wanted(_TICK):
            self.event(_TICK)
        if wraps and self._wanted(_OVRFLW):
            self.event(_OVRFLW)
        for i in self._channels:
            offset = _COMPARE0 + 4 * i
            if self._wanted(offset) and counter.passed(before, wraps, self.words[_CC0 + 4 * i] & 0xFF_FFFF):
                self.event(offset)

    def _plan(self) -> None:
        counter = self._counter
        values = [self.words[_CC0 + 4 * i] & 0xFF_FFFF for i in self._channels if self._wanted(_COMPARE0 + 4 * i)]
        values += [counter.value + 1] if self._wanted(_TICK) else []
        values += [counter.period] if self._wanted(_OVRFLW) else []
        cycles = [counter.cycle_of(value) for value in values]
        self.schedule(min((cycle for cycle in cycles if cycle is not None), default=None))

    def _run(self, runs: bool, _: int) -> None:
        self._counter.is_running = runs

    def _route(self, value: int) -> None:
        self.words[_EVTEN] = value & WORD


class Gpio(Block):
    """GPIO: what is driven is read back."""

    OUT, OUTSET, OUTCLR, IN, DIR, DIRSET, DIRCLR, PIN_CNF0 = 0x504, 0x508, 0x50C, 0x510, 0x514, 0x518, 0x51C, 0x700

    def __init__(self) -> None:
        names = ("OUT", "OUTSET", "OUTCLR", "IN", "DIR", "DIRSET", "DIRCLR")
        registers = [
            Register(0x504 + 4 * i, n, writable=WORD if n in ("OUT", "DIR") else 0) for i, n in enumerate(names)
        ]
        registers += [Register(self.PIN_CNF0 + 4 * i, f"PIN_CNF{i}", 2) for i in range(32)]
        super().__init__("GPIO", 0x5000_0000, registers)
        self.has_aliases = False
        self.loads = {self.IN: lambda: self.words[self.OUT] & self.words[self.DIR]}
        self.loads |= dict.fromkeys((self.OUTSET, self.OUTCLR), lambda: self.words[self.OUT])
        self.loads |= dict.fromkeys((self.DIRSET, self.DIRCLR), lambda: self.words[self.DIR])
        self.stores = {
            self.OUTSET: lambda value: self._put(self.OUT, value, True),
            self.OUTCLR: lambda value: self._put(self.OUT, value, False),
            self.DIRSET: lambda value: self._put(self.DIR, value, True),
            self.DIRCLR: lambda value: self._put(self.DIR, value, False),
        }
        self.stores |= {self.PIN_CNF0 + 4 * i: partial(self._configure, i) for i in range(32)}

    def _put(self, register: int, bits: int, sets: bool) -> None:
        self.words[register] = self.words[register] | bits if sets else self.words[register] & ~bits

    def _configure(self, pin: int, value: int) -> None:
        self._put(self.DIR, 1 << pin, bool(value & 1))


class Nvmc(Block):
    """Ready always; erasing and writing flash are not modelled."""

    def __init__(self) -> None:
        names = ((0x504, "CONFIG"), (0x508, "ERASEPAGE"), (0x50C, "ERASEALL"), (0x514, "ERASEUICR"))
        registers = [Register(0x400, "READY", 1, 0), *(Register(at, name, effect=False) for at, name in names)]
        super().__init__("NVMC", 0x4001_E000, registers)
        self.has_aliases = False


INTERRUPTS = (
    "POWER_CLOCK RADIO UART0 SPI0_TWI0 SPI1_TWI1 5 GPIOTE ADC TIMER0 TIMER1 TIMER2 RTC0 TEMP RNG ECB CCM_AAR WDT RTC1 "
    "QDEC LPCOMP SWI0 SWI1 SWI2 SWI3 SWI4 SWI5"
).split()


def build(host: Host) -> Board:
    """The peripherals of an nRF51."""
    clock = SystemClock(CPU_HZ)
    uart = Uart(clock)
    devices: list[Device] = [
        UnmodelledBlock("peripherals at 0x40000000", 0x4000_0000, 0x2_0000, has_aliases=False),
        UnmodelledBlock("FICR", 0x1000_0000, 0x400, has_aliases=False),
        UnmodelledBlock("UICR", 0x1000_1000, 0x400, has_aliases=False),
        PowerClock(), uart, *(Timer(i, clock) for i in range(3)), *(Rtc(i, clock) for i in range(2)), Gpio(), Nvmc(),
    ]  # fmt: skip
    return Board(Bus(host, clock, devices), clock, {"UART0": uart}, interrupts=tuple(INTERRUPTS))
