"""Every ARMv6-M instruction: registers, flags, memory and cycles against the manual's pseudocode in plain Python."""

from __future__ import annotations

import random
import struct
from collections import ChainMap
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pytest
from conftest import quick_of
from reference import encode as e
from reference import semantics
from reference.accountant import RETURN_ADDRESS, priced_rows
from reference.encode import LR, PC, SP
from reference.semantics import Case, State
from reference.timing_table import TABLE

from m0sim import Buffer, Cost, Machine
from m0sim.chip import device

CASES = semantics.cases()
DATA_SIZE = 512
OUT = 64
"""Where in the data a snippet leaves the flags and r0 to r11; its operands stand at the front."""
HIGH = (8, 9, 10, 11)
CORES = {"rp2040": ("cortex-m0plus", 1), "m0plus-slowmul": ("cortex-m0plus", 32), "stm32f0": ("cortex-m0", 1)}

# The operands: r8 to r11, the flags, r0 to r7. r12 keeps the address of the data.
BEFORE = [
    e.push([4, 5, 6, 7, LR]),
    e.high("mov", 12, 0),
    e.multiple("ldm", 0, [1, 2, 3, 4]),
    *(e.high("mov", high, low) for low, high in enumerate(HIGH, 1)),
    e.multiple("ldm", 0, [1]),
    e.msr("apsr", 1),
    e.multiple("ldm", 0, list(range(8))),
]
AFTER = [
    e.push(list(range(8))),
    e.mrs(1, "apsr"),
    e.high("mov", 0, 12),
    e.imm8("adds", 0, OUT),
    e.multiple("stm", 0, [1]),
    *[e.pop([1, 2, 3, 4]), e.multiple("stm", 0, [1, 2, 3, 4])] * 2,
    *(e.high("mov", low, high) for low, high in enumerate(HIGH, 1)),
    e.multiple("stm", 0, [1, 2, 3, 4]),
    e.pop([4, 5, 6, 7, PC]),
]


