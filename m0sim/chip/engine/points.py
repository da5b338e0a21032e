"""Where a debugger wants a run to stop, and where it just did."""

from __future__ import annotations

NEVER = 1 << 62
"""A cycle that no run comes to."""


class Points:
    """Where a run is to stop. A run asks `stops` where an instruction is watched."""

    def __init__(self) -> None:
        self.addresses: set[int] = set()
        self.passing: int | None = None
        """An address where it just stood, and does not stop again."""
        self.hit: int | None = None
        self.at_bkpt = False
        self.at_guard = False

    def stops(self, pc: int) -> bool:
        """Whether control came to a breakpoint."""
        if pc not in self.addresses or pc == self.passing:
            return False
        self.hit = pc
        return True
