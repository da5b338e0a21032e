"""Who waited for whom at the bus fabric, from the arrays of the native core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.run_cost import BusPort, BusWait, Contention

MASTERS = ("core 0", "core 1", "DMA read", "DMA write")
PORTS = ("APB", "FASTPERI", "SRAM5", "SRAM4", "SRAM3", "SRAM2", "SRAM1", "SRAM0", "XIP_MAIN", "ROM")
"""As the RP2040 datasheet calls them in 2.1.1.2, in the order of their events."""


@dataclass(frozen=True, eq=False, slots=True)
class FabricCounts:
    """Copies of what was counted since reset."""

    accesses: npt.NDArray[np.int64]
    """By port."""
    contested: npt.NDArray[np.int64]
    """By port."""
    waits: npt.NDArray[np.int64]
    """Cycles by master, port, and the master that had it."""


def counted(fabric: Any) -> FabricCounts:
    """Everything until now; `fabric` is `struct m0_fabric` of core.h."""
    ports = [(port.accesses, port.contested) for port in fabric.ports]
    accesses, contested = np.array(ports, np.int64).T
    waits = np.array(list(fabric.waits), np.int64).reshape(len(MASTERS), len(PORTS), len(MASTERS))
    return FabricCounts(accesses, contested, waits)


def contention(done: FabricCounts, before: FabricCounts | None) -> Contention:
    """What came after `before`, or since reset."""
    accesses, contested, waits = done.accesses, done.contested, done.waits
    if before is not None:
        accesses, contested, waits = accesses - before.accesses, contested - before.contested, waits - before.waits
    rows = sorted(np.argwhere(waits).tolist(), key=lambda place: (-int(waits[tuple(place)]), place))
    return Contention(
        waits=tuple(BusWait(MASTERS[i], PORTS[p], MASTERS[k], int(waits[i, p, k])) for i, p, k in rows),
        ports=tuple(
            BusPort(name, int(count), int(late))
            for name, count, late in zip(PORTS, accesses, contested, strict=True)
            if count
        ),
    )
