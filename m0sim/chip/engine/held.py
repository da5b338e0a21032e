"""A run that a debugger holds: it stands still between two instructions, and goes on when it is told to.

Whoever runs something gives a `Held` to the `Debugger` before the first instruction; when the debugger lets go, the run
goes on to its end. What it counts is what it counts without a debugger: stops are between instructions, and take no
time.

Of two cores, all instructions have their order (`native/cores.c`), and a stop is a place in it, a `Moment`: what comes
before it is done on both, and nothing behind it. No core goes on alone, for that would be another order.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from m0sim.chip.banks import windows
from m0sim.chip.engine.cores import Cores, OneCore
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.points import AT_LAST, Moment, Points, Watchpoint
from m0sim.chip.engine.processor import Processor
from m0sim.chip.engine.run_counts import RunCounts, after, counted
from m0sim.chip.engine.start import Start
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
    core: int = 0
    """Of which core that is."""


class Run(Protocol):
    """What a run offers to be held."""

    points: Points

    @property
    def cores(self) -> Cores | OneCore:
        """What it runs on."""

    def slice_until(self, moment: Moment) -> None:
        """Run until something happens, to that moment at the latest, and deal with it."""

    def place_points(self) -> None:
        """`points` has other addresses and watchpoints now."""

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

    def seconds(self) -> float:
        """Simulated time since it began."""


class Debugger(Protocol):
    """Who holds a run."""

    def hold(self, held: Held) -> None:
        """Do with it what a person wants; when this returns, the run goes on to its end. May raise `Rewind`."""


class Rewind(Exception):  # no error
    """The run is to begin anew: whoever began it does so, with the same debugger."""


@dataclass(slots=True)
class _Seen:
    """What was seen of a core."""

    faults: int = 0
    mark: RunCounts | None = None


def _never() -> bool:
    return False


class Held:
    """A run that stands still. Addresses and values are plain integers.

    What asks for one core asks for `core`, the one that is looked at: after a stop, that which stopped.
    """

    def __init__(self, run: Run, chip: Emulator) -> None:
        self._run, self._chip, self._cores = run, chip, run.cores
        self.core = 0
        self._seen = [_Seen(), _Seen()]
        self.stops_at_faults = True
        self.mark()
        run.points.pass_by(0, self.pc, self.now)

    # -- where it is

    @property
    def core_count(self) -> int:
        """How many cores there are, those among them that are not there yet."""
        return 2 if self._cores.has_two else 1

    @property
    def is_there(self) -> bool:
        """Whether the core runs its program, or sleeps in it: core 1 does not while it waits in the boot ROM."""
        return self._present(self.core) is not None

    @property
    def moment(self) -> Moment:
        """Where it stands in the order of what cores do: whose turn it is, and in which cycle."""
        awake = [
            Moment(self._began(processor), number)
            for number, processor in enumerate(self._cores.present())
            if processor is not None and not processor.core.system.is_idle
        ]
        return min(awake, default=Moment(self._cores.now))

    @property
    def now(self) -> int:
        """Cycles since it began, sleep included: those that the core has come to."""
        return self._processor.now

    @property
    def seconds(self) -> float:
        return self._run.seconds()

    @property
    def pc(self) -> int:
        return self._processor.pc if self.is_there else self.registers()["pc"]

    @property
    def exception(self) -> int:
        """Number of the exception that executes, 0 in Thread mode."""
        return self._processor.exception

    @property
    def is_asleep(self) -> bool:
        return self._processor.is_asleep

    @property
    def is_between(self) -> bool:
        """Whether the core stands between two things that it does: not in the middle of one, nor in a sleep."""
        return self.is_there and not self.is_asleep and not self._is_under_way(self._processor)

    @property
    def is_held_in_reset(self) -> bool:
        """Whether the core is, as core 1 of an RP2040 can be."""
        return self.core == 1 and self._cores.is_held

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

    def _present(self, core: int) -> Processor | None:
        present = self._cores.present()
        return present[core] if core < len(present) else None

    @property
    def _processor(self) -> Processor:
        """The core; core 0 in place of one that is not there: its cycles are those of both."""
        return self._present(self.core) or self._cores.first

    def _began(self, processor: Processor) -> int:
        """The cycle in which what it stands before began: fetching it may have taken some."""
        is_guarded = self._run.points.at_guard == processor.number
        return int(processor.core.timed.began) if is_guarded else processor.now

    # -- going on

    def set_breakpoints(self, addresses: set[int]) -> None:
        """All of them, without the Thumb bit."""
        self._run.points.addresses = frozenset(addresses)
        self._run.place_points()

    def set_watchpoints(self, watchpoints: list[Watchpoint]) -> None:
        """All of them, `MOST_WATCHPOINTS` at most: while there is one, the simple form executes."""
        self._run.points.watchpoints = tuple(watchpoints)
        self._run.place_points()

    def step(self, is_asked: Callable[[], bool] = _never) -> Stopped:
        """One instruction of the core; or the entry of an exception, or all of a sleep.

        The other core does what comes before that, and before what this one does next. It may come to a stop of its own
        first: see `Stopped.core`.
        """
        core = self.core
        self._leave()
        self._run.points.pass_by(core, self.pc, self.now)
        stopped = self._step(core, is_asked) or self._catch_up(core) or Stopped("step", core=core)
        return self._stand(stopped)

    def _step(self, core: int, is_asked: Callable[[], bool]) -> Stopped | None:
        place = self.now, self.pc
        while self.is_there and ((self.now, self.pc) == place or self._is_under_way(self._processor)):
            if self._processor.core.system.is_idle:
                break
            found = self._slice(Moment(self.now, core).behind)
            if found is not None or is_asked():
                return found or Stopped("interrupt", core=core)
        return self._sleep(core, is_asked)

    def _sleep(self, core: int, is_asked: Callable[[], bool]) -> Stopped | None:
        """On until the core does not sleep, or wait in the boot ROM, any more."""
        while not self.is_there or self.is_asleep:
            self._cores.stops_at_launch = not self.is_there
            self._processor.core.system.stops_awake = self.is_there
            found = self._slice(AT_LAST)
            self._cores.stops_at_launch = False
            self._processor.core.system.stops_awake = 0
            if found is not None or is_asked():
                return found or Stopped("interrupt", core=core)
        return None

    def _catch_up(self, core: int) -> Stopped | None:
        """Have the other core do what comes before the next turn of this one; at a breakpoint, it stops before that."""
        while len(self._cores.present()) > 1 and not self._has_come_to(Moment(self.now, core)):
            found = self._slice(Moment(self.now, core))
            if found is not None:
                return None if found.why == "breakpoint" else found  # the breakpoint stops it when it goes on
        return None

    def go(self, is_asked: Callable[[], bool], until: Moment = AT_LAST) -> Stopped:
        """On to a breakpoint, a watchpoint, a fault or the end; or to where `is_asked`, which is asked now and then."""
        self._leave()
        while True:
            found = self._slice(until)
            if found is not None:
                return self._stand(found)
            if self._is_answered:
                continue
            if self._has_come_to(until):
                return self._stand(Stopped("step", core=self.moment.core))
            if is_asked():
                return self._stand(Stopped("interrupt", core=self.core if self.is_there else 0))

    def run_to(self, moment: Moment) -> None:
        """On to a moment, or the next one behind it, whatever is in between."""
        points = self._run.points
        points.are_on = False
        while self._run.over() is None:
            self._leave()
            if not self._is_answered and self._has_come_to(moment):
                break
            self._run.slice_until(moment)
        points.are_on = True
        self._leave()
        self._found()
        self._stand(Stopped("step", core=self.moment.core))

    def let_go(self) -> None:
        """Nothing stops the run any more."""
        self.set_breakpoints(set())
        self.set_watchpoints([])
        self._leave()

    def end(self) -> None:
        """End the run here, as Ctrl-C does."""
        self._run.end_by_debugger()

    def _has_come_to(self, moment: Moment) -> bool:
        for number, processor in enumerate(self._cores.present()):
            if processor is not None:
                is_idle = processor.core.system.is_idle
                if processor.now < (moment.cycle if is_idle else moment.before(number)):
                    return False
        return True

    @property
    def _is_answered(self) -> bool:
        """Whether a device has answered an instruction, which makes its access when it goes on."""
        return any(
            processor is not None and processor.core.timed.access.answered for processor in self._cores.present()
        )

    @staticmethod
    def _is_under_way(processor: Processor) -> bool:
        """Whether it is in the middle of an instruction, or of entering an exception or returning from one."""
        system, timed = processor.core.system, processor.core.timed
        has_begun = timed.access.answered or timed.passes_watch
        return bool(has_begun or system.is_entering or system.returns_to or system.partial)

    def _slice(self, moment: Moment) -> Stopped | None:
        self._run.slice_until(moment)
        return self._found()

    def _stand(self, stopped: Stopped) -> Stopped:
        """Look at the core that stopped. What it shows of where it stands is not shown again when it goes on."""
        self.core = stopped.core
        moment = self.moment
        if not self._is_answered:
            self._cores.look_from(moment.core)
        self._run.points.pass_by(self.core, self.pc, self.now)
        return stopped

    def _leave(self) -> None:
        """A BKPT that a core stands at is done with, and so is an access that a watchpoint told of."""
        points = self._run.points
        if points.at_bkpt is not None:
            processor = self._cores.present()[points.at_bkpt]
            if processor is not None and self._chip.space.halfword(processor.pc) >> 8 == _BKPT:
                processor.core.timed.pc += 2
        if points.at_guard is not None:
            processor = self._cores.present()[points.at_guard]
            if processor is not None and processor.core.timed.guard_hit:
                processor.core.timed.passes_guards, processor.core.timed.guard_hit = 1, 0
        points.at_bkpt = points.at_guard = points.hit = None

    def _found(self) -> Stopped | None:
        """What happened, if a debugger wants to know it."""
        points, over = self._run.points, self._run.over()
        running = self._cores.running
        core = running.number
        if over is not None:
            return Stopped("end", over, core=core)
        if points.at_guard is not None:
            number = running.core.timed.guard_hit - 1
            return Stopped("watchpoint", "", points.watchpoints[number], core=points.at_guard)
        for number, processor in enumerate(self._cores.present()):
            if processor is not None and processor.fault_count > self._seen[number].faults:
                self._seen[number].faults = processor.fault_count
                if self.stops_at_faults:
                    fault = processor.fault
                    what = "" if fault is None else f"HardFault, {fault.cause.name.lower()}"
                    return Stopped("fault", what, core=number)
        if points.at_bkpt is not None:
            return Stopped("bkpt", core=points.at_bkpt)
        return Stopped("breakpoint", core=points.hit) if points.hit is not None else None

    # -- registers

    def registers(self) -> dict[str, int]:
        """By name: r0 to r12, sp, lr, pc, xpsr, msp, psp, primask and control.

        A core 1 that waits in the boot ROM executes that when somebody sends it something: until then it stands where
        its reset puts it.
        """
        if not self.is_there and self._cores.rom is not None:
            return self._after_reset(self._cores.rom)
        timed = self._processor.core.timed
        found = {f"r{number}": int(timed.r[number]) for number in range(13)}
        uses_psp = bool(timed.control & 2)
        sp, other = int(timed.r[13]), int(timed.other_sp)
        thumb = 1 << 24
        return found | {
            "sp": sp,
            "lr": int(timed.r[14]),
            "pc": self.pc,
            "xpsr": self._processor.interpreter.flags() | thumb | self.exception,
            "msp": other if uses_psp else sp,
            "psp": sp if uses_psp else other,
            "primask": int(timed.primask),
            "control": int(timed.control),
        }

    @staticmethod
    def _after_reset(rom: Start) -> dict[str, int]:
        found = {f"r{number}": 0 for number in range(13)} | {"sp": rom.sp, "lr": 0xFFFFFFFF, "pc": rom.pc & ~1}
        return found | {"xpsr": 1 << 24, "msp": rom.sp, "psp": 0, "primask": 0, "control": 0}

    def set_register(self, name: str, value: int) -> bool:
        """False for a register that cannot be set so: CONTROL, the exception number; any of a core not `is_there`."""
        if not self.is_there:
            return False
        timed = self._processor.core.timed
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
            self._processor.core.system.attention = 1
        else:
            return False
        return True

    # -- memory

    def is_memory(self, address: int) -> bool:
        """Whether reading there has no effect."""
        return self._chip.space.view(address, 1) is not None

    def read(self, address: int, size: int) -> bytes:
        """Bytes from memory, or of registers of a device, whose loads are made. Shorter where nothing is there."""
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
        if not (address | size) % 4 and self._chip.space.view(address, 1) is None:
            while len(found) < size and (word := self.read(address + len(found), 4)):
                found += word
            return bytes(found)
        while len(found) < size and (byte := self._chip.space.view(address + len(found), 1)) is not None:
            found += byte.tobytes()
        return bytes(found)

    def write(self, address: int, data: bytes) -> bool:
        """The same, written; flash too. False where nothing is there."""
        view = self._chip.space.view(address, len(data))
        if view is not None:
            view[:] = list(data)
            self._cores.forget_code()
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
        table = self._processor.address
        return int(CORE.m0_access_for_debugger(table, address, size, is_store, ctypes.byref(value)))

    # -- what it cost

    def mark(self) -> None:
        """What `since_mark` counts begins here, on all cores."""
        self._seen[0].mark = counted(self._cores.first, ended=False)
        self._seen[1].mark = None
        self._cores.settle()
        self._cores.mark_second(self._mark_second, "debugger")

    def _mark_second(self, second: Processor) -> None:
        self._seen[1].mark = counted(second, ended=False)

    def since_mark(self) -> RunCounts | None:
        """What the core did since `mark`; None where it never left the boot ROM."""
        self._cores.settle()
        processor = self._cores.first if self.core == 0 else self._cores.second
        if processor is None:
            return None
        counts, mark = counted(processor, ended=True), self._seen[self.core].mark
        return counts if mark is None else after(counts, mark)
