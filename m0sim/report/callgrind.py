"""A profile in the Callgrind format, version 1, for KCachegrind, QCachegrind and callgrind_annotate.

The format: https://valgrind.org/docs/manual/cl-format.html
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from m0sim.chip.cost import CHIP, CallEdge, CallNode, Cost, InstructionCost
from m0sim.image import Image
from m0sim.names import printable
from m0sim.report.inlined import Inlining, inlining, label, unfolded
from m0sim.report.on_core import OnCore

if TYPE_CHECKING:
    from m0sim.image.inlined import InlineStack

#: The name of the function that calls the one that was asked for: readers take inclusive cycles from callers.
OUTSIDE = "(m0sim)"
_UNKNOWN = "???"


def profile(cost: Cost, image: Image) -> str:
    """All executed instructions and all calls, as text.

    Self costs are cycles, instructions and taken conditional branches by instruction address and source line, and, of a
    run that waited for anything, the stalls among the cycles. Inclusive
    costs are cycles only, from `cost.call_tree`: a recursive call has its count, and no cycles of its own, because the
    outermost call has them all. So no inclusive figure is more than the total.

    An inlined function is one of its own, such as ``dense_q7 (inlined)``, called by the one that it was inlined to: as
    often as the first instruction of its code ran, for nothing counts how often it was begun, and readers take a call
    without a count for none. Where one calls a function that it was inlined to as
    well, its name says in which: ``dense_q7 (inlined in layer)``.
    """
    return profile_of((OnCore(cost),), image)


def profile_of(cores: Sequence[OnCore], image: Image) -> str:
    """The same of several cores: costs of both added up, as Callgrind has those of threads; ``core 0`` and ``core 1``
    call what each ran, so that callers tell whose cycles they are.

    callgrind_annotate reads one part of a file, so that parts with a ``thread:`` each would hide one from it.
    """
    with_stalls = any(core.cost.stall_cycles > 0 for core in cores)
    totals = _totals([core.cost for core in cores], with_stalls)
    lines = [*_header(cores, image, totals, with_stalls)]
    files, functions = _Names(), _Names()
    for core in cores:
        lines += _Writer(core, image, files, functions, with_stalls).lines()
    return "\n".join([*lines, f"totals: {totals}"]) + "\n"


def _totals(costs: Sequence[Cost], with_stalls: bool) -> str:
    rows = [(cost.cycles, cost.instructions, cost.branches_taken, cost.stall_cycles) for cost in costs]
    sums = [sum(column) for column in zip(*rows, strict=True)]
    return " ".join(map(str, sums if with_stalls else sums[:-1]))


def _header(cores: Sequence[OnCore], image: Image, totals: str, with_stalls: bool) -> Iterator[str]:
    cost = cores[0].cost
    yield from ("# callgrind format", "version: 1", "creator: m0sim")
    yield f"cmd: {cost.function}"
    memory = "zero-wait-state memory" if cost.flash_model == "ideal" else f"{cost.flash_model} flash"
    of = " and ".join(core.name for core in cores)
    yield f"desc: m0sim: {printable(image.path.name)} on {cost.profile}{of and ', ' + of}, cycles with {memory}"
    yield "positions: instr line"
    yield "event: Taken : Conditional branches taken"
    if with_stalls:
        yield "event: Stall : Cycles that waited for flash or a slow bus"
    yield f"events: Cycles Instructions Taken{' Stall' if with_stalls else ''}"
    yield f"summary: {totals}"
    yield from ("", f"ob={printable(str(image.path))}")


class _Names:
    """Names by number: the format spells each out once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        if name in self._numbers:
            return f"({self._numbers[name]})"
        self._numbers[name] = len(self._numbers) + 1
        return f"({self._numbers[name]}) {name}"


def _asleep(cost: Cost) -> Counter[str]:
    """By function: its own cycles in the call tree that none of its instructions took, for it slept in WFI or WFE."""
    asleep: Counter[str] = Counter()
    for node in cost.call_tree:
        if node.function != CHIP:
            asleep[node.function] += node.self_cycles
    table = cost.instruction_table
    for function, cycles in zip(table.function.tolist(), table.cycles.tolist(), strict=True):
        asleep[table.function_names[function]] -= cycles
    return +asleep


