"""A run that a debugger holds: it stands still between two instructions, and goes on when it is told to.

Whoever runs something gives a `Held` to the `Debugger` before the first instruction; when the debugger lets go, the run
goes on to its end. What it counts is what it counts without a debugger: stops are between instructions, and take no
time.

Of two cores, all instructions have their order (`native/cores.c`), and a stop is a place in it, a `Moment`: what comes
before it is done on both, and nothing behind it. No core goes on alone, for that would be another order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.points import AT_LAST, Moment, Watchpoint
from m0sim.chip.engine.processor import Processor
from m0sim.chip.engine.standing import Run, Standing

MOST_WATCHPOINTS = 8
_BKPT = 0xBE

Why = Literal["step", "breakpoint", "watchpoint", "bkpt", "fault", "interrupt", "end"]


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a run stands still."""

    why: Why
    detail: str = ""
    """One line for a person; empty where there is nothing to say."""
    watchpoint: Watchpoint | None = None
    core: int = 0
    """Of which core that is."""


class Debugger(Protocol):
    """Who holds a run."""

    def hold(self, held: Held) -> None:
        """Do with it what a person wants; when this returns, the run goes on to its end. May raise `Rewind`."""


class Rewind(Exception):  # no error
    """The run is to begin anew: whoever began it does so, with the same debugger."""


def _never() -> bool:
    return False


