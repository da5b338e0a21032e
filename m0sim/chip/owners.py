"""Whose each byte of memory is: what traffic is counted by at level ``memory``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from m0sim.chip.memory import AddressSpace
from m0sim.chip.pages import PAGE, Pages
from m0sim.image import Image

_ELSEWHERE = "(elsewhere)"
_HEAP = "(heap)"
_STACK = "(stack)"


@dataclass(frozen=True, eq=False, slots=True)
class Owners:
    """Symbols, buffers and memories by number."""

    names: tuple[str, ...]
    """By number; 0 is what belongs to none."""
    at: npt.NDArray[np.uint16]
    """By row of `Pages.byte`, the number of the owner."""
    stack: int
    """The stack's number. It owns no byte for good: who is below SP changes."""


def owners_of(space: AddressSpace, image: Image, pages: Pages) -> Owners:
    """Number the owners, and map every byte to the one it belongs to; of several, the most particular."""
    names = [_ELSEWHERE]
    at = np.zeros(pages.count * PAGE, np.uint16)
    for address, size, name in _claims(space, image):
        if pages.has(address) and len(names) < np.iinfo(np.uint16).max:
            first = pages.byte(address)
            at[first : first + size] = len(names)
            names.append(name)
    return Owners((*names, _STACK), at, stack=len(names))


def _claims(space: AddressSpace, image: Image) -> Iterable[tuple[int, int, str]]:
    """Address, bytes and name; later ones are part of what earlier ones claim."""
    yield from ((bank.base, bank.size, f"({bank.kind})") for bank in space.banks)
    heap = space.heap_span()
    if heap is not None:
        yield heap[0], heap[1] - heap[0], _HEAP
    yield from ((s.address, s.size, f"{s.name} (literals)") for s in image.functions)
    yield from ((s.address, s.size, s.name) for s in image.symbols if s.kind == "object" and s.size)
    yield from ((a.address, a.size, a.name) for a in space.allocations)
