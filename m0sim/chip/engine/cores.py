"""The cores of one chip: the one that every part has, and the RP2040's second, from when somebody wakes it.

After a reset, core 1 sleeps in the boot ROM until core 0 sends it something (RP2040 datasheet, 2.8.2). As long as it
does, it is not there: that costs nothing. With the first word that core 0 sends, it comes to where it is by then, by
executing the ROM from its reset on; of the events that core 0 has sent meanwhile it sees the newest. Whose turn it is
then, and how far each runs, native/cores.c says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.points import Watchpoint
from m0sim.chip.engine.processor import Processor
from m0sim.chip.engine.recorder import Recorder
from m0sim.chip.engine.start import Start
from m0sim.chip.native import layout
from m0sim.chip.native.layout import Stop
from m0sim.chip.native.library import CORE
from m0sim.chip.options import FlashModel

_NATIVE = 0b11 << 15 | 0b1111 << 7
"""SIO_IRQ_PROC0 and SIO_IRQ_PROC1, and PIO's four: the core has these lines itself."""


class OneCore:
    """The core of a run that has no other: what a debugger asks of `Cores`."""

    has_two = is_held = False
    second: Processor | None = None
    rom: Start | None = None

    def __init__(self, processor: Processor) -> None:
        self.first = self.running = processor
        self.stops_at_launch = False

    @property
    def now(self) -> int:
        return self.first.now

    def present(self) -> tuple[Processor | None, ...]:
        return (self.first,)

    def look_from(self, number: int) -> None:
        """There is no other."""

    def settle(self) -> None:
        """The same."""

    def mark_second(self, mark: Callable[[Processor], None], whose: str) -> None:
        """The same."""

    def forget_code(self) -> None:
        self.first.interpreter.forget_code()


