"""Address ranges."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
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


def owners(spans: Iterable[tuple[int, int, T]]) -> list[tuple[int, T | None]]:
    """Who has the bytes from each of these addresses on, up to the next one's; None for nobody.

    `spans` are first address, address behind the last, and owner, sorted by the first. Where several have a byte, the
    one that begins last has it.
    """
    found: list[tuple[int, T | None]] = []
    around: list[tuple[int, T]] = []  # ends and owners of those that began and are not over, as of the last address

    def end_those_before(address: int) -> None:
        while around and around[-1][0] <= address:
            end, _ = around.pop()
            while around and around[-1][0] <= end:
                around.pop()
            found.append((end, around[-1][1] if around else None))

    for start, end, owner in spans:
        end_those_before(start)
        around.append((end, owner))
        found.append((start, owner))
    end_those_before(1 << 33)
    return found
