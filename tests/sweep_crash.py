"""What the processes of a sweep run in a test instead of a point. Small: each of them imports it."""

from __future__ import annotations

import os
import signal


def crash(what: str) -> str:
    """In the place of `points.run`: one kind of point kills its process, another raises."""
    if what == "kills":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "raises":
        raise ValueError("wrong")
    return f"{what} done"
