"""Arguments of a simulated call as text: what a person types after ``m0sim call ELF FUNCTION``, or has in a manifest.

`read` understands one without touching a file or a machine, `place` puts what it means into a machine's memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim import arguments, arrays, files
from m0sim.arguments import Words
from m0sim.buffer import Buffer
from m0sim.errors import UsageError
from m0sim.machine import Machine


@dataclass(frozen=True, slots=True)
class File:
    """``@FILE``: a buffer with the bytes of a file, or the NumPy array in it."""

    path: Path


@dataclass(frozen=True, slots=True)
class SymbolAddress:
    """``sym:NAME``: an object's address, or what a pointer to the function is."""

    name: str


@dataclass(frozen=True, slots=True)
class Zeroed:
    """``out:N``: a buffer of zeros, to show or write after the call."""

    text: str
    size: int
    path: Path | None


@dataclass(frozen=True, slots=True)
class Struct:
    """``struct:A,B``: the members one after the other in memory, each an operand of one or two words."""

    members: tuple[Operand, ...]


FILE_LIMIT = 64 << 20
"""Bytes of a file that is an argument."""

Operand = Words | File | SymbolAddress | Zeroed | Struct


@dataclass(frozen=True, slots=True)
class Output:
    """A buffer to show or write after the call."""

    buffer: Buffer
    path: Path | None

    def save(self) -> None:
        """Write the contents to `path`. Raises UsageError when that fails."""
        if self.path is None:
            return
        data = self.buffer.read()
        files.write(self.path, arrays.to_npy(data) if self.path.suffix == ".npy" else data.tobytes())


def parse(machine: Machine, texts: list[str]) -> tuple[list[Words | Buffer], list[Output]]:
    """Put files and outputs into the machine's memory; return the arguments and what to show after the call.

    Raises UsageError that names the argument.
    """
    values: list[Words | Buffer] = []
    outputs: list[Output] = []
    for text in texts:
        try:
            values.append(place(machine, read(text), outputs))
        except UsageError as error:
            raise UsageError(f"argument {text!r}: {error}") from error
    return values, outputs


def read(value: object, folder: Path = Path()) -> Operand:
    """The operand that a text, an integer, or a sequence of such (a struct) stands for; paths are from `folder`.

    Raises UsageError.
    """
    if isinstance(value, str):
        return _read_text(value, folder)
    if isinstance(value, Sequence):
        return _struct([read(member, folder) for member in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return arguments.word(value)
    if isinstance(value, float):
        raise UsageError(f'write "f32:{value}" or "f64:{value}" for a floating-point number')
    raise UsageError(f'{value!r} is no argument: write an integer, a text such as "@file.bin", or an array of them')


def place(machine: Machine, operand: Operand, outputs: list[Output]) -> Words | Buffer:
    """Put what an operand means into the machine's memory, and append its zeroed buffers to `outputs`.

    Raises UsageError for a file that cannot be read, an unknown symbol, and what does not fit.
    """
    match operand:
        case File(path):
            return machine.alloc(_contents(path), name=path.name)
        case SymbolAddress(name):
            symbol = machine.symbol(name)
            return arguments.word(symbol.address | symbol.is_thumb)  # a pointer to Thumb code has bit 0 set
        case Zeroed(text, size, path):
            buffer = machine.alloc(size, name=f"out:{text}")
            outputs.append(Output(buffer, path))
            return buffer
        case Struct(members):
            words = _struct_words([place(machine, member, outputs) for member in members])
            return machine.alloc(np.array(words, np.uint32), name="struct")
    return operand


def parts(operand: Operand) -> Iterator[Operand]:
    """The operand, or of a struct its members, and those of structs in it."""
    if not isinstance(operand, Struct):
        yield operand
        return
    for member in operand.members:
        yield from parts(member)


def size(text: str) -> int:
    """A number of bytes: decimal or hex, with K for 1,024 and M for 1,048,576."""
    scale = {"K": 1024, "M": 1024 * 1024}.get(text[-1:].upper(), 1)
    try:
        value = integer(text if scale == 1 else text[:-1]) * scale
    except UsageError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise UsageError(f"{text!r} is not a size in bytes, such as 16, 0x10, 4K or 1M")
    return value


def integer(text: str) -> int:
    """A decimal, 0x, 0o or 0b integer; underscores may group digits."""
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return int(text, 10)  # 007, which the prefix rules of int(_, 0) refuse
    except ValueError:
        raise UsageError(f"{text!r} is not an integer") from None


def _read_text(text: str, folder: Path) -> Operand:
    prefix, colon, rest = text.partition(":")
    if text.startswith("@"):
        return File(folder / text[1:])
    if not colon:
        return _plain(text)
    match prefix:
        case "i64":
            return arguments.i64(integer(rest))
        case "u64":
            return arguments.u64(integer(rest))
        case "f32":
            return arguments.f32(_float(rest))
        case "f64":
            return arguments.f64(_float(rest))
        case "sym":
            return SymbolAddress(rest)
        case "out":
            return _zeroed(rest, folder)
        case "struct":
            return _typed_struct(rest, folder)
    raise UsageError(f"unknown prefix {prefix!r}: one of i64, u64, f32, f64, sym, out, struct, or @FILE")


def _plain(text: str) -> Words:
    try:
        return arguments.word(integer(text))
    except UsageError:
        if text.lstrip("-")[:1].isdigit() and "." in text:
            raise UsageError(f"write f32:{text} for a float") from None
        raise


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a number") from None


def _zeroed(rest: str, folder: Path) -> Zeroed:
    text, colon, name = rest.partition(":")
    if colon and not name:
        raise UsageError("out:N: wants a file name after the second colon")
    return Zeroed(text, size(text), folder / name if name else None)


def _typed_struct(rest: str, folder: Path) -> Struct:
    texts = rest.split(",")
    if any(text.startswith("struct:") for text in texts):
        raise UsageError("a struct: cannot hold another one: commas would not tell whose a member is")
    return _struct([_read_text(text, folder) for text in texts] if rest else [])


def _struct(members: list[Operand]) -> Struct:
    if not members:
        raise UsageError("a struct needs at least one member")
    return Struct(tuple(members))


def _struct_words(members: list[Words | Buffer]) -> list[int]:
    """The members as C lays them out: 64-bit ones lie on a multiple of 8 bytes, and so does the struct's end then."""
    words: list[int] = []
    has_pairs = False
    for member in members:
        given = member.words if isinstance(member, Words) else (member.address,)
        if len(given) == 2:
            has_pairs = True
            words += [0] * (len(words) % 2)
        words += given
    return words + [0] * (len(words) % 2 if has_pairs else 0)


def _contents(path: Path) -> npt.NDArray[Any]:
    """What an argument's file holds. The limit is above the SRAM of every device: what does not fit is said later."""
    if path.suffix == ".npy":
        return arrays.read_npy(path, FILE_LIMIT)
    return np.frombuffer(files.read(path, FILE_LIMIT), np.uint8)
