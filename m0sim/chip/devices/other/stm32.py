"""STM32F0, L0, G0 and what is made like them: RCC, FLASH_ACR, PWR, GPIO, USART and TIM.

Sources: ST RM0091 (F0), RM0367 (L0), RM0444 and RM0454 (G0): chapters RCC, FLASH, PWR, GPIO, TIM and USART; Puya
PY32F002B reference manual, the same chapters. Oscillators and PLLs are ready at once; HSE is 8 MHz, as on ST's boards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar

from m0sim.chip.devices.block import WORD, Block, Register
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.counter import Counter
from m0sim.chip.devices.line import Receiver, Transmitter

HSE_HZ = 8_000_000
_AHB_DIVISORS = (1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 8, 16, 64, 128, 256, 512)
_APB_DIVISORS = (1, 1, 1, 1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class Clocking:
    """Where a family's RCC has what; fields are (offset, bit)."""

    reset: Mapping[int, int]
    """By offset: registers that are not 0 after reset."""
    ready: tuple[tuple[int, int, int], ...]
    """Offset, ON bit and READY bit of each oscillator and PLL."""
    switch: tuple[int, int]
    """SW: the offset of its register, and its width. SWS is right above it."""
    ahb: tuple[int, int]
    apb: tuple[int, int]
    size: int = 0x80
    names: Mapping[int, str] = field(default_factory=dict)


class _AhbBlock(Block):
    """A block of the AHB: a narrow store changes the bytes that it stores, on the APB it comes in all lanes."""

    def store_narrow(self, offset: int, value: int, size: int) -> None:
        """Store 1 or 2 bytes."""
        word, shift, mask = offset & ~3, 8 * (offset & 3), (1 << 8 * size) - 1
        self.store(word, self.load(word) & ~(mask << shift) | (value & mask) << shift)


class Rcc(_AhbBlock):
    """The clock tree of one family. A family gives `frequency`: what SYSCLK is, of the registers."""

    CLOCKING: ClassVar[Clocking]

    def __init__(self, clock: SystemClock, base: int = 0x4002_1000) -> None:
        clocking = self.CLOCKING
        registers = [
            Register(offset, f"RCC+{offset:#04x}", clocking.reset.get(offset, 0))
            for offset in range(0, clocking.size, 4)
        ]
        super().__init__("RCC", base, registers)
        self.size, self.has_aliases = 0x400, False
        self._clocking = clocking
        self.sysclk, self.hclk = Source("SYSCLK"), clock
        self.pclk, self.timer_clock = Source("PCLK"), Source("TIMPCLK")
        for offset in {at for at, *_ in clocking.ready} | {clocking.switch[0]}:
            self.loads[offset] = lambda offset=offset: self._with_states(offset)  # type: ignore[misc]
        self.stores = {offset: lambda _: self.tune() for offset in self.registers}

    def reset(self) -> None:
        """The internal oscillator."""
        super().reset()
        self.tune()

    def frequency(self) -> Fraction:
        """SYSCLK, in hertz."""
        raise NotImplementedError

    def bits(self, offset: int, low: int, width: int) -> int:
        """A field of a register."""
        return self.words[offset] >> low & (1 << width) - 1

    def tune(self) -> None:
        """Set all clocks by the registers. The bus's clock is the processor's, HCLK."""
        sysclk = self.frequency()
        ahb, apb = self._clocking.ahb, self._clocking.apb
        hclk = sysclk / _AHB_DIVISORS[self.bits(*ahb, 4)]
        divisor = _APB_DIVISORS[self.bits(*apb, 3)]
        self.sysclk.set(sysclk)
        self.hclk.set(hclk)
        self.pclk.set(hclk / divisor)
        self.timer_clock.set(hclk / divisor * (1 if divisor == 1 else 2))

    def _with_states(self, offset: int) -> int:
        word = self.words[offset]
        for at, on, ready in self._clocking.ready:
            if at == offset:
                word = word & ~(1 << ready) | (word >> on & 1) << ready
        at, width = self._clocking.switch
        if at == offset:
            mask = (1 << width) - 1
            word = word & ~(mask << width) | (word & mask) << width
        return word


