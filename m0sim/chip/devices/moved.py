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
    started: tuple[tuple[str, int], ...] = ()
    """By what it was started, such as ``the chain of channel 3``, and how often: the most first."""
    ways: tuple[tuple[str, str, int], ...] = ()
    """From where to where, such as ``SRAM`` and ``PIO1``, and how many bytes: the most first."""
    interrupts: int = 0
    """Times that it raised its flag of an interrupt, whether that was enabled or not."""
