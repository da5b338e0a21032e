"""The profile formats that a `Cost` can be written in, by the name of the option that asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from m0sim import files
from m0sim.chip.cost import Cost
from m0sim.image import Image
from m0sim.report import callgrind, inlined, lcov, speedscope, stacks
from m0sim.report.sources import Sources

FORMATS: Mapping[str, Callable[[Cost, Image], str]] = {
    "callgrind": callgrind.profile,
    "speedscope": speedscope.profile,
    "collapsed": stacks.collapsed,
    "lcov": lcov.tracefile,
}


def notes(cost: Cost, image: Image, wanted: Mapping[str, Path | None]) -> list[str]:
    """What is not exact in the formats that have a path."""
    if not (wanted.get("speedscope") or wanted.get("collapsed")):
        return []
    note = inlined.stacks(cost, inlined.inlining(cost, image)).note
    return [note] if note else []


def write(cost: Cost, image: Image, wanted: Mapping[str, Path | None], sources: Sources | None = None) -> None:
    """Write the formats that have a path, each file whole or not at all. `sources` is as for `lcov.tracefile`.

    Raises `UsageError` when a file cannot be written, and for lcov when the image has no line information.
    """
    for name, path in wanted.items():
        if path is not None:
            text = lcov.tracefile(cost, image, sources) if name == "lcov" else FORMATS[name](cost, image)
            files.write(path, text)
