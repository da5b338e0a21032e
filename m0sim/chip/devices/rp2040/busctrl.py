"""BUSCTRL: priorities at the bus fabric, and its counters. RP2040 datasheet, sections 2.1.1 and 2.1.5.

Both are of consequence where masters hold each other up, which a run has to be asked for (``--contention``). Without,
the counters stay 0 and are named in the report. What they count is an estimate, as all of contention: docs/accuracy.md.
"""

from __future__ import annotations

from functools import partial

from m0sim.chip.devices.block import WORD, Block, Register

COUNTERS = 4
_EVENTS = 20
_NONE, _MOST = 0x1F, 0xFF_FFFF
_PROC0, _PROC1, _DMA_R, _DMA_W = 1 << 0, 1 << 4, 1 << 8, 1 << 12


class Busctrl(Block):
    """The registers."""

    BUS_PRIORITY, BUS_PRIORITY_ACK, PERFCTR0, PERFSEL0 = 0x00, 0x04, 0x08, 0x0C

    def __init__(self) -> None:
        counters = []
        for i in range(COUNTERS):
            counters.append(Register(self.PERFCTR0 + 8 * i, f"PERFCTR{i}", writable=0, clears=WORD))
            counters.append(Register(self.PERFSEL0 + 8 * i, f"PERFSEL{i}", _NONE, writable=0x1F))
        priority = Register(self.BUS_PRIORITY, "BUS_PRIORITY", writable=_PROC0 | _PROC1 | _DMA_R | _DMA_W)
        acknowledge = Register(self.BUS_PRIORITY_ACK, "BUS_PRIORITY_ACK", 1, writable=0)
        super().__init__("BUSCTRL", 0x4003_0000, (priority, acknowledge, *counters))
        self._events = [_NONE] * COUNTERS
        self._counted = [0] * COUNTERS
        """By counter, until its event was chosen; and what the fabric had counted of that event then."""
        self._since = [0] * COUNTERS
        self.stores[self.BUS_PRIORITY] = self._set_priority
        for i in range(COUNTERS):
            self.volatile.add(self.PERFCTR0 + 8 * i)
            self.loads[self.PERFCTR0 + 8 * i] = partial(self._load_counter, i)
            self.stores[self.PERFCTR0 + 8 * i] = partial(self._clear_counter, i)
            self.stores[self.PERFSEL0 + 8 * i] = partial(self._choose_event, i)

    def reset(self) -> None:
        """All masters are of low priority, nothing is counted."""
        super().reset()
        self._events, self._counted, self._since = [_NONE] * COUNTERS, [0] * COUNTERS, [0] * COUNTERS
        self._set_priority(0)

    def _set_priority(self, value: int) -> None:
        masters = sum(bool(value & bit) << i for i, bit in enumerate((_PROC0, _PROC1, _DMA_R, _DMA_W)))
        self.bus.host.set_bus_priority(masters)

    def _seen(self, event: int) -> int | None:
        """What the fabric has counted of an event; None where it counts nothing."""
        if event >= _EVENTS:
            return 0
        return self.bus.host.bus_accesses(event >> 1, contested=not event & 1)

    def _value(self, i: int) -> int:
        seen = self._seen(self._events[i])
        return min(self._counted[i] + (seen or 0) - self._since[i], _MOST)

    def _load_counter(self, i: int) -> int:
        if self._seen(0) is None:
            self.bus.unmodelled(self, self.PERFCTR0 + 8 * i, None, "counts with --contention only")
        return self._value(i)

    def _clear_counter(self, i: int, _: int) -> None:
        self._counted[i], self._since[i] = 0, self._seen(self._events[i]) or 0

    def _choose_event(self, i: int, value: int) -> None:
        self._counted[i] = self._value(i)
        self._events[i] = value & 0x1F
        self._since[i] = self._seen(self._events[i]) or 0
