"""A run on the timed engine: slices, and where to go on after each stop."""

from __future__ import annotations

from collections.abc import Callable

from m0sim.chip import output
from m0sim.chip.call import Call
from m0sim.chip.engine import patches, semihosting, trap
from m0sim.chip.engine.emulator import RETURN_ADDRESS, Emulator
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.points import NEVER, Points
from m0sim.chip.engine.run import Run
from m0sim.chip.fault import Fault
from m0sim.chip.native.layout import Stop
from m0sim.chip.options import FlashModel
from m0sim.chip.stops import KIND_OF_STOP, Cause, FaultKind
from m0sim.ticker import ticking

# Between two slices Ctrl-C is looked at and progress is told. Code that runs slowly is stopped by the clock.
_SLICE_CYCLES = 20_000_000
_SLICE_SECONDS = 0.1
_PPB, _PPB_SHIFT = 0xE000E, 12  # the private peripheral bus: NVIC, SCB, SysTick (DDI 0419, B3.2.1)
_KINDS = {"outside": FaultKind.OUTSIDE, "uninitialised": FaultKind.UNINITIALISED}


class NeedsExceptions(Exception):  # no error: nobody outside of the engine sees one
    """Control came to SVC, or to a register of NVIC, SCB or SysTick: only an `ExceptionRun` goes on there."""


