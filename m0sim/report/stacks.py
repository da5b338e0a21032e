"""Call stacks with the cycles spent in each, and their text form for flame graph tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from m0sim.chip.cost import CallNode, Cost
from m0sim.image import Image
from m0sim.report.inlined import inlining
from m0sim.report.inlined import stacks as with_inlined


def walk(tree: tuple[CallNode, ...]) -> Iterator[tuple[tuple[str, ...], CallNode]]:
    """Every node of a call tree with the functions from the root to it; a node's children follow it, in call order."""
    children: list[list[int]] = [[] for _ in tree]
    for place, node in enumerate(tree):
        if node.parent >= 0:
            children[node.parent].append(place)
    todo: list[tuple[tuple[str, ...], int]] = [((), 0)]
    while todo:
        above, place = todo.pop()
        stack = (*above, tree[place].function)
        yield stack, tree[place]
        todo += [(stack, child) for child in reversed(children[place])]


def collapsed(cost: Cost, image: Image) -> str:
    """One line a stack, ``outer;inner cycles``: what flamegraph.pl and inferno-flamegraph read.

    The figures add up to `cost.cycles`. Calls of one function from several places of another are one line. Inlined
    functions are frames, such as ``dense_q7 (inlined)``.
    """
    cycles: Counter[str] = Counter()
    for stack, node in walk(with_inlined(cost, inlining(cost, image)).tree):
        cycles[";".join(name.replace(";", ":") for name in stack)] += node.self_cycles
    return "".join(f"{stack} {spent}\n" for stack, spent in cycles.items() if spent)
