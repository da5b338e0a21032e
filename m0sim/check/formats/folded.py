"""A check's result as flame graph tools read two runs: what ``difffolded.pl`` of FlameGraph writes."""

from __future__ import annotations

from collections.abc import Iterator

from m0sim.check.figures import Figures
from m0sim.check.formats import text
from m0sim.check.result import Result
from m0sim.names import printable
from m0sim.report.stack_nodes import StackNode

_Cycles = dict[tuple[str, ...], list[int]]
"""Old and new cycles by stack."""


def folded(result: Result) -> str:
    """One line a stack, ``bench;outer;inner old new``; the figures of a bench add up to its cycles.

    A bench is one frame where one of its runs has no calling contexts. One that is new has 0 for old; one that faulted
    has no line.
    """
    lines = []
    for verdict in result.verdicts:
        if verdict.figures is not None:
            for stack, (old, new) in _cycles(verdict.baseline, verdict.figures).items():
                names = (printable(name).replace(";", ":") for name in (text.label(verdict), *stack))
                lines.append(f"{';'.join(names)} {old} {new}\n")
    return "".join(lines)


def _cycles(old: Figures | None, new: Figures) -> _Cycles:
    if not new.stacks or (old is not None and not old.stacks):
        return {(): [0 if old is None else old.cycles, new.cycles]}
    found: _Cycles = {}
    for run, nodes in enumerate((() if old is None else old.stacks, new.stacks)):
        for stack, cycles in _stacks(nodes):
            if cycles:
                found.setdefault(stack, [0, 0])[run] += cycles
    return found


def _stacks(nodes: tuple[StackNode, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    at: list[str] = []
    for node in nodes:
        at[node.depth :] = [node.name]
        yield tuple(at), node.self_cycles
