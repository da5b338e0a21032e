"""The decode tables against three other decoders, over every encoding.

A decoder written here from the manual (Arm DDI 0419), which must agree everywhere; and Capstone and GNU objdump,
neither of which knows ARMv6-M alone. Where these two decode what the manual excludes, a row of a table below says so,
with how many encodings. A row that stops being true fails as loudly as a difference without a row.
"""

from __future__ import annotations

import inspect
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import capstone
import numpy as np
import numpy.typing as npt
import pytest

from m0sim.chip import isa
from m0sim.chip.isa import FIRST, SECOND, Flow, Kind

Array = npt.NDArray[np.int64]

WIDE_FROM = 0xE800
"""A5.1: a first halfword of 11101, 11110 or 11111 begins a 32-bit instruction."""

ALL_SECONDS: Array = np.arange(1 << 16, dtype=np.int64)

# -- the manual


class Diagram:
    """An encoding diagram as the manual prints it: fixed bits, (should-be) bits, and letters for fields."""

    def __init__(self, name: str, bits: str, unpredictable: Callable[..., npt.NDArray[np.bool_]] | None = None) -> None:
        self.name = name
        self.unpredictable = unpredictable
        plain = bits.replace(" ", "").replace("(", "").replace(")", "")  # a should-be bit that is not: UNPREDICTABLE
        self.width = len(plain)
        assert self.width in (16, 32), name
        places = list(zip(range(self.width - 1, -1, -1), plain, strict=True))
        self.mask = sum(1 << place for place, bit in places if bit in "01")
        self.value = sum(1 << place for place, bit in places if bit == "1")
        self.fields: dict[str, list[int]] = {}
        for place, bit in places:
            if bit not in "01":
                self.fields.setdefault(bit, []).append(place)

    def allows(self, word: Array) -> npt.NDArray[np.bool_]:
        """Where `word` is this instruction and the manual says what it does."""
        matches = (word & self.mask) == self.value
        if self.unpredictable is None:
            return matches
        fields = {}
        for letter in inspect.signature(self.unpredictable).parameters:
            fields[letter] = np.zeros_like(word)
            for place in self.fields[letter]:
                fields[letter] = fields[letter] << 1 | word >> place & 1
        return matches & ~self.unpredictable(**fields)


def empty(r: Array) -> npt.NDArray[np.bool_]:
    return r == 0


def add_pc_to_pc(d: Array, m: Array) -> npt.NDArray[np.bool_]:
    return (d == 15) & (m == 15)


def compares_badly(n: Array, m: Array) -> npt.NDArray[np.bool_]:
    return ((n < 8) & (m < 8)) | (n == 15) | (m == 15)


def through_pc(m: Array) -> npt.NDArray[np.bool_]:
    return m == 15


def not_a_condition(c: Array) -> npt.NDArray[np.bool_]:
    return c >= 14  # SEE UDF and SVC


def from_special(d: Array, s: Array) -> npt.NDArray[np.bool_]:
    return (d == 13) | (d == 15) | no_special_register(s)


def to_special(n: Array, s: Array) -> npt.NDArray[np.bool_]:
    return (n == 13) | (n == 15) | no_special_register(s)


def no_special_register(s: Array) -> npt.NDArray[np.bool_]:
    return ~((s <= 3) | ((s >= 5) & (s <= 9)) | (s == 16) | (s == 20))


DATA_PROCESSING = "AND EOR LSL LSR ASR ADC SBC ROR TST RSB CMP CMN ORR MUL BIC MVN".split()
REGISTER_OFFSET = "STR STRH STRB LDRSB LDR LDRH LDRB LDRSH".split()

