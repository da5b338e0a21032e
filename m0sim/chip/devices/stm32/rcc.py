"""RCC: oscillators, PLL, system clock, bus clocks, enables and resets of blocks.

RM0444, chapter 5 (STM32G0); RM0367, chapter 7 (L0); RM0091, chapter 6 (F0). What differs is in the family's `Layout`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

from m0sim.chip.devices.block import Register
from m0sim.chip.devices.clock import Source, SystemClock
from m0sim.chip.devices.stm32.peripheral import Peripheral

Words = Mapping[int, int]
Frequencies = Mapping[str, Fraction]


@dataclass(frozen=True, slots=True)
class Bit:
    """A bit of a register."""

    offset: int
    bit: int


@dataclass(frozen=True, slots=True)
class Field:
    """Bits of a register, and what each value of them means. Values that are not there mean the last one."""

    offset: int
    shift: int
    meanings: tuple[str, ...]

    def read(self, words: Words) -> str:
        """The meaning of what is in the register."""
        return self.meanings[min(self.value(words), len(self.meanings) - 1)]

    def value(self, words: Words) -> int:
        """What is in the register."""
        return words[self.offset] >> self.shift & (1 << (len(self.meanings) - 1).bit_length()) - 1


@dataclass(frozen=True, slots=True)
class Oscillator:
    """An oscillator, or the PLL: how it is turned on, and what it gives after which time."""

    on: Bit
    ready: Bit
    frequency: Callable[[Words, Frequencies], Fraction]
    """From the registers, and what the oscillators before it give."""
    seconds: Fraction
    """Until it is ready."""
    needs: Callable[[Words], str] = field(default=lambda words: "")
    """The oscillator that it is made from, if any."""


def fixed(on: Bit, ready: Bit, hz: int, microseconds: Fraction | int) -> Oscillator:
    """An oscillator of one frequency, ready after that time."""
    return Oscillator(on, ready, lambda words, given: Fraction(hz), Fraction(microseconds) / 1_000_000)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a family has what."""

    registers: tuple[Register, ...]
    oscillators: Mapping[str, Oscillator]
    """Those that others are made from first."""
    on_after_reset: str
    system: Field
    """SW."""
    status_shift: int
    """SWS, in the same register."""
    ahb_shift: int
    """HPRE, in the same register."""
    apb_shifts: tuple[int, ...]
    """PPRE, or PPRE1 and PPRE2."""
    kernels: Mapping[str, Field]
    """By USART: its clock, where it can be chosen. `pclk` is its bus's."""
    setting: Callable[[Words], object]
    """What must not be changed while the PLL is on."""


