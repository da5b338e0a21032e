"""A run that a debugger holds: it stands still between two instructions, and goes on when it is told to.

Whoever runs something gives a `Held` to the `Debugger` before the first instruction; when the debugger lets go, the run
goes on to its end. What it counts is what it counts without a debugger: stops are between instructions, and take no
time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from m0sim.chip.banks import windows
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.points import NEVER, Points
from m0sim.chip.engine.processor import Processor
from m0sim.chip.engine.run_counts import RunCounts, after, counted
from m0sim.chip.native.library import CORE

MOST_WATCHPOINTS = 8
_ANSWERED, _REFUSED = 1, 2  # of m0_access_for_debugger
_BKPT = 0xBE

Why = Literal["step", "breakpoint", "watchpoint", "bkpt", "fault", "interrupt", "end"]


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a run stands still."""

    why: Why
    detail: str = ""
    """One line for a person; empty where there is nothing to say."""
    watchpoint: Watchpoint | None = None


@dataclass(frozen=True, slots=True)
class Watchpoint:
    """Bytes whose accesses stop the run before the instruction that makes them: so GDB wants it of an Arm."""

    address: int
    size: int
    loads: bool
    stores: bool


class Run(Protocol):
    """What a run offers to be held."""

    points: Points

    def slice_until(self, cycle: int) -> None:
        """Run until something happens, that cycle at the latest, and deal with it."""

    def over(self) -> str | None:
        """How it ended, for a person; None as long as it goes on."""

    def is_interrupted(self) -> bool:
        """Whether Ctrl-C came."""

    def end_by_debugger(self) -> None:
        """End it here."""

    def load(self, address: int, size: int) -> int | None:
        """What a device gives; None where there is none."""

    def store(self, address: int, value: int, size: int) -> bool:
        """Store to a device; False where there is none."""

    def watched(self) -> frozenset[int]:
        """Addresses that the run itself waits for."""

    def seconds(self) -> float:
        """Simulated time since it began."""


class Debugger(Protocol):
    """Who holds a run."""

    def hold(self, held: Held) -> None:
        """Do with it what a person wants; when this returns, the run goes on to its end. May raise `Rewind`."""


class Rewind(Exception):  # no error
    """The run is to begin anew: whoever began it does so, with the same debugger."""


