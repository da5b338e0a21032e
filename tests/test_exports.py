"""The profile files: their sums against `Cost`, their form against the tools that read them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest
from conftest import Build
from hypothesis import example, given, settings
from hypothesis import strategies as st
from profile_readers import Firefox, Pprof, message
from test_cli import Outcome, run_apart

from m0sim import Cost, Fault, Machine
from m0sim.chip.cost import CallNode
from m0sim.cli import options
from m0sim.errors import UsageError
from m0sim.image import Image, load_raw
from m0sim.report import callgrind, firefox_profiler, lcov, pprof, speedscope, stacks
from m0sim.report.inlined import inlining
from m0sim.report.profile_files import FORMATS

SOURCE = Path(__file__).parent / "firmware/profiled.c"
Case = tuple[Cost, Image]


def run(machine: Machine, function: str | int, *args: int) -> Case:
    try:
        return machine.call(function, *args), machine.image
    except Fault as fault:
        return fault.cost, machine.image


def raw(machine: Machine) -> Machine:
    """The same code without names."""
    segment = next(s for s in machine.image.segments if s.executable)
    return Machine(load_raw(segment.data, segment.address))


@pytest.fixture(scope="module")
def elf(build: Build) -> Path:
    return build("profiled.c")


CASES: dict[str, Callable[[Machine], Case]] = {
    "work": lambda m: run(m, "work", 5),
    "recursion": lambda m: run(m, "depth", 9),
    "mutual recursion": lambda m: run(m, "is_even", 9),
    "tail call": lambda m: run(m, "tail", 1),
    "fault": lambda m: run(m, "faults", 5),
    "raw binary": lambda m: run(raw(m), m.symbol("work").address, 5),
}


@pytest.fixture(scope="module", params=[(tool, case) for tool in ("zig", "gnu") for case in CASES], ids="-".join)
def case(request: pytest.FixtureRequest, build: Build) -> Case:
    tool, name = request.param
    return CASES[name](Machine.from_elf(build("profiled.c", toolchain=tool, flags=("-O1", "-g"))))


@pytest.fixture(scope="module", params=["zig", "gnu"])
def whole(request: pytest.FixtureRequest, build: Build) -> Case:
    """A run that uses most of the image, which has line information."""
    return CASES["work"](Machine.from_elf(build("profiled.c", toolchain=request.param)))


# ------------------------------------------------------------------------------------------- callgrind


@dataclass
class Parsed:
    """A Callgrind profile as its specification reads."""

    header: dict[str, str] = field(default_factory=dict)
    own: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By function, then event."""
    lines: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Self cycles by file and line."""
    calls: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Count and cycles by caller and callee."""


def parse(text: str) -> Parsed:
    parsed, names = Parsed(), {"fl": {}, "fn": {}, "ob": {}}
    now: dict[str, str] = {}
    pending = 0
    for line in text.splitlines():
        if key := re.fullmatch(r"(\w+): (.*)", line):
            parsed.header[key[1]] = key[2]
        elif spec := re.fullmatch(r"(c?)(fl|fi|fe|fn|ob)=(?:\((\d+)\) ?)?(.*)", line):
            kind = "fl" if spec[2] in ("fi", "fe") else spec[2]
            if spec[3] and spec[4]:
                assert spec[3] not in names[kind], "a number is given twice"
                names[kind][spec[3]] = spec[4]
            now[spec[1] + kind] = names[kind][spec[3]] if spec[3] else spec[4]
        elif call := re.fullmatch(r"calls=(\d+) 0x[0-9a-f]+ \d+", line):
            pending = int(call[1])
            parsed.calls[now["fn"], now["cfn"]]["calls"] += pending
        elif cost := re.fullmatch(r"(0x[0-9a-f]+) (\d+) ([\d ]+)", line):
            figures = dict(zip(parsed.header["events"].split(), map(int, cost[3].split()), strict=False))
            if pending:
                parsed.calls[now["fn"], now["cfn"]].update(figures)
                pending = 0
            else:
                parsed.own[now["fn"]].update(figures)
                parsed.lines[now["fl"], int(cost[2])] += figures["Cycles"]
        else:
            assert not line or line.startswith("#"), line
    return parsed


def inclusive_of_tree(cost: Cost) -> Counter[str]:
    sums: Counter[str] = Counter()
    for node in cost.call_tree:
        sums[node.function] += node.inclusive_cycles
    return sums


