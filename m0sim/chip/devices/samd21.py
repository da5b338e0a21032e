"""SAM D21: SYSCTRL, GCLK, PM, NVMCTRL, PORT, SERCOM as a USART, and TC.

Source: Microchip SAM D21/DA1 Family datasheet (DS40001882), chapters PM, SYSCTRL, GCLK, NVMCTRL, PORT, SERCOM USART and
TC. Oscillators are ready, and registers synchronised, at once; 32 kHz crystals are there, XOSC is 8 MHz.
"""

from __future__ import annotations

from fractions import Fraction

from m0sim.chip.devices.block import WORD, Device, Register
from m0sim.chip.devices.board import Board
from m0sim.chip.devices.bus import Bus
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.counter import Counter
from m0sim.chip.devices.host import Host
from m0sim.chip.devices.line import Receiver, Transmitter
from m0sim.chip.devices.sized import SizedBlock
from m0sim.chip.devices.unmodelled import UnmodelledBlock

RESET_HZ = 1_000_000
_MASKS = {1: 0xFF, 2: 0xFFFF, 4: WORD}
Listed = tuple[int, int, Register]


def _register(offset: int, size: int, name: str, reset: int = 0, writable: int | None = None) -> Listed:
    return offset, size, Register(offset, name, reset, _MASKS[size] if writable is None else writable)


class Sysctrl(SizedBlock):
    """Oscillators: all that are asked for run, locked."""

    PCLKSR, OSC8M, DFLLCTRL, DPLLCTRLA, DPLLRATIO = 0x0C, 0x20, 0x24, 0x44, 0x48
    READY = 0x0000_8BDF
    """XOSC, XOSC32K, OSC32K, OSC8M and DFLL ready, DFLL locked, BOD33 and DPLL ready."""

    def __init__(self) -> None:
        registers = [
            _register(0x00, 4, "INTENCLR"), _register(0x04, 4, "INTENSET"),
            _register(0x08, 4, "INTFLAG", self.READY, 0),
            _register(self.PCLKSR, 4, "PCLKSR", self.READY, 0), _register(0x10, 2, "XOSC", 0x80),
            _register(0x14, 2, "XOSC32K", 0x80), _register(0x18, 4, "OSC32K", 0x3F_0080),
            _register(0x1C, 1, "OSCULP32K", 0x1F), _register(self.OSC8M, 4, "OSC8M", 0x8707_0382),
            _register(self.DFLLCTRL, 2, "DFLLCTRL", 0x80), _register(0x28, 4, "DFLLVAL"), _register(0x2C, 4, "DFLLMUL"),
            _register(0x30, 1, "DFLLSYNC"), _register(0x34, 4, "BOD33", 0x7_0006), _register(0x3C, 2, "VREG", 2),
            _register(0x40, 4, "VREF"), _register(self.DPLLCTRLA, 1, "DPLLCTRLA", 0x80),
            _register(self.DPLLRATIO, 4, "DPLLRATIO"), _register(0x4C, 4, "DPLLCTRLB"),
            _register(0x50, 1, "DPLLSTATUS", 0xF, 0),
        ]  # fmt: skip
        super().__init__("SYSCTRL", 0x4000_0800, registers)
        self.sources = {
            0: Fraction(8_000_000), 3: Fraction(32_768), 4: Fraction(32_768), 5: Fraction(32_768),
            7: Fraction(48_000_000),
        }  # fmt: skip

    def frequency(self, number: int) -> Fraction:
        """A source of GCLK, in hertz."""
        if number == 6:
            return Fraction(8_000_000 >> (self.words[self.OSC8M] >> 8 & 3))
        if number == 8:
            ratio = self.words[self.DPLLRATIO]
            return 32_768 * ((ratio & 0xFFF) + 1 + Fraction(ratio >> 16 & 0xF, 16))
        return self.sources.get(number, Fraction(0))