class Held:
    """A run that stands still. Addresses and values are plain integers."""

    def __init__(self, run: Run, chip: Emulator, interpreter: Interpreter, processor: Processor) -> None:
        self._run, self._chip, self._interpreter, self._processor = run, chip, interpreter, processor
        self._core = chip.counters.core
        self._faults = processor.fault_count
        self._mark = self._counted(ended=False)
        self.watchpoints: list[Watchpoint] = []
        self.stops_at_faults = True

    # -- where it is

    @property
    def now(self) -> int:
        """Cycles since it began, sleep included."""
        return self._processor.now

    @property
    def seconds(self) -> float:
        return self._run.seconds()

    @property
    def pc(self) -> int:
        return self._processor.pc

    @property
    def exception(self) -> int:
        """Number of the exception that executes, 0 in Thread mode."""
        return self._processor.exception

    @property
    def is_asleep(self) -> bool:
        return self._processor.is_asleep

    def over(self) -> str | None:
        """How the run ended; None as long as it goes on."""
        return self._run.over()

    def is_interrupted(self) -> bool:
        """Whether Ctrl-C came, of whoever watches the run."""
        return self._run.is_interrupted()

    def place(self, address: int) -> str:
        """``function+offset`` and the source line, for a person."""
        function, entry = self._chip.counters.functions.around(address)
        source = self._chip.image.source_line(address)
        name = function if address == entry else f"{function}+{address - entry:#x}"
        return name + (f" ({source[0]}:{source[1]})" if source else "")

    # -- going on

    def set_breakpoints(self, addresses: set[int]) -> None:
        """All of them, without the Thumb bit."""
        if addresses != self._run.points.addresses:
            self._run.points.addresses = set(addresses)
            self._interpreter.watch(self._run.watched() | frozenset(addresses))

    def set_watchpoints(self, watchpoints: list[Watchpoint]) -> None:
        """All of them, `MOST_WATCHPOINTS` at most: while there is one, the simple form executes."""
        timed = self._core.timed
        for guard, point in zip(timed.guards, watchpoints, strict=False):
            guard.base, guard.size = point.address, point.size
            guard.kinds = point.loads + 2 * point.stores
        timed.guard_count, timed.is_simple = len(watchpoints), bool(watchpoints)
        self.watchpoints = list(watchpoints)

    def step(self) -> Stopped:
        """One instruction; or the entry of an exception, or all of a sleep."""
        points, begin = self._run.points, self.now
        points.passing = self.pc
        self._leave()
        place = begin, self.pc
        while (self.now, self.pc) == place or self._is_inside:
            if self._run.over() is not None or points.at_guard or points.at_bkpt:
                break
            self._run.slice_until(begin + 1)
        while self.is_asleep and self._run.over() is None:
            self._run.slice_until(max(self.now + 1, int(self._core.system.next_event)))
        points.passing = points.hit = None
        return self._found() or Stopped("step")

    def go(self, is_asked: Callable[[], bool], until: int = NEVER) -> Stopped:
        """On to a breakpoint, a watchpoint, a fault or the end; or to where `is_asked`, which is asked now and then."""
        stopped, points = self.step(), self._run.points
        while stopped.why == "step":
            if not self._is_inside:
                if points.hit is not None or self.pc in points.addresses:
                    points.hit = None
                    return Stopped("breakpoint")
                if self.now >= until:
                    return stopped
                if is_asked():
                    return Stopped("interrupt")
            self._run.slice_until(until)
            stopped = self._found() or stopped
        return stopped

    def run_to(self, cycle: int) -> None:
        """On to the instruction boundary at a cycle, or the next one behind it, whatever is in between."""
        points = self._run.points
        addresses, points.addresses = points.addresses, set()
        while (self.now < cycle or self._is_inside) and self._run.over() is None:
            self._leave()
            self._run.slice_until(cycle)
        points.addresses = addresses
        self._forget_found()

    def let_go(self) -> None:
        """Nothing stops the run any more."""
        self.set_breakpoints(set())
        self.set_watchpoints([])
        self._leave()

    def end(self) -> None:
        """End the run here, as Ctrl-C does."""
        self._run.end_by_debugger()

    @property
    def _is_inside(self) -> bool:
        """Whether an instruction is under way: a device has answered it, and it makes its access when it goes on."""
        return bool(self._core.timed.access.answered)

    def _leave(self) -> None:
        """A BKPT that it stands at is done with, and so is an access that a watchpoint told of."""
        points, timed = self._run.points, self._core.timed
        if points.at_bkpt and self._chip.space.halfword(self.pc) >> 8 == _BKPT:
            timed.pc += 2
        if timed.guard_hit:
            timed.passes_guards, timed.guard_hit = 1, 0
        points.at_bkpt = points.at_guard = False

    def _forget_found(self) -> None:
        self._leave()
        self._run.points.hit, self._faults = None, self._processor.fault_count

    def _found(self) -> Stopped | None:
        """What happened, if a debugger wants to know it."""
        timed, over = self._core.timed, self._run.over()
        if over is not None:
            return Stopped("end", over)
        if self._run.points.at_guard:
            return Stopped("watchpoint", "", self.watchpoints[timed.guard_hit - 1])
        if self._processor.fault_count > self._faults:
            self._faults = self._processor.fault_count
            if self.stops_at_faults:
                fault = self._processor.fault
                return Stopped("fault", "" if fault is None else f"HardFault, {fault.cause.name.lower()}")
        return Stopped("bkpt") if self._run.points.at_bkpt else None

    # -- registers

    def registers(self) -> dict[str, int]:
        """By name: r0 to r12, sp, lr, pc, xpsr, msp, psp, primask and control."""
        timed = self._core.timed
        found = {f"r{number}": int(timed.r[number]) for number in range(13)}
        uses_psp = bool(timed.control & 2)
        sp, other = int(timed.r[13]), int(timed.other_sp)
        thumb = 1 << 24
        return found | {
            "sp": sp,
            "lr": int(timed.r[14]),
            "pc": self.pc,
            "xpsr": self._interpreter.flags() | thumb | self.exception,
            "msp": other if uses_psp else sp,
            "psp": sp if uses_psp else other,
            "primask": int(timed.primask),
            "control": int(timed.control),
        }

    def set_register(self, name: str, value: int) -> bool:
        """False for a register that cannot be set so: CONTROL, the exception number."""
        timed = self._core.timed
        uses_psp = bool(timed.control & 2)
        if name[0] == "r":
            timed.r[int(name[1:])] = value
        elif name in ("sp", "msp", "psp") and (name == "sp" or (name == "psp") == uses_psp):
            timed.r[13] = value & ~3
        elif name in ("msp", "psp"):
            timed.other_sp = value & ~3
        elif name == "lr":
            timed.r[14] = value
        elif name == "pc":
            timed.pc = value & ~1
        elif name == "xpsr":
            timed.n, timed.z = value & 1 << 31, not value >> 30 & 1
            timed.c, timed.v = value >> 29 & 1, (value >> 28 & 1) << 31
        elif name == "primask":
            timed.primask = value & 1
            self._core.system.attention = 1
        else:
            return False
        return True

    # -- memory

    def is_memory(self, address: int) -> bool:
        """Whether reading there has no effect."""
        return self._chip.space.view(address, 1) is not None

    def read(self, address: int, size: int) -> bytes:
        """Bytes from memory, or of one register of a device, whose load is made. Shorter where nothing is there."""
        view = self._chip.space.view(address, size)
        if view is not None:
            return view.tobytes()
        if size in (1, 2, 4) and not address % size and self._chip.space.view(address, 1) is None:
            value = ctypes.c_uint32(0)
            answer = self._access(address, size, False, value)
            given = value.value if answer == _ANSWERED else None
            given = self._run.load(address, size) if answer == 0 else given
            return b"" if given is None else given.to_bytes(4, "little")[:size]
        found = bytearray()
        while len(found) < size and (byte := self._chip.space.view(address + len(found), 1)) is not None:
            found += byte.tobytes()
        return bytes(found)

    def write(self, address: int, data: bytes) -> bool:
        """The same, written; flash too. False where nothing is there."""
        view = self._chip.space.view(address, len(data))
        if view is not None:
            view[:] = list(data)
            self._interpreter.forget_code()
            return True
        if len(data) not in (1, 2, 4) or address % len(data):
            return False
        value = ctypes.c_uint32(int.from_bytes(data, "little"))
        answer = self._access(address, len(data), True, value)
        return answer == _ANSWERED or (answer == 0 and self._run.store(address, value.value, len(data)))

    def regions(self) -> list[tuple[str, int, int]]:
        """Memory by address, aliases among it: kind (sram, flash, rom), begin and end. No two meet."""
        device, found = self._chip.device, []
        for bank in self._chip.space.banks:
            found += [(bank.kind, begin, begin + size) for begin, _, size in windows(bank, device)]
        regions: list[tuple[str, int, int]] = []
        for kind, begin, end in sorted(found, key=lambda each: each[1:]):
            begin = max(begin, regions[-1][2]) if regions else begin
            if begin < end:
                regions.append((kind, begin, end))
        return regions

    def _access(self, address: int, size: int, is_store: bool, value: ctypes.c_uint32) -> int:
        table = self._chip.counters.tables.address
        return int(CORE.m0_access_for_debugger(table, address, size, is_store, ctypes.byref(value)))

    # -- what it cost

    def mark(self) -> None:
        """What `since_mark` counts begins here."""
        self._mark = self._counted(ended=False)

    def since_mark(self) -> RunCounts:
        """What was counted since `mark`."""
        return after(self._counted(ended=True), self._mark)

    def _counted(self, *, ended: bool) -> RunCounts:
        return counted(self._processor, ended=ended)
