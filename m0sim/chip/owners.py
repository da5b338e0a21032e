"""Whose each byte of memory is: what traffic is counted by at level ``memory``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from m0sim.chip.memory import AddressSpace
from m0sim.chip.pages import PAGE, Pages
from m0sim.image import Image, Range

_ELSEWHERE = "(elsewhere)"
_HEAP = "(heap)"
_STACK = "(stack)"
_MOST = np.iinfo(np.uint16).max


@dataclass(frozen=True, eq=False, slots=True)
class Owners:
    """Symbols, buffers and memories by number."""

    names: tuple[str, ...]
    """By number; 0 is what belongs to none."""
    at: npt.NDArray[np.uint16]
    """By row of `Pages.byte`, the number of the owner."""
    stack: int
    """The stack's number. It owns no byte for good: who is below SP changes."""


class OwnersOfRuns:
    """The owners at the start of one run after the other: what the memories, the heap and the image claim stays."""

    def __init__(self, space: AddressSpace, image: Image, pages: Pages) -> None:
        self._space, self._image, self._pages = space, image, pages
        self._heap: Range | None = None
        self._names: list[str] = []
        self._at = np.zeros(0, np.uint16)

    def now(self) -> Owners:
        """Number the owners, and map every byte to the one it belongs to; of several, the most particular."""
        heap = self._space.heap_span()
        if not self._names or heap != self._heap:
            self._heap, self._names, self._at = heap, [_ELSEWHERE], np.zeros(self._pages.count * PAGE, np.uint16)
            self._claim(self._names, self._at, _claims(self._space, self._image, heap))
        names, at = self._names.copy(), self._at.copy()
        self._claim(names, at, ((a.address, a.size, a.name) for a in self._space.allocations))
        return Owners((*names, _STACK), at, stack=len(names))

    def _claim(self, names: list[str], at: npt.NDArray[np.uint16], claims: Iterable[tuple[int, int, str]]) -> None:
        for address, size, name in claims:
            if self._pages.has(address) and len(names) < _MOST:
                first = self._pages.byte(address)
                at[first : first + size] = len(names)
                names.append(name)


def _claims(space: AddressSpace, image: Image, heap: Range | None) -> Iterable[tuple[int, int, str]]:
    """Address, bytes and name of all but buffers; later ones are part of what earlier ones claim."""
    yield from ((bank.base, bank.size, f"({bank.kind})") for bank in space.banks)
    if heap is not None:
        yield heap[0], heap[1] - heap[0], _HEAP
    yield from ((s.address, s.size, f"{s.name} (literals)") for s in image.functions)
    yield from ((s.address, s.size, s.name) for s in image.symbols if s.kind == "object" and s.size)
