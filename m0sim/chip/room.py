"""Where buffers find room in SRAM: beside the image, clear of its heap, its stack, and each other.

Addresses alone; `memory` has the bytes.

Without a heap, buffers fill free SRAM from below and the stack comes down from its end. With a heap that grows from
the end of the data upwards, nothing says how far: buffers then stand between the two, from the middle downwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from m0sim.image import Range

RED_ZONE = 16


@dataclass(frozen=True, eq=False, slots=True)
class Allocation:
    """Room for one buffer; its red zones lie directly before and behind it."""

    address: int
    size: int
    name: str
    begin: int
    """Where its room begins: at its red zone, or before that where alignment left bytes out."""
    end: int
    """Where its room ends."""


@dataclass(frozen=True, slots=True)
class _Window:
    """Addresses that buffers may take, from below or from above."""

    begin: int
    end: int
    from_above: bool = False


class Room:
    """The room of one image on one device, and what has been given away of it."""

    def __init__(
        self,
        gaps: Sequence[Range],
        stack_gap: Range,
        *,
        last_resort: Sequence[Range] = (),
        heap_base: int | None = None,
        stack_size: int = 0,
    ) -> None:
        """`gaps` are free and ascending, `stack_gap` is one of them. `last_resort` is taken when no gap has room.

        `heap_base` is where a heap grows upwards from in one of the gaps, `stack_size` what the image keeps for its
        stack.
        """
        self.allocations: list[Allocation] = []
        self.gaps = gaps
        self._last_resort = last_resort
        self.stack_gap = stack_gap
        self.heap_base = heap_base
        self._stack_size = stack_size
        self.used_end = 0
        """Where memory ends that code took before there were buffers, in whichever gap that is."""
        self._made = 0

    @property
    def stack_bottom(self) -> int:
        """The end of the highest buffer in the stack's gap, or the begin of that gap."""
        begin, end = self.stack_gap
        return max([begin, *(a.end for a in self.allocations if begin <= a.begin < end)])

    def take(self, size: int, align: int, name: str, stack_reserve: int) -> Allocation | None:
        """Room for `size` bytes and red zones, `stack_reserve` bytes kept free; None where there is none."""
        for window in self._windows(stack_reserve):
            for low, end in self._pieces(window):
                begin = _highest_begin(end, size, align) if window.from_above else low
                address, behind = _span(begin, size, align)
                if begin >= low and address + size + RED_ZONE <= end:
                    name = name or f"buffer{self._made}"
                    return self._keep(Allocation(address, size, name, begin, behind))
        return None

    def _keep(self, allocation: Allocation) -> Allocation:
        self.allocations.append(allocation)
        self._made += 1
        return allocation

    def free(self, allocation: Allocation) -> None:
        """Give room back."""
        self.allocations.remove(allocation)

    def clear(self) -> None:
        """Give all room back, and count names from 0 again."""
        self.allocations.clear()
        self._made = 0

    def largest_piece(self) -> int:
        """Bytes of the largest free piece, whatever should be kept of it."""
        return max(end - begin for gap in self.gaps for begin, end in self._pieces(_Window(*gap)))

    def _windows(self, stack_reserve: int) -> Iterator[_Window]:
        """Where to look for room, first choice first."""
        for gap in self.gaps:
            begin, end = gap
            reserve = min(stack_reserve, (end - begin) // 2) if gap == self.stack_gap else 0
            if self._has_heap(gap):
                yield from self._beside_heap(gap, reserve)
            else:
                yield _Window(self._unused(begin, end), end - reserve)
        for begin, end in self._last_resort:
            yield _Window(begin, end)

    def _has_heap(self, gap: Range) -> bool:
        return self.heap_base is not None and gap[0] - 8 < self.heap_base < gap[1]

    def _beside_heap(self, gap: Range, stack_reserve: int) -> Iterator[_Window]:
        begin, end = gap
        base = max(begin, self.heap_base or begin)
        used = self._unused(base, end)
        least = used + min(1024, (end - used) // 4)  # what stays the heap's
        yield _Window(begin, base)
        if stack_reserve:
            kept = max(stack_reserve, self._stack_size, (end - base) // 2)
            yield _Window(least, end - kept & ~7, from_above=True)
        yield _Window(least, end - stack_reserve & ~7, from_above=True)

    def _unused(self, begin: int, end: int) -> int:
        """Where room begins between two addresses: behind what code took."""
        return self.used_end if begin < self.used_end <= end else begin

    def _pieces(self, window: _Window) -> list[Range]:
        """What the buffers leave of a window, in the order in which to look."""
        pieces, at = [], window.begin
        for allocation in sorted(self.allocations, key=lambda a: a.begin):
            if allocation.end > window.begin and allocation.begin < window.end:
                pieces.append((at, allocation.begin))
                at = allocation.end
        pieces.append((at, window.end))
        return pieces[::-1] if window.from_above else pieces


def _highest_begin(end: int, size: int, align: int) -> int:
    """Where the highest room below `end` begins, a multiple of 8."""
    return (end - RED_ZONE - size) // align * align - RED_ZONE & ~7


def _span(begin: int, size: int, align: int) -> Range:
    """Address of a buffer whose room begins at `begin`, and where that room ends."""
    address = -(-(begin + RED_ZONE) // align) * align
    return address, -(-(address + size + RED_ZONE) // 8) * 8
