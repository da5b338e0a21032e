"""What a run of firmware has counted so far, open calls among it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.engine.counters import Counters
from m0sim.chip.engine.processor import Processor
from m0sim.chip.native import layout
from m0sim.chip.results.counts import Counts
from m0sim.chip.results.flash import FlashCounts
from m0sim.chip.results.load import LoadCounts
from m0sim.chip.results.region import OpenCalls, flash_since, since, with_open

_SUMS = ("entries", "tail_chained", "late", "cycles", "overhead", "latency_sum")


@dataclass(frozen=True, eq=False, slots=True)
class RunCounts:
    """Copies, valid as long as anybody wants them."""

    counts: Counts
    exceptions: npt.NDArray[Any]
    """`layout.EXCEPTION` by exception number."""
    sleep_cycles: int
    flash: FlashCounts | None
    """None where nothing waited, by intent."""
    load: LoadCounts
    """Since `Processor.begin_load`."""
    overhead_cycles: int
    """Of entering exceptions and returning from them: no instruction has them."""


def counted(processor: Processor, *, ended: bool) -> RunCounts:
    """Everything until now that a core did; `ended` counts open calls as calls."""
    interpreter = processor.interpreter
    counters = interpreter.counters
    frames = counters.tables["frames"][: counters.core.depth]
    aside, left_at = _put_aside(counters, processor)
    until = np.concatenate([processor.open_until(), left_at])
    calls = OpenCalls(np.concatenate([frames, aside]), until)
    counts = counters.counts(with_traffic=False, executed=processor.executed())
    counts = replace(counts, stack_top=processor.msp_high, stack_low=processor.msp_low)
    flash = interpreter.flash()
    return RunCounts(
        with_open(counts, calls, ended=ended),
        processor.exceptions,
        processor.sleep_cycles,
        None if flash is None else replace(flash, vector_stalls=processor.vector_stalls),
        processor.load(),
        processor.overhead_cycles,
    )


def _put_aside(counters: Counters, processor: Processor) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """The open frames of threads that are switched out, and when each was left."""
    rows = counters.tables["aside"].reshape(layout.TASKS, layout.TASK_FRAMES)
    tasks = processor.tasks
    waiting = [i for i, task in enumerate(tasks) if task["key"]]
    kept = [rows[i, : tasks[i]["depth"]] for i in waiting]
    left = [np.full(len(frames), tasks[i]["left_at"], np.int64) for i, frames in zip(waiting, kept, strict=True)]
    return np.concatenate([rows[0, :0], *kept]), np.concatenate([np.zeros(0, np.int64), *left])


def after(done: RunCounts, before: RunCounts) -> RunCounts:
    """What was counted after `before`. Least and longest latencies are those since `forget_latencies`."""
    exceptions = done.exceptions.copy()
    for column in _SUMS:
        exceptions[column] -= before.exceptions[column]
    return RunCounts(
        since(done.counts, before.counts),
        exceptions,
        done.sleep_cycles - before.sleep_cycles,
        flash_since(done.flash, before.flash),
        done.load,
        done.overhead_cycles - before.overhead_cycles,
    )
