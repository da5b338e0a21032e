"""Where the points of a sweep are measured: in processes of this machine, or on a Dask cluster that somebody started.

Either takes tasks as they come, and gives back each one's key with what it measured or the exception that ended it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from m0sim import interrupts, processes
from m0sim.chip.device import Device
from m0sim.errors import M0simError, UsageError
from m0sim.study.learn import side_by_side as compare
from m0sim.study.whatif import points
from m0sim.study.whatif.configuration import Configuration
from m0sim.study.whatif.measure import Measured

_CONNECT_SECONDS = 10
_AHEAD = 3
"""Points a core that are on their way at a time: no core waits, and a long sweep does not fill the scheduler."""


MethodFiles = tuple[tuple[str, str], ...]
"""As `methods.specs` has them."""


@dataclass(frozen=True)
class PointTask:
    """A point with all that it takes: a worker needs m0sim, but no data set and no profile."""

    key: str
    arguments: tuple[Configuration, Device, int, str, compare.StartingPoint, MethodFiles]
    """Of `points.run`."""


Outcome = tuple[str, Measured | BaseException]
Measure = Callable[[Iterator[PointTask]], Generator[Outcome, None, None]]


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_this_machine(jobs: int) -> Measure:
    """In so many processes, which only this one can reach.

    A process that dies takes the pool along. What was on its way is then run again, one task at a time: one that kills
    its process once more has failed, and no other one because of it.
    """

    def measure(tasks: Iterator[PointTask]) -> Generator[Outcome, None, None]:
        on_their_way: dict[str, PointTask] = {}
        while True:
            try:
                with processes.pool(jobs) as pool:
                    yield from _each_alone(pool, on_their_way)
                    yield from _side_by_side(pool, tasks, on_their_way, _AHEAD * jobs)
                    return
            except BrokenProcessPool:
                continue

    return measure


def _each_alone(pool: ProcessPoolExecutor, tasks: dict[str, PointTask]) -> Iterator[Outcome]:
    for key, task in list(tasks.items()):
        try:
            found = _found(_submit(pool, task))
        except BrokenProcessPool:
            del tasks[key]
            yield key, M0simError("its process was killed, twice: is there enough memory?")
            raise
        del tasks[key]
        yield key, found


def _side_by_side(
    pool: ProcessPoolExecutor, tasks: Iterator[PointTask], on_their_way: dict[str, PointTask], most: int
) -> Iterator[Outcome]:
    running: dict[Future[Measured], str] = {}
    while True:
        for task in islice(tasks, most - len(running)):
            on_their_way[task.key] = task
            running[_submit(pool, task)] = task.key
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            found = _found(future)
            key = running.pop(future)
            del on_their_way[key]
            yield key, found


def _submit(pool: ProcessPoolExecutor, task: PointTask) -> Future[Measured]:
    with interrupts.held_back():  # it may start a process
        try:
            return pool.submit(points.run, *task.arguments)
        except OSError as error:
            if error.errno is not None:  # the system's own: too many processes, no memory
                raise
            raise BrokenProcessPool("it broke while a process was started") from error  # its pipes are closed already


def _found(future: Future[Measured]) -> Measured | BaseException:
    """What came of a task. Raises BrokenProcessPool where that is nobody's own fault."""
    error = future.exception()
    if isinstance(error, BrokenProcessPool):
        raise error
    return error or future.result()


@contextmanager
def on_cluster(address: str) -> Iterator[Measure]:
    """On the cluster of the Dask scheduler at an address, which gets code and data unless `address` is tls://.

    Raises UsageError, one line, where none answers.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError, RuntimeError, TypeError) as error:  # the last two: TLS without certificates, or none
        raise UsageError(f"--scheduler {address}: no Dask scheduler answers: {error}") from error
    except AssertionError as error:  # distributed's own, where its thread has not begun within 10 seconds
        raise UsageError(f"--scheduler {address}: this machine is too busy to ask it: run it again") from error
    with client:
        yield lambda tasks: _measured_by(client, tasks)


def _measured_by(client: Any, tasks: Iterator[PointTask]) -> Generator[Outcome, None, None]:
    from distributed import as_completed

    def submit(task: PointTask) -> Any:
        return client.submit(points.run, *task.arguments, key=task.key, pure=False)

    running = as_completed(map(submit, islice(tasks, _AHEAD * sum(client.nthreads().values()) or _AHEAD)))
    for future in running:
        if future.status not in ("finished", "error"):
            raise M0simError(f"the cluster lost a point ({future.status}): run the sweep again, and it goes on")
        yield future.key, future.result() if future.status == "finished" else future.exception()
        for task in islice(tasks, 1):
            running.add(submit(task))
