"""Where the arguments of a call go: the base standard of the Arm procedure call standard (AAPCS32, IHI 0042)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np

from m0sim.errors import UsageError

ResultType = Literal["s32", "u32", "s64", "u64", "f32", "f64", "void"]
RESULT_TYPES: tuple[str, ...] = get_args(ResultType)


@dataclass(frozen=True, slots=True)
class Words:
    """One argument as 32-bit words: one of them, or two that take an even register pair or an 8-byte stack slot."""

    words: tuple[int, ...]


def word(value: int) -> Words:
    """An integer or address of 32 bits, from -2**31 to 2**32 - 1."""
    if not -(1 << 31) <= value < 1 << 32:
        raise UsageError(f"{value} does not fit in 32 bits; write i64:{value} for a 64-bit argument")
    return Words((value & 0xFFFFFFFF,))


def i64(value: int) -> Words:
    """A signed 64-bit integer."""
    if not -(1 << 63) <= value < 1 << 63:
        raise UsageError(f"{value} does not fit in a signed 64-bit integer")
    return Words((value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF))


def u64(value: int) -> Words:
    """An unsigned 64-bit integer."""
    if not 0 <= value < 1 << 64:
        raise UsageError(f"{value} does not fit in an unsigned 64-bit integer")
    return Words((value & 0xFFFFFFFF, value >> 32))


def f32(value: float) -> Words:
    """A float, passed as its bits in a core register (soft-float AAPCS). Overflow becomes infinity."""
    with np.errstate(over="ignore"):
        return Words((int(np.float32(value).view(np.uint32)),))


def f64(value: float) -> Words:
    """A double, passed as its bits in an even register pair (soft-float AAPCS)."""
    low, high = struct.unpack("<II", struct.pack("<d", value))
    return Words((low, high))


def place(arguments: list[Words]) -> tuple[list[int], bytes]:
    """Registers r0.. and the bytes on the stack at SP: AAPCS32, stage C of parameter passing.

    A two-word argument starts at an even register; once one argument is on the stack, all later ones are.
    """
    registers: list[int] = []
    stack = bytearray()
    for argument in arguments:
        pair = len(argument.words) == 2
        if pair and len(registers) % 2:
            registers.append(0)
        if not stack and len(registers) + len(argument.words) <= 4:
            registers.extend(argument.words)
            continue
        registers.extend([0] * (4 - len(registers)))
        if pair and len(stack) % 8:
            stack += bytes(4)
        stack += struct.pack(f"<{len(argument.words)}I", *argument.words)
    return registers, bytes(stack)


def result_type(text: str) -> ResultType:
    """The result type of that name. Raises `UsageError` where there is none."""
    if text not in RESULT_TYPES:
        raise UsageError(f"unknown result type {text!r}: one of {', '.join(RESULT_TYPES)}")
    return cast(ResultType, text)


def result(kind: str, r0: int, r1: int) -> int | float | None:
    """What a function of the given result type returned in r0 (and r1)."""
    if result_type(kind) == "void":
        return None
    formats = {"s32": "<i", "u32": "<I", "s64": "<q", "u64": "<Q", "f32": "<f", "f64": "<d"}
    layout = formats[kind]
    value: int | float = struct.unpack_from(layout, struct.pack("<II", r0, r1))[0]
    return value
