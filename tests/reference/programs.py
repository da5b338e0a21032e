"""Random ARMv6-M programs that always return, for a fast accountant to be compared with the slow one.

A program is a few functions. Each is written front to back by a Writer that takes its decisions from a string of bytes,
so that hypothesis shrinks a failing program by shrinking the bytes: no bytes left, no items left.

Registers: r7 holds the address of the data throughout; a loop's counter leaves the free registers while the loop is
written; the other low registers, r8 to r12, and LR where it was saved, hold anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from . import encode as e
from .encode import LR, PC, SP, Assembler, Label

DATA_SIZE = 512
DYNAMIC_LIMIT = 20_000
STATIC_LIMIT = 200
DATA = 7
DEPTH = 4
"""How often a recursive function may call itself."""


@dataclass(frozen=True)
class Program:
    """`code` runs at any base; the call is f(data, *args) with `data` a buffer of DATA_SIZE bytes, 8-aligned."""

    code: bytes
    entry: int
    functions: tuple[tuple[str, int, int], ...]
    data: bytes
    args: tuple[int, int, int]


class Choices:
    """Decisions from a string of bytes; the first alternative when they are used up."""

    def __init__(self, source: bytes) -> None:
        self.source, self.used, self.until = source, 0, len(source)

    def share(self, part: int) -> None:
        """What is written next may use one part in `part` of what is left."""
        self.until = self.used + (len(self.source) - self.used) // part

    @property
    def left(self) -> bool:
        return self.used < self.until

    def number(self, size: int = 1) -> int:
        self.used += size
        return int.from_bytes(self.source[self.used - size : self.used], "little")

    def pick(self, alternatives):
        return alternatives[self.number(2 if len(alternatives) > 64 else 1) % len(alternatives)]

    def some(self, alternatives: list[int]) -> list[int]:
        """A subset of at least one."""
        mask = self.number(2)
        chosen = [each for position, each in enumerate(alternatives) if mask >> position & 1]
        return chosen or [alternatives[0]]


@dataclass(frozen=True)
class Function:
    """A function already written: later ones may call it."""

    label: Label
    cost: int
    recursive: bool


@dataclass(frozen=True)
class Scope:
    """What an item may do where it stands."""

    free: tuple[int, ...]
    """Low registers it may write, at least two."""
    calls: bool
    """It may call functions: LR is saved and no counter lives in r0 to r3."""
    room: int
    """Instructions it may take."""
    limit: int
    """Instructions it may execute."""
    frame: int = 0
    """Words from SP upwards that it may write."""


class Writer:
    """Writes one function."""

    def __init__(self, choices: Choices, callees: list[Function]) -> None:
        self.choices, self.callees = choices, callees
        self.asm = Assembler()
        self.pool: list[tuple[Label, int | tuple[int, Label]]] = []
        self.highs: tuple[int, ...] = (8, 9, 10, 11, 12)

    # Bodies

    def body(self, scope: Scope) -> int:
        """Items until the room, the limit or the bytes are used up; returns how much they execute at most."""
        start, cost = self.asm.instructions, 0
        while self.choices.left:
            room, limit = scope.room - (self.asm.instructions - start), scope.limit - cost
            if room < 12 or limit < 30:
                break
            inner = replace(scope, room=min(room - 8, 45), limit=limit - 16)
            before = self.asm.instructions
            extra = self.choices.pick(ITEMS)(self, inner)
            cost += self.asm.instructions - before if extra is None else extra
        return cost

    def low(self) -> int:
        return self.choices.pick(range(8))

    def any_register(self) -> int:
        return self.choices.pick((0, 1, 2, 3, 4, 5, 6, 7, *self.highs, SP))

    def literal(self, value: int | tuple[int, Label]) -> Label:
        label = Label()
        self.pool.append((label, value))
        return label

    def write_pool(self) -> None:
        if self.pool:
            self.asm.align()
        for label, value in self.pool:
            self.asm.bind(label)
            if isinstance(value, int):
                self.asm.word(value)
            else:
                self.asm.distance(*value)

    # Straight code: one method an encoding group. They return nothing: all they emit executes once.

    def shift(self, scope: Scope) -> None:
        """An immediate of 0 is MOVS Rd, Rm for LSLS and a shift by 32 for the others."""
        name = self.choices.pick(("lsls", "lsrs", "asrs"))
        amount = self.choices.pick((*[0] * 8, *range(1, 32)))
        self.asm.emit(e.shift_immediate(name, self.choices.pick(scope.free), self.low(), amount))

    def three_registers(self, scope: Scope) -> None:
        name = self.choices.pick(("adds", "subs"))
        self.asm.emit(e.add_register(name, self.choices.pick(scope.free), self.low(), self.low()))

    def small_immediate(self, scope: Scope) -> None:
        name, rd = self.choices.pick(("adds", "subs")), self.choices.pick(scope.free)
        self.asm.emit(e.add_imm3(name, rd, self.low(), self.choices.pick(range(8))))

    def immediate(self, scope: Scope) -> None:
        name = self.choices.pick(("movs", "cmp", "adds", "subs"))
        self.asm.emit(e.imm8(name, self.choices.pick(scope.free), self.choices.number()))

    def data_processing(self, scope: Scope) -> None:
        name, rd, rm = self.choices.pick(e.DATA_PROCESSING), self.choices.pick(scope.free), self.low()
        self.asm.emit(e.data_processing(name, rd, rm))

    def move_or_add_any(self, scope: Scope) -> None:
        """MOV and ADD with high registers, SP and PC as the source (a source of PC reads the address + 4)."""
        name, rd = self.choices.pick(("mov", "add")), self.choices.pick((*scope.free, *self.highs))
        self.asm.emit(e.high(name, rd, self.choices.pick((*range(8), *self.highs, SP, PC))))

    def compare_any(self, scope: Scope) -> None:
        """CMP T2 wants at least one high register (A6.7.17)."""
        pair = [self.choices.pick(self.highs), self.any_register()]
        if self.choices.number() & 1 and pair[1] != SP:
            pair.reverse()
        self.asm.emit(e.high("cmp", *pair))

    def extend_or_reverse(self, scope: Scope) -> None:
        encode, name = self.choices.pick(
            [(e.extend, each) for each in ("sxth", "sxtb", "uxth", "uxtb")]
            + [(e.reverse, each) for each in ("rev", "rev16", "revsh")]
        )
        self.asm.emit(encode(name, self.choices.pick(scope.free), self.low()))

    def access_immediate(self, scope: Scope) -> None:
        name = self.choices.pick(("ldr", "ldrb", "ldrh", "str", "strb", "strh"))
        rt = self.choices.pick(scope.free) if name.startswith("ldr") else self.low()
        size = {"b": 1, "h": 2}.get(name[-1], 4)
        self.asm.emit(e.immediate_offset(name, rt, DATA, size * self.choices.pick(range(32))))

    def access_register(self, scope: Scope) -> None:
        name, index = self.choices.pick(e.REGISTER_OFFSET), self.choices.pick(scope.free)
        size = {"b": 1, "h": 2}.get(name[-1], 4)
        rt = self.choices.pick(scope.free) if name.startswith("ldr") else self.low()
        base, offset = (DATA, index) if self.choices.number() & 1 else (index, DATA)
        self.asm.emit(e.imm8("movs", index, self.choices.number() & -size), e.register_offset(name, rt, base, offset))

    def literal_load(self, scope: Scope) -> None:
        self.asm.to("ldr", self.choices.pick(scope.free), self.literal(self.choices.number(4)))

    def address_of_literal(self, scope: Scope) -> None:
        rd = self.choices.pick(scope.free)
        self.asm.to("adr", rd, self.literal(self.choices.number(4)))
        if self.choices.number() & 1:
            self.asm.emit(e.immediate_offset("ldr", rd, rd, 0))

    def load_multiple(self, scope: Scope) -> None:
        base, offset = self.choices.pick(scope.free), self.choices.pick(range(64))
        self.asm.emit(e.high("mov", base, DATA), e.imm8("adds", base, 4 * offset))
        self.asm.emit(e.multiple("ldm", base, self.choices.some(list(scope.free))))

    def store_multiple(self, scope: Scope) -> None:
        """A base in the list must be its lowest register: another would store an UNKNOWN value (A6.7.58)."""
        base, offset = self.choices.pick(scope.free), self.choices.pick(range(64))
        registers = self.choices.some(list(range(8)))
        if base in registers and base != min(registers):
            registers.remove(base)
        self.asm.emit(e.high("mov", base, DATA), e.imm8("adds", base, 4 * offset))
        self.asm.emit(e.multiple("stm", base, registers))

    def on_stack(self, scope: Scope) -> None:
        """SP-relative loads and stores in the innermost frame, and the address of any place on the stack."""
        if not scope.frame:
            return self.asm.emit(e.add_sp_to(self.choices.pick(scope.free), 4 * self.choices.number()))
        name, offset = self.choices.pick(("str", "ldr")), 4 * self.choices.pick(range(scope.frame))
        rt = self.choices.pick(scope.free) if name == "ldr" else self.low()
        return self.asm.emit(e.sp_relative(name, rt, offset))

    def special(self, scope: Scope) -> None:
        names = ("apsr", "iapsr", "eapsr", "xpsr", "ipsr", "epsr", "iepsr", "msp", "primask", "control")
        self.asm.emit(e.mrs(self.choices.pick((*scope.free, *self.highs)), self.choices.pick(names)))

    def set_special(self, scope: Scope) -> None:
        rd = self.choices.pick(scope.free)
        if self.choices.number() & 3:
            flags = self.choices.number()
            return self.asm.emit(e.imm8("movs", rd, flags), e.shift_immediate("lsls", rd, rd, 28), e.msr("apsr", rd))
        return self.asm.emit(e.msr("primask", self.low()), e.imm8("movs", rd, 0), e.msr("control", rd), e.ISB)

    def state(self, scope: Scope) -> None:
        self.asm.emit(self.choices.pick((e.CPSIE, e.CPSID)))

    def hint(self, scope: Scope) -> None:
        self.asm.emit(self.choices.pick((e.NOP, e.YIELD, e.WFE, e.SEV)))

    def barrier(self, scope: Scope) -> None:
        self.asm.emit(self.choices.pick((e.DSB, e.DMB, e.ISB)))

    def branch_to_next(self, scope: Scope) -> None:
        """Taken or not, the next instruction follows: only the flags tell."""
        self.asm.emit(e.branch_if(self.choices.pick(e.CONDITIONS), -2))

    # Items with a body

    def when(self, scope: Scope) -> int:
        """A condition over a body, sometimes with an else part; both count as executed."""
        condition = self.choices.pick(e.CONDITIONS)
        otherwise, end = Label(), Label()
        if self.choices.number() & 1:
            self.asm.emit(e.data_processing("cmp", self.low(), self.low()))
        self.asm.to("bcc", condition, otherwise)
        half = replace(scope, room=scope.room // 2, limit=scope.limit // 2)
        cost = self.body(half)
        if self.choices.number() & 1:
            self.asm.to("b", "", end)
            self.asm.bind(otherwise)
            cost += self.body(half)
            self.asm.bind(end)
        else:
            self.asm.bind(otherwise)
        return cost + 3

    def loop(self, scope: Scope) -> int | None:
        """A counted loop; the counter leaves the free registers."""
        saved = [register for register in scope.free if register > 3]
        if len(scope.free) < 3 or (scope.calls and not saved):
            return self.immediate(scope)
        counter = saved[-1] if scope.calls else scope.free[-1]
        times = 1 + self.choices.number() % 12
        free = tuple(register for register in scope.free if register != counter)
        inner = replace(scope, free=free, limit=scope.limit // times - 6)
        form = self.choices.pick((self.count_down, self.count_up, self.test_first))
        return 3 + times * (4 + form(counter, times, inner))

    def count_down(self, counter: int, times: int, scope: Scope) -> int:
        top = Label()
        self.asm.emit(e.imm8("movs", counter, times))
        self.asm.bind(top)
        cost = self.body(scope)
        step = e.add_imm3("subs", counter, counter, 1) if self.choices.number() & 1 else e.imm8("subs", counter, 1)
        self.asm.emit(step)
        self.asm.to("bcc", self.choices.pick(("ne", "gt", "hi")), top)
        return cost

    def count_up(self, counter: int, times: int, scope: Scope) -> int:
        top = Label()
        self.asm.emit(e.imm8("movs", counter, 0))
        self.asm.bind(top)
        cost = self.body(scope)
        self.asm.emit(e.imm8("adds", counter, 1), e.imm8("cmp", counter, times))
        self.asm.to("bcc", self.choices.pick(("ne", "lt", "cc")), top)
        return cost

    def test_first(self, counter: int, times: int, scope: Scope) -> int:
        top, test = Label(), Label()
        self.asm.emit(e.imm8("movs", counter, times))
        self.asm.to("b", "", test)
        self.asm.bind(top)
        cost = self.body(scope)
        self.asm.bind(test)
        self.asm.emit(e.imm8("subs", counter, 1))
        self.asm.to("bcc", self.choices.pick(("pl", "ge", "cs")), top)
        return cost

    def frame(self, scope: Scope) -> int:
        """Room on the stack, taken and given back by an immediate or by a register; what is read was written before."""
        words = self.choices.pick((1, 2, 0, 3, 4, 7, 16, 40))
        start = self.asm.instructions
        self.choices.pick((self.sub_sp, self.move_into_sp, self.move_into_msp))(scope, 4 * words)
        taken = self.asm.instructions - start
        used = min(words, self.choices.pick((1, 2, 3)))
        self.asm.emit(*(e.sp_relative("str", self.low(), 4 * word) for word in range(used)))
        cost = used + self.body(replace(scope, frame=used))
        if self.choices.number() & 1:
            self.asm.emit(e.imm8("movs", scope.free[0], 4 * words), e.high("add", SP, scope.free[0]))
        else:
            self.asm.emit(e.move_sp("add", 4 * words))
        return cost + taken + 2

    def sub_sp(self, _scope: Scope, size: int) -> None:
        self.asm.emit(e.move_sp("sub", size))

    def move_into_sp(self, scope: Scope, size: int) -> None:
        rd = self.choices.pick(scope.free)
        self.asm.emit(e.high("mov", rd, SP), e.imm8("subs", rd, size), e.high("mov", SP, rd))

    def move_into_msp(self, scope: Scope, size: int) -> None:
        rd = self.choices.pick(scope.free)
        self.asm.emit(e.mrs(rd, "msp"), e.imm8("subs", rd, size), e.msr("msp", rd))

    def push_pop(self, scope: Scope) -> int:
        """Pop into other registers than were pushed, as many as are free; the rest is dropped."""
        pushed = self.choices.some([*range(8), LR])
        self.asm.emit(e.push(pushed))
        cost = self.body(replace(scope, frame=len(pushed)))
        popped = self.choices.some(list(scope.free))[: len(pushed)]
        self.asm.emit(e.pop(popped), e.move_sp("add", 4 * (len(pushed) - len(popped))))
        return cost + 3

    def jump_by_add(self, scope: Scope) -> int:
        """ADD PC, Rm over a body: PC reads as the address + 4."""
        rm = self.choices.pick(scope.free)
        self.asm.emit(e.imm8("movs", rm, 0))
        patch = len(self.asm.halfwords) - 1
        self.asm.emit(e.high("add", PC, rm), e.NOP)
        skipped = len(self.asm.halfwords) - 1
        self.body(replace(scope, room=min(scope.room, 20)))
        self.asm.halfwords[patch] |= 2 * (len(self.asm.halfwords) - skipped) - 2
        return 2

    def jump_by_address(self, scope: Scope) -> int:
        """MOV PC, Rm ignores bit 0 (A2.3.1); BX wants it set."""
        rm, target = self.choices.pick(scope.free), Label()
        name, odd = self.choices.pick((("mov", 0), ("mov", 1), ("bx", 1)))
        self.asm.to("adr", rm, target)
        self.asm.emit(e.imm8("adds", rm, odd), e.high("mov", PC, rm) if name == "mov" else e.bx(rm))
        self.body(replace(scope, room=min(scope.room, 20)))
        self.asm.align()
        self.asm.bind(target)
        return 4

    def jump(self, scope: Scope) -> int:
        end = Label()
        self.asm.to("b", "", end)
        self.body(replace(scope, room=min(scope.room, 20)))
        self.asm.bind(end)
        return 1

    def call(self, scope: Scope) -> int | None:
        callees = [each for each in self.callees if each.cost + 8 <= scope.limit] if scope.calls else []
        if not callees:
            return self.data_processing(scope)
        callee = self.choices.pick(callees)
        if callee.recursive:
            self.asm.emit(e.imm8("movs", 0, self.choices.pick(range(DEPTH + 1))))
        if self.choices.number() & 1:
            self.asm.to("bl", "", callee.label)
        else:
            self.call_register(callee)
        return callee.cost + 6

    def call_register(self, callee: Function) -> None:
        """BLX Rm, the address made from PC and a distance in the literal pool."""
        rm, via = self.choices.pick((1, 2, 3)), self.choices.pick((None, 8, 12))
        place = self.asm.here + 2 + 4
        self.asm.to("ldr", rm, self.literal((place, callee.label)))
        self.asm.emit(e.high("add", rm, PC))
        if via is not None:
            self.asm.emit(e.high("mov", via, rm))
        self.asm.emit(e.blx(rm if via is None else via))

    # Whole functions

    def leaf(self, scope: Scope) -> int:
        """LR stays; returns by BX LR or MOV PC, LR, or leaves the return to a function it branches to."""
        cost = self.body(replace(scope, free=(0, 1, 2, 3), calls=False))
        callees = [each for each in self.callees if each.cost + cost < scope.limit]
        if callees and self.choices.number() & 1:
            return cost + self.tail_call(self.choices.pick(callees))
        self.asm.emit(self.choices.pick((e.bx(LR), e.bx(LR), e.high("mov", PC, LR))))
        return cost + 1

    def tail_call(self, callee: Function) -> int:
        if callee.recursive:
            self.asm.emit(e.imm8("movs", 0, self.choices.pick(range(DEPTH + 1))))
        self.asm.to("b", "", callee.label)
        return callee.cost + 2

    def framed(self, scope: Scope) -> int:
        """LR and some registers saved; returns by POP {PC}, by BX, or by a tail call."""
        saved = [4, 5, 6][: self.choices.pick((3, 2, 1, 0))]
        self.asm.emit(e.push([*saved, LR]))
        self.highs = (*self.highs, LR)
        cost = 1 + self.body(replace(scope, free=(0, 1, 2, 3, *saved), calls=True))
        form = self.choices.number() % 3
        if form == 0:
            self.asm.emit(e.pop([*saved, PC]))
            return cost + 1
        if saved:
            self.asm.emit(e.pop(saved))
        self.asm.emit(e.pop([3]))
        callees = [each for each in self.callees if each.cost + cost < scope.limit]
        if form == 1 or not callees:
            self.asm.emit(e.bx(3))
            return cost + 3
        self.asm.emit(e.high("mov", LR, 3))
        return cost + 3 + self.tail_call(self.choices.pick(callees))

    def recursive(self, scope: Scope, label: Label) -> int:
        """r0 says how often the function calls itself; r6 keeps it."""
        done, once = Label(), replace(scope, free=(0, 1, 2, 3, 4, 5), calls=True, limit=scope.limit // (DEPTH + 1) // 2)
        self.asm.emit(e.push([4, 5, 6, LR]), e.high("mov", 6, 0))
        cost = self.body(replace(once, room=scope.room // 2))
        self.asm.emit(e.imm8("cmp", 6, 0))
        self.asm.to("bcc", "eq", done)
        self.asm.emit(e.add_imm3("subs", 0, 6, 1))
        self.asm.to("bl", "", label)
        self.asm.bind(done)
        cost += self.body(replace(once, room=20))
        self.asm.emit(e.pop([4, 5, 6, PC]))
        return (cost + 7) * (DEPTH + 1)


_STRAIGHT: list[Callable[[Writer, Scope], int | None]] = [
    Writer.shift,
    Writer.three_registers,
    Writer.small_immediate,
    Writer.immediate,
    Writer.data_processing,
    Writer.data_processing,
    Writer.move_or_add_any,
    Writer.compare_any,
    Writer.extend_or_reverse,
    Writer.access_immediate,
    Writer.access_register,
    Writer.literal_load,
    Writer.address_of_literal,
    Writer.load_multiple,
    Writer.store_multiple,
    Writer.on_stack,
    Writer.special,
    Writer.set_special,
    Writer.state,
    Writer.hint,
    Writer.barrier,
    Writer.branch_to_next,
]
_WITH_BODY: list[Callable[[Writer, Scope], int | None]] = [
    Writer.when,
    Writer.when,
    Writer.loop,
    Writer.loop,
    Writer.frame,
    Writer.push_pop,
    Writer.jump_by_add,
    Writer.jump_by_address,
    Writer.jump,
    Writer.call,
    Writer.call,
]
ITEMS = _STRAIGHT + _WITH_BODY


def _function(choices: Choices, callees: list[Function], scope: Scope, entry: bool) -> tuple[Function, Assembler]:
    writer, label = Writer(choices, callees), Label()
    writer.asm.bind(label)
    kind = choices.number() % 4
    if entry:
        # The flags are not defined at a call (AAPCS): set them before anything reads them.
        writer.asm.emit(e.high("mov", DATA, 0), e.data_processing("cmp", 1, 2))
    if kind == 3 and not entry:
        function = Function(label, writer.recursive(scope, label), recursive=True)
    else:
        function = Function(label, (writer.leaf if kind == 0 else writer.framed)(scope), recursive=False)
    writer.write_pool()
    return function, writer.asm


def build(source: bytes, data: bytes, args: tuple[int, int, int]) -> Program:
    """The program that a string of decisions describes."""
    choices, functions, pieces = Choices(source), [], []
    number = 1 + choices.number() % 5
    for index in reversed(range(number)):
        room = STATIC_LIMIT - 24 * number if index == 0 else STATIC_LIMIT // (2 * number)
        room = min(room, STATIC_LIMIT - sum(piece.instructions for piece in pieces) - 24 * index)
        limit = DYNAMIC_LIMIT if index == 0 else DYNAMIC_LIMIT // 20
        choices.share(number if index else 1)
        scope = Scope(free=(), calls=False, room=room, limit=limit)
        function, piece = _function(choices, functions, scope, entry=index == 0)
        functions.append(function)
        pieces.append(piece)
    turned = choices.number() % number
    order = pieces[turned:] + pieces[:turned]
    code = e.lay_out(order, choices.pick((4, 8, 16)))
    table = tuple((f"f{number - 1 - pieces.index(piece)}", piece.start, piece.here) for piece in order)
    return Program(code, pieces[-1].start, table, data, args)


_ARGUMENT = st.sampled_from((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)) | st.integers(0, 0xFFFFFFFF)


def programs() -> st.SearchStrategy[Program]:
    """Programs of a few to some 200 instructions."""
    sizes = st.sampled_from((40, 80, 160, 300, 600, 1000, 1500))
    source = sizes.flatmap(lambda size: st.binary(min_size=size, max_size=size))
    data = st.binary(min_size=64, max_size=64).map(lambda part: part * (DATA_SIZE // len(part)))
    return st.builds(build, source, data, st.tuples(_ARGUMENT, _ARGUMENT, _ARGUMENT))