def _calls_from_outside(cost: Cost, roots: Sequence[CallNode]) -> dict[str, int]:
    """By function: its calls but those that functions made; a root of the tree counts its recursion, too."""
    inside: Counter[str] = Counter()
    for edge in cost.edges:
        inside[edge.callee] += edge.calls
    return {root.function: max(cost.functions[root.function].calls - inside[root.function], 1) for root in roots}


def _inlined_on_the_way(cost: Cost, found: Inlining) -> set[tuple[str, str]]:
    """Name and file of inlined functions that call, themselves or by others, a function that they are inlined to, too.

    Their inclusive cycles would be in each other's.
    """
    if found.is_empty:
        return set()
    inside = {
        function: {(frame.name, frame.file) for stack in cycles for frame in stack}
        for function, cycles in found.cycles.items()
    }
    above: list[frozenset[tuple[str, str]]] = []
    recursive: set[tuple[str, str]] = set()
    for node in cost.call_tree:
        around = above[node.parent] if node.parent >= 0 else frozenset()
        site = {(frame.name, frame.file) for frame in found.calls.get(node.call_address, ())}
        above.append(around if site <= around else around | site)
        recursive |= above[-1] & inside.get(node.function, set())
    return recursive


@dataclass(slots=True)
class _Part:
    """What one function of the source has in one function of the image."""

    file: str
    name: str
    rows: list[InstructionCost] = field(default_factory=list)
    calls: list[CallEdge] = field(default_factory=list)
    inlined: Counter[InlineStack] = field(default_factory=Counter)
    """Inclusive cycles of the calls that were replaced by code, by the stack of that."""


class _Parts:
    """One function of the image, taken apart."""

    def __init__(self) -> None:
        self._rows: list[tuple[list[InlineStack], InstructionCost]] = []
        self._calls: list[tuple[list[InlineStack], CallEdge]] = []
        self._inclusive: dict[tuple[InlineStack, InlineStack], int] = {}
        self.first: dict[InlineStack, int] = {}
        """The lowest address of the code of a stack, and of what is inlined to that."""

    @property
    def has_rows(self) -> bool:
        return bool(self._rows)

    def add_row(self, row: InstructionCost, stacks: list[InlineStack]) -> None:
        self._rows.append((stacks, row))
        self._count(stacks, row.address, row.cycles)

    def add_call(self, edge: CallEdge, stacks: list[InlineStack], inclusive_cycles: int) -> None:
        self._calls.append((stacks, edge))
        self._count(stacks, edge.call_address, inclusive_cycles)

    def _count(self, stacks: list[InlineStack], address: int, cycles: int) -> None:
        for link in pairwise([(), *stacks]):
            self._inclusive[link] = self._inclusive.get(link, 0) + cycles
            self.first[link[1]] = min(self.first.get(link[1], address), address)

    def of_source(self, named: Callable[[InlineStack], tuple[str, str]]) -> Iterable[_Part]:
        """By function of the source, the one of the image first; `named` has the file and name of a stack's last."""
        parts = {named(()): _Part(*named(()))}

        def part(stack: InlineStack) -> _Part:
            return parts.setdefault(named(stack), _Part(*named(stack)))

        for stacks, row in self._rows:
            part(stacks[-1] if stacks else ()).rows.append(row)
        for stacks, edge in self._calls:
            part(stacks[-1] if stacks else ()).calls.append(edge)
        for (around, stack), cycles in self._inclusive.items():
            part(around).inlined[stack] += cycles
        return parts.values()


