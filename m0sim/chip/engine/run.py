"""One run, from the first instruction to the return: slices, and where to go on after each stop."""

from __future__ import annotations

from collections.abc import Callable

from unicorn.arm_const import UC_ARM_REG_R0, UC_ARM_REG_SP

from m0sim.chip import arguments, isa, output
from m0sim.chip.call import Call
from m0sim.chip.cost import Cost
from m0sim.chip.engine import semihosting, trap
from m0sim.chip.engine.emulator import RETURN_ADDRESS, Emulator
from m0sim.chip.engine.interrupt import Interrupt
from m0sim.chip.engine.outcome import Outcome
from m0sim.chip.fault import Fault
from m0sim.chip.native.layout import Stop
from m0sim.chip.stops import KIND_OF_STOP, Cause, FaultKind
from m0sim.errors import UsageError
from m0sim.ticker import ticking

# A call runs in slices: between two, Ctrl-C is looked at and progress is told. The first ends after so many cycles,
# which most calls do not reach. Then a thread ends them by the clock: code that rewrites itself runs a thousand times
# slower than a loop, and a call may turn from one into the other.
_FIRST_SLICE, _LATER_SLICES = 100_000, 1 << 60
_SLICE_SECONDS = 0.1
_BLANK = (b"\xde\xde", b"\xff\xff")  # SRAM and flash that nothing was written to