def snippet(case: Case) -> bytes:
    halfwords = [half for part in (BEFORE, [step.halfwords for step in case.steps], AFTER) for half in sum(part, ())]
    return struct.pack(f"<{len(halfwords)}H", *halfwords).ljust(-(-len(halfwords) // 2) * 4, b"\0")


@dataclass
class Bench:
    """All snippets in one image, on one machine."""

    machine: Machine
    data: Buffer
    code: bytes
    base: int
    addresses: dict[str, int]
    frame_cycles: int = 0

    @cached_property
    def image(self) -> dict[int, int]:
        """The code's bytes by address."""
        return dict(enumerate(self.code, self.base))

    def run(self, name: str, content: bytes) -> Cost:
        self.data.write(np.frombuffer(content, np.uint8))
        return self.machine.call(self.addresses[name], self.data)


@cache
def bench(profile: str) -> Bench:
    image, offsets = b"", {}
    for case in (Case("nothing", [], []), *CASES):
        offsets[case.name] = len(image)
        image += snippet(case)
    base = device.load(profile).flash.base
    machine = Machine.from_raw(image, base=base, profile=profile)
    data = machine.alloc(np.zeros(DATA_SIZE, np.uint8))
    made = Bench(machine, data, image, base, {name: base + offset for name, offset in offsets.items()})
    made.frame_cycles = made.run("nothing", bytes(DATA_SIZE)).cycles
    return made


def operands_of(case: Case, number: int, data: int) -> tuple[list[int], int, bytes]:
    """r0 to r11, the flags and the data's content of one run. Every set of flags comes up within 16 runs."""
    rng = random.Random(f"{case.name} {number}")
    registers = [rng.getrandbits(32) for _ in range(12)]
    for register, value in case.operands[number]:
        if register < 12:
            registers[register] = value if value >= 0 else data - 1 - value
    flags = number % 16 << 28
    words = struct.pack("<13I", *registers[8:], flags, *registers[:8])
    return registers, flags, words + rng.randbytes(DATA_SIZE - len(words))


def expected(case: Case, registers: list[int], flags: int, content: bytes, made: Bench, stack_top: int) -> State:
    memory = ChainMap(dict(enumerate(content, made.data.address)), made.image)  # stores go into the first
    state = State([*registers, made.data.address, stack_top - 20, RETURN_ADDRESS | 1, 0], memory=memory)
    state.apsr = flags
    semantics.run(case.steps, state, made.addresses[case.name] + 2 * len(sum(BEFORE, ())))
    return state


def cycles(state: State, profile: str, bump: str | None = None) -> int:
    table = priced_rows(*CORES[profile], bump)
    return sum(table[row] + registers for row, registers in state.rows)


def check(case: Case, number: int, made: Bench, profile: str) -> State:
    registers, flags, content = operands_of(case, number, made.data.address)
    cost = made.run(case.name, content)
    state = expected(case, registers, flags, content, made, cost.stack_top)
    assert state.r[SP] == cost.stack_top - 20, "the case does not restore SP"
    left = made.data.read().tobytes()
    flags_out, *registers_out = struct.unpack_from("<13I", left, OUT)
    where = f"{case.name}, operands {number}"
    assert [f"{value:08x}" for value in registers_out] == [f"{value:08x}" for value in state.r[:12]], where
    assert f"{flags_out:08x}" == f"{state.apsr:08x}", where
    inputs = bytes(state.memory[made.data.address + place] for place in range(DATA_SIZE))
    assert left[:OUT] + left[OUT + 52 :] == inputs[:OUT] + inputs[OUT + 52 :], where
    assert cost.cycles - made.frame_cycles == cycles(state, profile), where
    return state


GROUPS = {
    name: list(getattr(semantics, name)())
    for name in ("arithmetic", "any_register", "memory", "stack", "branches", "system", "reserved")
}


@pytest.mark.parametrize("first", quick_of(range(4), [0]))
@pytest.mark.parametrize("group", GROUPS)
def test_registers_flags_memory_and_cycles(group: str, first: int) -> None:
    """Every fourth operand, from one of the first four on."""
    for case in GROUPS[group]:
        assert len(case.operands) >= 20
        for number in range(first, len(case.operands), 4):
            check(case, number, bench("rp2040"), "rp2040")


@pytest.mark.parametrize("profile", quick_of(["m0plus-slowmul", "stm32f0"], ["stm32f0"]))
def test_the_other_cores(profile: str) -> None:
    for case in (case for name in GROUPS if name != "reserved" for case in GROUPS[name]):
        for number in (0, 15):
            check(case, number, bench(profile), profile)


@pytest.mark.parametrize("profile", quick_of(CORES, ["rp2040"]))
def test_the_cases_need_every_row_of_the_timing_table(profile: str) -> None:
    """One cycle more in any row and some case's cycles would not be what they are."""
    absent = "MULS fast" if profile == "m0plus-slowmul" else "MULS slow"
    wrong = set()
    made = bench(profile)
    stack_top = made.run("nothing", bytes(DATA_SIZE)).stack_top
    for case in CASES:
        for number in (0, 15):
            state = expected(case, *operands_of(case, number, made.data.address), made, stack_top)
            wrong |= {row for row in TABLE if cycles(state, profile, row) != cycles(state, profile)}
    assert wrong == set(TABLE) - {absent}


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def shifted(name: str, value: int, amount: int) -> tuple[int, int]:
    """Result and carry of a shift by a register, whose low byte counts; carry was 1. DDI 0419, A2.2.1."""
    amount &= 255
    if amount == 0:
        return value, 1
    if name == "LSL":
        wide = value << amount
        return wide & 0xFFFFFFFF, wide >> 32 & 1
    if name == "ROR":
        by = amount % 32
        result = (value >> by | value << 32 - by) & 0xFFFFFFFF
        return result, result >> 31
    wide = (value - (value >> 31 << 32) if name == "ASR" else value) << 1
    return wide >> amount + 1 & 0xFFFFFFFF, wide >> amount & 1


@pytest.mark.parametrize("chosen", quick_of(["unicorn", "timed"], ["timed"]))
@pytest.mark.parametrize(("name", "opcode"), [("LSL", 0x4088), ("LSR", 0x40C8), ("ASR", 0x4108), ("ROR", 0x41C8)])
def test_shifts_by_every_byte(name: str, opcode: int, chosen: str) -> None:
    """Where the amount is 32, 128 or so, only the carry tells a wrong one."""
    code = struct.pack("<6H", 0x4292, opcode, 0x2200, 0x4152, 0x4611, 0x4770)  # cmp r2, r2; the shift; adcs r2, r2
    machine = Machine.from_raw(code, 0x20000000)
    for value in (0x80000001, 0x7FFFFFFE):
        for amount in [*range(0, 257, 8 if chosen == "unicorn" else 1), 31, 33, 0x12300, 0x1238001]:
            cost = machine.call(0x20000000, value, amount, 0, result="u64", engine=chosen)  # type: ignore[arg-type]
            assert (cost.result & 0xFFFFFFFF, cost.result >> 32) == shifted(name, value, amount), (value, amount)
