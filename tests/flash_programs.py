"""Random programs that make much of where they lie: functions in flash, at aliases and in SRAM, that call each other.

Unlike those of `reference.programs` they have tables in flash (their own code, too), loops of one word, calls through
registers from one memory to another, and room between their functions that a cache folds together.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from reference import encode as e
from reference.encode import LR, PC, Assembler, Label

FLASH, WINDOW = 0x10000000, 0x8000
ALIASES = (0x10000000, 0x11000000, 0x12000000, 0x13000000)
SRAM_ROOM = 0x1000
_LIMIT = 1200
"""Instructions that a program may execute."""


@dataclass(frozen=True)
class FlashProgram:
    """What lies in flash and in SRAM, and where it begins."""

    flash: bytes
    sram: bytes
    entry: int


@dataclass
class _Function:
    asm: Assembler
    address: int
    """In the memory that it runs in."""
    label: Label
    cost: int


class _Writer:
    def __init__(self, rng: random.Random, functions: list[_Function], sram: int) -> None:
        self.rng, self.functions, self.sram = rng, functions, sram
        self.asm = Assembler()
        self.pool: list[tuple[Label, int]] = []

    def function(self, home: int) -> int:
        """Write one; returns how many instructions it executes at most."""
        label = Label()
        self.asm.bind(label)
        self.asm.emit(e.push([4, 5, 6, 7, LR]), e.imm8("adds", 0, 1))  # all flags are known from here on
        cost = 5 + self.body(home, self.rng.randint(1, 14), 0, _LIMIT // 2)
        if self.rng.random() < 0.5:
            self.asm.emit(e.pop([4, 5, 6, 7, PC]))
        else:
            self.asm.emit(e.pop([4, 5, 6, 7]), e.pop([3]), e.bx(3))
        self.write_pool()
        return cost

    def body(self, home: int, items: int, depth: int, limit: int) -> int:
        cost = 0
        for _ in range(items):
            if limit - cost < 10:
                break
            kind = self.rng.choices(
                ("plain", "wide", "literal", "table", "tables", "skip", "next", "loop", "call", "stack"),
                (6, 2, 2, 4, 1, 3, 1, 3, 4, 1),
            )[0]
            cost += self.item(kind, home, depth, limit - cost)
        return cost

    def item(self, kind: str, home: int, depth: int, limit: int) -> int:
        rng, asm = self.rng, self.asm
        if kind == "loop" and depth < 3:
            return self.loop(home, depth, limit)
        if kind == "call" and self.functions:
            return self.call(home, limit)
        if kind == "skip":
            over = Label()
            asm.emit(e.data_processing("cmp", rng.randrange(4), rng.randrange(4)))
            asm.to("bcc", rng.choice(e.CONDITIONS), over)
            cost = 2 + self.body(home, rng.randint(1, 2), depth, min(limit - 2, 12))
            asm.bind(over)
            return cost
        if kind == "next":
            asm.emit(e.branch(-2) if rng.random() < 0.5 else e.branch_if(rng.choice(e.CONDITIONS), -2))
            return 1
        if kind == "wide":
            asm.emit(rng.choice([e.mrs(rng.randrange(4), "apsr"), e.DMB, e.ISB, e.msr("apsr", rng.randrange(4))]))
            return 1
        if kind in ("literal", "table", "tables"):
            return self.load(kind)
        if kind == "stack":
            asm.emit(e.push([0, 1]), e.pop([1, 2]))
            return 2
        for _ in range(rng.randint(1, 3)):
            asm.emit(
                rng.choice(
                    [
                        e.imm8("movs", rng.randrange(4), rng.randrange(256)),
                        e.imm8("adds", rng.randrange(4), rng.randrange(256)),
                        e.data_processing("muls", rng.randrange(4), rng.randrange(4)),
                        e.shift_immediate("lsls", rng.randrange(4), rng.randrange(4), rng.randrange(32)),
                        e.NOP,
                    ]
                )
            )
        return 3

    def load(self, kind: str) -> int:
        rng, asm = self.rng, self.asm
        if kind == "literal":
            self.to_literal(rng.randrange(4), rng.randrange(1 << 32))
            return 1
        offset = rng.choice((rng.randrange(WINDOW - 64), rng.randrange(256)))
        place = rng.choice((*ALIASES, FLASH, FLASH)) + offset // 4 * 4
        if rng.random() < 0.1:
            place = self.sram
        self.to_literal(0, place)
        if kind == "tables":
            asm.emit(e.multiple("ldm", 0, sorted(rng.sample(range(4), rng.randint(1, 4)))))
            return 2
        for _ in range(rng.randint(1, 3)):
            name = rng.choice(("ldr", "ldrb", "ldrh"))
            size = {"b": 1, "h": 2}.get(name[-1], 4)
            asm.emit(e.immediate_offset(name, rng.randint(1, 3), 0, size * rng.randrange(8)))
        return 4

    def loop(self, home: int, depth: int, limit: int) -> int:
        counter, times, top = 4 + depth, self.rng.randint(1, 9), Label()
        self.asm.emit(e.imm8("movs", counter, times))
        self.asm.bind(top)
        inside = max(0, limit // times - 3)
        cost = self.body(home, self.rng.choice((0, 0, 1, 2, 4)), depth + 1, inside)
        self.asm.emit(e.imm8("subs", counter, 1))
        self.asm.to("bcc", "ne", top)
        return 1 + times * (cost + 2)

    def call(self, home: int, limit: int) -> int:
        callees = [f for f in self.functions if f.cost + 3 <= limit]
        if not callees:
            return self.item("plain", home, 0, limit)
        callee = self.rng.choice(callees)
        if callee.address >> 24 == home and self.rng.random() < 0.7:
            self.asm.to("bl", "", callee.label)
            return callee.cost + 1
        address = callee.address
        if address >> 24 != 0x20 and self.rng.random() < 0.3:  # the same bytes, as another alias has them
            address = self.rng.choice(ALIASES) | address & 0xFFFFFF
        self.to_literal(3, address | 1)
        self.asm.emit(e.blx(3))
        return callee.cost + 2

    def to_literal(self, register: int, value: int) -> None:
        label = Label()
        self.pool.append((label, value))
        self.asm.to("ldr", register, label)
        if len(self.pool) > 20:  # before the first is out of reach
            over = Label()
            self.asm.to("b", "", over)
            self.write_pool()
            self.asm.bind(over)

    def write_pool(self) -> None:
        self.asm.align()
        for label, value in self.pool:
            self.asm.bind(label)
            self.asm.word(value)
        self.pool = []


def flash_program(seed: int, sram: int) -> FlashProgram:
    """Its last function is the entry, in flash. `sram` is an address with `SRAM_ROOM` bytes for code."""
    rng = random.Random(seed)
    functions: list[_Function] = []
    count = rng.randint(2, 7)
    way = rng.choice((64, 128, 256, 0x2000))  # a distance that lets functions meet in a cache
    ends = {"flash": rng.randrange(64) * 4, "sram": 0}
    for number in range(count):
        is_entry = number == count - 1
        in_sram = not is_entry and rng.random() < 0.2
        home = sram if in_sram else FLASH if is_entry or rng.random() < 0.6 else rng.choice(ALIASES)
        home >>= 24
        writer = _Writer(rng, functions, sram)
        cost = writer.function(home)
        size, place = writer.asm.here + 4, "sram" if in_sram else "flash"
        gap = 4 * rng.randrange(16) if rng.random() < 0.5 else -ends[place] % way
        if ends[place] + gap + size > WINDOW:
            gap = 0
        offset = ends[place] + (0 if in_sram else gap)
        ends[place] = offset + size & ~3
        address = sram + offset if in_sram else (home << 24) + offset
        writer.asm.start = address
        functions.append(_Function(writer.asm, address, Label(writer.asm, 0), cost))
    flash, ram = bytearray(rng.randbytes(WINDOW)), bytearray(SRAM_ROOM)
    for function in functions:
        code = function.asm.finish()
        if function.address >> 24 == sram >> 24:
            ram[function.address - sram : function.address - sram + len(code)] = code
        else:
            at = function.address & 0xFFFFFF
            flash[at : at + len(code)] = code
    return FlashProgram(bytes(flash), bytes(ram), functions[-1].address)
