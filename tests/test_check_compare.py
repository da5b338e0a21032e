"""Verdicts, and where a cost moved, on figures made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m0sim.check.assembly import assembly
from m0sim.check.figures import Figures, FunctionFigures, InstructionRow
from m0sim.check.formats import text
from m0sim.check.limits import Limits
from m0sim.check.measure import Failure, Measurement
from m0sim.check.verdict import Verdict, closing_line, judge
from m0sim.check.where import FunctionChange, where


def figures(*, cycles: int = 100, stack: int = 8, sram: int = 64, code: int = 32) -> Figures:
    return Figures("f", "rp2040", cycles, cycles, stack, sram, code, {"f": FunctionFigures(cycles, bytes=code)})


OLD = figures()
STACK = "tolerance allows 8 bytes of stack"


@pytest.mark.parametrize(
    ("new", "limits", "status", "told"),
    [
        (figures(), {}, "unchanged", []),
        (figures(cycles=99), {}, "improved", []),
        (figures(cycles=101), {}, "regressed", ["tolerance allows 100 cycles: over by 1"]),
        (figures(cycles=105), {"tolerance": "5%"}, "unchanged", []),
        (figures(cycles=106), {"tolerance": "5%"}, "regressed", ["tolerance allows 105 cycles: over by 1"]),
        (figures(stack=80, sram=640, code=320), {}, "unchanged", []),
        (
            figures(stack=9),
            {"tolerance": {"stack": "0%"}},
            "regressed",
            ["tolerance allows 8 bytes of stack: over by 1"],
        ),
        (figures(cycles=101), {"tolerance": {"stack": "0%"}}, "regressed", ["tolerance allows 100 cycles: over by 1"]),
        (figures(code=33), {"tolerance": {"cycles": "1%", "code": "4%"}}, "unchanged", []),
        (figures(), {"max_cycles": 100}, "unchanged", []),
        (figures(), {"max_cycles": 99}, "regressed", ["max_cycles 99: over by 1"]),
        (figures(cycles=90), {"max_cycles": 80}, "regressed", ["max_cycles 80: over by 10"]),
        (figures(), {"max_stack": 7, "max_sram": 0}, "regressed", ["max_stack 7: over by 1", "max_sram 0: over by 64"]),
    ],
)
def test_verdicts(new: Figures, limits: dict[str, object], status: str, told: list[str]) -> None:
    verdict = judge(Measurement("x", new), OLD, Limits.of(**limits))  # type: ignore[arg-type]
    assert (verdict.status, [*verdict.reasons]) == (status, told)
    assert verdict.is_bad == (status == "regressed")


def test_a_bench_without_a_baseline_has_its_budgets_alone() -> None:
    limits = Limits.of(max_cycles=100, tolerance={"cycles": "0%", "stack": "0%"})
    assert judge(Measurement("x", figures()), None, limits).status == "new"
    assert judge(Measurement("x", figures(cycles=101)), None, limits).status == "regressed"


def test_strict_fails_without_a_baseline() -> None:
    missing = judge(Measurement("x", figures()), None, Limits(), strict=True)
    assert (missing.status, missing.reasons, missing.is_bad) == ("new", ("it has no baseline",), True)
    assert not judge(Measurement("x", figures()), OLD, Limits(), strict=True).is_bad


def test_while_updating_budgets_hold_alone() -> None:
    limits = Limits.of(max_cycles=110, tolerance={"stack": "0%"}).while_updating()
    assert not judge(Measurement("x", figures(cycles=110, stack=99)), OLD, limits).is_bad
    assert judge(Measurement("x", figures(cycles=111)), OLD, limits).is_bad


def test_failures() -> None:
    missed = judge(Measurement("x", figures(), Failure("expect", "returned 1, expected 2")), OLD, Limits())
    fault = judge(Measurement("x", None, Failure("fault", "a load")), OLD, Limits.of(max_cycles=0))
    assert [missed.status, fault.status] == ["failed", "failed"]
    assert [missed.reasons, fault.reasons] == [("expect: returned 1, expected 2",), ("fault: a load",)]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["unchanged", "improved", "regressed", "new", "failed"]), max_size=9))
def test_the_closing_line(statuses: list[str]) -> None:
    verdicts = [Verdict("x", status, None, None) for status in statuses]  # type: ignore[arg-type]
    parts = closing_line(verdicts).split(", ")
    assert [part.split()[1] for part in parts[:4]] == ["unchanged", "improved", "regressed", "new"]
    assert [int(part.split()[0]) for part in parts[:4]] == [statuses.count(part.split()[1]) for part in parts[:4]]
    failed = statuses.count("failed")
    assert parts[4:] == ([f"{failed} failed"] if failed else [])


# Where


def function(*rows: tuple[str, str, int]) -> Figures:
    """A run of one function f: its instructions' code, source and cycles, each executed 10 times."""
    listed = tuple(InstructionRow(2 * i, code, source, 10, cycles) for i, (code, source, cycles) in enumerate(rows))
    total = sum(row.cycles for row in listed)
    return Figures("f", "rp2040", total, 10, 0, 0, 0, {"f": FunctionFigures(total, listed)})


