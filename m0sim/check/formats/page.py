"""A check's result for a browser: a single file that opens without a network, and reads without its script."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from m0sim import __version__
from m0sim.check.assembly import assembly
from m0sim.check.figures import Figures
from m0sim.check.formats import text
from m0sim.check.growth_charts import charts
from m0sim.check.limits import FIGURES, unit_of
from m0sim.check.result import Result
from m0sim.check.verdict import Check, Status, Verdict, closing_line
from m0sim.check.where import FunctionChange, Pair
from m0sim.report.page_flame_diff import FlameDiff, PairedContext, flame_diff
from m0sim.report.page_template import render

_MOST: Final = 100
"""Rows of a table of functions, lines or contexts; what is left out is counted."""
_MOST_INSTRUCTIONS = 400
_NAMES = dict(zip(FIGURES, text.headings()[2:], strict=True))
_ORDER: tuple[Status, ...] = ("failed", "regressed", "new", "updated", "improved", "unchanged")


@dataclass(frozen=True, slots=True)
class _Figure:
    """One figure of a bench."""

    name: str
    unit: str
    old: int | None
    new: int | None
    limits: tuple[Check, ...] = ()

    @property
    def change(self) -> str:
        """Such as ``+12 (+1.5 %)``; empty where nothing changed or nothing is there to compare with."""
        if self.old is None or self.new is None or self.old == self.new:
            return ""
        relative = f" ({text.change(self.old, self.new)})" if self.old else ""
        return f"{self.new - self.old:+,}{relative}"


@dataclass(frozen=True, slots=True)
class _Function:
    """A function whose cycles changed, and what is told of its instructions."""

    change: FunctionChange
    hunks: tuple[tuple[Pair, ...], ...]
    left_out: int
    """Instructions that are not shown."""
    same_as: _Bench | None
    """The bench that shows the same instructions."""


@dataclass(slots=True)
class _Bench:
    """One bench as the page has it."""

    id: str
    verdict: Verdict
    figures: tuple[_Figure, ...]
    graph: FlameDiff | None
    no_graph: str
    """Why there is none, where cycles moved."""
    functions: tuple[_Function, ...] = ()

    @property
    def tightest(self) -> Check | None:
        """What it is over, or the budget that it is nearest to."""
        checks = [check for check in self.verdict.checks if check.is_budget or check.exceeded]
        return max(checks, key=lambda check: check.value / max(check.limit, 1), default=None)

    @property
    def is_told(self) -> bool:
        """Whether there is more to say of it than its row in the table."""
        moved = any(figure.change for figure in self.figures)
        return moved or bool(text.below_title(self.verdict))


def page(result: Result) -> str:
    """The report of a check or a comparison. The same result gives the same bytes."""
    seen: dict[object, _Bench] = {}
    verdicts = sorted(result.verdicts, key=_rank)
    benches = [_bench(f"bench-{i}", verdict, seen) for i, verdict in enumerate(verdicts, start=1)]
    written = render(
        "check.html.j2",
        "m0sim.check",
        result=result,
        title="m0sim check" if result.manifest is not None else "m0sim diff",
        closing_line=closing_line(result.verdicts),
        command=shlex.join(result.command),
        version=__version__,
        benches=benches,
        charts=list(charts(result.growths)),
        text=text,
        assembly=assembly,
        most=_MOST,
        columns=[(figure, _NAMES[figure]) for figure in FIGURES[1:]],
        path=_path,
        profiles=sorted({v.figures.profile for v in result.verdicts if v.figures is not None}),
        waits=any(v.figures is not None and v.figures.waits for v in result.verdicts),
        runs=any(v.figures is not None and v.figures.run is not None for v in result.verdicts),
    )
    return f"{written}\n"


def _rank(verdict: Verdict) -> tuple[int, float]:
    """Bad ones first, and of each kind those that moved most; else in the manifest's order."""
    rank = _ORDER.index("regressed") if verdict.is_bad and verdict.status != "failed" else _ORDER.index(verdict.status)
    if verdict.figures is None or verdict.baseline is None or not verdict.baseline.cycles:
        return rank, 0.0
    return rank, -abs(verdict.figures.cycles / verdict.baseline.cycles - 1)


def _bench(id_: str, verdict: Verdict, seen: dict[object, _Bench]) -> _Bench:
    old, new = verdict.baseline, verdict.figures
    graph, no_graph = None, ""
    if verdict.where is not None and old is not None and new is not None:
        graph = flame_diff(old.stacks, new.stacks)
        no_graph = "" if graph is not None else _no_graph(old, new)
    bench = _Bench(id_, verdict, tuple(_figures(verdict)), graph, no_graph)
    if verdict.where is not None:
        bench.functions = tuple(_function(change, bench, seen) for change in verdict.where.functions[:_MOST])
    return bench


def _no_graph(old: Figures, new: Figures) -> str:
    which = "old" if not old.stacks else "new"
    return (
        f"there is no flame graph: the {which} figures have no calling contexts. A baseline has them from the next "
        "m0sim check --update on, unless there are too many; m0sim call --json has none"
    )


def _figures(verdict: Verdict) -> list[_Figure]:
    if verdict.figures is None:
        return []
    news = verdict.figures.shown
    olds = {} if verdict.baseline is None else verdict.baseline.shown
    found = [
        _Figure(
            *(_NAMES.get(key, key), unit_of(key), olds.get(key), news.get(key)),
            tuple(check for check in verdict.checks if check.figure == key),
        )
        for key in {**news, **olds}
    ]
    before = None if verdict.baseline is None else verdict.baseline.instructions
    return [*found[:1], _Figure("instructions", "", before, verdict.figures.instructions), *found[1:]]


def _function(change: FunctionChange, bench: _Bench, seen: dict[object, _Bench]) -> _Function:
    """Its instructions, unless a bench above shows just the same."""
    first = seen.setdefault(text.codes(change), bench) if change.hunks else bench
    if first is not bench:
        return _Function(change, (), 0, first)
    shown, room = [], _MOST_INSTRUCTIONS
    for hunk in change.hunks:
        if room > 0:
            shown.append(hunk[:room])
        room -= len(hunk)
    return _Function(change, tuple(shown), max(0, -room), None)


def _path(context: PairedContext) -> str:
    """The names of a long chain's ends."""
    names: Sequence[str] = context.path
    return " > ".join(names if len(names) <= 12 else (*names[:6], f"... {len(names) - 11} more ...", *names[-5:]))
