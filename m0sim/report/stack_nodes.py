"""Calling contexts with the cycles spent in each, in a form that is the same for the same cycles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from m0sim.chip.cost import CallNode


@dataclass(frozen=True, slots=True)
class StackNode:
    """A function in one calling context: calls from all places of one caller together, which call trees keep apart."""

    depth: int
    """Callers above it; its own is the last node before it with one less."""
    name: str
    """Of an inlined function such as ``dense_q7 (inlined)``."""
    self_cycles: int


@dataclass(slots=True)
class _Node:
    self_cycles: int = 0
    children: dict[str, _Node] = field(default_factory=dict)


def nodes(tree: Sequence[CallNode]) -> tuple[StackNode, ...]:
    """The contexts of a call tree that took cycles, callers before what they call, those of one caller by name.

    Their self cycles add up to those of the tree. What the tree looks like, such as the order of calls and from where,
    does not matter.
    """
    merged: list[_Node] = []
    roots: dict[str, _Node] = {}
    for node in tree:
        siblings = merged[node.parent].children if node.parent >= 0 else roots
        place = siblings.setdefault(node.function, _Node())
        place.self_cycles += node.self_cycles
        merged.append(place)
    found: list[StackNode] = []
    todo = [(0, name, node) for name, node in roots.items()]
    while todo:
        depth, name, merged_node = todo.pop()
        found.append(StackNode(depth, name, merged_node.self_cycles))
        todo += [(depth + 1, *child) for child in sorted(merged_node.children.items(), reverse=True)]
    return _without_idle(found)


def _without_idle(found: Sequence[StackNode]) -> tuple[StackNode, ...]:
    """Those that took cycles, themselves or in what they called."""
    kept: list[StackNode] = []
    needed = -1
    for node in reversed(found):  # what it called follows a node, so it comes first here
        if node.self_cycles or node.depth < needed:
            kept.append(node)
            needed = node.depth
    return tuple(reversed(kept))
