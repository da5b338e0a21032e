"""`Cost.call_tree`: by hand, against the reference accountant, and its sums where no other figure is known."""

from __future__ import annotations

import struct
from collections import Counter

import pytest
from conftest import FIRMWARE, Build, examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import encode as e
from reference.accountant import Trace
from reference.calls import Path, call_tree
from reference.encode import LR, PC, Assembler, Label
from reference.programs import Program, programs
from test_accounting_random import PROFILES, run_both, spans

from m0sim import Cost, Fault, Machine
from m0sim.chip import device
from m0sim.chip.native.tables import CONTEXT_LIMIT

pytestmark = pytest.mark.engines("unicorn", "fast")

Nodes = dict[Path, tuple[int, int, int]]
FLASH = device.load("rp2040").flash.base


def firmware(build: Build, toolchain: str) -> Machine:
    flags = ("-g", f"-I{FIRMWARE}")
    return Machine.from_elf(build("contexts.S", "calls.S", "faults.S", toolchain=toolchain, flags=flags))


@pytest.fixture(scope="module", params=["zig", "gnu"])
def machine(request: pytest.FixtureRequest, build: Build) -> Machine:
    return firmware(build, request.param)


@pytest.fixture(scope="module")
def levels(build: Build) -> Machine:
    """For the tests that take long: with the first toolchain only."""
    return firmware(build, "zig")


def paths(cost: Cost) -> list[Path]:
    """Every node's way from the root."""
    found: list[Path] = []
    for node in cost.call_tree:
        above = found[node.parent] if node.parent >= 0 else ()
        found.append((*above, (node.call_address, node.function)))
    return found


def by_path(cost: Cost) -> Nodes:
    tree = [(node.calls, node.self_cycles, node.inclusive_cycles) for node in cost.call_tree]
    nodes = dict(zip(paths(cost), tree, strict=True))
    assert len(nodes) == len(tree), "two nodes for one context"
    return nodes


def outline(cost: Cost) -> list[tuple[str, int, int, int]]:
    """The tree with functions' names joined, in the order of the code; call places with the same figures stay apart."""
    rows = sorted((path, *figures) for path, figures in by_path(cost).items())
    return [("/".join(name for _, name in path), *figures) for path, *figures in rows]


def check_sums(cost: Cost) -> None:
    """What holds of every tree, whatever ran."""
    children = [0] * len(cost.call_tree)
    for place, node in enumerate(cost.call_tree):
        assert node.parent < place
        assert min(node.self_cycles, node.calls) >= 0
        if node.parent >= 0:
            children[node.parent] += node.inclusive_cycles
    for node, below in zip(cost.call_tree, children, strict=True):
        assert node.self_cycles == node.inclusive_cycles - below
    assert cost.call_tree[0].parent == -1
    assert cost.call_tree[0].inclusive_cycles == cost.cycles == sum(node.self_cycles for node in cost.call_tree)


def self_by_function(cost: Cost) -> Counter[str]:
    sums: Counter[str] = Counter()
    for node in cost.call_tree:
        sums[node.function] += node.self_cycles
    return sums


# ----------------------------------------------------------------------------------------------- by hand

SHARED = 1 + 2
TWICE = 2 + 3 + 3 + 4
TAILS = 2 + 3 + 2 + 1 + 2
SEVERAL = 2 + 4 * 3 + 4
BY_HAND = {
    "several_callers": [
        ("several_callers", 1, SEVERAL, SEVERAL + 2 * TWICE + TAILS + 7 * SHARED),
        ("several_callers/twice", 1, TWICE, TWICE + 2 * SHARED),
        ("several_callers/twice/shared", 1, SHARED, SHARED),
        ("several_callers/twice/shared", 1, SHARED, SHARED),
        ("several_callers/tails", 1, TAILS, TAILS + 2 * SHARED),
        ("several_callers/tails/shared", 1, SHARED, SHARED),
        ("several_callers/tails/shared", 1, SHARED, SHARED),
        ("several_callers/twice", 1, TWICE, TWICE + 2 * SHARED),
        ("several_callers/twice/shared", 1, SHARED, SHARED),
        ("several_callers/twice/shared", 1, SHARED, SHARED),
        ("several_callers/shared", 1, SHARED, SHARED),
    ],
    # r0 = 5: ping and pong take turns, three rounds each; the last turn is pong's, which leaves by BMI taken and BX.
    "calls_ping": [
        ("calls_ping", 1, 2 + 3 + 4, 9 + 3 * 4 + 2 * 4 + 5),
        ("calls_ping/ping", 3, 3 * 4, 3 * 4 + 2 * 4 + 5),
        ("calls_ping/ping/pong", 3, 2 * 4 + 5, 2 * 4 + 5),
    ],
    # r0 = 6 behind ring_a: ring_b begins and ends it with four turns, ring_c has three.
    "calls_ring": [
        ("calls_ring", 1, 9, 9 + 3 + 3 * 4 + 5 + 3 * 4),
        ("calls_ring/ring_a", 1, 3, 3 + 3 * 4 + 5 + 3 * 4),
        ("calls_ring/ring_a/ring_b", 4, 3 * 4 + 5, 3 * 4 + 5 + 3 * 4),
        ("calls_ring/ring_a/ring_b/ring_c", 3, 3 * 4, 3 * 4),
    ],
    # r0 = 5, from calls.S: three frames of each; what is_odd calls is is_even's first frame's node again.
    "is_even": [
        ("is_even", 3, 3 * (2 + 1 + 1 + 1 + 3 + 4), 3 * 12 + 2 * 12 + 10),
        ("is_even/is_odd", 3, 2 * 12 + 2 + 1 + 2 + 1 + 4, 2 * 12 + 10),
    ],
    "recursive": [("recursive", 6, 5 * 15 + 12, 5 * 15 + 12)],
    "through_register": [("through_register", 1, 10, 13), ("through_register/leaf", 1, 3, 3)],
    # Out of two calls at once, by a jump back into the function that is still open.
    "catcher": [
        ("catcher", 1, 8 + 7, 8 + 7 + 5 + 3),
        ("catcher/thrower_caller", 1, 5, 5 + 3),
        ("catcher/thrower_caller/thrower", 1, 3, 3),
    ],
    "runs_on": [("runs_on", 1, 1, 4), ("runs_on/behind", 1, 3, 3)],
}


