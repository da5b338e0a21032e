"""What a run left in the core's tables, and the functions that addresses belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.owners import Owners
from m0sim.chip.pages import Pages
from m0sim.chip.timing import Timing
from m0sim.image import Range

#: Function number 0.
NO_SYMBOL = "(no symbol)"


@dataclass(frozen=True, eq=False, slots=True)
class Functions:
    """The image's functions by number; number 0 is code that belongs to none."""

    pages: Pages
    names: tuple[str, ...]
    entries: npt.NDArray[np.uint32]
    """By number: address."""
    at: npt.NDArray[np.int32]
    """By row of `Pages.halfword`: number."""

    def around(self, address: int) -> tuple[str, int]:
        """Name of the function around an address, and its entry (the address itself where there is no symbol)."""
        number = int(self.at[self.pages.halfword(address)]) if address >> 32 == 0 else 0
        return (self.names[number], int(self.entries[number])) if number else (NO_SYMBOL, address)


@dataclass(frozen=True, eq=False, slots=True)
class Traffic:
    """What level ``memory`` counted."""

    owners: Owners
    counts: npt.NDArray[Any]
    """Rows of `layout.TRAFFIC` by owner."""
    touched: npt.NDArray[np.uint8]
    """By row of `Pages.byte`: bit 0 where the byte was read, bit 1 where it was written."""
    findings: npt.NDArray[Any]
    """Rows of `layout.FINDING`, one for each instruction and kind."""
    findings_refused: int
    """Reads that have no row, because there were too many instructions that made such reads."""
    buffers: tuple[tuple[int, int, str], ...]
    """Address, bytes and name."""
    handed_out: Range
    """The heap, as far as `sbrk` gave it out."""
    stack_high: int
    """Where the memory that counts as the stack's ends."""


@dataclass(frozen=True, eq=False, slots=True)
class Counts:
    """One run. The arrays are the core's own: valid until the next run begins."""

    functions: Functions
    timing: Timing
    executed: npt.NDArray[Any]
    """Rows of `layout.EXECUTED`; an instruction in several blocks has several."""
    inclusive: npt.NDArray[np.int64]
    """By function: cycles."""
    edges: npt.NDArray[Any]
    """Rows of `layout.EDGE`; row 0 is none, row 1 the call from outside."""
    contexts: npt.NDArray[Any]
    """Rows of `layout.CONTEXT`; row 0 is none, row 1 the call from outside."""
    contexts_refused: int
    """Calls that have no context, because there were too many."""
    cycles: int
    stack_top: int
    """SP at the start."""
    stack_low: int
    """The lowest SP."""
    divider_early: int
    """Reads of the SIO divider before its result was there,"""
    divider_early_at: int
    """and the instruction that made the first."""
    traffic: Traffic | None
    """None at level ``cycles``."""

    @property
    def stack_bytes(self) -> int:
        return self.stack_top - self.stack_low
