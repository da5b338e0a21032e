"""The timed engine's waiting for flash against oracles that are driven by what the reference accountant saw.

The accountant notes each instruction and each load of a program in the order in which they happen. A word of code is
fetched when it is not the word that was fetched last; then come the loads of the instruction. `xip_oracle` and
`wait_oracle` say what each of these accesses waits.
"""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from functools import cache

import pytest
import wait_oracle
import xip_oracle
from conftest import parts
from engines import simple_form
from flash_programs import ALIASES, FLASH, SRAM_ROOM, WINDOW, FlashProgram, flash_program
from reference.accountant import Memory, Trace, price, trace

from m0sim import Cost, Machine
from m0sim.chip import device
from m0sim.chip.buffer import Buffer
from m0sim.chip.device import Device, XipCache
from m0sim.chip.flash_timing import FlashTiming, WaitStates
from m0sim.chip.options import LEVELS, Level, level_of
from m0sim.image import load_raw

STACK = 4096
RP2040 = device.load("rp2040")
BIG = RP2040.xip_cache
assert BIG is not None


def small_flash(chip: Device) -> Device:
    """With no more flash than the programs have: tables are smaller."""
    regions = tuple(replace(r, size=WINDOW) if r.kind == "flash" else r for r in chip.regions)
    return replace(chip, regions=regions)


def with_cache(size: int, ways: int, line_bytes: int = 8, cost: int = 60) -> Device:
    cache_ = XipCache(size, ways, line_bytes, cost)
    return small_flash(replace(RP2040, xip_cache=cache_))


def with_waits(states: int, word: int, prefetch: str, lines: int, ways: int, holds: str) -> Device:
    rows = (WaitStates(200_000_000, states),)
    timing = FlashTiming(states, rows, word, prefetch, lines, ways, holds, False, "a test")  # type: ignore[arg-type]
    return small_flash(replace(RP2040, xip_cache=None, flash_timing=timing))


CACHES = {
    "16 KiB": with_cache(16384, 2),
    "256 bytes": with_cache(256, 2),
    "64 bytes": with_cache(64, 2),
    "one way": with_cache(256, 1),
    "four ways of 16 bytes": with_cache(512, 4, 16, 7),
    "a line a set": with_cache(128, 1, 64, 3),
}
WAITS = {
    "stm32g0": with_waits(2, 8, "next", 2, 2, "code"),
    "stm32l0": with_waits(1, 4, "next", 0, 1, "code"),
    "samd21": with_waits(1, 8, "none", 8, 1, "all"),
    "mspm0g3507": with_waits(2, 8, "next", 4, 4, "code"),
    "three sets": with_waits(3, 16, "none", 6, 2, "all"),
}
CORES = {"M0+": ("cortex-m0plus", 1), "slow multiplier": ("cortex-m0plus", 32), "M0": ("cortex-m0", 1)}


@cache
def machine_of(name: str, core: str) -> tuple[Machine, Buffer]:
    """One machine for all programs, with a buffer for their code in SRAM."""
    chip = (CACHES | WAITS)[name]
    kind, multiplier = CORES[core]
    port = chip.io_port if kind == "cortex-m0plus" else None
    chip = replace(chip, core=kind, multiplier_cycles=multiplier, io_port=port)  # type: ignore[arg-type]
    machine = Machine(load_raw(bytes(WINDOW), FLASH), chip)
    return machine, machine.alloc(SRAM_ROOM, align=64)


def oracle_of(name: str) -> xip_oracle.Oracle | wait_oracle.Oracle:
    chip = (CACHES | WAITS)[name]
    if chip.xip_cache is not None:
        cache_ = chip.xip_cache
        return xip_oracle.Oracle(cache_.size, cache_.ways, cache_.line_bytes, cache_.miss_cycles_per_word)
    timing = chip.flash_timing
    assert timing is not None
    return wait_oracle.Oracle(
        timing.wait_states, timing.word_bytes, timing.prefetch, timing.cache_lines, timing.cache_ways,
        timing.cache_holds,
    )  # fmt: skip


def is_flash(address: int) -> bool:
    return address & 0xFF000000 in ALIASES and address & 0xFFFFFF < WINDOW