class TimedRun(Run):
    """A call that the interpreter executes."""

    def __init__(
        self,
        emulator: Emulator,
        interpreter: Interpreter,
        call: Call,
        progress: Callable[[int], None] | None = None,
        *,
        flash: FlashModel = "ideal",
        is_simple: bool = False,
        vector_table: int | None = None,
    ) -> None:
        """With the address of a vector table, `execute` raises `NeedsExceptions` where the code takes one."""
        super().__init__(emulator, interpreter, call, progress)
        self._engine = interpreter
        self._flash = flash
        self._is_simple = is_simple
        self._vector_table = vector_table
        self._core = emulator.counters.core
        self.points = Points()

    def _begin(self) -> None:
        if self._call.level == "memory":
            self._counters.begin_traffic(self._chip.heap.handed_out)
        self._engine.begin(
            self._registers,
            self._call.entry.address,
            self._sp,
            self._stack_limit,
            flash=self._flash,
            tracks=self._call.level == "memory",
            is_simple=self._is_simple,
        )

    def check(self) -> None:
        """The same; and for findings that the caller asked to fail on."""
        super().check()
        if self._call.fail_on and self._call.level == "memory":
            found = [f for f in self.cost().findings if f.kind in self._call.fail_on]
            if found:
                more = f"; and {len(found) - 1} more such instructions" if len(found) > 1 else ""
                cause = Cause(_KINDS[found[0].kind], f"{found[0].kind}: {found[0].what}{more}", found[0].address)
                raise self._outcome().fault(cause)

    def _emulate(self) -> None:
        try:
            stop = self._slice()
            if stop is Stop.LIMIT:
                with ticking(self._end_slice, _SLICE_SECONDS):
                    while stop is not Stop.RETURNED:
                        stop = self._slice()
            while stop is not Stop.RETURNED:
                stop = self._slice()
        finally:
            self._engine.give_special()

    def _end_slice(self) -> None:
        self._core.timed.is_due = 1

    def _go(self, limit: int) -> Stop:
        return self._engine.run(limit)

    def _slice(self, horizon: int = NEVER) -> Stop:
        """Run until something happens, cycle `horizon` at the latest, and deal with it."""
        if self._interrupt.came:
            raise self._interrupted(self._engine.pc)
        self._core.timed.is_due = 0
        stop = self._go(min(self._call.max_cycles, horizon, self._counters.cycles + _SLICE_CYCLES))
        if stop is Stop.LIMIT:
            self._after_slice()
        elif stop is Stop.GROW:
            self._engine.grow()
        elif stop is Stop.ACCESS:
            self._answer_access()
        elif stop is Stop.WATCHED:
            self._see()
        elif stop is Stop.BREAKPOINT and self._halfword(self._engine.pc) == semihosting.BKPT:
            self._answer_semihosting()
        elif stop is not Stop.RETURNED and not self._holds(stop):
            raise self._fault(stop)
        return stop

    def _holds(self, stop: Stop) -> bool:
        """Whether a debugger holds the run at such a stop."""
        return False

    def _after_slice(self) -> None:
        if self._counters.cycles >= self._call.max_cycles:
            raise self._limit(self._engine.pc)
        if self._progress is not None and self._counters.cycles >= _SLICE_CYCLES:
            self._progress(self._counters.cycles)

    # -- what Python answers

    def _answer_access(self) -> None:
        """A load or store where no memory is: a peripheral's register, or a fault."""
        access = self._core.timed.access
        address, size, peripherals = access.address, access.size, self._chip.peripherals
        if access.is_store:
            answer = 0 if peripherals.store(address, size, access.value & (1 << 8 * size) - 1) else None
        else:
            answer = peripherals.load(address, size)
        if answer is None:
            if address >> _PPB_SHIFT == _PPB:
                self._need_exceptions()
            reason = trap.unmapped(bool(access.is_store), size, address, self._chip.traps.absent(address))
            raise self._ended(FaultKind.UNMAPPED, reason)
        access.answers[access.answered] = answer
        access.answered += 1
        if self._flash != "ideal":
            access.stalls += self._bus_stalls(address, bool(access.is_store))
        self._core.timed.passes_watch = 1

    def _bus_stalls(self, address: int, is_store: bool) -> int:
        """Cycles beyond the two that an access of memory without wait states takes."""
        for bus in self._chip.device.buses:
            if bus.base <= address < bus.end:
                return (bus.write_cycles if is_store else bus.read_cycles) - 2
        return 0

    def _see(self) -> None:
        """An instruction that something here waits for: a stub, `sbrk` or `_write`."""
        if self.points.stops(0, self._engine.pc, self._counters.cycles):
            return
        chip, pc, timed = self._chip, self._engine.pc, self._core.timed
        registers = self._engine.registers()
        for stub in chip.stubs:
            if stub.symbol.address == pc:
                r0, r1, r2, r3, *_, sp, lr = registers
                words = patches.answer(chip, stub, (r0, r1, r2, r3), sp, lr)
                timed.r[: len(words)] = words
        if pc in chip.heap.watched:
            chip.heap.see(pc, registers.__getitem__)
            self._counters.byte_states.hand_out(*chip.heap.handed_out, registers[13])
            if chip.heap.collision:
                raise self._outcome().ended_by(chip.heap.collision)
        if any(s.address == pc for s in chip.image.symbols if s.name == output.WRITE and s.kind == "function"):
            chip.output.see(*registers[:3])
        timed.passes_watch = 1

    def _answer_semihosting(self) -> None:
        pc = self._engine.pc
        operation, parameter, *_ = self._engine.registers()
        self._core.timed.r[0] = self._semihosting(operation, parameter, pc)
        self._core.timed.pc = pc + 2

    # -- exceptions

    @property
    def _tracks(self) -> bool:
        return self._call.level == "memory"

    def _need_exceptions(self) -> None:
        """Raises `NeedsExceptions` where the call can run anew with them."""
        if self._vector_table is not None and not self._tracks:
            raise NeedsExceptions

    # -- faults

    def _fault(self, stop: Stop) -> Fault:
        at, access, halfword = int(self._core.stop_address), self._core.timed.access, self._halfword
        what = f"{'store' if access.is_store else 'load'} of {access.size} bytes"
        match stop:
            case Stop.UNALIGNED:
                return self._ended(FaultKind.UNALIGNED, f"unaligned {what} at {access.address:#010x}")
            case Stop.READ_ONLY:
                return self._ended(FaultKind.READ_ONLY, trap.read_only(access.size, access.address))
            case Stop.SLEEP:
                return self._ended(FaultKind.ASLEEP, "WFI, and nothing is there to wake it")
            case Stop.SUPERVISOR:
                self._need_exceptions()
                return self._outcome().ended_by(self._supervisor_call(at, "at level memory there are no exceptions"))
            case Stop.BREAKPOINT:
                return self._outcome().ended_by(self._chip.traps.breakpoint(at, halfword(at) & 0xFF))
            case Stop.JUMP:
                return self._ended(FaultKind.NOT_CODE, trap.jump_to(at, self._chip.traps.absent(at)))
            case Stop.ARM_STATE if at == RETURN_ADDRESS:
                return self._even_return(int(access.address))
            case Stop.ARM_STATE:
                return self._ended(FaultKind.ARM_STATE, trap.to_arm_state(at))
            case Stop.PORT:
                reason = f"I/O port register {self._core.port.fault_offset:#05x} is not modelled"
                return self._ended(KIND_OF_STOP[stop], reason)
            case _:
                return self._outcome().ended_by(self._cause(stop, at))

    def _ended(self, kind: FaultKind, reason: str) -> Fault:
        return self._outcome().ended_by(Cause(kind, reason, int(self._core.stop_address)))
