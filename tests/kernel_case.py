"""A row of the table of kernels: calls of ours and of the reference on the same operands, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn import blocks, layout

Array = NDArray[Any]


@dataclass(frozen=True)
class At:
    """A place inside an array."""

    name: str
    offset: int


@dataclass(frozen=True)
class Code:
    """The address of a function."""

    name: str


@dataclass(frozen=True)
class Block:
    """A kernel's parameter block: its words by the names of kernels/m0k.h. A field that is not named is 0."""

    function: str
    words: dict[str, Any]


Word = "str | int | At | Code | Block | tuple[Word, ...]"
"""An array (its address), a number, or a block or a tuple of words in memory (its address)."""

View = Callable[[Array], Array]


@dataclass(frozen=True)
class Side:
    """One implementation: its calls, and which array has the result, seen in logical order."""

    arrays: dict[str, Array]
    calls: list[tuple[str, list[Any]]]
    """Functions with the words that are passed to them; cycles are summed over the calls."""
    result: str
    view: View = np.ravel


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    kernel: str
    operands: str
    unit: str
    count: int
    """Cycles are given for one of so many units."""
    ours: Side
    reference: Side
    is_multiplying: bool = False
    """It multiplies for every unit."""
    limit: float | None = None
    """Cycles a unit that were asked for."""
    bound: str = ""
    """What keeps it from the limit, where that is missed."""
    moved: float | None = None
    """Share of the edges whose value changed."""
    lanes: Mapping[str, Side] = field(default_factory=dict)
    """The kernel's own idea in C (kernels/ref/swar.c), where there is that: its forms by name."""
    more: tuple[Case, ...] = ()
    """The same on other operands: cycles are summed, and `count` is of all."""

    @property
    def runs(self) -> tuple[Case, ...]:
        return (self, *self.more)


def block(function: str, *first: Any, **more: Any) -> Block:
    """`first` are the first fields of the function's block in the order of m0k.h; `more` are others by name."""
    fields = blocks.blocks()[function]
    words = dict(zip(fields, first, strict=False)) | more
    assert len(words) == len(first) + len(more), f"{function}: a field given twice, or more than there are"
    assert words.keys() <= set(fields), f"{function} has no field {words.keys() - set(fields)}"
    return Block(function, words)


def one(function: str, *first: Any, **more: Any) -> list[tuple[str, list[Any]]]:
    """One call with one block."""
    return [(function, [block(function, *first, **more)])]


def forms(function: str, arrays: dict[str, Array], words: list[Any]) -> dict[str, Side]:
    """Of a function of kernels/ref/swar.c."""
    names = {"all words": function, "skipping zeros": f"{function}_skipping"}
    return {name: Side(arrays, [(each, words)], "out") for name, each in names.items()}


def mean(operands: str, found: Iterable[Case], limit: float | None = None) -> Case:
    """One row for all of them: cycles a unit are those of all together."""
    first, *others = found
    count = first.count + sum(case.count for case in others)
    return replace(first, operands=operands, count=count, limit=limit, moved=None, more=tuple(others))


def provided(
    function: str, *first: Any, scratch: str, row: int, groups: int, **more: Any
) -> list[tuple[str, list[Any]]]:
    """The calls of a provider, a group of `row` bytes each; here every group has a place of its own in `scratch`."""
    places = (At(scratch, g * row) for g in range(groups))
    return [
        (function, [block(function, *first, scratch=place, row_bytes=row, **more), g]) for g, place in enumerate(places)
    ]


def unpacked(*shape: int) -> View:
    return lambda packed: layout.unpack(packed, shape).ravel()


def grad_rows(n_out: int, n_in: int) -> View:
    """A gradient int32 [n_out][P] without its padding."""
    return lambda grad: grad.reshape(n_out, -1)[:, :n_in].ravel()


def packed_grad(grad: Array) -> Array:
    return np.pad(grad, ((0, 0), (0, -grad.shape[1] % 4))).astype(np.int32)


def zeros(count: int, dtype: type = np.int8) -> Array:
    return np.zeros(count, dtype)


def named(function: str, arrays: Sequence[str], fields: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """One call whose block has the address of each array in the field of its name."""
    return one(function, **{name: name for name in arrays}, **fields)


def shape(conv: tuple[int, ...]) -> Array:
    return np.array(conv, np.int32)
