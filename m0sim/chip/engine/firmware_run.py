"""A run of whole firmware: slices of the interpreter, what devices answer in between, and what ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.devices.board import Board
from m0sim.chip.devices.host import Reach
from m0sim.chip.engine import faults, semihosting
from m0sim.chip.engine.cores import Cores
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.held import Debugger, Held
from m0sim.chip.engine.host import SLICE_WITH_PINS, ChipHost
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.interrupt import Interrupt
from m0sim.chip.engine.points import AT_LAST, Moment, Points
from m0sim.chip.engine.printed import Output
from m0sim.chip.engine.processor import Processor
from m0sim.chip.engine.recorder import Recorder
from m0sim.chip.engine.run_counts import RunCounts
from m0sim.chip.engine.stack_marks import StackMarks
from m0sim.chip.engine.start import Start
from m0sim.chip.engine.world import NEVER, World
from m0sim.chip.native import layout
from m0sim.chip.native.layout import FaultCause, Stop
from m0sim.chip.run_cost import ChipReset, Exit, ExitReason, HeapSize
from m0sim.errors import UsageError
from m0sim.ticker import ticking

_SLICE_CYCLES = 20_000_000
_SLICE_SECONDS = 0.1
_EXITS = ("_exit", "_Exit", "__exit", "_sys_exit")
"""What programs end in: newlib's and picolibc's, IAR's, Arm's. r0 is the exit code."""
_FAULTS_KEPT = 20
_LOOK_CYCLES = 100_000
"""After a fault: so often it is looked whether it led to an endless loop, at cycles that no slice has a part in."""
MOST_RESETS = 100
"""Of a chip that only boots again and again, nobody wants to see more."""
_HARD_FAULT = 3
_BRANCH_TO_ITSELF = 0xE7FE


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is asked for; addresses of functions and instructions without the Thumb bit."""

    seconds: Fraction | None
    """Simulated time after which it ends."""
    until: int | None
    """Address at which it ends."""
    until_output: bytes
    begin: int | None
    """Address at which counting begins; at reset where None."""
    end: int | None
    """Address at which counting, and the run, ends then."""
    max_cycles: int
    pins: bool
    """Whether what the pins do is noted."""
    draws_pins: bool = False
    """Whether what they do is for a timeline, too, if there is one."""
    quantum: int = 1
    """Cycles less one that a core may run ahead of the other."""
    contention: bool = False
    """Whether masters of the bus fabric hold each other up."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of."""

    chip: Emulator
    interpreter: Interpreter
    cores: Cores
    board: Board
    host: ChipHost
    output: Output
    world: World
    recorder: Recorder | None = None
    """Where a timeline is wanted."""


