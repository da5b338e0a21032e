"""Programs written by hand whose exceptions come in an order that the manual (Arm DDI 0419, B1.5) gives.

Each has the events that it must log: numbers that it notes, and exceptions, with what was preempted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from reference import encode as e
from reference.encode import LR, PC, Label
from reference.exception_programs import (
    CLEARING_BITS,
    CSR,
    CVR,
    HARD_FAULT,
    ICER,
    ICPR,
    ICSR,
    IPR,
    IRQ0,
    ISER,
    ISPR,
    NMI,
    PENDING_BITS,
    PENDSV,
    PROCESS_STACK,
    RVR,
    SCR,
    SCRATCH,
    SHPR2,
    SHPR3,
    SVCALL,
    SYSTICK,
    UDF,
    Piece,
    Runtime,
    Writer,
)
from reference.programs import Choices

Body = Callable[[Piece], None]
Event = int | tuple[int, str]
HANDLER, MAIN, PROCESS = "handler", "main", "process"
"""What was preempted: a handler, or a thread on one of the stacks."""
_RETURNS = {0xFFFFFFF1: HANDLER, 0xFFFFFFF9: MAIN, 0xFFFFFFFD: PROCESS}
IRQ = tuple(range(IRQ0, IRQ0 + 32))


@dataclass(frozen=True)
class Scenario:
    thread: Body
    handlers: dict[int, Body]
    events: list[Event]
    priorities: dict[int, int] = field(default_factory=dict)
    """Of interrupts 0 to 3, SVCall, PendSV and SysTick, by exception number; 0 where nothing is given."""
    naked: tuple[int, ...] = ()
    """Handlers that return by themselves."""
    on_process_stack: bool = False
    is_misaligned: bool = False
    requests: tuple[tuple[int, int, int], ...] = ()
    """From which cycle on, of which interrupt, for how many cycles."""

    def make(self, runtime: Runtime) -> Writer:
        return _Written(runtime, self)


class _Written(Writer):
    def __init__(self, runtime: Runtime, scenario: Scenario) -> None:
        super().__init__(runtime, Choices(b""))
        self.scenario = scenario
        self.enabled = [0, 1, 2, 3]
        self.on_process_stack, self.is_misaligned = scenario.on_process_stack, scenario.is_misaligned

    def priorities(self, asm: Piece) -> None:
        for register, first in ((IPR, IRQ0), (SHPR2, 8), (SHPR3, 12)):
            given = self.scenario.priorities
            asm.store(register, sum(given.get(first + place, 0) << 8 * place + 6 for place in range(4)))

    def thread_body(self, asm: Piece) -> None:
        self.scenario.thread(asm)

    def handler(self, number: int) -> Piece:
        asm = Piece()
        asm.bind(self.bodies.setdefault(number, Label()))
        is_naked = number in self.scenario.naked
        asm.emit(*([] if is_naked else [e.push([4, LR])]))
        self.scenario.handlers.get(number, note(0xBAD0))(asm)
        asm.emit(*([] if is_naked else [e.pop([4, PC])]))
        return asm


def events(log: tuple[int, ...]) -> Iterator[Event]:
    place = 0
    while place < len(log):
        if log[place] in _RETURNS:
            yield log[place + 4], _RETURNS[log[place]]
            place += 5
        else:
            yield log[place]
            place += 1


# -- what a body may do


def does(*steps: Body) -> Body:
    def body(asm: Piece) -> None:
        for step in steps:
            step(asm)

    return body


def note(number: int) -> Body:
    def step(asm: Piece) -> None:
        asm.load(0, number)
        asm.log(0)

    return step


def emit(*instructions: e.Halfwords) -> Body:
    return lambda asm: asm.emit(*instructions)


def store(address: int, value: int) -> Body:
    return lambda asm: asm.store(address, value)


def log_word(address: int, mask: int = 0xFFFFFFFF) -> Body:
    def step(asm: Piece) -> None:
        asm.load(1, address)
        asm.load(2, mask)
        asm.emit(e.immediate_offset("ldr", 0, 1, 0), e.data_processing("ands", 0, 2))
        asm.log(0)

    return step


def keep(register: int) -> Body:
    """Where memory is compared, but not as an event."""

    def step(asm: Piece) -> None:
        asm.load(0, SCRATCH)
        asm.emit(e.immediate_offset("str", register, 0, 4))

    return step


def log_special(name: str, mask: int = 0xFFFFFFFF) -> Body:
    def step(asm: Piece) -> None:
        asm.load(2, mask)
        asm.emit(e.mrs(0, name), e.data_processing("ands", 0, 2))
        asm.log(0)

    return step


def pend(*numbers: int) -> Body:
    irqs = sum(1 << number - IRQ0 for number in numbers if number >= IRQ0)
    system = sum(1 << PENDING_BITS[number] for number in numbers if number < IRQ0)
    stores = [store(ISPR, irqs)] if irqs else []
    stores += [store(ICSR, system)] if system else []
    return does(*stores, emit(e.DSB, e.ISB))


def bits(*irqs: int) -> int:
    return sum(1 << irq for irq in irqs)


MASK, UNMASK = emit(e.CPSID), emit(e.CPSIE, e.ISB)
SVC = emit((0xDF00,))


# -- the scenarios


def nested() -> Scenario:
    """Higher priorities preempt, and the lower ones go on behind them."""
    return Scenario(
        does(note(1), pend(IRQ[2]), note(2)),
        {
            IRQ[2]: does(note(0x20), pend(IRQ[1]), note(0x21)),
            IRQ[1]: does(note(0x10), pend(IRQ[0]), note(0x11)),
            IRQ[0]: note(0x00),
        },
        [1, (IRQ[2], MAIN), 0x20, (IRQ[1], HANDLER), 0x10, (IRQ[0], HANDLER), 0, 0x11, 0x21, 2],
        {IRQ[0]: 0, IRQ[1]: 1, IRQ[2]: 2},
    )


def tail_chained() -> Scenario:
    """What is pended with no higher priority waits; the lowest number of one priority comes first."""
    return Scenario(
        does(note(1), pend(IRQ[1]), note(2)),
        {
            IRQ[1]: does(pend(IRQ[3], IRQ[2], IRQ[0]), note(0x11)),
            IRQ[0]: note(0x01),
            IRQ[2]: note(0x21),
            IRQ[3]: note(0x31),
        },
        [1, (IRQ[1], MAIN), 0x11, (IRQ[0], MAIN), 1, (IRQ[2], MAIN), 0x21, (IRQ[3], MAIN), 0x31, 2],
        {IRQ[0]: 1, IRQ[1]: 1, IRQ[2]: 2, IRQ[3]: 2},
    )


def itself() -> Scenario:
    """An exception that is pended while it is active comes once more."""

    def once(asm: Piece) -> None:
        done = Label()
        asm.load(1, SCRATCH)
        asm.emit(e.immediate_offset("ldr", 0, 1, 0), e.imm8("cmp", 0, 5))
        asm.to("bcc", "eq", done)
        asm.emit(e.imm8("movs", 0, 5), e.immediate_offset("str", 0, 1, 0))
        pend(IRQ[0])(asm)
        asm.bind(done)
        note(7)(asm)

    return Scenario(
        does(store(SCRATCH, 0), pend(IRQ[0]), note(1)),
        {IRQ[0]: once},
        [(IRQ[0], MAIN), 7, (IRQ[0], MAIN), 7, 1],
    )


def masked() -> Scenario:
    """PRIMASK keeps all of them waiting but NMI; then they come by priority and number: B1.4.3."""
    return Scenario(
        does(MASK, pend(IRQ[2], IRQ[3], IRQ[1], PENDSV, SYSTICK), note(1), pend(NMI), note(2), UNMASK, note(3)),
        {
            NMI: note(0x99),
            PENDSV: note(0xE),
            SYSTICK: note(0xF),
            IRQ[1]: note(0x11),
            IRQ[2]: note(0x21),
            IRQ[3]: note(0x31),
        },
        [
            *(1, (NMI, MAIN), 0x99, 2, (IRQ[3], MAIN), 0x31, (PENDSV, MAIN), 0xE, (IRQ[1], MAIN), 0x11),
            *((IRQ[2], MAIN), 0x21, (SYSTICK, MAIN), 0xF, 3),
        ],
        {IRQ[3]: 0, PENDSV: 1, IRQ[1]: 1, IRQ[2]: 1, SYSTICK: 3},
    )


def masked_in_a_handler() -> Scenario:
    """PRIMASK that a handler sets stays set behind it."""
    return Scenario(
        does(pend(IRQ[1]), log_special("primask"), pend(IRQ[0]), note(1), UNMASK, note(2)),
        {IRQ[1]: does(MASK, pend(IRQ[0]), note(0x11)), IRQ[0]: does(log_special("primask"), note(0x01))},
        [(IRQ[1], MAIN), 0x11, 1, 1, (IRQ[0], MAIN), 0, 1, 2],
        {IRQ[1]: 1},
    )


def unpended() -> Scenario:
    """What is cleared before it can be taken never comes; what is disabled comes when it is enabled."""
    return Scenario(
        does(
            MASK,
            pend(IRQ[0], IRQ[1], PENDSV, SYSTICK),
            store(ICPR, bits(0)),
            store(ICSR, 1 << CLEARING_BITS[PENDSV]),
            store(ICER, bits(1)),
            log_word(ISPR),
            log_word(ISER),
            UNMASK,
            note(1),
            store(ISER, bits(1)),
            emit(e.DSB, e.ISB),
            note(2),
        ),
        {IRQ[1]: note(0x11), SYSTICK: note(0xF)},
        [0b10, 0b1101, (SYSTICK, MAIN), 0xF, 1, (IRQ[1], MAIN), 0x11, 2],
    )


def supervisor() -> Scenario:
    """SVC from a thread, and from a handler of a lower priority."""
    return Scenario(
        does(note(1), SVC, note(2), pend(IRQ[2]), note(3)),
        {SVCALL: does(pend(IRQ[1]), note(0xB)), IRQ[2]: does(note(0x21), SVC, note(0x22)), IRQ[1]: note(0x11)},
        [
            *(1, (SVCALL, MAIN), 0xB, (IRQ[1], MAIN), 0x11, 2),
            *((IRQ[2], MAIN), 0x21, (SVCALL, HANDLER), 0xB, (IRQ[1], HANDLER), 0x11, 0x22, 3),
        ],
        {SVCALL: 1, IRQ[1]: 1, IRQ[2]: 2},
    )


def supervisor_too_low() -> Scenario:
    """SVC where PRIMASK or the handler's priority keeps it from being taken is a HardFault."""
    return Scenario(
        does(MASK, SVC, note(1), UNMASK, pend(IRQ[1]), note(2)),
        {HARD_FAULT: does(log_special("ipsr"), note(0xFA)), IRQ[1]: does(note(0x11), SVC, note(0x12))},
        [(HARD_FAULT, MAIN), 3, 0xFA, 1, (IRQ[1], MAIN), 0x11, (HARD_FAULT, HANDLER), 3, 0xFA, 0x12, 2],
        {SVCALL: 1, IRQ[1]: 1},
    )


