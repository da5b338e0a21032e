"""The estimate of the RP2040's flash cache against a cache written a second time, as lists of lines by set."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from m0sim import Fault, Machine
from m0sim.report import text

FLASH = 0x10000000
SETS, WAYS, LINE = 1024, 2, 8  # 16 KiB, RP2040 datasheet 2.6.3
CYCLES_A_LINE = 2 * 40  # two words, 40 cycles each

# reads(address, count, step): LDRB r3, [r0]; ADDS r0, r0, r2; SUBS r1, #1; BNE; BX lr
READS = struct.pack("<5H", 0x7803, 0x1880, 0x3901, 0xD1FB, 0x4770)
LOOP, RETURN = (FLASH, 8), (FLASH + 8, 2)


class Cache:
    """Least recently used replacement; each set a list, newest last."""

    def __init__(self) -> None:
        self.sets: dict[int, list[int]] = {}

    def misses(self, begin: int, size: int = 1) -> int:
        missed = 0
        for line in range(begin // LINE, (begin + size - 1) // LINE + 1):
            held = self.sets.setdefault(line % SETS, [])
            missed += line not in held
            held[:] = [*(other for other in held if other != line), line][-WAYS:]
        return missed


def expected(address: int, count: int, step: int) -> tuple[int, int]:
    cache, code, data = Cache(), 0, 0
    for i in range(count):
        code += cache.misses(*LOOP)
        data += cache.misses(address + i * step)
    return code + cache.misses(*RETURN), data


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine.from_raw(READS, FLASH)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 0x20000), st.integers(1, 400), st.sampled_from([0, 1, 4, 8, 12, 256, 4096, 8192, 16384]))
def test_misses(machine: Machine, offset: int, count: int, step: int) -> None:
    count = min(count, 1 + (0x1F0000 - offset) // max(step, 1))
    cost = machine.call(FLASH, FLASH + offset, count, step, level="memory")
    found = cost.flash_misses
    assert found is not None
    assert (found.code_lines, found.data_lines) == expected(FLASH + offset, count, step)
    assert found.cycles == CYCLES_A_LINE * (found.code_lines + found.data_lines)


def test_what_is_in_sram_misses_nothing(machine: Machine) -> None:
    found = machine.call(FLASH, 0x20000000, 100, 4, level="memory").flash_misses
    assert found is not None
    assert (found.code_lines, found.data_lines) == (2, 0)


def test_the_report_calls_it_an_estimate_and_no_bound(machine: Machine) -> None:
    cost = machine.call(FLASH, FLASH, 1, 4, level="memory")
    shown = io.StringIO()
    Console(file=shown, width=200).print(text.call(cost, machine.device))
    (line,) = [line for line in shown.getvalue().splitlines() if "flash cache" in line]
    code, data = expected(FLASH, 1, 4)
    cycles = CYCLES_A_LINE * (code + data)
    missed = f"{code} lines of code and {data} of data missed"
    assert line.strip() == f"flash cache, an estimate and no bound: {missed}, about {cycles} cycles more"


def test_no_estimate_without_a_cache_or_the_level(machine: Machine) -> None:
    assert machine.call(FLASH, 0x20000000, 1, 4).flash_misses is None
    other = Machine.from_raw(READS, 0x08000000, "stm32g0")
    assert other.call(0x08000000, 0x20000000, 1, 4, level="memory").flash_misses is None


XIP_SRAM = 0x15000000


def test_the_cache_as_sram() -> None:
    """A program in it runs, with buffers and stack in the other SRAM; the cache is off, and nothing is estimated."""
    machine = Machine.from_raw(READS, XIP_SRAM)
    buffer = machine.alloc(np.arange(100, dtype=np.uint8), name="buffer")
    cost = machine.call(XIP_SRAM, buffer, 100, 1, level="memory")
    assert cost.cycles == 100 * (2 + 1 + 1 + 2) - 1 + 2
    assert machine.device.region_at(cost.stack_top - 4) in machine.device.srams
    assert {t.name for t in cost.traffic} == {"buffer"}
    assert cost.flash_misses is None
    assert machine.device.sram_bytes == 264 * 1024


def test_the_cache_as_sram_only_where_the_image_is_in_it(machine: Machine) -> None:
    with pytest.raises(Fault, match=r"0x15000000.*flash cache"):
        machine.call(FLASH, XIP_SRAM, 1, 1)
