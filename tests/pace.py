"""Limits of time that hold on a machine that has other things to do: processor time, never the clock on the wall."""

from __future__ import annotations

import resource
import time

_WORK = 200_000
_ORDINARY = 0.02  # seconds for it on an ordinary core that does nothing else


def slowdown() -> float:
    """How many times longer than on an ordinary core a fixed piece of work takes now; at least 1.

    A limit of time is multiplied by it, directly after what is limited: a slow core, or one whose caches others use,
    slows both. It is processor time as well: a process that waits for a core takes none.
    """
    started = time.process_time()
    total = 0
    for i in range(_WORK):
        total += i & 7
    return max(1.0, (time.process_time() - started) / _ORDINARY)


def children_seconds() -> float:
    """Processor time, of user and system, of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
