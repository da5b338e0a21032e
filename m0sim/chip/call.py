"""One call: what is asked for, and how Python's values become the words that it passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip import arguments, buffer
from m0sim.chip.arguments import Words
from m0sim.chip.buffer import Buffer
from m0sim.chip.cost import Provenance
from m0sim.chip.memory import AddressSpace
from m0sim.chip.peripherals import RegisterAccess
from m0sim.chip.stops import Cause, FaultKind
from m0sim.chip.stubs import Stub, StubCall
from m0sim.errors import UsageError
from m0sim.image import Image, Symbol

Argument = int | float | Words | Buffer | np.generic | npt.NDArray[Any]
"""What a call passes: integers and buffers as one word, NumPy's float32 and float64 as what they are.

An array is put into a buffer for the call, and its address passed: what the function writes there is not read back.
"""
Value = int | Words | np.generic | Buffer | None
"""One answer of a stub or register; None, of a stub, returns without a value."""
StubValues = Mapping[str, Value | Sequence[Value] | Callable[[StubCall], Value]]
"""By name: a value, values that are returned in turn, of which the last stays, or a function that gives each."""
RegisterValues = Mapping[int, Value | Sequence[Value] | Callable[[RegisterAccess], Value]]
"""The same by address, for loads from registers of peripherals."""


@dataclass(frozen=True, slots=True)
class Call:
    """What one run is to do."""

    entry: Symbol
    words: list[Words]
    result: str
    level: str
    max_cycles: int
    stubs: Sequence[Stub] = ()
    provenance: Provenance | None = None
    struct_bytes: int = 0
    """Of a struct that it returns; 0 for other results."""
    fail_on: tuple[str, ...] = ()
    """Kinds of findings that are faults."""
    room: Buffer | None = None
    """Where it is to put that struct; None for one that fits in r0."""

    def returned(self, r0: int, r1: int) -> int | float | bytes | None:
        """The result, from registers and memory after the return."""
        if self.result != "struct":
            return arguments.result(self.result, r0, r1)
        if self.room is not None:
            return bytes(self.room.read())
        return r0.to_bytes(4, "little")[: self.struct_bytes]

    def limit_at(self, address: int) -> Cause:
        """What ends a run that takes longer than it may."""
        return Cause(FaultKind.CYCLE_LIMIT, f"the limit of {self.max_cycles:,} cycles was reached", address)


@dataclass(frozen=True, slots=True)
class Passed:
    """What the processor has when a call begins: AAPCS32, parameter passing."""

    entry: int
    """Address of the function, bit 0 set."""
    registers: tuple[int, ...]
    """From r0 on, four at most."""
    stack: bytes
    """From SP on, whole words."""


class Callables:
    """The functions of one image in one memory, ready to be called."""

    def __init__(self, image: Image, space: AddressSpace) -> None:
        self._image = image
        self._space = space
        self._rooms: dict[int, Buffer] = {}

    def entry(self, function: str | int) -> Symbol:
        """The function of that name or address. Raises `UsageError` for data and for Arm code."""
        symbol = self._image.find(function if isinstance(function, str) else hex(function))
        if symbol.kind == "object":
            raise UsageError(f"{symbol.name} is data, not a function")
        if not symbol.is_thumb:
            raise UsageError(f"{symbol.name} is Arm (A32) code; a Cortex-M0+ runs Thumb only")
        return symbol

    def call(
        self,
        entry: Symbol,
        values: Sequence[int | float | Words],
        result: str | None,
        level: str,
        max_cycles: int,
        *,
        stubs: Sequence[Stub] = (),
        provenance: Provenance | None = None,
        fail_on: tuple[str, ...] = (),
    ) -> Call:
        """A call of a function with arguments, as its signature has them where DWARF tells it."""
        signature = self._image.signature(entry)
        words = [arguments.plain(v) for v in values] if signature is None else arguments.declared(signature, values)
        room, struct_bytes = None, 0
        if signature is not None and signature.result.kind == "struct":
            struct_bytes = signature.result.size
            if signature.has_hidden_result:
                room = self._room_for_result(entry, struct_bytes)
                words.insert(0, arguments.word(room.address))
        result = result or arguments.declared_result(signature)
        return Call(entry, words, result, level, max_cycles, stubs, provenance, struct_bytes, fail_on, room)

    def _room_for_result(self, entry: Symbol, size: int) -> Buffer:
        """Where a function puts the struct that it returns: each has one place, made at its first call."""
        room = self._rooms.get(entry.address)
        if room is None or room.is_freed:
            room = self._rooms[entry.address] = buffer.allocate(self._space, size, name=f"result of {entry.name}")
        return room

    def stub(self, name: str, given: object) -> Stub:
        """A replaced function, whose answers are of the kind that DWARF declares, where it does."""
        function = self.entry(name)
        signature = self._image.signature(function)
        return Stub(function, given, lambda value: arguments.returned(signature, self._value(value)))

    @contextmanager
    def passing(self, args: Sequence[Argument]) -> Iterator[list[int | float | Words]]:
        """The arguments as numbers and words; arrays are in memory while this is active."""
        copies: list[Buffer] = []
        try:
            for argument in args:
                if isinstance(argument, np.ndarray):
                    if argument.ndim == 0:
                        raise UsageError(f"an array without dimensions is no argument: pass its value, {argument}")
                    copies.append(buffer.allocate(self._space, argument, name=described(argument)))
            found = iter(copies)
            yield [self._value(next(found) if isinstance(a, np.ndarray) else a) for a in args]
        finally:
            for copy in reversed(copies):
                copy.free()

    def words(self, argument: object) -> Words:
        """An answer of a stub or register. Raises `UsageError` for what is none."""
        return arguments.plain(self._value(argument))

    def _value(self, argument: object) -> int | float | Words:
        if isinstance(argument, Words):
            return argument
        if isinstance(argument, Buffer):
            return arguments.word(argument.address_in(self._space))
        if isinstance(argument, int | np.integer | np.bool_):
            return int(argument)
        if isinstance(argument, np.float32):
            return arguments.f32(float(argument))
        if isinstance(argument, np.float64):  # before float, which it is as well
            return arguments.f64(float(argument))
        if isinstance(argument, float):
            return argument
        if isinstance(argument, np.ndarray):
            raise UsageError("an array is no answer: put it into memory with machine.alloc(array) before the call")
        raise UsageError(f"cannot pass a {type(argument).__name__}: use an int, a buffer, or m0sim.i64, u64, f32")


def initialiser(before: str | Sequence[Argument | str]) -> tuple[str, list[Argument]]:
    """The name and arguments of a function to run first. Raises `UsageError`."""
    name, *given = (before,) if isinstance(before, str) else before
    args = [a for a in given if not isinstance(a, str)]
    if not isinstance(name, str) or len(args) < len(given):
        raise UsageError(f"before: {before!r} is no function's name, nor a tuple of one and its arguments")
    return name, args


def described(given: object) -> str:
    """An argument or answer in a few words that are the same every time."""
    if isinstance(given, Words):
        return f"{sum(word << 32 * i for i, word in enumerate(given.words)):#x}"
    if isinstance(given, Buffer):
        return f"{given.name} ({given.size} bytes)"
    if isinstance(given, np.ndarray):
        return f"{given.dtype}[{', '.join(map(str, given.shape))}]"
    if isinstance(given, list | tuple):
        return ",".join(described(one) for one in given)
    return getattr(given, "__qualname__", str(given))