MANUAL = [
    # A5.2.1
    Diagram("LSL (immediate), MOV (register) T2", "000 00 iiiii mmm ddd"),
    Diagram("LSR (immediate)", "000 01 iiiii mmm ddd"),
    Diagram("ASR (immediate)", "000 10 iiiii mmm ddd"),
    Diagram("ADD (register) T1", "000 11 0 0 mmm nnn ddd"),
    Diagram("SUB (register)", "000 11 0 1 mmm nnn ddd"),
    Diagram("ADD (immediate) T1", "000 11 1 0 iii nnn ddd"),
    Diagram("SUB (immediate) T1", "000 11 1 1 iii nnn ddd"),
    Diagram("MOV (immediate)", "001 00 ddd iiiiiiii"),
    Diagram("CMP (immediate)", "001 01 nnn iiiiiiii"),
    Diagram("ADD (immediate) T2", "001 10 ddd iiiiiiii"),
    Diagram("SUB (immediate) T2", "001 11 ddd iiiiiiii"),
    # A5.2.2
    *(Diagram(name, f"010000 {opcode:04b} mmm ddd") for opcode, name in enumerate(DATA_PROCESSING)),
    # A5.2.3
    Diagram("ADD (register) T2, ADD (SP plus register)", "010001 00 d mmmm ddd", add_pc_to_pc),
    Diagram("CMP (register) T2", "010001 01 n mmmm nnn", compares_badly),
    Diagram("MOV (register) T1", "010001 10 d mmmm ddd"),
    Diagram("BX", "010001 11 0 mmmm (0)(0)(0)", through_pc),
    Diagram("BLX (register)", "010001 11 1 mmmm (0)(0)(0)", through_pc),
    # A5.2.4
    Diagram("LDR (literal)", "01001 ttt iiiiiiii"),
    *(Diagram(f"{name} (register)", f"0101 {opcode:03b} mmm nnn ttt") for opcode, name in enumerate(REGISTER_OFFSET)),
    Diagram("STR (immediate) T1", "011 0 0 iiiii nnn ttt"),
    Diagram("LDR (immediate) T1", "011 0 1 iiiii nnn ttt"),
    Diagram("STRB (immediate)", "011 1 0 iiiii nnn ttt"),
    Diagram("LDRB (immediate)", "011 1 1 iiiii nnn ttt"),
    Diagram("STRH (immediate)", "1000 0 iiiii nnn ttt"),
    Diagram("LDRH (immediate)", "1000 1 iiiii nnn ttt"),
    Diagram("STR (immediate) T2", "1001 0 ttt iiiiiiii"),
    Diagram("LDR (immediate) T2", "1001 1 ttt iiiiiiii"),
    # A5.2
    Diagram("ADR", "10100 ddd iiiiiiii"),
    Diagram("ADD (SP plus immediate) T1", "10101 ddd iiiiiiii"),
    # A5.2.5
    Diagram("ADD (SP plus immediate) T2", "1011 0000 0 iiiiiii"),
    Diagram("SUB (SP minus immediate)", "1011 0000 1 iiiiiii"),
    Diagram("SXTH", "1011 0010 00 mmm ddd"),
    Diagram("SXTB", "1011 0010 01 mmm ddd"),
    Diagram("UXTH", "1011 0010 10 mmm ddd"),
    Diagram("UXTB", "1011 0010 11 mmm ddd"),
    Diagram("PUSH", "1011 0 10 r rrrrrrrr", empty),
    Diagram("CPS", "1011 0110 011 i (0)(0)(1)(0)"),
    Diagram("REV", "1011 1010 00 mmm ddd"),
    Diagram("REV16", "1011 1010 01 mmm ddd"),
    Diagram("REVSH", "1011 1010 11 mmm ddd"),
    Diagram("POP", "1011 1 10 r rrrrrrrr", empty),
    Diagram("BKPT", "1011 1110 iiiiiiii"),
    Diagram("NOP, YIELD, WFE, WFI, SEV, and the hints that execute as NOP", "1011 1111 oooo 0000"),
    # A5.2, A5.2.6
    Diagram("STM", "1100 0 nnn rrrrrrrr", empty),
    Diagram("LDM", "1100 1 nnn rrrrrrrr", empty),
    Diagram("B T1", "1101 cccc iiiiiiii", not_a_condition),
    Diagram("SVC", "1101 1111 iiiiiiii"),
    Diagram("B T2", "11100 iiiiiiiiiii"),
    # A5.3.1
    Diagram("BL", "11110 s iiiiiiiiii 11 j 1 k iiiiiiiiiii"),
    Diagram("MSR (register)", "111 10 0111 00 (0) nnnn 10 (0) 0 (1)(0)(0)(0) ssssssss", to_special),
    Diagram("MRS", "111 10 0111 11 (0) (1)(1)(1)(1) 10 (0) 0 dddd ssssssss", from_special),
    Diagram("DSB", "111 10 0111 01 1 (1)(1)(1)(1) 10 (0) 0 (1)(1)(1)(1) 0100 oooo"),
    Diagram("DMB", "111 10 0111 01 1 (1)(1)(1)(1) 10 (0) 0 (1)(1)(1)(1) 0101 oooo"),
    Diagram("ISB", "111 10 0111 01 1 (1)(1)(1)(1) 10 (0) 0 (1)(1)(1)(1) 0110 oooo"),
]
NARROW = [diagram for diagram in MANUAL if diagram.width == 16]
WIDE = [diagram for diagram in MANUAL if diagram.width == 32]


