"""Timers as counters with an update interrupt: RM0444, chapters 21 to 26; RM0367, 20 to 22; RM0091, 17 to 21.

Modelled: counting up, PSC, ARR with and without preload, update events, UIF and its interrupt, URS, UDIS, UG, one-pulse
mode, UIF's copy in CNT, matches of CCR1 to CCR4 with their interrupts. Not modelled, and noted where it is turned on:
counting down or to the centre, slave modes, capture, outputs, preload of CCR, repetition, DMA.
"""

from __future__ import annotations

from collections.abc import Sequence

from m0sim.chip.devices.block import Register
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.requests import RequestLine
from m0sim.chip.devices.stm32.peripheral import Peripheral

_CEN, _UDIS, _URS, _OPM, _ARPE, _UIFREMAP = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 7, 1 << 11
_CR1_UNUSED = 1 << 4 | 3 << 5
"""DIR and CMS; CKD is of inputs only."""
_UIF, _UG = 1, 1
_UIFCPY = 1 << 31
_START = 1
"""Clocks from CEN to the counter's first: RM0444, 21.3.3, "the counter starts counting 1 clock cycle after"."""
_MORE_REGISTERS = (
    (0x08, "SMCR"), (0x18, "CCMR1"), (0x1C, "CCMR2"), (0x20, "CCER"), (0x30, "RCR"), (0x44, "BDTR"), (0x48, "DCR"),
    (0x4C, "DMAR"), (0x50, "OR1"), (0x54, "CCMR3"), (0x58, "CCR5"), (0x5C, "CCR6"), (0x60, "AF1"), (0x64, "AF2"),
    (0x68, "TISEL"),
)  # fmt: skip
_ALL_FLAGS = 0x1F
"""UIF and CC1IF to CC4IF, and in DIER what enables their interrupts."""