def supervisor_masked() -> Scenario:
    """The same at the highest priority that can be given."""
    return Scenario(
        does(MASK, SVC, note(1), UNMASK, SVC, note(2), pend(IRQ[1]), note(3)),
        {HARD_FAULT: note(0xFA), SVCALL: note(0xB), IRQ[1]: does(note(0x11), SVC, note(0x12))},
        [
            (HARD_FAULT, MAIN),
            0xFA,
            1,
            (SVCALL, MAIN),
            0xB,
            2,
            (IRQ[1], MAIN),
            0x11,
            (HARD_FAULT, HANDLER),
            0xFA,
            0x12,
            3,
        ],
    )


def undefined() -> Scenario:
    """HardFault comes before everything but NMI, masked or not; what it pends waits for it."""
    return Scenario(
        does(MASK, emit(UDF), note(1), UNMASK, emit(UDF), note(2)),
        {HARD_FAULT: does(pend(IRQ[0], PENDSV), note(0xFA), pend(NMI), note(0xFB)), NMI: note(0x99), IRQ[0]: note(0x01)}
        | {PENDSV: note(0xE)},
        [
            *((HARD_FAULT, MAIN), 0xFA, (NMI, HANDLER), 0x99, 0xFB, 1, (PENDSV, MAIN), 0xE, (IRQ[0], MAIN), 1),
            *((HARD_FAULT, MAIN), 0xFA, (NMI, HANDLER), 0x99, 0xFB, (PENDSV, MAIN), 0xE, (IRQ[0], MAIN), 1, 2),
        ],
    )


