"""What a sweep has finished: a journal with a line a point.

A line that lacks what a row takes is not a point; the next run does that one again.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from m0sim.study import journal

NAME = "points.jsonl"


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Finished points by key. A key that is there twice has what came last."""
    lines = journal.lines(folder / NAME)
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
    """Whether these are the figures of a point: cycles of at least one step, and what flash adds, or nothing of it."""
    cycles, flash = found["cycles"], (found["flash_estimate_cycles"], found["flash_misses_words"])
    is_flash = flash == (None, None) or all(type(value) is float and math.isfinite(value) for value in flash)
    return is_flash and isinstance(cycles, list) and bool(cycles) and all(map(_is_count, cycles))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value < 1 << 53


def add(folder: Path, *entries: dict[str, Any]) -> None:
    """Some points, on the disk when this returns. Without any the file is made, and mended where a crash damaged it."""
    journal.append(folder / NAME, *(json.dumps(entry, sort_keys=True) for entry in entries))
