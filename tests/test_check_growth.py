"""Growth of cycles with a size: what is said to be exact is, what is said to be close is, and nothing else is said."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path

import pytest
from conftest import Build
from hypothesis import assume, given
from hypothesis import strategies as st
from test_check import Project
from test_cli import Run, run

from m0sim.check.growth import KINDS, OFF, Fit, fitted, told

__all__ = ["run"]

SIZES = st.lists(st.integers(0, 5000), min_size=2, max_size=8, unique=True)


def value(formula: str, size: int) -> Fraction:
    """Of a formula as it is shown, by Python's own parser: exact but for log2."""
    text = formula.replace(",", "").replace("·", "*").replace("²", "**2").replace("³", "**3")
    text = "".join(f"F('{part}')" if part[0].isdigit() else part for part in split(text))
    log = 0 if size < 1 else Fraction(math.log2(size))
    return Fraction(eval(text, {"F": Fraction, "n": Fraction(size), "log2": lambda _: log}))


def split(text: str) -> list[str]:
    """Numbers apart from what is between them; exponents, and the 2 of log2, are none."""
    parts = re.split(r"(?<![\w^.])(\d+(?:\.\d+)?(?:e[+-]\d+)?)", text.replace("**", "^"))
    return [part.replace("^", "**") for part in parts if part]


def fit_of(function: object, sizes: list[int]) -> Fit:
    return fitted([(n, round(function(n))) for n in sizes], "n")  # type: ignore[operator]


@given(sizes=SIZES, coefficients=st.lists(st.integers(0, 1000), min_size=1, max_size=4))
def test_a_polynomial_is_found_where_the_sizes_tell_it(sizes: list[int], coefficients: list[int]) -> None:
    degree = max((i for i, c in enumerate(coefficients) if c), default=0)
    points = [(n, sum(c * n**i for i, c in enumerate(coefficients))) for n in sizes]
    found = fitted(points, "n")
    if len(sizes) == 2:
        assert found.kind is None
    elif len(sizes) >= degree + 2:
        assert found.is_exact
        assert found.kind == ("constant", "linear", "quadratic", "cubic")[degree]
        assert all(value(found.formula, n) == cycles for n, cycles in points)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 10**6)), min_size=2, max_size=8, unique_by=lambda p: p[0])
)
def test_what_is_said_is_so(points: list[tuple[int, int]]) -> None:
    """Of any points: exact means every one, off means no more than that, and a formula has fewer terms than points."""
    found = fitted(points, "n")
    assert found.points == tuple(sorted(points))
    if found.kind is None:
        assert (found.formula, found.is_exact) == ("", False)
        return
    assert found.formula.count(" ") // 2 + 1 < len(points)
    errors = [abs(value(found.formula, n) - cycles) for n, cycles in points]
    if found.is_exact:
        assert (max(errors), found.off) == (0, 0)
    else:
        assert found.off <= OFF
        off = max(float(error / cycles) for error, (_, cycles) in zip(errors, points, strict=True))
        assert found.off == pytest.approx(off, abs=1e-9), "of the formula as it is shown"


@given(
    sizes=st.lists(st.integers(2, 4000), min_size=4, max_size=8, unique=True),
    slope=st.integers(50, 1000),
    start=st.integers(0, 1000),
    data=st.data(),
)
def test_a_line_that_jitters_is_a_line_still(sizes: list[int], slope: int, start: int, data: st.DataObject) -> None:
    """Half a percent of jitter, as data-dependent code has it, over sizes that reach far enough to see a growth."""
    assume(max(sizes) > 8 * min(sizes))
    points = [(n, round((start + slope * n) * (1 + data.draw(st.floats(-0.005, 0.005))))) for n in sizes]
    found = fitted(points, "n")
    assert "linear" in (found.kind, *found.also)