def faults() -> Scenario:
    """The frame has the address of an access that is not aligned, which has done nothing."""
    return Scenario(
        does(
            emit(e.imm8("movs", 0, 2), e.immediate_offset("ldr", 1, 0, 0)),
            note(1),
            lambda asm: asm.load(0, SCRATCH + 1),
            emit(e.immediate_offset("strh", 0, 0, 2), e.multiple("stm", 0, [1, 2])),
            note(2),
        ),
        {HARD_FAULT: note(0xFA)},
        [(HARD_FAULT, MAIN), 0xFA, 1, (HARD_FAULT, MAIN), 0xFA, (HARD_FAULT, MAIN), 0xFA, 2],
    )


def arm_state() -> Scenario:
    """BX to an even address: the frame has that address, and an xPSR without T. The handler sets it."""

    def back(asm: Piece) -> None:
        asm.emit(e.high("mov", 0, PC), e.imm8("adds", 0, 4), e.bx(0))  # not aligned by chance: NOPs are there
        asm.emit(e.NOP, e.NOP, e.NOP)
        note(1)(asm)

    def mend(asm: Piece) -> None:
        asm.load(1, 1 << 24)
        asm.emit(e.sp_relative("ldr", 0, 8 + 28), e.data_processing("orrs", 0, 1), e.sp_relative("str", 0, 8 + 28))
        note(0xFA)(asm)

    return Scenario(back, {HARD_FAULT: mend}, [(HARD_FAULT, MAIN), 0xFA, 1])


