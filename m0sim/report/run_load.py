"""How busy each core was over time: as a table, as a line of blocks on a terminal, and as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from m0sim.chip.run_cost import LoadOverTime, RunCost
from m0sim.report.chart import Chart, Line, svg
from m0sim.report.text import grid
from m0sim.report.units import count, share

_ROWS, _BLOCKS, _POINTS = 8, 64, 128
"""The most of a table, of a terminal's line and of a chart."""
_HEIGHTS = " ▁▂▃▄▅▆▇█"


def is_told(done: RunCost) -> bool:
    """Whether there is anything to see: where nobody slept and nothing interrupted, it is 100 % throughout."""
    load = done.load
    has_slept = any(sum(core.busy) < done.cycles for core in load.cores)
    return done.cycles > 0 and (has_slept or any(any(core.handlers) for core in load.cores))


class LoadTable:
    """Lines of blocks where that can be shown, a table where it cannot."""

    def __init__(self, done: RunCost) -> None:
        self._load, self._cycles = done.load, done.cycles

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if console.is_terminal and not options.ascii_only:
            yield blocks(self._load, self._cycles)
        else:
            yield _table(self._load, self._cycles)


def _fitting(load: LoadOverTime, most: int) -> LoadOverTime:
    return load.merged(max(1, -(-len(load.cores[0].busy) // most)))


def _lengths(load: LoadOverTime, cycles: int) -> list[int]:
    """Cycles of each bucket: of the last, what is left."""
    buckets = len(load.cores[0].busy)
    return [min(load.bucket_cycles, cycles - i * load.bucket_cycles) for i in range(buckets)]


def _names(load: LoadOverTime) -> list[str]:
    return [f"core {core.number}" for core in load.cores] if len(load.cores) > 1 else ["busy"]


def _table(load: LoadOverTime, cycles: int) -> Table:
    load = _fitting(load, _ROWS)
    heads = [head for name in _names(load) for head in (name, "in handlers")]
    table = grid("load from cycle", *heads)
    for i, length in enumerate(_lengths(load, cycles)):
        figures = [share(column[i], length) for core in load.cores for column in (core.busy, core.handlers)]
        table.add_row(count(i * load.bucket_cycles), *figures)
    return table


def blocks(load: LoadOverTime, cycles: int) -> Text:
    """A line for each core, a block for each stretch of time."""
    load = _fitting(load, _BLOCKS)
    lengths = _lengths(load, cycles)
    lines = [
        f"{name}  {''.join(map(_block, core.busy, lengths))}"
        for name, core in zip(_names(load), load.cores, strict=True)
    ]
    return Text("\n".join([*lines, f"a block is {count(load.bucket_cycles)} cycles; handlers are in it"]))


def _block(busy: int, cycles: int) -> str:
    """Empty only for nothing, full only for all."""
    if busy in (0, cycles):
        return _HEIGHTS[8 if busy else 0]
    return _HEIGHTS[min(max(round(8 * busy / cycles), 1), 7)]


def chart(done: RunCost) -> str:
    """The same as an ``<svg>`` element: % of the time awake, and dashed what of it was in handlers."""
    load = _fitting(done.load, _POINTS)
    borders = [*range(0, done.cycles, load.bucket_cycles), done.cycles]
    lines = []
    for name, core in zip(_names(load), load.cores, strict=True):
        lines.append(Line(name, _steps(borders, core.busy), has_dots=False))
        if any(core.handlers):
            of = "in handlers" if name == "busy" else f"{name}, in handlers"
            lines.append(Line(of, _steps(borders, core.handlers), is_old=True, has_dots=False))
    return svg(Chart("Load over time", "cycles", "% of the time", lines))


def _steps(borders: Sequence[int], figures: Sequence[int]) -> list[tuple[float, float]]:
    """A level from border to border."""
    return [
        (at, 100 * busy / (end - begin))
        for (begin, end), busy in zip(pairwise(borders), figures, strict=True)
        for at in (begin, end)
    ]
