"""Times as people write them: ``50ms``, ``1.5 s``, ``200us``."""

from __future__ import annotations

import re
from fractions import Fraction

from m0sim.errors import UsageError

_UNITS = {"s": Fraction(1), "ms": Fraction(1, 10**3), "us": Fraction(1, 10**6), "ns": Fraction(1, 10**9)}
_LONGEST = 10**6


def seconds_of(text: str) -> Fraction:
    """Such a time in seconds, exactly. Raises `UsageError` for anything else, for 0 and for more than a million s."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(s|ms|us|ns)\s*", text)
    if found is None:
        raise UsageError(f"{text!r} is no time: write a number and s, ms, us or ns, such as 50ms")
    seconds = Fraction(found[1]) * _UNITS[found[2]]
    if not 0 < seconds <= _LONGEST:
        raise UsageError(f"{text!r}: a time is more than 0 and at most {_LONGEST:,} s")
    return seconds
