"""Records what cores do over time, in bounded memory: `m0sim.chip.timeline`.

The native core writes slices into a log of its own as they end, and stops the run where that is full. Where more were
written than are wanted, the first half of them stay, and of those behind, the shortest go, and the core writes none so
short any more: what is left is all of the beginning, and of the rest all that is at least as long.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.native import layout
from m0sim.chip.native.library import CORE
from m0sim.chip.native.tables import FRAME_CAPACITY
from m0sim.chip.timeline import MACHINE, PIN, SLICE, CoreLine, Kind, Timeline, TimeScale

_LOG = layout.DRAWN_AT_ONCE + (1 << 16)
_MOST_PINS = 1_000_000


class _Line:
    """Of one core."""

    def __init__(self, interpreter: Interpreter, number: int, begin: int) -> None:
        self.interpreter, self.number, self.begin = interpreter, number, begin
        self.tables = interpreter.counters.tables
        self.shared: Any = self.tables.core.timeline
        self.chunks: list[npt.NDArray[Any]] = []

    def take(self) -> int:
        """Empty the log. Returns how many slices it had."""
        count = int(self.shared.log_count)
        self.shared.log_count = 0
        if count:
            self.chunks.append(self.tables.of("log", self.shared)[:count].astype(SLICE))
        return count + self._take_sleep()

    def _take_sleep(self) -> int:
        """The newest one, if it is over: it is not in the log yet."""
        shared = self.shared
        if shared.sleep_begin < 0 or shared.sleep_end == self.tables.core.cycles:
            return 0
        row = (shared.sleep_begin, shared.sleep_end, Kind.SLEEP, shared.sleep_kind, shared.sleep_level, shared.woken_by)
        self.chunks.append(np.array([row], SLICE))
        shared.sleep_begin = shared.sleep_end = -1
        return 1


class Recorder:
    """Of one run. `begin` it for each core, and `end` it once."""

    def __init__(self, most: int) -> None:
        """`most`: slices that are kept at most."""
        self._most, self._count = most, 0
        self._shortest, self._left_out = 0, 0
        self._whole_until: int | None = None
        self._lines: list[_Line] = []
        self._pins = _Pins()
        self.since: int | None = None
        """The cycle from which on it records; None until then."""

    def begin(self, interpreter: Interpreter, since: int | None = None) -> None:
        """Record a core from now on, or from a later cycle than this."""
        core = interpreter.counters.tables.core
        line = _Line(interpreter, int(core.number), int(core.cycles) if since is None else since)
        line.tables.share("log", np.zeros(_LOG, layout.SLICE), line.shared)
        line.tables.share("opened", np.zeros(FRAME_CAPACITY + 2, np.int64), line.shared)
        line.shared.shortest = self._shortest
        line.shared.log_capacity = _LOG
        CORE.m0_begin_drawing(line.tables.address)
        interpreter.on_grow = partial(self._empty, line)
        interpreter.forget_code()  # calls are decoded so that they are drawn
        self._lines.append(line)
        self.since = line.begin if self.since is None else self.since

    def _empty(self, line: _Line) -> None:
        self._count += line.take()
        if self._count > self._most:
            self._count += sum(each.take() for each in self._lines)
            self._let_go()

    def _let_go(self) -> None:
        """Of what comes behind the first half of all that may be kept, the shorter part, or what else it takes."""
        chunks = np.concatenate([chunk for line in self._lines for chunk in line.chunks])
        if self._whole_until is None:
            ends = np.sort(chunks["end"])
            self._whole_until = int(ends[self._most // 2]) - 1
        is_later = chunks["end"] > self._whole_until
        room = self._most - int(np.count_nonzero(~is_later))
        cycles = np.sort((chunks["end"] - chunks["begin"])[is_later])
        longest = int(cycles[-max(room // 2, 1)])
        are_too_many = np.count_nonzero(cycles >= longest) > room  # equally long ones stay or go together
        self._shortest = longest + int(are_too_many)
        kept = 0
        for line in self._lines:
            line.shared.shortest = self._shortest
            line.chunks = [chunk[self._stay(chunk)] for chunk in line.chunks]
            kept += sum(map(len, line.chunks))
        self._left_out += self._count - kept
        self._count = kept

    def _stay(self, chunk: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        stay: npt.NDArray[np.bool_] = (chunk["end"] <= self._whole_until) | (
            chunk["end"] - chunk["begin"] >= self._shortest
        )
        return stay

    # -- pins

    @property
    def wants_pins(self) -> bool:
        """Whether there is room for more of what they do."""
        return self._pins.until is None

    def see_pins(self, pins: npt.NDArray[Any], steps: npt.NDArray[Any], now: int) -> None:
        """What pins and state machines of PIO did up to cycle `now`: rows of `layout.PIN_CHANGE` and `PIO_STEP`."""
        self._pins.see(pins, steps, now, is_kept=bool(self._lines))

    # -- the end

    def end(self, scale: TimeScale, exception_name: Callable[[int], str]) -> Timeline:
        """What was recorded; every core has come to where it ends."""
        for line in self._lines:
            CORE.m0_end_drawing(line.tables.address)
            self._count += line.take()
        if self._count > self._most:
            self._let_go()
        cores = tuple(_ended(line) for line in sorted(self._lines, key=lambda line: line.number))
        entered = {int(n) for core in cores for n in _numbers(core.slices, Kind.EXCEPTION)}
        woken = {int(n) for core in cores for n in _details(core.slices, Kind.SLEEP)}
        begin, end = (cores[0].begin, cores[0].end) if cores else (0, 0)
        return Timeline(
            cores=cores,
            scale=scale,
            functions=self._lines[0].interpreter.counters.functions.names if cores else (),
            exceptions={
                number: exception_name(number) for number in sorted(entered | woken) if 0 < number < layout.EXCEPTIONS
            },
            whole_until=self._whole_until,
            shortest=self._shortest,
            left_out=self._left_out + sum(int(line.shared.left_out) for line in self._lines),
            pins=self._pins.since(begin),
            machines=self._pins.runs(begin, end),
            pins_until=self._pins.until,
        )


def _ended(line: _Line) -> CoreLine:
    """The slices of a core in their order, what was before its begin cut off."""
    slices = np.concatenate([np.zeros(0, SLICE), *line.chunks])
    slices = slices[slices["end"] > line.begin]
    slices["begin"] = np.maximum(slices["begin"], line.begin)
    order = np.lexsort((slices["level"], -slices["end"], slices["begin"]))
    return CoreLine(line.number, line.begin, int(line.tables.core.cycles), slices[order])


def _numbers(slices: npt.NDArray[Any], kind: Kind) -> npt.NDArray[Any]:
    return np.unique(slices["number"][slices["kind"] == kind])


def _details(slices: npt.NDArray[Any], kind: Kind) -> npt.NDArray[Any]:
    return np.unique(slices["detail"][slices["kind"] == kind])


class _Pins:
    """What pins and the state machines of PIO do."""

    def __init__(self) -> None:
        self.until: int | None = None
        """The cycle from which on nothing is kept any more."""
        self._changes: list[npt.NDArray[Any]] = []
        self._enabled: dict[int, int] = {}  # machines that are, and since when
        self._runs: list[tuple[int, int, int]] = []
        self._count = 0

    def see(self, pins: npt.NDArray[Any], steps: npt.NDArray[Any], now: int, *, is_kept: bool) -> None:
        """Without `is_kept`, it only matters what comes of it in the end."""
        if not is_kept:
            self._changes = [np.concatenate([*self._changes, pins])[-1:]]
        elif len(pins):
            self._changes.append(pins)
            self._count += len(pins)
        for machine in np.unique(steps["machine"]).tolist():
            self._follow(machine, steps[steps["machine"] == machine])
        if not is_kept:
            self._runs.clear()
        if self._count + len(self._runs) > _MOST_PINS:
            self.until = now

    def _follow(self, machine: int, steps: npt.NDArray[Any]) -> None:
        stands = steps["pc"] == layout.NOTHING
        turns = np.flatnonzero(np.diff(stands, prepend=machine not in self._enabled))
        for cycle in steps["cycle"][turns].tolist():
            if machine in self._enabled:
                self._runs.append((self._enabled.pop(machine), cycle, machine))
            else:
                self._enabled[machine] = cycle

    def since(self, begin: int) -> npt.NDArray[Any]:
        """What the pins are at a cycle, and what changes after it."""
        changes = np.concatenate([np.zeros(0, layout.PIN_CHANGE), *self._changes]).astype(PIN)
        first = max(int(np.searchsorted(changes["cycle"], begin, side="right")) - 1, 0)
        changes = changes[first:]
        changes["cycle"] = np.maximum(changes["cycle"], begin)
        return changes

    def runs(self, begin: int, end: int) -> npt.NDArray[Any]:
        """When state machines were enabled between two cycles."""
        last = end if self.until is None else min(end, self.until)
        rows = [*self._runs, *((since, last, machine) for machine, since in self._enabled.items())]
        found = np.array(rows, MACHINE)
        found["begin"] = np.maximum(found["begin"], begin)
        return np.sort(found[found["end"] > found["begin"]], order=("begin", "number"))
