"""A run's cycles by the functions of the source: what the compiler inlined, apart from the code around it.

Counts are by instruction, and an instruction is of one stack of inlined functions, so every sum over a function here
is the function's. The call tree has no instructions: where a function runs in several contexts, how its inlined code
divides among them is not known, and `stacks` shares it out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from m0sim.chip.cost import CallNode, Cost, FunctionCost, Int64Array
from m0sim.image import Image

if TYPE_CHECKING:  # it reads DWARF, which an image without need not load
    from m0sim.image.inlined import InlineFrame, InlineStack

_Parts = defaultdict[tuple[str, str], Int64Array]
"""Cycles, stalls and instructions by name and file of an inlined function."""


@dataclass(frozen=True, slots=True)
class InlinedCost:
    """What ran of one inlined function in one function of the image."""

    name: str
    file: str
    """That it is written in; empty where the image does not tell."""
    self_cycles: int
    """Of its own source, without what was inlined to it."""
    stall_cycles: int
    instructions: int

    @property
    def label(self) -> str:
        return label(self.name)


@dataclass(frozen=True, slots=True)
class SourceCosts:
    """A function of the image by functions of the source: `own_cycles` and those of `inlined` are its self cycles."""

    own_cycles: int
    own_stall_cycles: int
    inlined: tuple[InlinedCost, ...]
    """Most self cycles first."""


@dataclass(frozen=True)
class Inlining:
    """What of a cost was inlined."""

    stacks: tuple[InlineStack, ...]
    """By instruction, as the rows of `Cost.instruction_table`."""
    functions: Mapping[str, SourceCosts]
    """By name, in the order of `Cost.functions`."""
    cycles: Mapping[str, Mapping[InlineStack, int]]
    """By function, self cycles by stack."""
    calls: Mapping[int, InlineStack]
    """The stack of each calling instruction."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing that ran was inlined."""
        return not any(self.stacks)


def label(name: str, remark: str = "") -> str:
    """Such as ``dense_q7 (inlined)``."""
    return f"{name} (inlined{remark})"


def inlining(cost: Cost, image: Image) -> Inlining:
    """Every instruction that ran by the inlined functions that it is of."""
    table = cost.instruction_table
    stacks = _stacks(table.address, image)
    cycles: dict[str, Counter[InlineStack]] = {name: Counter() for name in cost.functions}
    parts: dict[str, _Parts] = {name: defaultdict(_nothing) for name in cost.functions}
    figures = np.stack([table.cycles, table.stalls, table.executions], axis=1)
    for row in (row for row, stack in enumerate(stacks) if stack):
        stack, name = stacks[row], table.function_names[table.function[row]]
        cycles[name][stack] += int(table.cycles[row])
        parts[name][_identity(stack[-1])] += figures[row]
    for name, function in cost.functions.items():
        cycles[name][()] = function.self_cycles - cycles[name].total()
    sites = [edge.call_address for edge in cost.edges]
    return Inlining(
        stacks=stacks,
        functions={name: _costs(function, parts[name]) for name, function in cost.functions.items()},
        cycles=cycles,
        calls=dict(zip(sites, _stacks(np.array(sites, np.int64), image), strict=True)),
    )


def _stacks(addresses: Int64Array, image: Image) -> tuple[InlineStack, ...]:
    if not image.debug:
        return ((),) * len(addresses)
    found = image.inlined(addresses)
    return tuple(found.stacks[place] for place in found.places(addresses).tolist())


def names_at(addresses: Sequence[int], image: Image) -> list[tuple[str, ...]]:
    """For each address the functions that were inlined to the code there, the innermost last."""
    found = _stacks(np.array(addresses, np.int64), image)
    return [tuple(frame.name for frame in stack) for stack in found]


def _nothing() -> Int64Array:
    return np.zeros(3, np.int64)


def _costs(function: FunctionCost, parts: _Parts) -> SourceCosts:
    inlined = [InlinedCost(*names, *counts.tolist()) for names, counts in parts.items()]
    return SourceCosts(
        function.self_cycles - sum(part.self_cycles for part in inlined),
        function.stall_cycles - sum(part.stall_cycles for part in inlined),
        tuple(sorted(inlined, key=lambda part: (-part.self_cycles, part.name))),
    )


@dataclass(frozen=True, slots=True)
class Stacks:
    """A call tree with inlined functions as nodes of their own, whose `calls` are 0: nothing counts them."""

    tree: tuple[CallNode, ...]
    files: Mapping[str, str]
    """Where inlined functions are written, by the names of their nodes."""
    shared_out: tuple[str, ...]
    """Functions that run in several contexts: in each, what their inlined code took is an estimate."""

    @property
    def note(self) -> str:
        """What the estimate is; empty where there is none."""
        if not self.shared_out:
            return ""
        first = ", ".join(self.shared_out[:3]) + (", ..." if len(self.shared_out) > 3 else "")
        return (
            f"{first}: in several calling contexts; how the cycles of code inlined there divide among these is an "
            "estimate, all contexts together are exact"
        )


@dataclass(slots=True)
class _Context:
    """All calls of a function from one function of the source, in one context."""

    function: str
    parent: int
    site: InlineStack
    call_address: int
    calls: int = 0
    self_cycles: int = 0
    parts: dict[InlineStack, int] = field(default_factory=dict)


