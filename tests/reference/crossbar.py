"""The RP2040's bus fabric a second time, a cycle after the other: who gets which port, and who waits for whom.

Written from the words of the RP2040 datasheet, section 2.1.1, and from what docs/accuracy.md assumes beyond them. It
shares no code with m0sim. Two slow cores execute over it (`two_cores`, `slow_core`), programs of `programs` on both.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from . import encode as e
from .encode import Label
from .exception_programs import CSR, CVR, RAM, RVR, Piece
from .slow_core import PC
from .slow_system import BASE, END
from .two_cores import FLASH, Programs, SignallingCore

MASTERS = ("core 0", "core 1", "DMA read", "DMA write")


def port_of(address: int) -> str:
    """The name of the downstream port: section 2.2's address map, 2.6.2 for SRAM."""
    if address < 0x1000_0000:
        return "ROM"
    if address < 0x2000_0000:
        return "XIP_MAIN"
    if address < 0x2004_0000:
        return f"SRAM{address // 4 % 4}"
    if address < 0x2004_1000:
        return "SRAM4"
    if address < 0x2004_2000:
        return "SRAM5"
    if 0x2100_0000 <= address < 0x2104_0000:
        return f"SRAM{(address - 0x2100_0000) // 0x1_0000}"
    if address < 0x5000_0000:
        return "APB"
    return "FASTPERI"


@dataclass
class Wish:
    """An access that a master wants to make."""

    cycle: int
    port: str
    pc: int
    """Of whoever waits for it."""
    hold: int = 1
    was_delayed: bool = False


@dataclass
class Arbiter:
    """One downstream port."""

    turn: int = 0
    """The master that comes first of equals."""
    held_by: int = -1
    free_from: int = 0

    def grant(self, cycle: int, asking: Iterable[int], priorities: Sequence[int]) -> int:
        """Who gets it in a cycle, -1 for nobody: it is still busy then."""
        if cycle < self.free_from:
            return -1
        order = [(self.turn + i) % len(MASTERS) for i in range(len(MASTERS))]
        for level in (1, 0):
            for master in order:
                if master in asking and priorities[master] == level:
                    return master
        raise AssertionError("nobody asked")


@dataclass
class Crossbar:
    """All ports, and what masters want of them, oldest first."""

    priorities: Sequence[int] = (0, 0, 0, 0)
    arbiters: dict[str, Arbiter] = field(default_factory=dict)
    wishes: list[list[Wish]] = field(default_factory=lambda: [[] for _ in MASTERS])
    waits: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    """Cycles by who waited, for which port, and who had it."""
    accesses: Counter[str] = field(default_factory=Counter)
    contested: Counter[str] = field(default_factory=Counter)
    free_from: list[int] = field(default_factory=lambda: [0] * len(MASTERS))
    """By master: one has one access at a time."""

    def wish(self, master: int, cycle: int, port: str, pc: int = 0, hold: int = 1) -> None:
        """A master can ask for one thing a cycle."""
        mine = self.wishes[master]
        cycle = max(cycle, self.free_from[master], mine[-1].cycle + 1 if mine else 0)
        mine.append(Wish(cycle, port, pc, hold))

    def edge(self, cycle: int) -> list[tuple[int, Wish, bool]]:
        """One cycle: who asked in it, for what, and whether that was granted. The others ask again in the next one."""
        asked: dict[str, list[int]] = {}
        for master, wishes in enumerate(self.wishes):
            if wishes and wishes[0].cycle == cycle:
                asked.setdefault(wishes[0].port, []).append(master)
        found = []
        for port, masters in asked.items():
            arbiter = self.arbiters.setdefault(port, Arbiter())
            winner = arbiter.grant(cycle, masters, self.priorities)
            if winner >= 0:
                arbiter.held_by, arbiter.turn = winner, (winner + 1) % len(MASTERS)
            for master in masters:
                wish = self.wishes[master][0]
                found.append((master, wish, master == winner))
                if master == winner:
                    arbiter.free_from = cycle + wish.hold
                    self.accesses[port] += 1
                    self.contested[port] += wish.was_delayed
                    del self.wishes[master][0]
                    self.free_from[master] = cycle + wish.hold
                    early = self.free_from[master] - self.wishes[master][0].cycle if self.wishes[master] else 0
                    for later in self.wishes[master] if early > 0 else []:
                        later.cycle += early
                    continue
                wish.was_delayed = True
                self.waits[master, port, arbiter.held_by] += 1
                for later in self.wishes[master]:
                    later.cycle += 1
        return found


@dataclass
class ContendingCore(SignallingCore):
    """A core that notes the words of data that it accesses."""

    touched: list[int] = field(default_factory=list)

    def load(self, address: int, size: int) -> int:
        self._touch(address)
        return super().load(address, size)

    def store(self, address: int, size: int, value: int) -> None:
        self._touch(address)
        super().store(address, size, value)

    def _touch(self, address: int) -> None:
        if not BASE <= address < END:  # the core's own peripherals
            self.touched.append(address)

    def wait(self) -> None:
        """A cycle goes by in which it stands."""
        self._tick()

    def wishes(self) -> list[tuple[int, int, int]]:
        """One step: what it asks for, each a cycle, an address, and the instruction that waits for it.

        Exceptions find the bus free, on entry and on return; their code was there.
        """
        began, here, runs = self.now, self.r[PC], self.executed.total()
        self.touched.clear()
        self.step()
        if self.executed.total() == runs or self.exc_return is not None:
            return []
        found = [(began + i, address, here) for i, address in enumerate(self.touched)]
        if self.next != here + self.size:
            found.append((self.now - 2, self.next & ~3, self.next))
            if self.next % 4:
                found.append((self.now - 1, self.next + 2, self.next))
        elif here % 4 == 0 or self.size == 4:
            found.append((began + len(found), here + 4 if here % 4 == 0 else here + 6, here))
        return found