class Gclk(SizedBlock):
    """Generators, and which of them each peripheral counts."""

    CLKCTRL, GENCTRL, GENDIV = 0x02, 0x04, 0x08
    GENERATORS = 9

    def __init__(self, sysctrl: Sysctrl) -> None:
        registers = [
            _register(0x00, 1, "CTRL"), _register(0x01, 1, "STATUS", 0, 0), _register(self.CLKCTRL, 2, "CLKCTRL"),
            _register(self.GENCTRL, 4, "GENCTRL"), _register(self.GENDIV, 4, "GENDIV"),
        ]  # fmt: skip
        super().__init__("GCLK", 0x4000_0C00, registers)
        self._sysctrl = sysctrl
        self.generators = [Source(f"GCLK{i}") for i in range(self.GENERATORS)]
        self.channels = [Source(f"GCLK channel {i}") for i in range(0x30)]
        self.loads = {
            self.GENCTRL: lambda: self._control[self.words[self.GENCTRL] & 0xF],
            self.GENDIV: lambda: self._divide[self.words[self.GENDIV] & 0xF],
            self.CLKCTRL: lambda: self._channel[self.words[self.CLKCTRL] & 0x3F],
        }
        self.stores = {self.GENCTRL: self._set_control, self.GENDIV: self._set_divide, self.CLKCTRL: self._set_channel}
        self._forget()
        for at in (Sysctrl.OSC8M, Sysctrl.DPLLRATIO):
            sysctrl.stores[at] = lambda _: self.tune()

    def _forget(self) -> None:
        self._control = list(range(16))
        self._divide = list(range(16))
        self._channel = list(range(0x40))
        self._control[0] = 6 << 8 | 1 << 16

    def reset(self) -> None:
        """Generator 0 from OSC8M."""
        super().reset()
        self._forget()
        self.tune()

    def _set_control(self, value: int) -> None:
        self._control[value & 0xF] = value
        self.tune()

    def _set_divide(self, value: int) -> None:
        self._divide[value & 0xF] = value
        self.tune()

    def _set_channel(self, value: int) -> None:
        self._channel[value & 0x3F] = value
        self.tune()

    def tune(self) -> None:
        """Set all clocks by the registers; generator 1 first, which others can be made of."""
        for i in (1, 0, *range(2, self.GENERATORS)):
            control, divide = self._control[i], self._divide[i] >> 8 & 0xFFFF
            source = control >> 8 & 0x1F
            hz = self.generators[1].hz if source == 2 else self._sysctrl.frequency(source)
            divisor = 2 << divide if control >> 20 & 1 else divide or 1
            self.generators[i].set(hz / divisor if control >> 16 & 1 else 0)
        for i, channel in enumerate(self.channels):
            word = self._channel[i]
            generator = word >> 8 & 0xF
            is_on = word >> 14 & 1 and generator < self.GENERATORS
            channel.set(self.generators[generator].hz if is_on else 0)


class Pm(SizedBlock):
    """The processor's clock is generator 0, divided by CPUSEL; what is masked runs all the same."""

    CPUSEL = 0x08

    def __init__(self, clock: SystemClock, generator: Source) -> None:
        registers = [
            _register(0x00, 1, "CTRL"), _register(0x01, 1, "SLEEP"), _register(self.CPUSEL, 1, "CPUSEL"),
            _register(0x09, 1, "APBASEL"), _register(0x0A, 1, "APBBSEL"), _register(0x0B, 1, "APBCSEL"),
            _register(0x14, 4, "AHBMASK", 0x7F), _register(0x18, 4, "APBAMASK", 0x7F),
            _register(0x1C, 4, "APBBMASK", 0x7F),
            _register(0x20, 4, "APBCMASK", 0x1_0000), _register(0x34, 1, "INTENCLR"), _register(0x35, 1, "INTENSET"),
            _register(0x36, 1, "INTFLAG", 1, 0), _register(0x38, 1, "RCAUSE", 1, 0),
        ]  # fmt: skip
        super().__init__("PM", 0x4000_0400, registers)
        self._clock, self._generator = clock, generator
        generator.watch(self._tune)
        self.stores = {self.CPUSEL: lambda _: self._tune()}

    def _tune(self) -> None:
        self._clock.set(self._generator.hz / (1 << (self.words[self.CPUSEL] & 7)))