class RccF0(Rcc):
    """STM32F0: RM0091, section 6.4."""

    CR, CFGR, CFGR2, CFGR3 = 0x00, 0x04, 0x2C, 0x30
    CLOCKING = Clocking(
        reset={0x00: 0x83, 0x14: 0x14, 0x24: 0xC00_0000, 0x34: 0x80},
        ready=((0x00, 0, 1), (0x00, 16, 17), (0x00, 24, 25), (0x20, 0, 1), (0x24, 0, 1), (0x34, 0, 1), (0x34, 16, 17)),
        switch=(0x04, 2),
        ahb=(0x04, 4),
        apb=(0x04, 8),
    )

    def frequency(self) -> Fraction:
        """HSI 8 MHz, HSE, PLL or HSI48."""
        hsi, hse, hsi48 = Fraction(8_000_000), Fraction(HSE_HZ), Fraction(48_000_000)
        divider = self.bits(self.CFGR2, 0, 4) + 1
        inputs = (hsi / 2, hsi / divider, hse / divider, hsi48 / divider)
        pll = inputs[self.bits(self.CFGR, 15, 2)] * min(self.bits(self.CFGR, 18, 4) + 2, 16)
        return (hsi, hse, pll, hsi48)[self.bits(self.CFGR, 0, 2)]


class RccF031(RccF0):
    """STM32F03x: its PLL has one bit of PLLSRC, and no HSI48."""

    def frequency(self) -> Fraction:
        """HSI 8 MHz, HSE or PLL."""
        hsi, hse = Fraction(8_000_000), Fraction(HSE_HZ)
        source = hse / (self.bits(self.CFGR2, 0, 4) + 1) if self.bits(self.CFGR, 16, 1) else hsi / 2
        pll = source * min(self.bits(self.CFGR, 18, 4) + 2, 16)
        return (hsi, hse, pll, hsi)[self.bits(self.CFGR, 0, 2)]


class RccL0(Rcc):
    """STM32L0: RM0367, section 7.3."""

    CR, ICSCR, CFGR = 0x00, 0x04, 0x0C
    CLOCKING = Clocking(
        reset={0x00: 0x300, 0x04: 0xB000, 0x30: 0x100, 0x50: 0xC00_0000},
        ready=((0x00, 0, 2), (0x00, 8, 9), (0x00, 16, 17), (0x00, 24, 25), (0x08, 0, 1), (0x50, 0, 1), (0x50, 8, 9)),
        switch=(0x0C, 2),
        ahb=(0x0C, 4),
        apb=(0x0C, 11),
    )
    _MULTIPLIERS = (3, 4, 6, 8, 12, 16, 24, 32, 48)

    def frequency(self) -> Fraction:
        """MSI (2.097 MHz after reset), HSI16, HSE or PLL."""
        msi = Fraction(65_536 << min(self.bits(self.ICSCR, 13, 3), 6))
        hsi, hse = Fraction(16_000_000, 4 if self.bits(self.CR, 3, 1) else 1), Fraction(HSE_HZ)
        source = hse if self.bits(self.CFGR, 16, 1) else hsi
        multiplier = self._MULTIPLIERS[min(self.bits(self.CFGR, 18, 4), 8)]
        pll = source * multiplier / (self.bits(self.CFGR, 22, 2) + 1)
        return (msi, hsi, hse, pll)[self.bits(self.CFGR, 0, 2)]