def test_every_16_bit_encoding_is_valid_where_the_manual_says_so() -> None:
    first = np.arange(WIDE_FROM, dtype=np.int64)
    rows = np.sum([diagram.allows(first) for diagram in NARROW], axis=0)
    assert rows.max() == 1, "two diagrams claim one encoding"
    wrong = np.flatnonzero((rows == 1) != (FIRST[:WIDE_FROM, isa.KIND] != Kind.INVALID))
    assert [f"{h:04x}" for h in wrong] == []
    assert (FIRST[:WIDE_FROM, isa.KIND] != Kind.WIDE).all()
    assert (FIRST[WIDE_FROM:, isa.KIND] == Kind.WIDE).all()
    assert [isa.is_wide(h) for h in range(1 << 16)] == [h >= WIDE_FROM for h in range(1 << 16)]


def test_every_32_bit_encoding_is_valid_where_the_manual_says_so() -> None:
    """All 6,144 x 65,536 of them; the diagrams of BL are BRANCH_LINK and the rest SYSTEM."""
    assert SECOND.shape == ALL_SECONDS.shape
    for first in range(WIDE_FROM, 1 << 16):
        may = [diagram for diagram in WIDE if first & diagram.mask >> 16 == diagram.value >> 16]
        word = ALL_SECONDS | first << 16
        expected = np.zeros(1 << 16, np.int64)
        for diagram in may:
            expected[diagram.allows(word)] = Kind.BRANCH_LINK if diagram.name == "BL" else Kind.SYSTEM
        if may or FIRST[first, isa.WIDE]:
            wrong = np.flatnonzero(expected != wide_kinds(np.full(1 << 16, first), ALL_SECONDS))
            assert [f"{first:04x} {second:04x}" for second in wrong[:20]] == []


def wide_kinds(first: Array, second: Array) -> Array:
    """What the tables say of 32-bit instructions, as `isa.kind_of` does for one."""
    both = FIRST[first, isa.WIDE] & SECOND[second]
    link = (both & isa.Wide.BRANCH_LINK) != 0
    return np.where(link, Kind.BRANCH_LINK, np.where(both, Kind.SYSTEM, Kind.INVALID)).astype(np.int64)


def test_kind_of_is_the_tables() -> None:
    assert [isa.kind_of(h) for h in range(WIDE_FROM)] == FIRST[:WIDE_FROM, isa.KIND].tolist()
    first = np.repeat([0xE800, 0xF000, 0xF380, 0xF38E, 0xF3BF, 0xF3EF], 1 << 16)
    second = np.tile(ALL_SECONDS, 6)
    found = [isa.kind_of(*pair) for pair in zip(first.tolist(), second.tolist(), strict=True)]
    assert found == wide_kinds(first, second).tolist()