class Rcc(Peripheral):
    """Clocks switch at once, or when what they switch to is ready. Flags of interrupts of RCC never come."""

    is_on_apb = False

    def __init__(self, layout: Layout, clock: SystemClock) -> None:
        super().__init__("RCC", 0x4002_1000, layout.registers)
        self._layout, self._clock = layout, clock
        self.sources = {name: Source(name) for name in (*layout.oscillators, "sysclk")}
        """What oscillators give, and SYSCLK."""
        self.buses = tuple(Source(f"pclk{i + 1}") for i in range(len(layout.apb_shifts)))
        self.timers = tuple(Source(f"timclk{i + 1}") for i in range(len(layout.apb_shifts)))
        """Clocks of the timers on each bus: twice the bus's where that is divided (RM0444, 5.2)."""
        self.kernels: dict[str, tuple[Field, Source, int]] = {}
        self._ready: set[str] = set()
        self._coming: dict[str, Fraction] = {}
        self._system = layout.on_after_reset
        self._gates: dict[Bit, Peripheral] = {}
        self._resets: dict[Bit, Peripheral] = {}
        self._setting: object = None
        for oscillator in layout.oscillators.values():
            self._overlay(oscillator.on.offset)
            self._overlay(oscillator.ready.offset)
        self._overlay(layout.system.offset)
        self.stores = dict.fromkeys(self.registers, self._changed)

    # -- what is wired to it

    def kernel(self, name: str, bus: int) -> Source:
        """The clock that a USART counts bits with."""
        if name not in self._layout.kernels:
            return self.buses[bus]
        source = Source(f"{name} kernel")
        self.kernels[name] = (self._layout.kernels[name], source, bus)
        return source

    def gate(self, block: Peripheral, enable: Bit | None, reset: Bit | None) -> None:
        """A block whose clock one bit gates and that another resets."""
        if enable is not None:
            self._gates[enable] = block
            self.stores[enable.offset] = self._enable
        if reset is not None:
            self._resets[reset] = block
            self.stores[reset.offset] = self._reset_blocks

    # -- the block

    def reset(self) -> None:
        """One oscillator is on, and is the system clock."""
        super().reset()
        self._system = self._layout.on_after_reset
        self._ready, self._coming = self._in_use(), {}
        self._setting = self._layout.setting(self.words)
        self._enable(0)
        self._tune()

    def at(self) -> None:
        """An oscillator is ready."""
        now = self._clock.seconds()
        for name, when in list(self._coming.items()):
            if when <= now:
                del self._coming[name]
                self._ready.add(name)
        self._switch()

    # -- registers

    def _overlay(self, offset: int) -> None:
        self.loads[offset] = partial(self._read, offset)

    def _read(self, offset: int) -> int:
        """A register with what hardware has in it: ready flags, and the clock that is in use."""
        value = self.words[offset]
        for name, oscillator in self._layout.oscillators.items():
            ready = oscillator.ready
            if ready.offset == offset:
                value = value & ~(1 << ready.bit) | (name in self._ready) << ready.bit
        system = self._layout.system
        if system.offset == offset:
            mask = (1 << (len(system.meanings) - 1).bit_length()) - 1
            used = system.meanings.index(self._system)
            value = value & ~(mask << self._layout.status_shift) | used << self._layout.status_shift
        return value

    def _changed(self, _: int) -> None:
        setting = self._layout.setting(self.words)
        pll = self._layout.oscillators.get("pll")
        has_begun = pll is not None and self._is_on(pll) and "pll" in self._ready | self._coming.keys()
        if has_begun and setting != self._setting:
            offset = self._layout.system.offset
            self.bus.unmodelled(self, offset, self.words[offset], "the PLL set while it is on")
        self._setting = setting
        self._switch()

    def _enable(self, _: int) -> None:
        for bit, block in self._gates.items():
            is_clocked = bool(self.words[bit.offset] >> bit.bit & 1)
            if is_clocked != block.is_clocked:
                block.is_clocked = is_clocked
                self.bus.changed(block)

    def _reset_blocks(self, _: int) -> None:
        for bit, block in self._resets.items():
            if self.words[bit.offset] >> bit.bit & 1:
                block.reset()
                self.bus.changed(block)

    # -- clocks

    def _is_on(self, oscillator: Oscillator) -> bool:
        return bool(self.words[oscillator.on.offset] >> oscillator.on.bit & 1)

    def _switch(self) -> None:
        """Start what is turned on, stop what is turned off, and take what is selected if it is ready."""
        oscillators = self._layout.oscillators
        for name in self._in_use():
            on = oscillators[name].on
            self.words[on.offset] |= 1 << on.bit  # what the system clock is made from cannot be turned off
        for name, oscillator in oscillators.items():
            if not self._is_on(oscillator):
                self._ready.discard(name)
                self._coming.pop(name, None)
            elif name not in self._ready and name not in self._coming:
                self._start(name, oscillator)
        wanted = self._layout.system.read(self.words)
        if wanted in self._ready:
            self._system = wanted
        self._tune()
        self._plan()

    def _start(self, name: str, oscillator: Oscillator) -> None:
        """It takes its time, from when what it is made from is ready."""
        needed = oscillator.needs(self.words)
        begins = self._clock.seconds()
        if needed and needed not in self._ready:
            if needed not in self._coming:
                return
            begins = self._coming[needed]
        self._coming[name] = begins + oscillator.seconds

    def _in_use(self) -> set[str]:
        needed = self._layout.oscillators[self._system].needs(self.words)
        return {self._system, needed} if needed else {self._system}

    def _plan(self) -> None:
        self.schedule(None)
        if self._coming:
            self.schedule_in(min(self._coming.values()) - self._clock.seconds())

    def _tune(self) -> None:
        """Set all frequencies."""
        layout, given = self._layout, dict[str, Fraction]()
        for name, oscillator in layout.oscillators.items():
            given[name] = oscillator.frequency(self.words, given) if name in self._ready else Fraction(0)
        sysclk = given["sysclk"] = given[self._system]
        cfgr = self.words[layout.system.offset]
        hclk = sysclk / _ahb_divider(cfgr >> layout.ahb_shift & 0xF)
        if not hclk:
            self.bus.host.halt(f"the system clock is {self._system}, which stands still as RCC is set")
            return
        for name, source in self.sources.items():
            source.set(given[name])
        for bus, timer, shift in zip(self.buses, self.timers, layout.apb_shifts, strict=True):
            divider = _apb_divider(cfgr >> shift & 7)
            bus.set(hclk / divider)
            timer.set(hclk / divider * (1 if divider == 1 else 2))
        for choice, source, number in self.kernels.values():
            name = choice.read(self.words)
            source.set(self.buses[number].hz if name == "pclk" else given[name])
        self._clock.set(hclk)


def _ahb_divider(hpre: int) -> int:
    """RM0444, 5.4.3: HPRE."""
    return (2, 4, 8, 16, 64, 128, 256, 512)[hpre & 7] if hpre & 8 else 1


def _apb_divider(ppre: int) -> int:
    """RM0444, 5.4.3: PPRE."""
    return 2 << (ppre & 3) if ppre & 4 else 1
