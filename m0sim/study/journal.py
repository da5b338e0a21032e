"""A journal: a file of JSON objects, one a line, that is only ever appended to, so that a killed run loses nothing.

A line that a crash cut short, at the end of the file, is not one: nobody reads it, and the next line takes its place.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from m0sim import files
from m0sim.errors import UsageError


def lines(path: Path) -> list[bytes]:
    """The lines of a journal in their order, damaged ones as well; none where there is no file."""
    whole, tail = _parts(files.read(path)) if os.path.lexists(path) else (b"", b"")
    return [*whole.split(b"\n")[:-1], *([tail] if _is_object(tail) else [])]


def append(path: Path, *texts: str) -> None:
    """Add lines of JSON; they are on the disk when this returns. Raises UsageError where it cannot write."""
    try:
        with path.open("a+b") as file:
            file.seek(0)
            whole, tail = _parts(file.read())
            if _is_object(tail):
                file.write(b"\n")
            elif tail:
                file.truncate(len(whole))
            for text in texts:
                file.write(text.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"{path}: cannot write: {error.strerror}") from error


def _parts(content: bytes) -> tuple[bytes, bytes]:
    """All up to the last end of a line, and what comes after it."""
    end = content.rfind(b"\n") + 1
    return content[:end], content[end:]


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