def test_an_msr_of_msp_psp_or_control_writes_sp_and_nothing_wide_but_msr_does() -> None:
    for first in (0xF380, 0xF38C, 0xF38D, 0xF3EF, 0xF000):
        written = {second for second in range(1 << 16) if isa.writes_sp(first, second)}
        valid_msr = {second for second in range(1 << 16) if isa.kind_of(first, second) is Kind.SYSTEM}
        if first in (0xF380, 0xF38C):
            assert {0x8808, 0x8809, 0x8814} <= written <= valid_msr
        else:
            assert not written


# -- what a disassembly says

FOREIGN = -1
"""The class of an instruction that another disassembler decodes and ARMv6-M does not have."""

CONDITIONS = "eq ne cs hs cc lo mi pl vs vc hi ls ge lt gt le".split()
CLASSES = {
    Kind.DATA: (
        "adcs add adds adr ands asrs bics cmn cmp cpsid cpsie eors hint lsls lsrs mov movs mvns negs nop orrs rev "
        "rev16 revsh rors rsbs sbcs sev sevl sub subs sxtb sxth tst uxtb uxth yield"
    ),
    Kind.MULTIPLY: "muls",
    Kind.LOAD: "ldr ldrh ldrb ldrsh ldrsb",
    Kind.STORE: "str strh strb",
    Kind.LOAD_MULTIPLE: "ldm ldmia pop",
    Kind.STORE_MULTIPLE: "stm stmia push",
    Kind.BRANCH_CONDITIONAL: " ".join(f"b{condition}" for condition in CONDITIONS),
    Kind.BRANCH: "b",
    Kind.BRANCH_EXCHANGE: "bx",
    Kind.BRANCH_LINK_EXCHANGE: "blx",
    Kind.SLEEP: "wfe wfi",
    Kind.SUPERVISOR_CALL: "svc",
    Kind.BREAKPOINT: "bkpt",
    Kind.INVALID: "udf trap",  # permanently undefined, and said so
}
CLASS_OF = {name: int(kind) for kind, names in CLASSES.items() for name in names.split()}
WIDE_CLASS_OF = {
    "bl": int(Kind.BRANCH_LINK),
    # dfb, ssbb and pssbb are ARMv8 names of DSB #12, #0 and #4
    **dict.fromkeys("mrs msr dmb dsb isb dfb ssbb pssbb".split(), int(Kind.SYSTEM)),
    "udf": int(Kind.INVALID),
}
SIZES = {"h": 2, "sh": 2, "b": 1, "sb": 1}
ENDS = {
    Kind.BRANCH_CONDITIONAL: Flow.CONDITIONAL,
    Kind.BRANCH: Flow.JUMP,
    Kind.BRANCH_LINK_EXCHANGE: Flow.CALL,
    Kind.BRANCH_EXCHANGE: Flow.INDIRECT,
    Kind.POP_PC: Flow.INDIRECT,
    Kind.WRITE_PC: Flow.INDIRECT,
    Kind.SLEEP: Flow.STOP,
    Kind.SUPERVISOR_CALL: Flow.STOP,
    Kind.BREAKPOINT: Flow.STOP,
}

Facts = tuple[int, int, int, int, int, int, int]
"""Class, registers moved, bytes loaded, bytes stored, change of SP, whether SP takes a register's value, flow."""


