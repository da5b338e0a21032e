"""Where a cost moved: functions, their source lines, and their instructions, old and new side by side."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from m0sim.check.figures import Figures, FunctionFigures, InstructionRow

_CONTEXT = 1
"""Unchanged instructions shown on either side of changed ones."""

Pair = tuple[InstructionRow | None, InstructionRow | None]
"""An instruction in the old and in the new code; None where only the other has it."""


@dataclass(frozen=True, slots=True)
class LineChange:
    """Cycles of one source line; None where only the other code has it."""

    source: str
    """Such as ``dot.c:13``, as it is now (as it was, of a line that is gone)."""
    old: int | None
    new: int | None


@dataclass(frozen=True, slots=True)
class FunctionChange:
    """A function whose own cycles changed; None where only the other code runs it."""

    name: str
    old: int | None
    new: int | None
    lines: tuple[LineChange, ...] = ()
    """Those whose cycles changed, most first; empty where one of the two images has no source lines."""
    hunks: tuple[tuple[Pair, ...], ...] = ()
    """Runs of instructions with changes in them, and one unchanged instruction around each."""

    @property
    def delta(self) -> int:
        return (self.new or 0) - (self.old or 0)


@dataclass(frozen=True, slots=True)
class SourceChange:
    """A function of the source whose cycles changed, wherever its code stands; None where only the other runs it."""

    name: str
    old: int | None
    new: int | None


@dataclass(frozen=True, slots=True)
class Where:
    """The functions that a change of cycles is made of, most changed first."""

    functions: tuple[FunctionChange, ...]
    sources: tuple[SourceChange, ...] = ()
    """The same by functions of the source: what was inlined counts for the function that it was written in. Empty where
    one of the two runs knows of no inlined code."""


@dataclass(frozen=True, slots=True)
class SizeChange:
    """Bytes of a function that changed; None where only the other run needs it."""

    name: str
    old: int | None
    new: int | None

    @property
    def delta(self) -> int:
        return (self.new or 0) - (self.old or 0)


def sizes(old: Figures, new: Figures) -> tuple[SizeChange, ...]:
    """The functions whose bytes differ between two runs, most first; none where a run's bytes are not known."""
    if old.executed_bytes is None or new.executed_bytes is None:
        return ()
    olds, news = ({name: f.bytes for name, f in figures.functions.items()} for figures in (old, new))
    changes = [SizeChange(name, olds.get(name), news.get(name)) for name in sorted({*olds, *news})]
    return tuple(sorted((c for c in changes if c.delta), key=lambda change: (-abs(change.delta), change.name)))


def where(old: Figures, new: Figures) -> Where | None:
    """Where the cycles of two runs differ; None where they do not."""
    names = sorted({*old.functions, *new.functions})
    changes = [change for name in names if (change := _function(name, old, new)) is not None]
    changes.sort(key=lambda change: (-abs(change.delta), change.name))
    return Where(tuple(changes), _sources(old, new)) if changes else None


def _sources(old: Figures, new: Figures) -> tuple[SourceChange, ...]:
    before, after = _by_source(old), _by_source(new)
    if not (any(f.inlined for f in old.functions.values()) and any(f.inlined for f in new.functions.values())):
        return ()
    names = [name for name in {**before, **after} if before[name] != after[name]]
    names.sort(key=lambda name: (-abs(after[name] - before[name]), name))
    return tuple(SourceChange(name, before.get(name), after.get(name)) for name in names)


def _by_source(figures: Figures) -> Counter[str]:
    cycles: Counter[str] = Counter()
    for name, function in figures.functions.items():
        cycles[name] += function.own_cycles
        cycles.update(function.inlined)
    return cycles


def _function(name: str, before: Figures, after: Figures) -> FunctionChange | None:
    old, new = before.functions.get(name), after.functions.get(name)
    if old is None or new is None:
        return FunctionChange(name, None if old is None else old.self_cycles, None if new is None else new.self_cycles)
    if old.self_cycles == new.self_cycles:
        return None
    pairs = list(_aligned(old, new))
    return FunctionChange(name, old.self_cycles, new.self_cycles, _lines(pairs), tuple(_hunks(pairs)))


def _aligned(old: FunctionFigures, new: FunctionFigures) -> Iterator[Pair]:
    """Every instruction of both, side by side where they do the same."""
    olds, news = [_essence(row) for row in old.rows], [_essence(row) for row in new.rows]
    head, tail = _same_ends(olds, news)
    old_end, new_end = len(olds) - tail, len(news) - tail
    yield from zip(old.rows[:head], new.rows[:head], strict=True)
    matcher = SequenceMatcher(None, olds[head:old_end], news[head:new_end], autojunk=False)
    for _, *places in matcher.get_opcodes():
        old_from, old_to, new_from, new_to = (place + head for place in places)
        yield from zip_longest(old.rows[old_from:old_to], new.rows[new_from:new_to])
    yield from zip(old.rows[old_end:], new.rows[new_end:], strict=True)


def _same_ends(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many at the beginning and at the end are equal: nearly all of most functions, and the matcher is slow."""
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    tail = next((i for i in range(most - head) if old[-1 - i] != new[-1 - i]), most - head)
    return head, tail


def _essence(row: InstructionRow) -> str:
    """The code without the distance to a place in the same function, which any instruction between changes.

    Those are B, B<cond>, ADR and LDR from a literal pool (ARMv6-M ARM, A5.2).
    """
    if len(row.code) != 4 or not set(row.code) <= set("0123456789abcdef"):
        return row.code
    code = int(row.code, 16)
    if code >> 12 == 0b1101 or code >> 11 in (0b01001, 0b10100):
        return f"{code >> 8:02x}"
    return "e0" if code >> 11 == 0b11100 else row.code


def _is_changed(pair: Pair) -> bool:
    old, new = pair
    if old is None or new is None or _essence(old) != _essence(new):
        return True
    return (old.executions, old.cycles) != (new.executions, new.cycles)


def _hunks(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, ...]]:
    changed = [i for i, pair in enumerate(pairs) if _is_changed(pair)]
    begin = end = 0
    for i in changed:
        if end and i - _CONTEXT > end:
            yield tuple(pairs[begin:end])
            end = 0
        if not end:
            begin = max(0, i - _CONTEXT)
        end = i + _CONTEXT + 1
    if end:
        yield tuple(pairs[begin:end])


def _lines(pairs: Sequence[Pair]) -> tuple[LineChange, ...]:
    """Cycles by source line, where they differ. A line that moved in its file is still the same line."""
    for rows in zip(*pairs, strict=True):
        written = [row for row in rows if row is not None]
        if written and not any(row.source for row in written):  # compiled without -g: no line is gone by that
            return ()
    renamed = _renamed(pairs)
    old: Counter[str] = Counter()
    new: Counter[str] = Counter()
    for before, after in pairs:
        if before is not None and before.source:
            old[renamed.get(before.source, before.source)] += before.cycles
        if after is not None and after.source:
            new[after.source] += after.cycles
    names = [name for name in {**old, **new} if old[name] != new[name]]
    names.sort(key=lambda name: (-abs(new[name] - old[name]), name))
    return tuple(LineChange(name, old.get(name), new.get(name)) for name in names)


def _renamed(pairs: Sequence[Pair]) -> dict[str, str]:
    """For each old source line, the new one that most of its unchanged instructions come from."""
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for before, after in pairs:
        if before and after and before.source and after.source and _essence(before) == _essence(after):
            votes[before.source][after.source] += 1
    return {old: counts.most_common(1)[0][0] for old, counts in votes.items()}
