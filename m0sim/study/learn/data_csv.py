"""Windows of signals in a .csv file: a row is a window, its label in one column, its values in the others.

A row has the values sample by sample: all channels of the first sample, then all of the second. A first row with names
is a header; a column called ``split`` there says which part a window is of.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m0sim import files
from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import data_files
from m0sim.study.learn.data_files import Contents, Reading

LIMIT = 64 << 20
"""Bytes of a file."""

_CELLS = 1 << 24
"""Values all told: each takes eight bytes while it is read."""
_LINE = 1 << 20
_CALLED = ("label", "class")
_SPLIT = "split"


@dataclass(frozen=True)
class _Columns:
    """Where the label is, and the part; -1 for no such column. `header` rows come before the first window."""

    label: int
    split: int
    header: int
    count: int


def read(path: Path, reading: Reading) -> Contents:
    """The windows of a file. Raises UsageError, one line with the number of the line, for whatever is wrong with it."""
    content = files.read(path, LIMIT)
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a text file in UTF-8: byte {error.start}") from error
    rows = _rows(path, content)
    try:
        first = next(rows)[1]
    except StopIteration:
        raise UsageError(f"{path}: is empty: a row is a window, label and values separated by commas") from None
    columns = _columns(path, first, reading.label)
    labels, parts, values = _windows(path, _rows(path, content), columns)
    length, channels = reading.window or (values.shape[1], 1)
    if length * channels != values.shape[1]:
        raise UsageError(f"{path}: rows of {values.shape[1]} values are no windows of {length} x {channels}")
    return data_files.checked(
        path,
        values.reshape(len(values), length, channels) if channels > 1 or reading.window else values,
        _labels(labels),
        None if parts is None else _labels(parts),
        reading,
        hashlib.sha256(content).hexdigest(),
    )


def _rows(path: Path, content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Number of the line and cells of every row that is not empty. A row is one line, whatever is quoted."""
    lines = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig")
    for number in itertools.count(1):
        line = lines.readline(_LINE + 1)
        if not line:
            return
        if len(line) > _LINE:
            raise UsageError(f"{path}:{number}: longer than {_LINE:,} characters: a row is one window")
        try:
            row = next(csv.reader([line], strict=True), [])
        except csv.Error as error:
            raise UsageError(f"{path}:{number}: not a .csv file: {error}") from error
        if any(cell.strip() for cell in row):
            yield number, [cell.strip() for cell in row]


def _columns(path: Path, first: Sequence[str], asked: str) -> _Columns:
    names = [cell.lower() for cell in first]
    is_header = sum(not _is_number(cell) for cell in first) > 1 or any(name in _CALLED for name in names)
    if len(first) < 2:
        raise UsageError(f"{path}:1: one column: a row is a window, label and values separated by commas")
    split = names.index(_SPLIT) if is_header and _SPLIT in names else -1
    if asked in ("first", "last"):
        return _Columns(0 if asked == "first" else len(first) - 1, split, int(is_header), len(first))
    if not is_header:
        where = f"no header with a column {asked!r}" if asked else "which column has the labels?"
        raise UsageError(f"{path}: {where}: say --label first or --label last")
    if asked and asked.lower() not in names:
        raise UsageError(f"{path}:1: no column {asked!r} for the labels{did_you_mean(asked, first)}")
    found = [names.index(name) for name in ([asked.lower()] if asked else _CALLED) if name in names]
    if not found:
        raise UsageError(f"{path}:1: no column is called label or class: say --label first, last or a name")
    return _Columns(found[0], split, 1, len(first))


def _windows(
    path: Path, rows: Iterator[tuple[int, list[str]]], columns: _Columns
) -> tuple[list[str], list[str] | None, NDArray[Any]]:
    """Labels, parts and values [n, columns] of all rows; whole numbers where every value is one."""
    labels: list[str] = []
    parts: list[str] = []
    values: list[NDArray[np.float64]] = []
    left = _CELLS
    for _ in range(columns.header):
        next(rows)
    apart = {columns.label, columns.split}
    for line, row in rows:
        if len(row) != columns.count:
            raise UsageError(f"{path}:{line}: {len(row)} columns, the first row has {columns.count}")
        left -= len(row)
        if left < 0:
            raise UsageError(f"{path}:{line}: more than {_CELLS:,} values")
        labels.append(row[columns.label])
        if columns.split >= 0:
            parts.append(row[columns.split])
        values.append(_numbers(path, line, [cell for i, cell in enumerate(row) if i not in apart]))
    if not values or not len(values[0]):
        raise UsageError(f"{path}: no values: a row is a window, label and values separated by commas")
    found = np.stack(values)
    return labels, parts if columns.split >= 0 else None, _whole(found)


def _numbers(path: Path, line: int, cells: list[str]) -> NDArray[np.float64]:
    try:
        return np.array(cells, np.float64)
    except ValueError:
        wrong = next(cell for cell in cells if not _is_number(cell))
        raise UsageError(f"{path}:{line}: {wrong!r} is no number") from None


def _whole(values: NDArray[np.float64]) -> NDArray[Any]:
    """As int64 where all are whole numbers that it holds, else as they are."""
    is_whole = bool((np.abs(values) < 2**53).all()) and bool((values == np.rint(values)).all())
    return values.astype(np.int64) if is_whole else values


def _labels(cells: list[str]) -> NDArray[Any]:
    """As integers where all are whole numbers, else as names."""
    if all(cell.removeprefix("-").isdecimal() and len(cell) < 10 for cell in cells):
        return np.array([int(cell) for cell in cells], np.int64)
    return np.array(cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