class Held(Standing):
    """A run that stands still, and can go on."""

    def __init__(self, run: Run, chip: Emulator) -> None:
        super().__init__(run, chip)
        self._faults = [0, 0]  # that each core had and somebody saw
        self.stops_at_faults = True
        run.points.pass_by(0, self.pc, self.now)

    # -- where it is

    @property
    def moment(self) -> Moment:
        """Where it stands in the order of what cores do: whose turn it is, and in which cycle."""
        awake = [
            Moment(self._began(processor), number)
            for number, processor in enumerate(self._cores.present())
            if processor is not None and not processor.core.system.is_idle
        ]
        return min(awake, default=Moment(self._cores.now))

    @property
    def is_between(self) -> bool:
        """Whether the core stands between two things that it does: not in the middle of one, nor in a sleep."""
        return self.is_there and not self.is_asleep and not self._is_under_way(self._processor)

    def over(self) -> str | None:
        """How the run ended; None as long as it goes on."""
        return self._run.over()

    def is_interrupted(self) -> bool:
        """Whether Ctrl-C came, of whoever watches the run."""
        return self._run.is_interrupted()

    def _began(self, processor: Processor) -> int:
        """The cycle in which what it stands before began: fetching it may have taken some."""
        is_guarded = self._run.points.at_guard == processor.number
        return int(processor.core.timed.began) if is_guarded else processor.now

    # -- going on

    def set_breakpoints(self, addresses: set[int]) -> None:
        """All of them, without the Thumb bit."""
        self._run.points.addresses = frozenset(addresses)
        self._run.place_points()

    def set_watchpoints(self, watchpoints: list[Watchpoint]) -> None:
        """All of them, `MOST_WATCHPOINTS` at most: while there is one, the simple form executes."""
        self._run.points.watchpoints = tuple(watchpoints)
        self._run.place_points()

    def step(self, is_asked: Callable[[], bool] = _never) -> Stopped:
        """One instruction of the core; or the entry of an exception, or all of a sleep.

        The other core does what comes before that, and before what this one does next. It may come to a stop of its own
        first: see `Stopped.core`.
        """
        core = self.core
        self._leave()
        self._run.points.pass_by(core, self.pc, self.now)
        stopped = self._step(core, is_asked) or self._catch_up(core) or Stopped("step", core=core)
        return self._stand(stopped)

    def _step(self, core: int, is_asked: Callable[[], bool]) -> Stopped | None:
        place = self.now, self.pc
        while self.is_there and ((self.now, self.pc) == place or self._is_under_way(self._processor)):
            if self._processor.core.system.is_idle:
                break
            found = self._slice(Moment(self.now, core).behind)
            if found is not None or is_asked():
                return found or Stopped("interrupt", core=core)
        return self._sleep(core, is_asked)

    def _sleep(self, core: int, is_asked: Callable[[], bool]) -> Stopped | None:
        """On until the core does not sleep, or wait in the boot ROM, any more."""
        while not self.is_there or self.is_asleep:
            self._cores.stops_at_launch = not self.is_there
            self._processor.core.system.stops_awake = self.is_there
            found = self._slice(AT_LAST)
            self._cores.stops_at_launch = False
            self._processor.core.system.stops_awake = 0
            if found is not None or is_asked():
                return found or Stopped("interrupt", core=core)
        return None

    def _catch_up(self, core: int) -> Stopped | None:
        """Have the other core do what comes before the next turn of this one; at a breakpoint, it stops before that."""
        while len(self._cores.present()) > 1 and not self._has_come_to(Moment(self.now, core)):
            found = self._slice(Moment(self.now, core))
            if found is not None:
                return None if found.why == "breakpoint" else found  # the breakpoint stops it when it goes on
        return None

    def go(self, is_asked: Callable[[], bool], until: Moment = AT_LAST) -> Stopped:
        """On to a breakpoint, a watchpoint, a fault or the end; or to where `is_asked`, which is asked now and then."""
        self._leave()
        while True:
            found = self._slice(until)
            if found is not None:
                return self._stand(found)
            if self._is_answered:
                continue
            if self._has_come_to(until):
                return self._stand(Stopped("step", core=self.moment.core))
            if is_asked():
                return self._stand(Stopped("interrupt", core=self.core if self.is_there else 0))

    def run_to(self, moment: Moment) -> None:
        """On to a moment, or the next one behind it, whatever is in between."""
        points = self._run.points
        points.are_on = False
        while self._run.over() is None:
            self._leave()
            if not self._is_answered and self._has_come_to(moment):
                break
            self._run.slice_until(moment)
        points.are_on = True
        self._leave()
        self._found()
        self._stand(Stopped("step", core=self.moment.core))

    def let_go(self) -> None:
        """Nothing stops the run any more."""
        self.set_breakpoints(set())
        self.set_watchpoints([])
        self._leave()

    def end(self) -> None:
        """End the run here, as Ctrl-C does."""
        self._run.end_by_debugger()

    def _has_come_to(self, moment: Moment) -> bool:
        for number, processor in enumerate(self._cores.present()):
            if processor is not None:
                is_idle = processor.core.system.is_idle
                if processor.now < (moment.cycle if is_idle else moment.before(number)):
                    return False
        return True

    @property
    def _is_answered(self) -> bool:
        """Whether a device has answered an instruction, which makes its access when it goes on."""
        return any(
            processor is not None and processor.core.timed.access.answered for processor in self._cores.present()
        )

    @staticmethod
    def _is_under_way(processor: Processor) -> bool:
        """Whether it is in the middle of an instruction, or of entering an exception or returning from one."""
        system, timed = processor.core.system, processor.core.timed
        has_begun = timed.access.answered or timed.passes_watch
        return bool(has_begun or system.is_entering or system.returns_to or system.partial)

    def _slice(self, moment: Moment) -> Stopped | None:
        self._run.slice_until(moment)
        return self._found()

    def _stand(self, stopped: Stopped) -> Stopped:
        """Look at the core that stopped. What it shows of where it stands is not shown again when it goes on."""
        self.core = stopped.core
        moment = self.moment
        if not self._is_answered:
            self._cores.look_from(moment.core)
        self._run.points.pass_by(self.core, self.pc, self.now)
        return stopped

    def _leave(self) -> None:
        """A BKPT that a core stands at is done with, and so is an access that a watchpoint told of."""
        points = self._run.points
        if points.at_bkpt is not None:
            processor = self._cores.present()[points.at_bkpt]
            if processor is not None and self._chip.space.halfword(processor.pc) >> 8 == _BKPT:
                processor.core.timed.pc += 2
        if points.at_guard is not None:
            processor = self._cores.present()[points.at_guard]
            if processor is not None and processor.core.timed.guard_hit:
                processor.core.timed.passes_guards, processor.core.timed.guard_hit = 1, 0
        points.at_bkpt = points.at_guard = points.hit = None

    def _found(self) -> Stopped | None:
        """What happened, if a debugger wants to know it."""
        points, over = self._run.points, self._run.over()
        running = self._cores.running
        core = running.number
        if over is not None:
            return Stopped("end", over, core=core)
        if points.at_guard is not None:
            number = running.core.timed.guard_hit - 1
            return Stopped("watchpoint", "", points.watchpoints[number], core=points.at_guard)
        for number, processor in enumerate(self._cores.present()):
            if processor is not None and processor.fault_count > self._faults[number]:
                self._faults[number] = processor.fault_count
                if self.stops_at_faults:
                    fault = processor.fault
                    what = "" if fault is None else f"HardFault, {fault.cause.name.lower()}"
                    return Stopped("fault", what, core=number)
        if points.at_bkpt is not None:
            return Stopped("bkpt", core=points.at_bkpt)
        return Stopped("breakpoint", core=points.hit) if points.hit is not None else None
