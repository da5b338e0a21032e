"""What a run did over time: slices of functions, exceptions and sleep, and what the pins did. Plain data.

Times are cycles of the core's clock; `TimeScale` makes seconds of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_SLICES = 1_000_000
"""Of a timeline, unless another number is asked for."""
NOTHING = 0xFFFFFFFF
"""What woke a core that nothing woke."""


class Kind(IntEnum):
    """What a slice is of."""

    CALL = 0
    """Of a function: `number`. `detail` is 1 in what goes on of a call that began before: of a thread that was switched
    out meanwhile, or before the timeline begins."""
    EXCEPTION = 1
    """Exception `number`, from where its entry began to where its return ended. `detail` is its latency in cycles."""
    SLEEP = 2
    """`number` is of `Sleep`. `detail` is the exception that woke the core, 0 an event, `NOTHING` none of them."""
    THREAD = 3
    """Thread `number` was not switched out; `detail` is the function that it began in."""


class Sleep(IntEnum):
    """Why a core does nothing."""

    OFF = 0
    """It is held in reset, or was not started."""
    WFI = 1
    """For an interrupt; after the last handler, too, where SLEEPONEXIT is set."""
    WFE = 2
    """For an event."""


SLICE = np.dtype(
    [
        ("begin", np.int64),
        ("end", np.int64),
        ("kind", np.uint32),
        ("number", np.uint32),
        ("level", np.uint32),
        ("detail", np.uint32),
    ]
)
"""One slice: cycles from `begin` up to before `end`; `level` is the number of slices around it."""

PIN = np.dtype([("cycle", np.int64), ("level", np.uint32), ("driven", np.uint32)])
"""What the pins are from a cycle on, bit by pin: driven or not, and the level where it is."""

MACHINE = np.dtype([("begin", np.int64), ("end", np.int64), ("number", np.uint32)])
"""A state machine of PIO was enabled: 0 to 3 of PIO0, 4 to 7 of PIO1."""


@dataclass(frozen=True, slots=True)
class TimeScale:
    """When each cycle is, from reset: the core's clock may change as it runs."""

    rates: tuple[tuple[int, Fraction, Fraction], ...]
    """From a cycle on: seconds then, and hertz; 0 where the clock stands. The first is of cycle 0."""

    def nanoseconds(self, cycles: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Whole ones from reset, rounded; of a later cycle never less."""
        first = np.array([cycle for cycle, _, _ in self.rates], np.int64)
        begins = np.array([round(seconds * 10**9) for _, seconds, _ in self.rates], np.int64)
        each = np.array([float(10**9 / hz) if hz else 0.0 for _, _, hz in self.rates])
        ends = np.append(begins[1:], np.iinfo(np.int64).max)
        at = np.searchsorted(first, cycles, side="right") - 1
        offset = np.array([float(seconds * 10**9 - round(seconds * 10**9)) for _, seconds, _ in self.rates])
        found = begins[at] + np.rint(offset[at] + (cycles - first[at]) * each[at]).astype(np.int64)
        result: npt.NDArray[np.int64] = np.clip(found, begins[at], ends[at])
        return result


@dataclass(frozen=True, eq=False, slots=True)
class CoreLine:
    """What one core did."""

    number: int
    begin: int
    """Cycle from which on it was recorded."""
    end: int
    slices: npt.NDArray[Any]
    """`SLICE`, in the order that they begin in, outer ones first. But for those of threads, a slice lies inside another
    or apart from it."""


@dataclass(frozen=True, eq=False, slots=True)
class Timeline:
    """What all cores of a run did."""

    cores: tuple[CoreLine, ...]
    scale: TimeScale
    functions: Sequence[str]
    """Names by number."""
    exceptions: Mapping[int, str]
    """Names by number, of those that were entered."""
    whole_until: int | None
    """What ended up to this cycle is all there; None where everything is."""
    shortest: int
    """Of what ended later, slices of fewer cycles are left out,"""
    left_out: int
    """so many."""
    pins: npt.NDArray[Any]
    """`PIN`, by cycle."""
    machines: npt.NDArray[Any]
    """`MACHINE`, by the cycle that they begin in."""
    pins_until: int | None
    """Cycle from which on pins and state machines are left out, there being too many changes; None where none is."""

    def note(self) -> str:
        """One line that says what is left out; empty where nothing is."""
        if not self.cores:
            return "timeline: it is empty: where it was to begin was not reached"
        parts = []
        if self.left_out:
            what = f"{self.left_out:,} calls, handlers and sleeps of less than {self.shortest:,} cycles"
            parts.append(f"{what} that ended after cycle {self.whole_until:,} are left out")
        if self.pins_until is not None:
            parts.append(f"pins and PIO from cycle {self.pins_until:,} on are left out")
        return "timeline: " + "; ".join(parts) if parts else ""
