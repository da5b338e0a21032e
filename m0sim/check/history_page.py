"""A history as tables, and as one page for a browser that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markupsafe import Markup

from m0sim import __version__
from m0sim.check.formats.text import change, columns
from m0sim.check.history import Entry, Run
from m0sim.names import printable
from m0sim.report.chart import Chart, Line, svg
from m0sim.report.page_template import render
from m0sim.report.units import count

MOST_RUNS = 500
"""Runs that charts and the table of runs have: the last ones."""
MOST_CHARTS = 100
MOST_CHANGES = 500


@dataclass(frozen=True, slots=True)
class Change:
    """A bench that cost other cycles than the last time that it was measured."""

    run: Run
    bench: str
    old: int
    new: int
    waits_changed: bool
    """Whether it waits for something else since, so that the two cannot be compared."""

    @property
    def text(self) -> str:
        return change(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Course:
    """One bench over all runs that have it."""

    name: str
    entries: tuple[tuple[int, Entry], ...]
    """With the number of the run, from 0."""

    @property
    def measured(self) -> list[tuple[int, Entry, int]]:
        """Those with cycles, of runs that did not fail: number, entry, cycles."""
        return [(i, e, e.cycles) for i, e in self.entries if e.cycles is not None and e.status != "failed"]

    @property
    def since_first(self) -> str:
        """The change from the first to the last time; empty where that cannot be told."""
        found = self.measured
        if len(found) < 2 or found[0][1].waits != found[-1][1].waits:
            return ""
        return change(found[0][2], found[-1][2]) if found[0][2] != found[-1][2] else "0"


def courses(runs: Sequence[Run]) -> list[Course]:
    """Of every bench, in the order in which they first came."""
    names = dict.fromkeys(name for run in runs for name in run.benches)
    found: dict[str, list[tuple[int, Entry]]] = {name: [] for name in names}
    for i, run in enumerate(runs):
        for name, entry in run.benches.items():
            found[name].append((i, entry))
    return [Course(name, tuple(entries)) for name, entries in found.items()]


def changes(runs: Sequence[Run]) -> list[Change]:
    """Where cycles changed, latest first."""
    found = [(i, each) for course in courses(runs) for i, each in _changes(course, runs)]
    return [each for _, each in sorted(found, key=lambda pair: -pair[0])]


def _changes(course: Course, runs: Sequence[Run]) -> Iterator[tuple[int, Change]]:
    measured = course.measured
    for (_, before, old), (i, after, new) in pairwise(measured):
        if old != new or before.waits != after.waits:
            yield i, Change(runs[i], course.name, old, new, before.waits != after.waits)


def label(run: Run) -> str:
    """Which run it is: its commit, with + where files were changed, or else its time."""
    if run.commit is None:
        return run.time
    is_hash = len(run.commit.id) >= 40 and set(run.commit.id) <= set("0123456789abcdef")
    return f"{run.commit.id[:10] if is_hash else run.commit.id}{'+' * run.commit.is_changed}"


def text(runs: Sequence[Run], notes: Sequence[str]) -> str:
    """Aligned tables for a terminal."""
    rows: list[tuple[str, ...]] = [("bench", "runs", "first", "last", "change", "least", "most")]
    for course in courses(runs):
        cycles = [value for _, _, value in course.measured]
        shown = [count(value) for value in (cycles[0], cycles[-1])] if cycles else ["-", "-"]
        ends = [count(min(cycles)), count(max(cycles))] if cycles else ["-", "-"]
        rows.append((course.name, str(len(course.entries)), *shown, course.since_first or "-", *ends))
    lines = columns(rows)
    moved = changes(runs)
    if moved:
        table: list[tuple[str, ...]] = [("changed in", "time", "bench", "old", "new", "change")]
        for each in moved[:10]:
            word = "other waits" if each.waits_changed else each.text
            table.append((label(each.run), each.run.time, each.bench, count(each.old), count(each.new), word))
        lines += ["", *columns(table, left=(0, 1, 2))]
        lines += [f"... {len(moved) - 10} more changes"] if len(moved) > 10 else []
    lines += ["", *(f"note: {printable(note)}" for note in notes)]
    runs_word = "run" if len(runs) == 1 else "runs"
    changes_word = "change" if len(moved) == 1 else "changes"
    lines.append(f"{len(runs)} {runs_word}, {len(moved)} {changes_word} of cycles")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Bench:
    id: str
    course: Course
    chart: Markup | None

    @property
    def last(self) -> Entry:
        return self.course.entries[-1][1]


def page(path: Path, runs: Sequence[Run], notes: Sequence[str]) -> str:
    """The page; the same runs give the same bytes."""
    shown = runs[-MOST_RUNS:]
    moved = changes(runs)
    moving = {each.bench for each in moved}
    found = sorted(courses(runs), key=lambda course: course.name not in moving)  # those that changed first
    benches = [
        _Bench(f"bench-{i}", course, _chart(course, shown, len(runs) - len(shown)) if i <= MOST_CHARTS else None)
        for i, course in enumerate(found, start=1)
    ]
    written = render(
        "history.html.j2",
        "m0sim.check",
        path=str(path),
        runs=runs,
        shown=list(reversed(shown)),
        benches=benches,
        changes=moved[:MOST_CHANGES],
        number_of_changes=len(moved),
        notes=notes,
        label=label,
        most_charts=MOST_CHARTS,
        version=__version__,
    )
    return f"{written}\n"


def _chart(course: Course, shown: Sequence[Run], hidden: int) -> Markup | None:
    """Cycles over the runs that are shown, `hidden` ones before them; a gap where they cannot be compared."""
    measured = [(i - hidden, entry, cycles) for i, entry, cycles in course.measured if i >= hidden]
    if not measured:
        return None
    numbers = {i: n for n, (i, _) in enumerate(course.entries)}
    gaps = {
        n
        for n, ((a, before, _), (b, after, _)) in enumerate(pairwise(measured), start=1)
        if before.waits != after.waits or numbers[b + hidden] != numbers[a + hidden] + 1
    }
    points = [(float(i), float(cycles)) for i, _, cycles in measured]
    labels = [(float(i), label(run)[: 10 if run.commit is None else 12]) for i, run in enumerate(shown)]
    line = Line(course.name, points, gaps=frozenset(gaps))
    chart = Chart(f"Cycles of {course.name}", "run", "cycles", [line], labels, from_zero=False)
    return Markup(svg(chart))  # its texts are escaped there
