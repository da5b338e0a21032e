"""Why there is no bound, and how a person says what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from m0sim.bounds.code import CodeReader

ReasonKind = Literal["call", "jump", "sp", "svc", "outside", "recursion", "loop", "entries", "endless", "unknown"]
"""Of the stack, the first six; of cycles, those from the fourth on but "outside"."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a function, or what it calls, has no bound."""

    kind: ReasonKind
    function: str
    place: str
    """The instruction, such as ``dispatch+0x1c``; of recursion, the functions in a circle."""
    source: tuple[str, int] | None
    """File and line, where the image tells."""
    text: str
    """What is not known."""
    annotation: str
    """What to write to say it; empty where nothing can."""

    @property
    def line(self) -> str:
        """All of it for a person."""
        place = "" if self.kind == "recursion" else f"{self.place}{in_source(self.source)}: "
        remedy = f"; annotate {self.annotation}" if self.annotation else ""
        return f"unbounded: {place}{self.text}{remedy}"


def in_source(source: tuple[str, int] | None) -> str:
    """Such as `` (fir.c:16)`` behind a place; empty where the image does not tell."""
    return "" if source is None else f" ({source[0].replace(chr(92), '/').rpartition('/')[2]}:{source[1]})"


def place_in(code: CodeReader, entry: int, address: int) -> str:
    """An instruction of the function that begins at `entry`, as annotations name it."""
    symbol = code.image.function_at(address)
    base, name = (entry, code.name(entry)) if symbol is None else (symbol.address, symbol.name)
    return f"{name}+0x{address - base:02x}" if address >= base else f"0x{address:08x}"
