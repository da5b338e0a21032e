"""Arguments of a simulated call as text: what a person types after ``m0sim call ELF FUNCTION``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim import arguments
from m0sim.arguments import Words
from m0sim.errors import UsageError
from m0sim.machine import Buffer, Machine


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
        try:
            if self.path.suffix == ".npy":
                np.save(self.path, data)
            else:
                self.path.write_bytes(data.tobytes())
        except OSError as error:
            raise UsageError(f"{self.path}: cannot write: {error.strerror}") from error


def parse(machine: Machine, texts: list[str]) -> tuple[list[Words | Buffer], list[Output]]:
    """Put files and outputs into the machine's memory; return the arguments and what to show after the call.

    Raises UsageError that names the argument.
    """
    values: list[Words | Buffer] = []
    outputs: list[Output] = []
    for text in texts:
        try:
            value = _parse_one(machine, text, outputs)
        except UsageError as error:
            raise UsageError(f"argument {text!r}: {error}") from error
        values.append(value)
    return values, outputs


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


def _parse_one(machine: Machine, text: str, outputs: list[Output]) -> Words | Buffer:
    prefix, colon, rest = text.partition(":")
    if text.startswith("@"):
        return _file(machine, text[1:])
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
            return arguments.word(machine.symbol(rest).address)
        case "out":
            return _output(machine, rest, outputs)
    raise UsageError(f"unknown prefix {prefix!r}: one of i64, u64, f32, f64, sym, out, or @FILE")


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


def _file(machine: Machine, name: str) -> Buffer:
    path = Path(name)
    return machine.alloc(_contents(path), name=path.name)


def _contents(path: Path) -> npt.NDArray[Any]:
    try:
        if path.suffix == ".npy":
            array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
            return array
        return np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, MemoryError) as error:
        raise UsageError(f"{path} is not a NumPy array file that can be read: {error}") from error


def _output(machine: Machine, rest: str, outputs: list[Output]) -> Buffer:
    text, colon, name = rest.partition(":")
    if colon and not name:
        raise UsageError("out:N: wants a file name after the second colon")
    buffer = machine.alloc(size(text), name=f"out:{text}")
    outputs.append(Output(buffer, Path(name) if name else None))
    return buffer
