"""The native core: its header as Python reads it, libraries that do not fit, and code that is hard on it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import FIRMWARE, Build
from unicorn import UC_ARCH_ARM, UC_HOOK_CODE, UC_MODE_THUMB, Uc, UcError
from unicorn.arm_const import UC_ARM_REG_LR, UC_ARM_REG_PC, UC_ARM_REG_R0, UC_ARM_REG_SP, UC_CPU_ARM_CORTEX_M0

from m0sim import Cost, Machine
from m0sim.build_libraries import TARGETS, host
from m0sim.build_libraries import build as build_library
from m0sim.chip import isa
from m0sim.chip.engine import counters
from m0sim.chip.engine.emulator import RETURN_ADDRESS
from m0sim.chip.native import layout, library, tables
from m0sim.errors import UsageError
from m0sim.image import Symbol, load_raw
from m0sim.libraries import CORE, Library

pytestmark = pytest.mark.engines("unicorn", "fast")  # once, "unicorn", where none runs or another pytest runs them all

FOLDER = CORE.folder
HEADER = (FOLDER / "core.h").read_text()

# -- the header


def compiled(source: str, folder: Path) -> ctypes.CDLL:
    """C that includes core.h, compiled for this machine."""
    output = folder / "probe.so"
    target = TARGETS[host()].zig
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-O2", "-shared", "-std=c11"]
    command += ["-I", str(FOLDER), "-x", "c", "-", "-o", str(output)]
    subprocess.run(command, input=f'#include "core.h"\n{source}', text=True, check=True)
    return ctypes.CDLL(str(output))


@pytest.mark.engines("unicorn")
def test_the_layout_is_the_compilers(tmp_path: Path) -> None:
    structures = layout.structures(HEADER)
    names = [(name, field[0]) for name, kind in structures.items() for field in kind._fields_]
    sizes = ", ".join(f"sizeof(struct {name})" for name in structures)
    offsets = ", ".join(f"offsetof(struct {name}, {field})" for name, field in names)
    probe = compiled(f"size_t sizes[] = {{{sizes}}}, offsets[] = {{{offsets}}};", tmp_path)
    found = list((ctypes.c_size_t * len(structures)).in_dll(probe, "sizes"))
    assert found == [ctypes.sizeof(kind) for kind in structures.values()]
    found = list((ctypes.c_size_t * len(names)).in_dll(probe, "offsets"))
    assert found == [getattr(structures[name], field).offset for name, field in names]
    assert len(names) > 150


@pytest.mark.engines("unicorn")
def test_the_numbers_are_the_compilers(tmp_path: Path) -> None:
    numbers = layout.numbers(HEADER)
    probe = compiled(f"unsigned long long all[] = {{{', '.join(numbers)}}};", tmp_path)
    assert list((ctypes.c_ulonglong * len(numbers)).in_dll(probe, "all")) == list(numbers.values())


@pytest.mark.engines("unicorn")
@pytest.mark.parametrize(
    ("prefix", "members"), [("STOP", layout.Stop), ("KIND", isa.Kind), ("FLOW", isa.Flow), ("WIDE", isa.Wide)]
)
def test_names_are_the_same_on_both_sides(prefix: str, members: type[isa.Kind]) -> None:
    numbers = layout.numbers(HEADER)
    ours = {name.removeprefix(f"M0_{prefix}_"): n for name, n in numbers.items() if name.startswith(f"M0_{prefix}_")}
    ours.pop("COUNT", None)
    assert {"NOTHING": 0} | ours == {"NOTHING": 0} | {member.name: int(member) for member in members}


@pytest.mark.engines("unicorn")
def test_a_row_of_first_is_an_encoding() -> None:
    fields = [name for name, _ in layout.structures(HEADER)["m0_encoding"]._fields_]
    columns = [name for name in fields if getattr(isa, name.upper()) == fields.index(name)]
    assert columns == fields
    assert isa.FIRST.shape == (65536, len(fields))


@pytest.mark.engines("unicorn")
@pytest.mark.parametrize("field", ["double x;", "int32_t x : 3;", "struct nowhere x;", "int32_t x, y;"])
def test_a_field_that_the_reader_does_not_know_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="cannot read the field"):
        layout.structures(f"struct one {{\n    {field}\n}};\n")


# -- the library


@pytest.mark.engines("unicorn")
def test_a_library_of_another_header_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CORE.load() is not None
    monkeypatch.setattr(Library, "digest", lambda self: "0" * 64)
    with pytest.raises(UsageError, match=r"built from another version of .*core\.h; run make"):
        CORE.load()


@pytest.mark.engines("unicorn")
def test_a_library_that_is_missing_or_none_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.so"
    monkeypatch.setenv("M0SIM_CORE", str(other))
    with pytest.raises(UsageError, match=r"other\.so is not built; in a checkout, run make"):
        CORE.load()
    other.write_text("no library")
    with pytest.raises(UsageError, match=r"other\.so cannot be loaded: .*run make"):
        CORE.load()


@pytest.mark.engines("unicorn")
def test_the_core_asks_for_no_other_library() -> None:
    """Undefined symbols would tie it to a C library; what is exported is what functions.h says."""
    exported = re.findall(r"M0_EXPORT (?:extern )?[\w ]+?\*?(m0_\w+)[(\[]", (FOLDER / "functions.h").read_text())
    for name in exported:
        assert library.address_of(name)
    assert len(exported) > 15


# -- code that is hard on it


@pytest.fixture(scope="module")
def hard(build: Build) -> Path:
    return build("hard.S", flags=("-g", f"-I{FIRMWARE}"))


def written(build: Build, folder: Path, name: str, text: str) -> Path:
    source = folder / f"{name}.S"
    source.write_text(f"    .syntax unified\n    .cpu cortex-m0plus\n    .thumb\n    .text\n{text}")
    return build(source, flags=("-g",))


def function(name: str, body: str) -> str:
    head = f"    .balign 4\n    .global {name}\n    .type {name}, %function\n    .thumb_func\n{name}:\n"
    return f"{head}{body}    .ltorg\n    .size {name}, . - {name}\n"


def check_sums(cost: Cost) -> None:
    assert int(cost.instruction_table.cycles.sum()) == cost.cycles
    assert sum(f.self_cycles for f in cost.functions.values()) == cost.cycles
    assert sum(node.self_cycles for node in cost.call_tree) == cost.cycles
    assert cost.call_tree[0].inclusive_cycles == cost.cycles


@pytest.mark.engines("unicorn")
@pytest.mark.parametrize(("name", "hint"), [("yields", 1), ("waits", 2)])
def test_hints_do_not_leave_the_emulator(hard: Path, name: str, hint: int, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine.from_elf(hard)
    starts = []
    start = machine._emulator.uc.emu_start
    monkeypatch.setattr(machine._emulator.uc, "emu_start", lambda *given: (starts.append(given), start(*given)))
    cost = machine.call(name, 5000)
    assert cost.cycles == 5000 * (hint + 1 + 2) - 1 + 2
    assert cost.instructions == 3 * 5000 + 1
    check_sums(cost)
    assert len(starts) < 5


def rewrites_cycles(rounds: int) -> int:
    victim = 1 + 1 + 1 + 1 + 2
    return 6 + 1 + 2 + 1 + 1 + 1 + rounds * (2 + 1 + 2 + 1 + 2 + victim + 1 + 1 + 1 + 2) - 1 + 1 + 3 + 5


def test_every_version_of_rewritten_code_is_counted(hard: Path) -> None:
    cost = Machine.from_elf(hard).call("rewrites", 700)
    assert cost.result == sum(i & 0xFF for i in range(700))
    assert cost.cycles == rewrites_cycles(700)
    check_sums(cost)
    victim = next(s for s in Machine.from_elf(hard).image.functions if s.name == "victim").address
    rows = [row for row in cost.instruction_table.rows if row.address == victim]
    assert [(row.encoding & 0xFF, row.executions) for row in rows] == [(i, 3 if i < 188 else 2) for i in range(256)]
    rows = [row for row in cost.instruction_table.rows if row.address == victim + 2]
    assert [(row.encoding & 0xFF, row.executions) for row in rows] == [(0, 256), (1, 256), (2, 188)]


@pytest.mark.engines("unicorn")
def test_versions_that_are_forgotten_stay_counted(hard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are given up when there are too many, and calls go on across that."""
    expected = Machine.from_elf(hard).call("rewrites", 4000)
    monkeypatch.setattr(counters, "_BLOCKS_KEPT", 1000)
    machine = Machine.from_elf(hard)
    forgets = []
    forget = machine.counters.tables.forget_code
    monkeypatch.setattr(machine.counters.tables, "forget_code", lambda: (forgets.append(1), forget()))
    for _ in range(2):
        cost = machine.call("rewrites", 4000)
        assert cost.cycles == expected.cycles == rewrites_cycles(4000)
        for column in ("address", "encoding", "executions", "taken", "cycles"):
            assert np.array_equal(getattr(cost.instruction_table, column), getattr(expected.instruction_table, column))
        assert (cost.functions, cost.edges, cost.call_tree) == (expected.functions, expected.edges, expected.call_tree)
    assert len(forgets) >= 2
    assert machine.call("yields", 10).cycles == 10 * 4 - 1 + 2


