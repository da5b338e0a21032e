"""Generated firmware whose exceptions nest, tail-chain and are masked, and that logs what it sees.

An image begins with the vector table. A program has an entry of its own, which leaves nothing of the
program before it in force, thread code, and a body for every exception. What happens is a stream of words in RAM, which
r7 points behind: STM writes it, so that a handler between two words adds its own where it comes.

A handler logs EXC_RETURN, the address of its frame, the frame's xPSR and return address, and IPSR; every action of a
body is followed by a number of its own. At the end of a program, semihosting is asked to write the log, its size first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from . import encode as e
from .encode import LR, PC, Assembler, Label
from .programs import Choices

RAM, RAM_SIZE, FLASH_SIZE = 0x20000000, 0x4000, 0x40000
TABLE, BUDGET, HANDLE, BLOCK, NEXT = RAM, RAM + 4, RAM + 8, RAM + 12, RAM + 24
SCRATCH, LOG, LOG_END = RAM + 0x40, RAM + 0x100, RAM + 0x2800
PROCESS_STACK, MAIN_STACK = RAM + 0x3000, RAM + RAM_SIZE
ACTIVATIONS = 40
"""Handlers beyond so many do nothing: what they pend themselves must come to an end."""

SCS = 0xE000E000
CSR, RVR, CVR = SCS + 0x10, SCS + 0x14, SCS + 0x18
ISER, ICER, ISPR, ICPR, IPR = (SCS + offset for offset in (0x100, 0x180, 0x200, 0x280, 0x400))
ICSR, SCR, SHPR2, SHPR3 = (SCS + offset for offset in (0xD04, 0xD10, 0xD1C, 0xD20))
NMI, HARD_FAULT, SVCALL, PENDSV, SYSTICK, IRQ0 = 2, 3, 11, 14, 15, 16
IRQS = (0, 1, 2, 3, 7, 30, 31)
HANDLERS = (NMI, HARD_FAULT, SVCALL, PENDSV, SYSTICK, *(IRQ0 + irq for irq in IRQS))
PENDING_BITS = {NMI: 31, PENDSV: 28, SYSTICK: 26}
CLEARING_BITS = {PENDSV: 27, SYSTICK: 25}
SYS_OPEN, SYS_WRITE, SYS_EXIT, EXITED = 1, 5, 0x18, 0x20026
FILE_NAME = b"log.bin\0"
BKPT, UDF = (0xBEAB,), (0xDE00,)


@dataclass(eq=False)
class Piece(Assembler):
    """Code with its literals behind it. A label as a literal is its address, with bit 0."""

    literals: list[tuple[Label, int | Label]] = field(default_factory=list)

    def load(self, rd: int, value: int | Label) -> None:
        if isinstance(value, int) and value < 0x100:
            self.emit(e.imm8("movs", rd, value))
            return
        label = Label()
        self.literals.append((label, value))
        self.to("ldr", rd, label)

    def store(self, address: int, value: int | Label) -> None:
        """Uses r0 and r1."""
        self.load(0, address)
        self.load(1, value)
        self.emit(e.immediate_offset("str", 1, 0, 0))

    def log(self, *registers: int) -> None:
        self.emit(e.multiple("stm", 7, list(registers)))

    def write_pool(self) -> None:
        self.align()
        for label, value in self.literals:
            self.bind(label)
            if isinstance(value, Label):
                self.fixups.append((self.here, "absolute", 0, value))
            self.word(0 if isinstance(value, Label) else value)
        self.literals = []

    def _resolved(self, offset: int, kind: str, operand: int | str, target: int) -> e.Halfwords:
        if kind == "absolute":
            return (target & 0xFFFF | 1, target >> 16)
        return super()._resolved(offset, kind, operand, target)


@dataclass(frozen=True)
class Image:
    code: bytes
    entries: tuple[int, ...]
    """Addresses of the programs, in their order."""
    reset: int


class Runtime:
    """What every program of an image uses."""

    def __init__(self) -> None:
        self.enter, self.fault, self.end, self.begin, self.exit = Label(), Label(), Label(), Label(), Label()
        self.handlers, self.ends = Piece(), Piece()
        self._write_stub(self.handlers, self.enter)
        self._write_hard_fault(self.handlers)
        self._write_finish(self.ends)

    def _find_frame(self, asm: Piece) -> None:
        """r0: EXC_RETURN, r1: address of the frame."""
        process, found = Label(), Label()
        asm.emit(e.high("mov", 0, LR), e.shift_immediate("lsls", 1, 0, 29))
        asm.to("bcc", "mi", process)
        asm.emit(e.mrs(1, "msp"))
        asm.to("b", "", found)
        asm.bind(process)
        asm.emit(e.mrs(1, "psp"))
        asm.bind(found)

    def _write_stub(self, asm: Piece, begin: Label) -> None:
        """Log, and go to the program's body unless the budget is spent."""
        spent = Label()
        asm.bind(begin)
        self._find_frame(asm)
        asm.emit(e.immediate_offset("ldr", 2, 1, 28), e.immediate_offset("ldr", 3, 1, 24))
        asm.log(0, 1, 2, 3)
        asm.emit(e.mrs(0, "ipsr"))
        asm.log(0)
        asm.load(1, RAM)
        asm.emit(e.immediate_offset("ldr", 2, 1, BUDGET - RAM), e.imm8("subs", 2, 1))
        asm.to("bcc", "mi", spent)
        asm.emit(e.immediate_offset("str", 2, 1, BUDGET - RAM), e.shift_immediate("lsls", 0, 0, 2))
        asm.emit(e.immediate_offset("ldr", 1, 1, TABLE - RAM), e.register_offset("ldr", 0, 1, 0), e.bx(0))
        asm.bind(spent)
        asm.emit(e.bx(LR))

    def _write_hard_fault(self, asm: Piece) -> None:
        """Past the two bytes of what faulted; but an SVC that cannot be taken has left the address behind it."""
        past = Label()
        asm.bind(self.fault)
        self._find_frame(asm)
        asm.emit(e.immediate_offset("ldr", 2, 1, 24), e.imm8("subs", 2, 2))
        for offset in (0, 2):
            asm.emit(
                e.immediate_offset("ldrh", 3, 2, offset), e.shift_immediate("lsrs", 3, 3, 8), e.imm8("cmp", 3, 0xDF)
            )
            asm.to("bcc", "eq", past)
        asm.emit(e.imm8("adds", 2, 4), e.immediate_offset("str", 2, 1, 24))
        asm.bind(past)
        self._write_stub(asm, Label())

    def _write_finish(self, asm: Piece) -> None:
        """Interrupts off; the log goes out; on to the next program. Before all of them, the file is opened."""
        asm.bind(self.end)
        asm.emit(e.CPSID)
        asm.load(2, LOG)
        asm.emit(e.add_register("subs", 3, 7, 2), e.imm8("subs", 2, 4), e.immediate_offset("str", 3, 2, 0))
        asm.emit(e.imm8("adds", 3, 4))
        asm.load(1, BLOCK)
        asm.load(0, HANDLE)
        asm.emit(e.immediate_offset("ldr", 0, 0, 0), e.multiple("stm", 1, [0, 2, 3]), e.imm8("subs", 1, 12))
        asm.load(0, SYS_WRITE)
        asm.emit(BKPT)
        asm.load(0, NEXT)
        asm.emit(e.immediate_offset("ldr", 0, 0, 0), e.bx(0))

        asm.bind(self.exit)
        asm.load(0, SYS_EXIT)
        asm.load(1, EXITED)
        asm.emit(BKPT)

        asm.bind(self.begin)
        for place in (0, 4):
            asm.load(2, int.from_bytes(FILE_NAME[place : place + 4], "little"))
            asm.load(1, SCRATCH + place)
            asm.emit(e.immediate_offset("str", 2, 1, 0))
        asm.store(BLOCK, SCRATCH)
        asm.store(BLOCK + 4, 5)  # "wb"
        asm.store(BLOCK + 8, len(FILE_NAME) - 1)
        asm.load(0, SYS_OPEN)
        asm.load(1, BLOCK)
        asm.emit(BKPT)
        asm.load(1, HANDLE)
        asm.emit(e.immediate_offset("str", 0, 1, 0))
        self.first = Label()
        asm.load(0, self.first)
        asm.emit(e.bx(0))