@pytest.mark.parametrize(
    ("function", "sizes", "said"),
    [
        (lambda n: 100, [16, 64, 256], "constant, 100 cycles, exact at all 3 sizes"),
        (lambda n: 26 + 18 * n, [16, 64, 256], "linear, 26 + 18·n cycles, exact at all 3 sizes"),
        (lambda n: 26 + 18 * n, [256, 16, 64], "linear, 26 + 18·n cycles, exact at all 3 sizes"),
        (lambda n: 100_000 - 7 * n, [16, 64, 256], "linear, 100,000 - 7·n cycles, exact at all 3 sizes"),
        (lambda n: 4.5 * n + 1, [2, 4, 6], "linear, 1 + 4.5·n cycles, exact at all 3 sizes"),
        (lambda n: 13 * n / 3, [3, 6, 9], "linear, 13/3·n cycles, exact at all 3 sizes"),
        (lambda n: n, [1, 2, 3], "linear, n cycles, exact at all 3 sizes"),
        (lambda n: 0, [1, 2, 3], "constant, 0 cycles, exact at all 3 sizes"),
        (lambda n: 5 + 3 * n + 2 * n * n, [1, 2, 3, 4], "quadratic, 5 + 3·n + 2·n² cycles, exact at all 4 sizes"),
        (lambda n: 4 * n * n.bit_length() - 4 * n, [8, 32, 64], "n log n, 4·n·log2(n) cycles, exact at all 3 sizes"),
        (lambda n: n**3 + 2, [1, 2, 4, 8, 16], "cubic, 2 + n³ cycles, exact at all 5 sizes"),
        (lambda n: 5000 + n % 3, [10, 20, 51], "constant, about 5,001 cycles, off by at most 0.02 % at 3 sizes"),
        (lambda n: 10 * n * math.log2(n) + 20 * n, [10, 30, 100, 300, 1000],
         "n log n, about -0.2865 + 20.01·n + 9.998·n·log2(n) cycles, off by at most 0.011 % at 5 sizes"),
        (lambda n: 18 * n, [16, 64], "2 sizes do not tell linear from quadratic (288 -> 1,152 cycles): a third would"),
        (lambda n: 100, [16, 64], "2 sizes do not tell linear from quadratic (100 -> 100 cycles): a third would"),
        (lambda n: 100 * math.sqrt(n), [16, 64, 256],
         "none that fits within 2 % at 3 sizes (400 -> 1,600 cycles; as n^0.50 from 64 to 256); more sizes may tell"),
        (lambda n: 2**n, [1, 2, 3, 4, 5, 10],
         "none that fits within 2 % at 6 sizes (2 -> 1,024 cycles; as n^5.00 from 5 to 10)"),
    ],
)  # fmt: skip
def test_in_words(function: object, sizes: list[int], said: str) -> None:
    assert told(fit_of(function, sizes), "n") == said


def test_kinds_that_the_sizes_do_not_tell_apart_are_both_named() -> None:
    """Sizes so close together that a line and n log n are the same to 2 %."""
    found = fit_of(lambda n: 1000 + 18 * n + (n % 5), [100, 115, 132, 146])
    assert {found.kind, *found.also} >= {"linear", "n log n"}
    assert "would do as well" in told(found, "n")


@pytest.mark.parametrize(
    "points",
    [
        [(1e300, 5), (2e300, 9), (4e300, 30)],
        [(2**60, 5), (2**60 + 1, 9), (2**60 + 3, 30), (2**70, 31)],
        [(10**400, 5), (10**400 + 1, 9), (10**401, 30), (10**402, 31)],
        [(-5, 5), (-2, 9), (0.25, 30), (1, 31)],
        [(0, 0), (1, 0), (2, 1)],
    ],
)
def test_strange_sizes_end_in_words(points: list[tuple[int | float, int]]) -> None:
    assert told(fitted(points, "n"), "n")


# --------------------------------------------------------------------------------------------------- from end to end

GROW = """
[[bench]]
name = "grow"
function = "grow"
args = ["{n}"]
result = "void"
tolerance = "10000%"
[bench.matrix]
n = [1, 2, 5, 12]
"""


