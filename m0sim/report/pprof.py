"""A profile for pprof (https://github.com/google/pprof): profile.proto, gzip-compressed.

The format: https://github.com/google/pprof/blob/main/proto/profile.proto. It is written field by field, which is less
than a library of protocol buffers asks for: the numbers below are those of the fields there, and a message is a tag, a
length and what is in it (https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from m0sim.chip.cost import Cost
from m0sim.image import Image
from m0sim.names import printable
from m0sim.report.inlined import label
from m0sim.report.on_core import OnCore
from m0sim.report.stacks import Frame, notes, samples, title


class _Profile:
    SAMPLE_TYPE, SAMPLE, MAPPING, LOCATION, FUNCTION, STRING_TABLE = range(1, 7)
    DURATION_NANOS, PERIOD_TYPE, PERIOD, COMMENT = range(10, 14)


class _ValueType:
    TYPE, UNIT = 1, 2


class _Sample:
    LOCATION_ID, VALUE, LABEL = 1, 2, 3


class _Label:
    KEY, STR = 1, 2


class _Mapping:
    ID, FILENAME, BUILD_ID, HAS_FUNCTIONS, HAS_FILENAMES, HAS_LINE_NUMBERS, HAS_INLINE_FRAMES = 1, *range(5, 11)


class _Location:
    ID, MAPPING_ID, LINE = 1, 2, 4


class _Line:
    FUNCTION_ID, LINE = 1, 2


class _Function:
    ID, NAME, SYSTEM_NAME, FILENAME, START_LINE = range(1, 6)


_IMAGE = 1
"""The only mapping's id."""


def profile(cost: Cost, image: Image) -> bytes:
    """Samples of stacks with the cycles spent in each, the value ``cycles`` in ``count``; they add up to `cost.cycles`.

    A location is a function, at its first line, with what was inlined to it above it: cycles are known by stack of
    functions, not by stack and instruction. There are no addresses, which readers would take for those instructions.
    """
    return profile_of((OnCore(cost),), image)


def profile_of(cores: Sequence[OnCore], image: Image) -> bytes:
    """The same of several cores: each sample has the label ``core``, for ``-tagroot core`` and ``-tagfocus``."""
    found, cost = samples(cores, image), cores[0].cost
    frames = found[0].frames
    strings, locations = _Strings(), _Locations(frames)
    message = _Message()
    message.add(_Profile.SAMPLE_TYPE, _value_type(strings))
    for core, each in zip(cores, found, strict=True):
        for stack, cycles in each.samples:
            ids = [locations.id(part) for part in reversed(locations.parts(stack))]
            message.add(_Profile.SAMPLE, _sample(ids, cycles, core.name, strings))
    message.add(_Profile.MAPPING, _mapping(cost, image, strings))
    for part, number in locations.ids.items():
        message.add(_Profile.LOCATION, _location(number, part, frames))
    for place, frame in enumerate(frames):
        message.add(_Profile.FUNCTION, _function(place + 1, frame, strings))
    message.integer(_Profile.DURATION_NANOS, round(cost.seconds * 1e9))
    message.add(_Profile.PERIOD_TYPE, _value_type(strings)).integer(_Profile.PERIOD, 1)
    message.packed(_Profile.COMMENT, [strings(line) for line in _comments(cost, image, notes(found))])
    for text in strings.places:
        message.text(_Profile.STRING_TABLE, text.encode())
    return gzip.compress(message.content, mtime=0)


def _sample(ids: Sequence[int], cycles: int, core: str, strings: _Strings) -> _Message:
    message = _Message().packed(_Sample.LOCATION_ID, ids).packed(_Sample.VALUE, [cycles])
    if core:
        label = _Message().integer(_Label.KEY, strings("core")).integer(_Label.STR, strings(core))
        message.add(_Sample.LABEL, label)
    return message


def _comments(cost: Cost, image: Image, note: str) -> Iterable[str]:
    arguments = () if cost.provenance is None else cost.provenance.arguments
    yield f"m0sim: {title(cost, image)}, cycles with {cost.flash_model} flash"
    if arguments:
        yield f"arguments: {' '.join(arguments)}"
    if note:
        yield f"estimate: {note}"


def _value_type(strings: _Strings) -> _Message:
    return _Message().integer(_ValueType.TYPE, strings("cycles")).integer(_ValueType.UNIT, strings("count"))


def _mapping(cost: Cost, image: Image, strings: _Strings) -> _Message:
    """The image, with what there is of names: a reader has nothing to look up in it."""
    message = _Message().integer(_Mapping.ID, _IMAGE).integer(_Mapping.FILENAME, strings(str(image.path)))
    if cost.provenance is not None:
        message.integer(_Mapping.BUILD_ID, strings(cost.provenance.sha256))
    for flag in range(_Mapping.HAS_FUNCTIONS, _Mapping.HAS_INLINE_FRAMES + 1):
        message.integer(flag, 1)
    return message


def _location(number: int, part: tuple[int, ...], frames: Sequence[Frame]) -> _Message:
    """A function and the stack of what was inlined to it, of which the format has the innermost first."""
    message = _Message().integer(_Location.ID, number).integer(_Location.MAPPING_ID, _IMAGE)
    for place in reversed(part):
        line = _Message().integer(_Line.FUNCTION_ID, place + 1).integer(_Line.LINE, frames[place].line)
        message.add(_Location.LINE, line)
    return message


def _function(number: int, frame: Frame, strings: _Strings) -> _Message:
    # Readers add "(inline)" to names themselves.
    name = strings(frame.name.removesuffix(label("")) if frame.is_inlined else frame.name)
    message = _Message().integer(_Function.ID, number)
    message.integer(_Function.NAME, name).integer(_Function.SYSTEM_NAME, name)
    return message.integer(_Function.FILENAME, strings(frame.file)).integer(_Function.START_LINE, frame.line)


class _Strings:
    """The table of strings, which begins with an empty one."""

    def __init__(self) -> None:
        self.places = {"": 0}

    def __call__(self, text: str) -> int:
        return self.places.setdefault(printable(text), len(self.places))


@dataclass(slots=True)
class _Locations:
    """Ids of locations, from 1."""

    frames: Sequence[Frame]
    ids: dict[tuple[int, ...], int] = field(default_factory=dict)

    def parts(self, stack: Sequence[int]) -> list[tuple[int, ...]]:
        """The stack cut where a function begins that was not inlined."""
        begins = [at for at, place in enumerate(stack) if not self.frames[place].is_inlined]
        return [tuple(stack[at:end]) for at, end in zip(begins, [*begins[1:], len(stack)], strict=True)]

    def id(self, part: tuple[int, ...]) -> int:
        return self.ids.setdefault(part, len(self.ids) + 1)


class _Message:
    """A protocol buffer in the making. A field that is 0 is left out: readers take it for 0."""

    def __init__(self) -> None:
        self.content = bytearray()

    def integer(self, number: int, value: int) -> _Message:
        if value:
            self.content += _varint(number << 3) + _varint(value)
        return self

    def text(self, number: int, value: bytes | bytearray) -> _Message:
        self.content += _varint(number << 3 | 2) + _varint(len(value)) + value
        return self

    def add(self, number: int, message: _Message) -> _Message:
        return self.text(number, message.content)

    def packed(self, number: int, values: Sequence[int]) -> _Message:
        return self.text(number, b"".join(map(_varint, values))) if values else self


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; every byte but the last has its top bit set. `value` is 0 or more."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