class RccG0(Rcc):
    """STM32G0: RM0444, section 5.4. HSI16, divided by HSIDIV."""

    CR, CFGR, PLLCFGR = 0x00, 0x08, 0x0C
    HSI = 16_000_000
    CLOCKING = Clocking(
        reset={0x00: 0x500, 0x0C: 0x1000, 0x38: 0x100},
        ready=((0x00, 8, 10), (0x00, 16, 17), (0x00, 24, 25), (0x5C, 0, 1), (0x60, 0, 1)),
        switch=(0x08, 3),
        ahb=(0x08, 8),
        apb=(0x08, 12),
    )

    def frequency(self) -> Fraction:
        """HSI16, HSE, PLL, LSI or LSE."""
        hsi, hse = Fraction(self.HSI), Fraction(HSE_HZ)
        source = hse if self.bits(self.PLLCFGR, 0, 2) == 3 else hsi
        vco = source / (self.bits(self.PLLCFGR, 4, 3) + 1) * self.bits(self.PLLCFGR, 8, 7)
        pll = vco / (self.bits(self.PLLCFGR, 29, 3) + 1)
        divided = hsi / (1 << self.bits(self.CR, 11, 3))
        choices = (divided, hse, pll, Fraction(32_000), Fraction(32_768))
        return choices[min(self.bits(self.CFGR, 0, 3), 4)]


class RccPy32(RccG0):
    """PY32F002B: laid out as an STM32G0's, with an HSI of 24 MHz and no PLL."""

    HSI = 24_000_000


class Storage(_AhbBlock):
    """Registers that are stored and read back; bits that hardware sets can be fixed."""

    def __init__(self, name: str, base: int, size: int = 0x400, fixed: Mapping[int, int] | None = None) -> None:
        fixed = fixed or {}
        registers = [
            Register(at, f"{name}+{at:#04x}", fixed.get(at, 0), 0 if at in fixed else WORD) for at in range(0, size, 4)
        ]
        super().__init__(name, base, registers)
        self.size, self.has_aliases = size, False


class Gpio(_AhbBlock):
    """A port: what ODR drives is read back in IDR; other pins read as their pull, 0 without one."""

    MODER, PUPDR, IDR, ODR, BSRR, BRR = 0x00, 0x0C, 0x10, 0x14, 0x18, 0x28

    def __init__(self, letter: str, base: int, moder: int = 0) -> None:
        names = ("MODER", "OTYPER", "OSPEEDR", "PUPDR", "IDR", "ODR", "BSRR", "LCKR", "AFRL", "AFRH", "BRR")
        read_only = {self.IDR: 0, self.BSRR: 0, self.BRR: 0}
        registers = [Register(4 * i, name, 0, read_only.get(4 * i, WORD)) for i, name in enumerate(names)]
        registers[0] = Register(0, "MODER", moder)
        super().__init__(f"GPIO{letter}", base, registers)
        self.size, self.has_aliases = 0x400, False
        self.outside: dict[int, int] = {}
        """What the world drives, by pin."""
        self.loads = {self.IDR: self._levels, self.BSRR: lambda: 0, self.BRR: lambda: 0}
        self.stores = {self.BSRR: self._set_reset, self.BRR: self._reset_bits}

    def _levels(self) -> int:
        levels = 0
        for pin in range(16):
            mode, pull = self.words[self.MODER] >> 2 * pin & 3, self.words[self.PUPDR] >> 2 * pin & 3
            level = self.words[self.ODR] >> pin & 1 if mode == 1 else self.outside.get(pin, int(pull == 1))
            levels |= level << pin
        return levels

    def _set_reset(self, value: int) -> None:
        self.words[self.ODR] = (self.words[self.ODR] & ~(value >> 16) | value) & 0xFFFF

    def _reset_bits(self, value: int) -> None:
        self.words[self.ODR] &= ~value & 0xFFFF


@dataclass(frozen=True, slots=True)
class UsartLayout:
    """Where a USART has its registers: the newer kind has two data registers, the older one."""

    status: int
    receive: int
    transmit: int
    divisor: int
    control: tuple[int, int, int]
    enable: int
    """Bit of CR1 that turns it on."""
    clear: int | None = None
    names: Mapping[int, str] = field(default_factory=dict)