def facts(text: str, operands: str) -> Facts:
    """What the text of one 16-bit instruction says."""
    name = text.removesuffix(".n")
    kind = CLASS_OF.get(name, FOREIGN)
    registers = (
        operands.split("{")[-1].rstrip("}").split(", ") if kind in (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE) else []
    )
    moved = len(registers) if registers != [""] else 0
    loaded = stored = sp_change = sp_write = 0
    target = operands.split(",")[0]
    if kind in (Kind.LOAD, Kind.STORE):
        moved, size = 1, SIZES.get(name[3:], 4)
        loaded, stored = (size, 0) if kind == Kind.LOAD else (0, size)
    elif kind == Kind.LOAD_MULTIPLE:
        loaded = 4 * moved
        sp_change = loaded if name == "pop" else 0
        kind = int(Kind.POP_PC) if "pc" in registers else kind
    elif kind == Kind.STORE_MULTIPLE:
        stored = 4 * moved
        sp_change = -stored if name == "push" else 0
    elif name in ("mov", "add", "sub") and target == "pc":
        kind = int(Kind.WRITE_PC)
    elif name in ("mov", "add", "sub") and target == "sp":
        amount = operands.partition("#")[2]
        sp_write = int(not amount)
        sp_change = int(amount, 0) * (-1 if name == "sub" else 1) if amount else 0
    return kind, moved, loaded, stored, sp_change, sp_write, ENDS.get(kind, Flow.NONE)


INVALID: Facts = (Kind.INVALID, 0, 0, 0, 0, 0, Flow.NONE)


def own_facts() -> Array:
    """The tables' own columns in the order of `Facts`."""
    columns = (isa.KIND, isa.REGISTERS, isa.LOADED, isa.STORED, isa.SP_CHANGE, isa.SP_WRITE)
    rows = FIRST[:WIDE_FROM].astype(np.int64)
    return np.column_stack([*(rows[:, column] for column in columns), isa.FLOW[rows[:, isa.KIND]]])


# -- differences


@dataclass(frozen=True)
class Difference:
    """Encodings that the other disassembler decodes and the tables call invalid."""

    patterns: str
    """Bits or x, in 16s; the row holds what matches any, and no row above."""
    count: int | None
    """How many; None: at least one, the number depends on the disassembler's version."""
    reason: str
    section: str

    def matches(self, word: Array) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(word), bool)
        for pattern in self.patterns.replace(" ", "").split("|"):
            mask = int("".join("0" if bit == "x" else "1" for bit in pattern), 2)
            found |= (word & mask) == int(pattern.replace("x", "0"), 2)
        return found


def assert_exactly(differences: Iterable[Difference], word: Array, width: int) -> None:
    """`word` holds the encodings that differ: each belongs to a row, and each row has as many as it says."""
    left = word
    for row in differences:
        assert all(len(p) == width for p in row.patterns.replace(" ", "").split("|")), row
        mine = row.matches(left)
        assert mine.any() if row.count is None else mine.sum() == row.count, f"{row}: {mine.sum()}"
        left = left[~mine]
    assert [f"{each:0{width // 4}x}" for each in left[:20]] == [], f"{len(left)} differences without a row"


ADD_PC_PC = Difference("0100010011111111", 1, "ADD PC, PC is UNPREDICTABLE", "A6.7.3")
CMP_LOW = Difference("0100010100xxxxxx", 64, "CMP T2 of two low registers is UNPREDICTABLE", "A6.7.18")
CMP_PC = Difference("010001011xxxx111 | 01000101x1111xxx", 31, "CMP T2 with PC is UNPREDICTABLE", "A6.7.18")
BLX_PC = Difference("0100011111111000", 1, "BLX PC is UNPREDICTABLE", "A6.7.14")
CBZ = Difference("1011x0x1xxxxxxxx", 1024, "CBZ and CBNZ are not in ARMv6-M: UNDEFINED", "A5.2.5")
CPS = Difference("10110110011xxxxx", 14, "CPS with bits other than those of i: should-be bits", "B5.2.1")
IT = Difference("10111111xxxxxxxx", 240, "IT is not in ARMv6-M: UNDEFINED", "A5.2.5")

CAPSTONE_NARROW = (
    ADD_PC_PC,
    CMP_LOW,
    CMP_PC,
    Difference("0100011101111000", 1, "BX PC is UNPREDICTABLE", "A6.7.15"),
    Difference("010001110xxxx0xx", 48, "BX with low bits: should-be bits", "A6.7.15"),
    Difference("010001110xxxx1xx", 64, "BXNS is ARMv8-M; here BX with low bits", "A6.7.15"),
    BLX_PC,
    Difference("010001111xxxx1xx", 64, "BLXNS is ARMv8-M; here BLX with low bits", "A6.7.14"),
    CBZ,
    CPS,
    IT,
)

