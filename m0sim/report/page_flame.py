"""The flame graph of a call tree: a frame a function in its calling context, as wide as its inclusive cycles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from m0sim.chip.cost import CallNode

_NARROWEST = 0.1  # % of the width: less cannot be seen, let alone clicked
_HEATS = (0.02, 0.1, 0.25, 0.5)  # shares of self cycles from which a frame is one shade darker


@dataclass(frozen=True, slots=True)
class Frame:
    """One box."""

    name: str
    depth: int
    left: float
    """% of the graph's width; `width` too."""
    width: float
    calls: int
    self_cycles: int
    inclusive_cycles: int
    heat: int
    """0 to 4, by the share of all cycles that are the function's own in this context."""


@dataclass(frozen=True, slots=True)
class FlameGraph:
    """Frames from the top down, the widest on the left."""

    frames: tuple[Frame, ...]
    total: int
    """Cycles of the whole width."""
    left_out: int
    """Frames that are too narrow to draw."""

    @property
    def depth(self) -> int:
        """Frames one above the other."""
        return 1 + max((frame.depth for frame in self.frames), default=-1)


@dataclass(slots=True)
class _Node:
    name: str
    calls: int = 0
    self_cycles: int = 0
    inclusive_cycles: int = 0
    children: dict[str, _Node] = field(default_factory=dict)


def flame_graph(tree: Sequence[CallNode]) -> FlameGraph:
    """The boxes of a call tree. Calls of one function from several places in one context share a box."""
    root = _merged(tree)
    if root is None or not root.inclusive_cycles:
        return FlameGraph((), 0, 0)
    frames: list[Frame] = []
    left_out = 0
    total = root.inclusive_cycles
    waiting = [(root, 0, 0)]
    while waiting:
        node, depth, begin = waiting.pop()
        width = 100 * node.inclusive_cycles / total
        if width < _NARROWEST:
            left_out += 1
            continue
        heat = sum(node.self_cycles >= limit * total for limit in _HEATS)
        left = 100 * begin / total
        frames.append(Frame(node.name, depth, left, width, node.calls, node.self_cycles, node.inclusive_cycles, heat))
        for child in sorted(node.children.values(), key=lambda c: (-c.inclusive_cycles, c.name)):
            waiting.append((child, depth + 1, begin))
            begin += child.inclusive_cycles
    return FlameGraph(tuple(sorted(frames, key=lambda f: (f.depth, f.left))), total, left_out)


def _merged(tree: Sequence[CallNode]) -> _Node | None:
    merged: list[_Node] = []
    for node in tree:
        siblings = merged[node.parent].children if node.parent >= 0 else {}
        place = siblings.setdefault(node.function, _Node(node.function))
        place.calls += node.calls
        place.self_cycles += node.self_cycles
        place.inclusive_cycles += node.inclusive_cycles
        merged.append(place)
    return merged[0] if merged else None
