"""[bench.matrix]: each combination is the bench that one would have written by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from conftest import Build
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_check import Project
from test_cli import Run, run

from m0sim.check import manifest
from m0sim.check.bench import Bench, CallBench, RunBench
from m0sim.check.manifest import Manifest
from m0sim.chip.operands import File
from m0sim.errors import UsageError
from m0sim.toml import Lines

__all__ = ["run"]

Load = Callable[[str], Manifest]
NOWHERE = Lines("")
HEAD = 'image = "a.elf"\n[[bench]]\nname = "x"\nfunction = "f"\n'
DOT = """\
image = "a.elf"
[[bench]]
name = "dot"
function = "dot_s8"
args = ["@a.bin", "{n}", ["out:{n}", 1]]
[bench.matrix]
n = [16, 64, 256]
"""


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(text: str) -> Manifest:
        (tmp_path / "m0sim.toml").write_text(text)
        return manifest.load(tmp_path / "m0sim.toml")

    return loaded


def bare(bench: Bench) -> Bench:
    """A bench without where it is written."""
    place = replace(bench.place, lines=NOWHERE, at=())
    return replace(bench, place=place, case=None)


def test_each_combination_is_the_bench_that_a_person_would_write(load: Load) -> None:
    found = load(DOT).benches
    assert [bench.name for bench in found] == ["dot n=16", "dot n=64", "dot n=256"]
    assert [bench.case.values for bench in found if bench.case] == [(("n", 16),), (("n", 64),), (("n", 256),)]
    written = 'image = "a.elf"\n' + "".join(
        f'[[bench]]\nname = "dot n={n}"\nfunction = "dot_s8"\nargs = ["@a.bin", {n}, ["out:{n}", 1]]\n'
        for n in (16, 64, 256)
    )
    assert [bare(bench) for bench in found] == [bare(bench) for bench in load(written).benches]


def test_errors_of_a_combination_have_its_name_and_the_line_of_the_key(load: Load) -> None:
    with pytest.raises(UsageError, match=r"m0sim\.toml:5: bench 'dot n=many': args: 'many': "):
        load(DOT.replace("64,", '"many",'))


def test_axes_are_combined_and_the_last_changes_fastest(load: Load) -> None:
    text = HEAD + 'args = ["{a}", "{b}"]\nflash = "{f}"\n[bench.matrix]\na = [1, 2]\nb = [3]\nf = ["cold", "ideal"]\n'
    found = [bench for bench in load(text).benches if isinstance(bench, CallBench)]
    assert [(bench.name, bench.flash) for bench in found] == [
        *(("x a=1 b=3 f=cold", "cold"), ("x a=1 b=3 f=ideal", "ideal")),
        *(("x a=2 b=3 f=cold", "cold"), ("x a=2 b=3 f=ideal", "ideal")),
    ]


def test_names_that_move_together(load: Load) -> None:
    """What a size must return, and what it may cost; only the first of them is in the bench's name."""
    text = (
        HEAD
        + 'args = ["{n}"]\nexpect = "{sum}"\nmax_cycles = "{most}"\n'
        + '[bench.matrix]\n"n, sum, most" = [[3, 6, 90], [4, 10, 120]]\n'
    )
    found = [bench for bench in load(text).benches if isinstance(bench, CallBench)]
    assert [(b.name, b.expect, b.limits.budgets) for b in found] == [
        ("x n=3", 6, {"cycles": 90}),
        ("x n=4", 10, {"cycles": 120}),
    ]
    label = HEAD + 'args = ["@{file}"]\n[bench.matrix]\n"case, file" = [["quiet", "q.bin"], ["loud", "l.bin"]]\n'
    assert [bench.name for bench in load(label).benches] == ["x case=quiet", "x case=loud"]


def test_where_the_name_wants_its_values(load: Load) -> None:
    text = DOT.replace('name = "dot"', 'name = "dot of {n} bytes {{1}}"')
    assert load(text).benches[0].name == "dot of 16 bytes {1}"


