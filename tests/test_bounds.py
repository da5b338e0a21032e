"""Static bounds of compiled functions: at least what runs take, equal where there is one way, and GCC's own frames."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest
from conftest import FIRMWARE, Build, found_toolchain
from test_cli import Run, run  # noqa: F401
from transcripts import blocks, commands, missing

from m0sim import Machine
from m0sim.bounds.analysis import Analysis
from m0sim.bounds.annotations import Annotations
from m0sim.chip import device
from m0sim.errors import UsageError
from m0sim.image import load_elf
from m0sim.study.learn.kernels import STACK
from m0sim.toml import parse

ROOT = Path(__file__).parents[1]
BUILDS = [(toolchain, level) for toolchain in ("gnu", "zig") for level in ("-O0", "-O2", "-Os")]
STRAIGHT = ("leaf leaf_with_array leaf_with_bytes leaf_with_many leaf_with_much calls_leaf calls_big calls_many "
            "calls_deep tail").split()  # fmt: skip
SEVERAL = "one_or_other early loops divides multiplies chooses chooses_more through by_constant_table".split()
TOLD = "by_variable_table counts_down even odd takes_room".split()
ANNOTATED = """
[stack.calls]
by_variable_table = ["leaf", "calls_leaf", "calls_big", "leaf_with_bytes"]
[stack.recursion]
counts_down = 16
even = 8
[stack.frames]
takes_room = 160
"""


def annotations(text: str) -> Annotations:
    return Annotations.of(parse(Path("notes.toml"), text, ("stack", "cycles")))


@cache
def rp2040() -> device.Device:
    return device.load("rp2040")


def analysed(path: Path, text: str = "") -> Analysis:
    return Analysis(load_elf(path), rp2040(), annotations(text))


def most_observed(machine: Machine, function: str) -> int:
    """Over inputs that take every way of the function."""
    words = {"leaf_with_many": 6, "chooses_more": 2}.get(function, 1)
    return max(machine.call(function, *[a] * words).stack_bytes for a in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15))


@pytest.mark.parametrize(("toolchain", "level"), BUILDS, ids=" ".join)
def test_no_run_takes_more(build: Build, toolchain: str, level: str) -> None:
    elf = build("bounded.c", toolchain=toolchain, flags=(level, "-g"))
    machine, analysis = Machine.from_elf(elf), analysed(elf, ANNOTATED)
    for function in (*STRAIGHT, *SEVERAL, *TOLD):
        bound, seen = analysis.stack(function), most_observed(machine, function)
        assert bound.stack_bytes is not None, bound.reasons
        assert sum(part.stack_bytes for part in bound.path) == bound.stack_bytes
        assert bound.stack_bytes >= seen, function
        if function in STRAIGHT:
            assert bound.stack_bytes == seen, function


@pytest.mark.parametrize(("toolchain", "level"), BUILDS, ids=" ".join)
def test_what_code_does_not_tell_has_no_bound(build: Build, toolchain: str, level: str) -> None:
    elf = build("bounded.c", toolchain=toolchain, flags=(level, "-g"))
    analysis, machine = analysed(elf), Machine.from_elf(elf)
    for function, kind in (("by_variable_table", "call"), ("takes_room", "sp"), ("even", "recursion")):
        bound = analysis.stack(function)
        if kind == "recursion" and machine.call(function, 9).stack_bytes == machine.call(function, 1).stack_bytes:
            continue  # the compiler made a loop of it
        assert bound.stack_bytes is None, function
        assert kind in {reason.kind for reason in bound.reasons}
        assert bound.path == ()


def test_frames_are_those_that_gcc_reports(tmp_path: Path) -> None:
    """-fstack-usage: the file that GCC writes beside the object has what each function itself takes."""
    gnu = found_toolchain("gnu")
    for level in ("-O0", "-O1", "-O2", "-Os"):
        flags = [*gnu.compile_flags, level, "-fstack-usage"]
        made = tmp_path / "bounded.o"
        subprocess.run([*gnu.command, *flags, "-c", FIRMWARE / "bounded.c", "-o", made], check=True)
        rows = [line.split("\t") for line in made.with_suffix(".su").read_text().splitlines()]
        said = {row[0].rpartition(":")[2]: int(row[1]) for row in rows if row[2] == "static"}
        assert len(said) >= 20
        linked = gnu.build([FIRMWARE / "bounded.c"], tmp_path / "bounded.elf", flags=(level,))
        analysis = analysed(linked, ANNOTATED)
        switches = {"chooses", "chooses_more"} if level == "-Os" else set()  # read with the helper that they call
        found = {name: analysis.stack(name).frame_bytes for name in said}
        assert {k: v for k, v in found.items() if k not in switches} == {
            k: v for k, v in said.items() if k not in switches
        }
        assert all(said[name] <= found[name] <= said[name] + 8 for name in switches)


def test_the_kernels_take_no_more_than_their_bound() -> None:
    elf, baseline = ROOT / "build/kernels/m0k.elf", ROOT / "kernels/m0sim-baseline.json"
    if not elf.exists():
        pytest.skip("build/kernels/m0k.elf is not there: make kernels")
    analysis, compared = analysed(elf), set()
    for bench in json.loads(baseline.read_text())["benches"].values():
        bound = analysis.stack(bench["function"])
        if bound.stack_bytes is not None:
            assert bound.stack_bytes >= bench["stack_bytes"], bench["function"]
            compared.add(bench["function"])
    assert len(compared) >= 15


def test_a_number_of_calls_bounds_a_circle_by_hand(build: Build) -> None:
    elf = build("bounded.c", toolchain="zig", flags=("-O0", "-g"))
    frames = {name: analysed(elf).stack(name).frame_bytes for name in ("even", "odd", "calls_leaf", "leaf")}
    end = frames["calls_leaf"] + frames["leaf"]
    for n in (1, 2, 5):
        analysis = analysed(elf, f"[stack.recursion]\neven = {n}\n")
        found = {name: analysis.stack(name).stack_bytes for name in ("even", "odd")}
        assert found["even"] == n * (frames["even"] + frames["odd"]) + end
        assert found["odd"] == frames["odd"] + found["even"]


WRONG = {
    "[stack.calls]\nby_variable_tabel = ['leaf']": "2: stack.calls.by_variable_tabel: no symbol 'by_variable_tabel' in "
    "APP; did you mean 'by_variable_table'",
    "[stack.calls]\nby_variable_table = ['leav']": "2: stack.calls.by_variable_table: no symbol 'leav' in APP; did you "
    "mean 'leaf'?",
    "[stack.calls]\nby_variable_table = 'leaf'": "2: stack.calls.by_variable_table: must be an array, not 'leaf'",
    "[stack.calls]\nby_variable_table = []": "2: stack.calls.by_variable_table: must be an array of functions",
    "[stack.recursion]\neven = 0": "2: stack.recursion.even: must be from 1 to",
    "[stack.frames]\n'leaf+0x1000002' = 8": "2: stack.frames.leaf+0x1000002: no instruction is there: leaf begins at",
    "[stack.frame]\nleaf = 8": "1: stack.frame: unknown key; did you mean 'frames'?",
    "[stack]\nnoreturn = ['leav']": "2: stack.noreturn: no symbol 'leav' in APP; did you mean 'leaf'?",
    "[cycles.loops]\nloops = 8": "2: cycles.loops.loops: must say which loop",
    "[cycles.loops]\n'bounded.c:1' = 8": "2: cycles.loops.bounded.c:1: no code is from line 1 of bounded.c",
    "[stack.bounds]\n'bounded.c:9' = 8": "2: stack.bounds.bounded.c:9: must be a function, not a line",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text.replace("\n", " "))
def test_a_wrong_annotation_is_named_with_its_line(build: Build, text: str) -> None:
    elf = build("bounded.c", toolchain="zig", flags=("-O2", "-g"))
    with pytest.raises(UsageError) as caught:
        analysed(elf, text)
    assert str(caught.value).startswith("notes.toml:" + WRONG[text].replace("APP", str(elf)))


def test_the_verb(run: Run, build: Build, tmp_path: Path) -> None:  # noqa: F811
    elf = build("bounded.c", toolchain="zig", flags=("-O2", "-g"))
    cost, notes = tmp_path / "cost.json", tmp_path / "notes.toml"
    seen = run("call", elf, "calls_deep", 5, "--json", "-o", cost).json["stack_bytes"]
    shown = run("stack", elf, "calls_deep", "--observed", cost, "--json")
    assert shown.code == 0
    assert (shown.json["stack_bytes"], shown.json["observed_bytes"], shown.json["unbounded"]) == (seen, seen, [])
    assert run("stack", elf, "calls_deep", "--observed", cost).out.startswith(
        f"calls_deep: at most {seen:,} bytes of stack; {seen:,} observed\n"
    )
    assert run("stack", elf, "calls_deep", "--max", seen).code == 0
    over = run("stack", elf, "calls_deep", "--max", seen - 1)
    assert over.code == 1
    assert over.out.endswith(f"error: {seen:,} bytes are 1 more than the {seen - 1:,} allowed\n")
    endless = run("stack", elf, "even", "--max", "64K")
    assert endless.code == 1
    assert re.search(
        r"unbounded: recursion (even -> odd -> even|odd -> even -> odd); annotate \[stack\.rec", endless.out
    )
    assert run("stack", elf, "even").code == 0, "there is nothing that it must not exceed"
    notes.write_text(ANNOTATED)
    assert run("stack", elf, "even", "--annotations", notes, "--max", "64K").code == 0
    listed = run("stack", elf, "--annotations", notes, "--json").json["functions"]
    assert {each["function"] for each in listed} >= {*STRAIGHT, *SEVERAL, *TOLD}
    assert all(each["stack_bytes"] is not None for each in listed)


def test_a_run_above_the_bound_is_an_error(run: Run, build: Build, tmp_path: Path) -> None:  # noqa: F811
    elf = build("bounded.c", toolchain="zig", flags=("-O0", "-g"))
    cost, notes = tmp_path / "cost.json", tmp_path / "notes.toml"
    run("call", elf, "counts_down", 9, "--json", "-o", cost)
    notes.write_text("[stack.recursion]\ncounts_down = 3\n")
    done = run("stack", elf, "counts_down", "--annotations", notes, "--observed", cost)
    assert done.code == 1
    assert "more than the bound: an annotation is too small" in done.out
    other = run("stack", elf, "even", "--annotations", notes, "--observed", cost)
    assert (other.code, other.out) == (2, "")
    assert other.err == f"m0sim: {cost}: is of 'counts_down', not of 'even': call that with --json\n"


@pytest.mark.parametrize("option", ["--max=8", "--observed=cost.json", "--cycles"])
def test_what_is_of_one_function_needs_one(run: Run, build: Build, option: str) -> None:  # noqa: F811
    done = run("stack", build("bounded.c", flags=("-O2", "-g")), option)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("m0sim: --max, --observed and --cycles are of one function")


def test_the_transcripts_of_the_page(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    if not (ROOT / "build/examples/dot.elf").exists() or not (ROOT / "build/kernels/m0k.elf").exists():
        pytest.skip("build/ is not there: make kernels")
    for name in ("build", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/stack.md").read_text(encoding="utf-8")
    done = 0
    for command, shown in (pair for kind, block, _ in blocks(text) if kind == "console" for pair in commands(block)):
        words = shlex.split(command.partition(" >")[0])
        if words[0] == "printf":
            Path(command.rpartition(">")[2]).write_text(words[1].encode().decode("unicode_escape"))
        elif "[options]" not in words:
            printed = run(*words[1:]).out.splitlines()
            assert missing(shown, printed) is None, command
            done += words[1] == "stack"
    assert done == 4


def test_the_kernels_take_what_their_heads_say() -> None:
    """What each kernel's author wrote of its stack, counted by hand."""
    elf = ROOT / "build/kernels/m0k.elf"
    if not elf.exists():
        pytest.skip("build/kernels/m0k.elf is not there: make kernels")
    analysis = analysed(elf)
    bounds = {name: analysis.stack(name).stack_bytes for name in STACK}
    known = {name: bound for name, bound in bounds.items() if bound is not None}
    assert known == {name: STACK[name] for name in known}
    assert len(known) >= 30