NEWER = UsartLayout(
    0x1C, 0x24, 0x28, 0x0C, (0x00, 0x04, 0x08), 0, 0x20,
    {0x00: "CR1", 0x04: "CR2", 0x08: "CR3", 0x0C: "BRR", 0x10: "GTPR", 0x14: "RTOR", 0x18: "RQR", 0x1C: "ISR",
     0x20: "ICR", 0x24: "RDR", 0x28: "TDR", 0x2C: "PRESC"},
)  # fmt: skip
OLDER = UsartLayout(
    0x00, 0x04, 0x04, 0x08, (0x0C, 0x10, 0x14), 13, None,
    {0x00: "SR", 0x04: "DR", 0x08: "BRR", 0x0C: "CR1", 0x10: "CR2", 0x14: "CR3", 0x18: "GTPR"},
)  # fmt: skip
_ORE, _RXNE, _TC, _TXE, _TEACK, _REACK = 1 << 3, 1 << 5, 1 << 6, 1 << 7, 1 << 21, 1 << 22
_RE, _TE, _OVER8, _PCE, _M0, _M1, _FIFOEN = 1 << 2, 1 << 3, 1 << 15, 1 << 10, 1 << 12, 1 << 28, 1 << 29


class Usart(Block):
    """Asynchronous, without FIFOs, DMA, flow control, or the other things that a USART can be."""

    def __init__(
        self, name: str, base: int, line: int, clock: SystemClock, source: Source, layout: UsartLayout
    ) -> None:
        registers = [
            Register(
                offset,
                f"USART_{register}",
                writable=0 if offset in (layout.status, layout.receive, layout.transmit) else WORD,
            )
            for offset, register in layout.names.items()
        ]
        super().__init__(name, base, registers)
        self.size, self.has_aliases = 0x400, False
        self._line, self._layout = line, layout
        self._ticks = Ticks(clock, source)
        self._out, self._in = Transmitter(self._ticks), Receiver(self._ticks)
        self._in.is_on = lambda: self._is_on(_RE)
        self._complete = True
        for watched in (clock, source):
            watched.watch(self._plan)
        self.loads = {layout.status: self._status, layout.receive: self._read}
        self.stores = {layout.transmit: self._write, layout.divisor: lambda _: self._tune()}
        self.stores |= dict.fromkeys(layout.control, lambda _: self._tune())
        if layout.clear is not None:
            self.stores[layout.clear] = self._clear
            self.loads[layout.clear] = lambda: 0
        self.volatile = {layout.receive}

    def receive(self, data: bytes) -> None:
        """Somebody sends these bytes."""
        self._settle()
        self._in.offer(data)
        self._plan()

    def reset(self) -> None:
        """Off."""
        super().reset()
        self._out.clear()
        self._in.clear()
        self._in.overruns, self._complete = 0, True
        self.bus.host.set_line(self._line, False)

    def load(self, offset: int) -> int:
        """The register at `offset`, as of now."""
        self._settle()
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        self._settle()
        super().store(offset, value)
        self._plan()

    def at(self) -> None:
        """A frame has ended, or come."""
        self._settle()
        self._plan()

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """The status stays until a frame ends, or has come."""
        is_steady, until = super().steady(offset)
        ticks = [tick for tick in (self._in.arrival, self._out.next_change) if tick is not None]
        if offset == self._layout.status and ticks:
            until = self._ticks.cycle_of(min(ticks))
        return is_steady, until

    def _is_on(self, direction: int) -> bool:
        control = self.words[self._layout.control[0]]
        return bool(control >> self._layout.enable & 1) and bool(control & direction)

    def _settle(self) -> None:
        was_busy = self._out.is_busy
        self._out.settle()
        self._in.settle()
        if was_busy and not self._out.is_busy:
            self._complete = True
        self._tell()

    def _plan(self) -> None:
        """Ends of frames sent matter to interrupts only."""
        control = self.words[self._layout.control[0]]
        ticks = [self._in.arrival, self._out.next_change if control & (_TXE | _TC) else None]
        known = [tick for tick in ticks if tick is not None]
        self.schedule(self._ticks.cycle_of(min(known)) if known else None)
        self._tell()

    def _tell(self) -> None:
        control = self.words[self._layout.control[0]]
        status = self._status()
        wanted = control & (_RXNE | _TC | _TXE)
        requested = status & wanted or (control & _RXNE and status & _ORE)
        self.bus.host.set_line(self._line, bool(requested and control >> self._layout.enable & 1))

    def _tune(self) -> None:
        layout = self._layout
        control, control2 = self.words[layout.control[0]], self.words[layout.control[1]]
        divisor = self.words[layout.divisor] & 0xFFFF
        if control & _OVER8:
            divisor = (divisor & ~0xF | (divisor & 7) << 1) // 2
        if control & _FIFOEN and layout is NEWER:
            self.bus.unmodelled(self, layout.control[0], control, "FIFO mode")
        bits = 8 + bool(control & _M0) - bool(control & _M1 and layout is NEWER)
        stop = {0: 1, 1: 1, 2: 2, 3: 2}[control2 >> 12 & 3]
        self._out.frame = self._in.frame = divisor * (1 + bits + stop)
        self._in.resume()

    def _status(self) -> int:
        flags = (_RXNE if self._in.level else 0) | (_TC if self._complete and not self._out.is_busy else 0)
        flags |= (0 if self._out.is_full else _TXE) | (_ORE if self._in.overruns else 0)
        if self._layout is NEWER:
            flags |= (_TEACK if self._is_on(_TE) else 0) | (_REACK if self._is_on(_RE) else 0)
        return flags

    def _write(self, value: int) -> None:
        if not self._is_on(_TE):
            self.bus.unmodelled(self, self._layout.transmit, value, "data while the transmitter is off")
        elif self._out.send():
            self._complete = False
            self.bus.host.output(bytes((value & 0xFF,)), self.name)

    def _read(self) -> int:
        value = self._in.read()
        if self._layout is OLDER:
            self._in.overruns = 0
        self._plan()
        return value

    def _clear(self, value: int) -> None:
        if value & _ORE:
            self._in.overruns = 0
        if value & _TC:
            self._complete = False


