"""A thread that does something at regular times while the emulator, which lets go of Python, runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def ticking(tick: Callable[[], None], seconds: float) -> Iterator[None]:
    """While active, `tick` is called every so many seconds; never after the block has ended."""
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(seconds):
            tick()

    thread = threading.Thread(target=run, name="m0sim ticker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
