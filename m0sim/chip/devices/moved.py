"""What masters of the bus beside the processor have moved."""

from __future__ import annotations

from dataclasses import dataclass

from m0sim.chip.field_docs import documented


@documented
@dataclass(frozen=True, slots=True)
class Moved:
    """What a part of the chip other than the processor has moved over the bus."""

    name: str
    """Such as ``DMA channel 3``."""
    sequences: int
    """Times that it was started."""
    transfers: int
    read_bytes: int
    written_bytes: int
    first_cycle: int
    """Of its first transfer."""
    last_cycle: int
    """In which the last one had ended."""
    waited: tuple[tuple[str, int], ...]
    """What it waited for, and for how many cycles: the most first."""
    queued: int
    """Cycles that it waited for others of its kind."""
    errors: int
    """Bus errors."""
