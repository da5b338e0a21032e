"""Findings of level `memory`: reads of memory that belongs to nothing, and of SRAM that nothing was written to."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from conftest import FIRMWARE, Build
from engines import simple_form
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import encode as e

from m0sim import Cost, Fault, Machine, UsageError
from m0sim.chip import device
from m0sim.image import Image, Symbol, load_raw
from m0sim.image.segments import Section, Segment
from m0sim.report import cost_json as data
from m0sim.report.page import page

FLASH, SRAM = 0x08000000, 0x20000000  # of stm32f0, 32 KiB and 4 KiB or more
PROFILE = "stm32f0"
Found = tuple[str, int, str, int, int]
"""Kind, size, nearest, distance, count."""


@pytest.fixture(params=["fast", "simple"], autouse=True)
def form(request: pytest.FixtureRequest) -> Iterator[None]:
    """Everything here runs in both forms of the timed engine."""
    if request.param == "fast":
        yield
        return
    with simple_form():
        yield


def guest(*instructions: e.Halfwords, base: int = FLASH) -> Image:
    code = [*instructions, e.bx(14)]
    return load_raw(b"".join(struct.pack(f"<{len(i)}H", *i) for i in code), base)


def machine_of(*instructions: e.Halfwords) -> Machine:
    return Machine(guest(*instructions), PROFILE)


def found(cost: Cost) -> list[Found]:
    return [(f.kind, f.size, f.nearest, f.distance, f.count) for f in cost.findings]


def reads(name: str = "ldr", offset: int = 0) -> Machine:
    """A function that reads where its argument points."""
    return machine_of(e.immediate_offset(name, 0, 0, offset))


def call(machine: Machine, *arguments: object, **options: object) -> list[Found]:
    return found(machine.call(FLASH, *arguments, level="memory", **options))  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------- outside


@pytest.mark.parametrize("size", [1, 4, 5, 8])
def test_a_buffer_ends_with_its_last_word(size: int) -> None:
    machine = reads()
    buffer = machine.alloc(np.ones(size, np.uint8), name="buf")
    end = -(-size // 4) * 4
    assert call(machine, buffer.address + end - 4) == []
    assert call(machine, buffer.address + end) == [("outside", 4, "buf", end - size + 1, 1)]
    assert call(machine, buffer.address - 4) == [("outside", 4, "buf", -1, 1)]


def test_the_sentence_has_place_and_neighbour() -> None:
    machine = reads("ldrb")
    buffer = machine.alloc(np.ones(8, np.uint8), name="buf")
    for at, text in (
        (8, "directly behind the end of buf"),
        (10, "2 bytes behind the end of buf"),
        (-3, "2 bytes before buf"),
    ):
        cost = machine.call(FLASH, buffer.address + at, level="memory")
        address = buffer.address + at
        assert cost.warnings == (f"outside: (no symbol)+0x0 read 1 byte at {address:#010x}, {text}",)


def test_the_smaller_of_two_neighbours_that_are_as_near() -> None:
    machine = reads()
    first, second = (machine.alloc(np.ones(8, np.uint8), name=name) for name in ("first", "second"))
    middle = (first.address + 8 + second.address) // 2
    assert call(machine, middle - 4)[0][2] == "first"
    assert call(machine, middle)[0][2] == "second"


def test_a_freed_buffer_is_outside() -> None:
    machine = reads()
    buffer = machine.alloc(8)
    kept = machine.alloc(4, name="kept")
    assert call(machine, buffer) == call(machine, kept) == []
    address = buffer.address
    buffer.free()
    assert [f[0] for f in call(machine, address)] == ["outside"]


def test_erased_flash_is_outside_and_the_image_is_not() -> None:
    machine = reads()
    assert call(machine, FLASH) == []
    assert call(machine, FLASH + 4) == [("outside", 4, "(raw)", 1, 1)]
    assert call(machine, FLASH + 0x4000)[0][:2] == ("outside", 4)


def test_multiples_are_read_word_by_word() -> None:
    machine = machine_of(e.multiple("ldm", 0, [1, 2, 3]))
    buffer = machine.alloc(np.ones(8, np.uint8), name="buf")
    assert call(machine, buffer) == [("outside", 4, "buf", 1, 1)]
    assert call(machine, buffer.address - 8) == [("outside", 4, "buf", -5, 2)]
    bigger = machine.alloc(12)
    assert call(machine, bigger) == []


def test_one_finding_an_instruction_with_its_count() -> None:
    loop = [e.immediate_offset("ldrb", 2, 0, 0), e.imm8("adds", 0, 1), e.imm8("subs", 1, 1), e.branch_if("ne", -10)]
    machine = machine_of(*loop, e.immediate_offset("ldrb", 2, 0, 0))
    buffer = machine.alloc(np.ones(6, np.uint8), name="buf")
    cost = machine.call(FLASH, buffer, 11, level="memory")
    assert [(f.address, f.accessed - buffer.address, f.count) for f in cost.findings] == [
        (FLASH, 8, 3),  # the last word ends there
        (FLASH + 8, 11, 1),
    ]


# --------------------------------------------------------------------------------------------------------- stack

LDR_BELOW = (e.high("mov", 1, e.SP), e.imm8("subs", 1, 8), e.immediate_offset("ldr", 0, 1, 4))


def test_what_was_popped_is_below_the_stack_pointer() -> None:
    machine = machine_of(e.push([4, 5]), e.pop([4, 5]), *LDR_BELOW)
    cost = machine.call(FLASH, level="memory")
    assert found(cost) == [("outside", 4, "(stack)", -1, 1)]
    assert cost.findings[0].text.endswith("below the stack pointer")
    assert call(machine_of(*LDR_BELOW)) == [("outside", 4, "(stack)", -1, 1)]  # nor what was never pushed


@pytest.mark.parametrize("way", ["sub", "push", "high"])
def test_a_local_variable_is_read_before_it_is_written(way: str) -> None:
    """What an earlier call left in a slot is no value: it was popped."""
    enter = {
        "sub": [e.move_sp("sub", 8)],
        "push": [e.push([4]), e.move_sp("sub", 4)],
        "high": [e.imm8("movs", 1, 8), e.data_processing("rsbs", 1, 1), e.high("add", e.SP, 1)],
    }[way]
    leave = e.move_sp("add", 8)
    left = [e.push([4, 5, 6]), e.pop([4, 5, 6])]
    assert call(machine_of(*left, *enter, e.sp_relative("ldr", 0, 0), leave)) == [("uninitialised", 4, "(stack)", 0, 1)]
    stores = e.sp_relative("str", 0, 0)
    assert call(machine_of(*left, *enter, stores, e.sp_relative("ldr", 0, 0), leave)) == []
    again = (*enter, stores, leave, *enter, e.sp_relative("ldr", 0, 0), leave)
    assert call(machine_of(*again)) == [("uninitialised", 4, "(stack)", 0, 1)]


def test_pushed_registers_and_arguments_on_the_stack_hold_something() -> None:
    machine = machine_of(
        e.push([4, 5, e.LR]), e.sp_relative("ldr", 0, 4), e.sp_relative("ldr", 1, 12), e.pop([4, 5, e.PC])
    )
    assert call(machine, 1, 2, 3, 4, 5) == []


def test_another_stack_leaves_this_one_as_it_is() -> None:
    """PSP lies in the same memory: what was pushed on either is there after a way to the other and back."""
    code = [
        e.push([4, e.LR]),
        e.high("mov", 1, e.SP),
        e.imm8("subs", 1, 64),
        e.msr("psp", 1),
        e.imm8("movs", 2, 2),
        e.msr("control", 2),
        e.push([2, 3]),
        e.imm8("movs", 4, 0),
        e.msr("control", 4),
        e.msr("control", 2),
        e.pop([2, 3]),
        e.msr("control", 4),
        e.pop([4, e.PC]),
    ]
    assert call(machine_of(*code)) == []


# ------------------------------------------------------------------------------------------------- uninitialised


def with_sections(*sections: Section, function: Sequence[e.Halfwords]) -> Machine:
    """Sections of zeros in SRAM, as an ELF has them."""
    image = guest(*function)
    last = max(section.address + section.size for section in sections)
    segment = Segment(SRAM, SRAM, b"", last - SRAM, readable=True, writable=True, executable=False)
    objects = tuple(
        Symbol(s.name[1:], s.name[1:], s.address, s.size, "object", is_thumb=False, is_global=True, source_file="")
        for s in sections
    )
    return Machine(
        replace(
            image,
            segments=(*image.segments, segment),
            sections=(*image.sections, *sections),
            symbols=objects,
        ),
        PROFILE,
    )


@pytest.mark.parametrize(
    "name", [".noinit", ".no_init.x", ".uninitialized_data", ".NoInit", ".persistent", ".bss.NO_INIT"]
)
def test_sections_that_nobody_clears(name: str) -> None:
    sections = (Section(".bss", SRAM, 16, "bss", None), Section(name, SRAM + 16, 8, "bss", None))
    machine = with_sections(
        *sections, function=[e.immediate_offset("ldr", 2, 0, 0), e.immediate_offset("str", 1, 0, 0)]
    )
    assert call(machine, SRAM + 12) == []
    assert call(machine, SRAM + 16) == [("uninitialised", 4, name[1:], 0, 1)]
    assert call(machine, SRAM + 16) == [("uninitialised", 4, name[1:], 0, 1)]  # memory is as loaded again
    assert call(machine, SRAM + 16, keep=True) == []  # and here as the call left it
    assert call(machine, SRAM + 20, keep=True) == [("uninitialised", 4, name[1:], 0, 1)]
    assert call(machine, SRAM + 16, before=[(FLASH_NAME, SRAM + 16)]) == []
    machine.write(SRAM + 16, np.uint32([7]))
    assert call(machine, SRAM + 16, keep=True) == []
    machine.reset()
    assert call(machine, SRAM + 16) == [("uninitialised", 4, name[1:], 0, 1)]


FLASH_NAME = hex(FLASH)


def test_one_instruction_may_make_both() -> None:
    loop = [e.immediate_offset("ldrb", 2, 0, 0), e.imm8("adds", 0, 1), e.imm8("subs", 1, 1), e.branch_if("ne", -10)]
    machine = with_sections(Section(".noinit", SRAM, 6, "bss", None), function=loop)
    expected = [("uninitialised", 1, "noinit", 0, 6), ("outside", 1, "noinit", 3, 2)]
    assert call(machine, SRAM, 10) == expected


def test_memory_that_is_only_set_aside_is_not_near_to_itself() -> None:
    machine = with_sections(
        Section(".bss", SRAM, 16, "bss", None),
        Section(".stack", SRAM + 16, 64, "bss", None),
        function=[e.immediate_offset("ldr", 0, 0, 0)],
    )
    image = replace(machine.image, symbols=())
    assert call(Machine(image, PROFILE), SRAM + 24) == [("outside", 4, "(.bss)", 9, 1)]


def test_after_a_call_that_nobody_watched_all_that_was_kept_may_be_written() -> None:
    machine = with_sections(Section(".noinit", SRAM, 8, "bss", None), function=[e.immediate_offset("ldr", 0, 0, 0)])
    machine.call(FLASH, SRAM)
    assert call(machine, SRAM, keep=True) == []
    assert call(machine, SRAM) == [("uninitialised", 4, "noinit", 0, 1)]


def test_runs_that_say_what_flash_adds_are_no_calls_that_nobody_watched() -> None:
    section = Section(".noinit", SRAM, 8, "bss", None)
    machine = with_sections(section, function=[e.immediate_offset("ldr", 0, 0, 0)])
    machine = Machine(machine.image, device.load(PROFILE).at_clock(48_000_000))  # one wait state
    expected = [("uninitialised", 4, "noinit", 0, 1)]
    for options in ({"flash": "warm"}, {"flash_report": True}, {"flash": "warm", "flash_report": True}):
        assert call(machine, SRAM, **options) == expected
        assert call(machine, SRAM, keep=True) == expected


@pytest.mark.parametrize("size", [1, 2, 4])
def test_one_byte_that_nobody_wrote_is_enough(size: int) -> None:
    """A word of which 3 bytes were written has a fourth that is not: also where a copy takes padding with it."""
    store = {1: "strb", 2: "strh", 4: "str"}[size]
    code = [e.move_sp("sub", 8), e.high("mov", 1, e.SP), e.immediate_offset(store, 0, 1, 0)]
    code += [e.immediate_offset("ldr", 0, 1, 0), e.move_sp("add", 8)]
    assert found(machine_of(*code).call(FLASH, level="memory")) == (
        [] if size == 4 else [("uninitialised", 4, "(stack)", 0, 1)]
    )


def test_what_the_host_writes_into_free_memory_is_not_there_when_the_call_begins() -> None:
    machine = reads()
    machine.write(SRAM + 0x200, np.uint32([7]))
    assert call(machine, SRAM + 0x200, keep=True)[0][0] == "outside"  # it is the stack's room


def test_what_a_stub_writes_is_something() -> None:
    load = e.immediate_offset("ldr", 0, 4, 0)
    image = guest(e.push([4, e.LR]), e.high("mov", 4, 0), e.branch_link(4), load, e.pop([4, e.PC]))
    stub = Symbol("stub", "stub", FLASH + 12, 2, "function", is_thumb=True, is_global=True, source_file="")
    noinit = Section(".noinit", SRAM, 8, "bss", None)
    segment = Segment(SRAM, SRAM, b"", 8, readable=True, writable=True, executable=False)
    image = replace(image, segments=(*image.segments, segment), sections=(*image.sections, noinit), symbols=(stub,))
    machine = Machine(image, PROFILE)
    assert call(machine, SRAM) == [("uninitialised", 4, "(.noinit)", 0, 1)]
    answer = {"stub": lambda _: machine.write(SRAM, np.uint32([5]))}
    assert call(machine, SRAM, stubs=answer) == []


def test_registers_of_peripherals() -> None:
    machine = reads()
    assert call(machine, 0x40010000, registers={0x40010000: 5}) == []


# ---------------------------------------------------------------------------------------------------------- heap


@pytest.mark.parametrize("kind", ["bump", "inlined"])
def test_the_heap_is_inside_as_far_as_it_was_handed_out(build: Build, kind: str) -> None:
    flags = ("-O1", "-g", "-fno-builtin", *(["-DINLINED"] if kind == "inlined" else []))
    machine = Machine.from_elf(build("heap.c", "bump.c", linker_script=FIRMWARE / "heap.ld", flags=flags))
    for name, arguments in (("get", ()), ("sum", (machine.alloc(np.ones(20, np.uint8)), 20))):
        cost = machine.call(name, *arguments, before=["init"], level="memory")
        assert cost.findings == (), name
    grown = machine.call("grow", 20, level="memory").findings  # realloc takes 7 bytes with it that nobody wrote
    assert {f.function for f in grown} <= {"realloc", "grow"}
    assert {(f.kind, f.nearest) for f in grown} <= {("uninitialised", "(heap)"), ("uninitialised", "(.bss)")}
    assert grown


def test_what_malloc_returns_holds_nothing() -> None:
    """_sbrk returns SRAM + 64: it is read where nothing was written, behind its end, and where a store was."""
    code = [
        *(e.push([4, e.LR]), e.branch_link(10), e.immediate_offset("ldr", 1, 0, 0), e.immediate_offset("ldr", 1, 0, 8)),
        *(e.immediate_offset("str", 0, 0, 0), e.immediate_offset("ldr", 1, 0, 0), e.pop([4, e.PC])),
        *((0x4801,), e.bx(14), e.NOP),  # LDR r0, =SRAM + 64
    ]
    image = guest(*code)
    content = image.segments[0].data
    sbrk = FLASH + 2 + 4 + 10
    assert struct.unpack_from("<H", content, sbrk - FLASH)[0] == 0x4801
    literal = (sbrk + 4 & ~3) + 4 - FLASH
    content = content.ljust(literal, b"\0")[:literal] + struct.pack("<I", SRAM + 64)
    symbols = [("_sbrk", sbrk, 4, "function"), ("end", SRAM + 64, 0, "object"), ("f", FLASH, sbrk - FLASH, "function")]
    image = replace(
        load_raw(content, FLASH),
        symbols=tuple(
            Symbol(name, name, at, size, kind, is_thumb=kind == "function", is_global=True, source_file="")
            for name, at, size, kind in symbols
        ),
    )
    machine = Machine(image, PROFILE)
    assert call(machine, 8) == [("uninitialised", 4, "(heap)", 0, 1), ("outside", 4, "(heap)", 1, 1)]


# -------------------------------------------------------------------------------------------------- random accesses

OPERATIONS = {"ldrb": 1, "ldrh": 2, "ldr": 4, "strb": 1, "strh": 2, "str": 4}
accesses = st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 2), st.integers(-8, 32), st.integers(1, 3))
SIZES = (8, 13, 16)


class Oracle:
    """A dictionary of what each byte is, by the rules of docs/call.md."""

    def __init__(self, buffers: dict[int, int], kept: dict[int, int]) -> None:
        self.inside = {a + i for a, size in (buffers | kept).items() for i in range(-(-size // 4) * 4)}
        self.defined = {a + i for a, size in buffers.items() for i in range(-(-size // 4) * 4)}
        self.traffic: dict[int, list[int]] = {a: [0, 0, 0, 0] for a in buffers | kept}
        self.sizes = buffers | kept
        self.touched: dict[int, set[int]] = {a: set() for a in self.sizes}

    def access(self, name: str, address: int) -> str | None:
        size = OPERATIONS[name]
        span = set(range(address, address + size))
        is_store = name.startswith("str")
        for begin, length in self.sizes.items():
            self.touched[begin] |= span & set(range(begin, begin + length))
            if begin <= address < begin + length:
                row = self.traffic[begin]
                row[is_store] += 1
                row[2 + is_store] += size
        if is_store:
            self.defined |= span
            return None
        return "outside" if not span <= self.inside else "uninitialised" if not span <= self.defined else None


@settings(max_examples=60, deadline=None)
@given(st.lists(accesses, max_size=40), st.booleans())
def test_random_accesses(steps: list[tuple[str, int, int, int]], is_simple: bool) -> None:
    """Stores and loads over two buffers and a section that nobody clears, in loops of up to three rounds."""
    machine = with_sections(Section(".noinit", SRAM, SIZES[2], "bss", None), function=[e.NOP])
    buffers = [machine.alloc(np.ones(size, np.uint8), name=f"b{size}") for size in SIZES[:2]]
    bases = [*(b.address for b in buffers), SRAM]
    oracle = Oracle({b.address: b.size for b in buffers}, {SRAM: SIZES[2]})
    code, expected = [], {}
    steps = [(n, *rest) for n, *rest in steps if not (rest[0] == 2 and rest[1] < 0)]  # no memory is below SRAM
    for name, which, distance, rounds in steps:
        address = (bases[which] + distance) & -OPERATIONS[name]
        at = len(code)
        code += literal(1, address, FLASH + 2 * at)
        code += [e.imm8("movs", 2, rounds)[0]]
        pc = FLASH + 2 * len(code)
        code += [e.immediate_offset(name, 3, 1, 0)[0], e.imm8("subs", 2, 1)[0], e.branch_if("ne", -8)[0]]
        for _ in range(rounds):
            kind = oracle.access(name, address)
            if kind is not None:
                expected[pc, kind] = expected.get((pc, kind), 0) + 1
    image = machine.image
    content = struct.pack(f"<{len(code) + 1}H", *code, 0x4770)
    machine.write(FLASH, np.frombuffer(content, np.uint8))
    if is_simple:
        with simple_form():
            cost = run_without_red_zones(machine)
    else:
        cost = run_without_red_zones(machine)
    assert {(f.address, f.kind): f.count for f in cost.findings} == expected
    rows = {t.name: (t.loads, t.stores, t.bytes_loaded, t.bytes_stored, t.bytes_touched) for t in cost.traffic}
    names = {**{b.address: b.name for b in buffers}, SRAM: image.symbols[0].name}
    for begin, name in names.items():
        counted = (*oracle.traffic[begin], len(oracle.touched[begin]))
        assert rows.get(name, (0, 0, 0, 0, counted[4])) == counted


def literal(register: int, value: int, pc: int) -> list[int]:
    """MOV of a 32-bit constant from behind a branch: LDR, B, the word on a multiple of 4."""
    pad = [] if pc % 4 == 0 else [e.NOP[0]]
    return [*pad, 0x4800 | register << 8, e.branch(2)[0], value & 0xFFFF, value >> 16]


def run_without_red_zones(machine: Machine) -> Cost:
    """Stores beside buffers are a fault of their own: after the call."""
    try:
        return machine.call(FLASH, level="memory")
    except Fault as fault:
        if fault.kind != "red-zone":
            raise
        return fault.cost


# ------------------------------------------------------------------------------------------------------ reporting


def test_many_findings_are_told_in_a_few_lines() -> None:
    machine = machine_of(*(e.immediate_offset("ldrb", 1, 0, n) for n in range(8, 20)))
    cost = machine.call(FLASH, machine.alloc(8), level="memory")
    assert len(cost.findings) == 12
    assert len(cost.warnings) == 6
    assert cost.warnings[-1] == "7 more instructions read what they should not (--json has them all)"


def test_more_findings_than_there_are_rows() -> None:
    """4,096 instructions have rows; what the others read is said to be left out."""
    machine = machine_of(*([e.immediate_offset("ldrb", 1, 0, 8)] * 4200))
    cost = machine.call(FLASH, machine.alloc(8), level="memory")
    assert len(cost.findings) == 4096
    assert cost.warnings[-1].startswith("104 more such reads are in no finding")


def test_no_findings_at_level_cycles() -> None:
    machine = reads()
    assert machine.call(FLASH, machine.alloc(8).address + 8).findings == ()


def test_fail_on() -> None:
    machine = machine_of(e.immediate_offset("ldr", 1, 0, 8))
    buffer = machine.alloc(8, name="buf")
    with pytest.raises(Fault) as raised:
        machine.call(FLASH, buffer, fail_on=["outside"])
    fault = raised.value
    assert fault.kind == "outside"
    assert fault.address == FLASH
    assert "directly behind the end of buf" in fault.reason
    assert fault.cost.level == "memory"
    assert fault.cost.cycles == 5
    assert len(fault.cost.findings) == 1
    assert machine.call(FLASH, buffer, fail_on="uninitialised").findings == fault.cost.findings
    assert machine.call(FLASH, machine.alloc(12), fail_on=("outside", "uninitialised")).findings == ()
    with pytest.raises(UsageError, match="unknown finding 'outsid': one of outside, uninitialised"):
        machine.call(FLASH, buffer, fail_on=["outsid"])
    with pytest.raises(UsageError, match="level 'memory' needs the timed engine"):
        machine.call(FLASH, buffer, fail_on=["outside"], engine="unicorn")


def test_json_and_html() -> None:
    machine = reads()
    cost = machine.call(FLASH, machine.alloc(8, name="buf").address + 12, level="memory")
    (finding,) = data.call(cost)["findings"]
    assert finding == {
        "kind": "outside",
        "function": "(no symbol)",
        "offset": 0,
        "address": FLASH,
        "source": None,
        "accessed": cost.findings[0].accessed,
        "size": 4,
        "nearest": "buf",
        "distance": 5,
        "count": 1,
    }
    assert "4 bytes behind the end of buf" in page(cost, machine)
