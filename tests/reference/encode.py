"""A small Thumb encoder, from the encodings of the ARMv6-M Architecture Reference Manual (Arm DDI 0419, A5.2 and A6.7).

Every function returns the halfwords of one instruction. An Assembler collects them and resolves labels.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

SP, LR, PC = 13, 14, 15
CONDITIONS = ("eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")

# A5.2.2: data processing, the order of the opcode field
DATA_PROCESSING = (
    *("ands", "eors", "lsls", "lsrs", "asrs", "adcs", "sbcs", "rors"),
    *("tst", "rsbs", "cmp", "cmn", "orrs", "muls", "bics", "mvns"),
)
# A5.2.4: loads and stores with a register offset, the order of the opcode field
REGISTER_OFFSET = ("str", "strh", "strb", "ldrsb", "ldr", "ldrh", "ldrb", "ldrsh")
# B4.2.2 and B5.2.2: SYSm
SPECIAL = {"apsr": 0, "iapsr": 1, "eapsr": 2, "xpsr": 3, "ipsr": 5, "epsr": 6, "iepsr": 7}
SPECIAL |= {"msp": 8, "psp": 9, "primask": 16, "control": 20}

Halfwords = tuple[int, ...]

NOP, YIELD, WFE, WFI, SEV = ((0xBF00 | number << 4,) for number in range(5))
CPSIE, CPSID = (0xB662,), (0xB672,)
DSB, DMB, ISB = ((0xF3BF, 0x8F0F | option << 4) for option in (4, 5, 6))
BARRIERS = {"dsb": DSB, "dmb": DMB, "isb": ISB}


def _bits(value: int, width: int) -> int:
    if not 0 <= value < 1 << width:
        raise ValueError(f"{value} does not fit {width} bits")
    return value


def _offset(distance: int, width: int) -> int:
    """A signed branch offset in halfwords, as a field of `width` bits."""
    if distance % 2 or not -(1 << width) <= distance < 1 << width:
        raise ValueError(f"a branch of {distance} bytes is out of reach")
    return distance >> 1 & (1 << width) - 1


def shift_immediate(name: str, rd: int, rm: int, amount: int) -> Halfwords:
    return (("lsls", "lsrs", "asrs").index(name) << 11 | _bits(amount, 5) << 6 | rm << 3 | rd,)


def add_register(name: str, rd: int, rn: int, rm: int) -> Halfwords:
    return (0x1800 | (name == "subs") << 9 | _bits(rm, 3) << 6 | rn << 3 | rd,)


def add_imm3(name: str, rd: int, rn: int, value: int) -> Halfwords:
    return (0x1C00 | (name == "subs") << 9 | _bits(value, 3) << 6 | rn << 3 | rd,)


def imm8(name: str, rd: int, value: int) -> Halfwords:
    return (0x2000 | ("movs", "cmp", "adds", "subs").index(name) << 11 | _bits(rd, 3) << 8 | _bits(value, 8),)


def data_processing(name: str, rdn: int, rm: int) -> Halfwords:
    return (0x4000 | DATA_PROCESSING.index(name) << 6 | _bits(rm, 3) << 3 | _bits(rdn, 3),)


def high(name: str, rdn: int, rm: int) -> Halfwords:
    """ADD, CMP or MOV of any two registers (A5.2.3)."""
    return (0x4400 | ("add", "cmp", "mov").index(name) << 8 | rdn >> 3 << 7 | _bits(rm, 4) << 3 | rdn & 7,)


def bx(rm: int) -> Halfwords:
    return (0x4700 | _bits(rm, 4) << 3,)


def blx(rm: int) -> Halfwords:
    return (0x4780 | _bits(rm, 4) << 3,)


def register_offset(name: str, rt: int, rn: int, rm: int) -> Halfwords:
    return (0x5000 | REGISTER_OFFSET.index(name) << 9 | _bits(rm, 3) << 6 | rn << 3 | rt,)


def immediate_offset(name: str, rt: int, rn: int, offset: int) -> Halfwords:
    """STR, LDR, STRB, LDRB, STRH or LDRH; `offset` in bytes."""
    opcode, size = {"str": (0x6000, 4), "strb": (0x7000, 1), "strh": (0x8000, 2)}[name.replace("ldr", "str")]
    return (opcode | name.startswith("ldr") << 11 | _bits(offset // size, 5) << 6 | rn << 3 | rt,)


def sp_relative(name: str, rt: int, offset: int) -> Halfwords:
    return (0x9000 | (name == "ldr") << 11 | rt << 8 | _bits(offset // 4, 8),)


def add_sp_to(rd: int, value: int) -> Halfwords:
    """ADD Rd, SP, #value."""
    return (0xA800 | rd << 8 | _bits(value // 4, 8),)


def move_sp(name: str, value: int) -> Halfwords:
    """ADD SP, #value or SUB SP, #value."""
    return (0xB000 | (name == "sub") << 7 | _bits(value // 4, 7),)


def extend(name: str, rd: int, rm: int) -> Halfwords:
    return (0xB200 | ("sxth", "sxtb", "uxth", "uxtb").index(name) << 6 | rm << 3 | rd,)


def reverse(name: str, rd: int, rm: int) -> Halfwords:
    return (0xBA00 | {"rev": 0, "rev16": 1, "revsh": 3}[name] << 6 | rm << 3 | rd,)


def _mask(registers: list[int]) -> int:
    return sum(1 << register for register in set(registers))


def push(registers: list[int]) -> Halfwords:
    return (0xB400 | _mask([register for register in registers if register != LR]) | (LR in registers) << 8,)


def pop(registers: list[int]) -> Halfwords:
    return (0xBC00 | _mask([register for register in registers if register != PC]) | (PC in registers) << 8,)


def multiple(name: str, rn: int, registers: list[int]) -> Halfwords:
    """STM or LDM: the base is written back, except by an LDM that loads it."""
    return (0xC000 | (name == "ldm") << 11 | rn << 8 | _mask(registers),)


def mrs(rd: int, name: str) -> Halfwords:
    return (0xF3EF, 0x8000 | rd << 8 | SPECIAL[name])


def msr(name: str, rn: int) -> Halfwords:
    return (0xF380 | rn, 0x8800 | SPECIAL[name])


def branch_if(condition: str, distance: int) -> Halfwords:
    """`distance` from the branch's PC, which is its address + 4."""
    return (0xD000 | CONDITIONS.index(condition) << 8 | _offset(distance, 8),)


def branch(distance: int) -> Halfwords:
    return (0xE000 | _offset(distance, 11),)


def branch_link(distance: int) -> Halfwords:
    """A6.7.13: S:I1:I2:imm10:imm11, with J1 = NOT(I1 EOR S) and J2 = NOT(I2 EOR S)."""
    field_ = _offset(distance, 24)
    sign, i1, i2 = field_ >> 23 & 1, field_ >> 22 & 1, field_ >> 21 & 1
    j1, j2 = i1 ^ sign ^ 1, i2 ^ sign ^ 1
    return (0xF000 | sign << 10 | field_ >> 11 & 0x3FF, 0xD000 | j1 << 13 | j2 << 11 | field_ & 0x7FF)


@dataclass
class Label:
    """A place in a piece of code; where it is shows when the piece is bound and laid out."""

    piece: Assembler | None = None
    offset: int = 0

    @property
    def address(self) -> int:
        if self.piece is None:
            raise ValueError("a label was used and never bound")
        return self.piece.start + self.offset


@dataclass(eq=False)
class Assembler:
    """One piece of code. Pieces refer to each other's labels; `start` is set when they are laid out."""

    halfwords: list[int] = field(default_factory=list)
    fixups: list[tuple[int, str, int | str, Label]] = field(default_factory=list)
    instructions: int = 0
    start: int = 0

    @property
    def here(self) -> int:
        return 2 * len(self.halfwords)

    def emit(self, *instructions: Halfwords) -> None:
        for instruction in instructions:
            self.halfwords += instruction
            self.instructions += 1

    def bind(self, label: Label) -> None:
        label.piece, label.offset = self, self.here

    def to(self, kind: str, operand: int | str, label: Label) -> None:
        """An instruction that names a label: bcc, b, bl, adr or ldr."""
        self.fixups.append((self.here, kind, operand, label))
        self.emit((0, 0) if kind == "bl" else (0,))

    def align(self) -> None:
        if len(self.halfwords) % 2:
            self.emit(NOP)

    def word(self, value: int) -> None:
        self.halfwords += (value & 0xFFFF, value >> 16 & 0xFFFF)

    def distance(self, place: int, label: Label) -> None:
        """A word: how far the label, as a Thumb address, lies behind `place` in this piece."""
        self.fixups.append((self.here, "word", place, label))
        self.word(0)

    def finish(self) -> bytes:
        """Resolve the labels; every piece has its `start` by now."""
        for offset, kind, operand, label in self.fixups:
            words = self._resolved(offset, kind, operand, label.address)
            self.halfwords[offset // 2 : offset // 2 + len(words)] = words
        return struct.pack(f"<{len(self.halfwords)}H", *self.halfwords)

    def _resolved(self, offset: int, kind: str, operand: int | str, target: int) -> Halfwords:
        pc = self.start + offset + 4
        if kind == "word":
            value = target + 1 - (self.start + int(operand))
            return (value & 0xFFFF, value >> 16 & 0xFFFF)
        if kind in ("adr", "ldr"):
            distance = target - (pc & ~3)
            return ({"adr": 0xA000, "ldr": 0x4800}[kind] | int(operand) << 8 | _bits(distance // 4, 8),)
        if kind == "bcc":
            return branch_if(str(operand), target - pc)
        return branch(target - pc) if kind == "b" else branch_link(target - pc)


def lay_out(pieces: list[Assembler], step: int = 4) -> bytes:
    """The pieces one behind the other, each at a multiple of `step` bytes."""
    start = 0
    for piece in pieces:
        piece.start = start
        start += -(-piece.here // step) * step
    return b"".join(piece.finish().ljust(-(-piece.here // step) * step, b"\0") for piece in pieces)
