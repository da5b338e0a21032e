"""Backwards in time: a run is deterministic, so the past is a new run up to where one wants to be.

What the debugger changed on the way is done again at the same cycles. Nothing else is kept, so a step back takes as
long as the program took until there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from m0sim.chip.engine.held import Held, Rewind, Stopped

_NEAR = 64
"""Cycles: most instructions take less. Those that wait for flash, and a sleep, are looked for further back."""


class Way(Enum):
    """Where to go."""

    RESET = auto()
    """To the beginning, all changes forgotten."""
    STEP = auto()
    """To the instruction before a cycle."""
    CONTINUE = auto()
    """To the last breakpoint before a cycle."""
    TO = auto()
    """To a cycle that an instruction begins in."""


@dataclass(frozen=True, slots=True)
class _Change:
    cycle: int
    make: Callable[[Held], object]


@dataclass(frozen=True, slots=True)
class _Wanted:
    way: Way
    cycle: int
    stopped: Stopped
    near: int = _NEAR
    """How many cycles before `cycle` to look for the instruction before it."""


class History:
    """What was changed in a run, and where in it to go."""

    def __init__(self) -> None:
        self._changes: list[_Change] = []
        self._wanted: _Wanted | None = None

    @property
    def is_replaying(self) -> bool:
        """Whether what the program prints was printed before."""
        return self._wanted is not None

    def do(self, held: Held, change: Callable[[Held], bool]) -> bool:
        """Change something now, and in every run anew; whether it could be changed."""
        self.forget_after(held.now)
        self._changes.append(_Change(held.now, change))
        return change(held)

    def ask(self, held: Held, read: Callable[[Held], bytes], address: int) -> bytes:
        """Read something whose reading may change it: registers of devices."""
        if held.is_memory(address):
            return read(held)
        self.forget_after(held.now)
        self._changes.append(_Change(held.now, read))
        return read(held)

    def forget_after(self, now: int) -> None:
        """The program goes on from here: what was changed later, before a way back, is not made now."""
        self._changes = [change for change in self._changes if change.cycle <= now]

    def rewind(self, way: Way, cycle: int = 0) -> None:
        """Have the run begin anew and go there. Raises `Rewind`."""
        if way is Way.RESET:
            self._changes = []
        self._wanted = _Wanted(way, cycle, Stopped("step"))
        raise Rewind

    def replay(self, held: Held, place_points: Callable[[], None]) -> Stopped | None:
        """Go where it is wanted, in a run that begins anew; why it stands there, or None where nothing was wanted.

        Raises `Rewind` where that is now known, and already past.
        """
        wanted = self._wanted
        if wanted is None:
            return None
        if wanted.way is Way.STEP:
            before = self._boundary_before(held, wanted.cycle, wanted.near)
            if before is None:
                self._wanted = replace(wanted, near=64 * wanted.near)
                raise Rewind
            self._go_to(before, Stopped("step"))
        if wanted.way is Way.CONTINUE:
            place_points()
            last = self._last_breakpoint(held, wanted.cycle)
            self._go_to(last or 0, Stopped("end") if last is None else Stopped("breakpoint"))
        self._run_to(held, wanted.cycle)
        self._wanted = None
        return Stopped("interrupt") if wanted.way is Way.RESET else wanted.stopped

    def _go_to(self, cycle: int, stopped: Stopped) -> None:
        self._wanted = _Wanted(Way.TO, cycle, stopped)
        raise Rewind

    def _run_to(self, held: Held, cycle: int) -> None:
        """To a cycle, with the changes until then."""
        for change in self._changes:
            if change.cycle <= cycle:
                held.run_to(change.cycle)
                change.make(held)
        held.run_to(cycle)

    def _boundary_before(self, held: Held, cycle: int, near: int) -> int | None:
        """Where the last instruction before a cycle begins; None where it began before all that was looked at."""
        self._run_to(held, max(0, cycle - near))
        found = held.now if held.now < cycle else None
        while held.now < cycle and held.over() is None:
            found = held.now
            held.step()
        return found

    def _last_breakpoint(self, held: Held, cycle: int) -> int | None:
        last = None
        changes = iter([*self._changes, _Change(cycle, lambda _: None)])
        for change in changes:
            while held.now < min(change.cycle, cycle) and held.over() is None:
                stopped = held.go(lambda: False, until=min(change.cycle, cycle))
                if stopped.why in ("breakpoint", "watchpoint", "bkpt") and held.now < cycle:
                    last = held.now
            if held.now <= cycle:
                change.make(held)
        return last