def test_callgrind_self_costs_are_the_totals(case: Case) -> None:
    cost, image = case
    parsed = parse(callgrind.profile(cost, image))
    assert parsed.header["positions"] == "instr line"
    assert parsed.header["events"] == "Cycles Instructions Taken"
    totals = [cost.cycles, cost.instructions, cost.branches_taken]
    assert parsed.header["summary"] == parsed.header["totals"] == " ".join(map(str, totals))
    assert [sum(own[event] for own in parsed.own.values()) for event in ("Cycles", "Instructions", "Taken")] == totals
    assert {name: own["Cycles"] for name, own in parsed.own.items()} == by_source(cost, image)


def by_source(cost: Cost, image: Image) -> dict[str, int]:
    """Self cycles by function, those of inlined functions apart."""
    sums: Counter[str] = Counter()
    for name, costs in inlining(cost, image).functions.items():
        if cost.functions[name].instructions:
            sums[name] += costs.own_cycles
            sums.update({part.label: part.self_cycles for part in costs.inlined})
    return dict(sums)


def test_callgrind_calls_are_the_edges_and_their_cycles_the_trees(case: Case) -> None:
    cost, image = case
    parsed = parse(callgrind.profile(cost, image))
    calls: Counter[tuple[str, str]] = Counter()
    for edge in cost.edges:
        calls[edge.caller, edge.callee] += edge.calls
    calls[callgrind.OUTSIDE, cost.call_tree[0].function] += 1
    is_real = {pair: not pair[1].endswith("(inlined)") for pair in parsed.calls}
    assert {pair: figures["calls"] for pair, figures in parsed.calls.items() if is_real[pair]} == calls
    into: Counter[str] = Counter()
    out_of: Counter[str] = Counter()
    for (caller, callee), figures in parsed.calls.items():
        into[callee] += figures["Cycles"]
        out_of[caller] += figures["Cycles"]
    assert {name: cycles for name, cycles in into.items() if not name.endswith("(inlined)")} == inclusive_of_tree(cost)
    for name, own in parsed.own.items():
        assert own["Cycles"] + out_of[name] == into[name], name


def test_callgrind_lines_are_those_of_the_instructions(whole: Case) -> None:
    cost, image = whole
    expected: Counter[tuple[str, int]] = Counter()
    for row in cost.instruction_table.rows:
        expected[image.source_line(row.address) or (str(SOURCE), 0)] += row.cycles
    assert parse(callgrind.profile(cost, image)).lines == expected
    assert {Path(file).name for file, _ in expected} == {"profiled.c", "profiled.h"}


def annotate(cost: Cost, image: Image, folder: Path, *options: str) -> tuple[dict[str, int], int]:
    """What callgrind_annotate shows of Cycles: by function, its files added up; and the program's total."""
    if shutil.which("callgrind_annotate") is None:
        pytest.skip("callgrind_annotate is not installed: apt install valgrind")
    path = folder / "callgrind.out.m0sim"
    path.write_text(callgrind.profile(cost, image))
    command = ["callgrind_annotate", "--threshold=100", "--auto=no", "--show=Cycles", *options, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    found: Counter[str] = Counter()
    total = 0
    for line in done.stdout.splitlines():
        if row := re.match(r"\s*([\d,]+) \([\d. ]+%\)\s+(.*)", line):
            cycles = int(row[1].replace(",", ""))
            if row[2] == "PROGRAM TOTALS":
                total = cycles
            else:
                found[row[2].partition(" [")[0].rpartition(":")[2]] += cycles
    return dict(found), total


def test_callgrind_annotate_agrees(case: Case, tmp_path: Path) -> None:
    cost, image = case
    found, total = annotate(cost, image, tmp_path)
    assert total == cost.cycles
    assert found == {name: cycles for name, cycles in by_source(cost, image).items() if cycles}


def test_callgrind_annotate_agrees_on_inclusive_cycles(build: Build, tmp_path: Path) -> None:
    """Built without line information, so that no function is shown once a file."""
    machine = Machine.from_elf(build("profiled.c", flags=("-O1", "-g0")))
    for case in (run(machine, "work", 5), run(machine, "depth", 9), run(machine, "is_even", 9)):
        found, total = annotate(*case, tmp_path, "--inclusive=yes")
        assert total == case[0].cycles
        assert found.pop(callgrind.OUTSIDE) == total
        assert found == inclusive_of_tree(case[0])
        mutual = {"is_even", "is_odd"}
        assert {name: cycles for name, cycles in found.items() if name not in mutual} == {
            name: f.inclusive_cycles for name, f in case[0].functions.items() if name not in mutual
        }


# ------------------------------------------------------------------------- speedscope, collapsed, JSON

_INDEX = {"type": "integer", "minimum": 0}
SPEEDSCOPE = {
    "type": "object",
    "required": ["$schema", "shared", "profiles"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "https://www.speedscope.app/file-format-schema.json"},
        "name": {"type": "string"},
        "exporter": {"type": "string"},
        "activeProfileIndex": _INDEX,
        "shared": {
            "type": "object",
            "required": ["frames"],
            "properties": {
                "frames": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "additionalProperties": False,
                        "properties": {"name": {"type": "string"}, "file": {"type": "string"}, "line": _INDEX},
                    },
                }
            },
        },
        "profiles": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["type", "name", "unit", "startValue", "endValue", "samples", "weights"],
                "additionalProperties": False,
                "properties": {
                    "type": {"const": "sampled"},
                    "name": {"type": "string"},
                    "unit": {"enum": ["bytes", "microseconds", "milliseconds", "nanoseconds", "none", "seconds"]},
                    "startValue": {"type": "number"},
                    "endValue": {"type": "number"},
                    "samples": {"type": "array", "items": {"type": "array", "items": _INDEX}},
                    "weights": {"type": "array", "items": {"type": "number"}},
                },
            },
        },
    },
}
"""What the format's published schema asks of a file with sampled profiles, and no property that it does not name."""


