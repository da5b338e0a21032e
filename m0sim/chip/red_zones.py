"""The bytes around each buffer that nobody may write: painted, and looked at after a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from m0sim.chip.banks import Bytes
from m0sim.chip.room import RED_ZONE, Allocation

View = Callable[[int, int], Bytes | None]
"""Address and size to the host's bytes there."""


def paint(view: View, allocation: Allocation) -> None:
    """Fill the zones of one buffer."""
    for address, zone in _zones(view, allocation):
        zone[:] = _pattern(address)


def overruns(view: View, allocations: Iterable[Allocation]) -> list[str]:
    """What was written outside the buffers, as sentences; the red zones are painted afresh."""
    found = []
    for allocation in allocations:
        for address, zone in _zones(view, allocation):
            changed = np.flatnonzero(zone != _pattern(address))
            if changed.size:
                found.append(_sentence(allocation, changed.tolist(), is_before=address < allocation.address))
        paint(view, allocation)
    return found


def _zones(view: View, allocation: Allocation) -> Iterator[tuple[int, Bytes]]:
    for address in (allocation.address - RED_ZONE, allocation.address + allocation.size):
        zone = view(address, RED_ZONE)
        if zone is not None:
            yield address, zone


def _pattern(address: int) -> Bytes:
    """Differs from byte to byte and from place to place, so that a copied red zone does not pass for its own."""
    offsets = np.arange(address, address + RED_ZONE, dtype=np.int64)
    return (offsets * 167 + (offsets >> 8) * 31 + 0x5B & 0xFF).astype(np.uint8)


def _sentence(allocation: Allocation, changed: list[int], *, is_before: bool) -> str:
    distance = RED_ZONE - 1 - changed[-1] if is_before else changed[0]
    side = "before" if is_before else "behind the end of"
    what = f"{distance} bytes {side}" if distance else f"directly {side}"
    written = "1 byte" if len(changed) == 1 else f"{len(changed)} bytes"
    if (0 if is_before else RED_ZONE - 1) in changed:
        written = f"at least {written}"  # what lies beyond the red zone is not watched
    return f"{written} written {what} {allocation.name} ({allocation.size} bytes)"
