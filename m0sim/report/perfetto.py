"""What a run did over time, for Perfetto (https://ui.perfetto.dev) and chrome://tracing: trace events, as JSON.

The format is documented by Google's "Trace Event Format", its JSON object form. A core is a thread; its functions,
exceptions and sleeps are duration events (B, E), which nest. So are the levels of a pin, and the times that a state
machine of PIO was enabled. Times are in microseconds, to the nanosecond, which is what Perfetto keeps; `args` have the
cycle that something began in. Events of a thread are in the order of their times.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.results.handlers import RESET
from m0sim.chip.run_cost import RunCost
from m0sim.chip.timeline import NOTHING, CoreLine, Kind, Sleep, Timeline
from m0sim.names import printable

_CHIP, _PINS = 1, 2
"""Processes."""
_CORE, _THREADS, _PIN, _MACHINE = 1, 11, 101, 201
"""Numbers of the first thread of each kind: no two threads of the file have one."""
_PIN_COUNT = 32
_LEVELS = ("0", "1")
_GOES_ON = ', "goes on": true'
_DRIVEN, _HIGH = 2, 1  # of a pin's state

Span = tuple[int, int, str]
"""The cycles that something begins and ends in, and its name, category and arguments as JSON."""
Stamps = Callable[[npt.NDArray[np.int64]], list[str]]
"""Makes microseconds of cycles, as text."""


def trace(run: RunCost, *, name: str) -> bytes:
    """The whole file, of a run that has a timeline; `name` is that of the chip and what runs in it."""
    timeline = run.timeline
    assert timeline is not None
    written = bytearray(f'{{"displayTimeUnit": "ns", "otherData": {_json(_about(run, timeline, name))},\n'.encode())
    written += b'"traceEvents": [\n'
    for number, line in enumerate(_events(run, timeline, name)):
        written += b",\n" if number else b""
        written += line.encode()
    written += b"\n]}\n"
    return bytes(written)


def _json(value: Any) -> str:
    return json.dumps(value)


def _about(run: RunCost, timeline: Timeline, name: str) -> dict[str, Any]:
    of = run.cost.provenance
    return {
        "product": "m0sim" if of is None else f"m0sim {of.version}",
        "firmware": printable(name),
        "sha256": "" if of is None else of.sha256,
        "cycles": run.cycles,
        "left_out": timeline.note(),
    }


def _events(run: RunCost, timeline: Timeline, name: str) -> Iterator[str]:
    stamps = _stamps(timeline)
    yield _named("process_name", _CHIP, _CORE, name)
    if not timeline.cores:
        return
    for core in timeline.cores:
        is_thread = core.slices["kind"] == Kind.THREAD
        yield from _thread(
            _CHIP, _CORE + core.number, f"core {core.number}", _spans(core, ~is_thread, timeline), stamps
        )
        if len(np.unique(core.slices["number"][is_thread])) > 1:
            title = f"threads of core {core.number}"
            yield from _thread(_CHIP, _THREADS + core.number, title, _spans(core, is_thread, timeline), stamps)
    yield from _counters(run, timeline, stamps)
    yield from _marks(run, timeline, stamps)
    yield from _pins(timeline, stamps)


def _stamps(timeline: Timeline) -> Stamps:
    def stamps(cycles: npt.NDArray[np.int64]) -> list[str]:
        return [f"{ns // 1000}.{ns % 1000:03}" for ns in timeline.scale.nanoseconds(cycles).tolist()]

    return stamps


# -- threads


def _named(kind: str, process: int, thread: int, name: str) -> str:
    return _json({"ph": "M", "pid": process, "tid": thread, "name": kind, "args": {"name": printable(name)}})


def _thread(process: int, thread: int, name: str, spans: Iterable[Span], stamps: Stamps) -> Iterator[str]:
    """One with its name, in the order of the threads' numbers, and all that it did."""
    yield _named("thread_name", process, thread, name)
    sorting = {"name": "thread_sort_index", "args": {"sort_index": thread}}
    yield _json({"ph": "M", "pid": process, "tid": thread, **sorting})
    all_spans = list(spans)
    begins = stamps(np.array([begin for begin, _, _ in all_spans], np.int64))
    ends = stamps(np.array([end for _, end, _ in all_spans], np.int64))
    place = f'"pid": {process}, "tid": {thread}, "ts": '
    around: list[tuple[int, str]] = []
    for (begin, end, what), begin_stamp, end_stamp in zip(all_spans, begins, ends, strict=True):
        while around and around[-1][0] <= begin:
            yield f'{{"ph": "E", {place}{around.pop()[1]}}}'
        yield f'{{"ph": "B", {place}{begin_stamp}, {what}}}'
        around.append((end, end_stamp))
    while around:
        yield f'{{"ph": "E", {place}{around.pop()[1]}}}'


def _what(name: str, category: str, **more: Any) -> str:
    return f'"name": {_json(printable(name))}, "cat": "{category}", "args": {_json(more)}'


def _lasting(name: str, category: str, begin: int, end: int, **more: Any) -> Span:
    return begin, end, _what(name, category, cycle=begin, cycles=end - begin, **more)


