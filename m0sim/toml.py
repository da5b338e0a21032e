"""TOML files that people write, read with errors that name the file, the line and the key."""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from m0sim import files
from m0sim.errors import UsageError, did_you_mean

KeyPath = tuple[str | int, ...]
"""Where a value is: keys of tables and indices into arrays, from the top of the file on."""

_LIMIT = 16 << 20
"""Bytes of a file that a person writes."""


def read(path: Path, what: str, known: Collection[str]) -> Table:
    """The top table of a file, `what` being what the file is, such as "the profile". `known` are its keys.

    Raises `UsageError`, in one line, where it cannot be read, is no TOML, or has another key.
    """
    try:
        text = _read_text(path, what)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a text file in UTF-8, as {what} is: byte {error.start}") from error
    return parse(path, text, known)


def parse(path: Path, text: str, known: Collection[str]) -> Table:
    """The top table of a text; errors say that it is in the file `path`. `known` and what it raises: as of `read`."""
    try:
        raw = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or of Python's own limit on the digits of an integer
        raise UsageError(f"{path}:{_line_of(error, text)}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: not valid TOML: too many nested brackets") from error
    return Table(path, Lines(text), (), "", raw, known)


def _read_text(path: Path, what: str) -> str:
    """Of a file as Python reads a text: without a byte order mark, every line ending in LF."""
    return io.StringIO(files.read(path, _LIMIT, what).decode("utf-8-sig"), newline=None).read()


class Lines:
    """Where the keys of a file's text are. Only an error asks for that, so it is found out when the first one does."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> tuple[type[Lines], tuple[str]]:
        return Lines, ("",)  # another process, which gets a copy with every bench, tells no lines

    def of(self, at: KeyPath) -> int:
        """The line on which a key, or else the table that it is missing in, begins."""
        while at not in self._known and at:
            at = at[:-1]
        return self._known.get(at, 1)

    @cached_property
    def _known(self) -> dict[KeyPath, int]:
        return key_lines(self.text)


class Table:
    """One table of a file. Its getters return a checked value or raise a `UsageError` that names file, line and key."""

    def __init__(self, path: Path, lines: Lines, at: KeyPath, label: str, raw: object, known: Collection[str]) -> None:
        self.path = path
        self.raw: dict[str, Any] = raw if isinstance(raw, dict) else {}
        self.lines = lines
        self.at = at
        self._label = label
        if not isinstance(raw, dict):
            raise UsageError(f"{path}:{self.line()}: {label.rstrip(':. ')}: must be a table, not {raw!r}")
        self.check_keys(known)

    def check_keys(self, known: Collection[str]) -> None:
        """Raise `UsageError` for a key that is not among the known ones."""
        for key in self.raw:
            if key not in known:
                self.fail(repr(key)[1:-1], f"unknown key{did_you_mean(key, known)}")

    def line(self, key: str = "") -> int:
        """The line on which a key, or the table itself, begins."""
        return self.lines.of((*self.at, key))

    def fail(self, key: str, what: str) -> NoReturn:
        """Raise `UsageError`, saying what is wrong with a key."""
        raise UsageError(f"{self.path}:{self.line(key)}: {self._label}{key}: {what}")

    def _typed(self, key: str, types: tuple[type, ...], what: str, default: object) -> Any:
        if key not in self.raw:
            if default is None:
                self.fail(key, "missing")
            return default
        value = self.raw[key]
        if type(value) not in types:  # not isinstance: TOML's true is no integer, though Python's is
            self.fail(key, f"must be {what}, not {value!r}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        return str(self._typed(key, (str,), "a string", default))

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> Any:
        """One of the strings `allowed`."""
        value = self.text(key, default)
        if value not in allowed:
            self.fail(key, f"must be one of {', '.join(allowed)}, not {value!r}{did_you_mean(value, allowed)}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        return bool(self._typed(key, (bool,), "true or false", default))

    def integer(self, key: str, low: int, high: int, *, multiple_of: int = 1, default: int | None = None) -> int:
        """An integer from `low` to `high`."""
        value = int(self._typed(key, (int,), "an integer", default))
        show = hex if key in ("base", "size") else str
        if not low <= value <= high:
            self.fail(key, f"must be from {show(low)} to {show(high)}, not {show(value)}")
        if value % multiple_of:
            self.fail(key, f"must be a multiple of {multiple_of}, not {show(value)}")
        return value

    def positive(self, key: str, high: float, unit: str) -> float:
        """A number above 0 and at most `high`."""
        value = float(self._typed(key, (int, float), "a number", None))
        if not 0 < value <= high:  # also false for nan
            self.fail(key, f"must be above 0 and at most {high:g} {unit}, not {value:g}")
        return value

    def array(self, key: str) -> list[Any]:
        """An array of anything; empty when it is absent."""
        return list(self._typed(key, (list,), "an array", []))

    def table(self, key: str, known: Collection[str] | None = None) -> Table | None:
        """The table at `key`, None when it is absent. Without `known`, it may have any keys."""
        if key not in self.raw:
            return None
        raw = self.raw[key]
        names = raw if known is None and isinstance(raw, dict) else known or ()
        return Table(self.path, self.lines, (*self.at, key), f"{self._label}{key}.", raw, names)

    def tables(self, key: str, known: Collection[str] | None, *, named_by: str = "") -> Iterator[Table]:
        """The entries of the array of tables [[key]]; none when it is absent. Without `known`, they may have any keys.

        Errors call them ``key[0]``, or ``key "NAME"`` where the entry's key `named_by` has a name.
        """
        entries = self.raw.get(key, [])
        if not isinstance(entries, list):
            self.fail(key, f"must be an array of tables, [[{self._label}{key}]]")
        for i, raw in enumerate(entries):
            name = raw.get(named_by) if isinstance(raw, dict) else None
            label = f"{key} {name!r}: " if isinstance(name, str) and name else f"{self._label}{key}[{i}]."
            names = raw if known is None and isinstance(raw, dict) else known or ()
            yield Table(self.path, self.lines, (*self.at, key, i), label, raw, names)


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, on which every table and every key of a valid TOML text begins.

    tomllib keeps no positions, so each statement is parsed by itself once more. Takes time in proportion to the text.
    """
    found: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    inside: KeyPath = ()
    for line, statement in _statements(text):
        value = tomllib.loads(statement)
        if not statement.lstrip().startswith("["):
            for path in _paths(value, inside):
                found.setdefault(path, line)
            continue
        inside = _header(value, counts)
        for path in (inside, inside[:-1] if isinstance(inside[-1], int) else inside):  # of an array, its first entry
            found.setdefault(path, line)
    return found