def run(cores: Sequence[ContendingCore], crossbar: Crossbar, until: int) -> list[Counter[int]]:
    """Both up to a cycle; the cycles that each waited, by instruction."""
    events: tuple[list[int], list[int]] = ([], [])
    stalls: list[Counter[int]] = [Counter(), Counter()]
    for cycle in range(until):
        for number, core in enumerate(cores):
            while not crossbar.wishes[number] and core.now <= cycle:
                _step(cores, number, events, crossbar)
        for master, wish, granted in crossbar.edge(cycle):
            if not granted:
                cores[master].wait()
                stalls[master][wish.pc] += 1
    return stalls


def _step(
    cores: Sequence[ContendingCore], number: int, events: tuple[list[int], list[int]], crossbar: Crossbar
) -> None:
    core = cores[number]
    while events[number] and events[number][0] <= core.now:
        events[number].pop(0)
        core.system.event = True
    for at, address, pc in core.wishes():
        crossbar.wish(number, at, port_of(address), pc)
    for cycle in core.sent:
        if cores[1 - number].asleep:
            events[1 - number].append(cycle + 1)
        else:
            cores[1 - number].system.event = True
    core.sent.clear()


# -- programs

_VECTORS = 48
_PRIVATE = (RAM + 0x400, RAM + 0x800)
_ALU = ("ands", "eors", "adcs", "sbcs", "orrs", "muls", "lsls", "rors", "bics", "mvns")


def programs(seed: int, stacks: tuple[int, int]) -> Programs:
    """A program for each core: loads and stores of all kinds, calls, jumps, multiples, SysTick."""
    choices = random.Random(seed)
    code, tables, entries = b"", [], []
    for core in range(2):
        tables.append(FLASH + len(code))
        piece, begin, handler = Piece(start=tables[core] + 4 * _VECTORS), Label(), Label()
        routines = [Label(), Label()]
        _routines(piece, choices, routines)
        piece.bind(begin)
        _body(piece, choices, core, routines)
        piece.bind(handler)
        piece.emit(e.push([4, 14]), e.immediate_offset("ldr", 0, 4, 60), e.pop([4]), e.pop([0]), e.bx(0))
        piece.write_pool()
        vectors = [stacks[core], begin.address | 1, *[handler.address | 1] * (_VECTORS - 2)]
        code += struct.pack(f"<{_VECTORS}I", *vectors) + piece.finish()
        code = code.ljust(-(-len(code) // 256) * 256, b"\0")
        entries.append(begin.address)
    return Programs(code, (tables[0], tables[1]), (entries[0], entries[1]))


def _routines(piece: Piece, choices: random.Random, labels: Sequence[Label]) -> None:
    """Two that may be called: one returns by POP, one by BX; either may begin in the second half of a word."""
    for i, label in enumerate(labels):
        for _ in range(choices.randrange(2)):
            piece.emit(e.NOP)
        piece.bind(label)
        if i == 0:
            saved = sorted(choices.sample(range(4, 7), choices.randrange(3)))
            piece.emit(e.push([*saved, 14]), e.immediate_offset("str", 0, 4, 0), e.pop([*saved, 15]))
        else:
            piece.emit(e.immediate_offset("ldr", 1, 4, 4), e.bx(14))
    piece.align()


def _body(piece: Piece, choices: random.Random, core: int, routines: Sequence[Label]) -> None:
    """r0 to r3 are data, r4 is what both have, r5 the core's own, r6 counts rounds, r7 is spare."""
    for address, value in ((RVR, choices.randrange(90, 400)), (CVR, 0), (CSR, 7)):
        piece.store(address, value)
    piece.load(4, RAM)
    piece.load(5, _PRIVATE[core])
    piece.load(6, choices.randrange(3, 30))
    again = Label()
    piece.bind(again)
    for _ in range(choices.randrange(3, 25)):
        _action(piece, choices, routines)
    piece.emit(e.multiple("stm", 5, [0, 1, 2, 3]), e.imm8("subs", 6, 1))
    piece.to("bcc", "ne", again)
    piece.store(CSR, 0)
    piece.emit(e.branch(-4))
    piece.align()


def _action(piece: Piece, choices: random.Random, routines: Sequence[Label]) -> None:
    rd, rm = choices.randrange(4), choices.randrange(4)
    match choices.randrange(9):
        case 0 | 1:
            piece.emit(e.data_processing(choices.choice(_ALU), rd, rm))
        case 2:
            name, size = choices.choice((("ldr", 4), ("ldrh", 2), ("ldrb", 1)))
            piece.emit(e.immediate_offset(name, rd, 4, size * choices.randrange(16)))
        case 3:
            name, size = choices.choice((("str", 4), ("strh", 2), ("strb", 1)))
            piece.emit(e.immediate_offset(name, rd, 4, size * choices.randrange(16)))
        case 4:
            registers = sorted(choices.sample(range(4), choices.randrange(1, 5)))
            piece.emit(e.high("mov", 7, 4), e.multiple(choices.choice(("ldm", "stm")), 7, registers))
        case 5:
            behind = Label()
            piece.to("bcc", choices.choice(e.CONDITIONS), behind)
            piece.emit(e.imm8("adds", rd, choices.randrange(256)))
            piece.bind(behind)
        case 6:
            piece.to("bl", "", choices.choice(routines))
        case 7:
            piece.load(rd, choices.randrange(1 << 32))
        case _:
            piece.emit(choices.choice((e.SEV, e.WFE, e.NOP, e.DMB, e.mrs(rd, "apsr"), e.CPSID + e.CPSIE)))
