"""A call that a debugger holds: it runs as firmware does, which stops exactly where it has to, with the same counts."""

from __future__ import annotations

from collections.abc import Callable

from m0sim.chip.call import Call
from m0sim.chip.engine.cores import OneCore
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.exception_run import ExceptionRun
from m0sim.chip.engine.held import Debugger, Held
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.points import Moment
from m0sim.chip.fault import Fault
from m0sim.chip.native.layout import Stop
from m0sim.chip.options import FlashModel
from m0sim.ticker import ticking

_SLICE_SECONDS = 0.1
_NO_VECTORS = 0


class DebuggedCall(ExceptionRun):
    """Such a call on its way."""

    def __init__(
        self,
        emulator: Emulator,
        interpreter: Interpreter,
        call: Call,
        progress: Callable[[int], None] | None,
        debugger: Debugger,
        *,
        vectors: int | None,
        flash: FlashModel,
    ) -> None:
        super().__init__(emulator, interpreter, call, progress, vectors=vectors or _NO_VECTORS, flash=flash)
        self._debugger = debugger
        self.cores = OneCore(self._processor)
        self._has_returned = False
        self._ended_by: Fault | None = None

    def _emulate(self) -> None:
        self._processor.halt_at_breakpoints(True)
        held = Held(self, self._chip)
        try:
            with ticking(self._end_slice, _SLICE_SECONDS):
                self._debugger.hold(held)
            held.let_go()
            self._processor.halt_at_breakpoints(False)
            if self._ended_by is not None:
                raise self._ended_by
            if not self._has_returned:
                super()._emulate()
        finally:
            self._processor.halt_at_breakpoints(False)
            self._engine.give_special()
            self._engine.end_firmware()

    # -- what a debugger asks of it

    def slice_until(self, moment: Moment) -> None:
        """Run until something happens, to that moment at the latest, and deal with it."""
        try:
            self._has_returned = self._slice(moment.before(0)) is Stop.RETURNED
        except Fault as fault:
            self._ended_by = fault

    def _holds(self, stop: Stop) -> bool:
        if stop is Stop.GUARD:
            self.points.at_guard = 0
        if stop is Stop.BREAKPOINT:
            self.points.at_bkpt = 0
        return stop in (Stop.GUARD, Stop.BREAKPOINT)

    def over(self) -> str | None:
        """How it ended, for a person; None as long as it goes on."""
        if self._ended_by is not None:
            return str(self._ended_by)
        return f"{self._call.entry.name} returned" if self._has_returned else None

    def is_interrupted(self) -> bool:
        """Whether Ctrl-C came."""
        return self._interrupt.came

    def end_by_debugger(self) -> None:
        """End it here, as Ctrl-C does."""
        if self.over() is None:
            self._ended_by = self._interrupted(self._engine.pc)

    def load(self, address: int, size: int) -> int | None:
        """What a register that the caller answers gives; None where there is none."""
        return self._chip.peripherals.load(address, size)

    def store(self, address: int, value: int, size: int) -> bool:
        """Store to such a register; False where there is none."""
        return bool(self._chip.peripherals.store(address, size, value))

    def place_points(self) -> None:
        """`points` has other addresses and watchpoints now."""
        self._engine.watch(self.points.addresses)
        self._processor.guard(self.points.watchpoints)

    def seconds(self) -> float:
        """Simulated time since its first instruction."""
        return self._chip.device.seconds(self._processor.now)
