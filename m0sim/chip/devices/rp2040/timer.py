"""TIMER: microseconds, and four alarms. RP2040 datasheet, section 4.6."""

from __future__ import annotations

from functools import partial
from math import gcd

from m0sim.chip.devices.block import WORD, Block, Register
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.interrupts import Interrupts

ALARMS = 4
_LINES = (0, 1, 2, 3)
"""TIMER_IRQ_0 to 3."""
_MAX_TERM = 1 << 31
"""What the host takes for a numerator or denominator: more comes of clocks that are set again and again."""
_MASK64 = (1 << 64) - 1


class Timer(Block):
    """A 64-bit counter of the watchdog's ticks. Loads of TIMERAWL and TIMERAWH are left to the host, with their law.

    An alarm fires in the cycle in which the low word is its value, at once where it is that already.
    """

    TIMEHW, TIMELW, TIMEHR, TIMELR, ALARM0 = 0x00, 0x04, 0x08, 0x0C, 0x10
    ARMED, TIMERAWH, TIMERAWL, DBGPAUSE, PAUSE = 0x20, 0x24, 0x28, 0x2C, 0x30
    INTR, INTE, INTF, INTS = 0x34, 0x38, 0x3C, 0x40

    def __init__(self, clock: SystemClock, tick: Source) -> None:
        alarms = [Register(self.ALARM0 + 4 * i, f"ALARM{i}") for i in range(ALARMS)]
        super().__init__(
            "TIMER",
            0x4005_4000,
            (
                Register(self.TIMEHW, "TIMEHW", writable=0),
                Register(self.TIMELW, "TIMELW", writable=0),
                Register(self.TIMEHR, "TIMEHR", writable=0),
                Register(self.TIMELR, "TIMELR", writable=0),
                *alarms,
                Register(self.ARMED, "ARMED", writable=0, clears=0xF),
                Register(self.TIMERAWH, "TIMERAWH", writable=0),
                Register(self.TIMERAWL, "TIMERAWL", writable=0),
                Register(self.DBGPAUSE, "DBGPAUSE", 0x7, writable=0x7),
                Register(self.PAUSE, "PAUSE", writable=1),
                Register(self.INTR, "INTR", writable=0, clears=0xF),
                Register(self.INTE, "INTE", writable=0xF),
                Register(self.INTF, "INTF", writable=0xF),
                Register(self.INTS, "INTS", writable=0),
            ),
        )
        self._tick = tick
        self._counted = Source("timer")
        self._ticks = Ticks(clock, self._counted)
        self._offset = 0
        self._low = 0
        self._fires: list[int | None] = [None] * ALARMS
        tick.watch(self._run)
        clock.watch(self._plan)
        self._counted.watch(self._plan)
        self.loads = {
            self.TIMELR: self._latch,
            self.TIMEHR: lambda: self.words[self.TIMEHR],
            self.TIMERAWL: lambda: self.count() & WORD,
            self.TIMERAWH: lambda: self.count() >> 32,
            self.ARMED: lambda: sum(1 << i for i, fires in enumerate(self._fires) if fires is not None),
        }
        self.stores = {
            self.TIMELW: self._set_low,
            self.TIMEHW: self._set_high,
            self.ARMED: self._disarm,
            self.PAUSE: lambda _: self._run(),
        }
        self.stores |= {self.ALARM0 + 4 * i: partial(self._arm, i) for i in range(ALARMS)}
        self.volatile = {self.TIMELR, self.TIMEHR, self.TIMERAWL, self.TIMERAWH}
        self._interrupts = Interrupts(self, _LINES, (self.INTR, self.INTE, self.INTF, self.INTS))

    def count(self) -> int:
        """Microseconds now, 64 bits."""
        return self._ticks.count() + self._offset & _MASK64

    def reset(self) -> None:
        """At 0, nothing armed."""
        super().reset()
        self._offset = -self._ticks.count()
        self._fires = [None] * ALARMS
        self._interrupts.reset()
        self._run()

    def hold(self, in_reset: bool) -> None:
        """Held in reset, it does not count."""
        super().hold(in_reset)
        self._run()

    def at(self) -> None:
        """The low word is the value of one alarm, or more."""
        ticks = self._ticks.count()
        fired = [i for i, fires in enumerate(self._fires) if fires is not None and fires <= ticks]
        for i in fired:
            self._fires[i] = None
        self._interrupts.latch(sum(1 << i for i in fired))
        self._schedule()

    def _latch(self) -> int:
        count = self.count()
        self.words[self.TIMEHR] = count >> 32
        return count & WORD

    def _set_low(self, value: int) -> None:
        self._low = value

    def _set_high(self, value: int) -> None:
        self._offset = (value << 32 | self._low) - self._ticks.count()
        for i, fires in enumerate(self._fires):
            if fires is not None:
                self._fires[i] = self._tick_of(self.words[self.ALARM0 + 4 * i])
        self._plan()

    def _arm(self, i: int, value: int) -> None:
        self._fires[i] = self._tick_of(value)
        self._schedule()

    def _tick_of(self, low: int) -> int:
        """The next tick at which the low word of the counter has that value."""
        return self._ticks.count() + (low - self.count() & WORD)

    def _disarm(self, value: int) -> None:
        for i in range(ALARMS):
            if value >> i & 1:
                self._fires[i] = None
        self._schedule()

    def _run(self) -> None:
        """The counter counts, unless it is paused or held in reset. The pauses for a debugger never happen."""
        self._counted.set(0 if self.words[self.PAUSE] or self.in_reset else self._tick.hz)
        self._plan()

    def _plan(self) -> None:
        self._schedule()
        self._publish()

    def _schedule(self) -> None:
        ticks = min((fires for fires in self._fires if fires is not None), default=None)
        self.schedule(None if ticks is None else self._ticks.cycle_of(ticks))

    def _publish(self) -> None:
        """Tell the host the law of the counter, without the part of a tick that has passed: see `_without_phase`."""
        host = self.bus.host
        if self.in_reset:
            host.withdraw(self.base + self.TIMERAWL)
            host.withdraw(self.base + self.TIMERAWH)
            return
        start, since, numerator, denominator = _without_phase(*self._ticks.law())
        if max(numerator, denominator) >= _MAX_TERM:
            host.withdraw(self.base + self.TIMERAWL)
            host.withdraw(self.base + self.TIMERAWH)
            return
        start = start + self._offset & _MASK64
        host.publish_counter(self.base + self.TIMERAWL, start, since, numerator, denominator)
        host.publish_counter(self.base + self.TIMERAWH, start, since, numerator, denominator, 32)


def _without_phase(phase: int, since: int, numerator: int, denominator: int) -> tuple[int, int, int, int]:
    """Start, cycle, numerator and denominator of the same law in the form start + (now - cycle) * num // den.

    Moving the cycle back by as many as make up the phase, modulo the denominator, leaves whole ticks.
    """
    if numerator == 0:
        return phase // denominator, since, 0, 1
    divisor = gcd(numerator, denominator)
    phase, numerator, denominator = phase // divisor, numerator // divisor, denominator // divisor
    back = phase * pow(numerator, -1, denominator) % denominator
    return (phase - back * numerator) // denominator, since - back, numerator, denominator
