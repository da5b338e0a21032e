"""The processor of firmware: the timed engine with exceptions, SysTick, NVIC and sleep.

The native core does all that by itself; what is here starts it, tells it what devices want, and shows what it counted.
`run` comes back where Python is needed: see `Processor.run`.

A bare program runs like this::

    emulator = Emulator(device.load("rp2040"), load_raw(code, 0x20000000), 1024)
    processor = Processor(emulator, Interpreter(emulator))
    processor.reset(sp=0x20040000, pc=0x20000100, vector_table=0x20000000)
    stop = processor.run(1_000_000)
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip import timing
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.points import Watchpoint
from m0sim.chip.native import layout
from m0sim.chip.native.layout import FaultCause, Stop
from m0sim.chip.native.library import CORE
from m0sim.chip.options import FlashModel
from m0sim.chip.results.instructions import by_instruction
from m0sim.chip.results.load import LoadCounts

_MAX_RATIO = 1 << 31
_CPUID = {"cortex-m0plus": 0x410CC601, "cortex-m0": 0x410CC200}  # DDI 0484C and DDI 0432C, CPUID; the RP2040's is r0p1
_VTOR_MASK = {"cortex-m0plus": 0xFFFFFF00, "cortex-m0": 0}  # DDI 0484C, table 4-1: bits 31 to 8; the M0 has none


@dataclass(frozen=True, slots=True)
class HardFault:
    """What led to a HardFault."""

    cause: FaultCause
    cycle: int
    pc: int
    """Of the instruction that did not run; where control came to no code, that address."""
    address: int | None
    """What the instruction accessed, if that was wrong."""
    size: int
    is_store: bool
    exception: int
    """Number of the exception that was active, 0 for none."""
    jumped_from: int | None
    """Who branched to where no code is, if that is known."""
    registers: tuple[int, ...]
    """r0 to r15 then."""


class Processor:
    """One core that runs firmware. Addresses, cycles and values are plain integers; a cycle is one of clk_sys."""

    def __init__(
        self,
        emulator: Emulator,
        interpreter: Interpreter,
        *,
        flash: FlashModel = "ideal",
        is_simple: bool = False,
        has_slow_buses: bool = True,
    ) -> None:
        """`is_simple` has the simple form execute every instruction: what tests compare the fast one with.

        Without `has_slow_buses`, accesses of devices take what those of memory take.

        The emulator is the firmware's from now on: calls on it would find what the firmware left.
        """
        self.interpreter = self._interpreter = interpreter
        self._flash: FlashModel = flash
        self._is_simple = is_simple
        self._tables = interpreter.counters.tables
        self.address = self._tables.address
        self.core: Any = self._tables.core
        self._core = self.core
        self._timed: Any = self._core.timed
        self._system: Any = self._core.system
        self._access: Any = self._timed.access
        self._answers: Any = self._access.answers
        self._has_begun = False
        ctypes.memset(ctypes.addressof(self._system), 0, ctypes.sizeof(self._system))  # of one before on this chip
        self._share_tables()
        self._describe(emulator, has_slow_buses)

    def _share_tables(self) -> None:
        for name, rows, dtype in (
            ("exceptions", layout.EXCEPTIONS, layout.EXCEPTION),
            ("tasks", layout.TASKS, layout.TASK),
            ("aside", layout.TASKS * layout.TASK_FRAMES, layout.FRAME),
            ("published", layout.PUBLISHED_ROWS, layout.PUBLISHED),
        ):
            self._tables.share(name, np.zeros(rows, dtype), self._system)

    def _describe(self, emulator: Emulator, has_slow_buses: bool) -> None:
        """What the part has, and what its exceptions take."""
        device, system = emulator.device, self._system
        table = timing.exception_timing(device)
        system.entry_cycles, system.saving_cycles = table.entry, table.saving
        system.return_cycles, system.tail_cycles = table.leaving, table.tail_chain
        system.cpuid, system.vtor_mask = _CPUID[device.core], _VTOR_MASK[device.core]
        system.has_unprivileged = device.core == "cortex-m0plus"
        for bus, shared in zip(device.buses if has_slow_buses else (), system.buses, strict=False):
            shared.base, shared.size = bus.base, bus.size
            shared.load_extra, shared.store_extra = max(bus.read_cycles - 2, 0), max(bus.write_cycles - 2, 0)
            system.bus_count += 1

    # -- running

    def reset(self, sp: int, pc: int, vector_table: int = 0, *, slept_until: int = 0) -> None:
        """Put the core in its state after a reset: Thread mode, privileged, MSP in use, nothing pending or enabled.

        The first one begins all counts. A later one leaves them and the time as they are. Up to `slept_until`, the core
        was off or asleep.
        """
        if not self._has_begun:
            self._interpreter.begin_firmware(pc & ~1, sp, flash=self._flash, is_simple=self._is_simple)
            self._has_begun = True
            self._tables["frames"]["entered"][0] = slept_until
        self.sleep_until(slept_until)
        timed = self._timed
        timed.r[:] = [0] * 13 + [sp & ~3, 0xFFFFFFFF, 0]
        timed.pc, timed.n, timed.z, timed.c, timed.v = pc & ~1, 0, 1, 0, 0
        timed.access.answered = timed.passes_watch = timed.passes_guards = 0
        CORE.m0_reset_system(self._tables.address)
        self._system.vtor = vector_table

    def sleep_until(self, cycle: int) -> None:
        """Time has passed for a core that was off or asleep."""
        if cycle > self._core.cycles:
            CORE.m0_sleep_until(self._tables.address, cycle)

    def share_published(self, other: Processor) -> None:
        """Registers that were published for another core of the chip are for this one, too."""
        self._tables.share("published", other._tables["published"], self._system)

    def begin_call(
        self, registers: Sequence[int], entry: int, sp: int, sp_limit: int, vector_table: int, return_address: int
    ) -> None:
        """Begin a function instead of a reset: it returns to `return_address`, where there is no memory.

        `run` then stops there with `Stop.FAULT`, as at every other fault.
        """
        self._interpreter.begin_firmware(entry, sp, sp_limit, flash=self._flash, hides_rom=True)
        self._has_begun = True
        self.reset(sp, entry, vector_table)
        self._timed.r[: len(registers)] = list(registers)
        self._timed.r[14] = return_address | 1
        self._tables["frames"]["return_address"][0] = return_address
        self._interpreter.take_special()
        self.stop_at_faults(True)

    def run(self, limit: int) -> Stop:
        """Run until Python is needed; `limit` is a cycle count. Returns why:

        * `LIMIT`: the limit was reached, or `end_slice` called. `DUE`: the cycle of `wake_at` was reached.
        * `ACCESS`: a load or store that nothing here answers, see `access`. `READ_ONLY`: a store to flash or ROM. Call
          `answer` or `refuse` before running on.
        * `ASLEEP`: nothing that could wake the core is known to come. `RESET`: firmware asked for one.
        * `PINS`: a watched pin has changed. `BREAKPOINT`: semihosting. `FAULT`: see `stop_at_faults`.
        * `LOCKUP`: a fault where none can be handled.
        * `PORT`, `WATCHED`, `DEPTH`: as core.h has them.
        """
        core = self._core
        self._timed.is_due = 0
        core.limit = limit
        while True:
            CORE.m0_run_firmware(self._tables.address)
            if core.stop != Stop.GROW:
                return Stop(core.stop)
            self._interpreter.grow()

    def end_slice(self) -> None:
        """Have `run` return soon. May be called from another thread."""
        self._timed.is_due = 1

    @property
    def number(self) -> int:
        """Of the core in its chip."""
        return int(self._core.number)

    @property
    def now(self) -> int:
        """Cycles since the first reset, sleep included; during an access, the cycle in which its instruction began."""
        return int(self._core.cycles)

    @property
    def pc(self) -> int:
        """The next instruction; during an access, the one that makes it."""
        return int(self._timed.pc)

    @property
    def registers(self) -> tuple[int, ...]:
        """r0 to r12, SP and LR as they are."""
        return self._interpreter.registers()

    @property
    def exception(self) -> int:
        """Number of the exception that executes, 0 in Thread mode."""
        return int(self._system.ipsr)

    @property
    def vector_table(self) -> int:
        """VTOR."""
        return int(self._system.vtor)

    @property
    def is_asleep(self) -> bool:
        """Whether it waits for an interrupt or event."""
        return bool(self._system.asleep)

    # -- accesses

    @property
    def access(self) -> Any:
        """After `Stop.ACCESS` and `Stop.READ_ONLY`: `address`, `size`, `is_store`, and the `value` of a store."""
        return self._access

    def answer(self, value: int = 0) -> None:
        """Let the access be made, as the device did; `value` is what a load gives. Bus cycles are counted already."""
        access = self._access
        self._answers[access.answered] = value & 0xFFFFFFFF
        access.answered += 1
        self._timed.passes_watch = 1

    def refuse(self) -> None:
        """Nothing is there: the access ends in a HardFault."""
        CORE.m0_hard_fault(self._tables.address, FaultCause.BUS)

    def pass_watched(self) -> None:
        """After `Stop.WATCHED`: let the instruction run."""
        self._timed.passes_watch = 1

    def answer_breakpoint(self, value: int) -> None:
        """After `Stop.BREAKPOINT`: go on behind it, with the debugger's answer in r0."""
        self._timed.r[0] = value & 0xFFFFFFFF
        self._timed.pc += 2

    def fault_breakpoint(self) -> None:
        """After `Stop.BREAKPOINT`: nobody answers; BKPT ends in a HardFault."""
        CORE.m0_hard_fault(self._tables.address, FaultCause.BREAKPOINT)

    # -- what devices ask for

    def set_line(self, number: int, level: bool) -> None:
        """The request line of interrupt `number`, 0 to 31.

        The interrupt pends while the line is high and it is not active; a rising edge pends even if it falls again.
        """
        _check_interrupt(number)
        CORE.m0_set_line(self._tables.address, number, level)

    @property
    def lines(self) -> int:
        """The request lines that are high, bit by interrupt."""
        return int(self._system.lines)

    def set_lines(self, lines: int) -> None:
        """Request lines as the reset that comes next finds them."""
        self._system.lines = lines

    def pulse(self, number: int) -> None:
        """A short request of interrupt `number`: it pends."""
        _check_interrupt(number)
        CORE.m0_pend_exception(self._tables.address, 16 + number)

    def pulse_nmi(self) -> None:
        """A request of the non-maskable interrupt."""
        CORE.m0_pend_exception(self._tables.address, 2)

    def wake_at(self, cycle: int | None) -> None:
        """Ask for `Stop.DUE` at that cycle, at the first instruction boundary not before it; None for never.

        While the core sleeps, or during an instruction that an exception can end, it stops exactly there. It does so
        again and again until another cycle is asked for.
        """
        self._system.wake_at = layout.NEVER if cycle is None else cycle

    def send_event(self) -> None:
        """SEV from outside: wakes from WFE."""
        self._system.event, self._system.is_idle = 1, 0

    def set_systick_clock(self, numerator: int, denominator: int) -> None:
        """SysTick's reference clock: so many ticks in so many cycles, from now on; 0 and 0 where there is none."""
        _check_ratio(numerator, denominator)
        CORE.m0_set_reference_clock(self._tables.address, numerator, denominator)

    def set_systick_calibration(self, value: int) -> None:
        """What SYST_CALIB reads as."""
        self._system.systick.calibration = value

    # -- published registers

    def publish(self, address: int, value: int, until: int | None = None) -> None:
        """Answer loads of a register natively, until a cycle (exclusive). Stores still stop the run.

        Raises ValueError where more registers were published than there is room for, 256.
        """
        self._publish(address, kind=1, value=value, until=layout.NEVER if until is None else until)

    def publish_counter(
        self, address: int, start: int, since: int, numerator: int, denominator: int, shift: int = 0
    ) -> None:
        """The same; loads give (start + (now - since) * numerator // denominator) >> shift, the low 32 bits of it.

        numerator and denominator are below 2^31. Raises ValueError as `publish`.
        """
        _check_ratio(numerator, denominator)
        ratio = {"numerator": numerator, "denominator": max(denominator, 1)}
        self._publish(address, kind=2, start=start, since=since, shift=shift, until=layout.NEVER, **ratio)

    def withdraw(self, address: int) -> None:
        """Have loads of a register stop the run again."""
        self._publish(address, kind=0)

    def _publish(self, address: int, **fields: int) -> None:
        if address % 4 or not address:
            raise ValueError(f"a register is at a multiple of 4, not at {address:#x}")
        row = layout.Published(address=address, **fields)
        if not CORE.m0_publish(self._tables.address, ctypes.byref(row)):
            raise ValueError(f"no room to publish {address:#x}: there are {layout.PUBLISHED_ROWS} registers already")

    # -- faults

    def stop_at_faults(self, is_wanted: bool) -> None:
        """Whether `run` returns `Stop.FAULT` before a HardFault's handler is entered."""
        self._system.stops_at_fault = is_wanted

    def halt_at_breakpoints(self, is_wanted: bool) -> None:
        """Whether every BKPT is `Stop.BREAKPOINT`, not semihosting alone: a debugger is there (DDI 0419, C1.6)."""
        self._system.halts_at_breakpoint = is_wanted

    def guard(self, watchpoints: Sequence[Watchpoint]) -> None:
        """`Stop.GUARD` before each access of these, eight at most: while there is one, the simple form executes."""
        timed = self._timed
        for guard, point in zip(timed.guards, watchpoints, strict=False):
            guard.base, guard.size = point.address, point.size
            guard.kinds = point.loads + 2 * point.stores
        timed.guard_count, timed.is_simple = len(watchpoints), bool(watchpoints) or self._is_simple

    @property
    def fault(self) -> HardFault | None:
        """The newest HardFault; None if there was none."""
        found = self._system.fault
        if found.count == 0:
            return None
        return HardFault(
            cause=FaultCause(found.cause),
            cycle=found.cycle,
            pc=found.pc,
            address=found.address if found.size else None,
            size=found.size,
            is_store=bool(found.is_store),
            exception=found.exception,
            jumped_from=getattr(found, "from") or None,
            registers=tuple(found.r),
        )

    @property
    def fault_count(self) -> int:
        """HardFaults so far, the one that locked up included."""
        return int(self._system.fault.count)

    # -- what was counted

    @property
    def exceptions(self) -> npt.NDArray[Any]:
        """`layout.EXCEPTION[48]`, by exception number: entries, cycles, latencies; core.h explains each.

        A copy, with the cycles of the one that executes up to now.
        """
        rows, system = self._tables["exceptions"].copy(), self._system
        if system.depth:
            newest = system.activations[system.depth - 1]
            rows["cycles"][newest.number] += self.now - newest.counted
        return rows

    def forget_latencies(self) -> None:
        """The least and the longest latencies are those of exceptions from now on."""
        rows = self._tables["exceptions"]
        rows["latency_min"], rows["latency_max"] = np.iinfo(np.int64).max, -1

    @property
    def tasks(self) -> npt.NDArray[Any]:
        """`layout.TASK[n]`: the threads that ran, the first one included. A copy, with the stack mark up to now."""
        rows = self._tables["tasks"][: self._system.task_count].copy()
        if self._timed.control & 2:
            rows["psp_low"][self._system.task] = self._core.sp_min
        if not self.exception:
            rows["cycles"][self._system.task] += self.now - self._system.thread_since
        return rows

    @property
    def msp_high(self) -> int:
        """Where the main stack begins: the highest value that MSP was set to."""
        return int(self._system.msp_high)

    def open_until(self) -> npt.NDArray[np.int64]:
        """By open frame, outermost first: the cycle up to which its code ran. What was preempted stands still."""
        system, until = self._system, np.full(self._core.depth, self.now, np.int64)
        begun = system.activations[: system.depth + system.is_entering]
        for activation in reversed(begun):
            until[: activation.floor] = activation.began
        return until

    @property
    def msp_low(self) -> int:
        """The main stack pointer at its lowest."""
        low = self._system.msp_low if self._timed.control & 2 else self._core.sp_min
        return int(min(low, self._system.msp_before))

    def take_stack_bytes(self) -> int:
        """How deep the main stack was at its deepest since this was last asked for; the first time, since reset."""
        low = int(CORE.m0_take_stack_low(self._tables.address))
        return max(self.msp_high - low, 0)

    @property
    def sleep_cycles(self) -> int:
        """Cycles that the core slept for."""
        return int(self._system.sleep_cycles)

    def begin_load(self) -> None:
        """`load` is what comes from now on."""
        CORE.m0_begin_load(self._tables.address)

    def load(self) -> LoadCounts:
        """What the core did over time, up to now."""
        CORE.m0_settle_load(self._tables.address)
        load = self._system.load
        return LoadCounts(1 << load.shift, np.array(load.asleep, np.int64), np.array(load.handlers, np.int64))

    @property
    def overhead_cycles(self) -> int:
        """Cycles that exception entry, tail-chaining and return took: no instruction has them."""
        return int(self._system.overhead_cycles)

    @property
    def vector_stalls(self) -> int:
        """Of these, cycles that entry waited for vectors in flash."""
        return int(self._system.vector_stalls)

    @property
    def tasks_refused(self) -> int:
        """Times that a thread found no room for its calls."""
        return int(self._system.tasks_refused)

    @property
    def abandoned(self) -> tuple[int, int]:
        """Instructions that an exception ended and that began again, and the cycles that this cost."""
        return int(self._system.abandoned), int(self._system.abandoned_cycles)

    def executed(self) -> npt.NDArray[Any]:
        """What ran: rows of `layout.EXECUTED`, one for each instruction, by address."""
        return by_instruction(self._interpreter.executed())


def _check_interrupt(number: int) -> None:
    if not 0 <= number < 32:
        raise ValueError(f"interrupts are 0 to 31, not {number}")


def _check_ratio(numerator: int, denominator: int) -> None:
    if not (0 <= numerator < _MAX_RATIO and 0 <= denominator < _MAX_RATIO):
        raise ValueError(f"{numerator}/{denominator}: both must be at least 0 and below 2^31")
