"""A timer's counter: it counts up, one step each so many ticks, and begins again at its period."""

from __future__ import annotations

from m0sim.chip.devices.clock import Ticks


class Counter:
    """Brought up to date when somebody asks. It counts 0 to ``period - 1``."""

    def __init__(self, ticks: Ticks, period: int = 1 << 16) -> None:
        self._ticks = ticks
        self.prescale = 1
        self.period = period
        self.is_running = False
        self.value = 0
        self._at = 0

    def settle(self) -> tuple[int, int]:
        """Count to now. The value that it had, and how often it has begun again."""
        now, before = self._ticks.count(), self.value
        if not self.is_running:
            self._at = now
            return before, 0
        steps = (now - self._at) // self.prescale
        self._at += steps * self.prescale
        wraps, self.value = divmod(before + steps, self.period)
        return before, wraps

    def restart(self, value: int = 0) -> None:
        """Go on from another value, with a new step."""
        self.value, self._at = value, self._ticks.count()

    def passed(self, before: int, wraps: int, value: int) -> bool:
        """Whether it has come to `value` since `settle` was called: what that gave."""
        if value >= self.period:
            return False
        if wraps == 0:
            return before < value <= self.value
        return wraps > 1 or value > before or value <= self.value

    def cycle_of(self, value: int) -> int | None:
        """The cycle in which it will be at that value next; its period stands for 0. None while it stands."""
        if not self.is_running or value > self.period:
            return None
        steps = value - self.value if value > self.value else value - self.value + self.period
        return self._ticks.cycle_of(self._at + steps * self.prescale)
