"""What is known of a register or a word of the stack while code is read, and of all of them at one place.

A value is None where nothing is known; an int, a range or a sorted tuple of ints where it is one of those; or one of
the three below. All ints are unsigned 32-bit numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SP, LR, PC = 13, 14, 15
MOST_NUMBERS = 4096
"""How many numbers a value may be one of: a jump table has no more entries."""
_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Stack:
    """SP as it was when the function began, and `offset` bytes on."""

    offset: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What a register held when the function began: of LR, where it returns to."""

    register: int

    @property
    def is_saved(self) -> bool:
        """Whether the function owes it to its caller: where it is on the stack, no variable is."""
        return 4 <= self.register <= 11 or self.register == LR


Word = int | tuple[int, int]
"""A place on the stack by its offset from SP at the function's begin: of a word, or with the size of 1 or 2 bytes."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The same as is on the stack there, whatever that is."""

    word: Word


Numbers = int | range | tuple[int, ...]
Value = Stack | Entry | Copy | int | range | tuple[int, ...] | None


def numbers(value: Value) -> range | tuple[int, ...] | None:
    """All that a value may be; None where that is not known."""
    if value.__class__ is int:
        return (value,)
    return value if isinstance(value, range | tuple) else None


def mapped(change: Callable[[int], int], value: Value) -> Value:
    """`change` of each number that the value may be."""
    if isinstance(value, int):
        return change(value) & _MASK
    if isinstance(value, range | tuple):
        return tuple(sorted({change(number) & _MASK for number in value}))
    return None


def added(a: Value, b: Value) -> Value:
    """The sum of two values."""
    if isinstance(b, Stack):
        a, b = b, a
    if isinstance(a, Stack):
        return Stack(a.offset + _signed(b)) if isinstance(b, int) else None
    if isinstance(b, int):
        a, b = b, a
    if not isinstance(a, int):
        return None
    if isinstance(b, range):
        moved = range(b.start + a, b.stop + a, b.step)
        return moved if moved[-1] <= _MASK else mapped(lambda n: n + a, b)
    return mapped(lambda n: n + a, b)


def subtracted(a: Value, b: Value) -> Value:
    """`a` minus `b`."""
    if isinstance(a, Stack) and isinstance(b, Stack):
        return a.offset - b.offset & _MASK
    return added(a, -b & _MASK) if isinstance(b, int) else None


def shifted_left(value: Value, amount: int) -> Value:
    """`value` times two to the power of `amount`."""
    if isinstance(value, range) and value[-1] << amount <= _MASK:
        return range(value.start << amount, value.stop << amount, value.step << amount)
    return mapped(lambda n: n << amount, value)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


class Knowledge:
    """Registers r0 to lr, and the words of the function's own stack, at one place."""

    __slots__ = ("registers", "words")

    def __init__(self, registers: list[Value], words: dict[Word, Value]) -> None:
        self.registers = registers
        self.words = words

    @classmethod
    def at_entry(cls) -> Knowledge:
        """When a function begins."""
        registers: list[Value] = [Entry(number) for number in range(15)]
        registers[SP] = Stack(0)
        return cls(registers, {})

    def copy(self) -> Knowledge:
        return Knowledge(self.registers.copy(), self.words.copy())

    def value(self, register: int) -> Value:
        """What a register holds, where it is a copy of a word what that holds."""
        found = self.registers[register]
        return self.words.get(found.word) if isinstance(found, Copy) else found

    @property
    def depth(self) -> int | None:
        """Bytes of stack in use, as far as the function took them; None where SP is not known."""
        sp = self.registers[SP]
        return -sp.offset if isinstance(sp, Stack) else None

    def set_word(self, word: Word, value: Value) -> None:
        """Store to a known place of the stack: what overlaps with it is no longer what it was."""
        base = (word if isinstance(word, int) else word[0]) & ~3
        self._forget(base)
        for size in (1, 2):
            for at in range(base, base + 4, size):
                self._forget((at, size))
        self.words[word] = value

    def forget_locals(self) -> None:
        """Somebody may have written to variables on the stack. Saved registers are none: see docs/stack.md."""
        self.words = {word: value for word, value in self.words.items() if isinstance(value, Entry) and value.is_saved}
        self.registers = [None if isinstance(value, Copy) else value for value in self.registers]

    def replace(self, known: Entry, found: Value) -> None:
        """More is known of what a register held at the begin: so it is wherever that went."""
        self.registers = [found if value == known else value for value in self.registers]
        self.words = {word: found if value == known else value for word, value in self.words.items()}

    def drop_below(self, offset: int) -> None:
        """SP went up to `offset`: what is below is nobody's."""
        for word in [w for w in self.words if (w if isinstance(w, int) else w[0]) < offset]:
            self._forget(word)

    def _forget(self, word: Word) -> None:
        if self.words.pop(word, self) is self:
            return
        for register, value in enumerate(self.registers):
            if isinstance(value, Copy) and value.word == word:
                self.registers[register] = None

    def join(self, other: Knowledge, is_entry: Callable[[int], bool]) -> bool:
        """Become what is true of both; whether that is less than before.

        Two numbers stay known where both are functions, as `is_entry` says: those of a pointer that is one of several.
        """
        changed = False
        for register, mine in enumerate(self.registers):
            merged = _joined(mine, other.registers[register], is_entry)
            if merged is not mine and merged != mine:
                self.registers[register] = merged
                changed = True
        for word, mine in list(self.words.items()):
            if word not in other.words:
                self._forget(word)
                changed = True
                continue
            merged = _joined(mine, other.words[word], is_entry)
            if merged is not mine and merged != mine:
                self.words[word] = merged
                changed = True
        return changed


def _wider(a: Value, b: Value) -> Value:
    """The one of two values that may be all that the other may be; None where neither is so."""
    if isinstance(a, int):
        a, b = b, a
    if isinstance(b, int):
        return a if isinstance(a, range | tuple) and b in a else None
    if isinstance(a, range) and isinstance(b, range):
        few, many = (a, b) if len(a) <= len(b) else (b, a)
        return many if few[0] in many and few[-1] in many and few.step % many.step == 0 else None
    return None


def _joined(a: Value, b: Value, is_entry: Callable[[int], bool]) -> Value:
    if a is b or (a.__class__ is b.__class__ and a == b):
        return a
    if a is None or b is None:
        return None
    wider = _wider(a, b)
    if wider is not None:
        return wider
    several = [numbers(value) for value in (a, b)]
    if any(each is None or len(each) > 16 for each in several):
        return None
    every = {number for each in several for number in each or ()}
    return tuple(sorted(every)) if all(map(is_entry, every)) else None