def tree_stacks(cost: Cost) -> Counter[tuple[str, ...]]:
    """Self cycles by stack, straight from the nodes."""
    sums: Counter[tuple[str, ...]] = Counter()
    for node in cost.call_tree:
        stack, above = [node.function], node.parent
        while above >= 0:
            stack.append(cost.call_tree[above].function)
            above = cost.call_tree[above].parent
        sums[tuple(reversed(stack))] += node.self_cycles
    return +sums


def not_inlined(stack: Iterable[str]) -> tuple[str, ...]:
    """A stack without the frames of inlined functions."""
    return tuple(frame for frame in stack if "(inlined" not in frame)


def test_speedscope(case: Case) -> None:
    cost, image = case
    written = json.loads(speedscope.profile(cost, image))
    jsonschema.validate(written, SPEEDSCOPE)
    (profile,) = written["profiles"]
    names = [frame["name"] for frame in written["shared"]["frames"]]
    assert len(names) == len(set(names))
    found: Counter[tuple[str, ...]] = Counter()
    for sample, weight in zip(profile["samples"], profile["weights"], strict=True):
        found[not_inlined(names[index] for index in sample)] += weight
    assert found == tree_stacks(cost)
    assert (profile["unit"], profile["startValue"], profile["endValue"]) == ("none", 0, cost.cycles)
    assert "cycles" in profile["name"]
    assert sum(profile["weights"]) == cost.cycles


def test_speedscope_frames_have_places(whole: Case) -> None:
    frames = {frame["name"]: frame for frame in json.loads(speedscope.profile(*whole))["shared"]["frames"]}
    text = SOURCE.read_text().splitlines()
    for name in ("work", "depth"):
        assert Path(frames[name]["file"]) == SOURCE
        assert f"{name}(int" in text[frames[name]["line"] - 1]


def test_samples_of_one_stack_stand_together(whole: Case) -> None:
    """Speedscope merges neighbours: walked depth first, a context is one bar and not one for each of its children."""
    seen: set[int] = set()
    paths = []
    for stack, node in stacks.walk(whole[0].call_tree):
        assert id(node) not in seen
        seen.add(id(node))
        paths.append(stack)
    assert len(seen) == len(whole[0].call_tree)
    for before, after in pairwise(paths):
        assert after[:-1] == before[: len(after) - 1]


def test_collapsed(case: Case) -> None:
    cost, image = case
    rows = [line.rpartition(" ") for line in stacks.collapsed(cost, image).splitlines()]
    found: Counter[tuple[str, ...]] = Counter()
    for stack, _, cycles in rows:
        found[not_inlined(stack.split(";"))] += int(cycles)
    assert found == tree_stacks(cost)
    assert sum(int(cycles) for *_, cycles in rows) == cost.cycles


# -------------------------------------------------------------------------------- pprof, Firefox Profiler


