"""What stubs and registers answer, as text: ``--stub NAME=VALUE[,VALUE...]``, and the same in a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from m0sim.chip import arguments, operands
from m0sim.chip.arguments import Words
from m0sim.chip.machine import Machine
from m0sim.chip.operands import Operand, SymbolAddress
from m0sim.errors import UsageError

K = TypeVar("K")
Replies = tuple[Operand, ...]
"""Numbers and addresses, given in turn; the last one stays."""


def read(given: object) -> Replies:
    """The replies of a text such as ``1,f32:1.5``, an integer, or a list of them. Raises `UsageError`."""
    if isinstance(given, str):
        given = given.split(",")
    values = given if isinstance(given, Sequence) else [given]
    if not values:
        raise UsageError("needs at least one value")
    return tuple(_read_one(value) for value in values)


def address(text: str) -> int:
    """A register's address. Raises `UsageError`."""
    try:
        value = operands.integer(text)
        arguments.word(value)
    except UsageError:
        value = -1
    if value < 0 or value % 4:
        raise UsageError(f"{text!r} is not the address of a 32-bit register, such as 0x40034018: a multiple of 4")
    return value


def stubs(texts: Sequence[str]) -> dict[str, Replies]:
    """Those of ``--stub NAME=VALUE[,VALUE...]``. Raises `UsageError`."""
    return _by_key("--stub", [_stub(text) for text in texts])


def registers(texts: Sequence[str]) -> dict[int, Replies]:
    """Those of ``--register ADDRESS=VALUE[,VALUE...]``. Raises `UsageError`."""
    return _by_key("--register", [_register(text) for text in texts])


def _by_key(option: str, pairs: list[tuple[K, Replies]]) -> dict[K, Replies]:
    found: dict[K, Replies] = {}
    for key, several in pairs:
        if key in found:
            name = key if isinstance(key, str) else f"{key:#x}"
            raise UsageError(f"{option} {name} is given twice: for values in turn, write {option} {name}=1,2,3")
        found[key] = several
    return found


def _stub(text: str) -> tuple[str, Replies]:
    name, equals, values = text.rpartition("=")
    if not name or not equals:
        raise UsageError(f"--stub {text!r}: write NAME=VALUE, such as --stub read_adc=512")
    with _naming(f"--stub {text!r}"):
        return name, read(values)


def _register(text: str) -> tuple[int, Replies]:
    at, equals, values = text.partition("=")
    if not equals:
        raise UsageError(f"--register {text!r}: write ADDRESS=VALUE, such as --register 0x4004c004=512")
    with _naming(f"--register {text!r}"):
        return address(at), read(values)


def placed(machine: Machine, replies: Mapping[K, Replies]) -> dict[K, list[Words]]:
    """The values as `Machine.call` takes them. Raises `UsageError` for an unknown symbol."""
    return {key: [_placed(machine, one) for one in several] for key, several in replies.items()}


def _placed(machine: Machine, operand: Operand) -> Words:
    value = operands.place(machine, operand, [])
    assert isinstance(value, Words)
    return value


def _read_one(value: object) -> Operand:
    operand = operands.read(value)
    if not isinstance(operand, Words | SymbolAddress):
        raise UsageError(f"{value!r} is no answer: write a number, such as 5, f32:1.5 or i64:-5, or sym:NAME")
    return operand


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{what}: {error}") from None
