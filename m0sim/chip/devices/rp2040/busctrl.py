"""BUSCTRL: RP2040 datasheet, section 2.1.5. Priorities are of no consequence with one master."""

from __future__ import annotations

from m0sim.chip.devices.block import WORD, Block, Register

_COUNTERS = 4


class Busctrl(Block):
    """Its counters of accesses stay 0, and are named when they are asked for."""

    def __init__(self) -> None:
        counters = []
        for i in range(_COUNTERS):
            counters.append(Register(0x08 + 8 * i, f"PERFCTR{i}", writable=0, clears=WORD, effect=False))
            counters.append(Register(0x0C + 8 * i, f"PERFSEL{i}", 0x1F, writable=0x1F))
        priority = Register(0x00, "BUS_PRIORITY", writable=0x1111)
        super().__init__(
            "BUSCTRL", 0x4003_0000, (priority, Register(0x04, "BUS_PRIORITY_ACK", 1, writable=0), *counters)
        )