def collapsed_stacks(cost: Cost, image: Image) -> Counter[tuple[str, ...]]:
    """With the frames of inlined functions."""
    rows = [line.rpartition(" ") for line in stacks.collapsed(cost, image).splitlines()]
    return Counter({tuple(stack.split(";")): int(cycles) for stack, _, cycles in rows})


def test_pprof(case: Case) -> None:
    cost, image = case
    found = Pprof(pprof.profile(cost, image))
    cycles = found.stacks()
    assert cycles == collapsed_stacks(cost, image)
    assert sum(cycles.values()) == cost.cycles
    assert (found.units, found.period) == ([("cycles", "count")], (("cycles", "count"), 1))
    assert found.nanoseconds == round(cost.seconds * 1e9)
    assert cost.provenance is not None
    assert found.mapping == (1, str(image.path), cost.provenance.sha256)
    title, *arguments = found.comments
    assert title == f"m0sim: {cost.function} of {image.path.name} on rp2040, cycles with ideal flash"
    assert arguments == [f"arguments: {' '.join(cost.provenance.arguments)}"]


def test_firefox(case: Case) -> None:
    cost, image = case
    found = Firefox(firefox_profiler.profile(cost, image))
    assert found.stacks() == collapsed_stacks(cost, image)
    samples = found.thread["samples"]
    assert sum(samples["weight"]) == cost.cycles
    assert samples["weightType"] == "samples"
    assert samples["time"][0] == 0
    assert samples["time"][-1] == pytest.approx(1000 * cost.seconds)
    widths = [end - begin for begin, end in pairwise(samples["time"])]
    interval = found.profile["meta"]["interval"]
    assert widths == pytest.approx([weight * interval for weight in samples["weight"][:-1]])


def test_frames_have_places(whole: Case) -> None:
    """A function is at its first line, and inlined code in the file that it is written in."""
    profile = Pprof(pprof.profile(*whole))
    of_pprof = {line for location in profile.locations for line in profile.lines(location)}
    of_firefox = {(name, file, line or 0) for name, file, line in Firefox(firefox_profiler.profile(*whole)).frames()}
    text = SOURCE.read_text().splitlines()
    for places, remark in ((of_pprof, ""), (of_firefox, " (inlined)")):
        by_name = {name: (file, line) for name, file, line in places}
        for name in ("work", "depth"):
            file, line = by_name[name]
            assert Path(file) == SOURCE
            assert f"{name}(int" in text[line - 1]
        assert by_name["doubled" + remark] == (str(SOURCE.with_suffix(".h")), 0)


def test_inlined_frames_are_the_formats_own(whole: Case) -> None:
    profile = Pprof(pprof.profile(*whole))
    lines = [profile.lines(location) for location in profile.locations]
    assert ["doubled", "depth"] in [[name for name, _, _ in each] for each in lines]
    shared = Firefox(firefox_profiler.profile(*whole)).shared
    depths = dict(zip([name for name, _, _ in Firefox(firefox_profiler.profile(*whole)).frames()],
                      shared["frameTable"]["inlineDepth"], strict=True))  # fmt: skip
    assert (depths["doubled (inlined)"], depths["depth"]) == (1, 0)


@cache
def one_call() -> Case:
    machine = Machine(load_raw(bytes.fromhex("7047"), 0x10000000))
    return machine.call(0x10000000), machine.image


@settings(max_examples=8)
@given(st.lists(st.one_of(st.integers(0, 300), st.integers(0, (1 << 63) - 1)), min_size=1, max_size=20))
@example([1, 0, 127, 128, 16383, 16384, (1 << 63) - 1] * 20)
def test_large_and_many_figures(values: list[int]) -> None:
    """Each a stack of its own: ids, lengths and cycles of one byte and of more."""
    one, image = one_call()
    names = [f"f{number}" for number in range(len(values))]
    functions = {name: replace(one.functions["(no symbol)"], name=name) for name in names}
    tree = tuple(CallNode(name, place - 1, 0, 1, own, sum(values[place:]))
                 for place, (name, own) in enumerate(zip(names, values, strict=True)))  # fmt: skip
    table = replace(one.instruction_table, function_names=("f0",))
    cost = replace(one, cycles=sum(values), functions=functions, call_tree=tree, instruction_table=table)
    expected = {tuple(names[: place + 1]): own for place, own in enumerate(values) if own}
    assert Pprof(pprof.profile(cost, image)).stacks() == expected
    assert Firefox(firefox_profiler.profile(cost, image)).stacks() == expected


