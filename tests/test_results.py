"""What becomes of the core's tables, without a machine; and the table of fault kinds."""

from __future__ import annotations

import ast
import json
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from m0sim.chip import timing
from m0sim.chip.cost import TrafficCost
from m0sim.chip.native import layout
from m0sim.chip.native.layout import Stop
from m0sim.chip.owners import Owners
from m0sim.chip.pages import PAGE, Pages
from m0sim.chip.results import calls, memory_use, warnings
from m0sim.chip.results.counts import NO_SYMBOL, Counts, Functions, Traffic
from m0sim.chip.results.instructions import instruction_table, totals
from m0sim.chip.stops import KIND_OF_STOP, FaultKind

ROOT = Path(__file__).parents[1]
CODE = 0x10000000  # page slot 1: `main` from +0 to +16, `leaf` from +16 to +32
STACK_TOP = 0x20001000  # the end of page slot 2
BL, ADDS, BX_LR, LDR, BNE, STR = 0xF800F000, 0x1C40, 0x4770, 0x6800, 0xD1FC, 0x6008


def pages() -> Pages:
    slots = np.zeros(1 << 20, np.int32)
    slots[CODE >> 12], slots[0x20000] = 1, 2
    return Pages(slots, 3, np.zeros(3, np.uint64), np.array([0, 0, 1], np.uint8))


def rows(dtype: np.dtype[Any], columns: tuple[str, ...], values: Sequence[tuple[int, ...]]) -> npt.NDArray[Any]:
    """A table of the core's: row 0 is none, the others have `values` in `columns`."""
    table = np.zeros(1 + len(values), dtype)
    for place, row in enumerate(values, start=1):
        for column, value in zip(columns, row, strict=True):
            table[column][place] = value
    return table


