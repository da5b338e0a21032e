"""Call stacks with the cycles spent in each, and their text form for flame graph tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from m0sim.chip.cost import CHIP, CallNode, Cost
from m0sim.image import Image
from m0sim.report.inlined import inlining
from m0sim.report.inlined import stacks as with_inlined
from m0sim.report.on_core import OnCore


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
    """The cost of one core as samples of stacks, which is what formats of profilers hold."""

    frames: tuple[Frame, ...]
    """Of all cores that are shown together."""
    samples: tuple[tuple[tuple[int, ...], int], ...]
    """Places in `frames` from the root on, and the cycles spent there, more than 0. They add up to `Cost.cycles`; their
    order is that of first calls, each function before what it called."""
    note: str
    """What of it is an estimate; empty where all is exact."""


def samples(cores: Sequence[OnCore], image: Image) -> tuple[StackSamples, ...]:
    """The self cycles of each node of the call tree, by core; frames are those of all. Inlined functions are frames."""
    found = [with_inlined(core.cost, inlining(core.cost, image)) for core in cores]
    frames: dict[str, Frame] = {}
    for core, stacks in zip(cores, found, strict=True):
        roots = (CHIP,) if core.cost.has_several_roots else ()
        for name in (*core.cost.functions, *roots, *stacks.files):
            if name not in frames:
                is_inlined = name in stacks.files
                frames[name] = _inlined(name, stacks.files[name]) if is_inlined else _frame(name, core.cost, image)
    places = {name: place for place, name in enumerate(frames)}
    return tuple(StackSamples(tuple(frames.values()), _placed(stacks.tree, places), stacks.note) for stacks in found)


def _placed(tree: tuple[CallNode, ...], places: dict[str, int]) -> tuple[tuple[tuple[int, ...], int], ...]:
    return tuple(
        (tuple(places[name] for name in stack), node.self_cycles) for stack, node in walk(tree) if node.self_cycles
    )


def notes(found: Sequence[StackSamples]) -> str:
    """What of all cores is an estimate."""
    return "; ".join(dict.fromkeys(each.note for each in found if each.note))


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
    return collapsed_of((OnCore(cost),), image)


def collapsed_of(cores: Sequence[OnCore], image: Image) -> str:
    """The same of several cores: the root of a stack is then ``core 0`` or ``core 1``."""
    cycles: Counter[str] = Counter()
    for core in cores:
        for stack, node in walk(with_inlined(core.cost, inlining(core.cost, image)).tree):
            rooted = (core.name, *stack[stack[:1] == (CHIP,) :]) if core.name else stack
            cycles[";".join(name.replace(";", ":") for name in rooted)] += node.self_cycles
    return "".join(f"{stack} {spent}\n" for stack, spent in cycles.items() if spent)
