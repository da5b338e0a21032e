"""A call whose code takes exceptions: it does SVC, or uses the registers of NVIC, SCB or SysTick.

It runs as firmware does, on a `Processor` with the image's vector table, from the function's first instruction to its
return in Thread mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from m0sim.chip.call import Call
from m0sim.chip.cost import Cost
from m0sim.chip.engine import faults
from m0sim.chip.engine.emulator import RETURN_ADDRESS, Emulator
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.processor import Processor
from m0sim.chip.engine.timed_run import TimedRun
from m0sim.chip.fault import Fault
from m0sim.chip.native.layout import FaultCause, Stop
from m0sim.chip.options import FlashModel
from m0sim.chip.stops import FaultKind

_KINDS = {
    FaultCause.UNALIGNED: FaultKind.UNALIGNED,
    FaultCause.BUS: FaultKind.UNMAPPED,
    FaultCause.UNDEFINED: FaultKind.UNDEFINED,
    FaultCause.SUPERVISOR: FaultKind.SUPERVISOR_CALL,
    FaultCause.BREAKPOINT: FaultKind.BREAKPOINT,
    FaultCause.FETCH: FaultKind.NOT_CODE,
    FaultCause.ARM_STATE: FaultKind.ARM_STATE,
}


class ExceptionRun(TimedRun):
    """Such a call on its way."""

    def __init__(
        self,
        emulator: Emulator,
        interpreter: Interpreter,
        call: Call,
        progress: Callable[[int], None] | None = None,
        *,
        vectors: int,
        flash: FlashModel = "ideal",
    ) -> None:
        """`vectors` is the address of the vector table."""
        super().__init__(emulator, interpreter, call, progress, flash=flash)
        self._vectors = vectors
        self._processor = Processor(emulator, interpreter, flash=flash, has_slow_buses=flash != "ideal")

    def _begin(self) -> None:
        self._processor.begin_call(
            self._registers, self._call.entry.address, self._sp, self._stack_limit, self._vectors, RETURN_ADDRESS
        )

    def _emulate(self) -> None:
        try:
            super()._emulate()
        finally:
            self._engine.end_firmware()

    def cost(self) -> Cost:
        """The same, with a line on the cycles that no function has."""
        cost, overhead = super().cost(), self._processor.overhead_cycles
        note = f"{overhead:,} cycles are of entering exceptions and returning from them: no function has those"
        return replace(cost, warnings=(*cost.warnings, note)) if overhead else cost

    def _bus_stalls(self, address: int, is_store: bool) -> int:
        return 0  # the core has counted them

    def _vector_stalls(self) -> int:
        return self._processor.vector_stalls

    def _go(self, limit: int) -> Stop:
        stop = self._processor.run(limit)
        if stop is Stop.FAULT:
            fault = self._processor.fault
            has_returned = fault is not None and fault.cause is FaultCause.FETCH and not fault.exception
            return Stop.RETURNED if has_returned and self._engine.pc == RETURN_ADDRESS else stop
        return Stop.SLEEP if stop is Stop.ASLEEP else stop

    def _fault(self, stop: Stop) -> Fault:
        fault = self._processor.fault
        if fault is None or stop not in (Stop.FAULT, Stop.LOCKUP):
            return super()._fault(stop)
        self._core.stop_address = fault.pc
        return self._ended(
            _KINDS.get(fault.cause, FaultKind.EXCEPTION), faults.text(fault, self._place, self._halfword)
        )

    def _place(self, address: int) -> str:
        function, entry = self._counters.functions.around(address)
        return f"{function}+{address - entry:#x}"
