"""Static bounds as JSON: the names of docs/json.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from m0sim.bounds.cycles import CycleBound
from m0sim.bounds.observed import Observed
from m0sim.bounds.reasons import Reason
from m0sim.bounds.stack import Bound
from m0sim.bounds.vectors import Interrupts
from m0sim.image import Image
from m0sim.report.cost_json import SCHEMA, source_object


@dataclass(frozen=True, slots=True)
class Report:
    """All that ``m0sim stack IMAGE FUNC`` was asked for."""

    stack: Bound
    cycles: CycleBound | None = None
    interrupts: Interrupts | None = None
    observed: Observed | None = None
    most: int | None = None
    """Bytes that `total_bytes` may be."""

    @property
    def total_bytes(self) -> int | None:
        """With the interrupts, where they were asked for; None where there is no bound."""
        if self.interrupts is None:
            return self.stack.stack_bytes
        nested = self.interrupts.nested_bytes
        return None if nested is None or self.stack.stack_bytes is None else self.stack.stack_bytes + nested

    @property
    def wrong(self) -> tuple[str, ...]:
        """Why the exit code is 1, a line each."""
        total, seen = self.total_bytes, self.observed
        found = []
        if self.most is not None and total is None:
            found.append(f"there is no bound, so nobody can say that it takes at most {self.most:,} bytes")
        if self.most is not None and total is not None and total > self.most:
            found.append(f"{total:,} bytes are {total - self.most:,} more than the {self.most:,} allowed")
        if seen is not None and self.stack.stack_bytes is not None and seen.stack_bytes > self.stack.stack_bytes:
            found.append(f"a run took {seen.stack_bytes:,} bytes, more than the bound: {_UNTRUE}")
        upper = None if self.cycles is None else self.cycles.cycles
        if seen is not None and seen.cycles is not None and upper is not None and seen.cycles > upper:
            found.append(f"a run took {seen.cycles:,} cycles, more than the bound: {_UNTRUE}")
        return tuple(found)


_UNTRUE = "an annotation is too small, or code breaks a rule of docs/stack.md"


def report(found: Report, image: Image) -> dict[str, Any]:
    """The object of ``m0sim stack IMAGE FUNC --json``."""
    seen = found.observed
    return {
        "schema": SCHEMA,
        "image": str(image.path),
        "sha256": image.sha256,
        **bound(found.stack),
        "observed_bytes": None if seen is None else seen.stack_bytes,
        "interrupts": None if found.interrupts is None else _interrupts(found.interrupts),
        "total_bytes": found.total_bytes,
        "max_bytes": found.most,
        "cycles": None if found.cycles is None else _cycles(found.cycles, seen),
        "wrong": list(found.wrong),
    }


def listing(bounds: Iterable[Bound], interrupts: Interrupts | None, image: Image) -> dict[str, Any]:
    """The object of ``m0sim stack IMAGE --json``."""
    return {
        "schema": SCHEMA,
        "image": str(image.path),
        "sha256": image.sha256,
        "functions": [bound(one) for one in bounds],
        "interrupts": None if interrupts is None else _interrupts(interrupts),
    }


def bound(found: Bound) -> dict[str, Any]:
    """One function."""
    return {
        "function": found.function,
        "address": found.address,
        "frame_bytes": found.frame_bytes,
        "stack_bytes": found.stack_bytes,
        "path": [asdict(part) for part in found.path],
        "unbounded": [_reason(reason) for reason in found.reasons],
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return asdict(reason) | {"source": source_object(reason.source)}


def _interrupts(found: Interrupts) -> dict[str, Any]:
    return {
        "vector_table": found.table,
        "handlers": [
            {"exceptions": list(each.exceptions), "taken_bytes": each.stack_bytes, **bound(each.bound)}
            for each in found.handlers
        ],
        "nested_bytes": found.nested_bytes,
    }


def _cycles(found: CycleBound, seen: Observed | None) -> dict[str, Any]:
    return {
        "upper_bound": found.cycles,
        "observed": None if seen is None else seen.cycles,
        "loops": [
            {
                "function": loop.function,
                "place": loop.place,
                "source": source_object(loop.source),
                "most_rounds": loop.most,
            }
            for loop in found.loops
        ],
        "unbounded": [_reason(reason) for reason in found.reasons],
        "notes": list(found.notes),
    }
