"""Running a sweep on all cores of this machine, or on a Dask cluster; what is finished is never run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from m0sim import files
from m0sim.errors import M0simError, UsageError
from m0sim.study.learn import methods
from m0sim.study.whatif import finished, grid, planned, points, results, workers
from m0sim.study.whatif.grid import Point, Sweep
from m0sim.study.whatif.measure import Measured
from m0sim.study.whatif.points import Inputs
from m0sim.study.whatif.results import SweepRow
from m0sim.study.whatif.workers import Measure, PointTask

TOML_NAME = "sweep.toml"

Progress = Callable[[int, int, int], None]
"""Told the points that are finished, all points, and those that failed."""


@dataclass(frozen=True)
class Finished:
    """What there is in the folder now."""

    rows: tuple[SweepRow, ...]
    points: int
    """Of the sweep; more than rows where it was interrupted."""
    others: int = 0
    """Points in the journal that are not of the sweep."""


def run(
    sweep: Sweep,
    folder: Path,
    *,
    scheduler: str = "",
    jobs: int = 0,
    retry: bool = False,
    progress: Progress | None = None,
) -> Finished:
    """Measure the points that are not finished yet, and write all that are to `folder`.

    On the Dask cluster whose scheduler has the address `scheduler`, or on `jobs` processes of this machine (0: one a
    core). With `retry` failed points are run again. Nothing is written before that cluster answers.

    Raises M0simError that says how far it came, after the results are written, on Ctrl-C.
    """
    results.need_extra()
    work = _Work(sweep, finished.read(folder), retry)
    try:
        with _measuring(scheduler, jobs, len(work.todo)) as measure:
            _begin(sweep, folder)
            try:
                _measure(work, measure, folder, progress or (lambda done, points, failed: None))
            finally:
                found = finished.read(folder)  # Ctrl-C may have come between the line in it and this process
                work.finish(found)
                rows = work.rows()
                files.write(folder / results.NAME, results.to_parquet(rows))
    except KeyboardInterrupt:
        raise M0simError(f"{work.done} of {work.points} points finished; run it again to go on") from None
    return Finished(rows, work.points, work.others(found))


def _begin(sweep: Sweep, folder: Path) -> None:
    """The folder with a copy of the sweep's file, unless that is where the file itself is."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot make this folder: {error.strerror}") from error
    copy = folder / TOML_NAME
    if copy.resolve() != sweep.path.resolve():
        files.write(copy, grid.copy_of(sweep, folder))


def _measure(work: _Work, measure: Measure, folder: Path, tell: Progress) -> None:
    finished.add(folder)  # where that cannot be written, say so before the work
    with closing(measure(work.tasks())) as outcomes:  # closed: its processes end
        tell(work.done, work.points, work.failed)
        for key, outcome in outcomes:
            entry = work.entry(key, outcome)
            finished.add(folder, entry)
            work.finish({key: entry})
            tell(work.done, work.points, work.failed)


class _Work:
    """The points of a sweep by key: those that are finished, and those to be run."""

    def __init__(self, sweep: Sweep, known: dict[str, SweepRow], retry: bool) -> None:
        self.inputs = Inputs(sweep)
        self._accuracies = results.accuracies(sweep.training)
        self.entries: dict[str, SweepRow] = {}
        self.todo: dict[str, Point] = {}
        self._by_key: dict[str, Point] = {}
        for point in map(self.inputs.checked, sweep.points):
            key = self.inputs.key(point)
            self._by_key[key] = point
            if point.configuration is None:
                self.entries[key] = results.failed_entry(key, point, point.reason)
            elif _is_too_large(point, sweep.constraints.sram):
                self.entries[key] = {"key": key}
            elif key in known and not (retry and "reason" in known[key]):
                self.entries[key] = known[key]
            else:
                self.todo[key] = point

    @property
    def points(self) -> int:
        """Of the sweep."""
        return len(self._by_key)

    @property
    def done(self) -> int:
        """Points that are finished."""
        return len(self.entries)

    @property
    def failed(self) -> int:
        """Points that have a reason instead of figures."""
        return sum("reason" in entry for entry in self.entries.values())

    def others(self, entries: dict[str, SweepRow]) -> int:
        """How many of a journal's points are of another sweep."""
        return len(entries.keys() - self._by_key.keys())

    def tasks(self) -> Iterator[PointTask]:
        """The points to be run."""
        for key, point in list(self.todo.items()):
            assert point.configuration is not None
            code = points.identity(point.configuration.method)
            start, files = self.inputs.start(point), methods.specs()
            yield PointTask(key, (point.configuration, point.device, point.seed, code, start, files))

    def entry(self, key: str, outcome: Measured | BaseException) -> SweepRow:
        """What the journal has of a point that was run."""
        if not isinstance(outcome, BaseException):
            return results.measured_entry(key, self.todo[key], outcome)
        name = "" if isinstance(outcome, M0simError) else f"{type(outcome).__name__}: "
        return results.failed_entry(key, self.todo[key], f"{name}{outcome}")

    def finish(self, entries: dict[str, SweepRow]) -> None:
        """Take note of points that were run, as the journal has them."""
        self.entries |= {key: entry for key, entry in entries.items() if key in self.todo}

    def rows(self) -> tuple[SweepRow, ...]:
        """Of the finished points, in the order of the grid."""
        found = []
        for key, point in self._by_key.items():
            if key in self.entries:
                accuracy = results.accuracy_of(point, self._accuracies, self.inputs.backbone_sha256(point))
                found.append(results.row(key, point, self.inputs.data_name(point), self.entries[key], accuracy))
        return tuple(found)


def _is_too_large(point: Point, budgets: Sequence[int]) -> bool:
    assert point.configuration is not None
    return bool(budgets) and planned.plan(point.configuration).needed_bytes > budgets[-1]


@contextmanager
def _measuring(scheduler: str, jobs: int, todo: int) -> Iterator[Measure]:
    """What measures: the cluster at `scheduler`, or no more processes of this machine than there is to do."""
    if scheduler and todo:
        with workers.on_cluster(scheduler) as measure:
            yield measure
    else:
        yield workers.on_this_machine(max(1, min(jobs or workers.cores(), todo)))
