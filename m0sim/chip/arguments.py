"""Where the arguments of a call go: the base standard of the Arm procedure call standard (AAPCS32, IHI 0042)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np

from m0sim.errors import UsageError

if TYPE_CHECKING:
    from m0sim.image.signatures import Parameter, Signature, Type

ResultType = Literal["s32", "u32", "s64", "u64", "f32", "f64", "void"]
RESULT_TYPES: tuple[str, ...] = get_args(ResultType)


@dataclass(frozen=True, slots=True)
class Words:
    """One argument as 32-bit words."""

    words: tuple[int, ...]
    kind: Literal["integer", "float", "struct"] = "integer"
    """Integers and addresses; floats and doubles, as their bits; structs by value, as the bytes of their members."""
    alignment: int = 4
    """Bytes: with 8, it takes an even register pair, or an 8-byte stack slot."""
    value: int | float | None = field(default=None, compare=False)
    """The number that the words are; None for a struct."""


def word(value: int) -> Words:
    """An integer or address of 32 bits, from -2**31 to 2**32 - 1."""
    if not -(1 << 31) <= value < 1 << 32:
        raise UsageError(f"{value} does not fit in 32 bits; write i64:{value} for a 64-bit argument")
    return Words((value & 0xFFFFFFFF,), value=value)


def i64(value: int) -> Words:
    """A signed 64-bit integer."""
    if not -(1 << 63) <= value < 1 << 63:
        raise UsageError(f"{value} does not fit in a signed 64-bit integer")
    return Words((value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF), alignment=8, value=value)


def u64(value: int) -> Words:
    """An unsigned 64-bit integer."""
    if not 0 <= value < 1 << 64:
        raise UsageError(f"{value} does not fit in an unsigned 64-bit integer")
    return Words((value & 0xFFFFFFFF, value >> 32), alignment=8, value=value)


def f32(value: float) -> Words:
    """A float, passed as its bits in a core register (soft-float AAPCS). Overflow becomes infinity."""
    with np.errstate(over="ignore"):
        return Words((int(np.float32(value).view(np.uint32)),), "float", value=value)


def f64(value: float) -> Words:
    """A double, passed as its bits in an even register pair (soft-float AAPCS)."""
    low, high = struct.unpack("<II", struct.pack("<d", value))
    return Words((low, high), "float", 8, value)


def structure(content: bytes, alignment: int) -> Words:
    """A struct by value: its bytes, filled up to whole words (AAPCS32, 6.5)."""
    padded = content + bytes(-len(content) % 4)
    return Words(struct.unpack(f"<{len(padded) // 4}I", padded), "struct", 8 if alignment >= 8 else 4)


def plain(value: int | float | Words) -> Words:
    """What is passed for `value` where nobody knows what the function takes."""
    if isinstance(value, float):
        raise UsageError(f"write m0sim.f32({value}) to pass a float")
    return word(value) if isinstance(value, int) else value


def declared(signature: Signature, values: Sequence[int | float | Words]) -> list[Words]:
    """What is passed for `values`, as `signature` has it; an argument more or less, or of another kind, is an error.

    Raises UsageError that names the argument.
    """
    parameters = signature.parameters
    if len(values) < len(parameters):
        missing = _named(len(values), parameters[len(values)])
        raise UsageError(f"{missing} is missing: {signature}")
    if len(values) > len(parameters) and not signature.is_variadic:
        hidden = ", and m0sim passes the address of its result itself" if signature.has_hidden_result else ""
        raise UsageError(f"argument {len(parameters) + 1} is too many: {signature}{hidden}")
    passed = []
    for number, value in enumerate(values):
        if number >= len(parameters):
            passed.append(plain(value))
            continue
        try:
            passed.append(converted(value, parameters[number].type))
        except UsageError as error:
            raise UsageError(f"{_named(number, parameters[number])}: {error}") from error
    return passed


def _named(number: int, parameter: Parameter) -> str:
    name = f"{parameter.name}, " if parameter.name else ""
    return f"argument {number + 1} ({name}{parameter.type.name})"


def converted(value: int | float | Words, type_: Type) -> Words:
    """`value` as a parameter or member of this type. Raises UsageError where it is of another kind or does not fit."""
    kind = "integer" if isinstance(value, int) else "float" if isinstance(value, float) else value.kind
    if type_.kind == "float":
        return _as_float(value, type_)
    if type_.kind == "struct":
        if isinstance(value, Words) and kind == "struct":
            if 4 * len(value.words) != type_.size + -type_.size % 4:
                raise UsageError(f"it has {type_.size} bytes, not {4 * len(value.words)}")
            return value
        if type_.size > 4 or kind == "float":
            raise UsageError("write its members in braces, such as {1,2}")
        return plain(value)
    if kind != "integer":
        raise UsageError(f"it is no {'struct' if kind == 'struct' else 'floating-point number'}")
    number = value.value if isinstance(value, Words) else value
    if number is None:
        return plain(value)
    if isinstance(value, Words) and len(value.words) == 2 and type_.size != 8:
        raise UsageError(f"it has {8 * type_.size} bits, not 64: write {number}")
    return _as_integer(int(number), type_)


def _as_float(value: int | float | Words, type_: Type) -> Words:
    prefix = "f32" if type_.size == 4 else "f64"
    if isinstance(value, float):
        return f32(value) if type_.size == 4 else f64(value)
    if isinstance(value, int) or value.kind != "float" or 4 * len(value.words) != type_.size:
        number = value if isinstance(value, int) else value.value
        raise UsageError(f"write {prefix}:{1.5 if number is None else number}")
    return value


def _as_integer(value: int, type_: Type) -> Words:
    bits = 1 if type_.kind == "bool" else 8 * type_.size
    low, end = 0, 1 << bits
    if type_.kind == "signed":
        low, end = -(1 << bits - 1), 1 << bits - 1
    if type_.size >= 4 and type_.kind != "bool":  # the same bits, whatever the sign: -1, 0xFFFFFFFF
        low, end = -(1 << bits - 1), 1 << bits
    if not low <= value < end:
        raise UsageError(f"{value} is not from {low} to {end - 1}")
    if type_.size == 8:
        return i64(value) if value < 1 << 63 else u64(value)
    return word(value)


def place(arguments: Sequence[Words]) -> tuple[list[int], bytes]:
    """Registers r0.. and the bytes on the stack at SP: AAPCS32, stage C of parameter passing.

    An argument of alignment 8 starts at an even register. One that does not fit in the registers left is split between
    them and the stack; once something is on the stack, all that follows is.
    """
    registers: list[int] = []
    stack = bytearray()
    for argument in arguments:
        if argument.alignment == 8 and len(registers) % 2:
            registers.append(0)
        room = 0 if stack else 4 - len(registers)
        registers.extend(argument.words[:room])
        rest = argument.words[room:]
        if rest and argument.alignment == 8 and not room:
            stack += bytes(-len(stack) % 8)
        stack += struct.pack(f"<{len(rest)}I", *rest)
    return registers, bytes(stack)


def result_type(text: str) -> ResultType:
    """The result type of that name. Raises `UsageError` where there is none."""
    if text not in RESULT_TYPES:
        raise UsageError(f"unknown result type {text!r}: one of {', '.join(RESULT_TYPES)}")
    return cast(ResultType, text)


def declared_result(signature: Signature | None) -> str:
    """How to read the result of a function that is declared like this: s32 where nobody knows, struct for a struct."""
    if signature is None:
        return "s32"
    found = signature.result
    if found.kind == "float":
        return f"f{8 * found.size}"
    if found.kind in ("void", "struct"):
        return found.kind
    return f"{'s' if found.kind == 'signed' else 'u'}{64 if found.size == 8 else 32}"


def returned(signature: Signature | None, value: int | float | Words) -> Words:
    """What a function that is declared like this returns for `value`, which has to be of its result's kind and range.

    Raises UsageError.
    """
    if signature is None or signature.result.kind in ("void", "struct"):
        return plain(value)
    return converted(value, signature.result)


def result(kind: str, r0: int, r1: int) -> int | float | None:
    """What a function of the given result type returned in r0 (and r1)."""
    if result_type(kind) == "void":
        return None
    formats = {"s32": "<i", "u32": "<I", "s64": "<q", "u64": "<Q", "f32": "<f", "f64": "<d"}
    layout = formats[kind]
    value: int | float = struct.unpack_from(layout, struct.pack("<II", r0, r1))[0]
    return value
