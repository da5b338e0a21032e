"""Clocks: what frequency they have, and how their ticks fall on cycles of the processor. Exact, in fractions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import lcm

Changed = Callable[[], None]


class Source:
    """A clock signal: its frequency in hertz, 0 while it stands still, and who is told when that changes."""

    def __init__(self, name: str, hz: Fraction | int = 0) -> None:
        self.name = name
        self._hz = Fraction(hz)
        self._watchers: list[Changed] = []

    @property
    def hz(self) -> Fraction:
        """The frequency now."""
        return self._hz

    def watch(self, changed: Changed) -> None:
        """Call `changed` after every change of the frequency, in the order that they were given in."""
        self._watchers.append(changed)

    def set(self, hz: Fraction | int) -> None:
        """Change the frequency."""
        if hz != self._hz:
            self._hz = Fraction(hz)
            for changed in self._watchers:
                changed()


class SystemClock(Source):
    """The processor's clock. Time is counted in its cycles; while it is faster, a second has more of them."""

    def __init__(self, hz: Fraction | int) -> None:
        super().__init__("clk_sys", hz)
        self.now = 0
        """The cycle that devices act in: the bus moves it."""
        self._since = 0
        self._seconds = Fraction(0)
        self._asked: Fraction | None = None
        self._answer: int | None = None

    def seconds(self, cycle: int | None = None) -> Fraction:
        """Time from reset to a cycle since the last change of the frequency; to now if none is given."""
        cycle = self.now if cycle is None else cycle
        return self._seconds + (cycle - self._since) / self.hz if self.hz else self._seconds

    def cycle_at(self, seconds: Fraction) -> int | None:
        """The first cycle that begins at that time or later; None while the clock stands still."""
        if seconds is not self._asked:  # the same one is asked for again and again: until when a run goes
            self._asked = seconds
            self._answer = self._since + _ceil((seconds - self._seconds) * self.hz) if self.hz else None
        return self._answer

    def set(self, hz: Fraction | int) -> None:
        """Change the frequency from now on."""
        self._seconds, self._since = self.seconds(), self.now
        self._asked = None
        super().set(hz)

    def stand(self, seconds: Fraction) -> None:
        """Time passes while the clock stands still: no cycle of it."""
        assert not self.hz
        self._seconds += seconds
        self._asked = None
        for changed in self._watchers:
            changed()


class Ticks:
    """Counts what a clock ticks, from 0 on. A tick belongs to the first cycle of the processor that begins after it."""

    def __init__(self, system: SystemClock, source: Source) -> None:
        self._system, self._source = system, source
        self._seconds = system.seconds()
        self._hz = source.hz
        self._since = system.now
        self._numerator, self._denominator, self._phase = 0, 1, 0
        self._restart(Fraction(0))
        system.watch(self._changed)
        if source is not system:
            source.watch(self._changed)

    def count(self, cycle: int | None = None) -> int:
        """Ticks until a cycle since the last change of a frequency; until now if none is given."""
        cycle = self._system.now if cycle is None else cycle
        return (self._phase + (cycle - self._since) * self._numerator) // self._denominator

    def cycle_of(self, tick: int) -> int | None:
        """The first cycle in which `count` is at least `tick`; None if it never will be as things stand."""
        if self._numerator == 0:
            return self._since if self.count(self._since) >= tick else None
        return self._since - (self._phase - tick * self._denominator) // self._numerator

    def law(self) -> tuple[int, int, int, int]:
        """Phase, cycle, numerator and denominator: `count` is (phase + (now - cycle) * numerator) // denominator."""
        return self._phase, self._since, self._numerator, self._denominator

    def set_count(self, count: int) -> None:
        """Go on from another count; how far the tick under way is stays."""
        moved = count - self.count()
        self._phase += moved * self._denominator
        self._at_change += moved

    def _changed(self) -> None:
        elapsed = (self._system.seconds() - self._seconds) * self._hz
        self._restart(self._at_change + elapsed)

    def _restart(self, ticks: Fraction) -> None:
        system, source = self._system, self._source
        self._seconds, self._hz, self._since = system.seconds(), source.hz, system.now
        self._at_change = ticks
        rate = source.hz / system.hz if system.hz else Fraction(0)
        self._denominator = lcm(rate.denominator, ticks.denominator)
        self._numerator = rate.numerator * (self._denominator // rate.denominator)
        self._phase = ticks.numerator * (self._denominator // ticks.denominator)


def _ceil(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)
