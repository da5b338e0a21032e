"""The timed engine against Unicorn: every figure, flag, register and byte of memory is the same, faults included.

Its two forms are compared both. Where Unicorn cannot know what is right (code that rewrites the block it runs in), an
emulator that begins anew at each instruction does.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FIRMWARE, Build, parts, quick_of
from engine_programs import FLASH, SRAM, Guest, guests, programs_that_return, with_functions
from engine_programs import function as symbol
from engines import FORMS, TIMED, default_engine, different, seen
from test_cli import Run as Command
from test_cli import run
from test_native import processor_seconds
from test_sequences import CONTENTS, ROOMS, SOURCES, fresh, put
from test_sequences import FUNCTIONS as CALLS
from test_sequences import places as allocated
from unicorn import UC_ARCH_ARM, UC_MODE_THUMB, Uc, UcError
from unicorn.arm_const import (
    UC_ARM_REG_APSR_NZCV,
    UC_ARM_REG_LR,
    UC_ARM_REG_PC,
    UC_ARM_REG_R0,
    UC_ARM_REG_SP,
    UC_CPU_ARM_CORTEX_M0,
)

import m0sim.chip.engine.interpreter
import m0sim.chip.engine.timed_run
from m0sim import Fault, Machine
from m0sim.chip import isa
from m0sim.chip.engine.emulator import RETURN_ADDRESS
from m0sim.chip.engine.run import Run
from m0sim.image import Image, load_elf

__all__ = ["run"]

PROFILES = ("rp2040", "m0plus-slowmul", "stm32f0", "mspm0g3507")
OF_MEMORY = ("level", "traffic", "findings", "warnings", "memory")
"""What level `memory` has and level `cycles` has not."""


# ------------------------------------------------------------------------------------------- programs that return


def compare_programs(seed: int, count: int, profile: str) -> None:
    for number, (machine, entry, arguments) in enumerate(programs_that_return(seed, count, profile)):
        data = arguments[0].read()  # type: ignore[attr-defined]

        def found(
            form: str,
            level: str = "cycles",
            machine: Machine = machine,
            entry: int = entry,
            arguments: list[object] = arguments,
            data: np.ndarray = data,
        ) -> dict[str, Any]:
            arguments[0].write(data)  # type: ignore[attr-defined]
            return seen(machine, form, entry, *arguments, level=level)

        expected = found("unicorn")
        for form in TIMED if number % 4 == 0 else ("fast",):
            assert different(expected, found(form)) == {}, (seed, profile, hex(entry), form)
        if number % 16 == 0:  # Unicorn does not have this level: what both count is the same
            tracked = found("fast", "memory")
            assert different(expected, tracked, but=OF_MEMORY) == {}, (seed, profile, hex(entry))
            assert different(found("simple", "memory"), tracked) == {}, (seed, profile, hex(entry))


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 5), marks=pytest.mark.long)], ids=str)
@pytest.mark.parametrize("profile", quick_of(PROFILES, ["rp2040"]))
def test_programs(profile: str, seeds: range) -> None:
    """800 of them in all, in the long run 1,200 others."""
    for seed in seeds:
        compare_programs(seed, 100, profile)


@pytest.mark.long
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("shard", parts(range(5), long=1))
def test_20_000_programs(profile: str, shard: int) -> None:
    """4,000 of them in the long run."""
    for seed in range(10):
        compare_programs(1000 + 50 * shard + seed, 100, profile)


# ------------------------------------------------------------------------------------------------- random guests


def excepted(guest: Guest, kind: object) -> tuple[str, ...]:
    """In what the engines rightly differ.

    MOV SP with a value that is too low: Unicorn has executed it, the timed engine has not. Behind it, Unicorn looks at
    the stack mark up to the next branch, so a fault before that shows a mark that nothing reached.
    """
    names: tuple[str, ...] = ()
    if guest.writes_sp and kind is not None:
        names += ("stack_bytes", "memory")
    if guest.writes_sp and kind == "stack-overflow":
        names += ("core registers", "msp", "psp")
    return names


def faults_behind_mov_sp(guest: Guest, unicorn: dict[str, Any], timed: dict[str, Any]) -> bool:
    """True where MOV SP makes SP too low and the very next instruction faults: Unicorn sees that one alone."""
    if timed.get("kind") != "stack-overflow" or unicorn.get("kind") in (None, "stack-overflow"):
        return False
    at = timed["address"]
    first, second = guest.machine.read(at, 4).view(np.uint16).tolist()
    return bool(isa.writes_sp(first, second)) and unicorn["address"] == at + (4 if isa.is_wide(first) else 2)


def compare_guests(seed: int, count: int, base: int) -> Counter[object]:
    """In flash all forms are compared, in SRAM those of the timed engine. Returns how the guests ended."""
    ends: Counter[object] = Counter()
    forms = FORMS if base == FLASH else TIMED
    for guest in guests(seed, count, base):
        first, *others = (seen(guest.machine, f, guest.entry, *guest.arguments, max_cycles=2000) for f in forms)
        kind = first.get("kind")
        ends[kind] += 1
        for form, other in zip(forms[1:], others, strict=True):
            if kind == "cycle-limit" and base == FLASH:
                assert other["kind"] == kind  # where it stops is compared below
            elif base == FLASH and faults_behind_mov_sp(guest, first, other):
                continue  # compared below
            else:
                assert different(first, other, but=excepted(guest, kind)) == {}, (seed, hex(guest.entry), form)
        if base == FLASH:
            assert different(*others) == {}, (seed, hex(guest.entry))
    return ends


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 4), marks=pytest.mark.long)], ids=str)
@pytest.mark.parametrize("base", quick_of([FLASH, SRAM], [SRAM]))
def test_guests(base: int, seeds: range) -> None:
    ends: Counter[object] = Counter()
    for seed in seeds:
        ends += compare_guests(seed, 60, base)
    assert len(ends) > 7
    assert ends[None] > 5


@pytest.mark.long
@pytest.mark.parametrize("base", [FLASH, SRAM])
@pytest.mark.parametrize("shard", parts(range(4), long=1))
def test_many_guests(base: int, shard: int) -> None:
    for seed in range(25):
        compare_guests(1000 + 150 * shard + seed, 50, base)


# ----------------------------------------------------- code that rewrites itself, against one instruction at a time


def one_at_a_time(memory: bytes, guest: Guest, expected: dict[str, Any]) -> dict[str, Any]:
    """The same guest in an emulator that begins anew at every instruction, so that it executes what is there now."""
    uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB)
    uc.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M0)
    uc.mem_map(SRAM, 264 * 1024)
    uc.mem_map(RETURN_ADDRESS, 4096)
    uc.mem_write(SRAM, memory)
    uc.mem_map(FLASH, 2 << 20)
    uc.mem_write(FLASH, b"\xff" * (2 << 20))
    uc.mem_map(0, 16 * 1024)
    uc.mem_write(0, guest.machine.read(0, 16 * 1024).tobytes())
    ran: Counter[tuple[int, int]] = Counter()
    numbers = [UC_ARM_REG_R0 + i for i in range(13)]
    for number, value in zip(numbers, guest.arguments[:4], strict=False):
        uc.reg_write(number, value)
    uc.mem_write(expected["stack_top"], np.array(guest.arguments[4:], np.uint32).tobytes())
    uc.reg_write(UC_ARM_REG_SP, expected["stack_top"])
    uc.reg_write(UC_ARM_REG_LR, RETURN_ADDRESS | 1)
    uc.reg_write(UC_ARM_REG_APSR_NZCV, 0)
    pc = guest.entry
    for _ in range(expected["instructions"]):
        first, second = np.frombuffer(uc.mem_read(pc, 4), np.uint16).tolist()
        try:
            uc.emu_start(pc | 1, 0, count=1)
        except UcError:
            assert first in (0xBF10, 0xBF20)  # YIELD and WFE
        ran[pc, first | second << 16 if isa.is_wide(first) else first] += 1
        pc = uc.reg_read(UC_ARM_REG_PC)
    registers = tuple(uc.reg_read(n) for n in (*numbers, UC_ARM_REG_SP, UC_ARM_REG_LR))
    return {
        "executed": dict(ran),
        "registers": registers,
        "flags": uc.reg_read(UC_ARM_REG_APSR_NZCV) & 0xF0000000,
        "memory": bytes(uc.mem_read(SRAM, 264 * 1024)),
    }


def compare_with_steps(seed: int, count: int) -> int:
    """Guests in SRAM that end anyhow but by a fault that steps change. Returns how many saw code change."""
    changed = 0
    for guest in guests(4 * seed, count, SRAM):  # neither the port nor values for SP
        space = guest.machine.space
        found = seen(guest.machine, "fast", guest.entry, *guest.arguments, max_cycles=1000)
        if "kind" in found and found["kind"] not in ("undefined", "breakpoint", "unaligned", "cycle-limit"):
            continue
        guest.machine._emulator.prepare(False)
        table = found["instruction_table"]
        ran = {(row.address, row.encoding): row.executions for row in table.rows}
        memory = b"".join(bytes(bank.data) for bank in space.banks if bank.kind == "sram")
        expected = one_at_a_time(memory, guest, found)
        assert ran == expected["executed"], (seed, hex(guest.entry))
        registers = found["core registers"]
        if isinstance(registers, dict):
            flags, registers = registers["xpsr"] & 0xF0000000, tuple(registers.values())[:15]
        else:
            flags = found["flags"]
        if found.get("kind") != "unaligned":
            assert (registers, flags) == (expected["registers"], expected["flags"]), (seed, hex(guest.entry))
        image = np.frombuffer(memory, np.uint16)
        changed += any(encoding & 0xFFFF != image[(address - SRAM) // 2] for address, encoding in ran)
    return changed


def test_guests_that_change_their_code() -> None:
    assert sum(compare_with_steps(seed, 80) for seed in (0, 1)) >= 2


@pytest.mark.long
@pytest.mark.parametrize("shard", parts(range(4), long=2))
def test_many_guests_that_change_their_code(shard: int) -> None:
    assert sum(compare_with_steps(1000 + 60 * shard + seed, 50) for seed in range(12)) > 2


# R4 and on: pairs of a place in the victim at r2 and a halfword for it. Each is stored, then the victim runs.
PATCHER = (0xB5F0, 4, 0xD, 0x8826, 0x8867, 0x5397, 0xB404, 0x1C56, 0x47B0, 0xBC04, 0x3404, 0x42AC, 0xD1F5, 0xBDF0)
PLAIN = (0x1840, 0x1A40, 0x3001, 0x3903, 0x4341, 0x0849, 0xBF00, 0xBF20, 0x4348, 0x41C8)
BRANCHES = (0xD000, 0xD100, 0xD500, 0xD301, 0xE000)  # over one halfword or two
PATCHES, LENGTH = 0x1800, 24
PLACES = (0x400, 0x420, 0x436, 0x43A, 0x43C, 0xFF0, 0xFF6, 0xFFA, 0xFFC)
"""Of the victim: its instructions of four bytes lie over the ends of lines and pages."""


def wide(rng: np.random.Generator, place: int, leaves: tuple[int, int]) -> tuple[int, list[int]]:
    """An instruction of four bytes: its first halfword, and second ones that it may have."""
    ahead = [(leaf - place - 4 >> 1) & 0x7FF for leaf in leaves]
    kinds = [
        (0xF3EF, [0x8000, 0x8100, 0x8300]),  # MRS
        (0xF3BF, [0x8F4F, 0x8F5F, 0x8F6F]),  # barriers
        (0xF380, [0x8800]),  # MSR
        (0xF000, [0xF800 | imm for imm in ahead]),  # BL
    ]
    return kinds[rng.integers(len(kinds))]


def patched_code(seed: int) -> tuple[np.ndarray, int, int]:
    """Patcher, victim and patches, to run at any place; where the victim is, and where the patches end."""
    rng = np.random.default_rng(seed)
    victim = int(rng.choice(PLACES))
    leaves = (victim + 0x70, victim + 0x78)
    choices: list[list[int]] = [[0xB500]]
    while len(choices) < LENGTH:
        place = victim + 2 * len(choices)
        if rng.random() < (0.8 if place & 63 == 62 else 0.15):
            first, seconds = wide(rng, place, leaves)
            choices += [[first], seconds]
        else:
            choices.append([*PLAIN, *BRANCHES])
    choices += [[0xBF00], [0xBF00], [0xBD00]]
    for i, some in enumerate(choices):  # no branch to the second half of an instruction
        if some[0] == PLAIN[0] and any(isa.is_wide(following[0]) for following in choices[i : i + 3]):
            choices[i] = [*PLAIN]
    code = np.zeros(0x1000, np.uint16)
    code[: len(PATCHER)] = PATCHER
    code[victim // 2 : victim // 2 + len(choices)] = [rng.choice(some) for some in choices]
    for leaf, adds in zip(leaves, (0x3007, 0x3109), strict=True):
        code[leaf // 2 : leaf // 2 + 2] = adds, 0x4770
    which = rng.integers(1, len(choices), 150)
    patches = [half for place in which for half in (2 * place, rng.choice(choices[place]))]
    code[PATCHES // 2 : PATCHES // 2 + len(patches)] = patches
    return code, victim, PATCHES + 2 * len(patches)


def compare_patched(seed: int, profile: str, stored_at: int, runs_at: int) -> None:
    """The code is changed at one address and runs at another, of the same memory."""
    code, victim, end = patched_code(seed)
    places = [("patcher", 0, 28), ("victim", victim, 0x60), ("leaf1", victim + 0x70, 4), ("leaf2", victim + 0x78, 4)]
    functions = [symbol(name, SRAM + at, size) for name, at, size in places[: 4 * (seed % 2)]]
    machine = with_functions(code.tobytes(), SRAM, functions, profile)
    for _ in range(2):
        arguments = (stored_at + PATCHES, stored_at + end, runs_at + victim, 7)
        expected, *others = (seen(machine, form, SRAM, *arguments) for form in FORMS)
        assert "kind" not in expected
        for other, form in zip(others, TIMED, strict=True):
            assert different(expected, other) == {}, (seed, form)


@pytest.mark.parametrize("seed", range(12))
def test_code_that_is_changed_from_elsewhere(seed: int) -> None:
    compare_patched(seed, "rp2040", SRAM, SRAM)


ADDRESSES = ("instruction_table", "functions", "call_tree", "edges", "core registers", "bank 1")
"""What has addresses of code in it, the return addresses in SRAM too."""


@pytest.mark.parametrize("runs_at", [0x20100000, 0x20200000])
@pytest.mark.parametrize("seed", [0, 2])
def test_code_that_is_changed_in_an_alias(seed: int, runs_at: int) -> None:
    """Of the SRAM: Unicorn does not notice such stores, so it runs the same where the SRAM itself is."""
    code, victim, end = patched_code(seed)
    machine = with_functions(code.tobytes(), SRAM, [], "mspm0g3507")
    given = (SRAM + PATCHES, SRAM + end)
    expected = seen(machine, "unicorn", SRAM, *given, SRAM + victim, 7)
    for form in TIMED:
        found = seen(machine, form, SRAM, *given, runs_at + victim, 7)
        assert set(different(expected, found)) <= {*ADDRESSES}
        tables = [each["instruction_table"] for each in (expected, found)]
        assert Counter(tables[0].executions.tolist()) == Counter(tables[1].executions.tolist())


@pytest.mark.parametrize("runs_at", [SRAM, 0x20100000, 0x20200000])
@pytest.mark.parametrize("stored_at", [SRAM, 0x20100000, 0x20200000])
def test_code_that_is_changed_through_an_alias(stored_at: int, runs_at: int) -> None:
    """ADDS r0, #1 that becomes ADDS r0, #16 between two calls."""
    code = np.zeros(0x202, np.uint16)
    code[:6] = 0xB510, 0x0004, 0x47A0, 0x8011, 0x47A0, 0xBD10  # PUSH, MOVS r4, BLX r4, STRH r1, BLX r4, POP
    code[0x200:] = 0x3001, 0x4770
    machine = with_functions(code.tobytes(), SRAM, [], "mspm0g3507")
    for form in TIMED:
        found = seen(machine, form, SRAM, runs_at + 0x401, 0x3010, stored_at + 0x400)
        assert found["result"] - (runs_at + 0x401) == 1 + 16
        assert sorted(row.encoding for row in found["instruction_table"].rows if row.encoding >> 12 == 3) == [
            0x3001,
            0x3010,
        ]


