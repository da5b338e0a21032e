"""What a run of a function took, to be put beside its bound."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from m0sim import files
from m0sim.errors import UsageError
from m0sim.image import Image


@dataclass(frozen=True, slots=True)
class Observed:
    """Of one run."""

    stack_bytes: int
    cycles: int | None
    """None where some waited for flash or a slow bus: a bound is of memory that does not."""


def read(path: Path, image: Image, function: str) -> Observed:
    """What the object of ``m0sim call --json`` in a file says of this function of this image.

    Raises `UsageError`, one line, for what is no such object, or is of another function or image.
    """
    try:
        found = json.loads(files.read(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: no valid JSON ({error}): give what `m0sim call --json` printed") from None
    numbers = [_number(found, key) for key in ("stack_bytes", "cycles", "stall_cycles")]
    if None in numbers:
        raise UsageError(f"{path}: is no cost: give what `m0sim call --json` printed")
    if found.get("function") != function:
        raise UsageError(f"{path}: is of {found.get('function')!r}, not of {function!r}: call that with --json")
    provenance = found.get("provenance")
    if not isinstance(provenance, dict) or provenance.get("sha256") != image.sha256:
        raise UsageError(f"{path}: is of another image than {image.path}: call {function!r} of that with --json")
    stack_bytes, cycles, stalls = (number or 0 for number in numbers)
    return Observed(stack_bytes, None if stalls else cycles)


def _number(found: object, key: str) -> int | None:
    value = found.get(key) if isinstance(found, dict) else None
    return value if type(value) is int and value >= 0 else None