class Run:
    """One call on its way. `execute` it, then ask for its `cost`, then `check` it."""

    def __init__(self, emulator: Emulator, call: Call, progress: Callable[[int], None] | None = None) -> None:
        """`progress` is told the cycles so far, between slices. Raises `UsageError` for too many arguments."""
        self._chip = emulator
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
        self._slice_cycles = _FIRST_SLICE
        self._is_due = False  # the clock has ended a slice

    def execute(self) -> None:
        """Run until the call returns. Raises the `Fault` that stops it, and what a function of the host raised."""
        chip, counters = self._chip, self._counters
        if self._stack:
            chip.write(self._sp, self._stack)
        chip.enter(self._registers, self._sp)
        counters.begin(self._call.entry.address, RETURN_ADDRESS, self._sp, self._stack_limit)
        chip.peripherals.begin_run()
        chip.heap.clear()
        chip.output.clear()
        with self._interrupt:
            self._emulate()
        counters.end(RETURN_ADDRESS, block_is_complete=True)
        counters.close_frames()
        chip.heap.look(counters.stack_low, self._call.entry.address)
        chip.is_initialised |= self._call.entry == chip.image.initialiser

    def cost(self) -> Cost:
        """What the run cost."""
        return self._outcome().cost()

    def check(self) -> None:
        """Raises `Fault` for what no correct code does, although it returned; and for Ctrl-C."""
        entry, heap = self._call.entry.address, self._chip.heap
        if self._interrupt.came:  # too late to stop this call, but a loop around it must end
            raise self._outcome().fault(Cause(FaultKind.INTERRUPTED, "interrupted", entry))
        if heap.collision:
            raise self._outcome().fault(heap.collision)
        overruns = self._chip.space.overruns()
        if overruns:
            raise self._outcome().fault(Cause(FaultKind.RED_ZONE, "; ".join(overruns), entry))

    def _outcome(self) -> Outcome:
        return Outcome(self._chip, self._call, self._sp, len(self._stack), self._semihosting_calls)

    # -- slices

    def _emulate(self) -> None:
        pc = self._call.entry.address
        while pc != RETURN_ADDRESS and self._counters.cycles < _FIRST_SLICE:
            pc = self._slice(pc, RETURN_ADDRESS)
        if pc == RETURN_ADDRESS:
            return
        self._slice_cycles = _LATER_SLICES
        with ticking(self._end_slice, _SLICE_SECONDS):
            while pc != RETURN_ADDRESS:
                pc = self._slice(pc, RETURN_ADDRESS)

    def _end_slice(self) -> None:
        """Called by the clock's thread: the block hook stops the run before the next block."""
        self._is_due = True
        self._counters.core.limit = -1

    def _slice(self, pc: int, until: int) -> int:
        """Emulate from `pc` until something happens, deal with it, and return where to go on."""
        if self._interrupt.came:
            raise self._outcome().ended_by(Cause(FaultKind.INTERRUPTED, "interrupted", pc))
        if self._is_due and self._progress is not None:
            self._progress(self._counters.cycles)
        self._is_due = False
        core = self._counters.core
        core.stop = Stop.NONE
        core.limit = min(self._call.max_cycles, self._counters.cycles + self._slice_cycles)
        error = self._chip.emulate(pc, until)
        return self._after(Stop(core.stop), self._chip.pc, error, until)

    def _after(self, stop: Stop, pc: int, error: int, until: int) -> int:
        """Where to go on. What Python's hooks noticed comes before what the core and the emulator say."""
        chip = self._chip
        if chip.windows.is_refused:
            # Of this, the next two and traps: the rest of the block may have run, and is not counted.
            raise self._outcome().ended_by(chip.windows.refusal(), block_is_complete=False)
        if chip.heap.collision:
            raise self._outcome().ended_by(chip.heap.collision, block_is_complete=False)
        if stop is Stop.PORT:
            raise self._port_fault()
        if chip.traps.happened or error:
            return self._after_trap(pc, error)
        if stop is Stop.NONE:
            return self._after_halt(pc, until)
        if trap.is_arm_state(chip.uc):
            cause = Cause(FaultKind.ARM_STATE, trap.to_arm_state(pc), pc)
            raise self._outcome().ended_by(cause, block_is_complete=not self._counters.is_pending(pc))
        return self._after_stop(pc, stop)

    # -- stops of the emulator

    def _after_halt(self, pc: int, until: int) -> int:
        """The emulator came back by itself: the call returned, or the code sleeps."""
        if pc == RETURN_ADDRESS and trap.is_arm_state(self._chip.uc):
            raise self._even_return()
        if pc == until or self._halfword(pc - 2) != trap.WFI:
            return pc
        cause = Cause(FaultKind.ASLEEP, "WFI, and nothing is there to wake it", pc - 2)
        raise self._outcome().ended_by(cause, block_is_complete=False)

    def _even_return(self) -> Fault:
        """Bit 0 of the return address was lost: a Cortex-M0+ comes back from the call with a HardFault."""
        at = self._counters.last_instruction
        function, entry = self._counters.functions.around(at)
        self._counters.end(RETURN_ADDRESS, block_is_complete=True)
        self._counters.close_frames()
        reason = f"return to an even address, which asks for Arm state, by {function}+{at - entry:#x}"
        cause = Cause(FaultKind.ARM_STATE, reason, RETURN_ADDRESS)
        return self._outcome().fault(cause, [(self._call.entry.name, RETURN_ADDRESS)])

    def _after_trap(self, pc: int, error: int) -> int:
        traps = self._chip.traps
        if traps.is_breakpoint and self._halfword(pc) == semihosting.BKPT:
            return self._after_semihosting(pc)
        cause = traps.explain(self._chip.uc, pc, error, self._halfword)
        is_complete = cause.kind in trap.AT_TARGET and not self._counters.is_pending(pc)
        raise self._outcome().ended_by(cause, block_is_complete=is_complete)

    def _after_semihosting(self, pc: int) -> int:
        """A debugger halts the core and answers in no time: the BKPT takes no cycle and counts as no instruction."""
        chip = self._chip
        operation, parameter, *_ = chip.registers()
        is_noted = chip.output.listens and any(name == output.WRITE for name, _ in self._counters.call_stack())
        try:
            answer = semihosting.answer(operation, parameter, chip, None if is_noted else chip.output)
        except UsageError as error:
            answer = f"semihosting operation {operation:#04x}: {error}"
        if isinstance(answer, str):
            raise self._outcome().ended_by(Cause(FaultKind.BREAKPOINT, answer, pc), block_is_complete=False)
        self._counters.end(pc, block_is_complete=False)
        chip.uc.reg_write(UC_ARM_REG_R0, answer)
        self._semihosting_calls += 1
        return pc + 2

    # -- stops of the core

    def _port_fault(self) -> Fault:
        core = self._counters.core
        reason = f"I/O port register {core.port.fault_offset:#05x} is not modelled"
        return self._outcome().ended_by(
            Cause(KIND_OF_STOP[Stop.PORT], reason, core.stop_address), block_is_complete=False
        )

    def _after_stop(self, pc: int, stop: Stop) -> int:
        """The block hook ended the run before the block at `pc`."""
        at = int(self._counters.core.stop_address)
        if stop is Stop.GROW:
            self._counters.grow(pc)
            return pc
        if stop is Stop.SP_WRITE:
            begin, end = self._chip.hooks.watch_sp_writes()
            self._chip.uc.ctl_remove_cache(begin, end + 2)  # the instruction behind it, too
            return pc
        if stop is Stop.LIMIT:
            return self._after_limit(pc)
        if stop is Stop.STACK and not self._counters.is_idle:
            raise self._bad_sp(pc)
        if stop in (Stop.INVALID, Stop.DATA) or at != pc:
            self._run_up_to(pc, at)
        raise self._outcome().ended_by(self._cause(stop, at))

    def _after_limit(self, pc: int) -> int:
        limit = self._call.max_cycles
        if self._counters.cycles < limit:
            return pc  # a slice is over
        raise self._outcome().ended_by(
            Cause(KIND_OF_STOP[Stop.LIMIT], f"the limit of {limit:,} cycles was reached", pc)
        )

    def _cause(self, stop: Stop, at: int) -> Cause:
        """Why the core did not begin the instruction at `at`."""
        if stop in (Stop.INVALID, Stop.DATA) and self._is_blank(at):
            return Cause(FaultKind.NOT_CODE, "execution reached memory that holds no code", at)
        reasons = {
            Stop.INVALID: trap.describe_undefined(self._halfword(at), self._halfword(at + 2)),
            Stop.DATA: "execution reached data",
            Stop.STACK: self._stack_message(),
            Stop.DEPTH: "more than 65,536 calls are open",
        }
        return Cause(KIND_OF_STOP[stop], reasons[stop], at)

    def _run_up_to(self, pc: int, address: int) -> None:
        """Emulate the part of a block that lies before a bad instruction, so that it counts and can fault itself."""
        while pc < address:
            self._chip.uc.ctl_remove_cache(pc, address)
            pc = self._slice(pc, address)

    def _bad_sp(self, pc: int) -> Fault:
        """The hook behind an instruction that wrote SP found it too low, or too low for what follows in the block.

        The instructions between it and the PUSH or SUB SP that is too much have not run, but count as if they had.
        """
        limit, core = self._chip.space.stack_limit, self._counters.core
        sp = self._chip.uc.reg_read(UC_ARM_REG_SP)
        at = pc
        if sp < limit:
            is_msr = self._halfword(pc - 4) & 0xFFF0 == 0xF380 and self._halfword(pc - 2) & 0xFF00 == 0x8800
            at -= 4 if is_msr else 2
        else:
            lowest = core.sp_min
            while sp >= limit:
                lowest = min(lowest, sp)
                sp += int(isa.FIRST[self._halfword(at), isa.SP_CHANGE])
                at += 4 if isa.is_wide(self._halfword(at)) else 2
            at -= 2  # PUSH and SUB SP are 16-bit instructions
            core.sp_min = lowest
        cause = Cause(KIND_OF_STOP[Stop.STACK], self._stack_message(), at)
        return self._outcome().ended_by(cause, block_is_complete=False)

    # -- words

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