def stacks(cost: Cost, found: Inlining) -> Stacks:
    """The call tree with inlined functions; as it is where nothing is inlined.

    Calls of a function from several places of one function of the source, in one context, are one node. What contexts
    have and no instruction took, which is sleep, is the function's own. Where code ran without its function being
    entered (see `CallNode`), the functions whose cycles by context are not those by address stay whole.
    """
    if found.is_empty:
        return Stacks(cost.call_tree, {}, ())
    contexts = _contexts(cost, found)
    by_function: dict[str, list[_Context]] = {function: [] for function in found.cycles}
    for context in contexts:
        if context.self_cycles and context.function in by_function:
            by_function[context.function].append(context)
    asleep = {
        function: sum(context.self_cycles for context in several) - sum(found.cycles[function].values())
        for function, several in by_function.items()
    }
    whole = {function for function, cycles in asleep.items() if cycles} if min(asleep.values()) < 0 else set()
    shared_out = []
    for function, several in by_function.items():
        cycles = found.cycles[function]
        if any(cycles) and function not in whole:
            shared_out += [function] * (len(several) > 1)
            _share_out(several, {**cycles, (): cycles.get((), 0) + asleep[function]})
    return _tree(contexts, whole, shared_out)


def _contexts(cost: Cost, found: Inlining) -> list[_Context]:
    contexts: list[_Context] = []
    places: dict[tuple[int, InlineStack, str], int] = {}
    of_node: list[int] = []
    for node in cost.call_tree:
        parent = of_node[node.parent] if node.parent >= 0 else -1
        site = found.calls.get(node.call_address, ())
        place = places.setdefault((parent, site, node.function), len(contexts))
        if place == len(contexts):
            contexts.append(_Context(node.function, parent, site, node.call_address))
        contexts[place].calls += node.calls
        contexts[place].self_cycles += node.self_cycles
        of_node.append(place)
    return contexts


def _share_out(contexts: Sequence[_Context], cycles: Mapping[InlineStack, int]) -> None:
    """Divide `cycles` in proportion to the self cycles of the contexts; what each context and each stack has stays."""
    left = dict(cycles)
    for context in contexts:
        total = sum(left.values())
        quotas = {stack: divmod(context.self_cycles * rest, total) for stack, rest in left.items()}
        context.parts = {stack: quota for stack, (quota, _) in quotas.items()}
        missing = context.self_cycles - sum(context.parts.values())
        for stack in sorted(quotas, key=lambda stack: -quotas[stack][1])[:missing]:
            context.parts[stack] += 1
        for stack, part in context.parts.items():
            left[stack] -= part


def _tree(contexts: Sequence[_Context], whole: set[str], shared_out: list[str]) -> Stacks:
    nodes: list[CallNode] = []
    files: dict[str, str] = {}
    places: dict[tuple[int, str, str], int] = {}
    of_context: list[int] = []

    def inside(place: int, function: str, stack: InlineStack) -> int:
        """The node of code of `function`, which is the node at `place`."""
        for frame in () if function in whole else stack:
            name = label(frame.name, ", estimate" if function in shared_out else "")
            key = (place, name, frame.file)
            if key not in places:
                places[key] = len(nodes)
                nodes.append(CallNode(name, place, 0, 0, 0, 0))
                files.setdefault(name, frame.file)
            place = places[key]
        return place

    for context in contexts:
        parent = -1
        if context.parent >= 0:
            parent = inside(of_context[context.parent], contexts[context.parent].function, context.site)
        of_context.append(len(nodes))
        nodes.append(CallNode(context.function, parent, context.call_address, context.calls, 0, 0))
        for stack, cycles in (context.parts or {(): context.self_cycles}).items():
            if cycles or not stack:
                place = inside(of_context[-1], context.function, stack)
                nodes[place] = replace(nodes[place], self_cycles=nodes[place].self_cycles + cycles)
    return Stacks(tuple(_with_inclusive(nodes)), files, tuple(shared_out))


def _with_inclusive(nodes: Sequence[CallNode]) -> Iterator[CallNode]:
    inclusive = [node.self_cycles for node in nodes]
    for place in range(len(nodes) - 1, 0, -1):
        if nodes[place].parent >= 0:
            inclusive[nodes[place].parent] += inclusive[place]
    for node, cycles in zip(nodes, inclusive, strict=True):
        yield replace(node, inclusive_cycles=cycles)


def unfolded(stack: InlineStack) -> list[InlineStack]:
    """The beginnings of a stack, the shortest first, without those that recursion of inlined functions leads back from.

    As in the call tree, a function that is inlined to itself is one: of ``a, b, a, c`` remain ``a`` and ``a, b, a, c``.
    """
    kept: list[InlineStack] = []
    for length in range(1, len(stack) + 1):
        same = next((i for i, one in enumerate(kept) if _identity(one[-1]) == _identity(stack[length - 1])), None)
        if same is None:
            kept.append(stack[:length])
        else:
            del kept[same + 1 :]
    return kept


def _identity(frame: InlineFrame) -> tuple[str, str]:
    return frame.name, frame.file
