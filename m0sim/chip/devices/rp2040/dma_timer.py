"""The DMA's pacing timers: RP2040 datasheet, section 2.5.5.1."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PacingTimer:
    """Pulses at X/Y of the clock, one a cycle at most; none where X or Y is 0."""

    x: int = 0
    y: int = 0
    since: int = 0
    """The cycle in which it had given `before` pulses, none of them in part."""
    before: int = 0

    def pulses(self, now: int) -> int:
        """All up to a cycle."""
        if self.x == 0 or self.y == 0:
            return self.before
        return self.before + (now - self.since) * min(self.x, self.y) // self.y

    def next_pulse(self, now: int) -> int | None:
        """The cycle of the next one."""
        if self.x == 0 or self.y == 0:
            return None
        wanted = self.pulses(now) + 1 - self.before
        return self.since - (-wanted * self.y // min(self.x, self.y))

    def changed(self, x: int, y: int, now: int) -> PacingTimer:
        """Another rate from now on."""
        return PacingTimer(x, y, now, self.pulses(now))
