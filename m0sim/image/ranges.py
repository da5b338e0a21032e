"""Address ranges."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Range = tuple[int, int]
"""Half-open address range: first address, address behind the last."""


def merged_ranges(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Sorted, without empty ranges, adjacent and overlapping ones joined."""
    merged: list[Range] = []
    for start, end in sorted(r for r in ranges if r[0] < r[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def within(ranges: Sequence[Range], address: int) -> Range | None:
    """The one of sorted, disjoint `ranges` that holds `address`."""
    at = bisect_right(ranges, (address, 1 << 33)) - 1
    return ranges[at] if at >= 0 and address < ranges[at][1] else None
