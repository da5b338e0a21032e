"""What ran when: a well-formed trace, which adds up to what the run counted, and leaves the run as it is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import firmware_images
import numpy as np
import pytest
import trace_reader
from conftest import examples, quick_of
from firmware_runs import load, run_processor
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reference.exception_programs import MAIN_STACK
from reference.timed_programs import LIMIT, TimedProgram, timed_program
from test_cli import Run, run  # noqa: F401
from test_exceptions_slow import sources
from trace_reader import ReadTrace, Span, self_cycles, total

from m0sim import Firmware, UsageError
from m0sim.chip.cost import CHIP
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.processor import Processor
from m0sim.chip.engine.recorder import Recorder
from m0sim.chip.engine.run_counts import counted
from m0sim.chip.results.calls import call_tree
from m0sim.chip.run_cost import RunCost
from m0sim.chip.timeline import MOST_SLICES, NOTHING, SLICE, CoreLine, Kind, Timeline, TimeScale
from m0sim.image import Symbol, load_raw
from m0sim.report import run_json
from m0sim.report.perfetto import trace

Built = Callable[..., Path]
PROGRAMS = {
    "tasks": "threads",
    "sleep": "WFI and WFE",
    "second_core": "both cores",
    "reboots": "resets",
    "faulty": "a handler that never ends",
    "alarms": "tail-chaining",
    "pingpong": "events from core to core",
    "relaunch": "core 1 held in reset",
    "supervisor": "SVC",
    "core1_faults": "a fault on core 1",
    "torture": "both cores on one spinlock",
}
_SHORT = Fraction(1, 50)
"""Seconds."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Builds each program once."""
    folder = tmp_path_factory.mktemp("timeline")
    return cache(lambda name: firmware_images.build(name, folder))


def firmware(built: Built, name: str) -> Firmware:
    return Firmware.from_elf(built(name))


def read(done: RunCost) -> ReadTrace:
    return trace_reader.read(trace(done, name="test"))


def figures(done: RunCost) -> dict[str, Any]:
    """Everything but the timeline itself."""
    return {field.name: getattr(done, field.name) for field in fields(done) if field.name != "timeline"}


def expected_self(done: RunCost, core: int) -> dict[str, int]:
    cost = done.cores[core].cost if done.cores else done.cost
    return {name: each.self_cycles for name, each in cost.functions.items() if each.self_cycles}


class TestAddsUp:
    @pytest.mark.parametrize("name", quick_of(PROGRAMS, {"tasks", "sleep", "second_core", "reboots", "faulty"}))
    def test_to_what_the_run_counted(self, built: Built, name: str) -> None:
        """Instructions are counted by their address, sleep and exceptions by themselves: by other code than this."""
        plain = firmware(built, name).run(seconds=_SHORT)
        done = firmware(built, name).run(seconds=_SHORT, timeline=MOST_SLICES)
        assert figures(done) == figures(plain)
        assert run_json.run(done, ()) == run_json.run(plain, ())
        found = read(done)
        cores = done.cores or (None,)
        for number, core in enumerate(cores):
            spans = found.threads[f"core {number}"]
            assert self_cycles(spans, "function") == expected_self(done, number)
            source = done if core is None else core
            assert total(spans, "sleep") == source.sleep_cycles
            assert sum(self_cycles(spans, "exception").values()) == source.overhead_cycles
            entries = Counter(span.name for span in spans if span.category == "exception")
            assert entries == {each.exception: each.entries for each in source.handlers}
            assert_calls(spans, source.cost)
        assert len(cores) == sum(name.startswith("core ") for name in found.threads)

    def test_no_time_is_left_out(self, built: Built) -> None:
        """From reset to the end, some function, exception or sleep has every cycle, and no two have one."""
        done = firmware(built, "sleep").run(seconds=_SHORT, timeline=MOST_SLICES)
        spans = read(done).threads["core 0"]
        outer = [span for span in spans if span.parent is None]
        assert [span.args["cycle"] for span in outer] == [0, *(span.last for span in outer[:-1])]
        assert outer[-1].last == done.cycles


