"""Call stacks with the cycles spent in each, and their text form for flame graph tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from m0sim.chip.cost import CHIP, CallNode, Cost
from m0sim.image import Image
from m0sim.report.inlined import inlining
from m0sim.report.inlined import stacks as with_inlined


@dataclass(frozen=True, slots=True)
class Frame:
    """A function as it stands in stacks."""

    name: str
    file: str
    """That it is written in; empty where the image does not tell."""
    line: int
    """Where it begins; 0 where the image does not tell, as of every inlined function."""
    is_inlined: bool


@dataclass(frozen=True, slots=True)
class StackSamples:
    """A cost as samples of stacks, which is what formats of profilers hold."""

    frames: tuple[Frame, ...]
    samples: tuple[tuple[tuple[int, ...], int], ...]
    """Places in `frames` from the root on, and the cycles spent there, more than 0. They add up to `Cost.cycles`; their
    order is that of first calls, each function before what it called."""
    note: str
    """What of it is an estimate; empty where all is exact."""


def samples(cost: Cost, image: Image) -> StackSamples:
    """The self cycles of each node of the call tree. Inlined functions are frames."""
    roots = (CHIP,) if cost.has_several_roots else ()
    stacks = with_inlined(cost, inlining(cost, image))
    places = {name: place for place, name in enumerate((*cost.functions, *roots, *stacks.files))}
    found = ((tuple(places[name] for name in stack), node.self_cycles) for stack, node in walk(stacks.tree))
    return StackSamples(
        tuple(
            _inlined(name, stacks.files[name]) if name in stacks.files else _frame(name, cost, image) for name in places
        ),
        tuple((stack, cycles) for stack, cycles in found if cycles),
        stacks.note,
    )


def title(cost: Cost, image: Image) -> str:
    """Such as ``work of app.elf on rp2040``; of a run without the function."""
    what = image.path.name if cost.has_several_roots else f"{cost.function} of {image.path.name}"
    return f"{what} on {cost.profile}"


def _inlined(name: str, file: str) -> Frame:
    return Frame(name, file, 0, is_inlined=True)


def _frame(name: str, cost: Cost, image: Image) -> Frame:
    source = None if name == CHIP else image.source_line(cost.functions[name].address)
    return Frame(name, *(source or ("", 0)), is_inlined=False)


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
