"""A reader of trace events, from Google's "Trace Event Format": duration, instant, counter and metadata events.

What the format asks for is checked as it is read: see `read`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

_METADATA = {"process_name": "name", "thread_name": "name", "thread_sort_index": "sort_index"}


@dataclass(frozen=True)
class Span:
    """A B and its E."""

    name: str
    category: str
    begin: float
    """Microseconds."""
    end: float
    args: dict[str, Any]
    parent: Span | None

    @property
    def cycles(self) -> int:
        return int(self.args["cycles"])

    @property
    def last(self) -> int:
        """The cycle behind it."""
        return int(self.args["cycle"]) + self.cycles


@dataclass
class ReadTrace:
    about: dict[str, Any]
    processes: dict[int, str] = field(default_factory=dict)
    threads: dict[str, list[Span]] = field(default_factory=dict)
    """By name, in the order that spans begin in."""
    counters: dict[str, list[tuple[float, dict[str, float]]]] = field(default_factory=dict)
    instants: list[tuple[float, str]] = field(default_factory=list)


def read(data: bytes) -> ReadTrace:
    """Raises AssertionError where something is not as the format has it.

    Each event has the fields of its phase; times of a thread do not fall; every B has an E, and ends inside of the one
    around it; every thread and process with events has a name, and no two threads have the same number.
    """
    whole = json.loads(data)
    assert set(whole) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert whole["displayTimeUnit"] in ("ms", "ns")
    found = ReadTrace(whole["otherData"])
    names: dict[tuple[int, int], str] = {}
    spans: dict[tuple[int, int], list[Any]] = defaultdict(list)
    open_: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    times: defaultdict[tuple[Any, ...], float] = defaultdict(float)
    for event in whole["traceEvents"]:
        phase, place = event["ph"], (event["pid"], event.get("tid"))
        assert type(event["pid"]) is int
        if phase == "M":
            value = event["args"][_METADATA[event["name"]]]
            if event["name"] == "process_name":
                assert event["pid"] not in found.processes
                found.processes[event["pid"]] = value
            elif event["name"] == "thread_name":
                assert place not in names
                names[place] = value
            continue
        stamp = event["ts"]
        assert isinstance(stamp, float | int)
        key: tuple[Any, ...] = place if phase in "BE" else (*place, phase, event["name"] if phase == "C" else "")
        assert stamp >= times[key] >= 0, event
        times[key] = stamp
        if phase == "C":
            assert event["args"]
            assert all(isinstance(value, float | int) for value in event["args"].values())
            found.counters.setdefault(event["name"], []).append((stamp, event["args"]))
        elif phase == "i":
            assert event["s"] in "gpt"
            assert event["name"]
            found.instants.append((stamp, event["name"]))
        elif phase == "B":
            assert type(event["tid"]) is int
            assert event["name"]
            assert event["cat"]
            event["parent"] = open_[place][-1] if open_[place] else None
            open_[place].append(event)
            spans[place].append(event)
        else:
            assert phase == "E"
            begun = open_[place].pop()
            begun["end"] = stamp
    assert not any(open_.values())
    assert len({thread for _, thread in names}) == len(names)
    for place, events in spans.items():
        assert place[0] in found.processes
        made: dict[int, Span] = {}
        for event in events:
            parent = None if event["parent"] is None else made[id(event["parent"])]
            span = Span(event["name"], event["cat"], event["ts"], event["end"], event["args"], parent)
            assert parent is None or (parent.begin <= span.begin and span.end <= parent.end)
            made[id(event)] = span
        found.threads[names[place]] = list(made.values())
    return found


def self_cycles(spans: list[Span], category: str) -> dict[str, int]:
    """By name: what no span inside of one has, where that is not 0."""
    own: Counter[str] = Counter()
    for span in spans:
        if span.category == category:
            own[span.name] += span.cycles
        if span.parent is not None and span.parent.category == category:
            own[span.parent.name] -= span.cycles
    return {name: cycles for name, cycles in own.items() if cycles}


def total(spans: list[Span], category: str) -> int:
    return sum(span.cycles for span in spans if span.category == category)
