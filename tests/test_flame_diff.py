"""The differential flame graph: two runs' cycles by calling context, none lost and none twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from m0sim.chip.cost import CallNode
from m0sim.report.page_flame_diff import FlameDiff, PairedContext, View, flame_diff
from m0sim.report.stack_nodes import StackNode, nodes

Paths = Counter[tuple[str, ...]]
SOMEWHERE = st.lists(st.tuples(st.integers(0, 1 << 30), st.sampled_from("abcd"), st.integers(0, 2000)), max_size=30)


def tree_of(more: Sequence[tuple[int, str, int]]) -> list[CallNode]:
    """A call tree: each node below any of those before it. Callers may call one function from several places."""
    tree = [CallNode("main", -1, 0, 1, 1, 0)]
    for place, (parent, name, cycles) in enumerate(more, start=1):
        tree.append(CallNode(name, parent % place, 2 * place, 1, cycles, 0))
    return tree


def paths_of(tree: Sequence[CallNode]) -> Paths:
    """Self cycles by stack, of the tree itself."""
    found: Paths = Counter()
    stacks: list[tuple[str, ...]] = []
    for node in tree:
        stacks.append((*(stacks[node.parent] if node.parent >= 0 else ()), node.function))
        found[stacks[-1]] += node.self_cycles
    return +found


def paths_of_nodes(found: Sequence[StackNode]) -> Paths:
    cycles: Paths = Counter()
    at: list[str] = []
    for node in found:
        at[node.depth :] = [node.name]
        assert tuple(at) not in cycles, "a context twice"
        cycles[tuple(at)] = node.self_cycles
    return +cycles


def paths(**cycles: int) -> tuple[StackNode, ...]:
    """Nodes by hand: ``main_f_g=5`` is g below f below main. In the order of the stacks."""
    return tuple(StackNode(path.count("_"), path.split("_")[-1], count) for path, count in cycles.items())


# ------------------------------------------------------------------------------------------------------- contexts


@given(SOMEWHERE)
def test_contexts_have_the_cycles_of_the_tree(more: list[tuple[int, str, int]]) -> None:
    tree = tree_of(more)
    found = nodes(tree)
    assert paths_of_nodes(found) == paths_of(tree)
    assert sum(node.self_cycles for node in found) == sum(node.self_cycles for node in tree)
    assert found[0].depth == 0
    assert all(0 < after.depth <= before.depth + 1 for before, after in pairwise(found))
    needed = {path[:length] for path in paths_of(tree) for length in range(1, len(path) + 1)}
    assert len(found) == len(needed)  # nothing that took no cycles


@given(SOMEWHERE, st.randoms())
def test_the_order_of_calls_does_not_matter(more: list[tuple[int, str, int]], random: object) -> None:
    """The same cycles at the same stacks are the same rows, which is what makes a baseline worth a diff."""
    by_stack = list(paths_of(tree_of(more)).items())
    random.shuffle(by_stack)  # type: ignore[attr-defined]
    tree = [CallNode("main", -1, 0, 1, 0, 0)]
    places: dict[tuple[str, ...], int] = {("main",): 0}
    for stack, cycles in by_stack:
        for length in range(2, len(stack) + 1):
            if stack[:length] not in places:
                places[stack[:length]] = len(tree)
                tree.append(CallNode(stack[length - 1], places[stack[: length - 1]], 0, 1, 0, 0))
        node = tree[places[stack]]
        tree[places[stack]] = CallNode(node.function, node.parent, 0, 1, cycles, 0)
    assert nodes(tree) == nodes(tree_of(more))


def test_contexts_by_hand() -> None:
    tree = [
        CallNode("main", -1, 0, 1, 10, 0),
        CallNode("g", 0, 2, 1, 5, 0),
        CallNode("f", 0, 4, 1, 0, 0),
        CallNode("g", 0, 6, 1, 7, 0),
        CallNode("h", 2, 8, 1, 3, 0),
        CallNode("idle", 0, 9, 1, 0, 0),
    ]
    assert nodes(tree) == (StackNode(0, "main", 10), StackNode(1, "f", 0), StackNode(2, "h", 3), StackNode(1, "g", 12))
    assert nodes([]) == ()


# ---------------------------------------------------------------------------------------------------------- graph


def drawn(view: View) -> dict[str, tuple[float, float, int]]:
    return {";".join(b.context.path): (round(b.left, 3), round(b.width, 3), b.shade) for b in view.boxes}


def graph(old: Sequence[StackNode], new: Sequence[StackNode]) -> FlameDiff:
    found = flame_diff(old, new)
    assert found is not None
    return found


def test_a_graph_by_hand() -> None:
    """f got slower by its g, h faster, k came and m went; n is as it was."""
    old = paths(main=10, main_f=10, main_f_g=20, main_h=40, main_m=5, main_n=15)
    new = paths(main=10, main_f=10, main_f_g=80, main_h=35, main_k=50, main_n=15)
    found = graph(old, new)
    assert (found.by_new.total, found.by_old.total) == (200, 100)
    assert drawn(found.by_new) == {
        "main": (0, 100, 3),
        "main;f": (0, 45, 3),
        "main;h": (45, 17.5, -1),
        "main;k": (62.5, 25, 2),
        "main;n": (87.5, 7.5, 0),
        "main;f;g": (0, 40, 3),
    }
    assert drawn(found.by_old) == {
        "main": (0, 100, 3),
        "main;f": (0, 30, 3),
        "main;h": (30, 40, -1),
        "main;n": (70, 15, 0),
        "main;m": (85, 5, -1),
        "main;f;g": (0, 20, 3),
    }
    assert [(c.name, c.old_self, c.new_self, c.old, c.new) for c in found.changed] == [
        ("g", 20, 80, 20, 80),
        ("k", None, 50, None, 50),
        ("h", 40, 35, 40, 35),
        ("m", 5, None, 5, None),
    ]
    assert (found.by_new.depth, found.by_old.depth) == (3, 3)


def test_nothing_changed_is_grey() -> None:
    found = graph(paths(main=10, main_f=5), paths(main=10, main_f=5))
    assert {box.shade for view in (found.by_new, found.by_old) for box in view.boxes} == {0}
    assert found.changed == ()


def test_roots_of_other_names_are_one() -> None:
    found = graph(paths(old=10, old_f=5), paths(new=12, new_f=5))
    assert [box.context.name for box in found.by_new.boxes] == ["new (was old)", "f"]
    assert [context.self_delta for context in found.changed] == [2]


def test_an_estimate_is_no_other_context() -> None:
    """But it is told where it is one, in either run."""
    exact = (StackNode(0, "main", 1), StackNode(1, "f (inlined)", 10))
    shared = (StackNode(0, "main", 1), StackNode(1, "f (inlined, estimate)", 12))
    for old, new, cycles in ((exact, shared, (10, 12)), (shared, exact, (12, 10)), (shared, shared, None)):
        found = graph(old, new)
        changed = [(context.path, (context.old, context.new)) for context in found.changed]
        assert changed == ([] if cycles is None else [(("main", "f (inlined, estimate)"), cycles)])
        assert [box.context.name for box in found.by_new.boxes] == ["main", "f (inlined, estimate)"]
        assert found.has_estimates
    assert not graph(exact, exact).has_estimates


def test_rows_of_one_context_add_up() -> None:
    """As in a baseline that somebody merged by hand."""
    both = (StackNode(0, "main", 1), StackNode(1, "f (inlined)", 10), StackNode(1, "f (inlined, estimate)", 4))
    (found,) = graph(both, (StackNode(0, "main", 1),)).changed
    assert (found.old, found.old_self, found.new) == (14, 14, None)
    (found,) = graph((StackNode(0, "main", 1),), both).changed
    assert (found.new, found.new_self, found.old) == (14, 14, None)


def test_without_contexts_there_is_no_graph() -> None:
    assert flame_diff((), paths(main=1)) is flame_diff(paths(main=1), ()) is flame_diff((), ()) is None


def test_boxes_that_nobody_could_see_are_counted() -> None:
    found = graph(paths(main=9_985, main_a=9, main_a_b=1, main_c=5), paths(main=9_000, main_a=500, main_a_b=500))
    assert (len(found.by_old.boxes), found.by_old.left_out) == (2, 2)  # a is wide enough, b and c are not
    assert (len(found.by_new.boxes), found.by_new.left_out) == (3, 0)  # c is gone, not left out


@given(SOMEWHERE, SOMEWHERE)
def test_no_cycle_is_lost_or_twice(before: list[tuple[int, str, int]], after: list[tuple[int, str, int]]) -> None:
    old, new = tree_of(before), tree_of(after)
    found = graph(nodes(old), nodes(new))
    for view, tree, run in ((found.by_old, old, "old"), (found.by_new, new, "new")):
        own, total = paths_of(tree), sum(node.self_cycles for node in tree)
        assert view.total == total
        for box in view.boxes:
            path = box.context.path
            inclusive = sum(cycles for stack, cycles in own.items() if stack[: len(path)] == path)
            assert getattr(box.context, run) == inclusive
            assert (getattr(box.context, f"{run}_self") or 0) == own[path]
            assert abs(box.width - 100 * inclusive / total) < 1e-9
        if not view.left_out:
            assert sum(getattr(box.context, f"{run}_self") for box in view.boxes) == total
        for depth in range(view.depth):
            row = [box for box in view.boxes if box.context.depth == depth]
            assert all(a.left + a.width <= b.left + 1e-9 for a, b in pairwise(row))
        boxes = {box.context.path: box for box in view.boxes}
        for path, box in boxes.items():
            if len(path) > 1:
                around = boxes[path[:-1]]
                assert around.left - 1e-9 <= box.left
                assert box.left + box.width <= around.left + around.width + 1e-9
    changes = Counter(paths_of(new))
    changes.subtract(paths_of(old))
    assert {context.path: context.self_delta for context in found.changed} == {p: n for p, n in changes.items() if n}


def test_a_chain_of_calls_as_deep_as_they_come() -> None:
    deep = tuple(StackNode(depth, f"f{depth}", 1) for depth in range(5_000))
    found = graph(deep, (*deep[:-1], StackNode(4_999, "f4999", 2)))
    assert [len(context.path) for context in found.changed] == [5_000]
    assert isinstance(found.changed[0], PairedContext)
