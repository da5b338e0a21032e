"""The differential flame graph: the calling contexts of two runs as one tree, as wide as either run made them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from m0sim.report.stack_nodes import StackNode

_NARROWEST = 0.1  # % of the width: less cannot be seen, let alone clicked
_SHADES = (0.0, 0.1, 0.5)  # shares of the largest change above which a box is one shade stronger

_ESTIMATE = " (inlined, estimate)"


@dataclass(slots=True, eq=False)
class PairedContext:
    """A function in one calling context, in two runs. Cycles of a run that does not have it are None."""

    name: str
    above: PairedContext | None = field(repr=False)
    """Of the caller; None for the root."""
    depth: int
    old: int | None = None
    """Inclusive cycles, `new` too."""
    new: int | None = None
    old_self: int | None = None
    new_self: int | None = None
    children: dict[str, PairedContext] = field(default_factory=dict, repr=False)

    @property
    def delta(self) -> int:
        """Of the inclusive cycles."""
        return (self.new or 0) - (self.old or 0)

    @property
    def self_delta(self) -> int:
        return (self.new_self or 0) - (self.old_self or 0)

    @property
    def path(self) -> tuple[str, ...]:
        """Names from the root to this."""
        names, at = [self.name], self.above
        while at is not None:
            names.append(at.name)
            at = at.above
        return tuple(reversed(names))


@dataclass(frozen=True, slots=True)
class Box:
    """A context as it is drawn: `left` and `width` in % of the graph's width."""

    context: PairedContext
    left: float
    width: float
    shade: int
    """-3 to 3: how its change compares with the largest; below 0 where it got faster."""


@dataclass(frozen=True, slots=True)
class View:
    """Boxes as wide as the cycles of one of the runs, from the top down."""

    boxes: tuple[Box, ...]
    total: int
    """Cycles of the whole width."""
    left_out: int
    """Boxes that are too narrow to draw, not counting those below them."""

    @property
    def depth(self) -> int:
        """Boxes one above the other."""
        return 1 + max((box.context.depth for box in self.boxes), default=-1)


@dataclass(frozen=True, slots=True)
class FlameDiff:
    """Two runs. Contexts have the same order among their neighbours in both views."""

    by_new: View
    by_old: View
    changed: tuple[PairedContext, ...]
    """Those whose own cycles changed, most first: their changes add up to that of the whole."""

    @property
    def has_estimates(self) -> bool:
        """Whether how the cycles of inlined code divide among contexts is an estimate somewhere."""
        return any(box.context.name.endswith(_ESTIMATE) for view in (self.by_new, self.by_old) for box in view.boxes)


def flame_diff(old: Sequence[StackNode], new: Sequence[StackNode]) -> FlameDiff | None:
    """The graph of two runs, each with one root; None where one of them has no contexts.

    The roots are one, whatever their names. A context of inlined code is one whether its cycles are an estimate or not,
    and has the name of an estimate where they are in either run.
    """
    if not old or not new:
        return None
    root = PairedContext(new[0].name if new[0].name == old[0].name else f"{new[0].name} (was {old[0].name})", None, 0)
    for context, cycles in _entered(root, old):
        context.old_self = (context.old_self or 0) + cycles
    for context, cycles in _entered(root, new):
        context.new_self = (context.new_self or 0) + cycles
    contexts = list(_below(root))
    _sum_up(contexts)
    largest = max(abs(context.delta) for context in contexts)
    changed = sorted((c for c in contexts if c.self_delta), key=lambda context: -abs(context.self_delta))
    return FlameDiff(_view(root, "new", largest), _view(root, "old", largest), tuple(changed))


def _entered(root: PairedContext, nodes: Sequence[StackNode]) -> Iterator[tuple[PairedContext, int]]:
    """Every node's context, made where it is not there yet, and its self cycles."""
    above = [root]
    for node in nodes:
        if node.depth:
            del above[node.depth :]
            known = node.name.replace(_ESTIMATE, " (inlined)")
            context = above[-1].children.setdefault(known, PairedContext(node.name, above[-1], node.depth))
            if node.name != known:
                context.name = node.name  # an estimate in one run makes the change one
            above.append(context)
        yield above[-1], node.self_cycles


def _below(root: PairedContext) -> Iterator[PairedContext]:
    """It, and all that is below it, callers first."""
    todo = [root]
    while todo:
        yield (context := todo.pop())
        todo += reversed(context.children.values())


def _sum_up(contexts: Sequence[PairedContext]) -> None:
    """Inclusive cycles, from the leaves up."""
    for context in reversed(contexts):
        below = context.children.values()
        if context.old_self is not None:
            context.old = context.old_self + sum(child.old or 0 for child in below)
        if context.new_self is not None:
            context.new = context.new_self + sum(child.new or 0 for child in below)


def _view(root: PairedContext, run: Literal["old", "new"], largest: int) -> View:
    """The boxes as wide as the cycles of a run; those that are the widest in both together on the left."""
    total = getattr(root, run)
    boxes: list[Box] = []
    left_out = 0
    todo = [(root, 0)] if total else []
    while todo:
        context, begin = todo.pop()
        cycles = getattr(context, run)
        width = 100 * (cycles or 0) / total
        if width < _NARROWEST:
            left_out += cycles is not None
            continue
        boxes.append(Box(context, 100 * begin / total, width, _shade(context.delta, largest)))
        for child in sorted(context.children.values(), key=_order):
            todo.append((child, begin))
            begin += getattr(child, run) or 0
    return View(tuple(sorted(boxes, key=lambda box: (box.context.depth, box.left))), total, left_out)


def _order(context: PairedContext) -> tuple[int, str]:
    return -(context.old or 0) - (context.new or 0), context.name


def _shade(delta: int, largest: int) -> int:
    strength = sum(abs(delta) > limit * largest for limit in _SHADES)
    return strength if delta > 0 else -strength
