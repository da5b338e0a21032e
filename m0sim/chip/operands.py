"""Arguments of a simulated call as text: what a person types after ``m0sim call ELF FUNCTION``, or has in a manifest.

`read` understands one without touching a file or a machine, `place` puts what it means into a machine's memory.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from m0sim import arrays, files
from m0sim.chip import arguments
from m0sim.chip.arguments import Words
from m0sim.chip.buffer import Buffer
from m0sim.chip.machine import Machine
from m0sim.errors import UsageError
from m0sim.image import Image
from m0sim.image.cxx_names import without_parameters

if TYPE_CHECKING:
    from m0sim.image.signatures import Member, Type


@dataclass(frozen=True, slots=True)
class File:
    """``@FILE``: a buffer with the bytes of a file, or the NumPy array in it."""

    path: Path


@dataclass(frozen=True, slots=True)
class SymbolAddress:
    """``sym:NAME+OFFSET``: an address in an object, or what a pointer to the function is."""

    name: str
    offset: int = 0
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Zeroed:
    """``out:N``: a buffer of zeros, to show or write after the call."""

    text: str
    size: int
    path: Path | None


@dataclass(frozen=True, slots=True)
class Content:
    """``str:TEXT`` with the NUL behind it, or ``hex:BYTES``: a buffer with these bytes."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """``{A,B}``: the members one after the other, as C lays them out. An argument like this is a struct by value."""

    members: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Struct:
    """``struct:A,B``: the address of a buffer with the members, as C lays them out."""

    members: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function to run first, such as ``init(1, @table.bin)``. `read_call` makes it."""

    text: str
    name: str
    args: tuple[Operand, ...] = ()
    error: str = ""
    """Why what is in the parentheses are no arguments: they may belong to a name, as in ``geometry::area(int)``."""


FILE_LIMIT = 64 << 20
"""Bytes of a file that is an argument."""

Operand = Words | File | SymbolAddress | Zeroed | Content | Group | Struct


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


def parse(machine: Machine, texts: list[str], function: str | None = None) -> tuple[list[Words | Buffer], list[Output]]:
    """Put files and outputs into the machine's memory; return the arguments and what to show after the call.

    Structs are laid out as the parameters of `function` declare them. Raises UsageError that names the argument.
    """
    values: list[Words | Buffer] = []
    outputs: list[Output] = []
    types = [None] * len(texts) if function is None else types_of(machine, function, len(texts))
    for text, type_ in zip(texts, types, strict=True):
        try:
            values.append(place(machine, read(text), outputs, type_))
        except UsageError as error:
            raise UsageError(f"argument {text!r}: {error}") from error
    return values, outputs


def types_of(machine: Machine, function: str, count: int) -> list[Type | None]:
    """The declared types of a function's first `count` parameters; None where nothing tells."""
    signature = machine.signature(function)
    types: list[Type | None] = [] if signature is None else [p.type for p in signature.parameters[:count]]
    return types + [None] * (count - len(types))


def read_call(text: str, folder: Path = Path()) -> Call:
    """The call that ``FUNCTION`` or ``FUNCTION(ARGUMENTS)`` stands for; paths are from `folder`."""
    text = text.strip()
    name = without_parameters(text)
    if name == text:
        return Call(text, text)
    try:
        inside = text[len(name) + 1 : -1].strip()
        return Call(text, name.strip(), tuple(_read_text(t.strip(), folder) for t in _split(inside)) if inside else ())
    except UsageError as error:
        return Call(text, name.strip(), (), str(error))


def name_of(image: Image, call: Call) -> str:
    """The function that a call is of: the parentheses may be part of its name. Raises UsageError for an unknown one."""
    try:
        return image.find(call.text).name
    except UsageError:
        if call.name == call.text:
            raise
    found = image.find(call.name).name
    if call.error:
        raise UsageError(f"{call.text}: {call.error}")
    return found