def test_a_message_is_read_as_it_was_written() -> None:
    """The example of https://protobuf.dev/programming-guides/encoding/: field 1 is 150; field 2 is "testing"."""
    assert message(bytes.fromhex("089601")) == {1: [150]}
    assert message(bytes.fromhex("120774657374696e67")) == {2: [b"testing"]}


def test_a_profile_of_the_same_call_has_the_same_bytes(whole: Case) -> None:
    assert pprof.profile(*whole) == pprof.profile(*whole)


# ------------------------------------------------------------------------------------------------ lcov


@dataclass
class Record:
    counts: dict[str, int] = field(default_factory=dict)
    lines: dict[int, int] = field(default_factory=dict)
    functions: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    branches: dict[tuple[int, int, int], str] = field(default_factory=dict)


def records(text: str) -> dict[str, Record]:
    found: dict[str, Record] = {}
    record = Record()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == "SF":
            record = found[value] = Record()
        elif key == "DA":
            number, count = map(int, value.split(","))
            assert number not in record.lines
            record.lines[number] = count
        elif key in ("FN", "FNDA"):
            number, name = value.split(",", 1)
            (record.functions if key == "FN" else record.calls)[name] = int(number)
        elif key == "BRDA":
            number, block, branch, taken = value.split(",")
            record.branches[int(number), int(block), int(branch)] = taken
        elif key in ("LF", "LH", "FNF", "FNH", "BRF", "BRH"):
            record.counts[key] = int(value)
        else:
            assert line in ("TN:", "end_of_record"), line
    return found


def test_lcov_lines_and_functions(whole: Case) -> None:
    cost, image = whole
    found = records(lcov.tracefile(cost, image))
    assert {Path(name).name for name in found} == {"profiled.c", "profiled.h"}
    text = SOURCE.read_text().splitlines()
    lines = found[str(SOURCE)].lines
    at = {line.strip(): number for number, line in enumerate(text, start=1)}
    assert lines[at["sink = 7;"]] == 0, "code that did not run is listed"
    assert lines[at["return is_odd(n - 1) + sink;"]] == 3
    assert lines[at["return depth(n - 1) + doubled(n);"]] == 5
    assert 1 not in lines, "a comment has no code"
    with_code = {image.source_line(begin) for begin, _ in image.code_ranges} | {
        (row.file, row.line) for row in image.lines() if row.file and row.line
    }
    assert {(name, line) for name, record in found.items() for line in record.lines} == with_code - {None}
    calls = {name: f.calls for name, f in cost.functions.items()}
    record = found[str(SOURCE)]
    assert record.calls == {name: calls.get(name, 0) for name in record.functions}
    assert record.calls["never"] == record.calls["faults"] == 0


def test_lcov_branches_and_sums(whole: Case) -> None:
    cost, image = whole
    found = records(lcov.tracefile(cost, image))
    counted = [int(n) for record in found.values() for n in record.branches.values() if n != "-"]
    assert sum(counted) == cost.branches_taken + cost.branches_not_taken
    for record in found.values():
        assert record.counts == {
            "LF": len(record.lines),
            "LH": sum(count > 0 for count in record.lines.values()),
            "FNF": len(record.functions),
            "FNH": sum(count > 0 for count in record.calls.values()),
            "BRF": len(record.branches),
            "BRH": sum(taken not in ("-", "0") for taken in record.branches.values()),
        }
    assert "-" in [taken for record in found.values() for taken in record.branches.values()]


def test_lcov_reads_its_summary(whole: Case, tmp_path: Path) -> None:
    if shutil.which("lcov") is None:
        pytest.skip("lcov is not installed: apt install lcov")
    path = tmp_path / "coverage.info"
    path.write_text(lcov.tracefile(*whole))
    done = subprocess.run(
        ["lcov", "--rc", "lcov_branch_coverage=1", "--summary", str(path)], capture_output=True, text=True, check=True
    )
    said = done.stdout + done.stderr
    found = records(path.read_text()).values()
    for hit, of, word in (("LH", "LF", "lines"), ("FNH", "FNF", "functions"), ("BRH", "BRF", "branches")):
        sums = [sum(record.counts[key] for record in found) for key in (hit, of)]
        assert re.search(rf"{word}\.+: [\d.]+% \({sums[0]} of {sums[1]} ", said), said


