"""A profile for the Firefox Profiler (https://profiler.firefox.com): its processed format, as JSON.

The format is documented by its types, https://github.com/firefox-devtools/profiler/blob/main/src/types/profile.ts, and
by docs-developer/CHANGELOG-formats.md there; later versions of the profiler read earlier versions of the format.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from m0sim.chip.cost import Cost
from m0sim.image import Image
from m0sim.names import printable
from m0sim.report.on_core import OnCore
from m0sim.report.stacks import Frame, StackSamples, notes, samples, title

VERSION = 70
"""Of the processed format, as it is written here."""
_GECKO_VERSION = 36
"""Of the format that Firefox itself writes, which went with it."""
_CATEGORIES = (("Function", "blue"), ("Inlined", "lightblue"), ("Other", "grey"))
"""Names and colours; the format asks for a grey one."""


def profile(cost: Cost, image: Image) -> str:
    """One thread, whose samples are the nodes of the call tree: their weights are self cycles, in whole numbers.

    The format's units of weights are samples, milliseconds and bytes: here they are ``samples``, one a cycle. Times are
    simulated ones, at the profile's clock, with each node's cycles together, in the order of first calls. The last
    sample weighs nothing and is the end of the last cycles.
    """
    return profile_of((OnCore(cost),), image)


def profile_of(cores: Sequence[OnCore], image: Image) -> str:
    """The same with a thread for each core."""
    found, cost = samples(cores, image), cores[0].cost
    strings, stacks = _Strings(), _Stacks()
    threads = [_thread(i, core, each, stacks) for i, (core, each) in enumerate(zip(cores, found, strict=True))]
    shared = {
        "stackTable": _table(frame=stacks.frames, prefixOffset=stacks.offsets),
        "frameTable": _frame_table(found[0].frames),
        **_functions(found[0].frames, strings),
        "resourceTable": _table(name=[], host=[], type=[]),
        "nativeSymbols": _table(libIndex=[], address=[], name=[], functionSize=[]),
        "sourceLocationTable": _table(source=[], line=[], column=[]),
        "stringArray": list(strings.places),
    }
    return json.dumps({"meta": _meta(cost, image, notes(found)), "libs": [], "shared": shared, "threads": threads})


def _table(**columns: Sequence[Any]) -> dict[str, Any]:
    """Columns of one length, as the format has all its tables."""
    return {**columns, "length": len(next(iter(columns.values())))}


def _milliseconds(cost: Cost, cycles: int) -> float:
    return 1000 * cost.seconds * cycles / cost.cycles if cost.cycles else 0.0


def _meta(cost: Cost, image: Image, note: str) -> dict[str, Any]:
    arguments = () if cost.provenance is None else cost.provenance.arguments
    return {
        "product": printable(f"{title(cost, image)}, samples are cycles"),
        "importedFrom": "m0sim",
        "arguments": printable(" ".join(arguments)),
        "startTime": 0,
        "interval": _milliseconds(cost, 1) or 1.0,
        "processType": 0,
        "stackwalk": 1,
        "version": _GECKO_VERSION,
        "preprocessedProfileVersion": VERSION,
        "symbolicated": True,
        "symbolicationNotSupported": True,
        "usesOnlyOneStackType": True,
        "sourceCodeIsNotOnSearchfox": True,
        "sampleUnits": {"time": "ms", "eventDelay": "ms", "threadCPUDelta": "variable CPU cycles"},
        "categories": [{"name": name, "color": colour, "subcategories": ["Other"]} for name, colour in _CATEGORIES],
        "markerSchema": [],
        "extra": [{"label": "m0sim", "entries": list(_entries(cost, note))}],
    }


def _entries(cost: Cost, note: str) -> Iterable[dict[str, str]]:
    of = cost.provenance
    words = {
        "Flash": cost.flash_model,
        "Image": "" if of is None else f"{of.image}, SHA-256 {of.sha256}",
        "m0sim": "" if of is None else of.version,
        "Estimate": note,
    }
    for name, text in words.items():
        if text:
            yield {"label": name, "format": "string", "value": printable(text)}


def _thread(number: int, core: OnCore, found: StackSamples, stacks: _Stacks) -> dict[str, Any]:
    of_samples = [stacks.place(stack) for stack, _ in found.samples]
    weights = [cycles for _, cycles in found.samples]
    begins = [_milliseconds(core.cost, cycles) for cycles in accumulate(weights, initial=0)]
    return {
        "name": printable(f"{core.cost.function}, {core.name}" if core.name else core.cost.function),
        "isMainThread": number == 0,
        "processType": "default",
        "processName": "m0sim",
        "processStartupTime": 0,
        "processShutdownTime": None,
        "registerTime": 0,
        "unregisterTime": None,
        "pausedRanges": [],
        "pid": "0",
        "tid": number,
        "samples": {
            **_table(stack=[*of_samples, None], time=begins, weight=[*weights, 0]),
            "weightType": "samples",
        },
        "markers": _table(data=[], name=[], startTime=[], endTime=[], phase=[], category=[]),
    }


def _frame_table(frames: Sequence[Frame]) -> dict[str, Any]:
    """A frame is a function: there are no addresses, for cycles are not known by stack and instruction."""
    empty = [None for _ in frames]
    return _table(
        address=[-1 for _ in frames],
        lib=[-1 for _ in frames],
        inlineDepth=[int(frame.is_inlined) for frame in frames],
        category=[int(frame.is_inlined) for frame in frames],
        subcategory=[0 for _ in frames],
        func=list(range(len(frames))),
        nativeSymbol=empty,
        innerWindowID=empty,
        line=[frame.line or None for frame in frames],
        column=empty,
        originalLocation=empty,
    )


def _functions(frames: Sequence[Frame], strings: _Strings) -> dict[str, Any]:
    """The tables of functions and of the files that they are written in."""
    files = {file: place for place, file in enumerate(dict.fromkeys(frame.file for frame in frames if frame.file))}
    empty = [None for _ in frames]
    functions = _table(
        name=[strings(frame.name) for frame in frames],
        isJS=[False for _ in frames],
        relevantForJS=[False for _ in frames],
        resource=[-1 for _ in frames],
        source=[files.get(frame.file) for frame in frames],
        lineNumber=[frame.line or None for frame in frames],
        columnNumber=empty,
        originalLocation=empty,
    )
    none = [None for _ in files]
    first = [1 for _ in files]
    sources = _table(
        id=none,
        filename=[strings(file) for file in files],
        startLine=first,
        startColumn=first,
        sourceMapURL=none,
        content=none,
    )
    return {"funcTable": functions, "sources": sources}


class _Strings:
    """Strings by number."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.places.setdefault(printable(text), len(self.places))


class _Stacks:
    """The tree of stacks: of each its last frame, and how many places before it the stack is that it goes on from."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.offsets: list[int] = []
        self._places: dict[tuple[int, ...], int] = {}

    def place(self, stack: tuple[int, ...]) -> int:
        """Of a stack of at least one frame; it is added, after what it goes on from, where it is not there."""
        known = len(stack)
        while known and stack[:known] not in self._places:
            known -= 1
        for length in range(known + 1, len(stack) + 1):
            at = self._places[stack[:length]] = len(self.frames)
            self.frames.append(stack[length - 1])
            self.offsets.append(at - self._places[stack[: length - 1]] if length > 1 else 0)
        return self._places[stack]
