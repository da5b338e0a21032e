"""What firmware prints while it runs: kept, shown as it comes, and looked through for what is waited for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from m0sim.chip.run_cost import Printed

_KEPT = 1 << 20
"""Bytes of each source."""

OnOutput = Callable[[str, bytes], None]
"""Called with the source, a device or ``semihosting``, and what it sent."""


@dataclass(slots=True)
class Output:
    """What the firmware printed, by source."""

    wanted: bytes
    show: OnOutput | None
    kept: dict[str, bytearray] = field(default_factory=dict)
    dropped: int = 0
    first_cycle: int | None = None
    has_wanted: bool = False

    def add(self, source: str, data: bytes, cycle: int) -> None:
        """Keep it, show it, and look for what is waited for."""
        if not data:
            return
        if self.first_cycle is None:
            self.first_cycle = cycle
        kept = self.kept.setdefault(source, bytearray())
        begin = max(0, len(kept) - len(self.wanted) + 1)
        kept += data
        self.has_wanted |= bool(self.wanted) and self.wanted in kept[begin:]
        if len(kept) > _KEPT:
            self.dropped += len(kept) - _KEPT
            del kept[_KEPT:]
        if self.show is not None:
            self.show(source, data)

    def printed(self) -> tuple[Printed, ...]:
        """All that is kept."""
        return tuple(Printed(source, bytes(data)) for source, data in self.kept.items())
