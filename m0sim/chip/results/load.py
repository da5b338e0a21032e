"""What each core did over time, from the buckets that the native core counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from m0sim.chip.run_cost import CoreLoad, LoadOverTime


@dataclass(frozen=True, eq=False, slots=True)
class LoadCounts:
    """Of one core: cycles by bucket, from where counting began."""

    bucket_cycles: int
    """A power of two."""
    asleep: npt.NDArray[np.int64]
    handlers: npt.NDArray[np.int64]
    """Awake ones, of exceptions."""

    def merged(self, bucket_cycles: int) -> LoadCounts:
        """The same in longer buckets."""
        times = bucket_cycles // self.bucket_cycles
        sums = [_added(column, times) for column in (self.asleep, self.handlers)]
        return LoadCounts(bucket_cycles, *sums)


def _added(column: npt.NDArray[np.int64], times: int) -> npt.NDArray[np.int64]:
    padded = np.zeros(-(-len(column) // times) * times, np.int64)
    padded[: len(column)] = column
    sums: npt.NDArray[np.int64] = padded.reshape(-1, times).sum(axis=1)
    return sums


def over_time(counts: Sequence[LoadCounts], cycles: Sequence[int]) -> LoadOverTime:
    """The load of all cores, in buckets of one length; `cycles` is what each counted."""
    length = max(each.bucket_cycles for each in counts)
    buckets = -(-max(cycles) // length)
    cores = []
    for number, (each, total) in enumerate(zip(counts, cycles, strict=True)):
        merged = each.merged(length)
        whole = np.clip(total - length * np.arange(buckets), 0, length)
        busy, handlers = whole - _first(merged.asleep, buckets), _first(merged.handlers, buckets)
        cores.append(CoreLoad(number, tuple(busy.tolist()), tuple(handlers.tolist())))
    return LoadOverTime(length, tuple(cores))


def _first(column: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    return np.pad(column[:count], (0, max(count - len(column), 0)))
