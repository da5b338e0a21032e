"""One channel of the DMA: its registers, and what it has done. RP2040 datasheet, section 2.5.1."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from m0sim.chip.devices.moved import Moved

WORD = 0xFFFF_FFFF
EN, HIGH_PRIORITY, INCR_READ, INCR_WRITE, RING_SEL = 1 << 0, 1 << 1, 1 << 4, 1 << 5, 1 << 10
IRQ_QUIET, BSWAP, SNIFF_EN, BUSY = 1 << 21, 1 << 22, 1 << 23, 1 << 24
WRITE_ERROR, READ_ERROR, AHB_ERROR = 1 << 29, 1 << 30, 1 << 31
WRITABLE = 0xFF_FFFF
UNPACED = 0x3F
FIRST_TIMER = 0x3B
MOST_CREDITS = 63


@dataclass(slots=True)
class Traffic:
    """What a channel has moved, and what it waited for."""

    sequences: int = 0
    """Times that it was started."""
    transfers: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    first_cycle: int | None = None
    """Of its first transfer."""
    last_cycle: int = 0
    """In which the last one had ended."""
    waited: dict[str, int] = field(default_factory=dict)
    """Cycles by the name of the request that was waited for."""
    queued: int = 0
    """Cycles that it waited for other channels."""
    errors: int = 0
    started: Counter[str] = field(default_factory=Counter)
    """Times, by what started it."""
    ways: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Bytes, by from where and to where."""
    interrupts: int = 0
    """Times that its flag of INTR was raised."""

    def moved(self, name: str) -> Moved:
        """As it is reported."""
        return Moved(
            name=name,
            sequences=self.sequences,
            transfers=self.transfers,
            read_bytes=self.read_bytes,
            written_bytes=self.written_bytes,
            first_cycle=self.first_cycle or 0,
            last_cycle=self.last_cycle,
            waited=tuple(sorted(self.waited.items(), key=lambda each: -each[1])),
            queued=self.queued,
            errors=self.errors,
            started=tuple(self.started.most_common()),
            ways=tuple((*way, size) for way, size in self.ways.most_common()),
            interrupts=self.interrupts,
        )


class Channel:
    """One of twelve."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.traffic = Traffic()
        self.reset()

    def reset(self) -> None:
        """As a reset leaves it. What it has moved stays."""
        self.read = self.write = self.count = self.reload = self.control = self.errors = 0
        self.is_busy = False
        self.ready = 0
        """The cycle from which on it could make its next transfer."""
        self.planned: int | None = None
        """The cycle in which it does, where its request has come."""
        self.ends: int | None = None
        """The cycle in which its last transfer has ended, once that is under way."""
        self.before = 0
        """Of a request that comes in pulses: those before this sequence, or served since."""

    # -- CTRL

    @property
    def status(self) -> int:
        """CTRL as it is read."""
        return self.control | self.errors | (AHB_ERROR if self.errors else 0) | (BUSY if self.is_busy else 0)

    @property
    def size(self) -> int:
        """Bytes of a transfer."""
        return 1 << min(self.control >> 2 & 3, 2)

    @property
    def chain_to(self) -> int:
        return self.control >> 11 & 0xF

    @property
    def request(self) -> int:
        """TREQ_SEL."""
        return self.control >> 15 & 0x3F

    @property
    def is_active(self) -> bool:
        """Whether it has transfers to make, and may."""
        return self.is_busy and self.count > 0 and bool(self.control & EN)

    # -- addresses

    def _ring(self, writes: bool) -> int:
        """Bits of the address that change; all of them without a ring."""
        bits = self.control >> 6 & 0xF
        return (1 << bits) - 1 if bits and bool(self.control & RING_SEL) == writes else WORD

    def step(self, writes: bool) -> int:
        """By how much an address grows."""
        return self.size if self.control & (INCR_WRITE if writes else INCR_READ) else 0

    def at(self, index: int, writes: bool) -> int:
        """The address of the transfer behind `index` others from now."""
        start, mask = self.write if writes else self.read, self._ring(writes)
        return start & ~mask & WORD | start + index * self.step(writes) & mask

    def offsets(self, count: int, writes: bool) -> npt.NDArray[np.int64]:
        """The addresses of the next transfers, ``int64[count]``."""
        start, mask = self.write if writes else self.read, self._ring(writes)
        moved = start + np.arange(count, dtype=np.int64) * self.step(writes)
        return start & ~mask & WORD | moved & mask

    def room(self, begin: int, end: int, writes: bool) -> int:
        """Transfers from now on that stay in a memory from `begin` to before `end`; a large number for all of them."""
        start, mask = self.write if writes else self.read, self._ring(writes)
        if self.step(writes) == 0:
            return 1 << 40 if start + self.size <= end else 0
        if mask != WORD:
            low = start & ~mask & WORD
            return 1 << 40 if begin <= low and low + max(mask + 1, self.size) <= end else 0
        return (end - start) // self.size

    def advance(self, count: int) -> None:
        """So many transfers are made."""
        self.read, self.write = self.at(count, writes=False), self.at(count, writes=True)
        self.count -= count
        self.traffic.transfers += count
        self.traffic.read_bytes += count * self.size
        self.traffic.written_bytes += count * self.size
