"""How slow this machine is at the moment, for tests with a limit of time."""

from __future__ import annotations

import time

_WORK = 200_000
_ORDINARY = 0.02  # seconds for it on an ordinary core that does nothing else


def slowdown() -> float:
    """How many times longer than on an ordinary idle core a fixed piece of work takes now; at least 1.

    A limit of time is multiplied by it, directly after what is limited: whatever held that up holds this up as well.
    """
    started = time.perf_counter()
    total = 0
    for i in range(_WORK):
        total += i & 7
    return max(1.0, (time.perf_counter() - started) / _ORDINARY)
