"""The deepest stack of functions: each one's own at its calls, and what those take, over the whole call graph."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from m0sim.bounds.flow import Call, Flow, Problem
from m0sim.bounds.program import Program, components, cycle
from m0sim.bounds.reasons import Reason, place_in

NO_WAY = -1
"""Where there is no way to a function."""


@dataclass(frozen=True, slots=True)
class Part:
    """One function on the deepest way down."""

    function: str
    stack_bytes: int
    """Of its own, where it calls the next; of the last one, at its deepest."""
    note: str = ""
    """What is counted with it."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that a call of a function takes."""

    function: str
    address: int
    frame_bytes: int
    """Its own, at its deepest."""
    stack_bytes: int | None
    """With all that it calls; None where it has no bound, for `reasons`."""
    path: tuple[Part, ...]
    """The functions that are open where it is deepest; their bytes add up to it. Empty where it has no bound."""
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class _Deepest:
    """Of one function."""

    stack_bytes: int
    own_bytes: int
    following: int | None = None
    """The function that it calls there; None where it calls none."""
    note: str = ""


class Stacks:
    """Bounds of the functions of a program that begin at `roots`, and of all that they may call."""

    def __init__(self, program: Program, roots: Iterable[int]) -> None:
        self._program = program
        self._code = program.code
        self._deepest: dict[int, _Deepest | None] = {}
        self._circles: dict[int, list[int]] = {}
        for component in components(roots, program.callees):
            self._solve(component)

    def bound(self, entry: int) -> Bound:
        """Of the function that begins there."""
        one = self._program.flows.get(entry)
        found = self._deepest[entry]
        return Bound(
            function=self._code.name(entry),
            address=entry,
            frame_bytes=found.own_bytes if one is None and found is not None else 0 if one is None else one.depth,
            stack_bytes=None if found is None else found.stack_bytes,
            path=() if found is None else tuple(self._path(entry)),
            reasons=tuple(self._reasons(entry)) if found is None else (),
        )

    # One component of the call graph: a function, or functions that call each other

    def _solve(self, component: list[int]) -> None:
        edges = {entry: self._program.callees(entry) for entry in component}
        if len(component) == 1 and component[0] not in edges[component[0]]:
            self._deepest[component[0]] = self._alone(component[0])
        else:
            self._deepest.update(self._together(component, edges))

    def _alone(self, entry: int) -> _Deepest | None:
        one = self._program.flows.get(entry)
        if one is None:
            told = self._program.annotations.stack_bounds.get(entry)
            return None if told is None else _Deepest(told, told, note="as annotated")
        if one.problems:
            return None
        return self._below(one)

    def _below(self, one: Flow, skipped: Collection[int] = ()) -> _Deepest | None:
        """The deepest of a function and all its callees but those that are `skipped`."""
        deepest = _Deepest(one.depth, one.depth)
        for call in one.calls:
            for target in call.targets:
                if target in skipped:
                    continue
                callee = self._deepest[target]
                if callee is None:
                    return None
                if call.depth + callee.stack_bytes > deepest.stack_bytes:
                    deepest = _Deepest(call.depth + callee.stack_bytes, call.depth, target)
        return deepest

    def _together(self, component: list[int], edges: Mapping[int, set[int]]) -> Mapping[int, _Deepest | None]:
        """Functions that call each other. Those with an annotated number of open calls cut all of their circles."""
        most = self._program.annotations.recursion
        cut = [entry for entry in component if entry in most]
        rest = [entry for entry in component if entry not in most]
        circle = cycle(rest, edges)
        flows = [self._program.flows[entry] for entry in component]
        if circle is not None:
            self._circles.update(dict.fromkeys(component, circle))
        if circle is not None or any(one.problems for one in flows):
            return dict.fromkeys(component)
        others = set(rest)
        order = [group[0] for group in components(rest, lambda each: edges[each] & others)]
        ends: dict[int, _Deepest] = {}
        between: dict[int, int] = {}
        for entry in (*order, *cut):
            one = self._program.flows[entry]
            end = self._below(one, cut)
            if end is None:
                return dict.fromkeys(component)
            self._deepest[entry] = ends[entry] = end  # for those that call it; its recursion comes on top
            between[entry] = max((_between(call, cut, between) for call in one.calls), default=NO_WAY)
        return self._rows(cut, ends, between)

    def _rows(self, cut: list[int], ends: Mapping[int, _Deepest], between: Mapping[int, int]) -> dict[int, _Deepest]:
        """The deepest of functions that call each other, of which `cut` are open so many times at most.

        A way down is a row of those with others between them. With S the deepest way from one to the next, and E the
        one from the last to its end, it is at most the sum of S over all open calls but the last one, and its E.
        """
        most = self._program.annotations.recursion
        all_calls = sum(most[entry] * max(between[entry], 0) for entry in cut)
        peak = max(all_calls - max(between[entry], 0) + ends[entry].stack_bytes for entry in cut)
        times = ", ".join(f"{self._code.name(entry)} open {most[entry]} times at most" for entry in cut)
        found = dict(ends)
        for entry, end in ends.items():
            way = peak if entry in cut else between[entry] + peak
            if (entry in cut or between[entry] != NO_WAY) and way >= end.stack_bytes:
                found[entry] = _Deepest(way, way, note=f"recursion, {times}, and all they call")
        return found

    # What a person reads

    def _path(self, entry: int) -> Iterator[Part]:
        at: int | None = entry
        while at is not None:
            deepest = self._deepest[at]
            assert deepest is not None
            yield Part(self._code.name(at), deepest.own_bytes, deepest.note)
            at = deepest.following

    def _reasons(self, entry: int) -> Iterator[Reason]:
        """Of the function, and of all that it may come to, nearest first."""
        seen, layer = {entry}, [entry]
        circles: set[tuple[int, ...]] = set()
        while layer:
            following = []
            for each in layer:
                yield from self._own_reasons(each, circles)
                new = sorted(self._program.callees(each) - seen)
                seen.update(new)
                following += new
            layer = following

    def _own_reasons(self, entry: int, circles: set[tuple[int, ...]]) -> Iterator[Reason]:
        one = self._program.flows.get(entry)
        if one is None:
            if self._deepest[entry] is None:
                yield self._outside(entry)
            return
        yield from (self._reason(entry, problem) for problem in one.problems)
        circle = self._circles.get(entry)
        if circle is not None and tuple(circle) not in circles:
            circles.add(tuple(circle))
            names = [self._code.name(each) for each in circle]
            way = " -> ".join(names)
            yield Reason(
                "recursion",
                names[0],
                way,
                self._code.image.source_line(circle[0]),
                f"recursion {way}",
                f'[stack.recursion] "{names[0]}" = N, the most calls of it that are open at once',
            )

    def _reason(self, entry: int, problem: Problem) -> Reason:
        function, place = self._code.name(entry), place_in(self._code, entry, problem.address)
        annotation = {
            "call": f'[stack.calls] "{place}" = ["FUNCTION", ...]',
            "svc": f'[stack.calls] "{place}" = ["HANDLER"]',
            "jump": f'[stack.calls] "{place}" = ["{function}+0x10..0x40"], all places that it jumps to',
            "sp": f'[stack.frames] "{function}" = BYTES, the most that {function} itself takes',
        }[problem.kind]
        source = self._code.image.source_line(problem.address)
        return Reason(problem.kind, function, place, source, problem.text, annotation)

    def _outside(self, entry: int) -> Reason:
        place = f"0x{entry:08x}"
        text = "it is not in the image"
        return Reason("outside", place, place, None, text, f'[stack.bounds] "{place}" = BYTES, with all that it calls')


def _between(call: Call, cut: Collection[int], between: Mapping[int, int]) -> int:
    """The deepest way from a call to the next function of `cut`."""
    ways = [0 if target in cut else between.get(target, NO_WAY) for target in call.targets]
    deepest = max(ways, default=NO_WAY)
    return NO_WAY if deepest == NO_WAY else call.depth + deepest