@pytest.mark.parametrize("level", ["cycles", "memory"])
@pytest.mark.parametrize("name", BY_HAND)
def test_trees_counted_by_hand(machine: Machine, name: str, level: str) -> None:
    cost = machine.call(name, 5, level=level)
    assert outline(cost) == BY_HAND[name]
    check_sums(cost)


def test_call_addresses_are_those_of_the_calling_instructions(machine: Machine) -> None:
    cost = machine.call("several_callers")
    twice, tails = machine.symbol("twice").address, machine.symbol("tails").address
    above = [("twice", twice + 2), ("twice", twice + 6), ("tails", tails + 2), ("tails", tails + 10)]
    found = [
        (cost.call_tree[node.parent].function, node.call_address)
        for node in cost.call_tree
        if node.function == "shared" and node.parent > 0
    ]
    assert sorted(found) == sorted([*above, *above[:2]])


def test_running_on_into_the_next_function_is_a_jump_there(machine: Machine) -> None:
    cost = machine.call("runs_on")
    assert self_by_function(cost) == {"runs_on": 1, "behind": 3}
    assert {name: f.self_cycles for name, f in cost.functions.items()} == {"runs_on": 1, "behind": 3}
    assert cost.functions["behind"].inclusive_cycles == 3


def test_a_fault_closes_the_open_contexts(machine: Machine) -> None:
    with pytest.raises(Fault) as caught:
        machine.call("faults_inside")
    cost = caught.value.cost
    assert outline(cost) == [
        ("faults_inside", 1, 2 + 3 + 3, 8 + 3 + 4 + 3),
        ("faults_inside/shared", 1, 3, 3),
        ("faults_inside/undefined", 1, 1 + 3, 4 + 3),
        ("faults_inside/undefined/shared", 1, 3, 3),
    ]
    check_sums(cost)


def test_the_cycle_limit_in_the_middle_of_calls(machine: Machine) -> None:
    whole = machine.call("is_even", 500)
    for limit in (1, 2, 3, 10, 11, 12, 13, 100, 999):
        with pytest.raises(Fault) as caught:
            machine.call("is_even", 500, max_cycles=limit)
        check_sums(caught.value.cost)
        assert self_by_function(caught.value.cost) == {
            name: cost.self_cycles for name, cost in caught.value.cost.functions.items()
        }
    assert by_path(machine.call("is_even", 500)) == by_path(whole)


def test_a_stub_is_a_node_of_its_own(machine: Machine) -> None:
    cost = machine.call("several_callers", stubs={"twice": 7})
    assert outline(cost)[1] == ("several_callers/twice", 1, 2, 2)
    check_sums(cost)
    assert outline(machine.call("several_callers")) == BY_HAND["several_callers"]


def test_before_is_not_in_the_tree(machine: Machine) -> None:
    assert outline(machine.call("recursive", 5, before=["several_callers"])) == BY_HAND["recursive"]


def test_recursion_to_the_limit_of_depth(machine: Machine) -> None:
    """All frames are one node, and a second call is like the first."""
    for _ in range(2):
        with pytest.raises(Fault) as caught:
            machine.call("endless_links")
        cost = caught.value.cost
        assert caught.value.kind == "call-depth"
        assert [node.calls for node in cost.call_tree] == [cost.functions["endless_links"].calls]
        assert cost.call_tree[0].calls > 65_000
        check_sums(cost)