def the_change(old: Figures, new: Figures) -> FunctionChange:
    found = where(old, new)
    assert found is not None
    (change,) = found.functions
    return change


ADD, LOAD, NOP, SUB = ("1840", "a.c:1", 10), ("5c83", "a.c:2", 20), ("46c0", "a.c:2", 10), ("3801", "a.c:3", 10)
BACK, BACK_FARTHER = ("d1fb", "a.c:3", 19), ("d1fa", "a.c:3", 19)


def codes(change: FunctionChange) -> list[list[tuple[str | None, str | None]]]:
    return [[(old and old.code, new and new.code) for old, new in hunk] for hunk in change.hunks]


def test_an_instruction_more() -> None:
    change = the_change(function(ADD, LOAD, SUB, BACK), function(ADD, LOAD, NOP, SUB, BACK_FARTHER))
    assert (change.name, change.delta) == ("f", 10)
    assert codes(change) == [[("5c83", "5c83"), (None, "46c0"), ("3801", "3801")]]  # not the branch: it only moved
    assert [(line.source, line.old, line.new) for line in change.lines] == [("a.c:2", 20, 30)]


def test_an_instruction_less_at_either_end() -> None:
    assert codes(the_change(function(NOP, ADD, SUB), function(ADD, SUB))) == [[("46c0", None), ("1840", "1840")]]
    assert codes(the_change(function(ADD, SUB, NOP), function(ADD, SUB))) == [[("3801", "3801"), ("46c0", None)]]
    assert codes(the_change(function(NOP), function())) == [[("46c0", None)]]


def test_two_changes_far_apart_are_two_hunks() -> None:
    old = function(ADD, ADD, ADD, LOAD, ADD, ADD, ADD, LOAD, ADD)
    new = function(ADD, ADD, ADD, NOP, ADD, ADD, ADD, NOP, ADD)
    edge = ("1840", "1840")
    assert codes(the_change(old, new)) == [[edge, ("5c83", "46c0"), edge]] * 2


def test_changes_side_by_side_are_one_hunk() -> None:
    old, new = function(ADD, LOAD, ADD, LOAD, ADD), function(ADD, NOP, ADD, NOP, ADD)
    assert [len(hunk) for hunk in codes(the_change(old, new))] == [5]


def test_the_same_instruction_executed_more_often() -> None:
    change = the_change(function(ADD, LOAD, SUB), function(ADD, ("5c83", "a.c:2", 40), SUB))
    assert [len(hunk) for hunk in change.hunks] == [3]
    assert [(line.source, line.old, line.new) for line in change.lines] == [("a.c:2", 20, 40)]


