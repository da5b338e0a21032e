"""``[bench.matrix]``: a bench that is written once and measured with every combination of values.

Each combination is a bench of its own: ``{n}`` in its strings is the value of the axis ``n``, and a string that is
nothing but ``{n}`` is the value itself, so that integers stay integers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from m0sim.check.bench import Case, Value
from m0sim.errors import did_you_mean
from m0sim.toml import Table

MOST = 256
"""Combinations of one bench."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_WHOLE = re.compile(r"\{([^{}]*)\}")

Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class _Axis:
    """One key of the matrix. Several names in it, with a comma between them, move together."""

    key: str
    names: tuple[str, ...]
    """The first tells the combinations apart."""
    rows: tuple[Row, ...]
    """A value for each name."""


def expanded(bench: Table) -> Iterator[tuple[Table, Case | None]]:
    """The bench itself, or, where it has a matrix, one for each combination, the last axis changing fastest.

    Raises `UsageError` that names file, line, bench and key.
    """
    table = bench.table("matrix")
    if table is None:
        yield bench, None
        return
    axes = _axes(table)
    _reject_too_many(bench, axes)
    family = bench.text("name")
    used: set[str] = set()
    cases: dict[str, Case] = {}
    for rows in product(*(axis.rows for axis in axes)):
        values = {
            name: v for axis, row in zip(axes, rows, strict=True) for name, v in zip(axis.names, row, strict=True)
        }
        case = Case(family, tuple((axis.names[0], row[0]) for axis, row in zip(axes, rows, strict=True)))
        filler = _Filler(bench, values)
        name = _name(filler, case)
        if name in cases:
            bench.fail("name", f"two combinations are both called {name!r}: leave {{...}} out, or name every axis")
        cases[name] = case
        raw = {key: filler.filled(key, v) for key, v in bench.raw.items() if key not in ("matrix", "name")}
        used |= filler.used
        yield Table(bench.path, bench.lines, bench.at, f"bench {name!r}: ", {"name": name} | raw, ("name", *raw)), case
    _reject_unused(table, axes, used)


def _axes(table: Table) -> list[_Axis]:
    axes = [_axis(table, key) for key in table.raw]
    if not axes:
        table.fail("", "has no axis: write such as n = [16, 64, 256]")
    seen: set[str] = set()
    for axis in axes:
        for name in axis.names:
            if name in seen:
                table.fail(axis.key, f"{name!r} is there twice")
            seen.add(name)
    return axes


def _axis(table: Table, key: str) -> _Axis:
    names = tuple(name.strip() for name in key.split(","))
    for name in names:
        if not _NAME.fullmatch(name):
            table.fail(key, f"{name!r} is no name: letters, digits, _ and -, such as n")
    values = table.array(key)
    if not values:
        table.fail(key, "must have at least one value")
    rows = tuple(_row(table, key, names, value) for value in values)
    seen: set[Value] = set()
    for (value, *_), first in ((row, text_of(row[0])) for row in rows):
        if first in seen or (value in seen and not isinstance(value, bool)):  # 16 is "16", and 16.0
            table.fail(key, f"{first} is there twice")
        seen |= {first} if isinstance(value, bool) else {first, value}
    return _Axis(key, names, rows)


def _row(table: Table, key: str, names: tuple[str, ...], value: object) -> Row:
    row: list[Any]
    if len(names) == 1:
        row = [value]
    elif isinstance(value, list) and len(value) == len(names):
        row = value
    else:
        table.fail(key, f"must be an array of arrays of {len(names)} values, one for each name, not of {value!r}")
    for each in row:
        if not isinstance(each, int | float | str) or (isinstance(each, float) and not math.isfinite(each)):
            table.fail(key, f"must be numbers, texts, true or false, not {each!r}")
    return tuple(row)


def _reject_too_many(bench: Table, axes: list[_Axis]) -> None:
    number = math.prod(len(axis.rows) for axis in axes)
    if number > MOST:
        lengths = " times ".join(str(len(axis.rows)) for axis in axes)
        bench.fail("matrix", f"{lengths} are {number:,} combinations, and a bench may have {MOST}: give fewer values")


def _reject_unused(table: Table, axes: list[_Axis], used: set[str]) -> None:
    """An axis that changes nothing measures the same several times. The first of several names may be a label only."""
    for axis in axes:
        wanted = axis.names if len(axis.names) == 1 else axis.names[1:]
        for name in wanted:
            if name not in used:
                table.fail(axis.key, f'nothing uses {{{name}}}: write it into a value, such as args = ["{{{name}}}"]')


def _name(filler: _Filler, case: Case) -> str:
    """The bench's own, and behind it each axis that is not in it."""
    name = text_of(filler.filled("name", case.family))
    named, filler.used = filler.used, set()
    return " ".join([name, *(f"{axis}={text_of(value)}" for axis, value in case.values if axis not in named)])


def text_of(value: Value) -> str:
    """As TOML writes it, without quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Filler:
    """Puts the values of one combination in the place of their names, and remembers which were asked for."""

    def __init__(self, bench: Table, values: Mapping[str, Value]) -> None:
        self._bench = bench
        self._values = values
        self.used: set[str] = set()

    def filled(self, key: str, value: Any) -> Any:
        """The value of a key of the bench, with everything inside of it."""
        if isinstance(value, list):
            return [self.filled(key, item) for item in value]
        if isinstance(value, dict):
            return {name: self.filled(key, item) for name, item in value.items()}
        if not isinstance(value, str):
            return value
        whole = _WHOLE.fullmatch(value)
        if whole:
            return self._of(key, whole[1])
        return _BRACES.sub(lambda found: self._text(key, value, found), value)

    def _text(self, key: str, whole: str, found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        if found[1] is None:
            self._bench.fail(key, f"{whole!r}: a brace alone: write {found[0] * 2} for one that stays")
        return text_of(self._of(key, found[1]))

    def _of(self, key: str, name: str) -> Value:
        if name not in self._values:
            there = ", ".join(f"{{{known}}}" for known in self._values)
            self._bench.fail(key, f"the matrix has no {name!r}{did_you_mean(name, self._values)} (there is {there})")
        self.used.add(name)
        return self._values[name]
