"""Backwards in time: a run is deterministic, so the past is a new run up to where one wants to be.

What the debugger changed on the way is done again at the same moments. Nothing else is kept, so a step back takes as
long as the program took until there. Both cores go back: where one stood, the other has one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from m0sim.chip.engine.held import Held, Rewind, Stopped
from m0sim.chip.engine.points import Moment

_NEAR = 64
"""Cycles: most instructions take less. Those that wait for flash, and a sleep, are looked for further back."""


_RESET = Moment(0)


class Way(Enum):
    """Where to go."""

    RESET = auto()
    """To the beginning, all changes forgotten."""
    STEP = auto()
    """To a core's instruction before a moment."""
    CONTINUE = auto()
    """To the last breakpoint before a moment."""
    TO = auto()
    """To a moment."""


@dataclass(frozen=True, slots=True)
class _Change:
    moment: Moment
    make: Callable[[Held], object]


@dataclass(frozen=True, slots=True)
class _Wanted:
    way: Way
    moment: Moment
    stopped: Stopped
    near: int = _NEAR
    """How many cycles before `moment` to look for the instruction before it."""


class History:
    """What was changed in a run, and where in it to go."""

    def __init__(self) -> None:
        self._changes: list[_Change] = []
        self._wanted: _Wanted | None = None

    @property
    def is_reset(self) -> bool:
        """Whether it goes to the beginning."""
        return self._wanted is not None and self._wanted.way is Way.RESET

    def do(self, held: Held, change: Callable[[Held], bool]) -> bool:
        """Change something now, and in every run anew; whether it could be changed."""
        self.forget_after(held.moment)
        self._changes.append(_Change(held.moment, change))
        return change(held)

    def ask(self, held: Held, read: Callable[[Held], bytes], address: int) -> bytes:
        """Read something whose reading may change it: registers of devices."""
        if held.is_memory(address):
            return read(held)
        self.forget_after(held.moment)
        self._changes.append(_Change(held.moment, read))
        return read(held)

    def forget_after(self, moment: Moment) -> None:
        """The program goes on from here: what was changed later, before a way back, is not made now."""
        self._changes = [change for change in self._changes if change.moment <= moment]

    def rewind(self, way: Way, moment: Moment = _RESET, core: int = 0) -> None:
        """Have the run begin anew and go there; a step is that of a core. Raises `Rewind`."""
        if way is Way.RESET:
            self._changes = []
        self._wanted = _Wanted(way, moment, Stopped("step", core=core))
        raise Rewind

    def replay(self, held: Held, place_points: Callable[[], None]) -> Stopped | None:
        """Go where it is wanted, in a run that begins anew; why it stands there, or None where nothing was wanted.

        Raises `Rewind` where that is now known, and already past.
        """
        wanted = self._wanted
        if wanted is None:
            return None
        if wanted.way is Way.STEP:
            before = self._boundary_before(held, wanted.moment, wanted.near, wanted.stopped.core)
            if before is None:
                self._wanted = replace(wanted, near=64 * wanted.near)
                raise Rewind
            self._go_to(before, wanted.stopped)
        if wanted.way is Way.CONTINUE:
            place_points()
            last = self._last_breakpoint(held, wanted.moment)
            self._go_to(*(last or (_RESET, Stopped("end"))))
        self._run_to(held, wanted.moment)
        self._wanted = None
        held.core = wanted.stopped.core
        return Stopped("interrupt") if wanted.way is Way.RESET else wanted.stopped

    def _go_to(self, moment: Moment, stopped: Stopped) -> None:
        self._wanted = _Wanted(Way.TO, moment, stopped)
        raise Rewind

    def _run_to(self, held: Held, moment: Moment) -> None:
        """To a moment, with the changes until then."""
        for change in self._changes:
            if change.moment <= moment:
                held.run_to(change.moment)
                change.make(held)
        held.run_to(moment)

    def _boundary_before(self, held: Held, moment: Moment, near: int, core: int) -> Moment | None:
        """Where a core's last instruction before a moment begins; None where it began before all that was looked at.

        Where the core is not there yet, that is the beginning.
        """
        begin = max(0, moment.cycle - near)
        self._run_to(held, Moment(begin))
        held.core, found = core, _RESET if begin == 0 else None
        while held.over() is None:
            at = Moment(held.now, core)
            if at >= moment:
                break
            found = at if held.is_between else found
            held.core = core
            held.step()
            held.core = core
        return found

    def _last_breakpoint(self, held: Held, moment: Moment) -> tuple[Moment, Stopped] | None:
        last = None
        for change in [*self._changes, _Change(moment, lambda _: None)]:
            until = min(change.moment, moment)
            while held.moment < until and held.over() is None:
                stopped = held.go(lambda: False, until=until)
                if stopped.why in ("breakpoint", "watchpoint", "bkpt") and held.moment < moment:
                    last = held.moment, Stopped("breakpoint", core=stopped.core)
            if held.moment <= moment:
                change.make(held)
        return last
