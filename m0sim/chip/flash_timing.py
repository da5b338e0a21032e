"""How code and constants in flash wait: the table [flash] of a profile. docs/profiles.md has the model in full."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, get_args

from m0sim.errors import UsageError
from m0sim.toml import Table

Prefetch = Literal["none", "next"]
CacheHolds = Literal["code", "all"]

#: Lines that the core has room for: M0_WAIT_LINES of core.h.
MAX_LINES = 64

_FLASH_KEYS = ("word_bytes", "prefetch", "cache_lines", "cache_ways", "cache_holds", "exact", "source", "wait_states")
_ROW_KEYS = ("up_to_hz", "cycles", "source")


@dataclass(frozen=True, slots=True)
class WaitStates:
    """What a read of the flash takes more than one cycle, up to a clock."""

    up_to_hz: int
    cycles: int


@dataclass(frozen=True, slots=True)
class FlashTiming:
    """How flash waits at the clock of a device."""

    wait_states: int
    """Cycles that a word that has to be read keeps the core waiting at this clock."""
    rows: tuple[WaitStates, ...]
    """By rising clock."""
    word_bytes: int
    """Of what one read brings, 4 to 16; a line of the cache has as many."""
    prefetch: Prefetch
    """``next``: the word behind the newest word of code is there when code goes on in it."""
    cache_lines: int
    """0 where there is no cache."""
    cache_ways: int
    """Lines of a set, of which the least recently used one is replaced."""
    cache_holds: CacheHolds
    """``all``: data reads look into the same cache and fill it."""
    is_described_exactly: bool
    """Whether the manual fixes the waiting to the cycle. If it does not, this is a model: an estimate."""
    source: str

    @property
    def is_exact(self) -> bool:
        """Whether the stalls are known to the cycle: always where there are none."""
        return self.is_described_exactly or self.wait_states == 0

    @property
    def max_hz(self) -> int:
        """The fastest clock that there is a row for."""
        return self.rows[-1].up_to_hz

    def at(self, clock_hz: int) -> FlashTiming:
        """The same at another clock. Raises UsageError for one that no row covers."""
        for row in self.rows:
            if clock_hz <= row.up_to_hz:
                return replace(self, wait_states=row.cycles)
        raise UsageError(f"no wait states are known for {clock_hz} Hz: the fastest row is of {self.max_hz} Hz")


def read_flash_timing(top: Table, clock_hz: int) -> FlashTiming | None:
    """The table [flash], at the profile's clock."""
    table = top.table("flash", _FLASH_KEYS)
    if table is None:
        return None
    rows = tuple(_row(t) for t in table.tables("wait_states", _ROW_KEYS))
    if not rows:
        table.fail("wait_states", "missing: [[flash.wait_states]] with up_to_hz and cycles")
    for slow, fast in pairwise(rows):
        if fast.up_to_hz <= slow.up_to_hz:
            table.fail("wait_states", f"the rows must have rising clocks, but {fast.up_to_hz} follows {slow.up_to_hz}")
    if clock_hz > rows[-1].up_to_hz:
        table.fail("wait_states", f"no row for clock_hz, {clock_hz} Hz: the last is up to {rows[-1].up_to_hz} Hz")
    word_bytes = table.integer("word_bytes", 4, 16)
    if word_bytes & (word_bytes - 1):
        table.fail("word_bytes", f"must be 4, 8 or 16, not {word_bytes}")
    lines = table.integer("cache_lines", 0, MAX_LINES, default=0)
    ways = table.integer("cache_ways", 1, MAX_LINES, default=max(lines, 1))
    if lines % ways:
        table.fail("cache_ways", f"{lines} lines are not sets of {ways}")
    timing = FlashTiming(
        wait_states=0,
        rows=rows,
        word_bytes=word_bytes,
        prefetch=table.choice("prefetch", get_args(Prefetch), "none"),
        cache_lines=lines,
        cache_ways=ways,
        cache_holds=table.choice("cache_holds", get_args(CacheHolds), "code"),
        is_described_exactly=table.flag("exact", False),
        source=table.text("source"),
    )
    return timing.at(clock_hz)


def _row(table: Table) -> WaitStates:
    table.text("source", "")
    return WaitStates(table.integer("up_to_hz", 1, 1_000_000_000), table.integer("cycles", 0, 15))
