"""Files read up to a limit, and written whole or not at all."""

from __future__ import annotations

import io
import os
import secrets
import select
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from m0sim.errors import UsageError

LIMIT = 256 << 20
"""Bytes that are read of any file, unless its reader says less: what a Cortex-M0+ runs or holds is smaller."""

_WRITER_SECONDS = 2
"""How long it may take until somebody writes to a named pipe."""
_TURN_SECONDS = 60
"""How long a process waits for another one's change of the same file, which takes a moment."""
_SILENT_SECONDS = 60
"""How long a pipe that somebody has open, or a terminal, may give nothing."""


def read(path: Path, limit: int = LIMIT, what: str = "it") -> bytes:
    """All bytes of a file, at most `limit`; errors call it `what`.

    Pipes (``/dev/stdin``, a shell's ``<(...)``, named ones) and devices are read to their end, but never waited for
    without one. Raises `UsageError`, one line, for what cannot be read, is larger, or gives nothing for too long.
    """
    found = bytearray()
    try:
        # A named pipe that nobody writes to would block already here.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb", buffering=0) as file:
            for chunk in _chunks(file, path):
                found += chunk
                if len(found) > limit:
                    raise UsageError(f"{path}: longer than {limit:,} bytes, which is all that is read of such a file")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"{path}: cannot read {what}: {getattr(error, 'strerror', None) or error}") from error
    return bytes(found)


def write(path: Path, content: str | bytes) -> None:
    """Replace a file in one step, so that neither a crash nor Ctrl-C leaves half of it. Text is UTF-8, lines end in LF.

    A link is followed, and the file keeps its permissions. What is no regular file, such as a pipe, is written to
    directly, and so is where stdout or stderr goes. Raises `UsageError` that names the file where it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        status = _status(path)
        if status is not None and (stream := _standard_stream(status)) is not None:
            sys.stdout.flush()  # what was printed before comes before
            with open(stream, "wb", closefd=False) as file:
                file.write(data)
        elif status is not None and not stat.S_ISREG(status.st_mode):
            path.write_bytes(data)
        else:
            _replace(Path(os.path.realpath(path)), data, status)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"{path}: cannot write: {getattr(error, 'strerror', None) or error}") from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """While one process reads, changes and writes a file, no other one does: it waits for its turn.

    The lock is a file beside it, which is gone afterwards; the system drops the lock of a process that dies. Raises
    `UsageError`, one line, where the folder cannot be written to, and where the turn does not come for a minute.
    """
    from filelock import FileLock, Timeout

    target = Path(os.path.realpath(path))
    turn = target.with_name(f".{target.name}.lock")
    lock = FileLock(turn, timeout=_TURN_SECONDS)
    try:
        turn.touch()  # filelock would make a folder that is not there, and wait where it may not write
        lock.acquire()
    except Timeout:
        raise UsageError(
            f"{path}: another process has held {turn} for {_TURN_SECONDS} s: end it, then try again"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot write: {error.strerror or error} ({turn})") from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file
            turn.unlink()  # while it is held: who waits for it notices, and makes a new one
        lock.release()


def check_folder(path: Path | None) -> None:
    """Raises `UsageError` where the folder that a file is to be written to is not there. None is no file: fine."""
    if path is not None and not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent} to write to")
    if path is not None and path.is_dir():
        raise UsageError(f"{path} is a directory: name a file in it")


def make_folder(folder: Path) -> None:
    """Make a folder that is not there; raises `UsageError` where that cannot be, so before the work that fills it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot make this folder: {error.strerror}") from error


def json_text(result: Mapping[str, Any]) -> str:
    """An object as m0sim writes it: indented, one line end behind it."""
    import json

    return json.dumps(_finite(result), indent=2) + "\n"


def _finite(value: Any) -> Any:
    """JSON has no NaN or infinity: they become the strings "nan", "inf" and "-inf"."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return str(value)
    return value


def _chunks(file: io.FileIO, path: Path) -> Iterator[bytes]:
    """What is in an open file that does not block, part by part."""
    kind = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(kind) and not hasattr(select, "poll"):  # Windows
        raise UsageError(f"{path}: is not a regular file")
    has_begun = not stat.S_ISFIFO(kind)
    while True:
        chunk = file.read(1 << 20)
        if chunk:
            has_begun = True
            yield chunk
        elif chunk is None:  # somebody has it open and has written nothing more yet
            _wait(file, path, _SILENT_SECONDS)
        elif has_begun or not _wait(file, path, _WRITER_SECONDS) & select.POLLIN:
            return


def _wait(file: io.FileIO, path: Path, seconds: int) -> int:
    """Until there is something to read, or the last writer has gone; says which by the flags of poll(2)."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    ready = poll.poll(1000 * seconds)
    if not ready:
        raise UsageError(f"{path}: nobody wrote anything to it for {seconds} s: give a file, or a pipe that ends")
    return ready[0][1]


def _status(path: Path) -> os.stat_result | None:
    """Of what a path leads to; None where there is nothing yet."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _standard_stream(status: os.stat_result) -> int | None:
    """The descriptor of stdout or stderr if that is what this is: replaced, a redirected one would lose the rest."""
    for descriptor in (1, 2):
        with suppress(OSError):  # it is closed
            if os.path.samestat(status, os.fstat(descriptor)):
                return descriptor
    return None


def _replace(target: Path, data: bytes, old: os.stat_result | None) -> None:
    temporary = target.with_name(f".m0sim-{secrets.token_hex(8)}")  # not longer than a name that fits
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as file:
            if old is not None:
                shutil.copymode(target, temporary)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