class Cores:
    """All cores of a chip, of which one runs at a time."""

    def __init__(
        self, chip: Emulator, first: Processor, *, flash: FlashModel = "ideal", quantum: int = 1, contends: bool = False
    ) -> None:
        """`quantum`: so many cycles less one a core may run ahead of the other.

        With `contends`, the cores and the DMA wait for each other at the bus fabric of an RP2040: native/fabric.c. Then
        the simple form has to execute every instruction of `first`.
        """
        self._chip, self._flash = chip, flash
        self.first = first
        self.second: Processor | None = None
        """Core 1, once it has been woken."""
        self.running = first
        """The core that runs, or ran last."""
        self.all = [first]
        """Those that were ever there."""
        self._core: Any = chip.counters.core
        self._core.quantum = quantum
        self.rom: Start | None = None
        """Where core 1 begins, if there is one."""
        self.contends = contends
        """Whether masters wait for each other."""
        self.fabric: Any = self._core.fabric
        """`struct m0_fabric`, where masters wait for each other."""
        self.fabric.is_on = self._core.contends = contends
        for port in self.fabric.ports:
            port.last = len(self.fabric.masters) - 1  # core 0 comes first
        self._since = 0  # cycle of the reset after which core 1 waits
        self._lines = 0  # of core 1, while it is not there
        self._is_held = False
        self.watched: frozenset[int] = frozenset()
        """Addresses before whose instructions `Stop.WATCHED` is wanted, on core 1 too."""
        self.recorder: Recorder | None = None
        """Told of core 1 as soon as it is there, where a timeline is wanted."""
        self._breakpoints: frozenset[int] = frozenset()
        self._watchpoints: tuple[Watchpoint, ...] = ()
        self._halts = False
        self.stops_at_launch = False
        """Whether `Stop.LIMIT` is wanted where core 1 is woken."""
        self._marks: dict[str, tuple[int, Callable[[Processor], None]]] = {}  # whose, and from which cycle on

    @property
    def is_cut(self) -> bool:
        """Whether the clock on the wall ended `run`, before the cycle where it would have ended by itself."""
        return bool(self._core.goes_on) and self.running.now < self._core.pause_at

    @property
    def has_second(self) -> bool:
        """Whether core 1 runs now, or sleeps somewhere else than in the boot ROM of before."""
        return bool(self._core.other)

    @property
    def is_held(self) -> bool:
        """Whether core 1 is held in reset."""
        return self._is_held

    @property
    def has_two(self) -> bool:
        """Whether there is a core 1, wherever it is."""
        return self.rom is not None

    @property
    def now(self) -> int:
        """The cycle that all cores have come to."""
        if self.second is None or not self.has_second:
            return self.first.now
        return min(self.first.now, self.second.now)

    def present(self) -> tuple[Processor | None, Processor | None]:
        """Both cores, by number; None for one that is not there, or waits in the boot ROM."""
        return self.first, self.second if self.has_second else None

    def look_from(self, number: int) -> None:
        """While the run stands still, have `running` be this core, whose turn it is."""
        processor = self.present()[number]
        if processor is not None:
            self.running, self._core.running = processor, processor.address

    # -- reset

    def begin(self, rom: Start | None) -> None:
        """The chip was reset, and with it core 0: core 1 waits in the boot ROM, if there is one to wait in."""
        self._unlink()
        self.withdraw_from_fabric(0)
        self.rom, self._since, self._is_held = rom, self.first.now, False
        if rom is not None:
            self._core.is_waited_for = 1
            inbox = self._core.port.sio.inbox
            inbox.count = min(inbox.count + 1, len(inbox.words))  # a 0, as the ROM's answer to its reset
            CORE.m0_request_mail(self.first.address, self.first.now)

    def hold(self, is_held: bool) -> None:
        """Core 1 is held in reset, or it begins now in the boot ROM."""
        if self.rom is None or is_held == self._is_held:
            return
        now = self.running.now
        self._is_held = is_held
        self._unlink()
        if not is_held:
            self._link(self._reset_second(self.rom, now))

    def restart_second(self) -> None:
        """Core 1 alone is reset."""
        if not self._is_held:
            self.hold(True)
            self.hold(False)

    def _reset_second(self, rom: Start, at: int) -> Processor:
        if self.second is None:
            interpreter = Interpreter(self._chip, self.first.interpreter)
            interpreter.also_watched = self.watched | self._breakpoints
            self.second = Processor(self._chip, interpreter, flash=self._flash, is_simple=self.contends)
            self.second.share_published(self.first)
            self.second.stop_at_faults(True)
            self.second.halt_at_breakpoints(self._halts)
            self.all.append(self.second)
            if self.recorder is not None and self.recorder.since is not None:
                self.recorder.begin(interpreter, self.recorder.since)
        self.second.set_lines(self._lines | self.first.lines & _NATIVE)
        self.second.reset(rom.sp, rom.pc, slept_until=at)
        return self.second

    def _link(self, second: Processor) -> None:
        """Core 1 is there."""
        second.core.other, self._core.other = self.first.address, second.address
        second.core.contends = self.contends
        self._core.is_waited_for = 0
        self._core.port.sio.unread = second.core.port.sio.unread = 0
        second.guard(self._watchpoints)

    def _unlink(self) -> None:
        self._core.is_waited_for = 0
        self._core.other = 0
        self.withdraw_from_fabric(1)
        if self.second is not None:
            self.second.core.other = self.second.core.contends = 0
            self.second.guard(())

    def withdraw_from_fabric(self, number: int) -> None:
        """A master that is reset asks for nothing any more."""
        master = self.fabric.masters[number]
        master.granted += master.count - master.first  # numbers go on
        master.first = master.count = master.kept = 0

    def _wake(self) -> None:
        """Core 0 is about to send something to core 1, which waits."""
        assert self.rom is not None
        now, sent = self.first.now, int(self._core.event_sent) + 1
        second = self._reset_second(self.rom, self._since)
        for cycle, mark in sorted(self._marks.values(), key=lambda each: each[0]):
            self._run_alone(second, cycle)
            mark(second)
        self._marks.clear()
        if self._since < sent <= now:
            self._run_alone(second, sent)
            second.send_event()
        self._run_alone(second, now)
        self._link(second)
        self.first.pass_watched()

    def _run_alone(self, second: Processor, until: int) -> None:
        """Let core 1 execute the boot ROM up to a cycle. What it comes to there is past: no breakpoint is."""
        second.core.limit, second.core.system.until = layout.NEVER, until
        while True:
            second.core.timed.is_due = 0
            CORE.m0_run_firmware(second.address)
            if second.core.stop == Stop.GROW:
                second.interpreter.grow()
            elif second.core.stop == Stop.WATCHED and second.pc not in self.watched:
                second.pass_watched()
            elif second.core.stop != Stop.LIMIT:  # the clock on the wall ends a slice, not this
                return

    # -- running

    def run(self, limit: int, pause: int = layout.NEVER, limit_of_second: int | None = None) -> Stop:
        """The same as `Processor.run`, of all cores: it is `running` that stopped.

        At `pause` it returns, too; what cores do is the same as without that, while no core goes beyond `limit`.
        `limit_of_second`, the cycle before `limit`, has core 1 come to there only.
        """
        for processor in self.all:
            processor.core.timed.is_due = 0
        self._core.pause_at = pause
        self._core.limit_of_second = limit if limit_of_second is None else limit_of_second
        while True:
            self._core.limit = limit if self.has_second else min(limit, pause)
            CORE.m0_run_cores(self.first.address)
            if self.second is not None:
                self.running = self.second if self._core.running == self.second.address else self.first
            stop = layout.STOPS[self.running.core.stop]
            if stop is Stop.GROW:
                for processor in self.all:
                    processor.interpreter.grow()
            elif stop is Stop.LAUNCH:
                self._wake()
                if self.stops_at_launch:
                    return Stop.LIMIT
            else:
                return stop

    # -- for a debugger

    def watch(self, breakpoints: frozenset[int], watchpoints: tuple[Watchpoint, ...]) -> None:
        """Have `Stop.WATCHED` at these, too, and `Stop.GUARD` before these accesses, on all cores."""
        if breakpoints != self._breakpoints:
            self._breakpoints = breakpoints
            for processor in self.all:
                processor.interpreter.watch(self.watched | breakpoints)
        if watchpoints != self._watchpoints:
            self._watchpoints = watchpoints
            for present in filter(None, self.present()):
                present.guard(watchpoints)

    def halt_at_breakpoints(self, is_wanted: bool) -> None:
        """As `Processor.halt_at_breakpoints`, on all cores."""
        self._halts = is_wanted
        for processor in self.all:
            processor.halt_at_breakpoints(is_wanted)

    # -- slices

    def end_slice(self) -> None:
        """Have `run` return soon. May be called from another thread."""
        for processor in self.all:
            processor.end_slice()

    def wake_at(self, cycle: int | None) -> None:
        """Ask for `Stop.DUE` when all cores have come to a cycle."""
        self.first.wake_at(cycle)

    def forget_latencies(self) -> None:
        for processor in self.all:
            processor.forget_latencies()

    def forget_code(self) -> None:
        for processor in self.all:
            processor.interpreter.forget_code()

    def settle(self) -> None:
        """Bring a core 1 that waits in the boot ROM to the present, before somebody reads what it counted."""
        if self.second is not None and not self.has_second:
            self.second.sleep_until(self.first.now)

    def mark_second(self, mark: Callable[[Processor], None], whose: str = "run") -> None:
        """Have core 1 marked as it is now; later, if it is still to come to here: the newest mark of each `whose`."""
        if self.second is not None:
            mark(self.second)
        elif self.rom is not None:
            self._marks[whose] = self.first.now, mark

    @property
    def cache_counts(self) -> tuple[int, int, int]:
        """Of the words that were read through the flash cache: hits, misses of code, and of data."""
        hits, code, data = zip(*(processor.interpreter.cache_counts for processor in self.all), strict=True)
        return sum(hits), sum(code), sum(data)

    # -- what devices ask for

    def set_line(self, number: int, level: bool) -> None:
        """The request line of an interrupt that both cores have."""
        self.first.set_line(number, level)
        self.set_line_of_second(number, level)

    def set_line_of_second(self, number: int, level: bool) -> None:
        """That of an interrupt of core 1 alone."""
        self._lines = self._lines | 1 << number if level else self._lines & ~(1 << number)
        if self.second is not None and self.has_second:
            self.second.set_line(number, level)

    def reset_port(self) -> None:
        """The I/O port of all cores, and what is behind it, as a reset leaves it."""
        for processor in self.all:
            processor.interpreter.counters.reset_port()

    def send_event(self) -> None:
        """An event for all cores."""
        for processor in self.all:
            processor.send_event()
