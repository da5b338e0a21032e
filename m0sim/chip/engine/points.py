"""Where a debugger wants a run to stop, where it just did, and how far a run is to go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

NEVER = 1 << 62
"""A cycle that no run comes to."""


class Moment(NamedTuple):
    """A place in the order of what cores do: all that begins before is done, and nothing else.

    In one cycle, core 0 comes first.
    """

    cycle: int
    core: int = 0

    def before(self, core: int) -> int:
        """The cycle that a core comes to: what it begins before that is done."""
        return self.cycle + (core < self.core)

    @property
    def behind(self) -> Moment:
        """Where that core's turn in the cycle is over."""
        return Moment(self.cycle + self.core, 1 - self.core)


AT_LAST = Moment(NEVER)


@dataclass(frozen=True, slots=True)
class Watchpoint:
    """Bytes whose accesses stop the run before the instruction that makes them: so GDB wants it of an Arm."""

    address: int
    size: int
    loads: bool
    stores: bool


class Points:
    """Where a run is to stop, on all cores. A run asks `stops` where an instruction is watched."""

    def __init__(self) -> None:
        self.addresses: frozenset[int] = frozenset()
        self.watchpoints: tuple[Watchpoint, ...] = ()
        self.are_on = True
        """Whether breakpoints stop anything now."""
        self._passed: dict[int, tuple[int, int]] = {}
        self.hit: int | None = None
        """The core that came to a breakpoint."""
        self.at_bkpt: int | None = None
        """The core that stands at a BKPT,"""
        self.at_guard: int | None = None
        """or before an access that is watched."""

    def pass_by(self, core: int, pc: int, cycle: int) -> None:
        """What a core does at an instruction in this cycle was shown already."""
        self._passed[core] = pc, cycle

    def stops(self, core: int, pc: int, cycle: int) -> bool:
        """Whether control came to a breakpoint."""
        if not self.are_on or pc not in self.addresses or self._passed.get(core) == (pc, cycle):
            return False
        self.hit = core
        return True
