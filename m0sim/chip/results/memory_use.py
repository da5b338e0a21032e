"""Memory: bytes by kind, and accesses by owner."""

from __future__ import annotations

import numpy as np

from m0sim.chip.cost import InstructionTable, MemoryUse, TrafficCost
from m0sim.chip.device import Device
from m0sim.chip.results.counts import Counts, Traffic
from m0sim.image import Image

_SIZES = np.array([1, 2, 4])


def traffic_costs(counts: Counts, traffic: Traffic) -> tuple[TrafficCost, ...]:
    """Accesses by owner, most bytes first."""
    names, pages = traffic.owners.names, counts.functions.pages
    touched = traffic.touched != 0
    first = pages.byte(counts.stack_low)
    # Down to its mark, memory is the stack's, whoever has what it did not come down to.
    touched[first : first + traffic.stack_high - counts.stack_low] = False
    bytes_touched = np.bincount(traffic.owners.at[touched], minlength=len(names))
    rows = []
    loads, stores = traffic.counts["loads"], traffic.counts["stores"]  # by owner and log2 of the size
    bytes_loaded, bytes_stored = loads @ _SIZES, stores @ _SIZES
    for number in np.flatnonzero(bytes_loaded + bytes_stored).tolist():
        size = counts.stack_bytes if number == traffic.owners.stack else int(bytes_touched[number])
        accesses = int(loads[number].sum()), int(stores[number].sum())
        moved = int(bytes_loaded[number]), int(bytes_stored[number])
        rows.append(TrafficCost(names[number], *accesses, *moved, size))
    return tuple(sorted(rows, key=lambda row: -(row.bytes_loaded + row.bytes_stored)))


def cycles_by_memory(table: InstructionTable, device: Device) -> tuple[int, int]:
    """Cycles of the code in flash, and of that in SRAM."""
    of = {"flash": 0, "sram": 0}
    for region in device.regions:
        bases = (region.base, *(alias.base for alias in device.aliases if alias.of == region.name))
        if region.kind in of:
            inside = np.any([(table.address >= base) & (table.address < base + region.size) for base in bases], axis=0)
            of[region.kind] += int(table.cycles[inside].sum())
    return of["flash"], of["sram"]


def memory_use(image: Image, device: Device, *, arguments: int, stack: int, heap: int) -> MemoryUse:
    """The image's bytes by memory and kind, and what the call adds: arguments, stack, and a heap in free SRAM."""
    sizes: dict[str, int] = {}
    for section in image.sections:
        region = device.region_at(section.address)
        place = "sram" if region is not None and region.kind == "sram" else "flash"
        key = f"{place}_{section.kind}"
        sizes[key] = sizes.get(key, 0) + section.size
        if place == "sram":
            sizes["flash_data"] = sizes.get("flash_data", 0) + section.stored_bytes
    return MemoryUse(
        flash_code=sizes.get("flash_code", 0),
        flash_rodata=sizes.get("flash_rodata", 0),
        flash_data=sizes.get("flash_data", 0),
        sram_code=sizes.get("sram_code", 0),
        sram_rodata=sizes.get("sram_rodata", 0),
        sram_data=sizes.get("sram_data", 0),
        sram_bss=sizes.get("sram_bss", 0),
        sram_arguments=arguments,
        sram_stack=stack,
        sram_reserved=sizes.get("sram_reserved", 0),
        sram_heap=heap,
    )
