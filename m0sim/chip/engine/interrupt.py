"""Ctrl-C during a run."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupt:
    """Whether Ctrl-C came: a run looks between slices, so that nothing counted is lost.

    A context: while active, Ctrl-C is a flag, if nobody else handles it and this is the main thread.
    """

    def __init__(self) -> None:
        self.came = False
        self._is_ours = False

    def __enter__(self) -> None:
        self._is_ours = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if self._is_ours:
            signal.signal(signal.SIGINT, self._note)

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