def process_stack() -> Scenario:
    """A thread on PSP: its frames are there, those of preempted handlers on MSP; a handler sees CONTROL.SPSEL clear."""
    return Scenario(
        does(note(1), pend(IRQ[1]), log_special("control"), SVC, note(2)),
        {
            IRQ[1]: does(log_special("control"), pend(IRQ[0]), note(0x11)),
            IRQ[0]: note(0x01),
            SVCALL: does(emit(e.imm8("movs", 0, 2), e.msr("control", 0)), log_special("control"), note(0xB)),
        },
        [1, (IRQ[1], PROCESS), 0, (IRQ[0], HANDLER), 1, 0x11, 2, (SVCALL, PROCESS), 0, 0xB, 2],
        {IRQ[1]: 1},
        on_process_stack=True,
    )


def aligned() -> Scenario:
    """A stack that is no multiple of 8 bytes is aligned for the frame, and moved back by the return: B1.5.7."""
    sp = does(emit(e.add_sp_to(0, 0)), lambda asm: asm.log(0))
    return Scenario(
        does(sp, pend(IRQ[0]), sp),
        {IRQ[0]: does(sp, note(1))},
        [0x20003FFC, (IRQ[0], MAIN), 0x20003FD0, 1, 0x20003FFC],
        is_misaligned=True,
    )


def flags_come_back() -> Scenario:
    """The handler's flags do not reach the thread."""
    return Scenario(
        does(
            lambda asm: asm.load(2, 0xA0000000),
            lambda asm: asm.store(SCRATCH, 0),
            lambda asm: asm.load(0, ISPR),
            emit(e.imm8("movs", 1, 1), e.msr("apsr", 2), e.immediate_offset("str", 1, 0, 0), e.DSB, e.ISB),
            log_special("apsr", 0xB0000000),
        ),
        {IRQ[0]: does(lambda asm: asm.load(2, 0x50000000), emit(e.msr("apsr", 2)), log_special("ipsr"))},
        [(IRQ[0], MAIN), IRQ[0], 0xA0000000],
    )