class Writer:
    """Writes one program: generated from `choices`, or, with the actions of a subclass, by hand."""

    saves: tuple[list[int], ...] = ([4, LR], [LR], [4, 5, 6, LR], [])
    """What handlers may push. With nothing, LR stays in r4, where a preempted handler's may have been."""

    def __init__(self, runtime: Runtime, choices: Choices) -> None:
        self.runtime, self.choices = runtime, choices
        self.entry, self.next, self.table = Label(), Label(), Label()
        self.marks = 0x1000
        self.bodies: dict[int, Label] = {}
        self.on_process_stack = bool(choices.number() & 1)
        self.is_misaligned = bool(choices.number() & 1)
        self.enabled = [irq for irq in IRQS if choices.number() & 3] or [0]

    def pieces(self) -> list[Piece]:
        handlers = [self.handler(number) for number in HANDLERS]
        return [self.thread(), *handlers, self.body_table()]

    def body_table(self) -> Piece:
        """Where each exception's body is, by number."""
        asm = Piece()
        asm.bind(self.table)
        for number in range(48):
            asm.fixups.append((asm.here, "absolute", 0, self.bodies.get(number, self.runtime.end)))
            asm.word(0)
        return asm

    # -- the thread

    def thread(self) -> Piece:
        asm = Piece()
        asm.bind(self.entry)
        asm.emit(e.CPSID)
        self.set_up(asm)
        self.priorities(asm)
        asm.store(TABLE, self.table)
        asm.emit(e.imm8("subs", 1, 1), e.immediate_offset("str", 1, 0, 0))  # it is data: no bit 0
        asm.store(BUDGET, ACTIVATIONS)
        asm.store(NEXT, self.next)
        asm.load(7, LOG)
        for register in (2, 3, 4, 5, 6):
            asm.load(register, 0x11 * register)
        if self.on_process_stack:
            asm.load(0, PROCESS_STACK)
            asm.emit(e.msr("psp", 0), e.imm8("movs", 0, 2), e.msr("control", 0), e.ISB)
        if self.is_misaligned:
            asm.emit(e.move_sp("sub", 4))
        asm.store(ISER, sum(1 << irq for irq in self.enabled))
        asm.emit(e.CPSIE, e.ISB)
        self.thread_body(asm)
        asm.load(0, self.runtime.end)
        asm.emit(e.bx(0))
        return asm

    def thread_body(self, asm: Piece) -> None:
        self.actions(asm, 0, 4 + self.choices.number() % 12)

    def set_up(self, asm: Piece) -> None:
        """What the program before it may have left."""
        asm.emit(e.imm8("movs", 0, 0), e.msr("control", 0), e.ISB)
        asm.load(0, MAIN_STACK)
        asm.emit(e.msr("msp", 0))
        asm.store(CSR, 0)
        asm.store(SCR, 0)
        asm.store(ICER, 0xFFFFFFFF)
        asm.store(ICPR, 0xFFFFFFFF)
        asm.store(ICSR, sum(1 << bit for bit in CLEARING_BITS.values()))

    def priorities(self, asm: Piece) -> None:
        for register in range(8):
            if any(irq // 4 == register for irq in IRQS):
                asm.store(IPR + 4 * register, self.choices.number(4))
        asm.store(SHPR2, self.choices.number(4))
        asm.store(SHPR3, self.choices.number(4))

    # -- handlers

    def handler(self, number: int) -> Piece:
        asm = Piece()
        asm.bind(self.bodies.setdefault(number, Label()))
        saved = self.choices.pick(self.saves)
        if not saved:  # LR is what a tail-chained handler finds, too
            asm.emit(e.high("mov", 4, LR), e.push([4]))
        else:
            asm.emit(e.push(saved))
        self.actions(asm, number, self.choices.number() % 4)
        self.mark(asm)
        others = [register for register in saved if register != LR]
        if not saved:
            asm.emit(e.pop([4]), e.bx(4))
        elif self.choices.number() & 1:
            asm.emit(*[e.pop(others)] * bool(others), e.pop([3]), e.bx(3))
        else:
            asm.emit(e.pop([*others, PC]))
        return asm

    # -- actions

    def mark(self, asm: Piece) -> None:
        self.marks += 1
        asm.load(0, self.marks)
        asm.log(0)

    def actions(self, asm: Piece, number: int, count: int) -> None:
        for _ in range(count):
            self.choices.pick(self.possible(number))(asm)
            self.mark(asm)

    def possible(self, number: int) -> list[Callable[[Piece], None]]:
        """What the body of an exception (0: the thread) may do. A fault in NMI or HardFault would lock up."""
        found = [self.pend] * 8 + [self.pend_several] * 3
        found += [self.unpend, self.enable, self.disable, self.mask, self.unmask, self.write_primask, self.reprioritise]
        if number not in (NMI, HARD_FAULT):
            found += [self.call_supervisor, self.call_supervisor, self.fault]
        if number == 0:
            found += [self.unmask] * 2
        return found

    def barrier(self, asm: Piece) -> None:
        asm.emit(e.DSB, e.ISB)

    def pend(self, asm: Piece) -> None:
        number = self.choices.pick((*HANDLERS[3:], *HANDLERS[5:], *HANDLERS[5:], NMI))
        if number < IRQ0:
            asm.store(ICSR, 1 << PENDING_BITS[number])
        else:
            asm.store(ISPR, 1 << number - IRQ0)
        self.barrier(asm)

    def pend_several(self, asm: Piece) -> None:
        chosen = self.choices.some(list(IRQS))
        asm.store(ISPR, sum(1 << irq for irq in chosen))
        self.barrier(asm)

    def unpend(self, asm: Piece) -> None:
        if self.choices.number() & 1:
            asm.store(ICPR, sum(1 << irq for irq in self.choices.some(list(IRQS))))
        else:
            asm.store(ICSR, 1 << self.choices.pick(tuple(CLEARING_BITS.values())))
        self.barrier(asm)

    def enable(self, asm: Piece) -> None:
        asm.store(ISER, sum(1 << irq for irq in self.choices.some(list(IRQS))))
        self.barrier(asm)

    def disable(self, asm: Piece) -> None:
        asm.store(ICER, sum(1 << irq for irq in self.choices.some(list(IRQS))))
        self.barrier(asm)

    def mask(self, asm: Piece) -> None:
        asm.emit(e.CPSID)

    def unmask(self, asm: Piece) -> None:
        asm.emit(e.CPSIE, e.ISB)

    def write_primask(self, asm: Piece) -> None:
        asm.load(0, self.choices.number() & 1)
        asm.emit(e.msr("primask", 0), e.ISB)

    def reprioritise(self, asm: Piece) -> None:
        """Of interrupts that are off, or of PendSV and SysTick: see B3.4.7 of DDI 0419."""
        asm.store(SHPR3, self.choices.number(4))
        self.barrier(asm)

    def call_supervisor(self, asm: Piece) -> None:
        asm.emit((0xDF00 | self.choices.number(),))

    def fault(self, asm: Piece) -> None:
        """An instruction of two bytes, with another before it that is no SVC."""
        pick = self.choices.number() % 4
        if pick == 0:
            asm.emit(UDF)
        elif pick == 1:
            asm.emit((0xBE00,))
        else:
            asm.load(0, SCRATCH + 1)
            asm.emit(e.immediate_offset("ldr" if pick == 2 else "strh", 1, 0, 0))


Make = Callable[[Runtime], Writer]


def generated(source: bytes) -> Make:
    """The program that these decisions lead to."""
    return lambda runtime: Writer(runtime, Choices(source))


def image(programs: list[Make], base: int = 0) -> Image:
    """The programs in one image, for flash at `base`. From reset all of them run, one after the other."""
    runtime = Runtime()
    writers = [make(runtime) for make in programs]
    pieces = [runtime.handlers, runtime.ends]
    for writer in writers:
        pieces += writer.pieces()
    for piece in pieces:
        piece.write_pool()
    start = base + 0x100
    for piece in pieces:
        piece.start = start
        start += piece.here
    if start > base + FLASH_SIZE:
        raise ValueError("too many programs for one image")
    for writer, following in zip(writers, [*(w.entry for w in writers[1:]), runtime.exit], strict=True):
        writer.next.piece, writer.next.offset = following.piece, following.offset
    runtime.first.piece, runtime.first.offset = writers[0].entry.piece, writers[0].entry.offset
    code = b"".join(piece.finish() for piece in pieces)
    vectors = [MAIN_STACK, runtime.begin.address | 1, *[runtime.enter.address | 1] * 46]
    vectors[HARD_FAULT] = runtime.fault.address | 1
    table = struct.pack("<48I", *vectors).ljust(0x100, b"\0")
    return Image(table + code, tuple(writer.entry.address for writer in writers), runtime.begin.address)