def counts(
    executed: Sequence[tuple[int, ...]],
    edges: Sequence[tuple[int, ...]] = (),
    contexts: Sequence[tuple[int, ...]] = (),
) -> Counts:
    table = pages()
    at = np.zeros(3 * PAGE // 2, np.int32)
    table.fill(at, CODE, CODE + 16, 1)
    table.fill(at, CODE + 16, CODE + 32, 2)
    functions = Functions(table, (NO_SYMBOL, "main", "leaf"), np.array([0xFFFFFFFF, CODE, CODE + 16], np.uint32), at)
    call_from_outside = (1, 0, 0, 0)
    edge_rows = rows(layout.EDGE, ("callee", "call_end", "calls", "inclusive"), [call_from_outside, *edges])
    context_rows = rows(layout.CONTEXT, ("parent", "edge", "target", "below", "calls", "inclusive"), contexts)
    return Counts(
        functions=functions,
        timing=timing.timing("cortex-m0plus", 1),
        executed=rows(layout.EXECUTED, ("address", "encoding", "executions", "taken", "port_accesses"), executed)[1:],
        inclusive=np.array([0, 40, 12], np.int64),
        edges=edge_rows,
        contexts=context_rows,
        contexts_refused=0,
        cycles=0,
        stack_top=STACK_TOP,
        stack_low=STACK_TOP - 24,
        divider_early=0,
        divider_early_at=0,
        traffic=None,
    )


def test_rows_of_several_blocks_become_one_instruction() -> None:
    """An instruction that two blocks share has one row; one address with two encodings has two."""
    given = counts([
        (CODE + 18, BNE, 5, 2, 0),
        (CODE, ADDS, 3, 0, 0),
        (CODE + 18, BNE, 7, 4, 0),
        (CODE, BX_LR, 1, 0, 0),
        (0x20000000, LDR, 10, 0, 6),
        (0x20000002, STR, 10, 0, 1),
    ])  # fmt: skip
    table = instruction_table(given)
    assert [(r.address, r.encoding, r.executions, r.taken, r.cycles, r.function) for r in table.rows] == [
        (CODE, ADDS, 3, 0, 3, "main"),
        (CODE, BX_LR, 1, 0, 2, "main"),
        (CODE + 18, BNE, 12, 6, 12 + 6, "leaf"),
        (0x20000000, LDR, 10, 0, 20 - 6, NO_SYMBOL),  # on the I/O port a load takes one cycle
        (0x20000002, STR, 10, 0, 20 - 1, NO_SYMBOL),
    ]
    sums = totals(table)
    assert (sums.instructions, sums.loads, sums.stores, sums.bytes_loaded, sums.bytes_stored) == (36, 10, 10, 40, 40)
    assert (sums.branches_taken, sums.branches_not_taken) == (6, 6)


def test_nothing_ran() -> None:
    given = counts([])
    table = instruction_table(given)
    assert table.rows == ()
    assert totals(table).instructions == 0
    assert calls.functions(given, table) == {}
    assert calls.call_edges(given, calls.links(table)) == calls.call_tree(given, calls.links(table)) == ()


@pytest.mark.parametrize(("encoding", "caller"), [(BL, CODE + 4), (ADDS, CODE + 6)])
def test_calls_are_counted_by_edge_and_context(encoding: int, caller: int) -> None:
    """main calls leaf three times from one place: a BL begins four bytes before its end, any other call two."""
    ran = [(CODE + 4, encoding, 3, 0, 0), (CODE + 6, BX_LR, 3, 0, 0), (CODE + 16, BX_LR, 3, 0, 0)]
    contexts = [(0, 1, 1, 0, 1, 40), (1, 2, 2, 1, 2, 8)]
    given = counts(ran, edges=[(2, CODE + 8, 1, 4)], contexts=contexts)
    table = instruction_table(given)
    (edge,) = calls.call_edges(given, calls.links(table))
    assert (edge.caller, edge.call_address, edge.callee, edge.calls, edge.inclusive_cycles) == (
        "main",
        caller,
        "leaf",
        3,
        12,
    )
    tree = calls.call_tree(given, calls.links(table))
    assert [(n.function, n.parent, n.call_address, n.calls, n.self_cycles, n.inclusive_cycles) for n in tree] == [
        ("main", -1, 0, 1, 32, 40),
        ("leaf", 0, caller, 2, 8, 8),
    ]
    assert {f.name: (f.calls, f.inclusive_cycles) for f in calls.functions(given, table).values()} == {
        "main": (1, 40),
        "leaf": (3, 12),
    }


def test_recursion_is_the_ancestors() -> None:
    """A context whose target is an ancestor makes no node: its calls are that one's, its cycles not those between."""
    contexts = [(0, 1, 1, 0, 1, 40), (1, 2, 2, 1, 1, 30), (2, 3, 1, 2, 4, 10)]
    given = counts([(CODE, ADDS, 1, 0, 0)], edges=[(2, CODE + 8, 0, 0), (1, CODE + 20, 0, 0)], contexts=contexts)
    tree = calls.call_tree(given, calls.links(instruction_table(given)))
    assert [(n.function, n.calls, n.self_cycles, n.inclusive_cycles) for n in tree] == [
        ("main", 5, 20, 40),
        ("leaf", 1, 20, 20),
    ]


def test_what_the_stack_came_down_to_is_the_stacks() -> None:
    given = counts([])
    at = np.zeros(3 * PAGE, np.uint16)
    at[2 * PAGE :] = 1
    touched = np.zeros(3 * PAGE, np.uint8)
    touched[2 * PAGE : 2 * PAGE + 8] = 1
    touched[3 * PAGE - 32 :] = 2  # 8 bytes below the mark, 24 of the stack
    before = touched.copy()
    accesses = np.zeros(3, layout.TRAFFIC)
    accesses["loads"][1], accesses["stores"][1:] = (1, 1, 1), [(2, 0, 1), (0, 0, 6)]  # by size: 1, 2 and 4 bytes
    traffic = Traffic(
        Owners(("(elsewhere)", "table", "(stack)"), at, 2),
        counts=accesses,
        touched=touched,
        findings=np.zeros(0, layout.FINDING),
        findings_refused=0,
        buffers=(),
        handed_out=(0, 0),
        stack_high=STACK_TOP,
    )
    found = memory_use.traffic_costs(given, traffic)
    assert found == (
        TrafficCost("(stack)", 0, 6, 0, 24, 24),
        TrafficCost("table", 3, 3, 7, 6, 16),
    )
    np.testing.assert_array_equal(touched, before)  # what the core goes on with is as it was


def test_registers_that_were_not_restored_are_named() -> None:
    registers = (1, 2, 3, 4, 0, 5, 0, 0, 0, 0, 0, 6, 7, STACK_TOP, 0xFFFFFFFF)
    assert list(warnings.callee_saved("main", registers, STACK_TOP)) == [
        "main did not restore r5, r11, as the AAPCS asks"
    ]
    (text,) = warnings.callee_saved("main", (*[0] * 13, STACK_TOP - 8, 0), STACK_TOP)
    assert text == "main returned with another SP than it was called with"


def test_every_kind_of_fault_is_in_the_docs_and_no_other() -> None:
    text = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    section = text.partition("## Kinds of faults\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", section, re.MULTILINE))
    assert rows == {"kind": "meaning"} | {kind.value: kind.meaning for kind in FaultKind}


def test_no_module_has_a_kind_of_its_own() -> None:
    """Outside the enum, no string of the package is a kind's value; those without a hyphen are common words."""
    kinds = {kind.value for kind in FaultKind if "-" in kind}
    for path in sorted((ROOT / "m0sim").rglob("*.py")):
        strings = {n.value for n in ast.walk(ast.parse(path.read_bytes())) if isinstance(n, ast.Constant)}
        assert path.name == "stops.py" or not kinds & strings, path


def test_a_kind_is_a_string_everywhere() -> None:
    kind = FaultKind.STACK_OVERFLOW
    assert kind == "stack-overflow"
    assert f"{kind} {kind!s}" == "stack-overflow stack-overflow"
    assert json.dumps({"kind": kind}) == '{"kind": "stack-overflow"}'
    assert pickle.loads(pickle.dumps(kind)) is kind


def test_every_stop_of_the_core_is_a_kind_or_goes_on() -> None:
    of_interpreter = {stop for stop in Stop if stop >= Stop.ACCESS}  # `timed_run` makes its faults itself
    assert set(Stop) - KIND_OF_STOP.keys() - of_interpreter == {Stop.NONE, Stop.LIMIT, Stop.GROW, Stop.SP_WRITE}