def registers_come_back() -> Scenario:
    """Nor do r0 to r3, r12 and LR: B1.5.6 and .8."""

    def thread(asm: Piece) -> None:
        asm.load(1, 0x123)
        asm.emit(e.high("mov", LR, 1))
        asm.load(0, 0xC12)
        asm.emit(e.high("mov", 12, 0))
        asm.load(0, ISPR)
        asm.load(2, 0x22)
        asm.load(3, 0x33)
        asm.emit(e.imm8("movs", 1, 1), e.immediate_offset("str", 1, 0, 0), e.DSB, e.ISB)
        asm.log(0, 1, 2, 3)
        asm.emit(e.high("mov", 0, 12), e.high("mov", 1, LR))
        asm.log(0, 1)

    def spoil(asm: Piece) -> None:
        for register in range(4):
            asm.load(register, 0xBAD)
        asm.emit(e.high("mov", 12, 0), e.high("mov", LR, 0))

    return Scenario(thread, {IRQ[0]: spoil}, [(IRQ[0], MAIN), ISPR, 1, 0x22, 0x33, 0xC12, 0x123])


def priority_registers() -> Scenario:
    """Two bits of each priority are there, and none of the exceptions that have a fixed one or do not exist."""
    every = 0xFFFFFFFF
    return Scenario(
        does(
            *(store(register, every) for register in (IPR, SHPR2, SHPR3)),
            *(log_word(register) for register in (IPR, SHPR2)),
            log_word(SHPR3, 0xFFFFFF00),  # in the last byte, QEMU has a priority of DebugMonitor, which ARMv6-M has not
        ),
        {},
        [0xC0C0C0C0, 0xC0000000, 0xC0C00000],
    )


def reprioritised() -> Scenario:
    """Priorities count as they are when an exception may be taken."""
    return Scenario(
        does(pend(SYSTICK), note(1)),
        {
            SYSTICK: does(pend(PENDSV), note(0xF), store(SHPR3, 3 << 30 | 1 << 22), emit(e.DSB, e.ISB), note(0xF0)),
            PENDSV: note(0xE),
        },
        [(SYSTICK, MAIN), 0xF, (PENDSV, HANDLER), 0xE, 0xF0, 1],
        {SYSTICK: 1, PENDSV: 1},
    )


def pending_registers() -> Scenario:
    """ICSR: VECTACTIVE, VECTPENDING, ISRPENDING, PENDSVSET and PENDSTSET; ISPR."""
    shown = log_word(ICSR, 0xFFFFFFFF & ~(1 << 11))
    return Scenario(
        does(shown, pend(IRQ[2]), note(1)),
        {
            IRQ[2]: does(shown, pend(IRQ[3]), shown, pend(PENDSV), shown, pend(SYSTICK), shown, log_word(ISPR)),
            IRQ[3]: note(0x31),
            PENDSV: shown,
            SYSTICK: note(0xF),
        },
        [
            *(0, (IRQ[2], MAIN), 18, 18 | 19 << 12 | 1 << 22, 18 | 14 << 12 | 1 << 22 | 1 << 28),
            *(18 | 14 << 12 | 1 << 22 | 5 << 26, 0b1000),
            *((PENDSV, MAIN), 14 | 15 << 12 | 1 << 22 | 1 << 26, (SYSTICK, MAIN), 0xF, (IRQ[3], MAIN), 0x31, 1),
        ],
        {IRQ[2]: 0, IRQ[3]: 3, PENDSV: 1, SYSTICK: 2},
    )


def wfi_masked() -> Scenario:
    """WFI goes on where an exception is pending that only PRIMASK keeps away, without taking it: B1.5.17."""
    return Scenario(
        does(MASK, pend(IRQ[0]), emit(e.WFI), note(1), UNMASK, note(2)),
        {IRQ[0]: note(0x01)},
        [1, (IRQ[0], MAIN), 1, 2],
    )


