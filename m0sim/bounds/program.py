"""The functions that a call may come to, and which of them never return."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from m0sim.bounds import flow
from m0sim.bounds.annotations import Resolved
from m0sim.bounds.code import CodeReader
from m0sim.bounds.flow import Facts, Flow

Node = TypeVar("Node", bound=Hashable)


class Program:
    """Functions of an image, each read once, with the annotations for it."""

    def __init__(self, code: CodeReader, annotations: Resolved | None = None, supervisor: int | None = None) -> None:
        """`supervisor` is where the handler of SVC begins."""
        self.code = code
        self.annotations = annotations or Resolved()
        self.flows: dict[int, Flow] = {}
        self.endless: set[int] = set(self.annotations.endless)
        self._supervisor = supervisor
        self._far_jumps: dict[int, bool] = {}

    def read(self, roots: Iterable[int]) -> None:
        """Read the functions at these addresses, and all that they may call.

        All are taken to return at first. Then those that cannot are found, and who calls them is read once more, which
        ends there, until that shows no other one.
        """
        pending = list(roots)
        while pending:
            while pending:
                entry = pending.pop()
                if entry not in self.flows and self.is_read(entry):
                    pending += self._read(entry)
            found = {entry for entry, one in self.flows.items() if not one.may_return(self.endless)}
            new = found - self.endless
            self.endless |= new
            for entry, one in list(self.flows.items()):
                if any(not call.is_tail and not new.isdisjoint(call.targets) for call in one.calls):
                    pending += self._read(entry)

    def is_read(self, entry: int) -> bool:
        """Whether a function is code of the image, of which no annotation says what it takes."""
        return entry not in self.annotations.stack_bounds and self.code.is_code(entry)

    def callees(self, entry: int) -> set[int]:
        """What a function may call."""
        one = self.flows.get(entry)
        return set() if one is None else {target for call in one.calls for target in call.targets}

    def _read(self, entry: int) -> set[int]:
        given = self.annotations
        facts = Facts(given.targets, given.frames, self.endless, self._supervisor, self._far_jumps)
        self.flows[entry] = flow.read(entry, self.code, facts)
        return self.callees(entry)


def components(roots: Iterable[Node], following: Callable[[Node], Iterable[Node]]) -> list[list[Node]]:
    """Strongly connected components of what can be reached, each behind all that it leads to: Tarjan, 1972."""
    found: list[list[Node]] = []
    number: dict[Node, int] = {}
    low: dict[Node, int] = {}
    open_nodes: list[Node] = []
    is_open: set[Node] = set()
    for root in roots:
        if root in number:
            continue
        stack = [(root, iter(following(root)))]
        number[root] = low[root] = len(number)
        open_nodes.append(root)
        is_open.add(root)
        while stack:
            node, rest = stack[-1]
            for each in rest:
                if each not in number:
                    number[each] = low[each] = len(number)
                    open_nodes.append(each)
                    is_open.add(each)
                    stack.append((each, iter(following(each))))
                    break
                if each in is_open:
                    low[node] = min(low[node], number[each])
            else:
                stack.pop()
                if stack:
                    above = stack[-1][0]
                    low[above] = min(low[above], low[node])
                if low[node] == number[node]:
                    found.append(_taken(open_nodes, is_open, node))
    return found


def _taken(open_nodes: list[Node], is_open: set[Node], first: Node) -> list[Node]:
    """The component that begins with a node, taken off the stack of open nodes."""
    at = len(open_nodes) - 1
    while open_nodes[at] != first:
        at -= 1
    taken = open_nodes[at:]
    del open_nodes[at:]
    is_open.difference_update(taken)
    return taken


def cycle(nodes: Sequence[Node], edges: Mapping[Node, set[Node]]) -> list[Node] | None:
    """A shortest way from the first of these nodes that has one back to itself, among them; None where none has."""
    inside = set(nodes)
    for start in nodes:
        before: dict[Node, Node] = {}
        layer = [start]
        while layer:
            following = []
            for node in layer:
                for each in edges[node] & inside:
                    if each == start:
                        way = [start, node]
                        while way[-1] != start:
                            way.append(before[way[-1]])
                        return list(reversed(way))
                    if each not in before:
                        before[each] = node
                        following.append(each)
            layer = following
    return None