def test_lines_that_moved_in_their_file_are_the_same_lines() -> None:
    moved = [(code, source.replace("a.c:", "a.c:1"), cycles) for code, source, cycles in (ADD, LOAD, SUB)]
    change = the_change(function(ADD, LOAD, SUB), function(*moved, NOP))
    assert [(line.source, line.old, line.new) for line in change.lines] == [("a.c:2", None, 10)]


def test_of_several_new_places_a_line_is_where_most_of_its_unchanged_instructions_are() -> None:
    """The baseline's line 1 is line 5 now: two of its three instructions say so, and what was replaced has no say."""
    add, load, sub = ADD[0], LOAD[0], SUB[0]
    old = function((add, "a.c:1", 10), (load, "a.c:1", 20), (sub, "a.c:1", 10), ("1c40", "a.c:1", 10), NOP)
    new = function((add, "a.c:7", 10), (load, "a.c:5", 20), (sub, "a.c:5", 10), ("1c80", "a.c:9", 15), NOP)
    change = the_change(old, new)
    assert [(line.source, line.old, line.new) for line in change.lines] == [
        ("a.c:5", 50, 30),
        ("a.c:9", None, 15),
        ("a.c:7", None, 10),
    ]


def test_a_line_whose_instructions_were_mostly_replaced_is_not_renamed_to_theirs() -> None:
    old = function((ADD[0], "a.c:1", 10), (LOAD[0], "a.c:1", 20), (SUB[0], "a.c:1", 10))
    new = function((ADD[0], "a.c:1", 10), ("1c40", "a.c:9", 10), ("1c80", "a.c:9", 10))
    change = the_change(old, new)
    assert [(line.source, line.old, line.new) for line in change.lines] == [("a.c:1", 40, 10), ("a.c:9", None, 20)]


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        ("d1fb", "d1fa", True),  # B<cond>
        ("e7fb", "e7f0", True),  # B
        ("4801", "4802", True),  # LDR from a literal pool
        ("a001", "a002", True),  # ADR
        ("a501", "a5ff", True),
        ("d1fb", "d0fb", False),  # another condition
        ("4801", "4901", False),  # another register
        ("a001", "a101", False),
        ("a801", "a802", False),  # ADD from SP: another variable
        ("9801", "9802", False),
        ("b082", "b083", False),
        ("5c83", "5c84", False),
    ],
)
def test_the_distance_to_a_place_in_the_function_is_no_change(old: str, new: str, is_same: bool) -> None:
    """An instruction more in between moves literals, tables and targets; what counts is what the code does."""
    before, after = ((code, "a.c:1", 10) for code in (old, new))
    change = the_change(function(before, ADD, ADD, ADD), function(after, ADD, ADD, ADD, NOP))
    assert ((old, new) not in [pair for hunk in codes(change) for pair in hunk]) == is_same


def test_hunks_that_touch_are_one() -> None:
    old, new = function(LOAD, ADD, ADD, LOAD), function(NOP, ADD, ADD, NOP)
    assert [len(hunk) for hunk in codes(the_change(old, new))] == [4]


def test_other_executions_of_the_same_cycles_are_a_change() -> None:
    """20 times not taken take as long as 10 times taken."""
    old = function(ADD, BACK)
    rows = old.functions["f"].rows
    changed = (rows[0], replace(rows[1], executions=20), InstructionRow(4, "46c0", "a.c:2", 10, 10))
    new = replace(old, cycles=39, functions={"f": FunctionFigures(39, changed)})
    assert codes(the_change(old, new)) == [[("1840", "1840"), ("d1fb", "d1fb"), (None, "46c0")]]


def test_a_limit_that_is_just_kept_leaves_nothing() -> None:
    verdict = judge(Measurement("x", figures()), OLD, Limits.of(max_cycles=100))
    assert [check.text for check in verdict.checks] == ["max_cycles 100: 0 left", "tolerance allows 100 cycles: 0 left"]


