"""The loops of a listed function, found from the backward branches that were taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from m0sim.report.annotate_data import ListingRow, Loop


def loops(rows: Sequence[ListingRow]) -> list[Loop]:
    """A loop for each target of a backward branch that was taken, the one with the most own cycles first."""
    executions: defaultdict[int, int] = defaultdict(int)
    for row in rows:
        executions[row.instruction.address] += row.executions
    back = {first: found for first, found in _back_branches(rows).items() if first in executions}
    spans = {first: max(row.instruction.address for row in found) for first, found in back.items()}
    own = _own_cycles(rows, spans)
    loops = []
    for first, last in spans.items():
        # A loop that ends in a conditional branch leaves there: every pass began at the top. One that ends in B left
        # somewhere inside: only the passes that came back were whole.
        is_conditional = any(row.taken is not None for row in back[first] if row.instruction.address == last)
        iterations = executions[first] if is_conditional else sum(map(_times_taken, back[first]))
        inside = [row for row in rows if first <= row.instruction.address <= last]
        cycles, stalls = sum(row.cycles for row in inside), sum(row.stalls for row in inside)
        loops.append(Loop(first, last, iterations, cycles, own[first], stalls, 0))
    return sorted(loops, key=lambda loop: (-loop.own_cycles, loop.first))


def _back_branches(rows: Iterable[ListingRow]) -> dict[int, list[ListingRow]]:
    """The branches that were taken to themselves or to a lower address, by target."""
    found: defaultdict[int, list[ListingRow]] = defaultdict(list)
    for row in rows:
        target = row.instruction.target
        if target is not None and target <= row.instruction.address and _times_taken(row):
            found[target].append(row)
    return found


def _times_taken(branch: ListingRow) -> int:
    return branch.executions if branch.taken is None else branch.taken


def _own_cycles(rows: Iterable[ListingRow], spans: Mapping[int, int]) -> dict[int, int]:
    """Cycles by first instruction of a loop: each row counts for the smallest loop around it."""
    by_size = sorted(spans.items(), key=lambda span: (span[1] - span[0], span))
    own = dict.fromkeys(spans, 0)
    for row in rows:
        at = row.instruction.address
        innermost = next((first for first, last in by_size if first <= at <= last), None)
        if innermost is not None:
            own[innermost] += row.cycles
    return own