def test_genhtml_takes_it(whole: Case, tmp_path: Path) -> None:
    if shutil.which("genhtml") is None:
        pytest.skip("genhtml is not installed: apt install lcov")
    path = tmp_path / "coverage.info"
    path.write_text(lcov.tracefile(*whole))
    command = ["genhtml", "--quiet", "--branch-coverage", "--output-directory", str(tmp_path / "html"), str(path)]
    subprocess.run(command, capture_output=True, check=True)
    assert list((tmp_path / "html").rglob("profiled.c.gcov.html"))


def test_lcov_needs_line_information(build: Build) -> None:
    machine = Machine.from_elf(build("profiled.c", flags=("-O1", "-g0")))
    for cost, image in (run(machine, "work", 5), CASES["raw binary"](machine)):
        with pytest.raises(UsageError, match="has no line information: compile it with -g"):
            lcov.tracefile(cost, image)


# ------------------------------------------------------------------------------------------ command line


BY_CYCLES = ("callgrind", "speedscope", "collapsed", "pprof", "firefox")


def test_every_format_has_its_option() -> None:
    assert list(options.PROFILES) == list(FORMATS)
    assert {*BY_CYCLES, "lcov"} == set(FORMATS)


@dataclass(frozen=True)
class Written:
    said: Outcome
    folder: Path

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def bytes(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., Written]:
    """``call(elf, "work", "5", formats=("lcov",))``: the command with an option for each format."""

    def called(image: Path, *arguments: str, formats: tuple[str, ...] = tuple(FORMATS)) -> Written:
        options = [word for name in formats for word in (f"--{name}", str(tmp_path / name))]
        return Written(run_apart("call", image, *arguments, "--json", *options), tmp_path)

    return called


def self_cycles(written: Written) -> dict[str, int]:
    """The sum of the self cycles in each of the formats that have them."""
    (profile,) = json.loads(written.text("speedscope"))["profiles"]
    return {
        "json": sum(node["self_cycles"] for node in written.said.json["call_tree"]),
        "callgrind": sum(own["Cycles"] for own in parse(written.text("callgrind")).own.values()),
        "speedscope": sum(profile["weights"]),
        "collapsed": sum(int(line.rpartition(" ")[2]) for line in written.text("collapsed").splitlines()),
        "pprof": sum(Pprof(written.bytes("pprof")).stacks().values()),
        "firefox": sum(Firefox(written.text("firefox")).stacks().values()),
    }


@pytest.mark.parametrize(("function", "code"), [("work", 0), ("depth", 0), ("is_even", 0), ("tail", 0), ("faults", 1)])
def test_every_file_has_all_cycles(call: Callable[..., Written], elf: Path, function: str, code: int) -> None:
    written = call(elf, function, "5")
    assert written.said.code == code
    printed = written.said.json
    assert printed["cycles"] > 0
    assert self_cycles(written) == dict.fromkeys(("json", *BY_CYCLES), printed["cycles"])
    tree = printed["call_tree"]
    assert (tree[0]["function"], tree[0]["parent"], tree[0]["inclusive_cycles"]) == (function, -1, printed["cycles"])
    assert {node["function"] for node in tree} <= {f["name"] for f in printed["functions"]}
    assert records(written.text("lcov"))[str(SOURCE)].calls[function] >= 1


def test_a_raw_binary_has_all_but_coverage(call: Callable[..., Written], elf: Path, tmp_path: Path) -> None:
    machine = Machine.from_elf(elf)
    segment = next(s for s in machine.image.segments if s.executable)
    binary = tmp_path / "code.bin"
    binary.write_bytes(segment.data)
    where = (hex(machine.symbol("work").address), "5", "--base", hex(segment.address))
    written = call(binary, *where, formats=BY_CYCLES)
    assert written.said.code == 0
    cycles = written.said.json["cycles"]
    assert cycles == machine.call("work", 5).cycles
    assert set(self_cycles(written).values()) == {cycles}
    refused = call(binary, *where, formats=("lcov",)).said
    assert refused.code == 2
    assert refused.out == ""
    assert refused.err.count("\n") == 1
    assert f"{binary} has no line information: compile it with -g" in refused.err
    assert not (tmp_path / "lcov").exists()


def test_a_file_that_cannot_be_written(call: Callable[..., Written], elf: Path, tmp_path: Path) -> None:
    (tmp_path / "collapsed").mkdir()
    refused = call(elf, "tail", "1", formats=("collapsed",)).said
    assert refused.code == 2
    assert str(tmp_path / "collapsed") in refused.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["collapsed"]