def test_runs_have_one_too(load: Load) -> None:
    keys = 'run = true\nfor = "{ms}ms"\nmax_latency = { SysTick = "{most}" }\n'
    text = f'image = "a.elf"\n[[bench]]\nname = "r"\n{keys}[bench.matrix]\n"ms, most" = [[5, 20], [10, 30]]\n'
    found = [bench for bench in load(text).benches if isinstance(bench, RunBench)]
    assert [(b.name, b.seconds, b.limits.budgets) for b in found] == [
        ("r ms=5", Fraction(5, 1000), {"latency.SysTick": 20}),
        ("r ms=10", Fraction(10, 1000), {"latency.SysTick": 30}),
    ]


def test_braces_mean_nothing_without_a_matrix(load: Load) -> None:
    (bench,) = load(HEAD.replace('"x"', '"{x} {{"')).benches
    assert (bench.name, bench.case) == ("{x} {{", None)


ARGS = 'args = ["{n}"]\n'
TWENTY = list(range(20))


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        (ARGS + "[bench.matrix]\nm = [1]\nn = [1]", 7, ["matrix.m", "nothing uses {m}"]),
        (ARGS + "[bench.matrix]\n'n, m' = [[1, 2]]", 7, ["nothing uses {m}"]),
        (ARGS.replace("{n}", "{size}") + "[bench.matrix]\nsizes = [1]", 5, ["args", "'size'", "did you mean 'sizes'"]),
        (ARGS.replace("{n}", "{}") + "[bench.matrix]\nn = [1]", 5, ["args", "''", "there is {n}"]),
        (ARGS.replace("{n}", "{n} {") + "[bench.matrix]\nn = [1]", 5, ["args", "brace alone", "{{"]),
        (ARGS + "[bench.matrix]\nn = []", 7, ["matrix.n", "at least one value"]),
        (ARGS + "[bench.matrix]\n", 6, ["matrix.", "no axis"]),
        (ARGS + "[bench.matrix]\nn = [1, 2, 1]", 7, ["matrix.n", "1 is there twice"]),
        (ARGS + "[bench.matrix]\nn = [1, '1']", 7, ["matrix.n", "1 is there twice"]),
        (ARGS + "[bench.matrix]\nn = [1]\n'n,m' = [[1, 2]]", 8, ["'n' is there twice"]),
        (ARGS + "[bench.matrix]\n'n,n' = [[1, 2]]", 7, ["'n' is there twice"]),
        (ARGS + "[bench.matrix]\n'n m' = [1]", 7, ["'n m' is no name"]),
        (ARGS + "[bench.matrix]\n'n,' = [[1, 2]]", 7, ["'' is no name"]),
        (ARGS + "[bench.matrix]\n'n,m' = [[1, 2, 3]]", 7, ["arrays of 2 values", "[1, 2, 3]"]),
        (ARGS + "[bench.matrix]\n'n,m' = [1]", 7, ["arrays of 2 values"]),
        (ARGS + "[bench.matrix]\nn = [[1]]", 7, ["must be numbers, texts"]),
        (ARGS + "[bench.matrix]\nn = [nan]", 7, ["must be numbers, texts"]),
        (ARGS + "[bench.matrix]\nn = 5", 7, ["must be an array"]),
        (ARGS + "matrix = 5", 6, ["matrix", "must be a table"]),
        (ARGS + f"[bench.matrix]\nn = {list(range(257))}", 6, ["matrix", "257 combinations", "may have 256"]),
        (f"args = ['{{n}}', '{{m}}']\n[bench.matrix]\nn = {TWENTY}\nm = {TWENTY}", 6, ["20 times 20 are 400"]),
        ("args = ['{a}', '{b}']\nname2 = 1\n[bench.matrix]\na = [1]\nb = [2]", 6, ["name2", "unknown key"]),
        ("max_cycles = '{n}'\n[bench.matrix]\nn = ['much']", 5, ["bench 'x n=much': max_cycles", "must be an integer"]),
    ],
)  # fmt: skip
def test_bad_ones(load: Load, text: str, line: int, named: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        load(HEAD + text + "\n")
    said = str(error.value)
    assert said.count("\n") == 0
    assert f"m0sim.toml:{line}: " in said, said
    assert [each for each in named if each not in said] == [], said


def test_names_that_meet(load: Load) -> None:
    within = HEAD.replace('"x"', '"x {a}{b}"') + "args = ['{a}', '{b}']\n[bench.matrix]\na = [1, 11]\nb = [11, 1]\n"
    with pytest.raises(UsageError, match="two combinations are both called 'x 111'"):
        load(within)
    between = DOT + '[[bench]]\nname = "dot n=64"\nfunction = "f"\n'
    with pytest.raises(UsageError, match=r":9: bench 'dot n=64': name: is already taken in line 2"):
        load(between)


def test_most_combinations_are_enough(load: Load) -> None:
    assert len(load(HEAD + ARGS + f"[bench.matrix]\nn = {list(range(256))}\n").benches) == 256


def test_only_takes_a_combination_or_all_of_them(load: Load) -> None:
    found = load(DOT + '[[bench]]\nname = "other"\nfunction = "f"\n')
    assert [bench.name for bench in found.only(["dot n=64"])] == ["dot n=64"]
    assert [bench.name for bench in found.only(["dot"])] == ["dot n=16", "dot n=64", "dot n=256"]
    assert len(found.only([])) == 4
    with pytest.raises(UsageError, match=r"no bench 'dot n=65'; did you mean 'dot n=64'"):
        found.only(["dot n=65"])


WORDS = st.text("abz09 -._", max_size=4)
VALUES = st.one_of(st.integers(-5, 300), WORDS)
NAMES = st.sampled_from(["n", "m", "k_1", "long-name"])
AXES = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=4, unique_by=str), min_size=1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(axes=AXES, data=st.data())
def test_any_matrix_is_its_product(load: Load, axes: dict[str, list[Any]], data: st.DataObject) -> None:
    """Against texts that are filled in by Python's own str.format, in the order of itertools.product."""
    names = data.draw(st.permutations(list(axes)))
    template = "x" + "-".join(f"{data.draw(WORDS)}{{{name}}}" for name in names)
    lines = "".join(f"{name} = {values!r}\n" for name, values in axes.items())
    found = load(HEAD + f"args = ['@{template}']\n[bench.matrix]\n{lines}").benches
    combinations = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    files = [bench.args[0] for bench in found if isinstance(bench, CallBench)]
    assert [file.path.name for file in files if isinstance(file, File)] == [
        template.format_map(each) for each in combinations
    ]
    assert [b.name for b in found] == ["x " + " ".join(f"{k}={v}" for k, v in each.items()) for each in combinations]