def waited(run: Trace, oracle: xip_oracle.Oracle | wait_oracle.Oracle) -> Counter[int]:
    """Cycles that each instruction waits in one run; the oracle goes on from where it is."""
    stalls: Counter[int] = Counter()
    is_cache = isinstance(oracle, xip_oracle.Oracle)
    sizes = {at: 4 if run.instructions[at].row.split()[0] in WIDE else 2 for at in run.instructions}
    reads, fetched = iter([*run.reads, (-1, 0)]), None
    by, address = next(reads)
    for step, (at, _) in enumerate(run.path):
        for word in range(at & ~3, at + sizes[at], 4):
            if word != fetched and is_flash(word):
                stalls[at] += oracle.access(word if is_cache else FLASH | word & 0xFFFFFF, True)
            fetched = word
        while by == step:
            if is_flash(address):
                stalls[at] += oracle.access(address if is_cache else FLASH | address & 0xFFFFFF, False)
            by, address = next(reads)
    return +stalls


WIDE = ("BL", "MRS", "MSR", "DMB", "DSB", "ISB")


def traced(program: FlashProgram, buffer: Buffer, stack_top: int) -> Trace:
    pieces = [Memory(base, program.flash) for base in ALIASES]
    pieces += [Memory(buffer.address & ~0xFFF, size=SRAM_ROOM + 0x1000), Memory(buffer.address, program.sram)]
    pieces.append(Memory(stack_top - STACK, size=STACK))
    return trace(program.entry, [0, 1, 2, 3], stack_top, pieces)


def by_address(cost: Cost, column: str) -> dict[int, int]:
    table = cost.instruction_table
    pairs = zip(table.address.tolist(), getattr(table, column).tolist(), strict=True)
    return {address: count for address, count in pairs if count}


def check(program: FlashProgram, run: Trace, name: str, core: str, form: str, level: Level) -> None:
    """One call with a cold and one with a warm cache, every figure."""
    machine, buffer = machine_of(name, core)
    machine.write(FLASH, program.flash)
    machine.write(buffer.address, program.sram)
    kind, multiplier = CORES[core]
    expected, oracle = price(run, kind, multiplier), oracle_of(name)
    for model in ("cold", "warm"):
        before = (oracle.code, oracle.data) if isinstance(oracle, xip_oracle.Oracle) else None
        if before is None:
            oracle = oracle_of(name)  # its buffers are empty at each start
        else:
            oracle.evictions.clear()
        stalls = waited(run, oracle)
        with simple_form() if form == "simple" else nullcontext():
            cost = machine.call(program.entry, 0, 1, 2, 3, flash=model, level=level)  # type: ignore[arg-type]
        what = f"{name}, {core}, {form}, {model}, {level}"
        assert by_address(cost, "executions") == expected.executed, what
        assert by_address(cost, "stalls") == stalls, what
        cycles = Counter(expected.self_cycles) + stalls
        assert by_address(cost, "cycles") == cycles, what
        assert cost.cycles == cycles.total(), what
        assert cost.flash is not None
        ran = cost.flash.counted
        assert ran is not None
        assert (ran.cycles, ran.bus_cycles) == (stalls.total(), 0), what
        if before is not None:
            assert (ran.code_misses, ran.data_misses) == (oracle.code - before[0], oracle.data - before[1]), what
            rows = machine.interpreter.cache.evictions  # type: ignore[union-attr]
            found = {(4 * int(r["word"]) - 4, 4 * int(r["by"]) - 4): int(r["misses"]) for r in rows}
            assert found == dict(oracle.evictions), what
        if level == "memory":
            assert sum(row.loads + row.stores for row in cost.traffic) == cost.loads + cost.stores, what


def check_seed(seed: int) -> None:
    """Each program on one device of each kind; both forms and both levels, in turn over the seeds."""
    names, cores = [*CACHES, *WAITS], [*CORES]
    picked = [(names[(seed + i * 5) % len(names)], cores[(seed // 3 + i) % 3]) for i in range(2)]
    machine, buffer = machine_of(*picked[0])
    program = flash_program(seed, buffer.address)
    run = traced(program, buffer, machine.space.stack_top & ~7)
    for number, (name, core) in enumerate(picked):
        form, level = "simple" if (seed + number) % 4 == 3 else "fast", LEVELS[(seed + number) // 4 % 2]
        check(program, run, name, core, form, level_of(level))


@pytest.mark.parametrize("first", [0, 50, *(pytest.param(n, marks=pytest.mark.long) for n in (100, 150))])
def test_programs(first: int) -> None:
    for seed in range(first, first + 50):
        check_seed(seed)


@pytest.mark.long
@pytest.mark.parametrize("first", parts(range(200, 1700, 500), long=1))
def test_many_programs(first: int) -> None:
    for seed in range(first, first + 500):
        check_seed(seed)