class Nvmctrl(SizedBlock):
    """Ready always; erasing and writing flash are not modelled. RWS counts at once."""

    CTRLB = 0x04
    RWS_LIMITS = (24_000_000, 48_000_000)
    """By wait states: the processor's clock in hertz that they are enough for, at 2.7 V or more (chapter 37)."""

    def __init__(self, clock: SystemClock) -> None:
        registers = [
            _register(self.CTRLB, 4, "CTRLB", 0x80), _register(0x08, 4, "PARAM", 0x3_1000, 0),
            _register(0x0C, 1, "INTENCLR"), _register(0x10, 1, "INTENSET"),
            _register(0x14, 1, "INTFLAG", 1, 0), _register(0x18, 2, "STATUS", 0, 0),
            _register(0x1C, 4, "ADDR"), _register(0x20, 2, "LOCK", 0xFFFF, 0),
            (0x00, 2, Register(0x00, "CTRLA", writable=0xFFFF, effect=False)),
        ]  # fmt: skip
        super().__init__("NVMCTRL", 0x4100_4000, registers)
        self._clock = clock
        self.stores = {self.CTRLB: lambda _: self._tell()}
        clock.watch(self._check)

    def reset(self) -> None:
        """No wait states."""
        super().reset()
        self._tell()

    def _tell(self) -> None:
        self.bus.host.set_flash_waits(self.words[self.CTRLB] >> 1 & 0xF)
        self._check()

    def _check(self) -> None:
        control, hz = self.words[self.CTRLB], self._clock.hz
        limit = self.RWS_LIMITS[min(control >> 1 & 0xF, len(self.RWS_LIMITS) - 1)]
        if hz > limit:
            what = f"RWS {control >> 1 & 0xF} at {float(hz) / 1e6:g} MHz: hardware reads wrong"
            self.bus.unmodelled(self, self.CTRLB, control, what)


class Port(SizedBlock):
    """One group of pins: what is driven is read back. The IOBUS shows plain registers, not these."""

    DIR, OUT, IN = 0x00, 0x10, 0x20

    def __init__(self) -> None:
        registers: list[Listed] = []
        for group in range(2):
            base = 0x80 * group
            for at, name in ((0x00, "DIR"), (0x10, "OUT")):
                registers.append(_register(base + at, 4, name))
                for i, kind in enumerate(("CLR", "SET", "TGL")):
                    registers.append(_register(base + at + 4 + 4 * i, 4, name + kind, 0, 0))
            registers += [_register(base + 0x20, 4, "IN", 0, 0), _register(base + 0x24, 4, "CTRL")]
            registers.append(_register(base + 0x28, 4, "WRCONFIG", 0, 0))
            registers += [_register(base + 0x30 + i, 1, f"PMUX{i}") for i in range(16)]
            registers += [_register(base + 0x40 + i, 1, f"PINCFG{i}") for i in range(32)]
        super().__init__("PORT", 0x4100_4400, registers)
        for base in (0x00, 0x80):
            self.loads[base + self.IN] = lambda base=base: self.words[base] & self.words[base + self.OUT]  # type: ignore[misc]
            for at in (base + self.DIR, base + self.OUT):
                self.stores[at + 4] = lambda value, at=at: self._put(at, self.words[at] & ~value)  # type: ignore[misc]
                self.stores[at + 8] = lambda value, at=at: self._put(at, self.words[at] | value)  # type: ignore[misc]
                self.stores[at + 12] = lambda value, at=at: self._put(at, self.words[at] ^ value)  # type: ignore[misc]
                for i in (4, 8, 12):
                    self.loads[at + i] = lambda at=at: self.words[at]  # type: ignore[misc]

    def _put(self, offset: int, value: int) -> None:
        self.words[offset] = value & WORD


