"""What every ARMv6-M instruction does, in plain Python integers, from the pseudocode of Arm DDI 0419.

A Step is one instruction: its halfwords, its row of the timing table and its effect on a State. `run` executes a list
of steps. A Case is a list of steps with the operands to try them on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from . import encode as e
from .accountant import passes
from .encode import LR, PC, SP

MASK = 0xFFFFFFFF
Effect = Callable[["State"], None]


def signed(value: int, bits: int = 32) -> int:
    """SInt() of D6.5."""
    return value - (1 << bits) if value >> bits - 1 & 1 else value


def lsl_c(x: int, amount: int) -> tuple[int, int]:
    return x << amount & MASK, x << amount >> 32 & 1


def lsr_c(x: int, amount: int) -> tuple[int, int]:
    return x >> amount, x >> amount - 1 & 1


def asr_c(x: int, amount: int) -> tuple[int, int]:
    return signed(x) >> amount & MASK, signed(x) >> amount - 1 & 1


def ror_c(x: int, amount: int) -> tuple[int, int]:
    turned = amount % 32
    result = (x >> turned | x << 32 - turned) & MASK
    return result, result >> 31


SHIFTS = {"lsls": lsl_c, "lsrs": lsr_c, "asrs": asr_c, "rors": ror_c}


@dataclass
class State:
    """Registers, flags, special registers and the bytes of memory."""

    r: list[int]
    n: int = 0
    z: int = 0
    c: int = 0
    v: int = 0
    primask: int = 0
    control: int = 0
    other_sp: int = 0
    """PSP while CONTROL.SPSEL is 0, MSP while it is 1."""
    memory: dict[int, int] = field(default_factory=dict)
    next: int = 0
    rows: list[tuple[str, int]] = field(default_factory=list)
    """The timing table's rows of what ran, each with the number of registers it moved."""

    @property
    def apsr(self) -> int:
        return self.n << 31 | self.z << 30 | self.c << 29 | self.v << 28

    @apsr.setter
    def apsr(self, value: int) -> None:
        self.n, self.z, self.c, self.v = (value >> bit & 1 for bit in (31, 30, 29, 28))

    def load(self, address: int, size: int) -> int:
        return int.from_bytes(bytes(self.memory[address + byte] for byte in range(size)), "little")

    def store(self, address: int, size: int, value: int) -> None:
        for byte in range(size):
            self.memory[address + byte] = value >> 8 * byte & 0xFF

    def result(self, rd: int | None, value: int) -> None:
        """Write a result, if any register takes it, and set N and Z."""
        self.n, self.z = value >> 31, int(value == 0)
        if rd is not None:
            self.r[rd] = value

    def add(self, rd: int | None, x: int, y: int, carry: int) -> None:
        """AddWithCarry() of A2.2.1, setting all four flags."""
        unsigned, with_sign = x + y + carry, signed(x) + signed(y) + carry
        value = unsigned & MASK
        self.result(rd, value)
        self.c, self.v = int(unsigned != value), int(with_sign != signed(value))

    def shift(self, name: str, rd: int, value: int, amount: int) -> None:
        """Shift_C() of A6.4.2: an amount of 0 leaves C."""
        if amount:
            value, self.c = SHIFTS[name](value, amount)
        self.result(rd, value)

    def move_sp(self, value: int) -> None:
        """SP's two low bits are always zero (B1.4.1)."""
        self.r[SP] = value & ~3 & MASK

    def bx_write_pc(self, value: int) -> None:
        if not value & 1:
            raise ValueError("a branch to Arm state")
        self.next = value & ~1


@dataclass(frozen=True)
class Step:
    halfwords: e.Halfwords
    row: str
    effect: Effect
    registers: int = 0

    @property
    def size(self) -> int:
        return 2 * len(self.halfwords)


def run(steps: list[Step], state: State, address: int) -> None:
    """Execute the steps, which start at `address`, until one continues behind them."""
    places, place = {}, address
    for step in steps:
        places[place] = step
        place += step.size
    state.next = address
    while state.next in places:
        here, step = state.next, places[state.next]
        state.r[PC], state.next = here + 4, here + step.size
        before = len(state.rows)
        step.effect(state)
        if len(state.rows) == before:
            state.rows.append((step.row, step.registers))
    if state.next != place:
        raise ValueError("the steps end somewhere else")