def assert_calls(spans: list[Span], cost: Any) -> None:
    calls = Counter(span.name for span in spans if span.category == "function" and "goes on" not in span.args)
    ended_at_once = {name for name, each in cost.functions.items() if not each.inclusive_cycles} - calls.keys()
    assert calls == {name: each.calls for name, each in cost.functions.items() if name not in ended_at_once}


class TestRegions:
    @pytest.mark.parametrize(
        ("begin", "end"), [("main", None), ("second_task", "supervise"), ("SysTick_Handler", None)]
    )
    def test_have_what_is_counted_there(self, built: Built, begin: str, end: str | None) -> None:
        plain = firmware(built, "tasks").run(begin=begin, end=end)
        done = firmware(built, "tasks").run(begin=begin, end=end, timeline=MOST_SLICES)
        assert figures(done) == figures(plain)
        spans = read(done).threads["core 0"]
        assert self_cycles(spans, "function") == expected_self(done, 0)
        assert sum(self_cycles(spans, "exception").values()) == done.overhead_cycles
        assert max(span.last for span in spans) - min(span.args["cycle"] for span in spans) == done.cycles

    @pytest.mark.parametrize("begin", ["core1_main", "IRQ16_Handler"])
    def test_of_both_cores(self, built: Built, begin: str) -> None:
        done = firmware(built, "second_core").run(begin=begin, timeline=MOST_SLICES)
        found = read(done)
        for number, core in enumerate(done.cores):
            assert self_cycles(found.threads[f"core {number}"], "function") == expected_self(done, number)
            assert total(found.threads[f"core {number}"], "sleep") == core.sleep_cycles


