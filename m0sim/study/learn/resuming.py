"""What is asked of every checkpoint before a run goes on from it: that it is there, and of this very run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m0sim.errors import UsageError


def check_there(path: Path) -> None:
    """Raises UsageError where there is no checkpoint."""
    if not path.exists():
        raise UsageError(f"{path}: no such checkpoint to resume from; leave out --resume")


def check_same(path: Path, stored: Mapping[str, Any], asked: Mapping[str, Any], may_differ: str = "") -> None:
    """Raises UsageError with the first thing that a run was told otherwise than the one that is to go on."""
    for name in {**asked, **stored}:
        if name != may_differ and stored.get(name) != asked.get(name):
            was, now = (json.dumps(values.get(name)) for values in (stored, asked))
            raise UsageError(f"{path}: was made with {name} {was}, not {now}")


def count(value: Any) -> int:
    """A whole number from 0 on, as JSON has it. Raises ValueError for anything else."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