def place_call(machine: Machine, call: Call, outputs: list[Output]) -> tuple[str | Words | Buffer, ...]:
    """A call's function and arguments, as `Machine.call` takes them in `before`."""
    name = name_of(machine.program, call)
    args = call.args if not call.error else ()
    types = types_of(machine, name, len(args))
    try:
        return name, *(place(machine, arg, outputs, type_) for arg, type_ in zip(args, types, strict=True))
    except UsageError as error:
        raise UsageError(f"{call.text}: {error}") from error


def read(value: object, folder: Path = Path()) -> Operand:
    """The operand that a text, an integer, or a sequence of such (a struct) stands for; paths are from `folder`.

    Raises UsageError.
    """
    if isinstance(value, str):
        return _read_text(value, folder)
    if isinstance(value, Sequence):
        return Struct(_some([read(member, folder) for member in value]))
    if isinstance(value, int) and not isinstance(value, bool):
        return arguments.word(value)
    if isinstance(value, float):
        raise UsageError(f'write "f32:{value}" or "f64:{value}" for a floating-point number')
    raise UsageError(f'{value!r} is no argument: write an integer, a text such as "@file.bin", or an array of them')


def place(machine: Machine, operand: Operand, outputs: list[Output], type_: Type | None = None) -> Words | Buffer:
    """Put what an operand means into the machine's memory, and append its zeroed buffers to `outputs`.

    Structs are laid out as `type_`, the declared type of the parameter, says. Raises UsageError for a file that cannot
    be read, an unknown symbol, and what does not fit.
    """
    match operand:
        case File(path):
            return machine.alloc(_contents(path), name=path.name)
        case SymbolAddress():
            return _address(machine, operand)
        case Content(name, content):
            return machine.alloc(np.frombuffer(content, np.uint8), name=name)
        case Zeroed(text, size, path):
            buffer = machine.alloc(size, name=f"out:{text}")
            outputs.append(Output(buffer, path))
            return buffer
        case Group(members):
            return arguments.structure(*_laid_out(machine, members, type_, outputs))
        case Struct(members):
            target = None if type_ is None else type_.target
            known = target if target is not None and target.kind == "struct" and target.size else None
            content, _ = _laid_out(machine, members, known, outputs)
            return machine.alloc(np.frombuffer(content, np.uint8 if len(content) % 4 else np.uint32), name="struct")
    return operand


def _address(machine: Machine, operand: SymbolAddress) -> Words:
    symbol = machine.symbol(operand.name)
    if symbol.size and operand.offset > symbol.size:
        raise UsageError(f"{symbol.name} has {symbol.size} bytes: +{operand.offset} is behind it")
    address = symbol.address + operand.offset
    if not 0 <= address < 1 << 32:
        raise UsageError(f"{symbol.name}{operand.offset:+} is no address")
    return arguments.word(address | symbol.is_thumb)  # a pointer to Thumb code has bit 0 set


def _laid_out(
    machine: Machine, members: tuple[Operand, ...], type_: Type | None, outputs: list[Output]
) -> tuple[bytes, int]:
    """The bytes of a struct with these members, and its alignment; as `type_` has it, or each as it would be passed."""
    if type_ is None:
        content, alignment = b"", 4
        for member in members:
            added, its_alignment = _member(machine, member, None, outputs)
            content += bytes(-len(content) % its_alignment) + added
            alignment = max(alignment, its_alignment)
        return content + bytes(-len(content) % alignment), alignment
    declared = _members(type_)
    if len(members) != len(declared):
        names = ", ".join(m.name or "(unnamed)" for m in declared[:8]) + ", ..." * (len(declared) > 8)
        raise UsageError(f"{type_.name} has {len(declared)} members ({names}), not {len(members)}")
    filled = bytearray(type_.size)
    for member, place_ in zip(members, declared, strict=True):
        try:
            added, _ = _member(machine, member, place_.type, outputs)
        except UsageError as error:
            raise UsageError(f"{place_.name} ({place_.type.name}): {error}") from error
        filled[place_.offset : place_.offset + len(added)] = added
    return bytes(filled), type_.alignment or 4