def _spans(core: CoreLine, which: npt.NDArray[np.bool_], timeline: Timeline) -> Iterator[Span]:
    """Slices of a core."""
    heads = [f'"name": {_json(printable(name))}, "cat": "function", "args": {{"cycle": ' for name in timeline.functions]
    for begin, end, kind, number, _, detail in core.slices[which].tolist():
        if kind == Kind.CALL:
            yield begin, end, f'{heads[number]}{begin}, "cycles": {end - begin}{_GOES_ON if detail else ""}}}'
        else:
            yield _other(timeline, begin, end, Kind(kind), number, detail)


def _other(timeline: Timeline, begin: int, end: int, kind: Kind, number: int, detail: int) -> Span:
    """What is no call."""
    if kind is Kind.EXCEPTION:
        return _lasting(timeline.exceptions[number], "exception", begin, end, latency=detail)
    if kind is Kind.THREAD:
        return _lasting(timeline.functions[detail] if number else RESET, "thread", begin, end)
    if number == Sleep.OFF:
        return _lasting("off", "sleep", begin, end)
    woken = {} if detail == NOTHING else {"woken by": timeline.exceptions[detail] if detail else "an event"}
    return _lasting(f"asleep ({Sleep(number).name})", "sleep", begin, end, **woken)


# -- what has no duration


def _counters(run: RunCost, timeline: Timeline, stamps: Stamps) -> Iterator[str]:
    """Values from a time on."""
    first = timeline.cores[0].begin
    clocks = [(max(rate.cycle, first), rate.hertz / 1e6) for rate in run.clocks]
    yield from _counter("clk_sys", "MHz", clocks, stamps)
    for core in run.load.cores:
        begins = range(first, timeline.cores[0].end, run.load.bucket_cycles)
        lengths = [min(run.load.bucket_cycles, timeline.cores[0].end - begin) for begin in begins]
        busy = [round(100 * busy / cycles, 2) for busy, cycles in zip(core.busy, lengths, strict=False)]
        yield from _counter(f"load of core {core.number}", "%", list(zip(begins, busy, strict=False)), stamps)
    if run.stack_over_time is not None:
        for number, marks in enumerate(run.stack_over_time.cores):
            begins = range(run.stack_over_time.begin, timeline.cores[0].end, run.stack_over_time.bucket_cycles)
            stack = list(zip(begins, marks, strict=False))
            yield from _counter(f"main stack of core {number}, deepest", "bytes", stack, stamps)
    before = [size.bytes for size in run.heap if size.cycle <= first][-1:]
    heap = [(size.cycle, size.bytes) for size in run.heap if size.cycle > first]
    if run.heap:
        yield from _counter("heap that sbrk gave", "bytes", [(first, before[0] if before else 0), *heap], stamps)


def _counter(name: str, unit: str, values: Sequence[tuple[int, float]], stamps: Stamps) -> Iterator[str]:
    times = stamps(np.array([cycle for cycle, _ in values], np.int64))
    for stamp, (_, value) in zip(times, values, strict=True):
        place = f'"ph": "C", "pid": {_CHIP}, "ts": {stamp}'
        yield f'{{{place}, "name": {_json(name)}, "args": {_json({unit: value})}}}'


def _marks(run: RunCost, timeline: Timeline, stamps: Stamps) -> Iterator[str]:
    """Resets, and the end."""
    first, last = timeline.cores[0].begin, timeline.cores[0].end
    marks = [(reset.cycle, f"reset: {reset.reason}") for reset in run.resets if reset.cycle >= first]
    marks.append((last, f"{run.exit.reason}: {run.exit.detail}"))
    times = stamps(np.array([cycle for cycle, _ in marks], np.int64))
    for stamp, (cycle, text) in zip(times, marks, strict=True):
        place = f'"ph": "i", "s": "p", "pid": {_CHIP}, "tid": {_CORE}, "ts": {stamp}'
        yield f"{{{place}, {_what(text, 'run', cycle=cycle)}}}"


# -- pins


def _pins(timeline: Timeline, stamps: Stamps) -> Iterator[str]:
    """Those that were ever driven, and the state machines of PIO that were enabled."""
    used = int(np.bitwise_or.reduce(timeline.pins["driven"], initial=0))
    if not used and not len(timeline.machines):
        return
    yield _named("process_name", _PINS, _PIN, "pins")
    for pin in range(_PIN_COUNT):
        if used >> pin & 1:
            yield from _thread(_PINS, _PIN + pin, f"gpio{pin}", _levels(timeline, pin), stamps)
    for number in np.unique(timeline.machines["number"]).tolist():
        runs = timeline.machines[timeline.machines["number"] == number]
        title = f"PIO{number // 4} SM{number % 4}"
        spans = [_lasting("enabled", "PIO", begin, end) for begin, end, _ in runs.tolist()]
        yield from _thread(_PINS, _MACHINE + number, title, spans, stamps)


def _levels(timeline: Timeline, pin: int) -> Iterator[Span]:
    """A span for each level that is driven; none while the pin is not."""
    driven, level = timeline.pins["driven"] >> pin & 1, timeline.pins["level"] >> pin & 1
    state = (driven * (_DRIVEN + level * _HIGH)).astype(np.int64)
    begins = np.flatnonzero(np.diff(state, prepend=-1))
    cycles = timeline.pins["cycle"][begins].tolist()
    end = timeline.cores[0].end if timeline.pins_until is None else timeline.pins_until
    for begin, until, value in zip(cycles, [*cycles[1:], end], state[begins].tolist(), strict=True):
        if value and until > begin:
            yield _lasting(_LEVELS[value & _HIGH], "pin", begin, until)
