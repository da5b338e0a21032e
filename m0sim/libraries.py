"""The two libraries of machine code that m0sim loads: the native core, and the demangler of C++ names.

Both are compiled for every platform by `m0sim.build_libraries` from sources beside them, and ask for no other library.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from m0sim.errors import UsageError

_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Library:
    """One of them."""

    name: str
    folder: Path
    """Where its sources are, and where it is loaded from."""
    variable: str
    """The environment variable that names another build of it, such as one with sanitizers."""
    header: Path | None = None
    """What it shares with Python: a library that was built from another version of it is refused."""

    def file_name(self, platform: str = sys.platform) -> str:
        """What the file is called on a platform: a value of ``sys.platform``."""
        if platform == "win32":
            return f"{self.name}.dll"
        return f"lib{self.name}.{'dylib' if platform == 'darwin' else 'so'}"

    def path(self) -> Path:
        """Where it is looked for."""
        given = os.environ.get(self.variable)
        return Path(given) if given else self.folder / self.file_name()

    def digest(self) -> str:
        """What tells versions of the header apart: SHA-256, in hexadecimal."""
        return "" if self.header is None else hashlib.sha256(self.header.read_bytes()).hexdigest()

    def load(self, *, keeps_gil: bool = False) -> ctypes.CDLL:
        """Load it; with `keeps_gil`, one Python thread at a time calls it.

        Raises `UsageError` where there is none, or one that does not fit the header.
        """
        file = self.path()
        if not file.is_file():
            raise UsageError(f"{file} is not built; in a checkout, run make")
        try:
            library = (ctypes.PyDLL if keeps_gil else ctypes.CDLL)(str(file))
            built_for = self.digest()
            if self.header is not None:
                built_for = ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(library, "m0_header_hash"))).decode()
        except (OSError, ValueError) as error:
            raise UsageError(f"{file} cannot be loaded: {error}; in a checkout, run make") from error
        if built_for != self.digest():
            raise UsageError(f"{file} was built from another version of {self.header}; run make")
        return library


CORE = Library("m0core", _PACKAGE / "chip/native", "M0SIM_CORE", _PACKAGE / "chip/native/core.h")
DEMANGLER = Library("m0demangle", _PACKAGE / "image/demangle", "M0SIM_DEMANGLER")
