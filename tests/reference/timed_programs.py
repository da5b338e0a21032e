"""The same firmware, busy: interrupts come from SysTick and from request lines, in the middle of anything.

Beside what exception_programs.py has, bodies compute, move multiples, multiply, loop, call, sleep, and log what SysTick
and the NVIC show. Such a program need not end: it runs for LIMIT cycles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import encode as e
from .encode import LR, PC, Label
from .exception_programs import (
    CSR,
    CVR,
    ICSR,
    IRQS,
    ISPR,
    RVR,
    SCR,
    SCRATCH,
    SCS,
    Image,
    Piece,
    Runtime,
    Writer,
    image,
)
from .programs import Choices
from .slow_core import LineEvent

LIMIT = 6000
FREE = (0, 1, 2, 3)
"""Registers that anything may be written to; r4 to r6 are saved by whoever uses them."""


@dataclass(frozen=True)
class TimedProgram:
    image: Image
    lines: tuple[LineEvent, ...]

    @property
    def entry(self) -> int:
        return self.image.entries[0]


def timed_program(source: bytes, base: int) -> TimedProgram:
    choices = Choices(source)
    lines = _lines(choices)
    made = image([lambda runtime: TimedWriter(runtime, choices)], base)
    return TimedProgram(made, lines)


def _lines(choices: Choices) -> tuple[LineEvent, ...]:
    """Requests that go high and low again, at any cycle; some are released by nobody for long."""
    found = []
    for _ in range(choices.number() % 13):
        begin, irq = 200 + choices.number(2) % (LIMIT // 2), choices.pick(IRQS)
        if found and choices.number() & 1:  # while another one may be entered
            begin = found[-2].cycle + 1 + choices.number() % 16
        width = choices.pick((1, 2, 20, 60, 150))
        found += [LineEvent(begin, irq, True), LineEvent(begin + width, irq, False)]
    return tuple(sorted(found, key=lambda event: event.cycle))


class TimedWriter(Writer):
    saves = ([4, 5, 6, LR], [4, 5, 6, LR], [2, 4, 5, 6, LR])

    def __init__(self, runtime: Runtime, choices: Choices) -> None:
        super().__init__(runtime, choices)
        self.leaf = Label()

    def pieces(self) -> list[Piece]:
        return [*super().pieces(), self.function()]

    def function(self) -> Piece:
        """What others call."""
        asm = Piece()
        asm.bind(self.leaf)
        for _ in range(1 + self.choices.number() % 3):
            self.compute(asm)
        if self.choices.number() & 1:
            asm.emit(e.bx(LR))
        else:
            asm.emit(e.push([4, LR]), e.pop([4, PC]))
        return asm

    def thread_body(self, asm: Piece) -> None:
        if self.choices.number() & 3:
            self.start_systick(asm)
        if self.choices.number() & 7 == 1:  # what only privileged code may do is a fault from now on, or nothing
            asm.emit(e.mrs(0, "control"), e.imm8("adds", 0, 1), e.msr("control", 0), e.ISB)
        self.actions(asm, 0, 6 + self.choices.number() % 20)

    def possible(self, number: int) -> list[Callable[[Piece], None]]:
        busy = [self.compute] * 8 + [self.multiple] * 10 + [self.on_stack] * 4 + [self.multiply] * 2
        busy += [self.loop] * 4 + [self.call] * 2 + [self.show] * 4 + [self.hint] * 2
        rare = [self.start_systick, self.stop_systick, self.sleep_mode, self.rewind_systick]
        return super().possible(number) + busy + rare

    # -- what takes time

    def compute(self, asm: Piece) -> None:
        for _ in range(1 + self.choices.number() % 6):
            rd, rm, pick = self.choices.pick(FREE), self.choices.pick(range(7)), self.choices.number()
            if pick < 100:
                name = self.choices.pick([name for name in e.DATA_PROCESSING if name != "muls"])
                asm.emit(e.data_processing(name, rd, rm))
            elif pick < 140:
                asm.emit(e.imm8(self.choices.pick(("movs", "cmp", "adds", "subs")), rd, self.choices.number()))
            elif pick < 180:
                asm.emit(e.add_register(self.choices.pick(("adds", "subs")), rd, rm, self.choices.pick(range(7))))
            elif pick < 210:
                name = self.choices.pick(("lsls", "lsrs", "asrs"))
                asm.emit(e.shift_immediate(name, rd, rm, self.choices.number() & 31))
            else:
                self.access(asm, rd)

    def access(self, asm: Piece, rd: int) -> None:
        base = self.choices.pick([register for register in FREE if register != rd])
        name = self.choices.pick(("ldr", "str", "ldrh", "strh", "ldrb", "strb"))
        size = {"b": 1, "h": 2}.get(name[-1], 4)
        asm.load(base, SCRATCH)
        asm.emit(e.immediate_offset(name, rd, base, size * (self.choices.number() & 15)))

    def multiple(self, asm: Piece) -> None:
        base = self.choices.pick(FREE)
        asm.load(base, SCRATCH + 4 * (self.choices.number() & 15))
        registers = self.choices.some([register for register in range(7) if register != base])
        if self.choices.number() & 1:
            asm.emit(e.multiple("stm", base, registers))
        else:
            into = [register for register in registers if register in FREE] or [(base + 1) & 3]
            into += [base] if self.choices.number() & 1 else []
            asm.emit(e.multiple("ldm", base, into))

    def on_stack(self, asm: Piece) -> None:
        registers = self.choices.some(list(range(7)))
        asm.emit(e.push(registers))
        into = self.choices.some(list(FREE))[: len(registers)]
        asm.emit(e.pop(into))
        if len(registers) > len(into):
            asm.emit(e.move_sp("add", 4 * (len(registers) - len(into))))

    def multiply(self, asm: Piece) -> None:
        asm.emit(e.data_processing("muls", self.choices.pick(FREE), self.choices.pick(range(7))))

    def loop(self, asm: Piece) -> None:
        top = Label()
        asm.emit(e.imm8("movs", 6, 1 + self.choices.number() % 30))
        asm.bind(top)
        self.choices.pick((self.compute, self.multiple, self.on_stack, self.multiply))(asm)
        asm.emit(e.imm8("subs", 6, 1))
        asm.to("bcc", "ne", top)

    def call(self, asm: Piece) -> None:
        asm.to("bl", "", self.leaf)

    def hint(self, asm: Piece) -> None:
        asm.emit(self.choices.pick((e.WFI, e.WFE, e.SEV, e.WFE, e.YIELD, e.NOP)))

    # -- what is seen and set

    def fault(self, asm: Piece) -> None:
        """Besides what others do: accesses where nothing is. By no multiple: it could be abandoned before it faults."""
        if self.choices.number() & 1:
            super().fault(asm)
            return
        asm.load(0, self.choices.pick((0xF0000000, 0x60000002, SCS + 0xC00, SCS - 0x1000)))
        asm.emit(
            self.choices.pick(
                (
                    e.immediate_offset("ldr", 1, 0, 0),
                    e.immediate_offset("str", 1, 0, 4),
                    e.immediate_offset("strb", 1, 0, 1),
                )
            )
        )

    def show(self, asm: Piece) -> None:
        asm.load(1, self.choices.pick((CVR, CVR, CVR, CSR, ICSR, ISPR)))
        asm.emit(e.immediate_offset("ldr", 0, 1, 0))
        asm.log(0)

    def start_systick(self, asm: Piece) -> None:
        asm.store(RVR, self.choices.pick((70, 100, 133, 200, 257, 400, 1000)) + (self.choices.number() & 15))
        if self.choices.number() & 3:
            asm.store(CVR, 0)
        asm.store(CSR, self.choices.pick((7, 7, 7, 7, 5, 3)))

    def stop_systick(self, asm: Piece) -> None:
        asm.store(CSR, self.choices.pick((0, 1, 6, 4)))

    def rewind_systick(self, asm: Piece) -> None:
        asm.store(CVR, self.choices.number())

    def sleep_mode(self, asm: Piece) -> None:
        asm.store(SCR, self.choices.pick((0, 0x10, 0x10, 2)))
