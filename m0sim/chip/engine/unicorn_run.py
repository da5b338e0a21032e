"""A run on Unicorn: slices, and where to go on after each stop."""

from __future__ import annotations

from collections.abc import Callable

from unicorn.arm_const import UC_ARM_REG_R0, UC_ARM_REG_SP

from m0sim.chip import isa
from m0sim.chip.call import Call
from m0sim.chip.engine import semihosting, trap
from m0sim.chip.engine.emulator import RETURN_ADDRESS, Emulator
from m0sim.chip.engine.run import Run
from m0sim.chip.fault import Fault
from m0sim.chip.native.layout import Stop
from m0sim.chip.stops import KIND_OF_STOP, Cause, FaultKind
from m0sim.ticker import ticking

# A call runs in slices: between two, Ctrl-C is looked at and progress is told. The first ends after so many cycles,
# which most calls do not reach. Then a thread ends them by the clock: code that rewrites itself runs a thousand times
# slower than a loop, and a call may turn from one into the other.
_FIRST_SLICE, _LATER_SLICES = 100_000, 1 << 60
_SLICE_SECONDS = 0.1


class UnicornRun(Run):
    """A call that Unicorn executes."""

    def __init__(self, emulator: Emulator, call: Call, progress: Callable[[int], None] | None = None) -> None:
        super().__init__(emulator, emulator, call, progress)
        self._slice_cycles = _FIRST_SLICE
        self._is_due = False  # the clock has ended a slice

    def _begin(self) -> None:
        self._chip.enter(self._registers, self._sp)
        self._counters.begin(self._call.entry.address, RETURN_ADDRESS, self._sp, self._stack_limit)

    # -- slices

    def _emulate(self) -> None:
        pc = self._call.entry.address
        while pc != RETURN_ADDRESS and self._counters.cycles < _FIRST_SLICE:
            pc = self._slice(pc, RETURN_ADDRESS)
        if pc != RETURN_ADDRESS:
            self._slice_cycles = _LATER_SLICES
            with ticking(self._end_slice, _SLICE_SECONDS):
                while pc != RETURN_ADDRESS:
                    pc = self._slice(pc, RETURN_ADDRESS)
        self._counters.end(RETURN_ADDRESS, block_is_complete=True)

    def _end_slice(self) -> None:
        """Called by the clock's thread: the block hook stops the run before the next block."""
        self._is_due = True
        self._counters.core.limit = -1

    def _slice(self, pc: int, until: int) -> int:
        """Emulate from `pc` until something happens, deal with it, and return where to go on."""
        if self._interrupt.came:
            raise self._interrupted(pc)
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
            at = self._counters.last_instruction
            self._counters.end(RETURN_ADDRESS, block_is_complete=True)
            raise self._even_return(at)
        if pc == until or self._halfword(pc - 2) != trap.WFI:
            return pc
        cause = Cause(FaultKind.ASLEEP, "WFI, and nothing is there to wake it", pc - 2)
        raise self._outcome().ended_by(cause, block_is_complete=False)

    def _after_trap(self, pc: int, error: int) -> int:
        traps = self._chip.traps
        if traps.is_breakpoint and self._halfword(pc) == semihosting.BKPT:
            return self._after_semihosting(pc)
        cause = traps.explain(self._chip.uc, pc, error, self._halfword)
        if cause.kind is FaultKind.SUPERVISOR_CALL:
            cause = self._supervisor_call(cause.address, "Unicorn takes no exceptions: --engine timed does")
        is_complete = cause.kind in trap.AT_TARGET and not self._counters.is_pending(pc)
        raise self._outcome().ended_by(cause, block_is_complete=is_complete)

    def _after_semihosting(self, pc: int) -> int:
        """A debugger halts the core and answers in no time: the BKPT takes no cycle and counts as no instruction."""
        chip = self._chip
        operation, parameter, *_ = chip.registers()
        answer = self._semihosting(operation, parameter, pc)
        self._counters.end(pc, block_is_complete=False)
        chip.uc.reg_write(UC_ARM_REG_R0, answer)
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
        if self._counters.cycles < self._call.max_cycles:
            return pc  # a slice is over
        raise self._limit(pc)

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
