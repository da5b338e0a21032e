"""Ctrl-C: as a question that a loop asks between two steps, and held back while processes are started.

A run on the simulated chip has its own way (`chip.engine.interrupt`): it must stop within a call, and keep what was
counted.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType


class StopRequest:
    """Call it: True once Ctrl-C was pressed."""

    def __init__(self) -> None:
        self._pressed = False

    def __call__(self) -> bool:
        return self._pressed

    def press(self) -> None:
        """As Ctrl-C does; a second time there is no waiting any more."""
        if self._pressed:
            raise KeyboardInterrupt
        self._pressed = True


@contextmanager
def noticing() -> Iterator[StopRequest]:
    """While active, Ctrl-C sets the `StopRequest`; outside the main thread nothing is noticed."""
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, frame: FrameType | None) -> None:
        stop.press()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def held_back() -> Iterator[None]:
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