@pytest.mark.parametrize("alias", [FLASH + 0x1000000, FLASH + 0x2000000, FLASH + 0x3000000])
def test_code_in_an_alias_of_the_flash(alias: int) -> None:
    """BX r0, to where a BL lies over the end of a page, and its function loops."""
    code = np.full(0x900, 0xBF00, np.uint16)
    code[0] = 0x4700
    code[0xFFA // 2 : 0xFFA // 2 + 5] = 0xB500, 0x2105, 0xF000, 0xF802, 0xBD00  # PUSH, MOVS, BL, POP
    code[0x1006 // 2 : 0x1006 // 2 + 4] = 0x3901, 0xD1FD, 0x4770, 0xBF00
    machine = with_functions(code.tobytes(), FLASH, [symbol("main", FLASH, 2), symbol("loop", FLASH + 0x1006, 6)])
    expected, *others = (seen(machine, form, FLASH, alias + 0xFFB) for form in FORMS)
    assert expected["cycles"] == 2 + 2 + 1 + 3 + 5 * 3 - 1 + 2 + 4
    assert [different(expected, other) for other in others] == [{}, {}]


@pytest.mark.long
def test_much_code_that_is_changed_from_elsewhere() -> None:
    for seed in range(12, 120):
        compare_patched(seed, "rp2040", SRAM, SRAM)


@pytest.mark.parametrize("words", [0xC170, 0xC1F0])  # STM r1!, {r4-r6} and {r4-r7}
def test_a_store_over_its_own_line_that_a_fault_cuts_short(words: int) -> None:
    """The last line of the SRAM: of what is stored, two words are there. The instruction has not run."""
    code = np.array([0xBF00] * 16 + [words] + [0x3001] * 15, np.uint16)
    machine = with_functions(code.tobytes(), SRAM + 0x41FC0, [])
    found = [seen(machine, form, SRAM + 0x41FC4, 0, SRAM + 0x41FF8) for form in FORMS]
    assert found[0]["kind"] == "unmapped"
    assert found[0]["instructions"] == 14
    assert [different(found[0], other) for other in found[1:]] == [{}, {}]


# --------------------------------------------------------------------------------- every function of the firmware


@pytest.fixture(scope="module")
def image(build: Build) -> Image:
    return load_elf(build(*SOURCES, "contexts.S", "hard.S", flags=("-g", f"-I{FIRMWARE}")))


def differences_of(machine: Machine, name: str, *request: int) -> dict[str, Any]:
    expected, *others = (seen(machine, form, name, *request, max_cycles=4000) for form in FORMS)
    names: tuple[str, ...] = ()
    if name in ("add_sp", "mov_sp", "push_behind_mov_sp"):  # see `excepted`
        names += ("core registers", "msp")
    if expected.get("kind") == "cycle-limit":
        assert {other["kind"] for other in others} == {"cycle-limit"}
        return different(*others, but=names)
    return {key: pair for other in others for key, pair in different(expected, other, but=names).items()}


def test_every_function_of_the_firmware(image: Image) -> None:
    machine = Machine(image)
    room, target = machine.alloc(64), machine.alloc(64)
    found = {}
    for number, function in enumerate(image.functions):
        request = ((3,), (room.address, 5), (target.address, room.address, 7))[number % 3]
        found[function.name] = differences_of(machine, function.name, *request)
    assert {key: value for key, value in found.items() if value} == {}
    assert len(found) > 150


@pytest.mark.long
@pytest.mark.parametrize("arguments", [(), (3,), (0x20000403, 7), (0, 0, 7), (1000,), (0xF0000008, 1)])
def test_every_function_of_the_firmware_with_all_arguments(image: Image, arguments: tuple[int, ...]) -> None:
    machine = Machine(image)
    found = {function.name: differences_of(machine, function.name, *arguments) for function in image.functions}
    assert {key: value for key, value in found.items() if value} == {}


@pytest.mark.parametrize("seed", range(2))
def test_kept_calls_on_one_engine_and_the_other(image: Image, seed: int) -> None:
    """PRIMASK, CONTROL, both stack pointers, the port and memory go on from one engine to the other."""
    rng = np.random.default_rng(seed)
    plain, mixed = fresh(image), fresh(image)
    for number in range(80):
        name, arguments = CALLS[rng.integers(len(CALLS))]
        if name in ("add_sp", "mov_sp", "push_behind_mov_sp", "spins", "idles"):
            continue
        for machine in (plain, mixed):
            put(
                machine,
                tuple({**CONTENTS, "room": bytes.fromhex(ROOMS[number % len(ROOMS)]).ljust(64, b"\0")}.values()),
            )
        request = [allocated(plain)[a] if isinstance(a, str) else a for a in arguments]
        keep = bool(rng.random() < 0.7)
        expected = seen(plain, "unicorn", name, *request, keep=keep, max_cycles=5000)
        form = FORMS[rng.integers(len(FORMS))]
        found = seen(mixed, form, name, *request, keep=keep, max_cycles=5000)
        if expected.get("kind") == "cycle-limit":
            plain, mixed = fresh(image), fresh(image)  # they stop in different places
        elif "kind" in expected and name == "trampoline":
            plain, mixed = fresh(image), fresh(image)
        else:
            assert different(expected, found) == {}, (number, name, form)


# ------------------------------------------------------------------------------------------------- slices


@pytest.mark.parametrize("cycles", [1, 7, 1000])
@pytest.mark.parametrize("form", TIMED)
def test_slices_of_any_size(image: Image, form: str, cycles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(image)
    names = (
        "recursive",
        "is_even",
        "several_callers",
        "calls_ring",
        "catcher",
        "runs_on",
        "rewrites",
        "waits",
        "yields",
    )
    whole = {name: seen(machine, form, name, 50) for name in names}
    monkeypatch.setattr(m0sim.chip.engine.timed_run, "_SLICE_CYCLES", cycles)
    slices = []
    monkeypatch.setattr(
        m0sim.chip.engine.timed_run.TimedRun, "_after_slice", lambda run: slices.append(run._counters.cycles)
    )
    for name in names:
        slices.clear()
        assert different(whole[name], seen(machine, form, name, 50)) == {}, name
        assert slices == sorted(slices)
        assert len(slices) >= whole[name]["branches_taken"] // cycles


@pytest.mark.parametrize("form", TIMED)
def test_slices_that_the_clock_ends(image: Image, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it says so, all is counted once, and progress is told."""
    machine = Machine(image)
    expected = seen(machine, "unicorn", "yields", 300_000)
    monkeypatch.setattr(m0sim.chip.engine.timed_run, "_SLICE_CYCLES", 100_000)
    monkeypatch.setattr(m0sim.chip.engine.timed_run, "_SLICE_SECONDS", 0.0005)
    told: list[int] = []
    machine.progress = told.append
    assert different(expected, seen(machine, form, "yields", 300_000)) == {}
    assert len(told) > 5
    assert told == sorted(told)
    assert told[-1] < expected["cycles"]


@pytest.mark.parametrize("form", TIMED)
@pytest.mark.parametrize("limit", [1, 2, 3, 10, 11, 99, 100])
def test_the_limit_of_cycles(image: Image, form: str, limit: int) -> None:
    """It stops where control comes to by a branch, or at the head of 64 bytes: at or behind the limit, soon."""
    machine = Machine(image)
    with pytest.raises(Fault) as caught, default_engine(form):
        machine.call("is_even", 500, max_cycles=limit)
    cost = caught.value.cost
    assert caught.value.kind == "cycle-limit"
    assert limit <= cost.cycles < limit + 13  # from one branch to the next of is_even
    assert cost.cycles == int(cost.instruction_table.cycles.sum()) == sum(node.self_cycles for node in cost.call_tree)
    assert cost.cycles == sum(function.self_cycles for function in cost.functions.values())


# ------------------------------------------------------------------------------------------------- tables that are full


@pytest.mark.parametrize("form", TIMED)
def test_tables_that_are_small(image: Image, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("several_callers", "rewrites", "recurses_often", "patch", "calls_patched", "level_9", "copy_and_call")
    room = allocated(fresh(image))["room"]
    requests = [(name, room if name == "copy_and_call" else 40, 7) for name in names]
    expected = [seen(fresh(image), "unicorn", *request) for request in requests]
    monkeypatch.setattr(m0sim.chip.engine.interpreter, "_CHUNKS", 3)
    monkeypatch.setattr(m0sim.chip.engine.interpreter, "_CALLS", 100)
    monkeypatch.setattr(m0sim.chip.engine.interpreter, "_RETIRED", 300)
    machine = fresh(image)
    grown: list[int] = []
    grow = machine.interpreter.grow
    monkeypatch.setattr(machine.interpreter, "grow", lambda: (grown.append(1), grow()))
    for request, wanted in zip(requests, expected, strict=True):
        assert different(wanted, seen(machine, form, *request)) == {}, request[0]
    assert len(grown) > 10


def test_calls_that_are_decoded_and_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a row in a table that is full before any of them runs: nothing slow looks at it in between."""
    group = [0x4280, 0xD001, 0xF000, 0xF800]  # CMP r0, r0; BEQ behind the BL; BL
    code = np.array([*(group * 300), 0x4770], np.uint16).tobytes()
    expected = Machine.from_raw(code, SRAM).call(SRAM, engine="unicorn")
    monkeypatch.setattr(m0sim.chip.engine.interpreter, "_CALLS", 100)
    machine = Machine.from_raw(code, SRAM)
    counts: list[int] = []
    grow = machine.interpreter.grow
    calls = machine.counters.core.timed
    monkeypatch.setattr(machine.interpreter, "grow", lambda: (counts.append(calls.call_count), grow()))
    assert machine.call(SRAM, engine="timed") == expected
    assert counts
    assert max(counts) <= 100


# ------------------------------------------------------------------------------------------------- the kernels


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_the_kernels_cost_what_their_baselines_say(run: Command, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[str] = []
    execute = Run.execute
    monkeypatch.setattr(Run, "execute", lambda run: (engines.append(type(run).__name__), execute(run)))
    manifest = Path(__file__).parents[1] / "kernels" / "m0sim.toml"
    with default_engine(form):
        done = run("check", manifest, "--no-build", "--strict", "--json")
    assert done.code == 0
    verdicts = Counter(bench["status"] for bench in json.loads(done.out)["benches"])
    assert verdicts == {"unchanged": len(engines)}
    assert len(engines) > 30
    assert set(engines) == {"UnicornRun" if form == "unicorn" else "TimedRun"}


# ------------------------------------------------------------------------------------------------- long calls


@pytest.mark.parametrize(
    ("name", "work"),
    [("yields", 100_000), ("waits", 100_000), ("rewrites", 2000), ("recurses_often", 200), ("calls_ring", 100_000)],
)
def test_ten_times_the_cycles_take_ten_times_as_long(image: Image, name: str, work: int) -> None:
    """What grew with the square took a hundred times as long."""
    machine = Machine(image)
    machine.call(name, work, engine="timed")
    once = processor_seconds(lambda: machine.call(name, work, engine="timed"))
    assert processor_seconds(lambda: machine.call(name, 10 * work, engine="timed")) < 30 * max(once, 0.001)


# ------------------------------------------------------------------------------------------------- single cases


@pytest.mark.parametrize("line", [0x3E, 0xFFE])
@pytest.mark.parametrize("form", TIMED)
def test_a_call_that_its_callee_changes(line: int, form: str) -> None:
    """BL over the end of a line or page: what is behind it was never executed when its second half is stored to."""
    begin = line - 8
    code = np.zeros(0x900, np.uint16)
    code[begin // 2 : begin // 2 + 9] = 0xB510, 0x2404, 0x3C01, 0xD003, 0xF000, 0xF81F, 0xE7FA, 0xBF00, 0xBD10
    code[(line + 0x42) // 2 : (line + 0x42) // 2 + 3] = 0x8001, 0x3201, 0x4770  # STRH r1, [r0]; ADDS r2, #1; BX LR
    code[(line + 0x52) // 2 : (line + 0x52) // 2 + 2] = 0x3301, 0x4770  # ADDS r3, #1; BX LR
    machine = with_functions(code.tobytes(), SRAM, [])  # each form a fresh one: nothing of it was decoded
    found = seen(machine, form, SRAM + begin, SRAM + line + 2, 0xF827)
    assert found["core registers"][2:4] == (1, 2)
    ran = {row.encoding: row.executions for row in found["instruction_table"].rows if row.encoding > 0xFFFF}
    assert ran == {0xF81FF000: 1, 0xF827F000: 2}
    assert different(seen(machine, "unicorn", SRAM + begin, SRAM + line + 2, 0xF827), found) == {}


@pytest.mark.parametrize("form", TIMED)
def test_a_store_over_the_function_behind_it(form: str) -> None:
    """STRH r1, [r0] as the last of a function: the next one begins with what was stored, once."""
    code = np.array([0xBF00, 0x8001, 0x3201, 0x3201, 0x4770, 0, 0, 0], np.uint16)
    machine = with_functions(code.tobytes(), SRAM, [symbol("f", SRAM, 4), symbol("g", SRAM + 4, 6)])
    for _ in range(2):
        found = seen(machine, form, SRAM, SRAM + 4, 0x3210)
        assert found["core registers"][2] == 0x10 + 1
        rows = [(row.address - SRAM, row.encoding, row.executions) for row in found["instruction_table"].rows]
        assert rows == [(0, 0xBF00, 1), (2, 0x8001, 1), (4, 0x3210, 1), (6, 0x3201, 1), (8, 0x4770, 1)]
        assert [(node.function, node.self_cycles) for node in found["call_tree"]] == [("f", 3), ("g", 4)]


def test_shifts_by_registers() -> None:
    """LSLS, LSRS, ASRS and RORS r0, r1 behind CMP r2, r3, which gives C: all that is special of the amounts."""
    code = np.array([half for shift in (0x4088, 0x40C8, 0x4108, 0x41C8) for half in (0x429A, shift, 0x4770)], np.uint16)
    machine = with_functions(code.tobytes(), FLASH, [])
    for entry in range(FLASH, FLASH + code.nbytes, 6):
        for value in (1, 0x80000001, 0x7FFFFFFE):
            for amount in (0, 1, 31, 32, 33, 64, 256):
                for first in (0, 1):
                    expected, *others = (seen(machine, form, entry, value, amount, first, 1) for form in FORMS)
                    assert [different(expected, other) for other in others] == [{}, {}], (entry, value, amount, first)


@pytest.mark.parametrize("form", FORMS)
def test_a_literal_in_sram_that_changes(form: str) -> None:
    """Code in SRAM adds its literal, stores another one there, and comes by again."""
    code = [0x4A04, 0x1880, 0x4B04, 0xA203, 0x6013, 0x3901, 0xD1F8, 0x4770, 0, 0]  # LDR r2 to BNE, BX
    image = np.array([*code, 7, 0, 100, 0], np.uint16)
    machine = with_functions(image.tobytes(), SRAM, [])
    expected = seen(machine, "unicorn", SRAM, 0, 3)
    found = seen(machine, form, SRAM, 0, 3)
    assert different(expected, found) == {}
    assert "kind" not in found
    assert found["result"] == 7 + 100 + 100


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_what_it_is_called(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else one would be compared with itself."""
    ran: list[str] = []
    execute = Run.execute
    monkeypatch.setattr(Run, "execute", lambda run: (ran.append(type(run).__name__), execute(run)))
    machine = with_functions(np.array([0x3001, 0x4770] * 8, np.uint16).tobytes(), FLASH, [])
    assert seen(machine, form, FLASH, 1)["result"] == 2
    assert ran == ["UnicornRun" if form == "unicorn" else "TimedRun"]
    if form != "unicorn":
        assert machine.interpreter._timed.is_simple == (form == "simple")
