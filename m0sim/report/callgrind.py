"""A profile in the Callgrind format, version 1, for KCachegrind, QCachegrind and callgrind_annotate.

The format: https://valgrind.org/docs/manual/cl-format.html
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from m0sim.chip.cost import CallEdge, CallNode, Cost, InstructionCost
from m0sim.image import Image
from m0sim.names import printable

#: The name of the function that calls the one that was asked for: readers take inclusive cycles from callers.
OUTSIDE = "(m0sim)"
_UNKNOWN = "???"


def profile(cost: Cost, image: Image) -> str:
    """All executed instructions and all calls, as text.

    Self costs are cycles, instructions and taken conditional branches by instruction address and source line, and, of a
    run that waited for anything, the stalls among the cycles. Inclusive
    costs are cycles only, from `cost.call_tree`: a recursive call has its count, and no cycles of its own, because the
    outermost call has them all. So no inclusive figure is more than the total.
    """
    return "\n".join(_Writer(cost, image).lines()) + "\n"


class _Names:
    """Names by number: the format spells each out once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        if name in self._numbers:
            return f"({self._numbers[name]})"
        self._numbers[name] = len(self._numbers) + 1
        return f"({self._numbers[name]}) {name}"


def _calls_from_outside(cost: Cost, roots: Sequence[CallNode]) -> dict[str, int]:
    """By function: its calls but those that functions made; a root of the tree counts its recursion, too."""
    inside: Counter[str] = Counter()
    for edge in cost.edges:
        inside[edge.callee] += edge.calls
    return {root.function: max(cost.functions[root.function].calls - inside[root.function], 1) for root in roots}


class _Writer:
    def __init__(self, cost: Cost, image: Image) -> None:
        self._cost = cost
        self._image = image
        self._has_stalls = cost.stall_cycles > 0
        self._files, self._functions = _Names(), _Names()
        self._home = self._file = _UNKNOWN
        self._inclusive: Counter[tuple[int, str]] = Counter()
        for node in cost.call_tree:
            self._inclusive[node.call_address, node.function] += node.inclusive_cycles

    def lines(self) -> Iterator[str]:
        cost = self._cost
        stalls, stall = (f" {cost.stall_cycles}", " Stall") if self._has_stalls else ("", "")
        totals = f"{cost.cycles} {cost.instructions} {cost.branches_taken}{stalls}"
        yield from ("# callgrind format", "version: 1", "creator: m0sim")
        yield f"cmd: {cost.function}"
        memory = "zero-wait-state memory" if cost.flash_model == "ideal" else f"{cost.flash_model} flash"
        yield f"desc: m0sim: {printable(self._image.path.name)} on {cost.profile}, cycles with {memory}"
        yield "positions: instr line"
        yield "event: Taken : Conditional branches taken"
        if self._has_stalls:
            yield "event: Stall : Cycles that waited for flash or a slow bus"
        yield f"events: Cycles Instructions Taken{stall}"
        yield f"summary: {totals}"
        yield from ("", f"ob={printable(str(self._image.path))}")
        yield from self._outside()
        rows, edges = defaultdict(list), defaultdict(list)
        for row in cost.instruction_table.rows:
            rows[row.function].append(row)
        for edge in cost.edges:
            edges[edge.caller].append(edge)
        for function in cost.functions:
            if rows[function]:
                yield from self._function(function, rows[function], edges[function])
        yield f"totals: {totals}"

    def _outside(self) -> Iterator[str]:
        cost = self._cost
        roots = [node for node in cost.call_tree if node.parent == 0] if cost.has_several_roots else cost.call_tree[:1]
        self._file = self._entry(roots[0].function)[0]
        yield from (f"fl={self._files(self._file)}", f"fn={self._functions(OUTSIDE)}")
        if cost.has_several_roots:  # what no instruction took: sleep, and entering exceptions and returning from them
            idle = cost.cycles - int(cost.instruction_table.cycles.sum())
            yield f"0x0 0 {idle} 0 0{' 0' if self._has_stalls else ''}"
        for name, calls in _calls_from_outside(cost, roots).items():
            yield from self._call(CallEdge(OUTSIDE, 0, name, calls, 0), 0)
        yield ""

    def _function(self, function: str, rows: list[InstructionCost], edges: list[CallEdge]) -> Iterator[str]:
        self._home = self._file = self._entry(function)[0]
        yield from (f"fl={self._files(self._home)}", f"fn={self._functions(function)}")
        for row in rows:
            file, line = self._image.source_line(row.address) or (self._home, 0)
            yield from self._switch(file)
            stalls = f" {row.stalls}" if self._has_stalls else ""
            yield f"0x{row.address:x} {line} {row.cycles} {row.executions} {row.taken}{stalls}"
        for edge in edges:
            file, line = self._image.source_line(edge.call_address) or (self._home, 0)
            yield from self._switch(file)
            yield from self._call(edge, line)
        yield ""

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
