"""TIMG and TIMA as counters: SLAU846, chapter TIMx.

Modelled: counting down and up, once or again and again, CLKSEL, CLKDIV, CPS, the events zero, load, and compare of two
channels. Not modelled, and noted where it is turned on: counting up and down, capture, outputs, triggers, QEI, faults.
"""

from __future__ import annotations

from functools import partial

from m0sim.chip.devices.block import Register
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.counter import Counter
from m0sim.chip.devices.mspm0.peripheral import ClockChoice, Events, Peripheral
from m0sim.chip.devices.requests import RequestLine

_EN, _REPEAT, _UP_DOWN, _UP = 1, 7 << 1, 1 << 4, 1 << 5
_CTRCTL_UNUSED = 0x0180_0000 | 0x200 | 0x1000 | 0x8000 | _UP_DOWN
"""Phase load, suppressed events, QEI, up and down."""
_Z, _L, _DOWN0, _UP0 = 1 << 0, 1 << 1, 1 << 4, 1 << 8
_COC = 1 << 17


class Timer(Peripheral):
    """One timer. Down it counts LOAD to 0 and then LOAD again, up 0 to LOAD: LOAD + 1 clocks."""

    CCPD, ODIS, CCLKCTL, CPS = 0x1100, 0x1104, 0x1108, 0x110C
    CTR, CTRCTL, LOAD, CC = 0x1800, 0x1804, 0x1808, (0x1810, 0x1814)
    CCCTL = (0x1830, 0x1834)
    _OTHERS = (
        (CCPD, "CCPD"), (ODIS, "ODIS"), (0x1850, "OCTL_01[0]"), (0x1854, "OCTL_01[1]"), (0x1870, "CCACT_01[0]"),
        (0x1874, "CCACT_01[1]"), (0x1880, "IFCTL_01[0]"), (0x1884, "IFCTL_01[1]"), (0x1114, "CTTRIGCTL"),
    )  # fmt: skip

    def __init__(
        self, name: str, base: int, line: RequestLine, clock: SystemClock, lfclk: Source, mfclk: Source, busclk: Source,
        *, bits: int,
    ) -> None:  # fmt: skip
        most = (1 << bits) - 1
        super().__init__(
            name,
            base,
            (
                *ClockChoice.REGISTERS,
                *Events.REGISTERS,
                Register(0x1018, "PDBGCTL", 3),
                Register(self.CCLKCTL, "CCLKCTL", writable=1),
                Register(self.CPS, "CPS", writable=0xFF),
                Register(self.CTR, "CTR", writable=0),
                Register(self.CTRCTL, "CTRCTL", 0xFF80),
                Register(self.LOAD, "LOAD", writable=most),
                *(Register(offset, "CC_01", writable=most) for offset in self.CC),
                *(Register(offset, "CCCTL_01") for offset in self.CCCTL),
                *(Register(offset, name) for offset, name in self._OTHERS),
            ),
        )
        self._choice = ClockChoice(self, lfclk, mfclk, busclk)
        self._counter = Counter(Ticks(clock, self._choice.source))
        self._events = Events(self, line, _Z | _L | 3 * _DOWN0 | 3 * _UP0)
        clock.watch(self._plan)
        self._choice.source.watch(self._plan)
        self.loads |= {self.CTR: self._count, self.CTRCTL: lambda: self.words[self.CTRCTL]}
        self.stores |= {
            self.CTR: self._set_count,
            self.CTRCTL: self._control,
            self.LOAD: lambda _: self._set_period(),
            self.CPS: lambda _: self._run(),
            self.CCLKCTL: lambda _: self._run(),
        }
        self.stores |= {offset: partial(self._compare, offset) for offset in self.CCCTL}
        self.volatile |= {self.CTR, self.CTRCTL}

    # -- the block

    def reset(self) -> None:
        """At 0, standing still."""
        super().reset()
        self._counter.is_running = False
        self._counter.prescale, self._counter.period = 1, 1
        self._counter.restart()
        self._events.reset()
        self._choice.tune()

    def load(self, offset: int) -> int:
        """The register at `offset`, as of now."""
        self._settle()
        value = super().load(offset)
        if offset == Events.IIDX:
            self._plan()
        return value

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        self._settle()
        super().store(offset, value)
        self._plan()

    def at(self) -> None:
        """An event that is enabled."""
        self._settle()
        self._plan()

    # -- counting: the counter counts up from 0, which is LOAD where the timer counts down

    @property
    def _counts_up(self) -> bool:
        return bool(self.words[self.CTRCTL] & _UP)

    def _step_of(self, value: int) -> int:
        return value if self._counts_up else self.words[self.LOAD] - value

    def _count(self) -> int:
        return self._step_of(self._counter.value)

    def _marks(self) -> list[tuple[int, int]]:
        """Each event's flag, and the step at which it comes."""
        marks = [(_Z, self._step_of(0)), (_L, self._step_of(self.words[self.LOAD]))]
        first = _UP0 if self._counts_up else _DOWN0
        return [*marks, *((first << i, self._step_of(self.words[at])) for i, at in enumerate(self.CC))]

    def _settle(self) -> None:
        counter = self._counter
        before, wraps = counter.settle()
        flags = sum(flag for flag, step in self._marks() if step >= 0 and counter.passed(before, wraps, step))
        if flags & _Z and not self.words[self.CTRCTL] & _REPEAT:
            counter.is_running = False
            counter.restart(self._step_of(0))
            self.words[self.CTRCTL] &= ~_EN
            if before + 1 == counter.period:  # it stopped before it could be loaded again
                flags &= _Z | _L if self._counts_up else _Z
        if flags:
            self._events.raise_flags(flags)

    def _plan(self) -> None:
        counter, wanted = self._counter, self._events.enabled & ~self._events.raw
        if not self.words[self.CTRCTL] & _REPEAT:
            wanted |= _Z
        marks = [step or counter.period for flag, step in self._marks() if flag & wanted and 0 <= step < counter.period]
        known = [cycle for cycle in map(counter.cycle_of, marks) if cycle is not None]
        self.schedule(min(known, default=None))

    def _run(self) -> None:
        self._counter.prescale = self.words[self.CPS] + 1
        runs = bool(self.words[self.CTRCTL] & _EN and self.words[self.CCLKCTL] & 1)
        if runs and not self._counter.is_running:
            self._counter.restart(self._counter.value)
        self._counter.is_running = runs

    def _set_period(self) -> None:
        count = self._count() if self._counts_up else 0
        self._counter.period = self.words[self.LOAD] + 1
        self._counter.restart(min(count, self.words[self.LOAD]))

    def _compare(self, offset: int, _: int) -> None:
        self.note(offset, _COC, "capture")

    def _set_count(self, value: int) -> None:
        step = self._step_of(value)
        if not 0 <= step <= self.words[self.LOAD]:
            self.bus.unmodelled(self, self.CTR, value, "a count above LOAD")
            return
        self._counter.restart(step)

    def _control(self, value: int) -> None:
        """CVAE says where it begins when it is enabled: LOAD, where it was, or 0."""
        self.note(self.CTRCTL, _UP_DOWN | 0x0180_0000, "counting up and down, phase load, suppressed events")
        if value & _EN and not self._counter.is_running:
            begin = value >> 28 & 3
            if begin != 1:
                self._counter.restart(self._step_of(0 if begin == 2 else self.words[self.LOAD]))
        self._run()
