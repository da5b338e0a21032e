"""The accounting against the slow reference accountant on random programs, with no difference allowed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from conftest import quick_of
from hypothesis import HealthCheck, Phase, given, seed, settings
from reference import encode as e
from reference.accountant import Memory, Trace, count, price, trace
from reference.calls import Span, attribute
from reference.programs import DATA_SIZE, DYNAMIC_LIMIT, Program, build, programs
from reference.timing_table import CORES, TABLE

from m0sim import Cost, Machine
from m0sim.chip import device
from m0sim.image import Image, Symbol, load_raw

SHARDS = 8
EXAMPLES = 65
"""A shard; 520 programs in all."""

load = cache(device.load)
PROFILES = {"rp2040": ("cortex-m0plus", 1), "m0plus-slowmul": ("cortex-m0plus", 32), "stm32f0": ("cortex-m0", 1)}
COUNTS = (
    *("cycles", "instructions", "loads", "stores", "bytes_loaded", "bytes_stored"),
    *("branches_taken", "branches_not_taken", "stack_bytes", "result"),
)
STACK = 8192
EVERY_EXAMPLE = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


def run_both(program: Program, profile: str, level: str = "cycles") -> tuple[Cost, Trace]:
    """The program in the product, and the reference's trace of the same call at the same addresses."""
    base = load(profile).flash.base
    machine = Machine(named(program, base), load(profile))
    data = machine.alloc(np.frombuffer(program.data, np.uint8))
    cost = machine.call(base + program.entry, data, *program.args, level=level)
    memory = [
        Memory(base, program.code),
        Memory(data.address, program.data),
        Memory(cost.stack_top - STACK, size=STACK),
    ]
    return cost, trace(base + program.entry, [data.address, *program.args], cost.stack_top, memory)


def named(program: Program, base: int) -> Image:
    """The program as an image with a symbol for every function."""
    symbols = tuple(
        Symbol(name, name, base + offset, size, "function", is_thumb=True, is_global=True, source_file="")
        for name, offset, size in program.functions
    )
    return replace(load_raw(program.code, base), symbols=symbols)


def differences(program: Program, profile: str, level: str = "cycles") -> dict[str, tuple[object, object]]:
    """Every count that differs, the product's first."""
    core, multiplier = PROFILES[profile]
    cost, run = run_both(program, profile, level)
    reference = price(run, core, multiplier)
    table = cost.instruction_table
    pairs = {name: (getattr(cost, name), getattr(reference, name)) for name in COUNTS}
    pairs["executed"] = (dict(cost.executed), reference.executed)
    pairs["taken"] = (by_address(table.address, table.taken), +run.taken)
    pairs["cycles by address"] = (by_address(table.address, table.cycles), reference.self_cycles)
    pairs["self cycles"] = (sum(each.self_cycles for each in cost.functions.values()), reference.cycles)
    pairs["functions"] = (
        {name: (each.calls, each.self_cycles, each.inclusive_cycles) for name, each in cost.functions.items()},
        attribute(run, spans(program, load(profile).flash.base), core, multiplier),
    )
    if level == "memory":
        pairs["traffic"] = traffic_of(cost), reference_traffic(program, cost, run, load(profile).flash.base)
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


Traffic = dict[str, tuple[int, int, int, int, int]]
"""By owner: loads, stores, bytes loaded, bytes stored, and the different bytes touched."""


def traffic_of(cost: Cost) -> Traffic:
    return {t.name: (t.loads, t.stores, t.bytes_loaded, t.bytes_stored, t.bytes_touched) for t in cost.traffic}


def reference_traffic(program: Program, cost: Cost, run: Trace, base: int) -> Traffic:
    """From the reference's accesses: those to the stack down to its mark, the data, and each function's literals."""
    stack, buffer = "(stack)", "buffer0"
    owners = {name: range(base + offset, base + offset + size) for name, offset, size in program.functions}
    moved: dict[str, list[int]] = {}
    touched: dict[str, set[int]] = {}
    for (address, size, is_store), times in run.accesses.items():
        if cost.stack_top - cost.stack_bytes <= address < cost.stack_top:
            owner = stack
        else:
            found = [name for name, span in owners.items() if address in span]
            owner = f"{found[0]} (literals)" if found else buffer
        row = moved.setdefault(owner, [0, 0, 0, 0])
        row[is_store] += times
        row[2 + is_store] += times * size
        touched.setdefault(owner, set()).update(range(address, address + size))
    sizes = {owner: cost.stack_bytes if owner == stack else len(found) for owner, found in touched.items()}
    return {owner: (*row, sizes[owner]) for owner, row in moved.items()}  # type: ignore[misc]


def spans(program: Program, base: int) -> list[Span]:
    return [Span(name, base + offset, base + offset + size) for name, offset, size in program.functions]


def by_address(addresses: np.ndarray, counts: np.ndarray) -> dict[int, int]:
    return {address: count for address, count in zip(addresses.tolist(), counts.tolist(), strict=True) if count}