class _Writer:
    """The functions of one core."""

    def __init__(self, core: OnCore, image: Image, files: _Names, functions: _Names, with_stalls: bool) -> None:
        self._cost = cost = core.cost
        self._root = core.name or OUTSIDE
        self._image = image
        self._has_stalls = with_stalls
        self._files, self._functions = files, functions
        self._home = self._file = _UNKNOWN
        self._inclusive: Counter[tuple[int, str]] = Counter()
        for node in cost.call_tree:
            self._inclusive[node.call_address, node.function] += node.inclusive_cycles
        self._inlining = inlining(cost, image)
        self._recursive = _inlined_on_the_way(cost, self._inlining)
        self._asleep = _asleep(cost)

    def lines(self) -> Iterator[str]:
        cost = self._cost
        yield from self._outside()
        parts: defaultdict[str, _Parts] = defaultdict(_Parts)
        for row, stack in zip(cost.instruction_table.rows, self._inlining.stacks, strict=True):
            parts[row.function].add_row(row, unfolded(stack))
        for edge in cost.edges:
            inclusive = self._inclusive[edge.call_address, edge.callee]
            parts[edge.caller].add_call(edge, unfolded(self._inlining.calls[edge.call_address]), inclusive)
        for function in cost.functions:
            if parts[function].has_rows:
                yield from self._function(function, parts[function])

    def _outside(self) -> Iterator[str]:
        cost = self._cost
        roots = [node for node in cost.call_tree if node.parent == 0] if cost.has_several_roots else cost.call_tree[:1]
        self._file = self._entry(roots[0].function)[0]
        yield from (f"fl={self._files(self._file)}", f"fn={self._functions(self._root)}")
        idle = cost.cycles - int(cost.instruction_table.cycles.sum()) - sum(self._asleep.values())
        if idle > 0:  # what no code took: entering exceptions and returning from them
            yield self._idle(0, 0, idle)
        for name, calls in _calls_from_outside(cost, roots).items():
            yield from self._call(CallEdge(self._root, 0, name, calls, 0), 0)
        yield ""

    def _function(self, function: str, parts: _Parts) -> Iterator[str]:
        """The function, and then each that was inlined to it."""
        home = self._entry(function)[0]
        for part in parts.of_source(lambda stack: self._inlined(function, home, stack)):
            self._home = self._file = part.file
            yield from (f"fl={self._files(part.file)}", f"fn={self._functions(part.name)}")
            for row in part.rows:
                file, line = self._image.source_line(row.address) or (part.file, 0)
                yield from self._switch(file)
                stalls = f" {row.stalls}" if self._has_stalls else ""
                yield f"0x{row.address:x} {line} {row.cycles} {row.executions} {row.taken}{stalls}"
            if part.name == function and self._asleep[function]:
                address = self._cost.functions[function].address
                yield from self._switch(home)
                yield self._idle(address, self._entry(function)[1], self._asleep[function])
            for edge in part.calls:
                file, line = self._image.source_line(edge.call_address) or (part.file, 0)
                yield from self._switch(file)
                yield from self._call(edge, line)
            for stack, cycles in part.inlined.items():
                yield from self._inlined_call(function, home, stack, cycles, parts.first[stack])
            yield ""

    def _idle(self, address: int, line: int, cycles: int) -> str:
        """Cycles that no instruction took."""
        return f"0x{address:x} {line} {cycles} 0 0{' 0' if self._has_stalls else ''}"

    def _inlined(self, function: str, home: str, stack: InlineStack) -> tuple[str, str]:
        """File and name of what was inlined to a function; those of the function itself for an empty stack."""
        if not stack:
            return home, function
        frame = stack[-1]
        is_recursive = (frame.name, frame.file) in self._recursive
        return frame.file or home, label(frame.name, f" in {function}" if is_recursive else "")

    def _inlined_call(self, function: str, home: str, stack: InlineStack, cycles: int, address: int) -> Iterator[str]:
        """A call that was replaced by the code of what it called, of which `address` is the first that ran."""
        file, name = self._inlined(function, home, stack)
        yield from self._switch(stack[-1].call_file or home)
        if file != self._file:
            yield f"cfi={self._files(file)}"
        yield f"cfn={self._functions(name)}"
        times = max(self._cost.executed.get(address, 0), 1)
        yield f"calls={times} 0x{address:x} {(self._image.source_line(address) or (file, 0))[1]}"
        yield f"0x{address:x} {stack[-1].call_line} {cycles}"

    def _switch(self, file: str) -> Iterator[str]:
        """What follows was inlined from another file, or is the function's own again."""
        if file != self._file:
            yield f"{'fe' if file == self._home else 'fi'}={self._files(file)}"
            self._file = file

    def _call(self, edge: CallEdge, line: int) -> Iterator[str]:
        """A call from a source line, and the cycles that were spent in it."""
        address = self._cost.functions[edge.callee].address
        file, entry_line = self._entry(edge.callee)
        if file != self._file:
            yield f"cfi={self._files(file)}"
        yield f"cfn={self._functions(edge.callee)}"
        yield f"calls={edge.calls} 0x{address:x} {entry_line}"
        yield f"0x{edge.call_address:x} {line} {self._inclusive[edge.call_address, edge.callee]}"

    def _entry(self, function: str) -> tuple[str, int]:
        """File and line where a function begins."""
        return self._image.source_line(self._cost.functions[function].address) or (_UNKNOWN, 0)
