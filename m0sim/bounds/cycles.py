"""An upper bound of a call's cycles: the longest way through each function, its loops as often as annotated.

Memory without wait states, every instruction at its dearest (`m0sim.chip.timing`). What a call costs is counted as in
`m0sim call`: from the function's first instruction to its return. Ways that never come back have no cost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from m0sim.bounds.annotations import Loop
from m0sim.bounds.flow import Block, Call, Flow, Key
from m0sim.bounds.program import Program, components, cycle
from m0sim.bounds.reasons import Reason, ReasonKind, place_in
from m0sim.chip import isa
from m0sim.chip.isa import Kind
from m0sim.chip.timing import Timing, base_cycles, cycles_of_first
from m0sim.errors import UsageError

_DEEPEST_LOOP = 64


@dataclass(frozen=True, slots=True)
class LoopBound:
    """A loop, and how often it goes round."""

    function: str
    place: str
    """Its first instruction."""
    source: tuple[str, int] | None
    most: int
    """How often it goes back to its begin at most, each time that it is entered."""


@dataclass(frozen=True, slots=True)
class CycleBound:
    """The most cycles that a call of a function takes."""

    function: str
    cycles: int | None
    loops: tuple[LoopBound, ...]
    """Of the function and all that it calls."""
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...]
    """What is not counted in it."""


class Cycles:
    """Bounds of cycles of functions that a program has read."""

    def __init__(self, program: Program, timing: Timing) -> None:
        self._program = program
        self.table = timing
        self._narrow = worst_of_first(timing)
        base = base_cycles(timing)
        self._wide = {kind: int(base[kind]) for kind in (Kind.BRANCH_LINK, Kind.SYSTEM)}
        self._found: dict[int, _Longest | None] = {}
        self._reasons: dict[int, list[Reason]] = {}

    def bound(self, entry: int) -> CycleBound:
        """Of the function that begins there."""
        reached: list[int] = []
        for component in components([entry], self._callees):
            self._solve(component)
            reached += component
        found = self.cycles_of(entry)
        flows = [longest for each in reached if (longest := self._found[each]) is not None]
        notes = [note for each in reached for note in self._notes(each)]
        return CycleBound(
            self._program.code.name(entry),
            found,
            tuple(loop for longest in flows for loop in longest.loops),
            () if found is not None else tuple(r for each in reversed(reached) for r in self._reasons.get(each, ())),
            tuple(notes),
        )

    def cost(self, start: int, end: int) -> int:
        """Cycles of the instructions from one address to another, a conditional branch as one that is not taken."""
        total = 0
        while start < end:
            encoding = self._program.code.encoding(start)
            assert encoding is not None
            first = encoding & 0xFFFF
            if isa.is_wide(first):
                total += self._wide[isa.kind_of(first, encoding >> 16)]
                start += 4
            else:
                total += self._narrow[first]
                start += 2
        return total

    def of_calls(self, calls: Iterable[Call]) -> int | None:
        """Cycles of calls, each of its dearest function that comes back; None where one has no bound."""
        total = 0
        for call in calls:
            costs = [self.cycles_of(target) for target in call.targets if target not in self._program.endless]
            known = [cost for cost in costs if cost is not None]
            if not call.targets or len(known) < len(costs):
                return None
            total += max(known, default=0)
        return total

    def cycles_of(self, entry: int) -> int | None:
        """Of a callee, which has been solved before."""
        told = self._program.annotations.cycle_bounds.get(entry)
        if told is not None:
            return told
        found = self._found.get(entry)
        return None if found is None else found.cycles

    def _callees(self, entry: int) -> set[int]:
        if entry in self._program.annotations.cycle_bounds:
            return set()
        return self._program.callees(entry) - self._program.endless

    def _solve(self, component: list[int]) -> None:
        edges = {entry: self._callees(entry) for entry in component}
        circle = cycle(component, edges) if len(component) > 1 or component[0] in edges[component[0]] else None
        for entry in component:
            self._found[entry] = None
            if circle is None:
                self._found[entry] = self._alone(entry)
        if circle is not None:
            names = [self._program.code.name(each) for each in circle]
            source = self._program.code.image.source_line(circle[0])
            way = " -> ".join(names)
            annotation = f'[cycles.bounds] "{names[0]}" = CYCLES, of a call with all that it calls'
            self._reasons[component[0]] = [Reason("recursion", names[0], way, source, f"recursion {way}", annotation)]

    def _alone(self, entry: int) -> _Longest | None:
        if entry in self._program.annotations.cycle_bounds:
            return None
        one = self._program.flows.get(entry)
        if one is None:
            name = self._program.code.name(entry)
            annotation = f'[cycles.bounds] "{name}" = CYCLES, with all that it calls'
            self._reasons[entry] = [Reason("unknown", name, name, None, "its code was not read", annotation)]
            return None
        longest = _Longest(self, self._program, one)
        is_bounded = longest.run()
        self._reasons[entry] = longest.reasons
        return longest if is_bounded else None

    def _notes(self, entry: int) -> Iterator[str]:
        one = self._program.flows.get(entry)
        for block in () if one is None or self._found[entry] is None else one.blocks.values():
            for address in range(block.start, block.end, 2):
                encoding = self._program.code.encoding(address)
                if encoding in (0xBF20, 0xBF30):  # a second halfword that looks like one does no harm
                    place = place_in(self._program.code, entry, address)
                    yield f"{place} may sleep: cycles asleep are not counted"


def worst_of_first(timing: Timing) -> list[int]:
    """The most cycles of each 16-bit encoding, by the encoding; a conditional branch as one that is not taken."""
    cycles = np.maximum(cycles_of_first(timing), 0)
    kinds = isa.FIRST[:, isa.KIND]
    cycles[kinds == Kind.LOAD] = max(timing.load, timing.load_on_io_port)
    cycles[kinds == Kind.STORE] = max(timing.store, timing.store_on_io_port)
    return [int(number) for number in cycles]


class _Longest:
    """The longest way through one function."""

    def __init__(self, cycles: Cycles, program: Program, one: Flow) -> None:
        self._cycles, self._program, self._flow = cycles, program, one
        self._name = program.code.name(one.entry)
        self._blocks = _that_return(one, program.endless)
        self._cost: dict[Key, int] = {}
        self._loops_of: dict[int, list[Loop]] = {}
        self.reasons: list[Reason] = []
        self.loops: list[LoopBound] = []
        self.cycles = 0

    def run(self) -> bool:
        """Fill `cycles` and `loops`; False where there is no bound, for `reasons` or for those of a callee."""
        self._annotated()
        self.reasons += self._problems()
        entry = (0, self._flow.entry)
        if entry not in self._blocks:
            self._fail("endless", self._flow.entry, "it never returns", remedy=False)
            return False
        are_known = True
        for key, block in self._blocks.items():
            calls = self._cycles.of_calls(call for call in block.calls if not call.is_tail)
            are_known &= calls is not None
            self._cost[key] = self._cycles.cost(block.start, block.end) + (calls or 0)
        ends = self._ways(list(self._blocks), entry, depth=0)
        for key, block in self._blocks.items():
            if block.returns:
                self.cycles = max(self.cycles, ends[key])
            for call in block.calls:
                if call.is_tail and call.may_return(self._program.endless):
                    callee = self._cycles.of_calls([call])
                    are_known &= callee is not None
                    self.cycles = max(self.cycles, ends[key] + self._extra(call.is_taken) + (callee or 0))
        return are_known and not self.reasons

    def _problems(self) -> Iterator[Reason]:
        code = self._program.code
        for problem in self._flow.problems:
            if problem.kind != "sp":
                place = place_in(code, self._flow.entry, problem.address)
                source = code.image.source_line(problem.address)
                annotation = f'[stack.calls] "{place}" = [...], all places that it may go to'
                yield Reason("unknown", self._name, place, source, problem.text, annotation)
        for block in self._blocks.values():
            for call in block.calls:
                if call.is_exception:
                    self._fail("svc", call.address, "SVC: what exceptions take is in no bound")

    def _fail(self, kind: ReasonKind, address: int, text: str, *, remedy: bool = True) -> None:
        code = self._program.code
        annotation = f'[cycles.bounds] "{self._name}" = CYCLES, with all that it calls' if remedy else ""
        place = place_in(code, self._flow.entry, address)
        self.reasons.append(Reason(kind, self._name, place, code.image.source_line(address), text, annotation))

    # Loops

    def _annotated(self) -> None:
        """The annotations of loops, by the blocks that they are of."""
        for loop in self._program.annotations.loops:
            for begin, end in loop.ranges:
                for block in self._blocks.values():
                    if block.start < end and begin < block.end:
                        self._loops_of.setdefault(block.start, []).append(loop)

    def _ways(self, nodes: Iterable[Key], entry: Key, *, depth: int) -> dict[Key, int]:
        """The longest way from the begin of `entry` to the end of each of `nodes`, within them.

        `depth` is how many loops they are in. In a loop, which begins at `entry`, no way leads back there.
        """
        following = self._following(nodes, entry if depth else None)
        arrival: dict[Key, int] = {entry: 0}
        ends: dict[Key, int] = {}
        for group in reversed(components([entry], following)):
            if len(group) > 1 or group[0] in following(group[0]):
                ends.update(self._around(group, arrival, depth + 1))
            else:
                ends[group[0]] = arrival[group[0]] + self._cost[group[0]]
            inside = set(group)
            for key in group:
                outside = set(following(key)) - inside
                for edge in self._blocks[key].edges:
                    if edge.target in outside:
                        way = ends[key] + self._extra(edge.is_taken)
                        arrival[edge.target] = max(arrival.get(edge.target, 0), way)
        return ends

    def _following(self, nodes: Iterable[Key], without: Key | None) -> Callable[[Key], list[Key]]:
        """Where a block leads to among `nodes`, but not to `without`."""
        inside = set(nodes) - {without}
        return lambda key: [edge.target for edge in self._blocks[key].edges if edge.target in inside]

    def _extra(self, is_taken: bool) -> int:
        return self._cycles.table.taken_extra if is_taken else 0

    def _around(self, group: list[Key], arrival: Mapping[Key, int], depth: int) -> dict[Key, int]:
        """A loop: the longest way to the end of each of its blocks, after as many rounds as it may make."""
        heads = [key for key in group if key in arrival]
        if len(heads) > 1 or depth > _DEEPEST_LOOP:
            text = "a loop that is entered at several places" if len(heads) > 1 else "loops in too many loops"
            self._fail("entries", heads[0][1], text)
            return dict.fromkeys(group, 0)
        head = heads[0]
        inner = self._ways(group, head, depth=depth)
        rounds = [
            inner[key] + self._extra(edge.is_taken)
            for key in group
            for edge in self._blocks[key].edges
            if edge.target == head
        ]
        most = self._most(group, head)
        if most is not None:
            code = self._program.code
            place = place_in(code, self._flow.entry, head[1])
            self.loops.append(LoopBound(self._name, place, code.image.source_line(head[1]), most))
        before = arrival[head] + (most or 0) * max(rounds)
        return {key: before + way for key, way in inner.items()}

    def _most(self, group: list[Key], head: Key) -> int | None:
        """How often a loop goes back at most, by what is said of the blocks that are in no loop inside of it."""
        own = self._outermost(group, head)
        said = [(loop, self._blocks[key]) for key in own for loop in self._loops_of.get(key[1], ())]
        exact = [self._rounds(loop, block, group, head) for loop, block in said if loop.is_instruction]
        if exact:
            return min(exact)
        place = place_in(self._program.code, self._flow.entry, head[1])
        latches = [key for key in group if any(edge.target == head for edge in self._blocks[key].edges)]
        inner = {id(loop) for key in set(group) - set(own) for loop in self._loops_of.get(key[1], ())}
        text = "a loop without a bound"
        if said and len(latches) > 1:
            text = "a loop that goes back from several places, as two that begin together do: a line is not enough"
        elif any(id(loop) in inner for loop, _ in said):
            text = "a line in this loop and in one inside of it: a line is not enough"
        elif said:
            return max(loop.most for loop, _ in said)  # of several lines in one loop, none is taken for another's
        source = self._program.code.image.source_line(head[1])
        annotation = (
            f'[cycles.loops] "{place}" = N, how often this instruction runs at most each time the loop is entered'
        )
        self.reasons.append(Reason("loop", self._name, place, source, text, annotation))
        return None

    def _rounds(self, loop: Loop, block: Block, group: list[Key], head: Key) -> int:
        """How often a loop goes back, where an instruction of it runs so many times."""
        if block.start == head[1]:
            return loop.most - 1  # it runs before the first round, too
        if self._is_avoidable(block, group, head):
            at = loop.ranges[0][0]
            first = place_in(self._program.code, self._flow.entry, head[1])
            here = place_in(self._program.code, self._flow.entry, at)
            raise UsageError(
                f"[cycles.loops] {here!r}: not every round of its loop comes by there: say {first!r}, where it begins"
            )
        return loop.most

    def _is_avoidable(self, block: Block, group: Iterable[Key], head: Key) -> bool:
        """Whether a loop can go round without a block."""
        inside = {key for key in group if key[1] != block.start}
        seen, work = {head}, [head]
        while work:
            for edge in self._blocks[work.pop()].edges:
                if edge.target == head:
                    return True
                if edge.target in inside and edge.target not in seen:
                    seen.add(edge.target)
                    work.append(edge.target)
        return False

    def _outermost(self, group: list[Key], head: Key) -> list[Key]:
        """The blocks of a loop that are in none inside of it."""
        following = self._following(group, head)
        parts = components([head], following)
        return [part[0] for part in parts if len(part) == 1 and part[0] not in following(part[0])]


def _that_return(one: Flow, endless: Collection[int]) -> dict[Key, Block]:
    """The blocks from which there is a way out of the function."""
    before: dict[Key, list[Key]] = {}
    work = []
    for key, block in one.blocks.items():
        for edge in block.edges:
            before.setdefault(edge.target, []).append(key)
        if block.returns or any(call.is_tail and call.may_return(endless) for call in block.calls):
            work.append(key)
    found = set(work)
    while work:
        new = [key for key in before.get(work.pop(), ()) if key not in found]
        found.update(new)
        work += new
    return {key: block for key, block in one.blocks.items() if key in found}
