"""docs/kernels.md says of made-up figures what is to be said of them."""

from __future__ import annotations

from dataclasses import replace

import kernel_page
import numpy as np
import pytest
from conftest import found_toolchain
from kernel_bounds import NOT_FASTER
from kernel_case import Case, Side, mean
from kernel_cases import cases
from kernel_libraries import Ours, of_rows
from kernel_measure import GROUPS, LEVELS, SMALL, Measured, Row, compilations, fastest, same_code
from kernel_operands import recorded

NOTHING = Side({}, [], "")
CASE = Case("m0k_pool", "all", "output", 10, NOTHING, NOTHING)
OURS = Ours(1.5, 2.5, 3.5, 4.5, (6.25, 5.25), 123_456.0, 40)
COUNTS = kernel_page.Steps(40, 18)


def measured(cycles: int) -> Measured:
    return Measured(cycles, 100, 20, dict.fromkeys([*GROUPS, "branch"], 0.2), np.zeros(1))


def row(ours: int, case: Case = CASE, lanes: int = 0, **compiled: int) -> Row:
    """Compilations by zig_O2 for ``zig -O2``."""
    names = {name.replace("_", " -"): measured(cycles) for name, cycles in compiled.items()}
    return Row(case, measured(ours), names, {"all words, zig -O2": measured(lanes)} if lanes else {})


def lines(rows: list[Row], start: str = "| `m0k") -> list[str]:
    text = kernel_page.page(rows, ["zig 1", "gnu 2"], {"zig -O3": "zig -O2"}, COUNTS, OURS)
    return [line for line in text.splitlines() if line.startswith(start)]


def test_the_fastest_of_all_is_what_ratios_are_of() -> None:
    found = row(100, zig_O2=300, zig_Os=250, gnu_O2=180, gnu_Os=900)
    assert (found.fastest(), found.fastest("zig "), found.ratio) == ("gnu -O2", "zig -Os", 1.8)
    assert fastest({"a": measured(5), "b": measured(5), "c": measured(6)}) == "a"
    cells = "| 10.00 | 18.00 | gnu -O2 | 25.00 | 18.00 | 25.00 | 90.00 | 1.80 |"
    assert lines([found])[0] == f"| `m0k_pool` | all | output {cells}"


@pytest.mark.parametrize(("ours", "is_multiplying", "missed"), [(100, False, 0), (100, True, 0.3), (150, False, 0.2)])
def test_ratios_that_are_missed_are_listed(ours: int, is_multiplying: bool, missed: float) -> None:
    found = row(ours, replace(CASE, is_multiplying=is_multiplying), zig_O2=120, zig_Os=200)
    (target,) = kernel_page.ratios([found])
    assert target.missed_by == pytest.approx(missed)
    told = [line for line in lines([found]) if "ratio" in line]
    assert len(told) == bool(missed)
    assert all(f"| missed by {missed:.2f} beside zig -O2 |" in line for line in told)


def test_what_is_hardly_missed_is_missed() -> None:
    found = row(1001, replace(CASE, kernel="m0k_loss"), zig_O2=1000, zig_Os=2000)
    (told,) = (line for line in lines([found]) if "ratio" in line)
    assert f"| missed by less than 0.01 beside zig -O2: {NOT_FASTER['m0k_loss']} |" in told


def test_speeds_are_listed_missed_or_not() -> None:
    slow = replace(CASE, operands="slow", limit=9.0, bound="something")
    rows = [row(100, replace(CASE, limit=10.0), zig_O2=500, zig_Os=500), row(100, slow, zig_O2=500, zig_Os=500)]
    verdicts = [target.verdict for target in kernel_page.speeds(rows)]
    assert verdicts == ["reached", "missed by 1.00: something"]


def test_means_are_of_all_units_together() -> None:
    together = mean("both", [CASE, replace(CASE, count=30)], limit=2.0)
    assert (together.operands, together.count, len(together.runs), together.limit) == ("both", 40, 2, 2.0)
    assert [run.count for run in together.more] == [30]


def test_lanes_have_a_table_of_their_own() -> None:
    found = row(100, lanes=140, zig_O2=300, zig_Os=400)
    assert "| `m0k_pool` | all | output | 10.00 | 30.00 | 14.00 | all words, zig -O2 | 1.40 |" in lines([found])


def test_libraries_stand_beside_the_rows_of_now() -> None:
    (ours,) = lines([row(1, zig_O2=1, zig_Os=1)], "| m0k, uniform")
    assert ours == "| m0k, uniform operands | 1.50 | 2.50 | 3.50 (4.50 MNIST) | 5.2 to 6.2 | 123 k |"


def test_rows_for_libraries_are_found_by_their_operands() -> None:
    cells = {"784 to 64, activations 0..127, uniform": 3}
    rows = [Row(case, measured(cells.get(case.operands, 2) * case.count), {}, {}) for case in cases()]
    assert of_rows(rows, 9.0, len(recorded())) == Ours(3, 2, 2, 2, (2,) * 3, 9.0, 40)


@pytest.mark.long
def test_levels_are_what_the_compilers_are_told() -> None:
    """Also clang: ``zig cc`` alone makes the same of them."""
    found_toolchain("zig")
    images = compilations(["zig"], [LEVELS[0], LEVELS[2], SMALL])
    assert same_code(images) == {}
    assert same_code(images | {"again": images["zig -O3"]}) == {"again": "zig -O3"}
