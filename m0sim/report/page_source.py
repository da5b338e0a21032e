"""The source of a listed function, line by line with what each cost: what stands beside its instructions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from m0sim.report.annotate_data import FunctionListing, Source
from m0sim.report.sources import Sources

_BETWEEN = 4  # lines without code that are shown between two with code; of more, none


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of a file."""

    number: int
    text: str
    """Empty where it cannot be read, or may not."""
    has_code: bool
    """Whether the function has instructions of it."""
    cycles: int
    """Of all instructions of the function that are of this line; 0 where none of them ran."""
    stalls: int
    """Those of `cycles` in which they waited for flash or a slow bus."""
    is_behind_gap: bool
    """Whether lines that are not shown are between it and the one before."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What a function has of one file."""

    place: str
    """The file as seen from the current folder where it lies in it."""
    lines: tuple[SourceLine, ...]


@dataclass(frozen=True, slots=True)
class SourceView:
    """The files that a function is made of, the one of its first instruction first; none without line information."""

    files: tuple[SourceFile, ...]
    _names: tuple[str, ...]

    def key(self, source: Source) -> str:
        """Which line of `files` a source line is, as ``FILE:LINE`` in numbers."""
        return f"{self._names.index(source.file)}:{source.line}"


def source_view(listing: FunctionListing, sources: Sources) -> SourceView:
    """All source lines of a listing, and what is between them where that is little."""
    found: defaultdict[str, dict[int, Source]] = defaultdict(dict)
    for source in filter(None, (row.source for row in listing.rows)):
        found[source.file][source.line] = source
    costs = {(line.source.file, line.source.line): line for line in listing.lines.values()}

    def line(source: Source, *, has_code: bool, is_behind_gap: bool) -> SourceLine:
        cost = costs.get((source.file, source.line))
        cycles, stalls = (0, 0) if cost is None else (cost.cycles, cost.stalls)
        text = (source.text or "").expandtabs(4).rstrip()
        return SourceLine(source.line, text, has_code, cycles, stalls, is_behind_gap)

    def lines(by_number: dict[int, Source]) -> Iterator[SourceLine]:
        numbers = sorted(by_number)
        first = by_number[numbers[0]]
        has_text = any(source.text is not None for source in by_number.values())
        yield line(first, has_code=True, is_behind_gap=False)
        for before, number in pairwise(numbers):
            is_far = number - before - 1 > _BETWEEN
            for between in range(before + 1, number) if has_text and not is_far else ():
                text = sources.line(first.file, between)
                yield line(Source(first.file, between, text), has_code=False, is_behind_gap=False)
            yield line(by_number[number], has_code=True, is_behind_gap=has_text and is_far)

    files = (
        SourceFile(next(iter(by_number.values())).place.rpartition(":")[0], tuple(lines(by_number)))
        for by_number in found.values()
    )
    return SourceView(tuple(files), tuple(found))
