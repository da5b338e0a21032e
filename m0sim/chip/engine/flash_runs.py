"""The runs of one call: the one that is counted, and those that say what waiting for flash adds to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from m0sim.chip.call import Call
from m0sim.chip.cost import Cost
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.exception_run import ExceptionRun
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.run import Run
from m0sim.chip.engine.snapshot import Snapshot
from m0sim.chip.engine.start import vector_table_of
from m0sim.chip.engine.timed_run import NeedsExceptions, TimedRun
from m0sim.chip.engine.unicorn_run import UnicornRun
from m0sim.chip.fault import Fault, Interrupted
from m0sim.chip.flash_cost import FlashCost
from m0sim.chip.options import Engine, FlashModel

if TYPE_CHECKING:
    from m0sim.chip.engine.held import Debugger

#: Instructions of a call up to which two more runs of it are no burden.
REPORT_LIMIT = 50_000_000
# How many times as long a run that waits may be: the core waits for less than a word or two in each cycle.
_LONGER = 1000


@dataclass(frozen=True, slots=True)
class FlashRuns:
    """Runs of one call on one chip. Each begins with the memory and the answers that the first one found."""

    chip: Emulator
    interpreter: Callable[[], Interpreter]
    progress: Callable[[int], None] | None
    with_exceptions: set[int] = field(default_factory=set)
    """Functions that were found to take exceptions, by address."""

    def counted(self, call: Call, engine: Engine, flash: FlashModel) -> Cost:
        """The call's cost, in which flash is as `flash` says. Raises the `Fault` of that run.

        With a warm cache, the run before it that leaves the cache warm gives `Cost.flash` its cold figures.
        """
        if flash != "warm" or self.chip.device.xip_cache is None:
            return self._run(call, engine, flash)
        begin = Snapshot(self.chip, call.stubs)
        cold, warnings = self._uncounted(call, "cold")
        begin.restore()
        return _with(self._run(call, engine, flash), cold, warnings)

    def reported(self, call: Call, engine: Engine, flash: FlashModel) -> Cost:
        """The same, with all of `Cost.flash`; memory is as the counted run left it.

        `Cost.flash` is None where the call never waits, and has no run in it where the call is longer than the limit.
        """
        begin = Snapshot(self.chip, call.stubs)
        cost = self.counted(call, engine, flash)
        has_both = cost.flash is not None and cost.flash.cold is not None and cost.flash.warm is not None
        if has_both or not self.chip.may_wait:
            return cost
        if cost.instructions > REPORT_LIMIT:
            return replace(cost, flash=cost.flash or FlashCost(flash, None, None))
        end = Snapshot(self.chip, call.stubs)
        again = replace(call, max_cycles=_LONGER * (cost.cycles + 1))
        try:
            if cost.flash is None:
                begin.restore()
                cold, warnings = self._uncounted(again, "cold")
                if cold.cold is not None and not cold.cold.waits:
                    return cost
                cost = _with(replace(cost, flash=FlashCost(flash, None, None)), cold, warnings)
            if cost.flash is not None and cost.flash.warm is None:
                begin.restore()
                cost = _with(cost, *self._uncounted(again, "warm"))
            return cost
        finally:
            end.restore()

    def _uncounted(self, call: Call, flash: FlashModel) -> tuple[FlashCost, tuple[str, ...]]:
        """What flash added to a run, and a warning where that is not known, because the run faults."""
        try:
            found = self._run(replace(call, level="cycles"), "timed", flash).flash
            assert found is not None
        except Interrupted:
            raise
        except Fault as fault:
            return FlashCost(flash, None, None), (f"with a {flash} flash cache, the call ends in a fault: {fault}",)
        return found, ()

    def executed(self, call: Call, engine: Engine, flash: FlashModel = "ideal") -> Run:
        """A run that has come to its end, with exceptions where the code takes some. Raises its `Fault`."""
        chip = self.chip
        if engine == "unicorn":
            return _executed(UnicornRun(chip, call, self.progress))
        vectors = vector_table_of(chip.image, chip.space, chip.started)
        timed = TimedRun(chip, self.interpreter(), call, self.progress, flash=flash, vector_table=vectors)
        if vectors is None:
            return _executed(timed)
        if call.entry.address not in self.with_exceptions:
            begin = Snapshot(chip, call.stubs)
            try:
                return _executed(timed)
            except NeedsExceptions:
                self.with_exceptions.add(call.entry.address)
                begin.restore()
        return _executed(ExceptionRun(chip, self.interpreter(), call, self.progress, vectors=vectors, flash=flash))

    def held(self, call: Call, debugger: Debugger, flash: FlashModel) -> Cost:
        """The call's cost, held by a debugger, which may have it begin anew. Raises its `Fault`."""
        from m0sim.chip.engine.debugged_call import DebuggedCall  # both only where somebody debugs
        from m0sim.chip.engine.held import Rewind

        chip, begin = self.chip, Snapshot(self.chip, call.stubs)
        vectors = vector_table_of(chip.image, chip.space, chip.started)
        while True:
            run = DebuggedCall(chip, self.interpreter(), call, self.progress, debugger, vectors=vectors, flash=flash)
            try:
                run.execute()
                run.check()
                return run.cost()
            except Rewind:
                begin.restore()

    def _run(self, call: Call, engine: Engine, flash: FlashModel) -> Cost:
        run = self.executed(call, engine, flash)
        cost = run.cost()
        run.check()
        return cost


def _executed(run: Run) -> Run:
    run.execute()
    return run


def _with(cost: Cost, more: FlashCost, warnings: tuple[str, ...]) -> Cost:
    """A cost with the runs of the flash that it does not have yet."""
    mine = cost.flash or more
    flash = replace(mine, cold=mine.cold or more.cold, warm=mine.warm or more.warm, waits=mine.waits or more.waits)
    return replace(cost, flash=flash, warnings=(*cost.warnings, *warnings))
