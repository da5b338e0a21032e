"""A serial line: what a transmitter with a small FIFO sends when, and what comes in. For UARTs of many makes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from m0sim.chip.devices.clock import Ticks


class Transmitter:
    """Frames one after the other. Times are ticks of the clock that the UART's divider counts."""

    def __init__(self, ticks: Ticks, depth: int = 1) -> None:
        self._ticks = ticks
        self.depth = depth
        """Characters that wait behind the one that is being sent."""
        self.frame = 0
        """Ticks that one takes."""
        self._ends: deque[int] = deque()
        self._is_idling = False
        """The frame that is being sent is an idle one: nobody's character."""

    def clear(self) -> None:
        """Nothing is being sent."""
        self._ends.clear()
        self._is_idling = False

    def settle(self) -> None:
        """Bring it to what it is now."""
        now = self._ticks.count()
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
            self._is_idling = False

    @property
    def waiting(self) -> int:
        """Characters that wait."""
        return max(0, len(self._ends) - 1)

    @property
    def is_full(self) -> bool:
        """Whether another one would be lost."""
        return len(self._ends) > self.depth

    @property
    def is_busy(self) -> bool:
        """Whether a character is on its way."""
        return len(self._ends) > self._is_idling

    @property
    def next_change(self) -> int | None:
        """The tick in which a frame ends; None if none is on its way."""
        return self._ends[0] if self._ends else None

    @property
    def last_end(self) -> int | None:
        """The tick in which the last character has been sent; None if none is on its way."""
        return self._ends[-1] if self.is_busy else None

    def falls_to(self, level: int) -> int | None:
        """The tick in which no more than `level` characters wait; None where that is so already."""
        return self._ends[self.waiting - level - 1] if self.waiting > level else None

    def idle(self) -> None:
        """Send an idle frame, as some UARTs do when they are turned on."""
        if not self._ends and self.frame:
            self._ends.append(self._ticks.count() + self.frame)
            self._is_idling = True

    def send(self) -> bool:
        """Take a character; False where it is lost."""
        if self.is_full or not self.frame:
            return False
        self._ends.append((self._ends[-1] if self._ends else self._ticks.count()) + self.frame)
        return True


class Receiver:
    """What somebody sends: frame after frame, as long as `is_on`. If `paced`, he waits while there is no room."""

    def __init__(self, ticks: Ticks, depth: int = 1) -> None:
        self._ticks = ticks
        self.depth = depth
        self.paced = True
        self.frame = 0
        self.is_on: Callable[[], bool] = lambda: True
        self._coming: deque[int] = deque()
        self._received: deque[int] = deque()
        self.arrival: int | None = None
        """The tick in which the next character has come; None if none is on its way."""
        self.overruns = 0

    def clear(self) -> None:
        """Nothing has come, nothing is on its way; who sends, sends again."""
        self._received.clear()
        self.arrival = None

    def settle(self) -> int:
        """Bring it to what it is now; how many characters have come since."""
        now, came = self._ticks.count(), 0
        while self.arrival is not None and self.arrival <= now:
            when, self.arrival = self.arrival, None
            character = self._coming.popleft()
            if len(self._received) < self.depth:
                self._received.append(character)
            else:
                self.overruns += 1
            came += 1
            self._begin(when)
        return came

    @property
    def level(self) -> int:
        """Characters that wait to be read."""
        return len(self._received)

    def offer(self, data: bytes) -> None:
        """Somebody sends these, after those that he is sending already."""
        self._coming.extend(data)
        self.resume()

    def resume(self) -> None:
        """Something has changed: maybe there is room, or the receiver is on."""
        self._begin(self._ticks.count())

    def read(self) -> int:
        """Take the first character; 0 if there is none."""
        value = self._received.popleft() if self._received else 0
        self.resume()
        return value

    def _begin(self, when: int) -> None:
        has_room = not self.paced or len(self._received) < self.depth
        if self.arrival is None and self._coming and has_room and self.frame and self.is_on():
            self.arrival = when + self.frame
