"""The lowest places for blocks of bytes that live for some time each: offsets, and no more bytes than need be.

Largest first, each at the lowest offset that is free while it lives, nearly always needs no more than the most that is
live at one time. Where it does, other orders are tried, always the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

ALIGN = 4
_TRIES = 8
_EXCHANGES = 100


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
        self._known: dict[tuple[int, int], Sequence[tuple[int, int]]] = {}

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
        places = _Places(self, order, [0] * len(self.blocks))
        for position, index in enumerate(order):
            places.offsets[index] = self._lowest(index, order[:position], places.offsets)
        return places

    def _lowest(self, index: int, there: Sequence[int], offsets: Sequence[int]) -> int:
        barred = []
        for other in there:
            at = offsets[other]
            barred += [(at - own, at + size) for own, size in self._together(index, other)]
        barred += [(wall - part.size, wall) for part in self.blocks[index].parts for wall in self._walls]
        at = 0
        for low, high in sorted(barred):
            if low >= at:
                break
            at = max(at, -(-high // ALIGN) * ALIGN)
        return at

    def _together(self, index: int, other: int) -> Sequence[tuple[int, int]]:
        """The sizes of those parts of two blocks that live at the same time: of the one, and of the other."""
        found = self._known.get((index, other))
        if found is None:
            pairs = ((a, b) for a in self.blocks[index].parts for b in self.blocks[other].parts)
            found = [(a.size, b.size) for a, b in pairs if a.first <= b.last and b.first <= a.last]
            self._known[index, other] = found
        return found