# What may hide a bracket or the end of a line, and these. A string that is never closed goes on to the end.
_TOKEN = re.compile(
    r"""
    \"{3} (?: \\. | [^\\] )*? (?: "{3,5} | \Z )  # up to two quotes may stand before the closing three
    | '{3} .*? (?: '{3,5} | \Z )
    | " (?: \\. | [^"\\\n] )* "
    | ' [^'\n]* '
    | \# [^\n]*
    | [][{}\n]
    """,
    re.DOTALL | re.VERBOSE,
)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement, and at the end what is left of an unfinished one, with its first line.

    A statement ends with the line, outside of strings and brackets; what is only a comment or a space is none.
    """
    text = text.removeprefix("\ufeff") + "\n"
    start = depth = 0
    line = next_line = 1
    for token in _TOKEN.finditer(text):
        mark = token[0]
        next_line += mark.count("\n")
        depth += (mark in ("[", "{")) - (mark in ("]", "}"))
        if mark == "\n" and depth <= 0:
            if text[start : token.start()].strip().partition("#")[0]:
                yield line, text[start : token.end()]
            start, line, depth = token.end(), next_line, 0
    if text[start:].strip():
        yield line, text[start:]


def _header(value: dict[str, Any], counts: dict[KeyPath, int]) -> KeyPath:
    """The path that ``[a.b]`` or ``[[a.b]]``, parsed alone, opens, after the array entries that came before."""
    path: KeyPath = ()
    here: Any = value
    while isinstance(here, dict) and here:
        key = next(iter(here))
        path, here = (*path, key), here[key]
        if isinstance(here, list):  # of [[a.b]], at the end
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _paths(value: Any, at: KeyPath) -> Iterator[KeyPath]:
    """Every key path in a value, outer ones first."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*at, key)
        yield from _paths(item, (*at, key))


def _line_of(error: ValueError, text: str) -> int:
    """The line that tomllib tells, or, where it says "at end of document", that of what was not finished there."""
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else max((first for first, _ in _statements(text)), default=1)