class FirmwareRun:
    """A run on its way: `begin` it, then `execute` it."""

    def __init__(
        self,
        parts: Parts,
        wanted: Wanted,
        mark: Callable[[], RunCounts],
        progress: Callable[[int], None] | None,
        debugger: Debugger | None = None,
    ) -> None:
        """`mark` gives the counts up to now; `progress` is told the cycles so far, now and then."""
        self._debugger = debugger
        self.points = Points()
        self._chip, self._cores, self._board = parts.chip, parts.cores, parts.board
        self._interpreter, self._host, self._output = parts.interpreter, parts.host, parts.output
        self._world, self._recorder = parts.world, parts.recorder
        self._wanted, self._mark, self._progress = wanted, mark, progress
        self._last: int | None = None
        self._looks_at = NEVER
        self.marks = StackMarks()
        self._board.clock.watch(self._retime)
        self._interrupt = Interrupt()
        self._end: Exit | None = None
        functions = [s for s in self._chip.image.symbols if s.kind == "function"]
        self._exits = {s.address: s.name for s in functions if s.name in _EXITS}
        self.before: RunCounts | None = None
        """What was counted before `Wanted.begin` was come to."""
        self.faults: list[str] = []
        """What led to each HardFault, the first of them."""
        self.heap: list[HeapSize] = []
        self.resets: list[ChipReset] = []
        """Those after the first."""
        self._pins: list[npt.NDArray[Any]] = []
        self._steps: list[npt.NDArray[Any]] = []

    @property
    def _processor(self) -> Processor:
        """The core that runs."""
        return self._cores.running

    @property
    def pins(self) -> npt.NDArray[Any]:
        """What the pins did, if that was wanted: rows of `layout.PIN_CHANGE`."""
        return np.concatenate([np.zeros(0, layout.PIN_CHANGE), *self._pins])

    @property
    def steps(self) -> npt.NDArray[Any]:
        """Where PIO's state machines went, if pins were wanted: rows of `layout.PIO_STEP`."""
        return np.concatenate([np.zeros(0, layout.PIO_STEP), *self._steps])

    def missed(self) -> tuple[str, ...]:
        """What was waited for and did not come before the run ended, one line each."""
        wanted, came = self._wanted, self._end is not None and self._end.reason in ("until", "output")
        waited = [] if came else [a for a in (wanted.until, wanted.end) if a is not None]
        lines = [f"{self._name(address)} was not reached" for address in waited]
        if wanted.until_output and not came:
            lines.append(f"{wanted.until_output.decode('utf-8', 'replace')!r} was not printed")
        if wanted.begin is not None and self.before is None:
            lines.append(f"{self._name(wanted.begin)} was not reached: the figures are of all that ran since reset")
        return tuple(lines)

    def begin(self, start: Start, again: Callable[[], Start], second: Start | None) -> None:
        """Reset all cores and all devices. `again` is asked where later resets begin; it may raise `UsageError`.

        `second` is where core 1 begins, if there is one.
        """
        self._again, self._second = again, second
        self._interpreter.also_watched = self._cores.watched = self.watched()
        if self._wanted.begin is None:
            self._record()
        self._cores.first.reset(start.sp, start.pc, start.vector_table)
        self._cores.first.stop_at_faults(True)
        self._cores.begin(second)
        if self._wanted.begin is None:
            self.marks.begin(0, self._cores.all)
        self._board.bus.reset()
        self._world.advance(self._processor.now)

    def _record(self) -> None:
        """A timeline, if one is wanted, begins here."""
        if self._recorder is None:
            return
        self._recorder.begin(self._cores.first.interpreter)
        if self._cores.second is not None:
            self._recorder.begin(self._cores.second.interpreter)

    def watched(self) -> frozenset[int]:
        """Addresses of instructions that it waits for."""
        wanted = (self._wanted.until, self._wanted.begin, self._wanted.end)
        return frozenset({*self._exits, *(address for address in wanted if address is not None)})

    def execute(self) -> Exit:
        """Run until something ends it. Raises what a function of the host's raised."""
        self._chip.is_running = True
        try:
            with self._interrupt, ticking(self._cores.end_slice, _SLICE_SECONDS):
                if self._debugger is not None:
                    self._be_held(self._debugger)
                while self._end is None:
                    self._slice()
        finally:
            self._chip.is_running = False
        return self._end

    # -- held by a debugger

    def _be_held(self, debugger: Debugger) -> None:
        held = Held(self, self._chip)
        self._cores.halt_at_breakpoints(True)
        debugger.hold(held)
        held.let_go()
        self._cores.halt_at_breakpoints(False)

    @property
    def cores(self) -> Cores:
        return self._cores

    def slice_until(self, moment: Moment) -> None:
        """Run until something happens, to that moment at the latest, and deal with it."""
        self._slice(moment)

    def place_points(self) -> None:
        """`points` has other addresses and watchpoints now."""
        self._cores.watch(self.points.addresses, self.points.watchpoints)

    def over(self) -> str | None:
        """How it ended, for a person; None as long as it goes on."""
        return None if self._end is None else f"{self._end.reason}: {self._end.detail}"

    def is_interrupted(self) -> bool:
        """Whether Ctrl-C came."""
        return self._interrupt.came

    def end_by_debugger(self) -> None:
        """End it here."""
        if self._end is None:
            self._ends("interrupted", f"by the debugger, {self._where()}")

    def load(self, address: int, size: int) -> int | None:
        """What a device gives; None where there is none."""
        return self._board.bus.load(address, size)

    def store(self, address: int, value: int, size: int) -> bool:
        """Store to a device; False where there is none."""
        return self._board.bus.store(address, value, size)

    def seconds(self) -> float:
        """Simulated time since reset."""
        return self._host.seconds_at(self._processor.now)

    def _slice(self, horizon: Moment = AT_LAST) -> None:
        """Run until something happens, to `horizon` at the latest, and deal with it."""
        if self._interrupt.came:
            self._ends("interrupted", f"Ctrl-C, {self._where()}")
            return
        slice_cycles = _SLICE_CYCLES
        draws_pins = self._recorder is not None and self._wanted.draws_pins and self._recorder.wants_pins
        if self._wanted.pins or draws_pins:
            self._host.log_pins()
            slice_cycles = SLICE_WITH_PINS
        if self._host.restarts is not None:
            slice_cycles = 0  # the instruction that asked for it comes to its end
        limit = self._limit()
        pause = min(self._looks_at, self.marks.due, self._cores.running.now + slice_cycles)
        last = min(limit, self._world.due)
        stop = self._cores.run(min(last, horizon.before(0)), pause, min(last, horizon.before(1)))
        self._deal_with(stop, limit)
        if self._host.restarts is not None and self._end is None and self._is_between(stop):
            self._restart(*self._host.restarts)
        if self._wanted.pins or draws_pins:
            self._note_pins(draws=draws_pins)
        if self._end is None and self._host.ended is not None:
            self._end = self._host.ended
        if self._end is None and self._output.has_wanted:
            text = self._wanted.until_output.decode("utf-8", "replace")
            self._ends("output", f"{text!r} was printed")

    def _is_between(self, stop: Stop) -> bool:
        """Not inside of an instruction that a device has answered: the clock on the wall may come before its end."""
        return stop != Stop.ACCESS and not self._processor.access.answered

    def _note_pins(self, *, draws: bool) -> None:
        pins, steps = self._host.pin_changes(), self._host.machine_steps()
        if draws and self._recorder is not None:
            self._recorder.see_pins(pins, steps, self._processor.now)
        if self._wanted.pins:
            self._pins.append(pins)
            self._steps.append(steps)

    def _deal_with(self, stop: Stop, limit: int) -> None:
        match stop:
            case Stop.ACCESS:  # by far the most frequent
                self._answer_access()
            case Stop.LIMIT:
                self._after_slice(limit)
            case Stop.DUE | Stop.PINS:
                self._board.bus.advance()
                self._after_slice(limit)
            case Stop.ASLEEP if self._world.due != NEVER or self._wanted.seconds is not None:
                self._cores.wake_at(min(limit, self._world.due))  # nothing else will
            case Stop.READ_ONLY:
                self._host.note_dropped_store(self._processor.access.address)
                self._processor.answer()
            case Stop.WATCHED:
                self._see(self._processor.pc)
            case Stop.GUARD:
                self.points.at_guard = self._processor.number
            case Stop.BREAKPOINT:
                self._at_breakpoint(self._processor.pc)
            case Stop.FAULT:
                self._note_fault()
            case Stop.RESET:
                self._host.restart(
                    f"the program asked for it (AIRCR.SYSRESETREQ), {self._where()}", self._board.by_core
                )
            case _:
                self._ends_by(stop)

    def _restart(self, reason: str, reach: Reach) -> None:
        """The chip is reset. Memories stay as they are, and so does what was counted; time goes on."""
        now = self._processor.now
        self._host.restarts = None
        self.resets.append(ChipReset(now, self._host.seconds_at(now), reason))
        if len(self.resets) > MOST_RESETS:
            self._ends("limit", f"the chip was reset more than {MOST_RESETS} times; why the last time: {reason}")
            return
        try:
            start = self._again()
        except UsageError as error:
            self._ends("fault", f"reset: {reason}; then {error}")
            return
        if not reach.second_core and self._processor is not self._cores.first:
            self._cores.restart_second()
            return
        if reach.port:
            self._host.reset_port()
        self._board.bus.reset(reach.devices)
        if reach.by_pin:
            self._board.pressed()
        self._cores.first.reset(start.sp, start.pc, start.vector_table)
        if reach.second_core:
            self._cores.begin(self._second)
        self._board.bus.ask_again()

    def _limit(self) -> int:
        """The cycle at which the run ends, as the clock goes now."""
        if self._last is None:
            seconds, limit = self._wanted.seconds, self._wanted.max_cycles
            cycle = None if seconds is None else self._board.clock.cycle_at(seconds)
            self._last = limit if cycle is None else min(limit, cycle)
        return self._last

    def _retime(self) -> None:
        self._last = None

    def _after_slice(self, limit: int) -> None:
        now = self._cores.now
        self._world.advance(now)
        if self._progress is not None:
            self._progress(now)
        if self._cores.is_cut:
            return  # by the clock on the wall: what ends the run does so at a cycle
        paused = self._processor.now  # where a core may run ahead of the other, that one may not have come to here
        if paused >= self.marks.due:
            self.marks.note(self._cores.all)
        if now >= limit or paused >= self._looks_at:
            self._looks_at = paused + _LOOK_CYCLES if self.faults else NEVER
            stuck = next(filter(self._is_stuck, self._cores.all), None)
            if stuck is not None:
                self._ends("fault", f"in an endless loop {self._where(stuck)}: {self.faults[-1]}")
                return
        if now < limit:
            return
        if limit >= self._wanted.max_cycles:
            self._ends("limit", f"{self._wanted.max_cycles:,} cycles were reached, {self._where()}")
            return
        self._ends("time", f"{float(self._wanted.seconds or 0):g} s, {self._where()}")

    def _is_stuck(self, processor: Processor) -> bool:
        """In HardFault's handler, and there in a branch to itself: nothing comes to an end that way."""
        is_loop = self._chip.space.halfword(processor.pc) == _BRANCH_TO_ITSELF
        return bool(self.faults) and processor.exception == _HARD_FAULT and is_loop

    # -- what Python answers

    def _answer_access(self) -> None:
        """A load or store that no memory answers: a device's register, or a bus fault."""
        processor, bus = self._cores.running, self._board.bus
        access = processor.access
        if access.is_store:
            value = 0 if bus.store(access.address, access.value, access.size) else None
        else:
            value = bus.load(access.address, access.size)
        if value is None:
            processor.refuse()
            self._note_fault()
        else:
            processor.answer(value)

    def _see(self, pc: int) -> None:
        """An instruction that the run waits for."""
        if self.points.stops(self._processor.number, pc, self._processor.now):
            return
        wanted, registers = self._wanted, self._processor.registers
        if pc == wanted.begin and self.before is None:
            self.before = self._mark()
            self._record()
            self.marks.begin(self._processor.now, self._cores.all)
            self._cores.forget_latencies()
        if pc == wanted.until or (pc == wanted.end and (wanted.begin is None or self.before is not None)):
            self._ends("until", f"{self._name(pc)} was reached")
            return
        if pc in self._exits:
            code = registers[0] - (registers[0] >> 31 << 32)
            self._ends("exit", f"{self._exits[pc]}({code})", code)
            return
        if pc in self._chip.heap.watched:
            self._see_heap(pc, registers)
        self._processor.pass_watched()

    def _see_heap(self, pc: int, registers: tuple[int, ...]) -> None:
        heap = self._chip.heap
        heap.see(pc, registers.__getitem__)
        begin, end = heap.handed_out
        if end - begin > (self.heap[-1].bytes if self.heap else 0):
            self.heap.append(HeapSize(self._processor.now, end - begin))

    def _at_breakpoint(self, pc: int) -> None:
        """Semihosting; at any other one, a debugger would take over here."""
        halfword = self._chip.space.halfword(pc)
        if halfword != semihosting.BKPT and self._debugger is not None:
            self.points.at_bkpt = self._processor.number
            return
        if halfword != semihosting.BKPT:
            self._ends("breakpoint", f"BKPT #{halfword & 0xFF} {self._where()}")
            return
        operation, parameter, *_ = self._processor.registers
        code = semihosting.exit_code(operation, parameter, self._chip)
        if code is not None:
            self._ends("exit", f"semihosting, {self._where()}", code)
            return
        try:
            answer = semihosting.answer(operation, parameter, self._chip, self._chip.output)
        except UsageError as error:
            answer = f"semihosting operation {operation:#04x}: {error}"
        if isinstance(answer, str):
            self._ends("fault", f"{answer}, {self._where()}")
            return
        self._output.add("semihosting", self._chip.output.kept, self._processor.now)
        self._chip.output.clear()
        self._processor.answer_breakpoint(answer)

    def _note_fault(self) -> None:
        """HardFault's handler is entered next: firmware may know what to do, or not."""
        fault = self._processor.fault
        if fault is not None and fault.cause is FaultCause.BREAKPOINT:
            self._end = self._exit_of_boot_rom(fault.pc) or Exit("breakpoint", None, self._fault_text())
            return
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(self._fault_text())
        self._looks_at = min(self._looks_at, self._processor.now + _LOOK_CYCLES)

    def _exit_of_boot_rom(self, pc: int) -> Exit | None:
        """Where m0sim's own boot ROM has nothing to go on with."""
        rom = self._chip.space.boot_rom
        found = None if rom is None else rom.exit_at(pc, self._chip.space.halfword(pc) & 0xFF)
        if found is None:
            return None
        return Exit("exit", 0, found.what) if found.is_wanted else Exit("fault", None, found.what)

    # -- the end

    def _ends(self, reason: ExitReason, detail: str, code: int | None = None) -> None:
        self._end = Exit(reason, code, detail)

    def _ends_by(self, stop: Stop) -> None:
        """A stop of the core's that nobody can go on from."""
        match stop:
            case Stop.LOCKUP:
                first = f"{self.faults[-1]}; then " if self.faults else ""
                self._ends("fault", f"lockup: {first}{self._fault_text()}")
            case Stop.ASLEEP:
                self._ends("limit", f"asleep for good {self._where()}: no interrupt that is enabled will ever come")
            case Stop.DEPTH:
                self._ends("fault", f"more than 65,536 calls are open {self._where()}")
            case Stop.PORT:
                offset = int(self._processor.core.port.fault_offset)
                self._ends("fault", f"I/O port register {offset:#05x} is not modelled {self._where()}")
            case _:
                self._ends("fault", f"{stop.name.lower()} {self._where()}")

    def _fault_text(self) -> str:
        return faults.text(self._processor.fault, self._place, self._chip.space.halfword)

    def _where(self, processor: Processor | None = None) -> str:
        processor = self._processor if processor is None else processor
        pc = processor.pc
        core = "" if processor is self._cores.first else " on core 1"
        return f"at {pc:#010x}, {self._place(pc)}{core}"

    def _name(self, address: int) -> str:
        function, entry = self._chip.counters.functions.around(address)
        return function if address == entry else f"{function}+{address - entry:#x}"

    def _place(self, address: int) -> str:
        source = self._chip.image.source_line(address)
        return self._name(address) + (f" ({source[0]}:{source[1]})" if source else "")
