"""What IAR's start-up code does before `main`: it gives variables their first values.

The image itself has no values where such variables run: ilink puts "initializer bytes", plain or packed, into flash,
and `__iar_data_init3` walks a table of functions that unpack them (IAR C/C++ Development Guide, "Initialization at
system startup"). The names end in the version of that table's format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from m0sim.image.symbols import Symbol

_INITIALISER = re.compile(r"__iar_data_init\d*")
_UNPACKING = re.compile(r"__iar_(copy|rle|packbits|lzw|bwt|lz77)_init(_single)?\d*")


def initialiser_of(symbols: Iterable[Symbol]) -> Symbol | None:
    """The function that gives variables their first values; None where none has any but zero, and for other tools."""
    functions = [s for s in symbols if s.kind == "function"]
    if not any(_UNPACKING.fullmatch(s.linkage_name) for s in functions):
        return None
    return next((s for s in functions if _INITIALISER.fullmatch(s.linkage_name)), None)