# The instructions, in the order of A5.2 and A5.3.


def shift_immediate(name: str, rd: int, rm: int, amount: int) -> Step:
    """A6.4.1: LSR and ASR by 0 mean 32; LSL by 0 is MOVS Rd, Rm."""
    row = "MOVS Rd,Rm" if (name, amount) == ("lsls", 0) else f"{name.upper()} Rd,Rm,#imm"
    by = amount if name == "lsls" else amount or 32
    return Step(e.shift_immediate(name, rd, rm, amount), row, lambda s: s.shift(name, rd, s.r[rm], by))


def add_register(name: str, rd: int, rn: int, rm: int) -> Step:
    def effect(s: State) -> None:
        s.add(rd, s.r[rn], *((~s.r[rm] & MASK, 1) if name == "subs" else (s.r[rm], 0)))

    return Step(e.add_register(name, rd, rn, rm), f"{name.upper()} Rd,Rn,Rm", effect)


def add_imm3(name: str, rd: int, rn: int, value: int) -> Step:
    def effect(s: State) -> None:
        s.add(rd, s.r[rn], *((~value & MASK, 1) if name == "subs" else (value, 0)))

    return Step(e.add_imm3(name, rd, rn, value), f"{name.upper()} Rd,Rn,#imm3", effect)


def imm8(name: str, rd: int, value: int) -> Step:
    effects: dict[str, Effect] = {
        "movs": lambda s: s.result(rd, value),
        "cmp": lambda s: s.add(None, s.r[rd], ~value & MASK, 1),
        "adds": lambda s: s.add(rd, s.r[rd], value, 0),
        "subs": lambda s: s.add(rd, s.r[rd], ~value & MASK, 1),
    }
    rows = {"movs": "MOVS Rd,#imm8", "cmp": "CMP Rn,#imm8"}
    return Step(e.imm8(name, rd, value), rows.get(name, f"{name.upper()} Rd,Rd,#imm8"), effects[name])


_DATA_PROCESSING: dict[str, Callable[[State, int, int, int], None]] = {
    "ands": lambda s, d, x, y: s.result(d, x & y),
    "eors": lambda s, d, x, y: s.result(d, x ^ y),
    "lsls": lambda s, d, x, y: s.shift("lsls", d, x, y & 0xFF),
    "lsrs": lambda s, d, x, y: s.shift("lsrs", d, x, y & 0xFF),
    "asrs": lambda s, d, x, y: s.shift("asrs", d, x, y & 0xFF),
    "adcs": lambda s, d, x, y: s.add(d, x, y, s.c),
    "sbcs": lambda s, d, x, y: s.add(d, x, ~y & MASK, s.c),
    "rors": lambda s, d, x, y: s.shift("rors", d, x, y & 0xFF),
    "tst": lambda s, d, x, y: s.result(None, x & y),
    "rsbs": lambda s, d, x, y: s.add(d, ~y & MASK, 0, 1),
    "cmp": lambda s, d, x, y: s.add(None, x, ~y & MASK, 1),
    "cmn": lambda s, d, x, y: s.add(None, x, y, 0),
    "orrs": lambda s, d, x, y: s.result(d, x | y),
    "muls": lambda s, d, x, y: s.result(d, x * y & MASK),
    "bics": lambda s, d, x, y: s.result(d, x & ~y),
    "mvns": lambda s, d, x, y: s.result(d, ~y & MASK),
}
_SHAPES = {"tst": "Rn,Rm", "cmp": "Rn,Rm", "cmn": "Rn,Rm", "rsbs": "Rd,Rn,#0", "mvns": "Rd,Rm"}
_SHAPES |= dict.fromkeys(SHIFTS, "Rd,Rd,Rs")


def data_processing(name: str, rdn: int, rm: int) -> Step:
    row = "MULS" if name == "muls" else f"{name.upper()} {_SHAPES.get(name, 'Rd,Rd,Rm')}"
    effect = _DATA_PROCESSING[name]
    return Step(e.data_processing(name, rdn, rm), row, lambda s: effect(s, rdn, s.r[rdn], s.r[rm]))


