"""Running a sweep on all cores of this machine, or on a cluster, by Dask; what is finished is never run again."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from m0sim import files
from m0sim.errors import M0simError, UsageError
from m0sim.whatif import grid, journal, planned, points, results
from m0sim.whatif.grid import Point, Sweep
from m0sim.whatif.journal import Journal
from m0sim.whatif.points import Inputs
from m0sim.whatif.results import Row

TOML_NAME = "sweep.toml"

_CONNECT_SECONDS = 10
_AHEAD = 3
"""Points a core that are on their way at a time: no core waits, and a long sweep does not fill the scheduler."""

Progress = Callable[[int, int, int], None]
"""Told the points that are finished, all points, and those that failed."""


@dataclass(frozen=True)
class Finished:
    """What there is in the folder now."""

    rows: tuple[Row, ...]
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
    core). With `retry` failed points are run again. Nothing is written before there is a cluster.

    Raises M0simError that says how far it came, after the results are written, on Ctrl-C.
    """
    results.need_extra()
    work = _Work(sweep, journal.read(folder), retry)
    try:
        with _cluster(scheduler, jobs, len(work.todo)) as client:
            _begin(sweep, folder)
            try:
                _measure(work, client, folder, progress or (lambda done, points, failed: None))
            finally:
                found = journal.read(folder)  # Ctrl-C may have come between the line in it and this process
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


def _measure(work: _Work, client: Any, folder: Path, tell: Progress) -> None:
    with Journal(folder) as log:
        tell(work.done, work.points, work.failed)
        for key, entry in _measured(work, client):
            log.add(entry)
            work.finish({key: entry})
            tell(work.done, work.points, work.failed)


class _Work:
    """The points of a sweep by key: those that are finished, and those to be run."""

    def __init__(self, sweep: Sweep, known: dict[str, Row], retry: bool) -> None:
        self.inputs = Inputs(sweep)
        self._accuracies = results.accuracies(sweep.training)
        self.entries: dict[str, Row] = {}
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

    def others(self, entries: dict[str, Row]) -> int:
        """How many of a journal's points are of another sweep."""
        return len(entries.keys() - self._by_key.keys())

    def finish(self, entries: dict[str, Row]) -> None:
        """Take note of points that were run, as the journal has them."""
        self.entries |= {key: entry for key, entry in entries.items() if key in self.todo}

    def rows(self) -> tuple[Row, ...]:
        """Of the finished points, in the order of the grid."""
        found = []
        for key, point in self._by_key.items():
            if key in self.entries:
                accuracy = results.accuracy_of(point, self._accuracies)
                found.append(results.row(key, point, self.inputs.data_name(point), self.entries[key], accuracy))
        return tuple(found)


def _is_too_large(point: Point, budgets: Sequence[int]) -> bool:
    assert point.configuration is not None
    return bool(budgets) and planned.plan(point.configuration).needed_bytes > budgets[-1]


def _measured(work: _Work, client: Any) -> Iterator[tuple[str, Row]]:
    """Key and journal entry of each point as it comes back."""
    if not work.todo:
        return
    waiting = iter(work.todo.items())
    running = _as_completed(client, islice(waiting, _AHEAD * sum(client.nthreads().values()) or _AHEAD), work)
    for future in running:
        yield future.key, _entry(future, work)
        for key, point in islice(waiting, 1):
            running.add(_submit(client, key, point, work))


def _as_completed(client: Any, first: Iterator[tuple[str, Point]], work: _Work) -> Any:
    from distributed import as_completed

    return as_completed([_submit(client, key, point, work) for key, point in first])


def _submit(client: Any, key: str, point: Point, work: _Work) -> Any:
    """Send a point with all that it takes: a worker needs m0sim, but no data set and no profile."""
    assert point.configuration is not None
    what = (point.configuration, point.device, point.seed, points.identity(point.configuration.method))
    return client.submit(points.run, *what, work.inputs.setting(point), key=key, pure=False)


def _entry(future: Any, work: _Work) -> Row:
    point = work.todo[future.key]
    if future.status == "finished":
        return results.measured_entry(future.key, point, future.result())
    if future.status != "error":
        raise M0simError(f"the cluster lost a point ({future.status}): run the sweep again, and it goes on")
    error = future.exception()
    name = "" if isinstance(error, M0simError) else f"{type(error).__name__}: "
    return results.failed_entry(future.key, point, f"{name}{error}")


@contextmanager
def _cluster(scheduler: str, jobs: int, todo: int) -> Iterator[Any]:
    """A client of the cluster at `scheduler`, or of one of processes of this machine that ends with the context.

    None where there is nothing to do.
    """
    if not todo:
        yield None
        return
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster

    if scheduler:
        with _client(Client, scheduler) as client:
            yield client
        return
    silent = logging.CRITICAL  # a worker that dies is started again, and its points with it: nothing to tell
    with _deaf_to_ctrl_c():
        cluster = LocalCluster(
            n_workers=min(jobs or CPU_COUNT, todo),
            threads_per_worker=1,
            dashboard_address=":0",  # a free port: there is no way to have none
            memory_limit=None,
            silence_logs=silent,
        )
    with cluster, Client(cluster) as client:
        yield client


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes and threads that are started inside never see Ctrl-C, which is for this process to answer.

    One pressed meanwhile is answered afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # or the first process makes it run, and that unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _client(make: Any, scheduler: str) -> Any:
    try:
        return make(scheduler, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise UsageError(f"--scheduler {scheduler}: no Dask scheduler answers: {error}") from error