# --------------------------------------------------------------------------------------------------- from end to end

SUM = """
[[bench]]
name = "sum"
function = "sum_to"
args = ["{n}"]
expect = "{sum}"
tolerance = "1%"
[bench.matrix]
"n, sum" = [[10, 55], [20, 210], [40, 820]]
"""


@pytest.fixture
def project(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    found = Project(tmp_path, {"fast": build("hot.S"), "slow": build("hot.S", flags=("-DSLOW",))})
    found.use("fast")
    found.write(SUM)
    return found


def test_baseline_expect_limits_and_formats(run: Run, project: Project) -> None:
    assert run("check", "--update").err.endswith("written: 3 new, 0 updated, 0 unchanged\n")
    assert run("check", "-j", "2", "--strict").out.splitlines()[-1] == "3 unchanged, 0 improved, 0 regressed, 0 new"
    project.use("slow")
    done = run("check", "--only", "sum n=20", "--only", "sum n=40", "--json")
    assert done.code == 1
    assert [(b["name"], b["status"]) for b in done.json["benches"]] == [
        ("sum n=20", "regressed"),
        ("sum n=40", "regressed"),
    ]
    for name in ("text", "markdown", "junit", "github", "annotations"):
        out = run("check", "--format", name).out
        assert all(f"sum n={n}".replace("=", "&#61;" if name == "markdown" else "=") in out for n in (10, 20, 40)), name
    project.write(SUM.replace("210", "211"))
    done = run("check", "--json")
    assert [b["failure"] and b["failure"]["text"] for b in done.json["benches"]] == [
        *(None, "returned 210, expected 211", None),
    ]
