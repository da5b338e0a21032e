"""The memory of the RP2040's flash cache as SRAM."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from m0sim import Fault, Machine

FLASH, XIP_SRAM = 0x10000000, 0x15000000
# reads(address, count, step): LDRB r3, [r0]; ADDS r0, r0, r2; SUBS r1, #1; BNE; BX lr
READS = struct.pack("<5H", 0x7803, 0x1880, 0x3901, 0xD1FB, 0x4770)


def test_the_cache_as_sram() -> None:
    """A program in it runs, with buffers and stack in the other SRAM; the cache is off."""
    machine = Machine.from_raw(READS, XIP_SRAM)
    buffer = machine.alloc(np.arange(100, dtype=np.uint8), name="buffer")
    cost = machine.call(XIP_SRAM, buffer, 100, 1, level="memory")
    assert cost.cycles == 100 * (2 + 1 + 1 + 2) - 1 + 2
    assert machine.device.region_at(cost.stack_top - 4) in machine.device.srams
    assert {t.name for t in cost.traffic} == {"buffer"}
    assert machine.device.sram_bytes == 264 * 1024


def test_the_cache_as_sram_only_where_the_image_is_in_it() -> None:
    with pytest.raises(Fault, match=r"0x15000000.*flash cache"):
        Machine.from_raw(READS, FLASH).call(FLASH, XIP_SRAM, 1, 1)
