"""One run, from the first instruction to the return: what is the same on both engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from m0sim.chip import arguments, isa, output
from m0sim.chip.bootrom.rom import LOOKED_AT
from m0sim.chip.call import Call
from m0sim.chip.cost import Cost
from m0sim.chip.engine import semihosting, trap
from m0sim.chip.engine.emulator import RETURN_ADDRESS, Emulator
from m0sim.chip.engine.interrupt import Interrupt
from m0sim.chip.engine.outcome import Cpu, Outcome
from m0sim.chip.engine.start import vector_table_of
from m0sim.chip.fault import Fault
from m0sim.chip.native.layout import Stop
from m0sim.chip.stops import KIND_OF_STOP, Cause, FaultKind
from m0sim.errors import UsageError

_BLANK = (b"\xde\xde", b"\xff\xff")  # SRAM and flash that nothing was written to


class Run(ABC):
    """One call on its way. `execute` it, then ask for its `cost`, then `check` it."""

    def __init__(self, emulator: Emulator, cpu: Cpu, call: Call, progress: Callable[[int], None] | None = None) -> None:
        """`progress` is told the cycles so far, now and then. Raises `UsageError` for too many arguments."""
        self._chip = emulator
        self._cpu = cpu
        self._counters = emulator.counters
        self._call = call
        self._progress = progress
        self._registers, self._stack = arguments.place(call.words)
        self._sp = (emulator.space.stack_top & ~7) - (len(self._stack) + 7 & ~7)
        self._stack_limit = emulator.space.stack_limit  # at first: a heap that grows moves it
        if self._sp < self._stack_limit:
            raise UsageError(f"{len(self._stack)} bytes of arguments do not fit on the stack")
        self._semihosting_calls = 0
        self._interrupt = Interrupt()

    def execute(self) -> None:
        """Run until the call returns. Raises the `Fault` that stops it, and what a function of the host raised."""
        chip, counters = self._chip, self._counters
        if self._stack:
            chip.write(self._sp, self._stack)
        self._begin()
        chip.peripherals.begin_run()
        chip.heap.clear()
        chip.output.clear()
        chip.is_running = True
        try:
            with self._interrupt:
                self._emulate()
        finally:
            chip.is_running = False
        counters.close_frames()
        chip.heap.look(counters.stack_low, self._call.entry.address)
        chip.is_initialised |= self._call.entry == chip.image.initialiser

    @abstractmethod
    def _begin(self) -> None:
        """Set registers and counters for the call."""

    @abstractmethod
    def _emulate(self) -> None:
        """Run until it returns, all of it counted; or raise."""

    def cost(self) -> Cost:
        """What the run cost."""
        return self._outcome().cost()

    def check(self) -> None:
        """Raises `Fault` for what no correct code does, although it returned; for too many cycles, and for Ctrl-C."""
        entry, heap = self._call.entry.address, self._chip.heap
        if self._interrupt.came:  # too late to stop this call, but a loop around it must end
            raise self._outcome().fault(Cause(FaultKind.INTERRUPTED, "interrupted", entry))
        if self._counters.cycles > self._call.max_cycles:  # the last block began before it
            raise self._outcome().fault(self._call.limit_at(entry))
        if heap.collision:
            raise self._outcome().fault(heap.collision)
        overruns = self._chip.space.overruns()
        if overruns:
            raise self._outcome().fault(Cause(FaultKind.RED_ZONE, "; ".join(overruns), entry))

    def _outcome(self) -> Outcome:
        return Outcome(
            self._chip,
            self._cpu,
            self._call,
            self._sp,
            len(self._stack),
            self._semihosting_calls,
            self._vector_stalls(),
        )

    def _vector_stalls(self) -> int:
        """Cycles that fetching vectors from flash waited: no instruction has those."""
        return 0

    # -- semihosting

    def _semihosting(self, operation: int, parameter: int, at: int) -> int:
        """What r0 is after ``BKPT 0xAB`` at an address. Raises `Fault` where it is not answered."""
        chip = self._chip
        is_noted = chip.output.listens and any(name == output.WRITE for name, _ in self._counters.call_stack())
        try:
            answer = semihosting.answer(operation, parameter, chip, None if is_noted else chip.output)
        except UsageError as error:
            answer = f"semihosting operation {operation:#04x}: {error}"
        if isinstance(answer, str):
            raise self._outcome().ended_by(Cause(FaultKind.BREAKPOINT, answer, at), block_is_complete=False)
        self._semihosting_calls += 1
        return answer

    def _interrupted(self, pc: int) -> Fault:
        return self._outcome().ended_by(Cause(FaultKind.INTERRUPTED, "interrupted", pc))

    def _limit(self, pc: int) -> Fault:
        return self._outcome().ended_by(self._call.limit_at(pc))

    def _even_return(self, at: int) -> Fault:
        """Bit 0 of the return address was lost: a Cortex-M0+ comes back from the call with a HardFault."""
        function, entry = self._counters.functions.around(at)
        self._counters.close_frames()
        reason = f"return to an even address, which asks for Arm state, by {function}+{at - entry:#x}"
        cause = Cause(FaultKind.ARM_STATE, reason, RETURN_ADDRESS)
        return self._outcome().fault(cause, [(self._call.entry.name, RETURN_ADDRESS)])

    # -- why an instruction did not run

    def _supervisor_call(self, at: int, why: str) -> Cause:
        """SVC that is no exception; `why` is the reason where the image has vectors."""
        chip = self._chip
        has_vectors = vector_table_of(chip.image, chip.space, chip.started) is not None
        reason = f"SVC #{self._halfword(at) & 0xFF}, and {why if has_vectors else 'the image has no vector table'}"
        return Cause(FaultKind.SUPERVISOR_CALL, reason, at)

    def _cause(self, stop: Stop, at: int) -> Cause:
        """Why the core did not begin the instruction at `at`."""
        if stop is Stop.DATA and self._chip.space.has_own_boot_rom and at < LOOKED_AT:
            return Cause(FaultKind.NOT_CODE, trap.jump_to(at, trap.HIDDEN), at)
        if stop in (Stop.INVALID, Stop.DATA) and self._is_blank(at):
            return Cause(FaultKind.NOT_CODE, "execution reached memory that holds no code", at)
        reasons = {
            Stop.INVALID: self._undefined(at),
            Stop.DATA: "execution reached data",
            Stop.STACK: self._stack_message(),
            Stop.DEPTH: "more than 65,536 calls are open",
        }
        return Cause(KIND_OF_STOP[stop], reasons[stop], at)

    # -- words

    def _undefined(self, at: int) -> str:
        said = isa.describe_undefined(self._halfword(at), self._halfword(at + 2))
        made_for = self._chip.image.compiled_for
        return f"{said}: the image was compiled for {made_for}, say -mcpu=cortex-m0plus" if made_for else said

    def _stack_message(self) -> str:
        space = self._chip.space
        top, limit = space.stack_top, space.stack_limit
        free = f"stack overflow: more than the {top - limit:,} bytes that are free below {top:#x}"
        below = space.name_below_stack()
        return f"{free}, down to {below}" if below else free

    def _is_blank(self, address: int) -> bool:
        """True where nothing was ever written: what is there by chance looks like an instruction, UDF #222."""
        place = self._chip.device.resolve(address)
        if any(s.address <= place < s.address + len(s.data) for s in self._chip.image.segments):
            return False
        view = self._chip.space.view(address, 2)
        return view is None or bytes(view) in _BLANK

    def _halfword(self, address: int) -> int:
        return self._chip.space.halfword(address)
