"""The lowest places for blocks of bytes that live for some time each: offsets, and no more bytes than need be.

Largest first, each at the lowest offset that is free while it lives, nearly always needs no more than the most that is
live at one time. Where it does, other orders are tried, always the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

ALIGN = 4
_TRIES = 8
_EXCHANGES = 100
_NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Occupant:
    """Some bytes with a name that are needed from operation `first` to `last`."""

    name: str
    size: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class SharedPlace:
    """Parts that begin at one byte, one after the other in time."""

    parts: tuple[Occupant, ...]
    is_bottom: bool
    """Whether it is placed before those that are not: it lives all the time."""

    @property
    def size(self) -> int:
        """Of its largest part."""
        return max(part.size for part in self.parts)

    @property
    def length(self) -> int:
        """Operations from the first to the last."""
        return self.parts[-1].last - self.parts[0].first


def pack(choices: Iterable[Sequence[SharedPlace]], walls: tuple[int, ...], least: int) -> list[tuple[Occupant, int]]:
    """All parts with their offsets, of the choice of blocks that needs the fewest bytes.

    No part lies across one of the `walls`. The search ends where a choice needs no more than `least` bytes.
    """
    best: _Places | None = None
    for blocks in choices:
        best = _better(best, _Room(blocks, walls).by_rule(least))
        if best.end <= least:
            break
    if best is not None and best.end > least:
        best = _better(best, best.room.by_chance(best, least))
    return [] if best is None else best.parts()


@dataclass(frozen=True)
class _Places:
    """The offset of every block that an order gave them."""

    room: _Room
    order: list[int]
    offsets: list[int]

    @property
    def end(self) -> int:
        """The first offset behind all of them."""
        return max(map(self.end_of, range(len(self.offsets))), default=0)

    def end_of(self, index: int) -> int:
        """The first offset behind a block."""
        return self.offsets[index] + self.room.sizes[index]

    def parts(self) -> list[tuple[Occupant, int]]:
        """Every part and its offset."""
        pairs = zip(self.room.blocks, self.offsets, strict=True)
        return [(part, offset) for block, offset in pairs for part in block.parts]


def _better(one: _Places | None, other: _Places) -> _Places:
    return one if one is not None and one.end <= other.end else other


class _Room:
    """Where blocks are placed, and which offsets they bar to one another."""

    def __init__(self, blocks: Sequence[SharedPlace], walls: tuple[int, ...]) -> None:
        self.blocks = sorted(blocks, key=lambda block: (not block.is_bottom, -block.size, block.parts[0].name))
        self.sizes = [block.size for block in self.blocks]
        self._walls = walls

    def by_rule(self, least: int) -> _Places:
        """The best of the orders by size and by length; in each what came to lie highest is then placed before others,
        a few times over."""
        best: _Places | None = None
        by_size = list(range(len(self.blocks)))
        by_length = sorted(by_size, key=lambda i: (not self.blocks[i].is_bottom, -self.blocks[i].length))
        for order in (by_size, by_length):
            for _ in range(_TRIES):
                places = self._placed(order)
                best = _better(best, places)
                if best.end <= least:
                    return best
                top = places.end
                order = sorted(order, key=lambda i: (not self.blocks[i].is_bottom, places.end_of(i) != top))
        assert best is not None
        return best

    def by_chance(self, best: _Places, least: int) -> _Places:
        """Pairs change places at random, and stay where that was no worse."""
        draw, start = Random(0), sum(block.is_bottom for block in self.blocks)
        for _ in range(_EXCHANGES if start < len(self.blocks) else 0):
            order = best.order.copy()
            i, j = draw.randrange(start, len(order)), draw.randrange(start, len(order))
            order[i], order[j] = order[j], order[i]
            best = _better(self._placed(order), best)
            if best.end <= least:
                break
        return best

    def _placed(self, order: list[int]) -> _Places:
        """Each block in turn at the lowest offset that is free for each of its parts while that one lives."""
        offsets = [_NOWHERE] * len(self.blocks)
        for index in order:
            offsets[index] = self._lowest(index, offsets)
        return _Places(self, order, offsets)

    def _lowest(self, index: int, offsets: Sequence[int]) -> int:
        together = self._together[index]
        barred = [(at - own, at + size) for j, own, size in together if (at := offsets[j]) != _NOWHERE]
        barred += [(wall - part.size, wall) for part in self.blocks[index].parts for wall in self._walls]
        barred.sort()
        found = 0
        for low, high in barred:
            if low >= found:
                break
            if high > found:
                found = -(-high // ALIGN) * ALIGN
        return found

    @cached_property
    def _together(self) -> list[list[tuple[int, int, int]]]:
        """Of each block what other parts live at the same time as one of its own: their block, the size of the own part
        and theirs."""
        parts = [(i, part.size, part.first, part.last) for i, block in enumerate(self.blocks) for part in block.parts]
        found: list[list[tuple[int, int, int]]] = [[] for _ in self.blocks]
        for i, own, first, last in parts:
            found[i] += [(j, own, size) for j, size, begin, end in parts if j != i and begin <= last and first <= end]
        return found