@pytest.mark.parametrize(
    ("shard", "count"),
    [(0, 30), *(pytest.param(n, EXAMPLES, marks=pytest.mark.long) for n in range(SHARDS))],
    ids=["quick", *map(str, range(SHARDS))],  # test_sanitized.py names them
)
def test_no_count_differs_from_the_reference(shard: int, count: int) -> None:
    @seed(shard)
    @settings(EVERY_EXAMPLE, max_examples=count)
    @given(programs())
    def check(program: Program) -> None:
        for profile in PROFILES:
            assert differences(program, profile) == {}, profile
        for profile in ("rp2040", "stm32f0"):
            assert differences(program, profile, "memory") == {}, profile

    check()


def run_reference(program: Program) -> Trace:
    """The reference alone."""
    memory = [Memory(0x10000000, program.code), Memory(0x20000000, program.data), Memory(0x20008000, size=STACK)]
    return trace(0x10000000 + program.entry, [0x20000000, *program.args], 0x20008000 + STACK, memory)


@pytest.mark.long
def test_every_instruction_is_in_one_program_of_a_hundred() -> None:
    """Measured on the same programs as above: the instructions that a program executes, not those that it holds."""
    rows: Counter[str] = Counter()
    conditions: Counter[str] = Counter()
    total = 0
    for shard in range(SHARDS):
        for program in examples(shard):
            run = run_reference(program)
            rows.update(run.rows)
            assert len(run.path) <= DYNAMIC_LIMIT
            conditions.update({each.condition for each in run.instructions.values()})
            total += 1
    assert total >= 500
    assert {row: rows[row] for row in TABLE if rows[row] < total / 100} == {}
    assert len(conditions) == 15
    assert min(conditions.values()) >= total / 100


def examples(shard: int) -> list[Program]:
    """The programs of one shard of the test above: the same seed draws the same ones."""
    drawn: list[Program] = []

    @seed(shard)
    @EVERY_EXAMPLE
    @given(programs())
    def collect(program: Program) -> None:
        drawn.append(program)

    collect()
    return drawn


@cache
def corpus() -> list[Program]:
    """A fixed set of programs that together need every row of the timing table."""
    rng = random.Random(0)
    return [build(rng.randbytes(1500), rng.randbytes(DATA_SIZE), (0, 1, 2)) for _ in range(60)]


@cache
def corpus_runs(profile: str) -> list[tuple[int, Trace]]:
    """The product's cycles and the reference's trace of every program."""
    return [(cost.cycles, run) for cost, run in (run_both(program, profile) for program in corpus())]


@pytest.mark.parametrize("profile", quick_of(PROFILES, ["rp2040", "stm32f0"]))
def test_a_cycle_more_in_any_row_of_the_table_shows(profile: str) -> None:
    """Every row is checked: make it one cycle longer in the reference and the comparison goes red."""
    core, multiplier = PROFILES[profile]
    runs = corpus_runs(profile)
    assert all(cycles == price(run, core, multiplier).cycles for cycles, run in runs)
    unused = "MULS fast" if multiplier == 32 else "MULS slow"
    for row in TABLE:
        red = any(cycles != price(run, core, multiplier, bump=row).cycles for cycles, run in runs)
        assert red == (row != unused), row


COUNTED_BY_HAND = (
    # instruction, Cortex-M0+ cycles, Cortex-M0 cycles
    (e.push([4, e.LR]), 3, 3),
    (e.branch_link(8), 3, 4),  # to MOVS
    (e.data_processing("muls", 0, 0), 1, 1),
    (e.DMB, 3, 4),
    (e.pop([4, e.PC]), 5, 6),
    (e.imm8("movs", 1, 3), 1, 1),
    (e.imm8("subs", 1, 1), 3, 3),  # three times
    (e.branch_if("ne", -6), 2 + 2 + 1, 3 + 3 + 1),  # taken twice
    (e.multiple("ldm", 0, [2, 3]), 3, 3),
    (e.immediate_offset("strb", 2, 0, 0), 2, 2),
    (e.bx(e.LR), 2, 3),
)


@pytest.mark.parametrize("core", CORES)
def test_the_reference_on_a_program_counted_by_hand(core: str) -> None:
    code = b"".join(half.to_bytes(2, "little") for halfwords, *_ in COUNTED_BY_HAND for half in halfwords)
    cost = count(code, 0x10000000, 0, [0x20000000], core=core)
    assert cost.cycles == sum(row[1 + CORES.index(core)] for row in COUNTED_BY_HAND)
    assert (cost.instructions, cost.branches_taken, cost.branches_not_taken) == (15, 2, 1)
    assert (cost.loads, cost.bytes_loaded, cost.stores, cost.bytes_stored) == (4, 16, 3, 9)
    assert (cost.stack_bytes, cost.result) == (8, 0x20000008 * 0x20000008 % (1 << 32))


def test_the_tables_name_both_cores() -> None:
    assert {core for core, _ in PROFILES.values()} == set(CORES)
