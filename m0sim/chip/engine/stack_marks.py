"""How deep the main stack of each core is over time, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

from m0sim.chip.engine.points import NEVER
from m0sim.chip.engine.processor import Processor
from m0sim.chip.run_cost import StackOverTime

_MOST = 256
_FIRST_CYCLES = 1024


class StackMarks:
    """A mark for each stretch of time. Where there are too many, two become one, and stretches twice as long."""

    def __init__(self) -> None:
        self._begin, self._length = 0, _FIRST_CYCLES
        self._marks: list[list[int]] = []  # of each core
        self.due = NEVER
        """The cycle at which `note` is to be called next; never until `begin`."""

    def begin(self, now: int, cores: Sequence[Processor]) -> None:
        """What comes from now on is marked."""
        for core in cores:
            core.take_stack_bytes()
        self._begin, self._marks = now, [[] for _ in cores]
        self.due = now + self._length

    def note(self, cores: Sequence[Processor]) -> None:
        """All cores have come to where a stretch ends."""
        self._take(cores)
        if len(self._marks[0]) >= _MOST:
            self._marks = [[max(marks[i : i + 2]) for i in range(0, _MOST, 2)] for marks in self._marks]
            self._length *= 2
        self.due = self._begin + (len(self._marks[0]) + 1) * self._length

    def _take(self, cores: Sequence[Processor]) -> None:
        while len(self._marks) < len(cores):
            self._marks.append([0] * len(self._marks[0]))  # it was not there yet
        for core, marks in zip(cores, self._marks, strict=True):
            marks.append(core.take_stack_bytes())

    def end(self, now: int, cores: Sequence[Processor]) -> StackOverTime | None:
        """Everything; None where it has not begun."""
        if self.due == NEVER:
            return None
        if now > self._begin + len(self._marks[0]) * self._length:
            self._take(cores)
        return StackOverTime(self._begin, self._length, tuple(map(tuple, self._marks)))