class Timer(Peripheral):
    """One timer, of 16 or 32 bits, counting the ticks of its clock."""

    CR1, CR2, DIER, SR, EGR, CNT, PSC, ARR = 0x00, 0x04, 0x0C, 0x10, 0x14, 0x24, 0x28, 0x2C

    CCR1 = 0x34

    def __init__(
        self, name: str, base: int, lines: Sequence[RequestLine], clock: SystemClock, source: Source, *, bits: int,
        channels: int,
    ) -> None:  # fmt: skip
        """`lines` are the interrupts of updates and of matches, which most have on one. A basic one has no channels."""
        most = (1 << bits) - 1
        more = () if channels == 0 else tuple(Register(offset, name) for offset, name in _MORE_REGISTERS)
        super().__init__(
            name,
            base,
            (
                Register(self.CR1, "CR1", writable=0xBFF),
                Register(self.CR2, "CR2"),
                Register(self.DIER, "DIER", writable=0x7FFF),
                Register(self.SR, "SR", writable=0),
                Register(self.EGR, "EGR", writable=0),
                Register(self.CNT, "CNT", writable=0),
                Register(self.PSC, "PSC", writable=0xFFFF),
                Register(self.ARR, "ARR", most, writable=most),
                *(Register(self.CCR1 + 4 * i, f"CCR{i + 1}", writable=most) for i in range(channels)),
                *more,
            ),
        )
        self._lines = lines
        self._ticks = Ticks(clock, source)
        self._bits, self._channels = bits, channels
        self._origin = 0
        """The tick at which the count was 0 while it counts; where it stands still, ticks since then."""
        self._held = 0
        """Ticks since the count was 0 when it began to run: it does not go back in the clock before it counts."""
        self._runs = False
        self._flags = 0
        """SR."""
        self._looked = 0
        """The count up to which matches have been looked for."""
        self._is_beyond = False
        """The count is above ARR: it goes through all bits before it is 0, without an update."""
        self._prescale, self._reload = 1, most
        """The shadow registers: a count takes so many ticks, and the last one before 0."""
        clock.watch(self._plan)
        source.watch(self._plan)
        self.loads = {self.CR1: self._read_control, self.SR: self._status, self.CNT: self._read_count}
        self.stores = {
            self.CR1: self._control,
            self.DIER: self._enable,
            self.SR: self._clear,
            self.EGR: self._generate,
            self.CNT: self._set_count,
            self.ARR: self._set_reload,
        }
        self.inert(self.CR2, *(register.offset for register in more))
        self.volatile = {self.CR1, self.SR, self.CNT}

    # -- the block

    def reset(self) -> None:
        """At 0, standing still."""
        super().reset()
        self._origin, self._held, self._runs, self._flags = 0, 0, False, 0
        self._looked, self._is_beyond = 0, False
        self._prescale, self._reload = 1, (1 << self._bits) - 1
        self._tell()

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`, with all that has come until now."""
        self._settle()
        super().store(offset, value)
        self._is_beyond = self._count() > self._reload
        self._plan()

    def at(self) -> None:
        """Something that an interrupt waits for."""
        self._plan()

    # -- counting

    def _elapsed(self) -> int:
        """Ticks of the prescaler's clock since the count was 0."""
        return max(self._held, self._ticks.count() - self._origin) if self._runs else self._origin

    def _count(self) -> int:
        return self._elapsed() // self._prescale

    def _round(self) -> int:
        """Ticks from 0 to 0."""
        return (1 << self._bits if self._is_beyond else self._reload + 1) * self._prescale

    def _settle(self) -> None:
        """Make the matches and updates that have come until now."""
        while self._runs and self._reload:
            ticks = self._round()
            if self._elapsed() < ticks:
                self._look(self._looked + 1, self._count())
                self._looked = self._count()
                return
            self._look(self._looked + 1, ticks // self._prescale - 1)
            self._origin += ticks
            self._held = 0
            self._looked = -1
            if not self._is_beyond and not self.words[self.CR1] & _UDIS:
                self._update()
            self._is_beyond = False
            self._skip_rounds()

    def _update(self) -> None:
        self._flags |= _UIF
        self._load_shadows()
        if self.words[self.CR1] & _OPM:
            self.words[self.CR1] &= ~_CEN
            self._runs, self._origin = False, 0
            self._look(0, 0)

    def _skip_rounds(self) -> None:
        """Pass over as many more rounds as there were: each is like the one before, and UIF is set already."""
        ticks = (self._reload + 1) * self._prescale
        if self._runs and self._reload and self._elapsed() >= ticks:
            self._look(0, self._reload)
            self._origin += self._elapsed() // ticks * ticks

    def _look(self, first: int, last: int) -> None:
        """The count has been all of these: which channels match one?"""
        for channel in range(self._channels):
            if first <= self.words[self.CCR1 + 4 * channel] <= last:
                self._flags |= 2 << channel

    def _load_shadows(self) -> None:
        self._prescale, self._reload = self.words[self.PSC] + 1, self.words[self.ARR]

    def _plan(self) -> None:
        """Ask for the next cycle in which something comes that an interrupt waits for."""
        self._settle()
        self._tell()
        awaited = self.words[self.DIER] & ~self._flags & _ALL_FLAGS
        if not awaited or not self._runs or not self._reload:
            self.schedule(None)
            return
        count, end = self._count(), self._origin + self._round()
        compares = [self.words[self.CCR1 + 4 * i] for i in range(self._channels) if awaited >> 1 + i & 1]
        ticks = [self._origin + value * self._prescale for value in compares if count < value]
        self.schedule(self._ticks.cycle_of(min([*ticks, end])))

    def _tell(self) -> None:
        wanted = self.words[self.DIER] & self._flags
        self._lines[0].set((self, "update"), bool(wanted & _UIF))
        self._lines[-1].set((self, "match"), bool(wanted & ~_UIF))

    # -- registers

    def _read_control(self) -> int:
        self._settle()
        return self.words[self.CR1]

    def _status(self) -> int:
        self._settle()
        return self._flags

    def _read_count(self) -> int:
        self._settle()
        if self.words[self.CR1] & _UIFREMAP:
            return self._count() & ~_UIFCPY | (_UIFCPY if self._flags & _UIF else 0)
        return self._count()

    def _control(self, cr1: int) -> None:
        self.unused(self.CR1, _CR1_UNUSED, "counting down or to the centre")
        runs = bool(cr1 & _CEN)
        if not cr1 & _ARPE:
            self._reload = self.words[self.ARR]
        if runs == self._runs:
            return
        if runs:
            self._held = self._origin
            self._origin = self._ticks.count() + _START - self._held
            self._runs = True
        else:
            self._origin = self._elapsed()
            self._runs = False

    def _enable(self, _: int) -> None:
        self.unused(self.DIER, ~((2 << self._channels) - 1), "interrupts of triggers and breaks, or DMA")

    def _clear(self, value: int) -> None:
        self._flags &= value

    def _generate(self, value: int) -> None:
        if value & 0xE0:
            self.bus.unmodelled(self, self.EGR, value, "events other than UG and those of channels")
        self._flags |= value & (2 << self._channels) - 2
        if not value & _UG:
            return
        self._set_count(0)
        if self.words[self.CR1] & _UDIS:
            return
        self._load_shadows()
        if not self.words[self.CR1] & _URS:
            self._flags |= _UIF

    def _set_count(self, value: int) -> None:
        elapsed = (value & (1 << self._bits) - 1) * self._prescale
        self._origin = self._ticks.count() - elapsed if self._runs else elapsed
        self._held = 0
        self._looked = value & (1 << self._bits) - 1

    def _set_reload(self, _: int) -> None:
        if not self.words[self.CR1] & _ARPE:
            self._reload = self.words[self.ARR]