class Iobus(Device):
    """The same registers on the processor's single-cycle port: chapter PORT, "PORT IOBUS"."""

    def __init__(self, port: Port) -> None:
        self.name, self.base, self.size, self.has_aliases = "PORT_IOBUS", 0x6000_0000, 0x400, False
        self._port = port

    def load(self, offset: int) -> int:
        """A word."""
        return self._port.load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store a word."""
        self._port.store(offset, value)
        self.bus.changed(self._port)

    def load_narrow(self, offset: int, size: int) -> int:
        """1 or 2 bytes."""
        return self._port.load_narrow(offset, size)

    def store_narrow(self, offset: int, value: int, size: int) -> None:
        """Store 1 or 2 bytes."""
        self._port.store_narrow(offset, value, size)
        self.bus.changed(self._port)

    def reset(self) -> None:
        """The port is reset itself."""


class _Interrupting(SizedBlock):
    """INTENCLR, INTENSET and INTFLAG, at the offsets that each block has them at."""

    def __init__(self, name: str, base: int, registers: list[Listed], line: int, offsets: tuple[int, int, int]) -> None:
        clear, enable, flag = offsets
        registers = [
            *registers, _register(clear, 1, "INTENCLR", 0, 0), _register(enable, 1, "INTENSET", 0, 0),
            _register(flag, 1, "INTFLAG", 0, 0),
        ]  # fmt: skip
        super().__init__(name, base, registers)
        self._line, self.enabled, self.latched = line, 0, 0
        self.loads |= {clear: lambda: self.enabled, enable: lambda: self.enabled, flag: self.flags}
        self.stores |= {clear: self._disable, enable: self._enable, flag: self._clear_flags}
        self.volatile = set(range(0x400))

    def flags(self) -> int:
        """INTFLAG."""
        return self.latched

    def reset(self) -> None:
        """Nothing enabled."""
        super().reset()
        self.enabled = self.latched = 0
        self.tell()

    def tell(self) -> None:
        """Set the request line."""
        self.bus.host.set_line(self._line, bool(self.flags() & self.enabled))

    def read(self, offset: int) -> int:
        """One register, as of now."""
        self.settle()
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Store to one register."""
        self.settle()
        super().write(offset, value)
        self.plan()

    def at(self) -> None:
        """Something has happened."""
        self.settle()
        self.plan()

    def settle(self) -> None:
        """Bring the block to what it is now."""
        raise NotImplementedError

    def plan(self) -> None:
        """Ask for the next event."""
        raise NotImplementedError

    def _enable(self, value: int) -> None:
        self.enabled |= value
        self.tell()

    def _disable(self, value: int) -> None:
        self.enabled &= ~value
        self.tell()

    def _clear_flags(self, value: int) -> None:
        self.latched &= ~value
        self.tell()


_DRE, _TXC, _RXC = 1, 2, 4
_SWRST, _ENABLE = 1, 2


