"""One function: its blocks, where they lead, what it calls, and how deep its own stack is at each of these places.

Every path from the function's begin is followed, with what is known of registers and stack on the way (`values`), until
nothing changes any more. A callee is taken to keep to the AAPCS: r4 to r11 and SP are the same behind it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from m0sim.bounds.code import CodeReader
from m0sim.bounds.steps import operand, popped, step
from m0sim.bounds.values import LR, MOST_NUMBERS, SP, Copy, Entry, Knowledge, Numbers, Stack, Value, added, numbers
from m0sim.chip import isa
from m0sim.chip.isa import Kind

Key = tuple[int, int]
"""A block: where it begins, after the place that jumped into a helper which is read as part of the function, or 0."""
ProblemKind = Literal["call", "jump", "sp", "svc"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no bound, unless somebody says what is missing."""

    kind: ProblemKind
    address: int
    """Of the instruction."""
    text: str
    """What is not known."""


@dataclass(frozen=True, slots=True)
class Call:
    """A place that calls, or that jumps to another function which returns for this one."""

    address: int
    targets: tuple[int, ...]
    """Where the functions begin; none where that is not known."""
    depth: int
    """Bytes of the caller's own stack in use."""
    is_tail: bool = False
    is_taken: bool = False
    """It is a jump by a conditional branch that is taken."""
    is_exception: bool = False
    """SVC."""

    def may_return(self, endless: Collection[int]) -> bool:
        """Whether it can come back, given functions from which no call does."""
        return not self.targets or any(target not in endless for target in self.targets)


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a block leads."""

    target: Key
    is_taken: bool = False
    """By a conditional branch that is taken."""


@dataclass(frozen=True, slots=True)
class Block:
    """Instructions that run one after the other, calls among them."""

    start: int
    end: int
    """Behind the last instruction."""
    calls: tuple[Call, ...]
    edges: tuple[Edge, ...]
    returns: bool
    """Whether the function may return at its end, or nobody knows where it leads."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What there is to know of one function by itself."""

    entry: int
    depth: int
    """The most bytes of its own."""
    blocks: Mapping[Key, Block]
    problems: tuple[Problem, ...]

    @property
    def calls(self) -> Iterator[Call]:
        return (call for block in self.blocks.values() for call in block.calls)

    def may_return(self, endless: Collection[int]) -> bool:
        """Whether a call of it can come back, given functions from which none does."""
        return any(
            block.returns or any(call.is_tail and call.may_return(endless) for call in block.calls)
            for block in self.blocks.values()
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What must be known from elsewhere to read a function."""

    targets: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Where calls and jumps go that code does not tell, by their address, or by the function that they are in."""
    frames: Mapping[int, int] = field(default_factory=dict)
    """The most bytes that a function's own stack has, by its address."""
    endless: Collection[int] = ()
    """Functions that never return."""
    supervisor: int | None = None
    """The handler of SVC."""
    far_jumps: dict[int, bool] = field(default_factory=dict)
    """By places inside of functions that BL goes to, whether that is a jump: what reading finds out, once."""


_KINDS: Final = bytes(isa.FIRST[:, isa.KIND].astype("uint8"))
_CONTROL: Final = frozenset(
    {
        *(Kind.INVALID, Kind.POP_PC, Kind.BRANCH_CONDITIONAL, Kind.BRANCH, Kind.BRANCH_EXCHANGE),
        *(Kind.BRANCH_LINK_EXCHANGE, Kind.WRITE_PC, Kind.BRANCH_LINK, Kind.SUPERVISOR_CALL),
    }
)
_EXCEPTION_RETURN = 0xFFFFFFF0
EXCEPTION_FRAME = 36
"""Bytes: eight registers, and what may be needed to align them to eight bytes (DDI 0419, B1.5.6)."""
_MOST_TRIES = 8
_CHANGED_BY_CALLS = (0, 1, 2, 3, 12, LR)


def read(entry: int, code: CodeReader, facts: Facts) -> Flow:
    """Follow every path of the function that begins at `entry`."""
    return _Reader(entry, code, facts).run()


class _Reader:
    """Reads one function."""

    def __init__(self, entry: int, code: CodeReader, facts: Facts, *, tries: int = 0) -> None:
        """With `tries`, it is read to see whether it can be a function, within so many others: see `is_far_jump`."""
        self.entry, self.code, self.facts, self.tries = entry, code, facts, tries
        self.frame = facts.frames.get(entry)
        self.states: dict[Key, Knowledge] = {(0, entry): Knowledge.at_entry()}
        self.work: list[Key] = [(0, entry)]
        self.blocks: dict[Key, Block] = {}
        self.problems: dict[tuple[int, str], Problem] = {}
        self.depth = self.frame or 0

    def run(self) -> Flow:
        while self.work:
            key = self.work.pop()
            self.blocks[key] = _BlockReader(self, key, self.states[key].copy()).run()
        return Flow(self.entry, self.depth, self.blocks, tuple(self.problems.values()))

    def arrive(self, key: Key, state: Knowledge) -> None:
        """A path with this state leads to this block."""
        there = self.states.get(key)
        if there is None:
            self.states[key] = state.copy()
            self.work.append(key)
            return
        knew_sp = there.depth is not None and state.depth is not None
        if there.join(state, self.is_function):
            self.work.append(key)
        if knew_sp and there.depth is None:
            self.fail("sp", key[1], "SP is not the same on every way to it")

    def is_function(self, number: int) -> bool:
        """Whether a number is what a pointer to a function holds."""
        return number & 1 == 1 and self.code.function(number - 1) is not None

    def fail(self, kind: ProblemKind, address: int, text: str) -> None:
        if self.tries:
            raise _NoFunction
        if kind != "sp" or self.frame is None:
            self.problems[address, kind] = Problem(kind, address, text)

    def is_far_jump(self, target: int) -> bool:
        """Whether BL to this place is a jump: GCC's longest, in a function that has saved LR.

        What it jumps to ends the function: read by itself, that pops what it never pushed. What is called returns by LR
        with SP as it was, and may be read either way.
        """
        around = self.code.image.function_at(self.entry)
        if around is None or not around.address < target < around.address + around.size or self.code.function(target):
            return False
        known = self.facts.far_jumps
        if target not in known:
            if self.tries >= _MOST_TRIES:
                return True
            known[target] = True  # while it is tried
            try:
                _Reader(target, self.code, self.facts, tries=self.tries + 1).run()
                known[target] = False
            except _NoFunction:
                pass
        return known[target]

    def use(self, state: Knowledge) -> int:
        """The depth at a place, which counts from now on."""
        depth = state.depth
        found = (self.frame or 0) if depth is None else depth
        self.depth = max(self.depth, found)
        return found


class _NoFunction(Exception):
    """What was tried is none."""


class _BlockReader:
    """Reads one block, from a state on."""

    def __init__(self, function: _Reader, key: Key, state: Knowledge) -> None:
        self.function, self.state = function, state
        self.context, self.start = key
        self.at = self.start
        self.next = self.start
        self.calls: list[Call] = []
        self.edges: dict[tuple[Key, bool], Edge] = {}
        self.returns = False
        self.compared: tuple[int, int] | None = None
        """Of the instruction before, where it was CMP: a register, and the number."""

    def run(self) -> Block:
        code = self.function.code
        goes_on = True
        while goes_on:
            if self.at != self.start and (code.is_target(self.at) or (self.context, self.at) in self.function.states):
                self.go(self.at)
                break
            encoding = code.encoding(self.at)
            if encoding is None:  # only wrong code gets here: data follows a call that does not return
                break
            first = encoding & 0xFFFF
            self.next = self.at + (4 if first >= 0xE800 else 2)
            kind = isa.kind_of(first, encoding >> 16) if first >= 0xE800 else _KINDS[first]
            goes_on = self.control(Kind(kind), encoding) if kind in _CONTROL else self.straight(encoding)
            self.at = self.next
        return Block(self.start, self.at, tuple(self.calls), tuple(self.edges.values()), self.returns)

    def straight(self, encoding: int) -> bool:
        sp = self.state.registers[SP]
        step(self.state, encoding, self.at, self.function.code)
        self.compared = _compared(self.state, encoding)
        if self.state.registers[SP] is not sp:
            self.sp_moved(sp)
        return True

    def sp_moved(self, before: Value) -> None:
        if self.state.registers[SP] is None and before is not None:
            self.function.fail("sp", self.at, "SP takes a value that is not known")
        self.function.use(self.state)

    def control(self, kind: Kind, encoding: int) -> bool:
        """An instruction that may not lead to the next; whether it does, within the block."""
        match kind:
            case Kind.BRANCH_LINK:
                return self.branch_link(isa.branch_target(self.at, encoding) or 0)
            case Kind.BRANCH_LINK_EXCHANGE:
                return self.call(self.functions_of(self.state.value(encoding >> 3 & 15)))
            case Kind.SUPERVISOR_CALL:
                return self.supervisor_call()
            case Kind.BRANCH_CONDITIONAL:
                self.conditional(isa.branch_target(self.at, encoding) or 0, encoding >> 8 & 15)
            case Kind.BRANCH:
                self.leave_for(isa.branch_target(self.at, encoding) or 0)
            case Kind.BRANCH_EXCHANGE:
                self.jump(self.state.value(encoding >> 3 & 15))
            case Kind.WRITE_PC:
                value = operand(self.state, encoding >> 3 & 15, self.at)
                self.jump(value if encoding >> 8 & 3 == 2 else added(value, self.at + 4))
            case Kind.POP_PC:
                self.pop_pc(encoding)
        return False

    # Calls

    def branch_link(self, target: int) -> bool:
        if self.context == 0 and looks_at_return(self.function.code, target):
            self.state.registers[LR] = self.next | 1
            self.go(target, context=self.next)
            return False
        if self.function.is_far_jump(target):
            self.state.registers[LR] = None
            self.go(target)
            return False
        return self.call((target,))

    def call(self, targets: tuple[int, ...] | None) -> bool:
        """To one of `targets`; whether any of them comes back."""
        if targets is None:
            targets = self.told("call", "it calls what a register holds")
        call = Call(self.at, targets, self.function.use(self.state))
        self.calls.append(call)
        self.forget()
        return call.may_return(self.function.facts.endless)

    def supervisor_call(self) -> bool:
        handler = self.function.facts.supervisor
        targets = (handler,) if handler is not None else self.told("svc", "no vector table says which code SVC runs")
        depth = self.function.use(self.state) + EXCEPTION_FRAME
        self.function.depth = max(self.function.depth, depth)
        self.calls.append(Call(self.at, targets, depth, is_exception=True))
        self.forget()
        return True

    def forget(self) -> None:
        """What a callee may change."""
        for register in _CHANGED_BY_CALLS:
            self.state.registers[register] = None
        self.state.forget_locals()
        self.compared = None

    def functions_of(self, value: Value) -> tuple[int, ...] | None:
        """The functions that a pointer may be of."""
        several = numbers(value)
        return None if several is None else tuple(sorted({number & ~1 for number in several if number & 1})) or None

    def told(self, kind: ProblemKind, what: str) -> tuple[int, ...]:
        """Where an annotation says that this instruction goes; a problem where there is none."""
        targets = self.function.facts.targets
        found = targets.get(self.at) or targets.get(self.function.entry) or ()
        if not found:
            self.function.fail(kind, self.at, what)
        return found

    # Jumps

    def go(self, target: int, *, context: int | None = None, is_taken: bool = False) -> None:
        key = (self.context if context is None else context), target
        self.edges[key, is_taken] = Edge(key, is_taken)
        self.function.arrive(key, self.state)

    @property
    def may_be_left(self) -> bool:
        """Whether a jump to another function would be a call of it: it finds stack and LR as this function did."""
        registers = self.state.registers
        return registers[SP] == Stack(0) and registers[LR] == Entry(LR)

    def leave_for(self, target: int, *, is_taken: bool = False, context: int | None = None) -> None:
        """B and its like: on in this function, or as the call of another one that returns in its place."""
        code = self.function.code
        is_other = target != self.function.entry and (code.function(target) is not None or not code.is_code(target))
        if is_other and self.may_be_left:
            self.calls.append(Call(self.at, (target,), self.function.use(self.state), True, is_taken))
        else:
            self.go(target, is_taken=is_taken, context=context)

    def conditional(self, target: int, condition: int) -> None:
        refined = _refined(self.state, condition, self.compared)
        around = self.state
        for place, state, is_taken in ((self.next, refined[0], False), (target, refined[1], True)):
            self.state = around if state is None else state
            self.leave_for(place, is_taken=is_taken)
        self.state = around

    def jump(self, value: Value) -> None:
        """To where a register or the stack says: a return, a table of places, or another function."""
        if value == Entry(LR):
            return self.leave()
        several = numbers(value)
        if several is None:
            return self.jump_unknown()
        targets = sorted({number & ~1 for number in several if number < _EXCEPTION_RETURN})
        if len(targets) < len({number & ~1 for number in several}):
            self.leave()
        there = [target for target in targets if self.function.code.is_code(target)]
        if targets and not there and not self.may_be_left:
            self.function.fail("jump", self.at, f"it jumps to 0x{targets[0]:08x}, where no code is")
            self.returns = True
            return None
        for target in there or targets:  # what fills a table up is no place to go to
            self.leave_for(target, context=0)
        return None

    def leave(self) -> None:
        sp = self.state.registers[SP]
        if isinstance(sp, Stack) and sp.offset:
            self.function.fail("sp", self.at, f"it returns with SP {sp.offset:+} bytes from where it was")
        self.returns = True

    def pop_pc(self, encoding: int) -> None:
        knew_sp = self.state.depth is not None
        value = popped(self.state, encoding)
        if knew_sp:
            self.jump(value)
        else:  # what it pops was lost with SP: the function's end
            self.leave()

    def jump_unknown(self) -> None:
        kind: ProblemKind = "call" if self.may_be_left else "jump"
        targets = self.told(kind, "it jumps to where a register or the stack says")
        for target in targets:
            self.leave_for(target, context=0)
        self.returns |= not targets


def looks_at_return(code: CodeReader, target: int) -> bool:
    """Whether a function begins as helpers of switch do: it saves registers but not LR, which it then reads.

    They (libgcc's ``__gnu_thumb1_case_uqi``, armcc's ``__ARM_common_switch8``) add what a table behind the call says,
    so that they return elsewhere. Such a function is read as part of its caller, which is right for any other, too.
    """
    first, second = code.encoding(target) or 0, code.encoding(target + 2) or 0
    return first & 0xFF00 == 0xB400 and second & 0xFFF8 == 0x4670  # PUSH without LR; MOV Rd, lr


_CARRY_SET, _CARRY_CLEAR, _HIGHER, _LOWER_OR_SAME = 2, 3, 8, 9


def _compared(state: Knowledge, encoding: int) -> tuple[int, int] | None:
    """The register and the number that CMP compares."""
    if encoding & 0xF800 == 0x2800:
        return encoding >> 8 & 7, encoding & 0xFF
    if encoding & 0xFFC0 == 0x4280:
        number = state.value(encoding >> 3 & 7)
        return (encoding & 7, number) if isinstance(number, int) else None
    return None


def _refined(
    state: Knowledge, condition: int, compared: tuple[int, int] | None
) -> tuple[Knowledge | None, Knowledge | None]:
    """The states behind a conditional branch that is not taken, and that is; None where nothing more is known."""
    if compared is None:
        return None, None
    register, number = compared
    highest = number if condition in (_HIGHER, _LOWER_OR_SAME) else number - 1
    if condition in (_HIGHER, _CARRY_SET):
        return _at_most(state, register, highest), None
    if condition in (_LOWER_OR_SAME, _CARRY_CLEAR):
        return None, _at_most(state, register, highest)
    return None, None


def _at_most(state: Knowledge, register: int, highest: int) -> Knowledge | None:
    """The state with a register that is at most `highest`."""
    if not 0 <= highest < MOST_NUMBERS:
        return None
    several = numbers(state.value(register))
    found: Numbers = range(highest + 1)
    if several is not None:
        found = tuple(number for number in several if number <= highest)
        if not found:
            return None
        found = found[0] if len(found) == 1 else found
    refined = state.copy()
    known = refined.registers[register]
    refined.registers[register] = found
    if isinstance(known, Copy):
        refined.words[known.word] = found
    elif isinstance(known, Entry):
        refined.replace(known, found)
    return refined
