"""What the flash adds to a cost: misses of its cache, who pushes whom out of it, and wait states."""

from __future__ import annotations

from dataclasses import dataclass

from m0sim.chip.options import FlashModel


@dataclass(frozen=True, slots=True)
class Eviction:
    """Words of one function or constant that were in the flash's cache and had to be fetched again."""

    name: str
    """The function (with its literals), the object, else the section: ``(.rodata)``, else ``(flash)``."""
    by: str
    """Whose fetches had pushed them out. The same where it does not fit beside itself."""
    misses: int
    """Words."""
    cycles: int
    move_by: int | None = None
    """Bytes that `name` would have to move on by to lie in other sets of the cache than `by`, a multiple of its lines,
    and, if there are such, in none that other code of the run fills. Data elsewhere in flash is not looked at.
    None where it cannot, being the same or too large, or need not: a third one pushes too."""


@dataclass(frozen=True, slots=True)
class FlashRun:
    """What one run waited for: words that the cache in front of the flash missed, or reads with wait states."""

    cycles: int
    """Stall cycles that the flash added."""
    code_misses: int
    """Words: of 4 bytes behind a cache, of what one read brings where flash has wait states."""
    data_misses: int
    evictions: tuple[Eviction, ...]
    """Most misses first. A miss that is in none was the word's first, or first since the cache was emptied."""
    evictions_left_out: int = 0
    """Words fetched again that are in no eviction: too many different ones were pushed out by too many."""
    bus_cycles: int = 0
    """Stall cycles that registers on a slow bus added, beside `cycles`."""

    @property
    def waits(self) -> bool:
        """Whether the run waited at all."""
        return self.cycles + self.bus_cycles > 0


@dataclass(frozen=True, slots=True)
class FlashWaits:
    """How flash on the chip waits, which has no cache that a call before could have warmed."""

    states: int
    """Wait states at the clock: cycles that a word adds which has to be read."""
    is_exact: bool
    """Whether the manual fixes the waiting to the cycle; else the figures are an estimate."""
    source: str


@dataclass(frozen=True, slots=True)
class FlashCost:
    """What the flash adds to the cycles of zero-wait memory: with its cache empty at the start, and with it warm.

    Both runs begin with the same memory and arguments; the warm one with the cache as a run before it left it.
    """

    model: FlashModel
    """What `Cost.cycles` has."""
    cold: FlashRun | None
    """None where it was not run."""
    warm: FlashRun | None
    """On a chip whose flash has wait states instead of a cache, the same as `cold`."""
    waits: FlashWaits | None = None
    """None where flash is behind a cache."""

    @property
    def cold_cycles(self) -> int | None:
        """Cycles that a cold cache adds."""
        return None if self.cold is None else self.cold.cycles

    @property
    def warm_cycles(self) -> int | None:
        """Cycles that a warm cache adds."""
        return None if self.warm is None else self.warm.cycles

    @property
    def counted(self) -> FlashRun | None:
        """The run that misses and evictions are of: the warm one where the model says so, else the cold one."""
        return self.warm if self.model == "warm" or self.cold is None else self.cold

    @property
    def code_misses(self) -> int:
        """Words of code that `counted` missed."""
        return 0 if self.counted is None else self.counted.code_misses

    @property
    def data_misses(self) -> int:
        """Words of data that `counted` missed."""
        return 0 if self.counted is None else self.counted.data_misses

    @property
    def evictions(self) -> tuple[Eviction, ...]:
        """Who was pushed out by whom in `counted`, most misses first."""
        return () if self.counted is None else self.counted.evictions
