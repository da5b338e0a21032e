"""Files written whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from m0sim.errors import UsageError


def write(path: Path, content: str | bytes) -> None:
    """Replace a file in one step, so that neither a crash nor Ctrl-C leaves half of it. Text is UTF-8, lines end in LF.

    A link is followed, and the file keeps its permissions. What is no regular file, such as /dev/stdout or a pipe, is
    written to directly. Raises `UsageError` that names the file where it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            _replace(target, data)
    except OSError as error:
        raise UsageError(f"{path}: cannot write: {error.strerror}") from error


def check_folder(path: Path | None) -> None:
    """Raises `UsageError` where the folder that a file is to be written to is not there. None is no file: fine."""
    if path is not None and not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent} to write to")


def _replace(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(descriptor, "wb") as file:
            if target.exists():
                shutil.copymode(target, temporary)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