# ------------------------------------------------------------------------------------- growth and its end


@pytest.mark.parametrize("depth", [0, 3, 12])
def test_the_table_grows(levels: Machine, depth: int) -> None:
    """From level_N there are 2 ** depth ways down, each taken once."""
    cost = levels.call(f"level_{18 - depth}")
    assert Counter(node.function for node in cost.call_tree) == {
        f"level_{18 - depth + below}": 2**below for below in range(depth + 1)
    }
    assert {node.calls for node in cost.call_tree} == {1}
    assert cost.warnings == ()
    check_sums(cost)


@pytest.mark.long
def test_more_contexts_than_there_is_room_for(levels: Machine) -> None:
    """524,287 calls of as many contexts: the tree stops growing and says so, all other figures stay exact."""
    cost = levels.call("level_0")
    assert len(cost.call_tree) == CONTEXT_LIMIT - 1  # and the outside
    refused = 2**19 - 1 - len(cost.call_tree)
    assert [warning for warning in cost.warnings if "contexts" in warning] == [
        f"more than 262,144 calling contexts: in call_tree, the cycles of {refused:,} calls are their callers' own"
    ]
    check_sums(cost)
    assert {name: f.calls for name, f in cost.functions.items()} == {f"level_{n}": 2**n for n in range(19)}
    assert sum(edge.calls for edge in cost.edges) == 2**19 - 2
    by_callee: Counter[str] = Counter()
    for edge in cost.edges:
        by_callee[edge.callee] += edge.inclusive_cycles
    assert by_callee == {name: f.inclusive_cycles for name, f in cost.functions.items() if name != "level_0"}
    assert levels.call("level_15").warnings == ()


# ------------------------------------------------------------------------------- against the reference


def compare(cost: Cost, run: Trace, program: Program, profile: str) -> None:
    core, multiplier = PROFILES[profile]
    where = spans(program, device.load(profile).flash.base)
    assert by_path(cost) == call_tree(run, where, core, multiplier)
    check_sums(cost)
    assert +self_by_function(cost) == {name: f.self_cycles for name, f in cost.functions.items() if f.self_cycles}


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_random_programs(program: Program) -> None:
    cost, run = run_both(program, "rp2040")
    compare(cost, run, program, "rp2040")


Site = tuple[str, int]
"""call, register or tail, and the number of the function that it goes to; through a register, r7 chooses one."""


@st.composite
def graphs(draw: st.DrawFn) -> Program:
    """Functions that call each other, and themselves, as they like, some 200 calls in all."""
    number = draw(st.integers(1, 5))
    site = st.tuples(st.sampled_from(("call", "register", "tail", "tail")), st.integers(0, number - 1))
    functions = [draw(st.lists(site, max_size=4)) for _ in range(number)]
    entries = [Label() for _ in functions]
    main = Assembler()
    main.emit(e.push([LR]), e.shift_immediate("lsls", 6, 0, 0), e.imm8("movs", 7, draw(st.integers(0, 200))))
    main.to("bl", "", entries[0])
    main.emit(e.pop([PC]))
    pieces = [main, *(written(sites, entries, own) for sites, own in zip(functions, entries, strict=True))]
    code = e.lay_out(pieces)
    table = [FLASH + entries[draw(st.integers(0, number - 1))].address + 1 for _ in range(4)]
    names = ["main", *(f"f{n}" for n in range(number))]
    rows = tuple((name, piece.start, piece.here) for name, piece in zip(names, pieces, strict=True))
    return Program(code, 0, rows, struct.pack("<4I", *table), (0, 0, 0))


def written(sites: list[Site], entries: list[Label], own: Label) -> Assembler:
    """One function. r7 is what is left of the calls: each place takes one, and is skipped where none is left."""
    asm = Assembler()
    asm.bind(own)
    asm.emit(e.push([4, LR]))
    for kind, callee in sites:
        past = Label()
        asm.emit(e.imm8("subs", 7, 1))
        asm.to("bcc", "mi", past)
        if kind == "call":
            asm.to("bl", "", entries[callee])
        elif kind == "register":
            asm.emit(e.imm8("movs", 4, 3), e.data_processing("ands", 4, 7), e.shift_immediate("lsls", 4, 4, 2))
            asm.emit(e.register_offset("ldr", 4, 6, 4), e.blx(4))
        else:
            asm.emit(e.pop([4]), e.pop([3]), e.high("mov", LR, 3))
            asm.to("b", "", entries[callee])
        asm.bind(past)
    asm.emit(e.pop([4, PC]))
    return asm


@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_random_call_graphs(program: Program) -> None:
    cost, run = run_both(program, "rp2040")
    compare(cost, run, program, "rp2040")