OBJDUMP_NARROW = (
    ADD_PC_PC,
    CMP_LOW,
    CMP_PC,
    Difference("0100011101111000", 1, "BX PC is UNPREDICTABLE", "A6.7.15"),
    Difference("010001110xxxxxxx", 112, "BX with low bits (BXNS of ARMv8-M among them): should-be bits", "A6.7.15"),
    BLX_PC,
    Difference("010001111xxxx100", 16, "BLXNS is ARMv8-M; here BLX with low bits", "A6.7.14"),
    CBZ,
    Difference("1011010000000000", 1, "PUSH of no register is UNPREDICTABLE", "A6.7 PUSH"),
    Difference("101101100001x000", 2, "SETPAN is ARMv8-A: UNDEFINED", "A5.2.5"),
    Difference("101101100101x000", 2, "SETEND is not in ARMv6-M: UNDEFINED", "A5.2.5"),
    CPS,
    Difference("1011101010xxxxxx", 64, "HLT is ARMv8-A: UNDEFINED", "A5.2.5"),
    Difference("1011110000000000", 1, "POP of no register is UNPREDICTABLE", "A6.7 POP"),
    IT,
    Difference("11000xxx00000000", 8, "STM of no register is UNPREDICTABLE", "A6.7 STM"),
    Difference("11001xxx00000000", 8, "LDM of no register is UNPREDICTABLE", "A6.7 LDM"),
)