def _members(type_: Type) -> tuple[Member, ...]:
    if type_.kind not in ("struct", "array"):
        raise UsageError(f"it is {type_.name}, which has no members")
    if type_.members is None:
        raise UsageError(f"{type_.name} has bit-fields, a base or members that are not known: write its bytes, as hex:")
    return type_.members[:1] if type_.is_union else type_.members


def _member(machine: Machine, operand: Operand, type_: Type | None, outputs: list[Output]) -> tuple[bytes, int]:
    """The bytes of one member, and its alignment."""
    if isinstance(operand, Group):
        return _laid_out(machine, operand.members, type_, outputs)
    placed = place(machine, operand, outputs, type_)
    words = arguments.word(placed.address) if isinstance(placed, Buffer) else placed
    size = 4 * len(words.words)
    if type_ is not None:
        if type_.kind == "array":
            raise UsageError("write its elements in braces, such as {1,2}")
        words, size = arguments.converted(words, type_), type_.size
    return struct.pack(f"<{len(words.words)}I", *words.words)[:size], words.alignment


def parts(operand: Operand) -> Iterator[Operand]:
    """The operand, or of a struct its members, and those of structs in it."""
    if not isinstance(operand, Struct | Group):
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
    if text.startswith("{"):
        return Group(_read_members(text, folder))
    if text.startswith("["):
        raise UsageError("brackets are for the arrays of a manifest: write struct:{A,B} for a struct's address")
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
            return _symbol(rest)
        case "str":
            return Content("str", rest.encode() + b"\0")
        case "hex":
            return _hex(rest)
        case "out":
            return _zeroed(rest, folder)
        case "struct":
            return Struct(_read_members(rest, folder))
    raise UsageError(f"unknown prefix {prefix!r}: one of i64, u64, f32, f64, sym, str, hex, out, struct, or @FILE")


def _plain(text: str) -> Words:
    try:
        return arguments.word(integer(text))
    except UsageError:
        if text.lstrip("-")[:1].isdigit() and "." in text:
            raise UsageError(f"write f32:{text} for a float") from None
        if "." in text or "/" in text:
            raise UsageError(f"{text!r} is not an integer: write @{text} for a file's bytes") from None
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


def _symbol(rest: str) -> SymbolAddress:
    matched = re.fullmatch(r"(.+?)([+-](?:0[xX][0-9a-fA-F]+|[0-9]+))", rest)
    return SymbolAddress(rest) if matched is None else SymbolAddress(matched[1], integer(matched[2]))


def _hex(rest: str) -> Content:
    try:
        return Content("hex", bytes.fromhex(rest))
    except ValueError:
        raise UsageError(f"{rest!r} are no bytes in hex, such as 0a0b") from None


def _read_members(text: str, folder: Path) -> tuple[Operand, ...]:
    """Of ``A,B`` or ``{A,B}``, where members in braces and with ``struct:{...}`` are structs in turn."""
    texts = _split(text)
    if len(texts) == 1 and text.startswith("{"):
        texts = _split(text[1:-1])
    texts = [member.lstrip() for member in texts]
    if any(member.startswith("struct:") and not member.startswith("struct:{") for member in texts):
        raise UsageError("a struct: cannot hold another one without braces: write struct:{A,B} for its address")
    return _some([_read_text(member, folder) for member in texts] if texts != [""] else [])


def _split(text: str) -> list[str]:
    """What stands between the commas that are in no braces."""
    pieces, depth = [""], 0
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        if depth < 0:
            break
        if letter == "," and not depth:
            pieces.append("")
        else:
            pieces[-1] += letter
    if depth:
        raise UsageError(f"{text!r}: a brace has no other one")
    return pieces


def _some(members: list[Operand]) -> tuple[Operand, ...]:
    if not members:
        raise UsageError("a struct needs at least one member")
    return tuple(members)


def _contents(path: Path) -> npt.NDArray[Any]:
    """What an argument's file holds. The limit is above the SRAM of every device: what does not fit is said later."""
    if path.suffix == ".npy":
        return arrays.read_npy(path, FILE_LIMIT)
    return np.frombuffer(files.read(path, FILE_LIMIT), np.uint8)