RING = 300


@pytest.fixture(scope="module")
def ring(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Functions that jump to each other."""
    members = [
        function(f"ring{i}", f"    subs r0, #1\n    beq 1f\n    ldr r1, =ring{(i + 1) % RING}\n    bx r1\n1:  bx lr\n")
        for i in range(RING)
    ]
    return written(build, tmp_path_factory.mktemp("ring"), "ring", "".join(members))


@pytest.mark.parametrize("turns", [1, 2, 299, 300, 301, 90_000])
def test_a_ring_of_tail_calls(ring: Path, turns: int) -> None:
    """The stack of calls stays flat: there is room for 65,536 open ones."""
    cost = Machine.from_elf(ring).call("ring0", turns)
    assert cost.cycles == 6 * (turns - 1) + 5
    check_sums(cost)
    turns_of = [len(range(i, turns, RING)) for i in range(RING)]
    last = (turns - 1) % RING
    for i, count in enumerate(turns_of):
        if count:
            found = cost.functions[f"ring{i}"]
            assert (found.calls, found.self_cycles) == (count, 6 * count - (i == last)), i
    assert max(f.inclusive_cycles for f in cost.functions.values()) == cost.cycles


def straight(count: int) -> np.ndarray:
    """`count` times ADDS R0, #1, and BX LR."""
    return np.array([0x3001] * count + [0x4770], np.uint16)


@pytest.mark.parametrize(("base", "kib"), [(0x10000000, 240), (0x10000000, 1), (0x20000000, 240)])
def test_straight_code(base: int, kib: int) -> None:
    """In SRAM, where its bytes are kept, as in flash. Nothing repeats: every block is new."""
    count = 512 * kib - 1
    machine = Machine.from_raw(straight(count).tobytes(), base)
    for _ in range(2):
        cost = machine.call(base)
        assert (cost.result, cost.cycles, cost.instructions) == (count, count + 2, count + 1)
        assert len(cost.instruction_table.address) == count + 1
        assert set(cost.instruction_table.executions.tolist()) == {1}
        check_sums(cost)


PLACES = 5000


@pytest.fixture(scope="module")
def places(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function that calls another one from so many places."""
    body = "    push {r4, lr}\n" + "    bl leaf\n" * PLACES + "    pop {r4, pc}\n"
    leaf = function("leaf", "    adds r0, #1\n    bx lr\n")
    return written(build, tmp_path_factory.mktemp("places"), "places", leaf + function("places", body))


def test_calls_from_very_many_places(places: Path) -> None:
    """More blocks than the tables begin with, each counted once."""
    machine = Machine.from_elf(places)
    first = machine.symbol("places").address + 2
    for _ in range(2):
        cost = machine.call("places", 0)
        assert (cost.result, cost.cycles) == (PLACES, 3 + 6 * PLACES + 5)
        assert [(edge.calls, edge.inclusive_cycles) for edge in cost.edges] == [(1, 3)] * PLACES
        assert [edge.call_address for edge in cost.edges] == list(range(first, first + 4 * PLACES, 4))
        assert (cost.functions["leaf"].calls, cost.functions["leaf"].inclusive_cycles) == (PLACES, 3 * PLACES)
        assert len(cost.call_tree) == 1 + PLACES
        check_sums(cost)


SITES, FUNCTIONS = 50, 60


@pytest.fixture(scope="module")
def crossing(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function that calls each of 60 from 50 places: far more ways than blocks."""
    functions = [function(f"f{i}", "    adds r0, #1\n    bx lr\n") for i in range(FUNCTIONS)]
    begin = "    push {r4, r5, lr}\n    movs r0, #0\n    movs r5, #0\n    ldr r4, =f0\n"
    loop = "1:\n" + "    blx r4\n" * SITES
    end = f"    adds r4, #4\n    adds r5, #1\n    cmp r5, #{FUNCTIONS}\n    bne 1b\n    pop {{r4, r5, pc}}\n"
    twice = function("crosses_twice", "    push {r4, lr}\n    bl crosses\n    bl crosses\n    pop {r4, pc}\n")
    text = "".join(functions) + function("crosses", begin + loop + end) + twice
    return written(build, tmp_path_factory.mktemp("crossing"), "crossing", text)


@pytest.mark.parametrize("contexts", [tables.CONTEXT_LIMIT, 1024])
def test_every_place_calls_every_function(crossing: Path, contexts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CONTEXT_LIMIT", contexts)
    machine = Machine.from_elf(crossing)
    for _ in range(2):
        cost = machine.call("crosses")
        calls = SITES * FUNCTIONS
        assert (cost.result, cost.cycles) == (calls, 4 + 1 + 1 + 2 + 5 * calls + (1 + 1 + 1 + 2) * FUNCTIONS - 1 + 6)
        assert {(edge.calls, edge.inclusive_cycles) for edge in cost.edges} == {(1, 3)}
        assert len({(edge.call_address, edge.callee) for edge in cost.edges}) == len(cost.edges) == calls
        assert {(f.calls, f.self_cycles) for name, f in cost.functions.items() if name != "crosses"} == {
            (SITES, 3 * SITES)
        }
        assert len(cost.call_tree) == min(1 + calls, contexts - 1)
        check_sums(cost)
        assert len(machine.counters.tables.used("blocks")) < 200


def test_contexts_outnumber_the_edges(crossing: Path) -> None:
    cost = Machine.from_elf(crossing).call("crosses_twice")
    assert len(cost.edges) == 2 + SITES * FUNCTIONS
    assert len(cost.call_tree) == 1 + 2 * (1 + SITES * FUNCTIONS)
    assert {node.calls for node in cost.call_tree} == {1}
    assert not cost.warnings
    check_sums(cost)


def recursion_cycles(rounds: int) -> int:
    return 3 + 1 + rounds * (1 + 3 + 22 * 200 + 10 + 1 + 2) - 1 + 5


def test_deep_recursion_from_many_places(hard: Path) -> None:
    cost = Machine.from_elf(hard).call("recurses_often", 20)
    assert cost.cycles == recursion_cycles(20)
    assert cost.functions["recurses"].calls == 20 * 201
    assert cost.functions["recurses"].inclusive_cycles == 20 * (22 * 200 + 10)
    assert len(cost.edges) == 128 + 1
    assert [node.function for node in cost.call_tree] == ["recurses_often", "recurses"]
    check_sums(cost)


# -- code that changes, against a count of every instruction that runs

CODE = 0x20000000
VICTIM, PATCHES = CODE + 0x400, CODE + 0x800  # pages of their own
LENGTH, ROUNDS = 24, 200

# Runs the victim, r0 to r3 its own, with one halfword changed before each time: r4 points to pairs of a place and a
# value, r5 behind the last of them.
PATCHER = """
    push    {r4, r5, r6, r7, lr}
    movs    r4, r0
    movs    r5, r1
1:  ldrh    r6, [r4, #0]
    ldrh    r7, [r4, #2]
    strh    r7, [r2, r6]
    push    {r2}
    adds    r6, r2, #1
    blx     r6
    pop     {r2}
    adds    r4, #4
    cmp     r4, r5
    bne     1b
    pop     {r4, r5, r6, r7, pc}
"""
# Data processing, a branch forward over one or two halfwords (taken or not), and an early return.
SOME = (0x1840, 0x1A40, 0x3001, 0x3903, 0x4341, 0x0849, 0xD000, 0xD100, 0xD500, 0xD301, 0xE000, 0x4770, 0xBF00, 0xBF20)


def executions(memory: bytes, registers: list[int]) -> dict[tuple[int, int], int]:
    """How often each encoding ran at each address: a hook on every instruction that looks what is there."""
    counts: Counter[tuple[int, int]] = Counter()

    def note(uc: Uc, address: int, size: int, data: object) -> None:
        counts[address, int.from_bytes(uc.mem_read(address, size), "little")] += 1

    uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB)
    uc.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M0)
    uc.mem_map(CODE, 0x10000)
    uc.mem_map(RETURN_ADDRESS, 4096)
    uc.mem_write(CODE, memory)
    uc.hook_add(UC_HOOK_CODE, note)
    for number, value in enumerate(registers):
        uc.reg_write(UC_ARM_REG_R0 + number, value)
    uc.reg_write(UC_ARM_REG_SP, CODE + 0x8000)
    uc.reg_write(UC_ARM_REG_LR, RETURN_ADDRESS | 1)
    pc = CODE
    while pc != RETURN_ADDRESS:
        with contextlib.suppress(UcError):  # WFE
            uc.emu_start(pc | 1, RETURN_ADDRESS)
        pc = uc.reg_read(UC_ARM_REG_PC)
    return dict(counts)


@pytest.mark.parametrize("seed", range(4))
def test_every_instruction_of_code_that_changes(build: Build, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    elf = written(build, tmp_path, "patcher", function("patcher", PATCHER))
    patcher = Machine.from_elf(elf).read(0x10000000, 64)
    memory = np.zeros(0x1000, np.uint8)
    memory[: len(patcher)] = patcher
    victim = rng.choice(SOME, LENGTH + 4).astype(np.uint16)
    victim[LENGTH:] = 0x4770
    places = rng.integers(0, LENGTH, ROUNDS) * 2
    patches = np.stack([places, rng.choice(SOME, ROUNDS)], axis=1).astype(np.uint16)
    for address, content in ((VICTIM, victim), (PATCHES, patches)):
        memory[address - CODE :][: content.nbytes] = content.reshape(-1).view(np.uint8)
    registers = [PATCHES, PATCHES + patches.nbytes, VICTIM, 7]
    expected = executions(memory.tobytes(), registers)
    symbols = tuple(
        Symbol(name, name, address, 64, "function", is_thumb=True, is_global=True, source_file="")
        for name, address in (("patcher", CODE), ("victim", VICTIM))
    )
    machine = Machine(replace(load_raw(memory.tobytes(), CODE), symbols=symbols))
    for _ in range(2):
        cost = machine.call(CODE, *registers)
        table = cost.instruction_table
        places_ran = zip(table.address.tolist(), table.encoding.tolist(), strict=True)
        assert dict(zip(places_ran, table.executions.tolist(), strict=True)) == expected
        check_sums(cost)
    assert len({encoding for address, encoding in expected if address >= VICTIM}) == len(set(SOME))
    assert cost.functions["victim"].calls == ROUNDS


@pytest.mark.long
@pytest.mark.engines("unicorn")
def test_epochs_that_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their number has 15 bits. With two, they come again all the time."""
    folder = tmp_path / "core"
    shutil.copytree(FOLDER, folder)
    text = HEADER.replace("M0_EPOCH_MASK 0x7FFF", "M0_EPOCH_MASK 0x0003")
    assert text != HEADER
    (folder / "core.h").write_text(text)
    digest = CORE.digest()
    monkeypatch.setattr(Library, "digest", lambda self: digest)
    core = build_library(replace(CORE, folder=folder), host(), tmp_path / "core.so")
    tests = f"{__file__}::{test_every_instruction_of_code_that_changes.__name__}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests]
    done = subprocess.run(command, env={**os.environ, CORE.variable: str(core)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# -- ten times the work takes ten times as long


def processor_seconds(run: Callable[[], object]) -> float:
    """Of the fastest of three runs; what else uses the machine is not in it."""
    best = np.inf
    for _ in range(3):
        started = time.thread_time()
        run()
        best = min(best, time.thread_time() - started)
    return best


@pytest.mark.engines("unicorn")
@pytest.mark.parametrize(
    ("name", "work"), [("yields", 20_000), ("waits", 20_000), ("rewrites", 1500), ("recurses_often", 100)]
)
def test_ten_times_the_cycles_take_ten_times_as_long(hard: Path, name: str, work: int) -> None:
    """What grew with the square took a hundred times as long."""
    machine = Machine.from_elf(hard)
    machine.call(name, work)
    once = processor_seconds(lambda: machine.count(name, work))
    assert processor_seconds(lambda: machine.count(name, 10 * work)) < 30 * max(once, 0.001)