WIDE_ROWS = (
    # Capstone's count within `cover`, objdump's (None: it depends on the version), patterns, reason, section.
    (144, 112, "111100111001xxxx 10x0xxxxxxxxxxxx", "MSR with bit 4 set: a should-be bit", "B5.2.3"),
    (12314, 0, "111100111000xxxx 1010xxxxxxxxxxxx", "MSR with bit 13 set: a should-be bit", "B5.2.3"),
    (
        11557,
        11572,
        "111100111000xxxx 10000xxxxxxxxxxx | 111100111000xxxx 1000x1xxxxxxxxxx | "
        "111100111000xxxx 1000xx1xxxxxxxxx | 111100111000xxxx 1000xxx1xxxxxxxx",
        "MSR with a mask other than 1000: should-be bits",
        "B5.2.3",
    ),
    (510, 512, "1111001110001101 10001000xxxxxxxx | 1111001110001111 10001000xxxxxxxx", "MSR from SP or PC", "B5.2.3"),
    (257, 258, "111100111000xxxx 10001000xxxxxxxx", "MSR of a register that ARMv6-M has not", "B5.2.3"),
    (144, 112, "111100111111xxxx 10x0xxxxxxxxxxxx", "MRS with bit 4 set: a should-be bit", "B5.2.2"),
    (
        135,
        105,
        "111100111110xxx0 10x0xxxxxxxxxxxx | 111100111110xx0x 10x0xxxxxxxxxxxx | "
        "111100111110x0xx 10x0xxxxxxxxxxxx | 1111001111100xxx 10x0xxxxxxxxxxxx",
        "MRS with low bits other than 1111: should-be bits",
        "B5.2.2",
    ),
    (4096, 0, "1111001111101111 1010xxxxxxxxxxxx", "MRS with bit 13 set: a should-be bit", "B5.2.2"),
    (510, 512, "1111001111101111 10001101xxxxxxxx | 1111001111101111 10001111xxxxxxxx", "MRS to SP or PC", "B5.2.2"),
    (3416, 3430, "1111001111101111 1000xxxxxxxxxxxx", "MRS of a register that ARMv6-M has not", "B5.2.2"),
    (1, 2, "1111001110111111 1000111100101111 | 1111001110111111 1000111101110000", "CLREX, SB: UNDEFINED", "A5.3.1"),
    # What follows is ARMv7-M and more, by the classes of its manual; ARMv6-M leaves it all UNDEFINED.
    (256, None, "111100111010xxxx 10x0xxxxxxxxxxxx", "32-bit hints and CPS", "A5.3.1"),
    (57344, None, "11110xxxxxxxxxxx 10x1xxxxxxxxxxxx", "B.W", "A5.3.1"),
    (0, None, "11110xxxxxxxxxxx 11x0xxxxxxxxxxxx", "BLX to Arm code", "A5.3.1"),
    (24535, None, "11110xxxxxxxxxxx 10x0xxxxxxxxxxxx", "B<cond>.W, SMC, HVC, BXJ, SUBS PC", "A5.3.1"),
    (34685, None, "11110x0xxxxxxxxx 0xxxxxxxxxxxxxxx", "data processing (modified immediate)", "A5.3"),
    (66008, None, "11110x1xxxxxxxxx 0xxxxxxxxxxxxxxx", "data processing (plain binary immediate)", "A5.3"),
    (66671, None, "1110100xx0xxxxxx xxxxxxxxxxxxxxxx", "32-bit load and store multiple", "A5.3"),
    (3664, None, "1110100xx1xxxxxx xxxxxxxxxxxxxxxx", "LDRD, STRD, exclusives, TBB", "A5.3"),
    (5664, None, "1110101xxxxxxxxx xxxxxxxxxxxxxxxx", "data processing (shifted register)", "A5.3"),
    (29958, None, "111x11xxxxxxxxxx xxxxxxxxxxxxxxxx", "coprocessor, floating point, Advanced SIMD", "A5.3"),
    (4758, None, "1111100xxxxxxxxx xxxxxxxxxxxxxxxx", "32-bit loads and stores", "A5.3"),
    (320, None, "11111010xxxxxxxx xxxxxxxxxxxxxxxx", "data processing (register)", "A5.3"),
    (1536, None, "111110110xxxxxxx xxxxxxxxxxxxxxxx", "MLA, SMLA and the like", "A5.3"),
    (816, None, "111110111xxxxxxx xxxxxxxxxxxxxxxx", "long multiply, SDIV, UDIV", "A5.3"),
)
CAPSTONE_WIDE = tuple(Difference(patterns, count, *why) for count, _, patterns, *why in WIDE_ROWS if count != 0)
OBJDUMP_WIDE = tuple(Difference(patterns, count, *why) for _, count, patterns, *why in WIDE_ROWS if count != 0)

# -- the 32-bit encodings that are compared: every second halfword behind FULL, every first before SAMPLE

FULL = (0xE8BD, 0xF000, 0xF380, 0xF38D, 0xF38F, 0xF3AF, 0xF3BF, 0xF3EF)
SAMPLE = (
    *(0x0000, 0x0F0F, 0x5678, 0x8000, 0x8800, 0x8805, 0x880A, 0x8F4F, 0x8F5F, 0x8F6F),
    *(0xA000, 0xA805, 0xC000, 0xD000, 0xE800, 0xF0F0, 0xF800),
)


@cache
def cover() -> tuple[Array, Array]:
    """First and second halfwords, in order."""
    wide = np.arange(WIDE_FROM, 1 << 16, dtype=np.int64)
    words = [ALL_SECONDS | first << 16 for first in FULL] + [wide << 16 | second for second in SAMPLE]
    word = np.unique(np.concatenate(words))
    return word >> 16, word & 0xFFFF


# -- Capstone


@cache
def capstone_narrow() -> Array:
    decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    table = np.zeros((WIDE_FROM, len(INVALID)), np.int64)
    for first in range(WIDE_FROM):
        for _, size, name, operands in decoder.disasm_lite(first.to_bytes(2, "little") + b"\x00\xbf", 0, 1):
            assert size == 2
            table[first] = facts(name, operands)
    return table


def test_capstone_agrees_on_every_16_bit_encoding_but_those_listed() -> None:
    check_narrow(capstone_narrow(), CAPSTONE_NARROW)