_CEN, _UDIS, _URS, _OPM, _DIR, _ARPE, _CMS = 1, 2, 4, 8, 16, 1 << 7, 3 << 5
_UIF, _UG = 1, 1


class Tim(Block):
    """Counting up: prescaler, period, update and compare interrupts. Outputs, captures, other clocks are not there."""

    CR1, SMCR, DIER, SR, EGR, CNT, PSC, ARR, CCR1 = 0x00, 0x08, 0x0C, 0x10, 0x14, 0x24, 0x28, 0x2C, 0x34

    def __init__(
        self, name: str, base: int, lines: tuple[int, ...], clock: SystemClock, source: Source, bits: int = 16
    ) -> None:
        """`lines` are the interrupts of updates and, where it has another one, of compare matches."""
        mask = (1 << bits) - 1
        names = {
            0x00: "CR1", 0x04: "CR2", 0x08: "SMCR", 0x0C: "DIER", 0x10: "SR", 0x14: "EGR", 0x18: "CCMR1", 0x1C: "CCMR2",
            0x20: "CCER", 0x24: "CNT", 0x28: "PSC", 0x2C: "ARR", 0x30: "RCR", 0x34: "CCR1", 0x38: "CCR2", 0x3C: "CCR3",
            0x40: "CCR4", 0x44: "BDTR", 0x48: "DCR", 0x4C: "DMAR",
        }  # fmt: skip
        noted = {self.SMCR, 0x20, 0x30, 0x44, 0x48, 0x4C}
        writable = {self.EGR: 0, self.SR: 0, self.CNT: 0}
        registers = [
            Register(at, f"{name}_{register}", mask * (at == self.ARR), writable.get(at, WORD), effect=at not in noted)
            for at, register in names.items()
        ]
        super().__init__(name, base, registers)
        self.size, self.has_aliases = 0x400, False
        self._lines = lines
        self._counter = Counter(Ticks(clock, source), mask + 1)
        self._mask, self._flags = mask, 0
        for watched in (clock, source):
            watched.watch(self._plan)
        self.loads = {self.CNT: lambda: self._counter.value, self.SR: lambda: self._flags, self.EGR: lambda: 0}
        self.stores = {
            self.CR1: self._control,
            self.CNT: lambda value: self._counter.restart(value & mask),
            self.SR: self._clear,
            self.EGR: self._event,
            self.ARR: lambda _: None if self.words[self.CR1] & _ARPE else self._take_period(),
        }
        self.volatile = {self.CNT}

    def reset(self) -> None:
        """It stands at 0."""
        super().reset()
        self._flags = 0
        self._counter.is_running = False
        self._counter.restart()
        self._counter.prescale, self._counter.period = 1, self._mask + 1
        self._tell()

    def load(self, offset: int) -> int:
        """The register at `offset`, as of now."""
        self._settle()
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        self._settle()
        super().store(offset, value)
        self._plan()

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """Flags stay until the next update or match."""
        is_steady, until = super().steady(offset)
        if offset == self.SR:
            values = [self._counter.period, *(self.words[self.CCR1 + 4 * i] & self._mask for i in range(4))]
            cycles = [self._counter.cycle_of(value) for value in values if value <= self._counter.period]
            until = min((cycle for cycle in cycles if cycle is not None), default=None)
        return is_steady, until

    def at(self) -> None:
        """An update or a match."""
        self._settle()
        self._plan()

    def _settle(self) -> None:
        counter = self._counter
        before, wraps = counter.settle()
        for channel in range(4):
            if counter.passed(before, wraps, self.words[self.CCR1 + 4 * channel] & self._mask):
                self._flags |= 2 << channel
        if wraps and not self.words[self.CR1] & _UDIS:
            self._flags |= _UIF
            self._take_preloads()
            if self.words[self.CR1] & _OPM:
                self.words[self.CR1] &= ~_CEN
                counter.is_running = False
                counter.restart()
        self._tell()

    def _take_period(self) -> None:
        self._counter.period = (self.words[self.ARR] & self._mask) + 1

    def _take_preloads(self) -> None:
        self._take_period()
        self._counter.prescale = (self.words[self.PSC] & 0xFFFF) + 1

    def _plan(self) -> None:
        """The next event: an update always, for preloads; a match where its interrupt is enabled."""
        counter, enabled = self._counter, self.words[self.DIER]
        needs_update = enabled & _UIF or self.words[self.CR1] & _OPM or self._has_preload()
        cycles = [counter.cycle_of(counter.period)] if needs_update else []
        for channel in range(4):
            if enabled >> 1 + channel & 1:
                value = self.words[self.CCR1 + 4 * channel] & self._mask
                cycles.append(counter.cycle_of(value) if value < counter.period else None)
        known = [cycle for cycle in cycles if cycle is not None]
        self.schedule(min(known, default=None))
        self._tell()

    def _has_preload(self) -> bool:
        counter = self._counter
        period, prescale = (self.words[self.ARR] & self._mask) + 1, (self.words[self.PSC] & 0xFFFF) + 1
        return (counter.period, counter.prescale) != (period, prescale)

    def _tell(self) -> None:
        requested = self._flags & self.words[self.DIER] & 0x1F
        if len(self._lines) == 1:
            self.bus.host.set_line(self._lines[0], requested != 0)
        else:
            self.bus.host.set_line(self._lines[0], bool(requested & _UIF))
            self.bus.host.set_line(self._lines[1], bool(requested & ~_UIF))

    def _control(self, value: int) -> None:
        if value & (_DIR | _CMS):
            self.bus.unmodelled(self, self.CR1, value, "counting down or both ways")
        self._counter.is_running = bool(value & _CEN)

    def _clear(self, value: int) -> None:
        self._flags &= value

    def _event(self, value: int) -> None:
        if value & _UG:
            self._take_preloads()
            self._counter.restart()
            if not self.words[self.CR1] & (_URS | _UDIS):
                self._flags |= _UIF
        self._flags |= value & 0x1E
