"""Two slow cores over one memory, and programs for both whose every word depends on who came first.

The instruction that begins first comes first, as a whole; in the same cycle, core 0's. An event of SEV wakes the other
core when the cycle in which SEV begins is over.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from . import encode as e
from .encode import Label
from .exception_programs import CSR, CVR, RAM, RVR, Piece
from .slow_core import Core

FLASH = 0x10000000
SHARED, STACKS = RAM, (RAM + 0x4000, RAM + 0x3000)
PRIVATE = (RAM + 0x400, RAM + 0x800)
_VECTORS = 48
_SHARED_BYTES = 64
_TICKS = SHARED + _SHARED_BYTES
_ALU = ("ands", "eors", "adcs", "sbcs", "orrs", "muls", "lsls", "rors", "bics", "mvns")


@dataclass
class SignallingCore(Core):
    """A core that tells when it sends an event."""

    sent: list[int] = field(default_factory=list)

    def _hint(self, number: int) -> None:
        if number == 4:
            self.sent.append(self.now)
        super()._hint(number)


def run(cores: Sequence[SignallingCore], until: int) -> None:
    """Both up to a cycle, in lockstep."""
    events: tuple[list[int], list[int]] = ([], [])  # to each core that sleeps: cycles from which on it sees one
    while min(core.now for core in cores) < until:
        number = 1 if cores[1].now < cores[0].now else 0
        core = cores[number]
        while events[number] and events[number][0] <= core.now:
            events[number].pop(0)
            core.system.event = True
        core.step()
        for cycle in core.sent:
            if cores[1 - number].asleep:
                events[1 - number].append(cycle + 1)
            else:
                cores[1 - number].system.event = True
        core.sent.clear()


@dataclass(frozen=True)
class Programs:
    code: bytes
    """From `FLASH` on."""
    tables: tuple[int, int]
    """Each core's vector table, which begins with its stack pointer and where it begins."""
    entries: tuple[int, int]


def programs(seed: int) -> Programs:
    """A program for each core."""
    choices = random.Random(seed)
    code = b""
    tables, entries = [], []
    for core in range(2):
        tables.append(FLASH + len(code))
        piece, begin, handler = Piece(start=tables[core] + 4 * _VECTORS), Label(), Label()
        piece.bind(begin)
        _body(piece, choices, core)
        piece.bind(handler)
        _handler(piece)
        piece.write_pool()
        vectors = [STACKS[core], begin.address | 1, *[handler.address | 1] * (_VECTORS - 2)]
        code += struct.pack(f"<{_VECTORS}I", *vectors) + piece.finish()
        code = code.ljust(-(-len(code) // 256) * 256, b"\0")
        entries.append(begin.address)
    return Programs(code, (tables[0], tables[1]), (entries[0], entries[1]))


def _body(piece: Piece, choices: random.Random, core: int) -> None:
    """r0 to r3 are data, r4 is what both have, r5 the core's own, r6 counts rounds, r7 is spare."""
    period = choices.randrange(60, 300)
    for address, value in ((RVR, period), (CVR, 0), (CSR, 7)):
        piece.store(address, value)
    piece.load(4, SHARED)
    piece.load(5, PRIVATE[core])
    piece.load(6, choices.randrange(3, 30))
    again = Label()
    piece.bind(again)
    for _ in range(choices.randrange(3, 25)):
        _action(piece, choices)
    piece.emit(e.multiple("stm", 5, [0, 1, 2, 3]), e.imm8("subs", 6, 1))
    piece.to("bcc", "ne", again)
    piece.store(CSR, 0)  # no exception is under way in the end
    piece.emit(e.branch(-4))
    piece.align()


def _action(piece: Piece, choices: random.Random) -> None:
    rd, rm = choices.randrange(4), choices.randrange(4)
    match choices.randrange(10):
        case 0 | 1:
            piece.emit(e.data_processing(choices.choice(_ALU), rd, rm))
        case 2 | 3:
            name, size = choices.choice((("ldr", 4), ("ldrh", 2), ("ldrb", 1)))
            piece.emit(e.immediate_offset(name, rd, 4, size * choices.randrange(16)))
        case 4 | 5:
            name, size = choices.choice((("str", 4), ("strh", 2), ("strb", 1)))
            piece.emit(e.immediate_offset(name, rd, 4, size * choices.randrange(16)))
        case 6:
            registers = sorted(choices.sample(range(4), choices.randrange(1, 5)))
            piece.emit(e.high("mov", 7, 4), e.multiple(choices.choice(("ldm", "stm")), 7, registers))
        case 7:
            registers = sorted(choices.sample(range(4), choices.randrange(1, 5)))
            piece.emit(e.push(registers), e.pop(registers))
        case 8:
            behind = Label()
            piece.to("bcc", choices.choice(e.CONDITIONS), behind)
            piece.emit(e.imm8("adds", rd, choices.randrange(256)))
            piece.bind(behind)
        case _:
            piece.emit(choices.choice((e.SEV, e.SEV, e.WFE, e.NOP, e.CPSID + e.CPSIE)))


def _handler(piece: Piece) -> None:
    """Adds one to a word that the other core's handler adds to, too."""
    piece.load(0, _TICKS)
    piece.emit(e.immediate_offset("ldr", 1, 0, 0), e.imm8("adds", 1, 1), e.immediate_offset("str", 1, 0, 0), e.bx(14))
    piece.align()