@pytest.fixture
def project(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    found = Project(tmp_path, {"line": build("growing.S"), "square": build("growing.S", flags=("-DSQUARE",))})
    found.use("line")
    found.write(GROW)
    return found


def lines(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith("growth of")]


def test_a_line_becomes_a_square(run: Run, project: Project) -> None:
    """By hand: SUBS 1, BNE 2 or at the end 1, BX 2: 3n + 1. Inside, MOVS 1 and 3r - 1: the sum of 3r is 3n(n + 1)/2."""
    line = "growth of grow with n: linear, 1 + 3·n cycles, exact at all 4 sizes"
    assert lines(run("check", "--update").out) == [line]
    assert lines(run("check").out) == [line]
    project.use("square")
    done = run("check")
    assert done.code == 0, "the limits leave room"
    square = "quadratic, 1 + 4.5·n + 1.5·n² cycles, exact at all 4 sizes"
    assert lines(done.out) == [f"growth of grow with n: linear -> quadratic; now {square}; was 1 + 3·n"]
    (found,) = run("check", "--json").json["growth"]
    assert (found["sizes"], found["cycles"]) == ([1, 2, 5, 12], [1 + 4.5 * n + 1.5 * n * n for n in (1, 2, 5, 12)])
    assert (found["kind"], found["exact"], found["off"], found["before"]["kind"]) == ("quadratic", True, 0, "linear")
    assert (found["name"], found["axis"], found["held"]) == ("grow", "n", {})
    (warning,) = [line for line in run("check", "--format", "annotations").out.splitlines() if "::warning" in line]
    assert "growth of grow with n: linear -> quadratic" in warning
    assert "growth of grow with n: linear -&#62; quadratic" in run("check", "--format", "markdown").out
    page = run("check", "--format", "html").out
    assert "growth of grow with n: linear -&gt; quadratic" in page
    (chart,) = re.findall("<svg.*?</svg>", page, re.DOTALL)
    titles = re.findall(r"<circle.*?<title>(.*?)</title>", chart)
    assert titles[:4] == [f"now: {round(1 + 4.5 * n + 1.5 * n * n):,}" for n in (1, 2, 5, 12)]
    assert titles[4:] == [f"before: {1 + 3 * n}" for n in (1, 2, 5, 12)]


def test_only_sizes_that_were_measured_count(run: Run, project: Project) -> None:
    run("check", "--update")
    two = run("check", "--only", "grow n=1", "--only", "grow n=5").out
    assert lines(two) == [
        "growth of grow with n: 2 sizes do not tell linear from quadratic (4 -> 16 cycles): a third would"
    ]
    assert lines(run("check", "--only", "grow n=1").out) == []


def test_a_bench_that_failed_tells_nothing(run: Run, project: Project) -> None:
    asked = GROW.replace('result = "void"', 'expect = "{result}"')
    project.write(asked.replace("n = [1, 2, 5, 12]", '"n, result" = [[1, 0], [2, 0], [5, 1], [12, 0]]'))
    done = run("check")
    assert done.code == 1
    assert lines(done.out) == ["growth of grow with n: linear, 1 + 3·n cycles, exact at all 3 sizes"]


def test_the_other_axes_are_held(run: Run, project: Project) -> None:
    asked = GROW.replace("result =", 'flash = "{flash}"\nresult =')
    project.write(asked.replace("n = [", 'flash = ["ideal", "cold"]\nn = ['))
    found = run("check", "--json").json["growth"]
    assert [(each["axis"], each["held"]) for each in found] == [("n", {"flash": "ideal"}), ("n", {"flash": "cold"})]
    said = lines(run("check").out)
    assert said[0].startswith("growth of grow flash=ideal with n: linear, 1 + 3·n cycles")


def test_kinds_are_from_slow_to_fast() -> None:
    assert KINDS == ("constant", "linear", "n log n", "quadratic", "cubic")
