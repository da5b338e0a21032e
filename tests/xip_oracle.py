"""The flash cache written a second time, from the RP2040's datasheet (2.6.3.1) and docs/accuracy.md; nothing of m0sim.

A set is an `OrderedDict` from line to the words of it that were fetched, oldest use first.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

FLASH_BYTES = 2 << 20
NORMAL, NO_ALLOCATE, NO_LOOK, BYPASS = 0x10, 0x11, 0x12, 0x13


@dataclass
class Oracle:
    """16 KiB, two ways, 8-byte lines filled in words, unless said otherwise."""

    size: int = 16384
    ways: int = 2
    line_bytes: int = 8
    cost: int = 60
    code: int = 0
    """Words missed,"""
    data: int = 0
    hits: int = 0
    evictions: Counter[tuple[int, int]] = field(default_factory=Counter)
    """and of those by offset: of the word fetched again, of the word whose fetch had pushed it out."""

    def __post_init__(self) -> None:
        self.sets: list[OrderedDict[int, set[int]]] = [
            OrderedDict() for _ in range(self.size // self.line_bytes // self.ways)
        ]
        self.lost: dict[int, int] = {}

    def _where(self, address: int) -> tuple[int, int, int, OrderedDict[int, set[int]]]:
        segment, offset = divmod(address, 1 << 24)
        line = offset // self.line_bytes
        return segment, offset // 4 * 4, line, self.sets[line % len(self.sets)]

    def access(self, address: int, is_code: bool) -> int:
        segment, word, line, held = self._where(address)
        if address % (1 << 24) >= FLASH_BYTES or segment not in (NORMAL, NO_ALLOCATE, NO_LOOK, BYPASS):
            return 0
        if segment in (NORMAL, NO_ALLOCATE):
            if word in held.get(line, ()):
                held.move_to_end(line)
                self.hits += 1
                return 0
            if word in self.lost:
                self.evictions[word, self.lost[word]] += 1
        if segment in (NORMAL, NO_LOOK):
            if line not in held:
                if len(held) == self.ways:
                    _, gone = held.popitem(last=False)
                    self.lost |= dict.fromkeys(gone, word)
                held[line] = set()
            held[line].add(word)
            held.move_to_end(line)
            self.lost.pop(word, None)
        if is_code:
            self.code += 1
        else:
            self.data += 1
        return self.cost

    def state(self) -> list[list[tuple[int, frozenset[int]]]]:
        """By set: its lines, oldest use first, with the words that are there."""
        return [[(line, frozenset(words)) for line, words in held.items()] for held in self.sets]

    def is_settled(self, begin: int, end: int) -> bool:
        """Tried out on a copy: every word is a hit, and nothing is different afterwards."""
        copy = Oracle(self.size, self.ways, self.line_bytes, self.cost)
        touched = {}
        for address in range(begin // 4 * 4, end, 4):
            segment, _, line, held = self._where(address)
            if segment not in (NORMAL, NO_ALLOCATE) or address % (1 << 24) >= FLASH_BYTES:
                return False
            touched[line % len(self.sets)] = held
        for number, held in touched.items():
            copy.sets[number] = OrderedDict((line, set(words)) for line, words in held.items())
        before = [list(copy.sets[number].items()) for number in touched]
        for address in range(begin // 4 * 4, end, 4):
            last = next(reversed(copy._where(address)[3]), None)
            if copy.access(address, True) or last != copy._where(address)[2]:
                return False
        return before == [list(copy.sets[number].items()) for number in touched]
