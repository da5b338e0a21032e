"""The annotated listing: every instruction of a function with what it cost, and the loop that took most of it.

`listing` makes it from a cost and the image; annotate_text and page draw it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from m0sim.chip import isa
from m0sim.chip.cost import Cost, FunctionCost, InstructionCost
from m0sim.chip.fault import Fault
from m0sim.errors import UsageError, did_you_mean
from m0sim.image import Image, Symbol
from m0sim.report.annotate_data import FunctionListing, Listing, ListingRow, Loop, Source
from m0sim.report.annotate_loops import loops
from m0sim.report.disassembly import Disassembler, Instruction
from m0sim.report.inlined import inlining, names_at
from m0sim.report.sources import Sources

_DEFAULT_SHARE = 0.9


def listing(
    cost: Cost,
    image: Image,
    *,
    fault: Fault | None = None,
    names: Sequence[str] = (),
    everything: bool = False,
    sources: Sources | None = None,
) -> Listing:
    """The functions `names`, all that ran where `everything`, else the hottest that have 90 % of the self cycles.

    A function that the run ended in with a fault is always there. `sources` says which source text may be read; by
    default what is below the current folder and the image's. Raises UsageError, with the closest names, for a
    name that did not run.
    """
    chosen = _chosen(cost, image, names, everything)
    if fault is not None and fault.function in cost.functions:
        chosen[fault.function] = cost.functions[fault.function]
    rest = [f for name, f in cost.functions.items() if name not in chosen]
    sources = sources or Sources(image.path)
    maker = _Maker(cost, image, fault, sources)
    functions = tuple(maker.function(f) for f in chosen.values())
    return Listing(cost, fault, functions, len(rest), sum(f.self_cycles for f in rest), sources.notes())


def _chosen(cost: Cost, image: Image, names: Sequence[str], everything: bool) -> dict[str, FunctionCost]:
    if names:
        return {f.name: f for f in (_executed(cost, image, name) for name in names)}
    chosen: dict[str, FunctionCost] = {}
    covered = 0
    for f in cost.functions.values():
        if not everything and chosen and covered >= _DEFAULT_SHARE * cost.cycles:
            break
        chosen[f.name] = f
        covered += f.self_cycles
    return chosen


def _executed(cost: Cost, image: Image, name: str) -> FunctionCost:
    """The function that a person means, by any name that `Image.find` takes."""
    found = name if name in cost.functions else image.find(name).name
    if found not in cost.functions:
        ran = ", ".join(list(cost.functions)[:5])
        raise UsageError(f"{found} did not run in this call{did_you_mean(name, cost.functions)} ({ran} did)")
    return cost.functions[found]


class _Maker:
    """What the listings of one run share."""

    def __init__(self, cost: Cost, image: Image, fault: Fault | None, sources: Sources) -> None:
        self._cost = cost
        self._image = image
        self._fault_address = None if fault is None else fault.address
        self._disassembler = Disassembler(image)
        self._sources = sources
        self._symbols = {s.name: s for s in image.functions}
        self._executed: defaultdict[str, list[InstructionCost]] = defaultdict(list)
        for row in cost.instruction_table.rows:
            self._executed[row.function].append(row)
        self._sources_of = inlining(cost, image).functions

    def function(self, cost: FunctionCost) -> FunctionListing:
        symbol = self._symbols.get(cost.name)
        executed = self._executed[cost.name]
        rows = tuple(self._rows(symbol, executed))
        return FunctionListing(
            name=cost.name,
            address=cost.address if symbol is None else symbol.address,
            size=None if symbol is None else symbol.size,
            calls=cost.calls,
            self_cycles=cost.self_cycles,
            inclusive_cycles=cost.inclusive_cycles,
            rows=rows,
            loops=tuple(self._with_calls(cost.name, loops(rows))),
            sources=self._sources_of[cost.name],
        )

    def _rows(self, symbol: Symbol | None, executed: Iterable[InstructionCost]) -> Iterator[ListingRow]:
        ran = {at: tuple(rows) for at, rows in groupby(executed, key=lambda row: row.address)}
        found: list[tuple[Instruction, InstructionCost | None]] = []
        if symbol is not None:
            found += self._walk(symbol, ran)
        # Code without a symbol, and code that ran at an alias of its memory.
        listed = {instruction.address for instruction, _ in found}
        for address in sorted(ran.keys() - listed):
            found += self._counted(ran[address])
        if symbol is None and self._fault_address is not None and self._fault_address not in ran:
            instruction = self._disassembler.at(self._fault_address)
            found += [] if instruction is None else [(instruction, None)]
        found.sort(key=lambda pair: pair[0].address)
        inlined = names_at([instruction.address for instruction, _ in found], self._image)
        for (instruction, cost), names in zip(found, inlined, strict=True):
            yield self._row(instruction, cost, names)

    def _walk(
        self, symbol: Symbol, ran: dict[int, tuple[InstructionCost, ...]]
    ) -> Iterator[tuple[Instruction, InstructionCost | None]]:
        """The function from begin to end: the encodings that ran, and between them what the image has."""
        at, end = symbol.address, self._end(symbol)
        while at < end:
            pool = next((r for r in self._image.data_ranges if r[0] <= at < r[1]), None)
            if at in ran:
                pairs: list[tuple[Instruction, InstructionCost | None]] = [*self._counted(ran[at])]
            elif pool is not None:
                pairs = [(piece, None) for piece in self._disassembler.data(at, min(pool[1], end))]
            else:
                instruction = self._disassembler.at(at)
                if instruction is None:
                    return
                pairs = [(instruction, None)]
            yield from pairs
            behind = max(instruction.address + instruction.size for instruction, _ in pairs)
            # Where code was overwritten, an instruction may have run in the second half of another.
            at = at + 2 if at + 2 in ran else behind

    def _end(self, symbol: Symbol) -> int:
        """The address behind a function; one that has another inside it ends there."""
        behind = [s.address for s in self._image.functions if s.address > symbol.address]
        return min([symbol.address + max(symbol.size, 2), *behind[:1]])

    def _counted(self, rows: Sequence[InstructionCost]) -> list[tuple[Instruction, InstructionCost]]:
        return [(self._disassembler.instruction(row.address, row.encoding), row) for row in rows]

    def _row(self, instruction: Instruction, cost: InstructionCost | None, inlined: tuple[str, ...]) -> ListingRow:
        is_conditional = isa.FIRST[instruction.encoding & 0xFFFF, isa.KIND] == isa.Kind.BRANCH_CONDITIONAL
        taken = 0 if cost is None else cost.taken
        return ListingRow(
            instruction=instruction,
            executions=0 if cost is None else cost.executions,
            cycles=0 if cost is None else cost.cycles,
            stalls=0 if cost is None else cost.stalls,
            taken=taken if is_conditional and not instruction.is_data else None,
            source=None if instruction.is_data else self._source(instruction.address),
            is_fault=instruction.address == self._fault_address,
            inlined=() if instruction.is_data else inlined,
        )

    def _source(self, address: int) -> Source | None:
        place = self._image.source_line(address)
        return None if place is None else Source(*place, self._sources.line(*place))

    def _with_calls(self, name: str, found: Iterable[Loop]) -> Iterator[Loop]:
        calls = [(e.call_address, e.inclusive_cycles) for e in self._cost.edges if e.caller == name]
        for loop in found:
            inside = sum(cycles for address, cycles in calls if loop.contains(address))
            yield replace(loop, call_cycles=inside)
