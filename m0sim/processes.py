"""Processes of this machine that work for this one. They talk through pipes: nobody else can reach them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager


@contextmanager
def pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """So many processes; on an exception inside, Ctrl-C for one, they end at once.

    Submit to it in `interrupts.held_back`: that may start one. They are started afresh, not forked: a fork would share
    the emulator's threads.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin) as workers:
        try:
            yield workers
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            # Waits for the executor's thread, which joins them. With a second one that does, only one of the two learns
            # that a process has ended, and the other may look before.
            workers.shutdown(cancel_futures=True)
            raise


def _begin() -> None:
    """The parent ends the workers: Ctrl-C is its affair, and when it is gone they go, whatever killed it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