class TestLimit:
    def test_the_shortest_are_left_out(self, built: Built) -> None:
        """All of the beginning; of what comes later, all that is at least so long, and nothing else."""
        whole = firmware(built, "tasks").run(timeline=MOST_SLICES).timeline
        for most in (1, 10, 333, 5000):
            part = firmware(built, "tasks").run(timeline=most).timeline
            assert whole is not None
            assert part is not None
            every = whole.cores[0].slices
            assert part.whole_until is not None
            is_long = (every["end"] - every["begin"] >= part.shortest) | (every["end"] <= part.whole_until)
            assert np.array_equal(part.cores[0].slices, every[is_long])
            assert (len(part.cores[0].slices), part.left_out) == (is_long.sum(), (~is_long).sum())
            assert most // 4 <= len(part.cores[0].slices) <= most
            assert most // 4 <= np.count_nonzero(every["end"] <= part.whole_until) <= most // 2
            assert f"{part.left_out:,} calls, handlers and sleeps of less than {part.shortest:,} cycles" in part.note()

    def test_a_log_that_is_full_many_times(self, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = firmware(built, "tasks").run(timeline=MOST_SLICES)
        monkeypatch.setattr("m0sim.chip.engine.recorder._LOG", 66_000 + 3)
        done = firmware(built, "tasks").run(timeline=MOST_SLICES)
        assert expected.timeline is not None
        assert done.timeline is not None
        assert np.array_equal(done.timeline.cores[0].slices, expected.timeline.cores[0].slices)
        assert figures(done) == figures(expected)

    def test_what_makes_no_sense(self, built: Built, run: Run, tmp_path: Path) -> None:  # noqa: F811
        with pytest.raises(UsageError, match="at least 0"):
            firmware(built, "tasks").run(timeline=-1)
        for words, says in (
            (["--timeline-limit", "5"], "add --timeline FILE"),
            (["--timeline", tmp_path / "t.json", "--timeline-limit", "0"], "at least 1"),
            (["--timeline", tmp_path / "t.json", "--timeline-limit", "few"], "--timeline-limit"),
            (["--timeline", tmp_path], "is a directory"),
        ):
            done = run("run", built("tasks"), *words)
            assert (done.code, done.out) == (2, "")
            assert says in done.err


class TestPins:
    @pytest.mark.parametrize("name", quick_of(("pins_of_both", "pio"), {"pins_of_both"}))
    def test_are_those_of_the_vcd(self, built: Built, run: Run, tmp_path: Path, name: str) -> None:  # noqa: F811
        vcd, file = tmp_path / "pins.vcd", tmp_path / "t.json"
        done = run("run", built(name), "--for", "12ms", "--vcd", vcd, "--timeline", file)
        assert done.code in (0, 1), done.err
        found = trace_reader.read(file.read_bytes())
        names, levels, now = dict[str, str](), dict[str, dict[int, str]](), 0
        for line in vcd.read_text().splitlines():
            if line.startswith("$var wire"):
                names[line.split()[3]] = line.split()[4]
            elif line.startswith("#"):
                now = int(line[1:])
            elif line[0] in "01z" and line[1:] in names:
                levels.setdefault(names[line[1:]], {})[now] = line[0]
        assert levels
        assert levels.keys() == {thread for thread in found.threads if thread.startswith("gpio")}
        for pin, changes in levels.items():
            seen: dict[int, str] = {0: "z"}
            for span in found.threads[pin]:
                seen[round(1000 * span.begin)] = span.name
                seen[round(1000 * span.end)] = "z"
            last = max(round(1000 * span.end) for span in found.threads[pin])
            assert {at: level for at, level in seen.items() if at < last} == changes

    def test_without_a_limit_of_their_number(self, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where there are too many changes, the rest is left out, and it is said from where on."""
        monkeypatch.setattr("m0sim.chip.engine.recorder._MOST_PINS", 3)
        done = firmware(built, "pins_of_both").run(seconds=Fraction(12, 1000), timeline=MOST_SLICES)
        assert done.timeline is not None
        assert done.timeline.pins_until is not None
        assert f"from cycle {done.timeline.pins_until:,} on are left out" in done.timeline.note()
        assert all(
            span.last <= done.timeline.pins_until
            for name, spans in read(done).threads.items()
            for span in spans
            if name.startswith("gpio")
        )


class TestTrace:
    def test_the_command_line(self, built: Built, run: Run, tmp_path: Path) -> None:  # noqa: F811
        file = tmp_path / "t.json"
        done = run("run", built("tasks"), "--timeline", file, "--timeline-limit", "100", "--json")
        assert done.code == 0
        assert "note: timeline: 7," in done.err
        found = trace_reader.read(file.read_bytes())
        assert found.about["left_out"] in done.err
        assert found.about["cycles"] == json.loads(done.out)["cycles"]
        assert found.processes[1] == "rp2040, tasks.elf"

    def test_what_is_told_of_each(self, built: Built) -> None:
        done = firmware(built, "second_core").run(timeline=MOST_SLICES)
        found = read(done)
        spans = [*found.threads["core 0"], *found.threads["core 1"]]
        asleep = {(span.name, span.args.get("woken by")) for span in spans if span.category == "sleep"}
        assert asleep == {
            ("asleep (WFE)", "an event"),
            *(("asleep (WFI)", by) for by in ("IO_IRQ_BANK0", "SIO_IRQ_PROC1", "TIMER_IRQ_0", None)),  # up to the end
        }
        held = read(firmware(built, "relaunch").run(timeline=MOST_SLICES)).threads["core 1"]
        assert "off" in {span.name for span in held}
        waited = [span.args["latency"] for span in spans if span.category == "exception"]
        assert max(waited) == max(each.latency.max for core in done.cores for each in core.handlers if each.latency)
        assert [rates["MHz"] for _, rates in found.counters["clk_sys"]] == [each.hertz / 1e6 for each in done.clocks]
        assert found.instants[-1][1].startswith("exit: ")

    def test_threads_have_a_line_of_their_own(self, built: Built) -> None:
        done = firmware(built, "tasks").run(timeline=MOST_SLICES)
        threads = read(done).threads["threads of core 0"]
        assert [span.name for span in threads][:3] == ["(reset)", "second_task", "(reset)"]
        assert [span.args["cycle"] for span in threads][1:] == [span.last for span in threads][:-1]

    def test_resets_are_marked(self, built: Built) -> None:
        done = firmware(built, "reboots").run(seconds=_SHORT, timeline=MOST_SLICES)
        marks = [text for _, text in read(done).instants]
        assert marks[:-1] == [f"reset: {reset.reason}" for reset in done.resets]

    def test_the_heap(self, built: Built) -> None:
        done = firmware(built, "allocates").run(timeline=MOST_SLICES)
        assert [value["bytes"] for _, value in read(done).counters["heap that sbrk gave"]] == [
            0, *(size.bytes for size in done.heap)
        ]  # fmt: skip

    def test_a_begin_that_is_never_reached(self, built: Built) -> None:
        done = firmware(built, "second_core").run(begin="IRQ15_Handler", timeline=MOST_SLICES)
        found = read(done)
        assert not found.threads
        assert "not reached" in found.about["left_out"]

    def test_load_and_stack_of_each_core(self, built: Built) -> None:
        done = firmware(built, "second_core").run(timeline=MOST_SLICES)
        found = read(done)
        assert done.stack_over_time is not None
        for number, (core, marks) in enumerate(zip(done.load.cores, done.stack_over_time.cores, strict=True)):
            shares = [value["%"] for _, value in found.counters[f"load of core {number}"]]
            assert shares[:-1] == [round(100 * busy / done.load.bucket_cycles, 2) for busy in core.busy[:-1]]
            assert len(shares) == len(core.busy)
            stack = found.counters[f"main stack of core {number}, deepest"]
            assert [value["bytes"] for _, value in stack] == list(marks)

    def test_names_of_all_kinds(self) -> None:
        """Nothing of them becomes JSON, or two lines."""
        slices = np.array([(0, 10, Kind.CALL, 0, 0, 0), (2, 2 + 3, Kind.CALL, 1, 1, 1)], SLICE)
        names = ('f"\\', "g\n\x1b[31m")
        done = replace(run_of_nothing(), timeline=timeline_of(slices, names))
        found = trace_reader.read(trace(done, name='a"b'))
        assert [span.name for span in found.threads["core 0"]] == ['f"\\', "g\\n\\x1b[31m"]


class TestTimes:
    @given(
        st.lists(st.tuples(st.integers(1, 10**9), st.fractions(1000, 10**9)), min_size=1, max_size=5),
        st.lists(st.integers(0, 5 * 10**9), min_size=1, max_size=20),
    )
    def test_are_the_fractions_rounded_and_never_fall(
        self, pieces: list[tuple[int, Fraction]], cycles: list[int]
    ) -> None:
        """Of a clock that changes."""
        rates, at, seconds = [], 0, Fraction(0)
        for length, hz in pieces:
            rates.append((at, seconds, hz))
            at, seconds = at + length, seconds + length / hz
        found = TimeScale(tuple(rates)).nanoseconds(np.array(sorted(cycles), np.int64))
        assert np.all(np.diff(found) >= 0)
        for cycle, nanoseconds in zip(sorted(cycles), found.tolist(), strict=True):
            since, begin, hz = max(rate for rate in rates if rate[0] <= cycle)
            exact = 10**9 * (begin + (cycle - since) / hz)
            assert abs(nanoseconds - exact) <= 1 + exact / 2**50

    def test_a_clock_that_stands(self) -> None:
        scale = TimeScale(((0, Fraction(0), Fraction(10**6)), (5, Fraction(1, 10**5), Fraction(0))))
        assert scale.nanoseconds(np.array([4, 5, 6], np.int64)).tolist() == [4000, 10_000, 10_000]


def timeline_of(slices: Any, names: tuple[str, ...]) -> Timeline:
    core = CoreLine(0, 0, 10, slices)
    scale = TimeScale(((0, Fraction(0), Fraction(125_000_000)),))
    pins, machines = np.zeros(0, [("cycle", "i8"), ("level", "u4"), ("driven", "u4")]), np.zeros(0, "i8,i8,u4")
    return Timeline((core,), scale, names, {}, None, 0, 0, pins, machines, None)


@cache
def run_of_nothing() -> RunCost:
    image = load_raw(bytes.fromhex("00040020090000200000000000000000fee7fee7"), 0x20000000)
    return Firmware(image).run(max_cycles=50)


# -- generated programs


_PIECE = 48
"""Bytes of what the tests call a function: control comes to the middle of one, runs into the next, and jumps back."""


def recorded(
    program: TimedProgram, profile: str, *, is_simple: bool, most: int = 10**6
) -> tuple[Timeline, Processor, Any]:
    part = load(profile)
    assert part.flash is not None
    base = part.flash.base
    pieces = range(base + 0x100, base + len(program.image.code), _PIECE)
    symbols = tuple(Symbol(f"f{at:x}", f"f{at:x}", at, _PIECE, "function", True, True, "") for at in pieces)
    emulator = Emulator(part, replace(load_raw(program.image.code, base), symbols=symbols), 1024)
    made = Processor(emulator, Interpreter(emulator), is_simple=is_simple)
    made.reset(MAIN_STACK, program.entry, base)
    recorder = Recorder(most)
    recorder.begin(made.interpreter)
    run_processor(made, LIMIT, program.lines)
    counts = counted(made, ended=True)
    scale = TimeScale(((0, Fraction(0), Fraction(10**6)),))
    return recorder.end(scale, str), made, counts


def check_generated(source: bytes, profile: str) -> None:
    flash = load(profile).flash
    assert flash is not None
    program = timed_program(source, flash.base)
    drawn, made, counts = recorded(program, profile, is_simple=False)
    simple, *_ = recorded(program, profile, is_simple=True)
    slices = drawn.cores[0].slices
    assert np.array_equal(slices, simple.cores[0].slices)
    own, open_ = Counter[int](), list[tuple[int, int, int]]()
    sums = Counter[int]()
    for begin, end, kind, number, _, _ in slices[slices["kind"] != Kind.THREAD].tolist():
        while open_ and open_[-1][0] <= begin:
            open_.pop()
        assert begin < end
        if open_:
            assert end <= open_[-1][0]
            around, what = open_[-1][1:]
            if around == Kind.CALL:
                own[what] -= end - begin
            sums[around] -= end - begin
        sums[kind] += end - begin
        if kind == Kind.CALL:
            own[number] += end - begin
        open_.append((end, kind, number))
    tree = Counter[str]()
    for node in call_tree(counts.counts, frozenset()):
        tree[node.function] += node.self_cycles
    asleep = +Counter({drawn.functions[number]: cycles for number, cycles in own.items()})
    for begin, end, _, _, level, _ in slices[slices["kind"] == Kind.SLEEP].tolist():
        inside = [s for s in slices.tolist() if s[2] == Kind.CALL and s[0] <= begin and end <= s[1] and s[4] < level]
        asleep[drawn.functions[max(inside, key=lambda s: s[4])[3]]] += end - begin
    assert asleep == +Counter({name: cycles for name, cycles in tree.items() if name != CHIP})
    assert sums[Kind.SLEEP] == made.sleep_cycles
    assert sums[Kind.EXCEPTION] == made.overhead_cycles
    entries = Counter(slices["number"][slices["kind"] == Kind.EXCEPTION].tolist())
    assert entries == {number: row["entries"] for number, row in enumerate(made.exceptions) if row["entries"]}
    woken = set(slices["detail"][slices["kind"] == Kind.SLEEP].tolist())
    assert woken <= {0, NOTHING, *entries, *range(16, 48)}


def in_form(profile: str, count: int) -> None:
    @settings(
        max_examples=examples(count),
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(sources(300))
    def every(source: bytes) -> None:
        check_generated(source, profile)

    every()


def test_generated_programs() -> None:
    """Exceptions at any cycle, sleep, and jumps between pieces of code: as the call tree and the counters have it."""
    in_form("rp2040", 8)


@pytest.mark.long
@pytest.mark.parametrize("profile", ["rp2040", "nrf51"])
def test_many_generated_programs(profile: str) -> None:
    in_form(profile, 200)