class Sercom(_Interrupting):
    """A SERCOM as a USART with its own clock; SPI and I2C are not modelled."""

    CTRLA, CTRLB, BAUD, DATA = 0x00, 0x04, 0x0C, 0x28

    def __init__(self, number: int, clock: SystemClock, source: Source) -> None:
        registers = [
            _register(self.CTRLA, 4, "CTRLA"), _register(self.CTRLB, 4, "CTRLB"), _register(self.BAUD, 2, "BAUD"),
            _register(0x0E, 1, "RXPL"), _register(0x1A, 2, "STATUS", 0, 0), _register(0x1C, 4, "SYNCBUSY", 0, 0),
            _register(self.DATA, 2, "DATA", 0, 0), _register(0x30, 1, "DBGCTRL"),
        ]  # fmt: skip
        super().__init__(f"SERCOM{number}", 0x4200_0800 + 0x400 * number, registers, 9 + number, (0x14, 0x16, 0x18))
        self._ticks = Ticks(clock, source)
        self._out, self._in = Transmitter(self._ticks), Receiver(self._ticks, 2)
        self._in.is_on = lambda: self._is_on(17)
        self.loads[self.DATA] = self._read
        self.stores |= {
            self.CTRLA: self._control,
            self.CTRLB: lambda _: self._tune(),
            self.BAUD: lambda _: self._tune(),
            self.DATA: self._send,
        }
        for watched in (clock, source):
            watched.watch(self.plan)

    def receive(self, data: bytes) -> None:
        """Somebody sends these bytes."""
        self._in.offer(data)
        self.plan()

    def reset(self) -> None:
        """Off."""
        super().reset()
        self._out.clear()
        self._in.clear()

    def flags(self) -> int:
        """INTFLAG: DRE and RXC are levels."""
        is_free = self._is_on(16) and not self._out.is_full
        return self.latched | (_DRE if is_free else 0) | (_RXC if self._in.level else 0)

    def _is_on(self, bit: int) -> bool:
        return bool(self.words[self.CTRLA] & _ENABLE and self.words[self.CTRLB] >> bit & 1)

    def settle(self) -> None:
        """Frames that have ended, or come."""
        was_busy = self._out.is_busy
        self._out.settle()
        self._in.settle()
        if was_busy and not self._out.is_busy:
            self.latched |= _TXC
        self.tell()

    def plan(self) -> None:
        """The end of a frame."""
        ticks = [self._in.arrival, self._out.next_change if self.enabled & (_DRE | _TXC) else None]
        known = [tick for tick in ticks if tick is not None]
        self.schedule(self._ticks.cycle_of(min(known)) if known else None)
        self.tell()

    def _control(self, value: int) -> None:
        if value & _SWRST:
            self.reset()
        elif value & _ENABLE and value >> 2 & 7 != 1:
            self.bus.unmodelled(self, self.CTRLA, value, "a mode other than USART with internal clock")
        self._tune()

    def _tune(self) -> None:
        """Arithmetic or fractional baud generation, of 16 or 8 samples a bit: section 27.6.2.3."""
        mode, baud = self.words[self.CTRLA] >> 13 & 7, self.words[self.BAUD]
        samples = 16 if mode in (0, 1) else 8 if mode in (2, 3) else 3
        if mode in (1, 3):
            bit = samples * ((baud & 0x1FFF) + Fraction(baud >> 13, 8))
        else:
            bit = samples * Fraction(65_536, 65_536 - baud)
        control = self.words[self.CTRLB]
        size = {0: 8, 1: 9, 5: 5, 6: 6, 7: 7}.get(control & 7, 8)
        parity = self.words[self.CTRLA] >> 24 & 0xF == 1
        self._out.frame = self._in.frame = round(bit * (1 + size + parity + 1 + (control >> 6 & 1)))
        self._in.resume()

    def _send(self, value: int) -> None:
        if self._is_on(16) and self._out.send():
            self.latched &= ~_TXC
            self.bus.host.output(bytes((value & 0xFF,)), self.name)
        else:
            self.bus.unmodelled(self, self.DATA, value, "data while the transmitter is off or full: lost")

    def _read(self) -> int:
        value = self._in.read()
        self.plan()
        return value


_OVF, _SYNCRDY, _MC0 = 1, 8, 16
_PRESCALERS = (1, 2, 4, 8, 16, 64, 256, 1024)