def high(name: str, rd: int, rm: int) -> Step:
    """ADD, CMP, MOV of any registers (A5.2.3). A PC that is read is the address + 4; one that is written branches."""

    def effect(s: State) -> None:
        if name == "cmp":
            return s.add(None, s.r[rd], ~s.r[rm] & MASK, 1)
        value = (s.r[rm] + (s.r[rd] if name == "add" else 0)) & MASK
        if rd == PC:
            s.next = value & ~1
        elif rd == SP:
            s.move_sp(value)
        else:
            s.r[rd] = value
        return None

    rows = {"cmp": "CMP Rn,Rm", "mov": "MOV PC,Rm" if rd == PC else "MOV Rd,Rm"}
    return Step(e.high(name, rd, rm), rows.get(name, "ADD PC,PC,Rm" if rd == PC else "ADD Rd,Rd,Rm"), effect)


def bx(rm: int) -> Step:
    return Step(e.bx(rm), "BX Rm", lambda s: s.bx_write_pc(s.r[rm]))


def blx(rm: int) -> Step:
    def effect(s: State) -> None:
        target, s.r[LR] = s.r[rm], s.r[PC] - 2 | 1
        s.bx_write_pc(target)

    return Step(e.blx(rm), "BLX Rm", effect)


def ldr_literal(rt: int, offset: int) -> Step:
    """A6.7.27: from Align(PC, 4)."""

    def effect(s: State) -> None:
        s.r[rt] = s.load((s.r[PC] & ~3) + offset, 4)

    return Step((0x4800 | rt << 8 | offset // 4,), "LDR Rd,label", effect)


_SIZES = {"str": 4, "strh": 2, "strb": 1, "ldr": 4, "ldrh": 2, "ldrb": 1, "ldrsh": 2, "ldrsb": 1}


def _access(name: str, rt: int, address: Callable[[State], int]) -> Effect:
    size = _SIZES[name]

    def effect(s: State) -> None:
        if name.startswith("str"):
            return s.store(address(s), size, s.r[rt])
        value = s.load(address(s), size)
        s.r[rt] = signed(value, 8 * size) & MASK if name.startswith("ldrs") else value
        return None

    return effect


def register_offset(name: str, rt: int, rn: int, rm: int) -> Step:
    effect = _access(name, rt, lambda s: (s.r[rn] + s.r[rm]) & MASK)
    return Step(e.register_offset(name, rt, rn, rm), f"{name.upper()} Rd,[Rn,Rm]", effect)


def immediate_offset(name: str, rt: int, rn: int, offset: int) -> Step:
    effect = _access(name, rt, lambda s: s.r[rn] + offset)
    return Step(e.immediate_offset(name, rt, rn, offset), f"{name.upper()} Rd,[Rn,#imm]", effect)


def sp_relative(name: str, rt: int, offset: int) -> Step:
    effect = _access(name, rt, lambda s: s.r[SP] + offset)
    return Step(e.sp_relative(name, rt, offset), f"{name.upper()} Rd,[SP,#imm]", effect)


def adr(rd: int, offset: int) -> Step:
    def effect(s: State) -> None:
        s.r[rd] = (s.r[PC] & ~3) + offset

    return Step((0xA000 | rd << 8 | offset // 4,), "ADR Rd,label", effect)


def add_sp_to(rd: int, value: int) -> Step:
    def effect(s: State) -> None:
        s.r[rd] = s.r[SP] + value & MASK

    return Step(e.add_sp_to(rd, value), "ADD Rd,SP,#imm", effect)


def move_sp(name: str, value: int) -> Step:
    distance = value if name == "add" else -value
    return Step(e.move_sp(name, value), f"{name.upper()} SP,SP,#imm", lambda s: s.move_sp(s.r[SP] + distance))


def extend(name: str, rd: int, rm: int) -> Step:
    bits = 8 if name.endswith("b") else 16

    def effect(s: State) -> None:
        low = s.r[rm] & (1 << bits) - 1
        s.r[rd] = signed(low, bits) & MASK if name.startswith("s") else low

    return Step(e.extend(name, rd, rm), f"{name.upper()} Rd,Rm", effect)


def reverse(name: str, rd: int, rm: int) -> Step:
    def effect(s: State) -> None:
        b0, b1, b2, b3 = (s.r[rm] >> bit & 0xFF for bit in (0, 8, 16, 24))
        values = {"rev": b0 << 24 | b1 << 16 | b2 << 8 | b3, "rev16": b2 << 24 | b3 << 16 | b0 << 8 | b1}
        s.r[rd] = values.get(name, signed(b0 << 8 | b1, 16) & MASK)

    return Step(e.reverse(name, rd, rm), f"{name.upper()} Rd,Rm", effect)


def push(registers: list[int]) -> Step:
    """A6.7.50: the lowest register at the lowest address."""

    def effect(s: State) -> None:
        s.move_sp(s.r[SP] - 4 * len(registers))
        for place, register in enumerate(sorted(registers)):
            s.store(s.r[SP] + 4 * place, 4, s.r[register])

    return Step(e.push(registers), "PUSH {LR}" if LR in registers else "PUSH {}", effect, len(registers))


def pop(registers: list[int]) -> Step:
    def effect(s: State) -> None:
        values = [s.load(s.r[SP] + 4 * place, 4) for place in range(len(registers))]
        s.move_sp(s.r[SP] + 4 * len(registers))
        for register, value in zip(sorted(registers), values, strict=True):
            s.r[register] = value
        if PC in registers:
            s.bx_write_pc(s.r[PC])

    return Step(e.pop(registers), "POP {PC}" if PC in registers else "POP {}", effect, len(registers))


def stm(rn: int, registers: list[int]) -> Step:
    def effect(s: State) -> None:
        base = s.r[rn]
        for place, register in enumerate(sorted(registers)):
            s.store(base + 4 * place, 4, s.r[register])
        s.r[rn] = base + 4 * len(registers)

    return Step(e.multiple("stm", rn, registers), "STM Rn!,{}", effect, len(registers))


def ldm(rn: int, registers: list[int]) -> Step:
    """A6.7.25: the base is written back unless it is loaded."""

    def effect(s: State) -> None:
        base = s.r[rn]
        s.r[rn] = base + 4 * len(registers)
        for place, register in enumerate(sorted(registers)):
            s.r[register] = s.load(base + 4 * place, 4)

    row = "LDM Rn,{Rn}" if rn in registers else "LDM Rn!,{}"
    return Step(e.multiple("ldm", rn, registers), row, effect, len(registers))


def branch_if(condition: str, distance: int) -> Step:
    def effect(s: State) -> None:
        taken = passes(condition, s.apsr)
        s.rows.append(("Bcc taken" if taken else "Bcc not taken", 0))
        s.next = s.r[PC] + distance if taken else s.next

    return Step(e.branch_if(condition, distance), "Bcc not taken", effect)


def _go(s: State, distance: int) -> None:
    s.next = s.r[PC] + distance


def branch(distance: int) -> Step:
    return Step(e.branch(distance), "B label", lambda s: _go(s, distance))


def branch_link(distance: int) -> Step:
    def effect(s: State) -> None:
        s.r[LR] = s.r[PC] | 1
        _go(s, distance)

    return Step(e.branch_link(distance), "BL label", effect)


def change_state(name: str) -> Step:
    def effect(s: State) -> None:
        s.primask = int(name == "cpsid")

    return Step(e.CPSID if name == "cpsid" else e.CPSIE, f"{name.upper()} i", effect)


def mrs(rd: int, name: str) -> Step:
    """B5.2.2: a PSR with A in its name shows the flags; IPSR is 0 in Thread mode and EPSR reads as zero."""

    def effect(s: State) -> None:
        stacks = (s.other_sp, s.r[SP]) if s.control & 2 else (s.r[SP], s.other_sp)
        values = {"msp": stacks[0], "psp": stacks[1], "primask": s.primask, "control": s.control}
        s.r[rd] = values.get(name, s.apsr if name in ("apsr", "iapsr", "eapsr", "xpsr") else 0)

    return Step(e.mrs(rd, name), "MRS Rd,special", effect)


def msr(name: str, rn: int) -> Step:
    """B5.2.3: writes of IPSR and EPSR are ignored. CONTROL.SPSEL swaps MSP and PSP."""

    def effect(s: State) -> None:
        value = s.r[rn]
        if name in ("apsr", "iapsr", "eapsr", "xpsr"):
            s.apsr = value
        elif name == "primask":
            s.primask = value & 1
        elif name == "control":
            if (value ^ s.control) & 2:
                s.r[SP], s.other_sp = s.other_sp, s.r[SP]
            s.control = value & 2
        elif name in ("msp", "psp") and (name == "psp") == bool(s.control & 2):
            s.move_sp(value)
        elif name in ("msp", "psp"):
            s.other_sp = value & ~3

    return Step(e.msr(name, rn), "MSR special,Rm", effect)


def plain(name: str) -> Step:
    """Hints and barriers: nothing but time."""
    halfwords = {"nop": e.NOP, "yield": e.YIELD, "wfe": e.WFE, "sev": e.SEV, **e.BARRIERS}[name]
    return Step(halfwords, name.upper(), lambda s: None)


# The cases.

CORNERS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
AMOUNTS = (0, 1, 31, 32, 33, 255, 2, 64, 0x100, 0x120, 0xFFFFFF01)
_random = random.Random(6)
OTHERS = (*(_random.getrandbits(32) for _ in range(6)), 0x0000807F, 0x00007F80, 0x00018000)
PAIRS = [(x, y) for x in CORNERS for y in CORNERS] + list(pairwise(OTHERS))
SHIFT_PAIRS = [(x, amount) for x in (*CORNERS, OTHERS[0]) for amount in AMOUNTS]
ADDRESSES = [128 + 4 * _random.randrange(16) for _ in range(20)]


@dataclass(frozen=True)
class Case:
    """`operands`: one list of (register, value) a run; a negative value is an offset from the data, plus 1."""

    name: str
    steps: list[Step]
    operands: list[list[tuple[int, int]]]


def at(offset: int) -> int:
    """An operand that is the address of the data plus `offset`: the address is known when the case runs."""
    return -1 - offset


def pairs(x: int, y: int, values: list[tuple[int, int]] = PAIRS) -> list[list[tuple[int, int]]]:
    """Operand sets for the registers x and y; the same register twice takes the second value."""
    return [[(x, first), (y, second)] for first, second in values]


def singles(x: int) -> list[list[tuple[int, int]]]:
    return [[(x, value)] for value in (*CORNERS, *OTHERS, *(1 << bit for bit in range(0, 32, 4)))]


def arithmetic() -> Iterator[Case]:
    for name in ("lsls", "lsrs", "asrs"):
        for amount in (0, 1, 2, 15, 30, 31):
            yield Case(f"{name} #{amount}", [shift_immediate(name, 2, 5, amount)], singles(5))
    for name in ("adds", "subs"):
        for rd, rn, rm in ((0, 1, 2), (7, 6, 7), (3, 3, 3)):
            yield Case(f"{name} r{rd},r{rn},r{rm}", [add_register(name, rd, rn, rm)], pairs(rn, rm))
        for value in (0, 1, 7):
            yield Case(f"{name} r1,r4,#{value}", [add_imm3(name, 1, 4, value)], singles(4))
    for name in ("movs", "cmp", "adds", "subs"):
        for rd, value in ((0, 0), (5, 1), (7, 0x7F), (2, 0xFF)):
            yield Case(f"{name} r{rd},#{value}", [imm8(name, rd, value)], singles(rd))
    for name in e.DATA_PROCESSING:
        for rdn, rm in ((0, 1), (7, 4), (3, 3)):
            values = SHIFT_PAIRS if name in SHIFTS else PAIRS
            yield Case(f"{name} r{rdn},r{rm}", [data_processing(name, rdn, rm)], pairs(rdn, rm, values))
    for name in ("sxth", "sxtb", "uxth", "uxtb"):
        yield Case(name, [extend(name, 6, 1)], singles(1))
    for name in ("rev", "rev16", "revsh"):
        yield Case(name, [reverse(name, 0, 7)], singles(7))


def any_register() -> Iterator[Case]:
    for rd, rm in ((0, 8), (9, 1), (10, 11), (2, 3), (8, 8)):
        for name in ("add", "mov", "cmp"):
            if name != "cmp" or max(rd, rm) > 7:
                yield Case(f"{name} r{rd},r{rm}", [high(name, rd, rm)], pairs(rd, rm))
    for name in ("add", "mov"):
        for rd in (0, 8):
            yield Case(f"{name} r{rd},sp", [high(name, rd, SP)], singles(rd))
            yield Case(f"{name} r{rd},pc", [high(name, rd, PC)], singles(rd))
    yield Case("cmp r8,sp", [high("cmp", 8, SP)], singles(8))
    yield Case("cmp sp,r3", [high("cmp", SP, 3)], singles(3))


def memory() -> Iterator[Case]:
    for name in e.REGISTER_OFFSET:
        size = _SIZES[name]
        operands = [[(1, at(128)), (2, size * index), (0, value)] for index, (value, _) in enumerate(PAIRS)]
        yield Case(f"{name} r0,[r1,r2]", [register_offset(name, 0, 1, 2)], operands)
        yield Case(f"{name} r1,[r2,r1]", [register_offset(name, 1, 2, 1)], operands)
        wrapped = [[(5, -size * index & MASK), (4, at(320)), (6, value)] for index, (value, _) in enumerate(PAIRS)]
        yield Case(f"{name} r6,[r5,r4] wrapping", [register_offset(name, 6, 5, 4)], wrapped)
    for name in ("str", "strh", "strb", "ldr", "ldrh", "ldrb"):
        for units in (0, 1, 31):
            operands = [[(3, at(offset)), (7, value)] for offset, (value, _) in zip(ADDRESSES, PAIRS, strict=False)]
            step = immediate_offset(name, 7, 3, units * _SIZES[name])
            yield Case(f"{name} r7,[r3,#{units * _SIZES[name]}]", [step], operands)
    for offset in (0, 4, 16):
        yield Case(f"ldr literal #{offset}", [ldr_literal(4, offset)], singles(4))
        yield Case(f"ldr literal #{offset}, moved", [plain("nop"), ldr_literal(4, offset)], singles(4))
        yield Case(f"adr #{offset}", [adr(4, offset)], singles(4))
        yield Case(f"adr #{offset}, moved", [plain("nop"), adr(4, offset)], singles(4))
    yield from multiples()


def multiples() -> Iterator[Case]:
    for base, registers in ((0, [1]), (3, [1, 2, 4, 7]), (7, [0, 1, 2, 3, 4, 5, 6]), (2, [2, 3]), (5, [0, 5, 7])):
        operands = [[(base, at(offset))] for offset in ADDRESSES]
        yield Case(f"ldm r{base},{registers}", [ldm(base, registers)], operands)
        if base not in registers or base == min(registers):
            yield Case(f"stm r{base},{registers}", [stm(base, registers)], operands)


def stack() -> Iterator[Case]:
    for pushed, popped in (([0], [7]), ([1, 3, LR], [0, 2, 5]), (list(range(8)), list(range(8))), ([LR], [4])):
        steps = [push(pushed), high("mov", 8, SP), pop(popped), high("mov", 9, SP)]
        yield Case(f"push {pushed}, pop {popped}", steps, singles(1))
    for size in (0, 4, 508):
        steps = [move_sp("sub", size), high("mov", 0, SP), add_sp_to(1, 1020), move_sp("add", size), high("mov", 2, SP)]
        yield Case(f"sp by #{size}", steps, singles(0))
    frame = [move_sp("sub", 16), sp_relative("str", 3, 0), sp_relative("str", 4, 12)]
    reads = [sp_relative("ldr", 5, 12), sp_relative("ldr", 6, 0), move_sp("add", 16)]
    yield Case("sp-relative", frame + reads, pairs(3, 4))
    for odd in (0, 1, 2, 3):
        steps = [high("mov", 8, SP), high("mov", 0, SP), imm8("subs", 0, 16 + odd), high("mov", SP, 0)]
        yield Case(f"mov sp, {odd} off", [*steps, high("mov", 1, SP), high("mov", SP, 8)], singles(3))
        steps = [high("mov", 8, SP), move_sp("sub", 32), imm8("movs", 0, 4 + odd), high("add", SP, 0)]
        yield Case(f"add sp, {odd} off", [*steps, high("mov", 1, SP), high("mov", SP, 8)], singles(3))


def masked(x: int, mask: int) -> list[list[tuple[int, int]]]:
    return [[(x, value & mask)] for [(_, value)] in singles(x)]


FLAGS = [[(0, value)] for value in (*CORNERS, *OTHERS, *range(9))]
"""Operands for branches: what matters is that every set of flags comes up, and the test sees to that."""


def branches() -> Iterator[Case]:
    skipped = high("mov", 0, 8)
    for condition in e.CONDITIONS:
        yield Case(f"b{condition} over one", [branch_if(condition, 0), skipped], FLAGS)
        yield Case(f"b{condition} to the next", [branch_if(condition, -2), skipped], FLAGS)
        back = [branch(2), skipped, branch(0), branch_if(condition, -8)]
        yield Case(f"b{condition} back", back, FLAGS)
    yield Case("b", [branch(0), skipped], FLAGS)
    link = high("mov", 5, LR)
    yield Case("bl forward", [branch_link(0), skipped, link], FLAGS)
    yield Case("bl back", [branch(2), link, branch(4), branch_link(-8), plain("nop")], FLAGS)
    for rm in (0, 10, LR):
        for before in ([], [plain("nop")]):
            make = [*before, high("mov", 3, PC), imm8("adds", 3, 9), high("mov", rm, 3)]
            yield Case(f"bx r{rm}{len(before)}", [*make, bx(rm), skipped, skipped], FLAGS)
            yield Case(f"blx r{rm}{len(before)}", [*make, blx(rm), skipped, link], FLAGS)
            yield Case(f"mov pc,r{rm}{len(before)}", [*make, high("mov", PC, rm), skipped, link], FLAGS)
    for distance in (2, 3, 4):
        add = [imm8("movs", 3, distance), high("add", PC, 3), *[skipped] * 3, link]
        yield Case(f"add pc,#{distance}", add, FLAGS)
    for registers in ([], [0, 4]):
        make = [high("mov", 6, PC), imm8("adds", 6, 9), push([*registers, 6]), pop([*registers, PC])]
        yield Case(f"pop {registers},pc", [*make, skipped, plain("nop"), link], FLAGS)


def system() -> Iterator[Case]:
    for name in ("apsr", "iapsr", "eapsr", "xpsr", "ipsr", "epsr", "iepsr"):
        yield Case(f"msr {name}", [msr(name, 3)], masked(3, 0xF00001FF))
        yield Case(f"mrs {name}", [mrs(3, name), mrs(10, name)], singles(3))
    reads = [mrs(0, "primask"), change_state("cpsid"), mrs(1, "primask"), change_state("cpsie"), mrs(2, "primask")]
    yield Case("cps", reads, singles(0))
    clear = change_state("cpsie")
    yield Case("msr primask", [msr("primask", 3), mrs(0, "primask"), clear, mrs(1, "primask")], singles(3))
    yield Case("mrs msp", [mrs(0, "msp"), high("mov", 1, SP)], singles(0))
    yield Case("msr psp", [msr("psp", 3), mrs(0, "psp"), high("mov", 1, SP)], masked(3, ~3))
    for odd in (0, 3):
        steps = [high("mov", 8, SP), mrs(0, "msp"), imm8("subs", 0, 8 + odd), msr("msp", 0), high("mov", 1, SP)]
        yield Case(f"msr msp, {odd} off", [*steps, mrs(2, "msp"), msr("msp", 8), high("mov", 3, SP)], singles(4))
    switch = [mrs(0, "msp"), imm8("subs", 0, 64), msr("psp", 0), imm8("movs", 1, 2), msr("control", 1), plain("isb")]
    use = [high("mov", 2, SP), push([2, 3]), pop([4, 5]), mrs(3, "control"), mrs(6, "psp"), mrs(7, "msp")]
    leave = [imm8("movs", 1, 0), msr("control", 1), plain("isb"), high("mov", 9, SP), mrs(8, "control")]
    yield Case("control", switch + use + leave, singles(3))
    for name in ("nop", "yield", "wfe", "sev", *e.BARRIERS):
        yield Case(name, [plain(name)], singles(0))


def reserved() -> Iterator[Case]:
    """APSR has nothing below V on ARMv6-M, where other profiles have Q; PSP's two low bits are zero (B1.4)."""
    for name in ("apsr", "iapsr", "eapsr", "xpsr"):
        yield Case(f"msr {name}, reserved bits", [msr(name, 3), mrs(10, name)], singles(3))
    yield Case("msr psp, low bits", [msr("psp", 3), mrs(0, "psp"), high("mov", 1, SP)], singles(3))


def cases() -> list[Case]:
    return [*arithmetic(), *any_register(), *memory(), *stack(), *branches(), *system(), *reserved()]