def first_thread_on_psp() -> Scenario:
    """SVCall makes a frame of its own and returns to a thread on PSP, as a scheduler starts its first task."""

    def start(asm: Piece) -> None:
        task = Label()
        asm.load(0, PROCESS_STACK - 0x20)
        asm.load(1, 1 << 24)
        asm.emit(e.immediate_offset("str", 1, 0, 28))
        asm.load(1, task)
        asm.emit(e.immediate_offset("str", 1, 0, 24), e.msr("psp", 0))
        note(0xB)(asm)
        asm.emit(e.imm8("movs", 0, 2), e.data_processing("mvns", 0, 0))  # 0xFFFFFFFD
        asm.emit(e.bx(0))
        asm.align()
        asm.bind(task)
        does(note(0x50), log_special("control"), pend(IRQ[0]), note(0x51))(asm)
        asm.emit(e.imm8("movs", 0, 0), e.msr("control", 0), e.ISB)
        note(2)(asm)
        asm.load(0, END)
        asm.emit(e.bx(0))

    END = Label()

    def thread(asm: Piece) -> None:
        does(note(1), SVC)(asm)
        asm.align()
        asm.bind(END)

    return Scenario(
        thread,
        {SVCALL: start, IRQ[0]: note(0x01)},
        [1, (SVCALL, MAIN), 0xB, 0x50, 2, (IRQ[0], PROCESS), 1, 0x51, 2],
        naked=(SVCALL,),
    )


def two_tasks() -> Scenario:
    """PendSV swaps PSP and r4 to r6 between two threads, which give way by pending it."""
    save, other = SCRATCH + 8, SCRATCH + 12

    def swap(asm: Piece) -> None:
        """save, other: stack pointers of the one that runs (to be) and the one that waits."""
        asm.emit(e.mrs(0, "psp"), e.imm8("subs", 0, 12), e.high("mov", 1, 0), e.multiple("stm", 1, [4, 5, 6]))
        asm.load(2, save)
        asm.emit(e.immediate_offset("ldr", 3, 2, 4), e.immediate_offset("str", 0, 2, 4))
        asm.emit(e.high("mov", 1, 3), e.multiple("ldm", 1, [4, 5, 6]), e.msr("psp", 1))
        note(0xE)(asm)
        asm.emit(e.bx(LR))

    def thread(asm: Piece) -> None:
        second, begin = Label(), Label()
        stack = PROCESS_STACK - 0x400
        for offset, value in ((12 + 28, 1 << 24), (0, 0x44), (4, 0x55), (8, 0x66), (12, 0xA0)):
            asm.store(stack - 44 + offset, value)
        asm.load(0, stack - 44 + 12 + 24)
        asm.load(1, second)
        asm.emit(e.immediate_offset("str", 1, 0, 0))
        asm.store(other, stack - 44)
        asm.to("b", "", begin)
        asm.align()
        asm.bind(second)
        asm.log(0, 4, 5, 6)
        does(note(0x21), pend(PENDSV), note(0x22), pend(PENDSV), note(0xBAD))(asm)
        asm.bind(begin)
        asm.load(4, 0x14)
        does(note(0x11), pend(PENDSV), note(0x12), pend(PENDSV), note(0x13))(asm)
        asm.log(4)

    return Scenario(
        thread,
        {PENDSV: swap},
        [
            *(0x11, (PENDSV, PROCESS), 0xE, 0xA0, 0x44, 0x55, 0x66, 0x21, (PENDSV, PROCESS), 0xE),
            *(0x12, (PENDSV, PROCESS), 0xE, 0x22, (PENDSV, PROCESS), 0xE, 0x13, 0x14),
        ],
        {PENDSV: 3},
        naked=(PENDSV,),
        on_process_stack=True,
    )