class Tc(_Interrupting):
    """A TC of 16 bits that counts up: overflow and matches, with the period 0x10000 or CC0 + 1."""

    CTRLA, CTRLBCLR, CTRLBSET, COUNT, CC0 = 0x00, 0x04, 0x05, 0x10, 0x18

    def __init__(self, number: int, clock: SystemClock, source: Source) -> None:
        registers = [
            _register(self.CTRLA, 2, "CTRLA"), _register(0x02, 2, "READREQ"), _register(0x04, 1, "CTRLBCLR", 0, 0),
            _register(0x05, 1, "CTRLBSET", 0, 0), _register(0x06, 1, "CTRLC"), _register(0x08, 1, "DBGCTRL"),
            _register(0x0A, 2, "EVCTRL"), _register(0x0F, 1, "STATUS", 0, 0), _register(self.COUNT, 2, "COUNT", 0, 0),
            _register(self.CC0, 2, "CC0"), _register(self.CC0 + 2, 2, "CC1"),
        ]  # fmt: skip
        line, base = 18 + number - 3, 0x4200_2C00 + 0x400 * (number - 3)
        super().__init__(f"TC{number}", base, registers, line, (0x0C, 0x0D, 0x0E))
        self._counter = Counter(Ticks(clock, source))
        self._once = 0
        self.loads |= {self.COUNT: lambda: self._counter.value, 0x04: lambda: self._once, 0x05: lambda: self._once}
        self.stores |= {
            self.CTRLA: self._control, 0x04: lambda value: self._set_once(self._once & ~value),
            0x05: self._command, self.COUNT: lambda value: self._counter.restart(value),
            self.CC0: lambda _: self._tune(),
        }  # fmt: skip
        for watched in (clock, source):
            watched.watch(self.plan)

    def reset(self) -> None:
        """It stands at 0."""
        super().reset()
        self._once = 0
        self._counter.is_running = False
        self._counter.restart()
        self._tune()

    def flags(self) -> int:
        """INTFLAG: synchronised always."""
        return self.latched | _SYNCRDY

    def settle(self) -> None:
        """Overflows and matches."""
        before, wraps = self._counter.settle()
        for i in range(2):
            if self._counter.passed(before, wraps, self.words[self.CC0 + 2 * i]):
                self.latched |= _MC0 << i
        if wraps:
            self.latched |= _OVF
            if self._once & 4:
                self._counter.is_running = False
                self._counter.restart()
        self.tell()

    def plan(self) -> None:
        """The next overflow or match that an interrupt, or stopping, waits for."""
        counter = self._counter
        values = [counter.period] if self.enabled & _OVF or self._once & 4 else []
        values += [self.words[self.CC0 + 2 * i] for i in range(2) if self.enabled >> 4 + i & 1]
        cycles = [counter.cycle_of(value) for value in values if value <= counter.period]
        self.schedule(min((cycle for cycle in cycles if cycle is not None), default=None))
        self.tell()

    def _control(self, value: int) -> None:
        if value & _SWRST:
            self.reset()
            return
        if value & _ENABLE and value >> 2 & 3:
            self.bus.unmodelled(self, self.CTRLA, value, "counting 8 or 32 bits")
        self._counter.is_running = bool(value & _ENABLE)
        self._tune()

    def _tune(self) -> None:
        control = self.words[self.CTRLA]
        self._counter.prescale = _PRESCALERS[control >> 8 & 7]
        self._counter.period = self.words[self.CC0] + 1 if control >> 5 & 1 else 1 << 16

    def _command(self, value: int) -> None:
        if value & 1:
            self.bus.unmodelled(self, self.CTRLBSET, value, "counting down")
        self._set_once(self._once | value & 4)
        if value >> 6 == 1:
            self._counter.restart()
            self._counter.is_running = bool(self.words[self.CTRLA] & _ENABLE)
        elif value >> 6 == 2:
            self._counter.is_running = False

    def _set_once(self, value: int) -> None:
        self._once = value & 4


INTERRUPTS = (
    "PM SYSCTRL WDT RTC EIC NVMCTRL DMAC USB EVSYS SERCOM0 SERCOM1 SERCOM2 SERCOM3 SERCOM4 SERCOM5 TCC0 TCC1 TCC2 TC3 "
    "TC4 TC5 TC6 TC7 ADC AC DAC PTC I2S"
).split()
_BRIDGES = (0x4000_0000, 0x4100_0000, 0x4200_0000)


def build(host: Host) -> Board:
    """The peripherals of a SAM D21."""
    clock = SystemClock(RESET_HZ)
    sysctrl = Sysctrl()
    gclk = Gclk(sysctrl)
    sercoms = [Sercom(i, clock, gclk.channels[0x14 + i]) for i in range(6)]
    port = Port()
    timers = [Tc(i, clock, gclk.channels[(0x1B, 0x1C, 0x1C)[i - 3]]) for i in (3, 4, 5)]
    devices: list[Device] = [
        *(UnmodelledBlock(f"peripherals at {base:#010x}", base, 0x8000, has_aliases=False) for base in _BRIDGES),
        sysctrl, gclk, Pm(clock, gclk.generators[0]), Nvmctrl(clock), port, Iobus(port), *sercoms, *timers,
    ]  # fmt: skip
    receivers = {sercom.name: sercom for sercom in sercoms}
    return Board(Bus(host, clock, devices), clock, receivers, interrupts=tuple(INTERRUPTS))
