"""What an image's own start-up code left in memory: what calls may begin with instead of memory as loaded."""

from __future__ import annotations

from dataclasses import dataclass

from m0sim.chip.banks import Bytes
from m0sim.image import Range


@dataclass(frozen=True, eq=False, slots=True)
class Started:
    """All memories when control first came to a function, such as ``main``."""

    function: str
    contents: tuple[Bytes, ...]
    """The bytes of every bank, in the order of `AddressSpace.banks`."""
    handed_out: Range
    """What `sbrk` gave out until then; an empty range where it gave nothing, or nobody saw it."""
    heap_end: int
    """Where the used part of a heap in free SRAM ends; 0 without such."""
    vector_table: int
    """Where VTOR points to."""
    stack: Range
    """The main stack, from SP at its lowest to where it began."""
