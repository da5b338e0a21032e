"""The source files that an image's line table names, and which of them a report may show.

Whoever made the image chose those names, and a report travels: text is read only below folders that the user works in
or has named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from m0sim.errors import UsageError

_SOURCE_LIMIT = 8 << 20  # bytes of a source file


class Sources:
    """Reads sources below the current folder, the image's folder and `roots`, symbolic links resolved.

    Where one of the first two is the root of the file system, as in many containers, it stands for nothing: name the
    folder. Raises `UsageError` for a root that is no folder.
    """

    def __init__(self, image: Path, roots: Sequence[Path] = ()) -> None:
        for root in roots:
            if not root.is_dir():
                raise UsageError(f"--source-root {root}: there is no such folder")
        own = [os.path.realpath(folder) for folder in (Path(), image.parent)]
        named = [os.path.realpath(root) for root in roots]
        self._roots = [folder for folder in own if folder != os.path.dirname(folder)] + named
        self._files: dict[str, list[str]] = {}
        self._withheld: dict[str, bool] = {}

    def line(self, file: str, number: int) -> str | None:
        """Line `number`, from 1, of a file; None where it cannot or may not be read."""
        lines = self._lines(file)
        return lines[number - 1] if 1 <= number <= len(lines) else None

    def is_withheld(self, file: str) -> bool:
        """Whether the file is there, and outside all folders that may be read."""
        if file not in self._withheld:
            self._withheld[file] = not self._may_read(file) and os.path.exists(file)
        return self._withheld[file]

    def notes(self) -> tuple[str, ...]:
        """One line on all files that were asked for and withheld, and what to do; empty where there are none."""
        withheld = sorted(file for file, is_withheld in self._withheld.items() if is_withheld)
        if not withheld:
            return ()
        what = withheld[0] if len(withheld) == 1 else f"{len(withheld)} files, such as {withheld[0]},"
        are = "is" if len(withheld) == 1 else "are"
        folder = os.path.dirname(os.path.realpath(withheld[0]))  # where a link leads is what counts
        return (
            f"source text left out: {what} {are} outside the current folder and the image's: "
            f"--source-root {folder} allows to read there",
        )

    def _may_read(self, file: str) -> bool:
        real = Path(os.path.realpath(file))
        return any(real.is_relative_to(root) for root in self._roots)

    def _lines(self, file: str) -> list[str]:
        if file not in self._files:
            self.is_withheld(file)  # for the notes
            self._files[file] = _read_lines(file) if self._may_read(file) else []
        return self._files[file]


def _read_lines(file: str) -> list[str]:
    """The lines of a source file; none where it is no regular file that can be read, or too large."""
    path = Path(os.path.realpath(file))
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _SOURCE_LIMIT:
            return []
        return path.read_bytes().decode("utf-8", "replace").split("\n")
    except (OSError, ValueError):
        return []