def return_by_pop() -> Scenario:
    """POP with PC returns as BX does, with registers before it."""

    def body(asm: Piece) -> None:
        asm.emit(e.push([0, 1, 4, LR]))
        note(1)(asm)
        asm.emit(e.pop([0, 1, 4, PC]))

    return Scenario(does(pend(IRQ[0]), note(2)), {IRQ[0]: body}, [(IRQ[0], MAIN), 1, 2], naked=(IRQ[0],))


def equal_priority() -> Scenario:
    """An exception of the same priority, lower number or not, does not preempt."""
    return Scenario(
        does(pend(IRQ[3]), note(1)),
        {IRQ[3]: does(pend(IRQ[0]), note(0x31)), IRQ[0]: note(0x01)},
        [(IRQ[3], MAIN), 0x31, (IRQ[0], MAIN), 1, 1],
        {IRQ[0]: 2, IRQ[3]: 2},
    )


# -- those that QEMU cannot run: by time and request lines, with WFE


def wait(cycles: int) -> Body:
    """Three cycles a round on a Cortex-M0+, up to some 750 of them."""

    def step(asm: Piece) -> None:
        top = Label()
        asm.load(6, cycles // 3)
        asm.bind(top)
        asm.emit(e.imm8("subs", 6, 1))
        asm.to("bcc", "ne", top)

    return step


def events_wake() -> Scenario:
    """B1.5.18: SEV, the return from an exception and, with SEVONPEND, what becomes pending let WFE go on, once."""
    wfe = emit(e.WFE)
    return Scenario(
        does(
            *(emit(e.SEV), wfe, note(1)),
            *(MASK, store(SCR, 1 << 4), pend(IRQ[0]), wfe, note(2)),
            *(wfe, note(3)),  # sleeps, until IRQ 1 is requested
            *(UNMASK, note(4), wfe, note(5)),
            *(wfe, note(6)),  # sleeps, until IRQ 2 is requested and taken
        ),
        {number: note(number) for number in IRQ[:3]},
        [1, 2, 3, (IRQ[0], MAIN), IRQ[0], (IRQ[1], MAIN), IRQ[1], 4, 5, (IRQ[2], MAIN), IRQ[2], 6],
        requests=((2000, 1, 20), (4000, 2, 20)),
    )


def entry_is_an_event() -> Scenario:
    """B1.5.6: WFE at the beginning of a handler goes on, behind a thread that has used the event up."""
    return Scenario(
        does(emit(e.SEV, e.WFE), pend(IRQ[0]), note(1)),
        {IRQ[0]: does(emit(e.WFE), note(0x01))},
        [(IRQ[0], MAIN), 1, 1],
        requests=((4000, 3, 20),),
    )


def wfe_is_masked() -> Scenario:
    """WFE sleeps on where WFI does not: PRIMASK keeps exceptions away, and they are no event. SysTick goes on."""
    count = does(lambda asm: asm.load(0, CVR), emit(e.immediate_offset("ldr", 1, 0, 0)), keep(1))
    return Scenario(
        does(
            *(MASK, pend(IRQ[0]), emit(e.SEV, e.WFE, e.WFI), note(1)),
            *(store(SCR, 1 << 4), store(RVR, 90), store(CVR, 0), store(CSR, 7)),
            *(emit(e.WFE), count, note(2)),  # sleeps until IRQ 1 is requested
            *(store(CSR, 0), store(ICSR, 1 << CLEARING_BITS[SYSTICK]), UNMASK, note(3)),
        ),
        {IRQ[0]: note(0x01), IRQ[1]: note(0x11)},
        [1, 2, (IRQ[0], MAIN), 1, (IRQ[1], MAIN), 0x11, 3],
        requests=((3000, 1, 20),),
    )


def counted() -> Scenario:
    """B3.3.3: COUNTFLAG is set where the counter comes to 0, and cleared by a read of CSR and a write of CVR."""
    control = log_word(CSR)
    return Scenario(
        does(
            *(store(RVR, 90), store(CVR, 1), store(CSR, 5), control, wait(120), control, control),
            *(wait(120), store(CVR, 0), control, store(CSR, 4), log_word(CVR, 0xFFFFFF00)),
            *(store(RVR, 0x12345678), log_word(RVR)),
        ),
        {},
        [5, 0x10005, 5, 5, 0, 0x345678],
    )


def sleeps_on_exit() -> Scenario:
    """B1.5.19: with SLEEPONEXIT, the thread goes on only when a handler has cleared that."""
    return Scenario(
        does(store(SCR, 2), pend(IRQ[0]), note(1)),
        {IRQ[0]: note(0x01), IRQ[1]: does(note(0x11), store(SCR, 0))},
        [(IRQ[0], MAIN), 1, (IRQ[0], MAIN), 1, (IRQ[1], MAIN), 0x11, 1],
        requests=((2000, 0, 20), (4000, 1, 20)),
    )


def requested() -> Scenario:
    """B3.4.5: what is requested stays pending, whatever ICPR is told; what was requested does not."""
    return Scenario(
        does(
            *(MASK, wait(600), store(ICPR, bits(0)), log_word(ISPR)),
            *(wait(600), log_word(ISPR), store(ICPR, bits(0)), log_word(ISPR), UNMASK, note(1)),
        ),
        {},
        [1, 1, 0, 1],
        requests=((400, 0, 600),),
    )


def busy() -> Scenario:
    """Whatever can be abandoned, for some 1,500 cycles, under three handlers that return in different ways."""

    def thread(asm: Piece) -> None:
        top, leaf, begin = Label(), Label(), Label()
        asm.to("b", "", begin)
        asm.bind(leaf)
        asm.emit(e.push([2, 3, 4, LR]), e.data_processing("muls", 2, 3), e.pop([2, 3, 4, PC]))
        asm.bind(begin)
        asm.load(6, 25)
        asm.bind(top)
        asm.load(0, SCRATCH)
        asm.emit(e.multiple("stm", 0, [1, 2, 3, 4]), e.imm8("subs", 0, 16), e.multiple("ldm", 0, [1, 2, 3]))
        asm.to("bl", "", leaf)
        asm.emit(e.mrs(1, "xpsr"), e.imm8("subs", 6, 1))
        asm.to("bcc", "ne", top)

    def leaves(asm: Piece) -> None:
        asm.emit(e.push([4, LR]))
        note(0x21)(asm)
        asm.emit(e.pop([4]), e.pop([3]), e.bx(3))

    return Scenario(
        thread,
        {IRQ[0]: note(0x01), IRQ[1]: note(0x11), IRQ[2]: leaves},
        [],
        {IRQ[0]: 0, IRQ[1]: 1, IRQ[2]: 2},
        naked=(IRQ[2],),
    )


def lockups() -> dict[str, Scenario]:
    """B1.5.13: faults where neither HardFault nor anything else can be taken."""
    fault, call = emit(UDF), does(MASK, SVC)
    nowhere = does(lambda asm: asm.load(0, 0x60000000), emit(e.msr("msp", 0)))
    return {
        "undefined in HardFault": Scenario(fault, {HARD_FAULT: fault}, []),
        "SVC in HardFault": Scenario(call, {HARD_FAULT: SVC}, []),
        "undefined in NMI": Scenario(pend(NMI), {NMI: fault}, []),
        "NMI in HardFault": Scenario(fault, {HARD_FAULT: pend(NMI), NMI: fault}, []),
        "no stack for HardFault": Scenario(does(nowhere, fault), {}, []),
        "no stack for NMI": Scenario(does(nowhere, pend(NMI)), {}, []),
    }


TIMED = {
    make.__name__: make()
    for make in (events_wake, entry_is_an_event, wfe_is_masked, counted, sleeps_on_exit, requested)
}
SCENARIOS = {
    make.__name__: make()
    for make in (
        *(nested, tail_chained, itself, masked, masked_in_a_handler, unpended, supervisor, supervisor_too_low),
        supervisor_masked,
        *(undefined, faults, arm_state, process_stack, aligned, flags_come_back, registers_come_back),
        *(priority_registers, reprioritised, pending_registers),
        *(wfi_masked, first_thread_on_psp, two_tasks, return_by_pop, equal_priority),
    )
}
