"""What is in a profile for pprof and in one for the Firefox Profiler, read by nothing that m0sim is made of.

The numbers and types are those of google/pprof's proto/profile.proto and of firefox-devtools/profiler's
src/types/profile.ts (processed format, version 70).
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import jsonschema

Stacks = Counter[tuple[str, ...]]
"""Cycles by names from the root on."""
Fields = dict[int, list[Any]]

# ---------------------------------------------------------------------------------------------------------------- pprof

_VARINT, _LENGTH = 0, 2


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def message(content: bytes) -> Fields:
    """The fields of a protocol buffer by number: integers, and contents of a given length."""
    fields: Fields = {}
    at = 0
    while at < len(content):
        tag, at = _varint(content, at)
        value, at = _varint(content, at)
        if tag & 7 == _LENGTH:
            assert at + value <= len(content)
            fields.setdefault(tag >> 3, []).append(content[at : at + value])
            at += value
        else:
            assert tag & 7 == _VARINT
            fields.setdefault(tag >> 3, []).append(value)
    return fields


def _integers(packed: list[Any]) -> list[int]:
    """Of a repeated field, which readers take packed or not."""
    found: list[int] = []
    for content in packed:
        at = 0
        while at < len(content):
            value, at = _varint(content, at)
            found.append(value)
    return found


def _one(fields: Fields, number: int) -> Any:
    values = fields.get(number, [0])
    assert len(values) == 1
    return values[0]


class Pprof:
    """A Profile; ids must be there and different, and indices in range."""

    def __init__(self, content: bytes) -> None:
        profile = message(gzip.decompress(content))
        assert set(profile) <= {*range(1, 7), *range(9, 14)}
        self.strings = [text.decode() for text in profile[6]]
        assert self.strings[0] == ""
        assert len(set(self.strings)) == len(self.strings)
        self.units = [self._pair(message(each)) for each in profile[1]]
        self.period = (self._pair(message(_one(profile, 11))), _one(profile, 12))
        self.nanoseconds = _one(profile, 10)
        self.comments = [self.strings[place] for place in _integers(profile.get(13, []))]
        (mapping,) = [message(each) for each in profile[3]]
        assert {_one(mapping, flag) for flag in range(7, 11)} == {1}
        self.mapping = (_one(mapping, 1), self.strings[_one(mapping, 5)], self.strings[_one(mapping, 6)])
        self.functions = self._by_id([message(each) for each in profile.get(5, [])])
        self.locations = self._by_id([message(each) for each in profile.get(4, [])])
        self.samples = [message(each) for each in profile.get(2, [])]

    def _pair(self, fields: Fields) -> tuple[str, str]:
        return self.strings[_one(fields, 1)], self.strings[_one(fields, 2)]

    @staticmethod
    def _by_id(messages: list[Fields]) -> dict[int, Fields]:
        found = {_one(fields, 1): fields for fields in messages}
        assert 0 not in found
        assert len(found) == len(messages)
        return found

    def lines(self, location: int) -> list[tuple[str, str, int]]:
        """Name, file and line, the innermost first."""
        fields = self.locations[location]
        assert _one(fields, 2) == self.mapping[0]
        assert 3 not in fields
        found = []
        for line in map(message, fields[4]):
            function = self.functions[_one(line, 1)]
            assert _one(function, 2) == _one(function, 3)
            assert _one(line, 2) == _one(function, 5)
            found.append((self.strings[_one(function, 2)], self.strings[_one(function, 4)], _one(line, 2)))
        return found

    def labels(self, sample: Fields) -> dict[str, str]:
        """Of a sample: texts by key."""
        return dict(self._pair(message(label)) for label in sample.get(3, []))

    def stacks(self, core: str | None = None) -> Stacks:
        """With what a reader says of inlined functions as the other exports say it; of a core, if one is named."""
        found: Stacks = Counter()
        for sample in self.samples:
            if core is not None and self.labels(sample) != {"core": core}:
                continue
            names: list[str] = []
            for location in _integers(sample[1]):
                *inlined, (outer, _, _) = self.lines(location)
                names += [name if name.endswith(", estimate)") else f"{name} (inlined)" for name, _, _ in inlined]
                names.append(outer)
            (cycles,) = _integers(sample[2])
            found[tuple(reversed(names))] += cycles
        return found


# ----------------------------------------------------------------------------------------------------- Firefox Profiler

_INTEGER = {"type": "integer"}
_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_NULL = {"type": "null"}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _object(optional: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _table(**columns: dict[str, Any]) -> dict[str, Any]:
    return _object(**{name: _list(of) for name, of in columns.items()}, length=_INTEGER)


def _or_null(of: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [of, _NULL]}


_PLACE = _or_null(_INTEGER)
_ENTRY = _object(label=_TEXT, format=_TEXT, value=_TEXT)
_META = _object(
    product=_TEXT,
    importedFrom=_TEXT,
    arguments=_TEXT,
    startTime=_NUMBER,
    interval={"type": "number", "exclusiveMinimum": 0},
    processType=_INTEGER,
    stackwalk={"enum": [0, 1]},
    version=_INTEGER,
    preprocessedProfileVersion={"const": 70},
    symbolicated={"const": True},
    symbolicationNotSupported={"const": True},
    usesOnlyOneStackType={"type": "boolean"},
    sourceCodeIsNotOnSearchfox={"type": "boolean"},
    sampleUnits=_object(time={"enum": ["ms", "bytes"]}, eventDelay={"const": "ms"}, threadCPUDelta=_TEXT),
    categories=_list(_object(name=_TEXT, color=_TEXT, subcategories=_list(_TEXT))),
    markerSchema=_list({}),
    extra=_list(_object(label=_TEXT, entries=_list(_ENTRY))),
)
_SHARED = _object(
    stackTable=_table(frame=_INTEGER, prefixOffset={"type": "integer", "minimum": 0}),
    frameTable=_table(
        address=_INTEGER,
        lib=_INTEGER,
        inlineDepth=_INTEGER,
        category=_PLACE,
        subcategory=_PLACE,
        func=_INTEGER,
        nativeSymbol=_PLACE,
        innerWindowID=_PLACE,
        line=_PLACE,
        column=_PLACE,
        originalLocation=_PLACE,
    ),
    funcTable=_table(
        name=_INTEGER,
        isJS={"type": "boolean"},
        relevantForJS={"type": "boolean"},
        resource=_INTEGER,
        source=_PLACE,
        lineNumber=_PLACE,
        columnNumber=_PLACE,
        originalLocation=_PLACE,
    ),
    resourceTable=_table(name=_INTEGER, host=_PLACE, type=_INTEGER),
    nativeSymbols=_table(libIndex=_INTEGER, address=_INTEGER, name=_INTEGER, functionSize=_PLACE),
    sourceLocationTable=_table(source=_INTEGER, line=_INTEGER, column=_INTEGER),
    sources=_table(
        id=_or_null(_TEXT),
        filename=_INTEGER,
        startLine=_INTEGER,
        startColumn=_INTEGER,
        sourceMapURL=_PLACE,
        content=_or_null(_TEXT),
    ),
    stringArray=_list(_TEXT),
)
_THREAD = _object(
    name=_TEXT,
    isMainThread={"type": "boolean"},
    processType=_TEXT,
    processName=_TEXT,
    processStartupTime=_NUMBER,
    processShutdownTime=_or_null(_NUMBER),
    registerTime=_NUMBER,
    unregisterTime=_or_null(_NUMBER),
    pausedRanges=_list({}),
    pid=_TEXT,
    tid={"type": ["integer", "string"]},
    samples=_object(
        stack=_list(_PLACE),
        time=_list(_NUMBER),
        weight=_list(_INTEGER),
        weightType={"enum": ["samples", "tracing-ms", "bytes"]},
        length=_INTEGER,
    ),
    markers=_table(data={}, name=_INTEGER, startTime=_NUMBER, endTime=_NUMBER, phase=_INTEGER, category=_INTEGER),
)
PROFILE = _object(meta=_META, libs=_list({}), shared=_SHARED, threads={**_list(_THREAD), "minItems": 1, "maxItems": 2})


class Firefox:
    """A processed profile, of a thread for each core."""

    def __init__(self, content: str) -> None:
        self.profile = json.loads(content)
        jsonschema.validate(self.profile, PROFILE)
        assert "grey" in {category["color"] for category in self.profile["meta"]["categories"]}
        self.threads = self.profile["threads"]
        self.thread = self.threads[0]
        assert [thread["isMainThread"] for thread in self.threads] == [True, False][: len(self.threads)]
        assert len({thread["tid"] for thread in self.threads}) == len(self.threads)
        self.shared = self.profile["shared"]
        of_threads = [thread[name] for thread in self.threads for name in ("samples", "markers")]
        for table in (*self.shared.values(), *of_threads):
            if isinstance(table, dict):
                assert {len(column) for column in table.values() if isinstance(column, list)} == {table["length"]}

    def frames(self) -> list[tuple[str, str, int | None]]:
        """Name, file and line of each frame."""
        strings, functions, sources = self.shared["stringArray"], self.shared["funcTable"], self.shared["sources"]
        assert len(set(strings)) == len(strings)
        found = []
        for function, line in zip(self.shared["frameTable"]["func"], self.shared["frameTable"]["line"], strict=True):
            source = functions["source"][function]
            file = "" if source is None else strings[sources["filename"][source]]
            found.append((strings[functions["name"][function]], file, line))
        return found

    def stacks(self, thread: int = 0) -> Stacks:
        """The weights of a thread's samples by the names of their stacks."""
        table, frames, samples = self.shared["stackTable"], self.frames(), self.threads[thread]["samples"]
        names: list[tuple[str, ...]] = []
        for place, (frame, offset) in enumerate(zip(table["frame"], table["prefixOffset"], strict=True)):
            assert offset <= place
            names.append((*(names[place - offset] if offset else ()), frames[frame][0]))
        assert len(set(names)) == len(names)
        assert samples["time"] == sorted(samples["time"])
        assert (samples["stack"][-1], samples["weight"][-1]) == (None, 0)
        found: Stacks = Counter()
        for stack, weight in zip(samples["stack"][:-1], samples["weight"][:-1], strict=True):
            found[names[stack]] += weight
        return found
