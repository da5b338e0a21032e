"""A study on all cores, with a journal: no finished run is lost, and none is run twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from m0sim import interrupts, processes
from m0sim.errors import UsageError
from m0sim.study import journal
from m0sim.study.learn import methods
from m0sim.study.learn.experiment import robustness
from m0sim.study.learn.experiment import study as studies
from m0sim.study.learn.experiment.study import Chosen, RunResult, Study, key_of
from m0sim.study.learn.experiment.training import Task

JOURNAL = "runs.jsonl"
"""One line for each finished run: its key, what it was, what it gave, and the wall time that it took."""

Tell = Callable[[str, int, int], None]
"""Called with what is being done, the runs done and the runs to do."""


class FinishedRuns:
    """Those of a study's journal."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self.rows: dict[str, RunResult] = {}
        self.seconds: dict[str, float] = {}
        """Wall time by key; no part of the results."""
        for number, line in enumerate(journal.lines(self._path), 1):
            try:
                entry = json.loads(line)
                self.seconds[entry["key"]] = float(entry["seconds"])
                self.rows[entry["key"]] = RunResult.from_json(entry["result"])
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
                raise UsageError(f"{self._path}:{number}: not a line of this journal; remove it to go on") from error

    def add(self, task: Task, row: RunResult, seconds: float) -> None:
        """Append a run and wait until the disk has it."""
        key = key_of(task)
        entry = {"key": key, "task": task.identity(), "result": row.as_json(), "seconds": round(seconds, 2)}
        journal.append(self._path, json.dumps(entry, sort_keys=True))
        self.rows[key], self.seconds[key] = row, seconds


def run(study: Study, finished: FinishedRuns, jobs: int, tell: Tell | None = None) -> Chosen:
    """Tune, choose, and run what is left of all parts on `jobs` processes. Returns the chosen shifts."""
    with _workers(jobs) as workers:
        _all("tuning", study.tuning(), finished, workers, tell)
        chosen = studies.choose(study, finished.rows)
        _all("final", study.finals(chosen), finished, workers, tell)
        _all("robustness", robustness.tasks(study, chosen), finished, workers, tell)
    return chosen


def _all(
    what: str, tasks: Sequence[Task], finished: FinishedRuns, workers: ProcessPoolExecutor | None, tell: Tell | None
) -> None:
    left = studies.missing(tasks, finished.rows)
    done = len(tasks) - len(left)
    for task, row, seconds in _results(left, workers):
        finished.add(task, row, seconds)
        done += 1
        if tell:
            tell(what, done, len(tasks))


def _results(tasks: Sequence[Task], workers: ProcessPoolExecutor | None) -> Iterator[tuple[Task, RunResult, float]]:
    if workers is None:
        for task in tasks:
            yield (task, *_timed(task, ()))
        return
    with interrupts.held_back():
        futures: dict[Future[tuple[RunResult, float]], Task] = {
            workers.submit(_timed, task, methods.specs()): task for task in tasks
        }
    for future in as_completed(futures):
        yield (futures[future], *future.result())


def _timed(task: Task, files: Sequence[tuple[str, str]]) -> tuple[RunResult, float]:
    """`files` are those of methods, as `methods.specs` has them: another process does not know them yet."""
    methods.add_all(files)
    started = time.perf_counter()
    row = studies.run(task)
    return row, time.perf_counter() - started


@contextmanager
def _workers(jobs: int) -> Iterator[ProcessPoolExecutor | None]:
    """Processes, or None for a single job; on Ctrl-C they end at once and their runs are run again next time."""
    if jobs == 1:
        yield None
        return
    with processes.pool(jobs) as workers:
        yield workers
