"""Coverage of source lines and branches as an lcov tracefile, for genhtml and whatever else reads those.

The format: https://manpages.debian.org/geninfo.1 (section FILES).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from m0sim.chip import isa
from m0sim.chip.cost import Cost
from m0sim.errors import UsageError
from m0sim.image import Image
from m0sim.report.on_core import OnCore
from m0sim.report.sources import Sources


def require_lines(image: Image) -> None:
    """Raises `UsageError` for an image that does not tell source lines."""
    if not image.lines():
        why = image.notes[0] if image.notes else "compile it with -g"
        raise UsageError(f"{image.path} has no line information: {why}")


def tracefile(cost: Cost, image: Image, sources: Sources | None = None) -> str:
    """One record for each source file that has code in the image, the lines that did not run among them.

    A line's count is the highest execution count of its instructions. A branch is a conditional branch instruction,
    with taken as branch 0 and not taken as branch 1. A function's count is that of its entries. Files that `sources`
    withholds have no record: genhtml would show their text. Raises `UsageError` for an image that does not tell source
    lines.
    """
    return tracefile_of((OnCore(cost),), image, sources)


def tracefile_of(cores: Sequence[OnCore], image: Image, sources: Sources | None = None) -> str:
    """The same of several cores: counts are those of all, added up by instruction."""
    require_lines(image)
    sources = sources or Sources(image.path)
    counts = _Counts.of(cores)
    files = {name: file for name, file in _source_files(counts, image).items() if not sources.is_withheld(name)}
    return "".join(f"{line}\n" for name, file in sorted(files.items()) for line in _record(name, file, counts.calls))


@dataclass(frozen=True, slots=True)
class _Counts:
    """What ran, on all cores together."""

    executed: Counter[int]
    """By address; `taken` too."""
    taken: Counter[int]
    calls: Counter[str]
    """By function."""

    @classmethod
    def of(cls, cores: Sequence[OnCore]) -> _Counts:
        counts = cls(Counter(), Counter(), Counter())
        for cost in (core.cost for core in cores):
            table = cost.instruction_table
            counts.executed.update(cost.executed)
            for address, times in zip(table.address.tolist(), table.taken.tolist(), strict=True):
                counts.taken[address] += times
            counts.calls.update({function.name: function.calls for function in cost.functions.values()})
        return counts


@dataclass(slots=True)
class _File:
    lines: Counter[int] = field(default_factory=Counter)
    """Executions by line."""
    functions: dict[str, int] = field(default_factory=dict)
    """Line by name."""
    branches: list[tuple[int, int, int]] = field(default_factory=list)
    """Line, executions and times taken, by address."""


def _source_files(counts: _Counts, image: Image) -> dict[str, _File]:
    files: defaultdict[str, _File] = defaultdict(_File)
    for address, kind in _instructions(image):
        source = image.source_line(address)
        if source is None:
            continue
        file, line = files[source[0]], source[1]
        executions = counts.executed[address]
        file.lines[line] = max(file.lines[line], executions)
        if kind is isa.Kind.BRANCH_CONDITIONAL:
            file.branches.append((line, executions, counts.taken[address]))
    for function in image.functions:
        source = image.source_line(function.address)
        if source is not None and source[1] in files[source[0]].lines:
            files[source[0]].functions[function.name] = source[1]
    return files


def _instructions(image: Image) -> Iterator[tuple[int, isa.Kind]]:
    """Address and kind of every instruction in the image's code, executed or not."""
    for segment in image.segments:
        for begin, end in image.code_ranges:
            at, end = max(begin, segment.address), min(end, segment.address + len(segment.data))
            while at + 2 <= end:
                first = _halfword(segment.data, at - segment.address)
                second = _halfword(segment.data, at - segment.address + 2)
                yield at, isa.kind_of(first, second)
                at += 4 if isa.is_wide(first) else 2


def _halfword(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "little")


def _record(name: str, file: _File, all_calls: Counter[str]) -> Iterator[str]:
    yield from ("TN:", f"SF:{name}")
    yield from (f"FN:{line},{function}" for function, line in file.functions.items())
    calls = {function: all_calls[function] for function in file.functions}
    yield from (f"FNDA:{times},{function}" for function, times in calls.items())
    yield from (f"FNF:{len(calls)}", f"FNH:{sum(times > 0 for times in calls.values())}")
    yield from _branches(file)
    yield from (f"DA:{line},{times}" for line, times in sorted(file.lines.items()))
    yield from (f"LF:{len(file.lines)}", f"LH:{sum(times > 0 for times in file.lines.values())}", "end_of_record")


def _branches(file: _File) -> Iterator[str]:
    blocks: Counter[int] = Counter()
    hit = 0
    for line, executions, taken in file.branches:
        block = blocks[line]
        blocks[line] += 1
        for branch, times in enumerate((taken, executions - taken)):
            yield f"BRDA:{line},{block},{branch},{times if executions else '-'}"
            hit += times > 0
    yield from (f"BRF:{2 * len(file.branches)}", f"BRH:{hit}")