def test_a_tolerance_is_rounded_down() -> None:
    """5 % of 110 are 115.5 in all: 115 are allowed, 116 are not."""
    limits, old = Limits.of(tolerance="5%"), figures(cycles=110)
    assert not judge(Measurement("x", figures(cycles=115)), old, limits).is_bad
    assert judge(Measurement("x", figures(cycles=116)), old, limits).is_bad


def test_new_and_removed_functions_by_name() -> None:
    old = Figures("f", "p", 30, 0, 0, 0, 0, {"f": FunctionFigures(10), "gone": FunctionFigures(20)})
    new = Figures("f", "p", 25, 0, 0, 0, 0, {"f": FunctionFigures(10), "came": FunctionFigures(15)})
    found = where(old, new)
    assert found is not None
    assert [(f.name, f.old, f.new) for f in found.functions] == [("gone", 20, None), ("came", None, 15)]
    lines = text.where(found, "x", {})
    assert [line.split() for line in lines[1:]] == [["gone", "20", "-", "removed"], ["came", "-", "15", "new"]]
    assert where(old, old) is None


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([ADD, LOAD, NOP, SUB, BACK]), max_size=12),
    st.lists(st.sampled_from([ADD, LOAD, NOP, SUB, BACK_FARTHER]), max_size=12),
)
def test_what_is_shown_accounts_for_all_that_changed(
    old: list[tuple[str, str, int]], new: list[tuple[str, str, int]]
) -> None:
    before, after = function(*old), function(*new)
    found = where(before, after)
    assert (found is None) == (before.cycles == after.cycles)
    if found is None:
        return
    (change,) = found.functions
    assert change.delta == after.cycles - before.cycles
    in_hunks = sum((n.cycles if n else 0) - (o.cycles if o else 0) for hunk in change.hunks for o, n in hunk)
    assert in_hunks == change.delta
    assert sum((line.new or 0) - (line.old or 0) for line in change.lines) == change.delta


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("5c83", "ldrb r3, [r0, r2]"),
        ("d1fb", "bne #0x1a"),
        ("bl mul8", "bl mul8"),
        ("bne helper+0x4", "bne helper+0x4"),
        ("f3bf8f5f", "dmb sy"),
        ("b", "b"),
        ("nonsense", "nonsense"),
        ("ffffffff", ".hword 0xffffffff"),
    ],
)
def test_assembly(code: str, shown: str) -> None:
    assert assembly(InstructionRow(0x20, code, "", 1, 1)) == shown


def test_no_line_is_gone_where_one_side_was_compiled_without_debug_information() -> None:
    told, silent = function(("1840", "a.c:1", 10), ("bf00", "a.c:2", 5)), function(("1840", "", 20), ("bf00", "", 5))
    for old, new in ((told, silent), (silent, told)):
        found = where(old, new)
        assert found is not None
        (change,) = found.functions
        assert change.lines == ()
        assert change.hunks


def test_long_answers_are_cut() -> None:
    many = {f"f{i:02}": FunctionFigures(i + 1) for i in range(15)}
    found = where(Figures("f", "p", 0, 0, 0, 0, 0, {}), Figures("f", "p", 120, 0, 0, 0, 0, many))
    assert found is not None
    assert "... 5 more functions" in text.where(found, "x", {})
    rows = [("1840", f"a.c:{i}", 10) for i in range(60)]
    lines = text.where(where(function(), function(*rows)) or found, "x", {})
    assert "... 50 more lines" in lines
    assert "... 20 more instructions" in lines


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [(100, 150, "+50.0 %"), (3, 2, "-33.3 %"), (10**6, 10**6 + 1, "+0.0001 %"), (0, 8, "+8"), (5, 5, "+0.0 %")],
)
def test_changes_in_percent(old: int, new: int, shown: str) -> None:
    assert text.change(old, new) == shown
