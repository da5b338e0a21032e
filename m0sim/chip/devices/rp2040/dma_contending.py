"""The DMA where masters of the bus fabric hold each other up: RP2040 datasheet, sections 2.1.1 and 2.5.

Its reads are one master and its writes another. A transfer asks for its read, in the cycle in which it could be made
without contention; with the cycle behind its grant the data has moved, and its write is asked for. Meanwhile the next
transfer may ask: up to 8 wait for their writes. A sequence has ended when its last write has. With nobody to wait for,
all of that is in the cycles of `dma.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from m0sim.chip.devices.rp2040.dma import IN_FLIGHT, Dma, write_cycles_of
from m0sim.chip.devices.rp2040.dma_channel import Channel
from m0sim.chip.devices.rp2040.dreq import Dreq

_READ, _WRITE = 2, 3
"""Masters, as `Host.ask_for_bus` counts them."""


@dataclass(slots=True)
class _Transfer:
    """One that is under way."""

    channel: Channel
    sequence: int
    """Which of the channel's: an abort may have ended it since."""
    asked: int
    """The cycle in which its read was asked for."""
    number: int | None
    """Of what it waits for now; None where no port leads there, so that nobody has to grant it."""
    cycles: int
    """That this takes."""
    is_last: bool = False

    @property
    def is_wanted(self) -> bool:
        return self.channel.is_busy and self.channel.traffic.sequences == self.sequence


class ContendingDma(Dma):
    """The controller, transfer by transfer."""

    def __init__(self, requests: Mapping[int, Dreq]) -> None:
        super().__init__(requests)
        self._reading: _Transfer | None = None
        self._writing: deque[_Transfer] = deque()

    def reset(self) -> None:
        """What is under way is forgotten."""
        self._reading = None
        self._writing.clear()
        for master in (_READ, _WRITE):
            self.bus.host.withdraw_from_bus(master)
        super().reset()

    def _memories(self, channel: Channel) -> None:
        """No copies of many units at once."""

    def _plan(self, latency: int) -> None:
        super()._plan(latency)
        if self._reading is not None or self._writing:
            soon = self.bus.clock.now + 1  # when what this cycle brings is known
            self.schedule(soon if self.due is None else min(soon, self.due))

    def _step(self, now: int) -> bool:
        if self._is_read(now) or self._is_written(now):
            return True
        ended = min((c for c in self.channels if c.ends is not None), key=lambda c: c.ends or 0, default=None)
        if ended is not None and ended.ends is not None and ended.ends <= now:
            self._complete(ended, ended.ends)
            return True
        ready = [c for c in self.channels if c.is_active and c.planned is not None and c.planned <= now]
        if self._reading is not None or len(self._writing) >= IN_FLIGHT:
            self._free = max(self._free, now + 1)
        if not ready or self._free > now:
            return False
        self._begin(self._choose(ready), now)
        return True

    def _begin(self, channel: Channel, now: int) -> None:
        """Ask for the read of a channel's next transfer."""
        if not self._wanted(channel):
            channel.planned = None  # somebody else was faster
            return
        cycles = self._read_cycles(channel.read)
        number = self.bus.host.ask_for_bus(_READ, channel.read, now, cycles)
        self._reading = _Transfer(channel, channel.traffic.sequences, now, number, cycles)

    def _granted(self, master: int, transfer: _Transfer) -> int | None:
        """The cycle in which a transfer got what it asked for; None: not yet."""
        if transfer.number is None:
            return transfer.asked
        return self.bus.host.bus_granted_at(master, transfer.number)

    def _is_read(self, now: int) -> bool:
        """The read was made: so the data moves, and the write is asked for."""
        transfer = self._reading
        if transfer is None:
            return False
        granted = self._granted(_READ, transfer)
        if granted is None or granted >= now:
            return False
        self._reading = None
        behind, channel = granted + transfer.cycles, transfer.channel
        self._free = max(behind, now)
        if not transfer.is_wanted:
            return True
        if channel.planned is None:  # it was paused meanwhile
            channel.planned = transfer.asked
        address = channel.write
        if not self._moves(channel, now):
            return True
        cycles = write_cycles_of(address)
        number = self.bus.host.ask_for_bus(_WRITE, address, max(behind, now), cycles)
        self._made(channel, 1, transfer.asked, granted, transfer.cycles, 0)
        transfer.is_last, channel.ends = channel.ends is not None, None
        transfer.number, transfer.cycles, transfer.asked = number, cycles, max(behind, now)
        self._writing.append(transfer)
        return True

    def _is_written(self, now: int) -> bool:
        """The oldest of the writes was made."""
        granted = self._granted(_WRITE, self._writing[0]) if self._writing else None
        if granted is None or granted >= now:
            return False
        transfer = self._writing.popleft()
        transfer.channel.traffic.last_cycle = granted + transfer.cycles - 1
        if transfer.is_last and transfer.is_wanted:
            transfer.channel.ends = granted + transfer.cycles
        return True
