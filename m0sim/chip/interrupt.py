"""Ctrl-C during a run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether Ctrl-C came: a run looks between slices, so that nothing counted is lost."""

    def __init__(self) -> None:
        self.came = False

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """While active, Ctrl-C is a flag, if nobody else handles it and this is the main thread."""
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            yield
            return

        def note(number: int, frame: FrameType | None) -> None:
            self.came = True

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
