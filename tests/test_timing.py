"""The cycle tables against the manuals', row by row, and against programs that each need some of the rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields, replace
from functools import cache

import pytest

from m0sim import Machine
from m0sim.chip import timing
from m0sim.chip.isa import Kind
from m0sim.chip.timing import Timing

M0PLUS, M0 = "cortex-m0plus", "cortex-m0"

# Arm DDI 0484C (Cortex-M0+) and DDI 0432C (Cortex-M0), table 3-1: assembler, encodings, cycles of each core
ROWS = (
    ("MOVS Rd, #<imm>", (0x2000, 0x27FF), 1, 1),
    ("MOVS Rd, Rm", (0x0000, 0x003F), 1, 1),
    ("MOV Rd, Rm", (0x4600, 0x46C0, 0x46FE, 0x46AD), 1, 1),
    ("MOV PC, Rm", (0x4687, 0x46F7, 0x46FF), 2, 3),
    ("ADDS Rd, Rn, #<imm>", (0x1C00, 0x1DFF), 1, 1),
    ("ADDS Rd, Rn, Rm", (0x1800, 0x19FF), 1, 1),
    ("ADD Rd, Rd, Rm", (0x4400, 0x44FE, 0x4485, 0x446D), 1, 1),
    ("ADD PC, PC, Rm", (0x4487, 0x44EF, 0x44F7), 2, 3),
    ("ADDS Rd, Rd, #<imm>", (0x3000, 0x37FF), 1, 1),
    ("ADCS Rd, Rd, Rm", (0x4140, 0x417F), 1, 1),
    ("ADD SP, SP, #<imm>", (0xB000, 0xB07F), 1, 1),
    ("ADD Rd, SP, #<imm>", (0xA800, 0xAFFF), 1, 1),
    ("ADR Rd, <label>", (0xA000, 0xA7FF), 1, 1),
    ("SUBS Rd, Rn, Rm", (0x1A00, 0x1BFF), 1, 1),
    ("SUBS Rd, Rn, #<imm>", (0x1E00, 0x1FFF), 1, 1),
    ("SUBS Rd, Rd, #<imm>", (0x3800, 0x3FFF), 1, 1),
    ("SBCS Rd, Rd, Rm", (0x4180, 0x41BF), 1, 1),
    ("SUB SP, SP, #<imm>", (0xB080, 0xB0FF), 1, 1),
    ("RSBS Rd, Rn, #0", (0x4240, 0x427F), 1, 1),
    ("CMP Rn, Rm", (0x4280, 0x42BF, 0x4540, 0x4580, 0x45F6), 1, 1),
    ("CMN Rn, Rm", (0x42C0, 0x42FF), 1, 1),
    ("CMP Rn, #<imm>", (0x2800, 0x2FFF), 1, 1),
    ("ANDS Rd, Rd, Rm", (0x4000, 0x403F), 1, 1),
    ("EORS Rd, Rd, Rm", (0x4040, 0x407F), 1, 1),
    ("ORRS Rd, Rd, Rm", (0x4300, 0x433F), 1, 1),
    ("BICS Rd, Rd, Rm", (0x4380, 0x43BF), 1, 1),
    ("MVNS Rd, Rm", (0x43C0, 0x43FF), 1, 1),
    ("TST Rn, Rm", (0x4200, 0x423F), 1, 1),
    ("LSLS Rd, Rm, #<shift>", (0x0040, 0x07FF), 1, 1),
    ("LSLS Rd, Rd, Rs", (0x4080, 0x40BF), 1, 1),
    ("LSRS Rd, Rm, #<shift>", (0x0800, 0x0FFF), 1, 1),
    ("LSRS Rd, Rd, Rs", (0x40C0, 0x40FF), 1, 1),
    ("ASRS Rd, Rm, #<shift>", (0x1000, 0x17FF), 1, 1),
    ("ASRS Rd, Rd, Rs", (0x4100, 0x413F), 1, 1),
    ("RORS Rd, Rd, Rs", (0x41C0, 0x41FF), 1, 1),
    ("LDR Rd, [Rn, #<imm>]", (0x6800, 0x6FFF), 2, 2),
    ("LDRH Rd, [Rn, #<imm>]", (0x8800, 0x8FFF), 2, 2),
    ("LDRB Rd, [Rn, #<imm>]", (0x7800, 0x7FFF), 2, 2),
    ("LDR Rd, [Rn, Rm]", (0x5800, 0x59FF), 2, 2),
    ("LDRH Rd, [Rn, Rm]", (0x5A00, 0x5BFF), 2, 2),
    ("LDRSH Rd, [Rn, Rm]", (0x5E00, 0x5FFF), 2, 2),
    ("LDRB Rd, [Rn, Rm]", (0x5C00, 0x5DFF), 2, 2),
    ("LDRSB Rd, [Rn, Rm]", (0x5600, 0x57FF), 2, 2),
    ("LDR Rd, <label>", (0x4800, 0x4FFF), 2, 2),
    ("LDR Rd, [SP, #<imm>]", (0x9800, 0x9FFF), 2, 2),
    ("LDM Rn!, {<loreglist>}, N = 1", (0xC802, 0xCF01), 2, 2),
    ("LDM Rn!, {<loreglist>}, N = 7", (0xC8FE, 0xCF7F), 8, 8),
    ("LDM Rn, {<loreglist>}, N = 8", (0xC8FF, 0xCFFF), 9, 9),
    ("STR Rd, [Rn, #<imm>]", (0x6000, 0x67FF), 2, 2),
    ("STRH Rd, [Rn, #<imm>]", (0x8000, 0x87FF), 2, 2),
    ("STRB Rd, [Rn, #<imm>]", (0x7000, 0x77FF), 2, 2),
    ("STR Rd, [Rn, Rm]", (0x5000, 0x51FF), 2, 2),
    ("STRH Rd, [Rn, Rm]", (0x5200, 0x53FF), 2, 2),
    ("STRB Rd, [Rn, Rm]", (0x5400, 0x55FF), 2, 2),
    ("STR Rd, [SP, #<imm>]", (0x9000, 0x97FF), 2, 2),
    ("STM Rn!, {<loreglist>}, N = 1", (0xC002, 0xC780), 2, 2),
    ("STM Rn!, {<loreglist>}, N = 8", (0xC0FF, 0xC7FF), 9, 9),
    ("PUSH {<loreglist>}, N = 1", (0xB401, 0xB480), 2, 2),
    ("PUSH {<loreglist>}, N = 8", (0xB4FF,), 9, 9),
    ("PUSH {<loreglist>, LR}, N = 1", (0xB500,), 2, 2),
    ("PUSH {<loreglist>, LR}, N = 5", (0xB5F0, 0xB50F), 6, 6),
    ("PUSH {<loreglist>, LR}, N = 9", (0xB5FF,), 10, 10),
    ("POP {<loreglist>}, N = 1", (0xBC01, 0xBC80), 2, 2),
    ("POP {<loreglist>}, N = 8", (0xBCFF,), 9, 9),
    ("POP {<loreglist>, PC}, N = 1", (0xBD00,), 4, 5),
    ("POP {<loreglist>, PC}, N = 2", (0xBD10, 0xBD01), 5, 6),
    ("POP {<loreglist>, PC}, N = 5", (0xBDF0, 0xBD0F), 8, 9),
    ("POP {<loreglist>, PC}, N = 9", (0xBDFF,), 12, 13),
    ("B<cc> <label>, not taken", (0xD000, 0xD1FE, 0xDDFF), 1, 1),
    ("B <label>", (0xE000, 0xE7FF), 2, 3),
    ("BX Rm", (0x4700, 0x4770), 2, 3),
    ("BLX Rm", (0x4780, 0x47F0), 2, 3),
    ("SXTH Rd, Rm", (0xB200, 0xB23F), 1, 1),
    ("SXTB Rd, Rm", (0xB240, 0xB27F), 1, 1),
    ("UXTH Rd, Rm", (0xB280, 0xB2BF), 1, 1),
    ("UXTB Rd, Rm", (0xB2C0, 0xB2FF), 1, 1),
    ("REV Rd, Rm", (0xBA00, 0xBA3F), 1, 1),
    ("REV16 Rd, Rm", (0xBA40, 0xBA7F), 1, 1),
    ("REVSH Rd, Rm", (0xBAC0, 0xBAFF), 1, 1),
    ("CPSID i", (0xB672,), 1, 1),
    ("CPSIE i", (0xB662,), 1, 1),
    ("SEV", (0xBF40,), 1, 1),
    ("WFE", (0xBF20,), 2, 2),
    ("WFI", (0xBF30,), 2, 2),
    ("YIELD", (0xBF10,), 1, 1),
    ("NOP", (0xBF00,), 1, 1),
    # not in the manuals' tables: these never complete, an exception takes over
    ("SVC, BKPT, and what is undefined", (0xDF00, 0xBE00, 0xDE00, 0xB100, 0xBF08, 0x4500, 0xBC00), 0, 0),
    ("the first halves of 32-bit instructions", (0xF000, 0xF3BF, 0xE800), 0, 0),
)


@pytest.mark.parametrize("core", [M0PLUS, M0])
def test_every_16_bit_row_of_the_manuals_table(core: timing.Core) -> None:
    cycles = timing.cycles_of_first(timing.timing(core))
    for row, encodings, m0plus, m0 in ROWS:
        expected = m0plus if core == M0PLUS else m0
        assert {f"{h:04x}": int(cycles[h]) for h in encodings} == {f"{h:04x}": expected for h in encodings}, row


@pytest.mark.parametrize("core", [M0PLUS, M0])
@pytest.mark.parametrize("multiplier", [1, 32])
def test_muls_takes_what_the_multiplier_takes(core: timing.Core, multiplier: int) -> None:
    other = timing.cycles_of_first(timing.timing(core))
    cycles = timing.cycles_of_first(timing.timing(core, multiplier))
    assert set(cycles[0x4340:0x4380].tolist()) == {multiplier}
    cycles[0x4340:0x4380] = other[0x4340:0x4380]
    assert (cycles == other).all()


def test_the_rows_that_are_not_of_one_16_bit_encoding() -> None:
    """Taken branches, 32-bit instructions, the I/O port (M0+ only), and interrupt latency."""
    plus, m0 = timing.timing("cortex-m0plus"), timing.timing("cortex-m0")
    assert (plus.branch_not_taken + plus.taken_extra, m0.branch_not_taken + m0.taken_extra) == (2, 3)
    for kind, m0plus_cycles, m0_cycles in ((Kind.BRANCH_LINK, 3, 4), (Kind.SYSTEM, 3, 4)):
        found = [int(timing.base_cycles(table)[kind]) for table in (plus, m0)]
        assert found == [m0plus_cycles, m0_cycles]
    assert (plus.load_on_io_port, plus.store_on_io_port) == (1, 1)
    assert (m0.load_on_io_port, m0.store_on_io_port) == (m0.load, m0.store) == (2, 2)
    assert (plus.exception_entry, m0.exception_entry) == (15, 16)


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m0+", "", "Cortex-M0"])
def test_another_core_is_a_value_error(core: str) -> None:
    with pytest.raises(ValueError, match="unknown core"):
        timing.timing(core)  # type: ignore[arg-type]


@pytest.mark.parametrize("multiplier", [0, 2, 31, 33, -1])
@pytest.mark.parametrize("core", [M0PLUS, M0])
def test_another_multiplier_is_a_value_error(core: timing.Core, multiplier: int) -> None:
    with pytest.raises(ValueError, match="1 or 32"):
        timing.timing(core, multiplier)


# -- every field of the table shows in some program

NOT_USED_YET = {"exception_entry"}
"""No interrupt is simulated, so nothing can take this many cycles; the test fails when that changes."""


@dataclass(frozen=True)
class Program:
    """A function in machine code, and how often it uses each field of the table."""

    code: str
    uses: dict[str, int]
    registers: int = 0
    """Moved by LDM, STM, PUSH and POP together."""


PROGRAMS = {
    # movs r0, #3; muls r0, r0; bx lr
    "multiply": Program("2003 4340 4770", {"data": 1, "multiply": 1, "branch_exchange": 1}),
    # push {r4, lr}; str r0, [sp]; ldr r1, [sp]; ldr r1, [sp]; pop {r4, pc}
    "stack": Program("b510 9000 9900 9900 bd10", {"store_multiple": 1, "store": 1, "load": 2, "pop_pc": 1}, 4),
    # push {r4-r7}; pop {r4-r7}; bx lr
    "multiples": Program("b4f0 bcf0 4770", {"store_multiple": 1, "load_multiple": 1, "branch_exchange": 1}, 8),
    # movs r0, #4; loop: subs r0, #1; bne loop; bx lr
    "loop": Program("2004 3801 d1fd 4770", {"data": 5, "branch_taken": 3, "branch_not_taken": 1, "branch_exchange": 1}),
    # movs r0, #0; beq next; next: bx lr (a block hook cannot see from the address whether it is taken)
    "branch to the next instruction": Program("2000 d0ff 4770", {"data": 1, "branch_taken": 1, "branch_exchange": 1}),
    # b over; udf; over: bx lr
    "branch": Program("e000 de00 4770", {"branch": 1, "branch_exchange": 1}),
    # push {lr}; adr r0, f; adds r0, #1; blx r0; pop {pc}; nop; f: bx lr
    "call by register": Program(
        "b500 a002 3001 4780 bd00 bf00 4770",
        {"store_multiple": 1, "data": 2, "branch_link_exchange": 1, "branch_exchange": 1, "pop_pc": 1},
        2,
    ),
    # push {lr}; bl f; pop {pc}; f: bx lr
    "call": Program(
        "b500 f000 f801 bd00 4770", {"store_multiple": 1, "branch_link": 1, "branch_exchange": 1, "pop_pc": 1}, 2
    ),
    # adr r0, there; mov pc, r0; udf; udf; there: bx lr
    "write to pc": Program("a001 4687 de00 de00 4770", {"data": 1, "write_pc": 1, "branch_exchange": 1}),
    # dmb; mrs r0, primask; msr primask, r0; bx lr
    "system": Program("f3bf 8f5f f3ef 8010 f380 8810 4770", {"system": 3, "branch_exchange": 1}),
    # sev; wfe; bx lr
    "sleep": Program("bf40 bf20 4770", {"data": 1, "sleep": 1, "branch_exchange": 1}),
    # movs r0, #0xd0; lsls r0, #24; ldr r1, [r0]; str r1, [r0, #0x10]; str r1, [r0, #0x10]; bx lr
    "input and output": Program(
        "20d0 0600 6801 6101 6101 4770",
        {"data": 2, "load_on_io_port": 1, "store_on_io_port": 2, "branch_exchange": 1},
    ),
}
SLOT = 16
BASE = 0x10000000
"""Flash of the RP2040."""


@cache
def firmware() -> bytes:
    """Each program in a slot of its own, so that ADR has the alignment it was written for."""
    codes = [b"".join(int(h, 16).to_bytes(2, "little") for h in each.code.split()) for each in PROGRAMS.values()]
    assert all(len(code) <= SLOT for code in codes)
    return b"".join(code.ljust(SLOT, b"\xde") for code in codes)


def cycles_of_programs() -> dict[str, int]:
    machine = Machine.from_raw(firmware(), BASE, "rp2040")
    return {name: machine.call(BASE + SLOT * number).cycles for number, name in enumerate(PROGRAMS)}


def test_the_programs_take_the_sum_of_what_they_use() -> None:
    table = timing.timing("cortex-m0plus")
    expected = {
        name: each.registers + sum(getattr(table, field) * times for field, times in each.uses.items())
        for name, each in PROGRAMS.items()
    }
    assert cycles_of_programs() == expected


@pytest.mark.parametrize("field", [each.name for each in fields(Timing)])
def test_a_cycle_more_in_any_field_shows(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = cycles_of_programs()
    right = timing.timing("cortex-m0plus")
    wrong = replace(right, **{field: getattr(right, field) + 1})
    monkeypatch.setattr("m0sim.chip.timing.timing", lambda core, multiplier: wrong)
    bumped = Counter(cycles_of_programs())
    bumped.subtract(plain)
    assert dict(bumped) == {name: each.uses.get(field, 0) for name, each in PROGRAMS.items()}
    assert any(bumped.values()) == (field not in NOT_USED_YET)