def check_narrow(other: Array, differences: Iterable[Difference]) -> None:
    own = own_facts()
    differ = np.flatnonzero((own != other).any(axis=1))
    # a difference is always that the other decodes what the manual excludes, never another account of what both decode
    assert [f"{h:04x}" for h in differ if own[h, 0] != Kind.INVALID or other[h, 0] == Kind.INVALID] == []
    assert_exactly(differences, differ, 16)


def wide_class(name: str) -> int:
    return WIDE_CLASS_OF.get(name.removesuffix(".w"), FOREIGN)


@cache
def capstone_wide() -> Array:
    """The class of each encoding of `cover`."""
    decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    kinds = np.zeros(len(cover()[0]), np.int64)
    code = (cover()[0] | cover()[1] << 16).astype("<u4").tobytes()
    for number in range(len(kinds)):
        for _, size, name, _ in decoder.disasm_lite(code[4 * number : 4 * number + 4], 0, 1):
            assert size == 4
            kinds[number] = wide_class(name)
    return kinds


@pytest.mark.long
def test_capstone_agrees_on_32_bit_encodings_but_those_listed() -> None:
    check_wide(capstone_wide(), CAPSTONE_WIDE)


def check_wide(other: Array, differences: Iterable[Difference]) -> None:
    first, second = cover()
    own = wide_kinds(first, second)
    word = first << 16 | second
    assert set(np.unique(own).tolist()) == {Kind.INVALID, Kind.BRANCH_LINK, Kind.SYSTEM}
    differ = own != other
    assert [f"{w:08x}" for w in word[differ & ((own != Kind.INVALID) | (other == Kind.INVALID))][:20]] == []
    assert_exactly(differences, word[differ], 32)


# -- GNU objdump

OBJDUMP = "arm-none-eabi-objdump"
needs_objdump = pytest.mark.skipif(shutil.which(OBJDUMP) is None, reason=f"{OBJDUMP} is not installed")


def objdump(code: bytes, folder: Path) -> Iterator[tuple[int, str, str]]:
    """Address, name and operands of every instruction that objdump decodes and does not call unpredictable.

    It takes -m armv6-m, but goes by it only for coprocessor instructions.
    """
    path = folder / "code.bin"
    path.write_bytes(code)
    command = [OBJDUMP, "-D", "-z", "-b", "binary", "-m", "armv6-m", "-M", "force-thumb", str(path)]
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        columns = line.split("\t")
        if len(columns) < 3 or "undefined" in line.lower() or "UNPREDICTABLE" in line:
            continue
        operands = "\t".join(columns[3:]).partition("@")[0].partition(";")[0].strip()
        yield int(columns[0].rstrip(": "), 16), columns[2].strip(), operands


@needs_objdump
def test_objdump_agrees_on_every_16_bit_encoding_but_those_listed(tmp_path: Path) -> None:
    code, place = bytearray(), {}
    for first in range(WIDE_FROM):
        place[len(code)] = first
        code += first.to_bytes(2, "little")
        if first >> 8 == 0xBF:
            code += b"\x00\xbf" * 4  # what objdump takes for an IT block colours up to four instructions
    table = np.zeros((WIDE_FROM, len(INVALID)), np.int64)
    seen = 0
    for address, name, operands in objdump(bytes(code), tmp_path):
        if address in place:
            seen += 1
            table[place[address]] = facts(name, operands)
    assert seen > 50_000
    check_narrow(table, OBJDUMP_NARROW)


@pytest.mark.long
@needs_objdump
def test_objdump_agrees_on_32_bit_encodings_but_those_listed(tmp_path: Path) -> None:
    first, second = cover()
    kinds = np.zeros(len(first), np.int64)
    code = np.column_stack([first, second]).astype("<u2").tobytes()
    for address, name, _ in objdump(code, tmp_path):
        assert address % 4 == 0
        kinds[address // 4] = wide_class(name)
    check_wide(kinds, OBJDUMP_WIDE)
