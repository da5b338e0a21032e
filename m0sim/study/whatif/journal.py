"""What a sweep has finished, a line a point: written at once, so that a killed sweep loses nothing.

A line that a crash cut short, or that lacks what a row takes, is not a point; the next run does that one again.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from m0sim import files
from m0sim.errors import UsageError

NAME = "points.jsonl"


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Finished points by key. A key that is there twice has what came last."""
    path = folder / NAME
    lines = files.read(path).split(b"\n") if os.path.lexists(path) else []
    return {entry["key"]: entry for line in lines if (entry := _entry(line)) is not None}


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
        found["key"].encode()  # JSON can say characters that no file can
        is_whole = _is_measured(found["measured"]) if "measured" in found else bool(found["reason"].encode())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return found if is_whole else None


def _is_measured(found: dict[str, Any]) -> bool:
    """Whether these are the figures of a point: cycles of at least one step, and an estimate or none."""
    cycles, estimate = found["cycles"], found["flash_estimate_cycles"]
    is_estimate = estimate is None or (type(estimate) is float and math.isfinite(estimate))
    return is_estimate and isinstance(cycles, list) and bool(cycles) and all(map(_is_count, cycles))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value < 1 << 53


class Journal:
    """The file, open to be appended to."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def __enter__(self) -> Journal:
        try:
            self._file = self._path.open("a+b")
            self._file.seek(0, os.SEEK_END)
            if self._file.tell():
                self._file.seek(-1, os.SEEK_END)
                if self._file.read(1) != b"\n":
                    self._file.write(b"\n")  # ends the line that a crash cut short
        except OSError as error:
            raise UsageError(f"{self._path}: cannot write: {error.strerror}") from error
        return self

    def add(self, entry: dict[str, Any]) -> None:
        """One point, on the disk when this returns."""
        self._file.write(json.dumps(entry, sort_keys=True).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
