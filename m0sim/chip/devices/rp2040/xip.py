"""XIP_CTRL, the flash cache's registers, and XIP_AUX: RP2040 datasheet, sections 2.6.3.4 and 2.6.3.6."""

from __future__ import annotations

from collections import deque

from m0sim.chip.devices.block import WORD, Device, Register, TimedBlock
from m0sim.chip.devices.rp2040.dreq import Dreq

FLUSH_CYCLES = 1024
"""Section 2.6.3.2: just over 1024 cycles, one a set."""

_EN, _ERR_BADWRITE, _POWER_DOWN = 1, 2, 8
_FLUSH_READY, _FIFO_EMPTY, _FIFO_FULL = 1, 2, 4
STREAM_DEPTH = 2
"""Words: section 2.6.3.6, STAT."""
_STREAM_ADDRESS, _STREAM_COUNT = 0xFF_FFFC, 0x3F_FFFF


class XipCtrl(TimedBlock):
    """Flushing, turning off, streaming, and the two counters, which count where the run models the flash cache.

    A load of FLUSH waits for the flush to end; reads of flash in those 1,024 cycles do not. Assumed: a word of a stream
    takes as long as one that the cache has not, and the stream and the core do not hold each other up.
    """

    CTRL, FLUSH, STAT, CTR_HIT, CTR_ACC = 0x00, 0x04, 0x08, 0x0C, 0x10
    STREAM_ADDR, STREAM_CTR, STREAM_FIFO = 0x14, 0x18, 0x1C

    def __init__(self) -> None:
        super().__init__(
            "XIP_CTRL",
            0x1400_0000,
            (
                Register(self.CTRL, "CTRL", _EN | _ERR_BADWRITE, writable=_EN | _ERR_BADWRITE | _POWER_DOWN),
                Register(self.FLUSH, "FLUSH", writable=0),
                Register(self.STAT, "STAT", _FIFO_EMPTY, writable=0),
                Register(self.CTR_HIT, "CTR_HIT", writable=0, clears=WORD),
                Register(self.CTR_ACC, "CTR_ACC", writable=0, clears=WORD),
                Register(self.STREAM_ADDR, "STREAM_ADDR", writable=_STREAM_ADDRESS | 0xFF00_0000),
                Register(self.STREAM_CTR, "STREAM_CTR", writable=_STREAM_COUNT),
                Register(self.STREAM_FIFO, "STREAM_FIFO", writable=0),
            ),
        )
        self._from = [0, 0]
        self._flushed: int | None = None
        """The cycle in which a flush ends."""
        self._streamed: deque[int] = deque()
        self._comes: int | None = None
        """The cycle in which the next word of the stream has come."""
        self.loads = {
            self.STAT: self._status,
            self.STREAM_FIFO: self.take,
            self.FLUSH: self._wait,
            self.CTR_HIT: lambda: self._count(0),
            self.CTR_ACC: lambda: self._count(1),
        }
        self.stores = {
            self.CTRL: self._control,
            self.FLUSH: self._flush,
            self.CTR_HIT: lambda _: self._clear(0),
            self.CTR_ACC: lambda _: self._clear(1),
            self.STREAM_CTR: self._stream,
        }
        self.volatile = {self.FLUSH, self.CTR_HIT, self.CTR_ACC, self.STREAM_ADDR, self.STREAM_CTR, self.STREAM_FIFO}

    def reset(self) -> None:
        """On, and empty."""
        super().reset()
        self._flushed = self._comes = None
        self._streamed.clear()
        self.bus.host.enable_cache(True)
        self.bus.host.flush_cache()
        self._from = list(self.bus.host.cache_counts)

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """STAT has its value until a flush ends or a word comes."""
        changes = [cycle for cycle in (self._flushed, self._comes) if cycle is not None]
        return super().steady(offset)[0], min(changes, default=None)

    def _settle(self) -> None:
        now = self.bus.clock.now
        if self._flushed is not None and self._flushed <= now:
            self._flushed = None
        while self._comes is not None and self._comes <= now:
            came, self._comes = self._comes, None
            address = self.words[self.STREAM_ADDR]
            self._streamed.append(int.from_bytes(self.bus.host.read_flash(address & _STREAM_ADDRESS, 4), "little"))
            self.words[self.STREAM_ADDR] = address + 4 & WORD
            self.words[self.STREAM_CTR] -= 1
            self._go_on(came)

    def _plan(self) -> None:
        self.schedule(self._flushed)

    # -- the stream

    def request(self) -> Dreq:
        """For the words that have come: section 2.6.3.4."""
        return Dreq("XIP_STREAM", self, self._to_be_read, lambda: self._comes)

    def _to_be_read(self) -> int:
        self._settle()
        return len(self._streamed)

    def _go_on(self, since: int) -> None:
        """The next word is read, if there is room for it."""
        if self._comes is None and self.words[self.STREAM_CTR] and len(self._streamed) < STREAM_DEPTH:
            self._comes = since + self.bus.host.flash_word_cycles

    def _stream(self, value: int) -> None:
        """Begin, or with 0 end."""
        if not value:
            self._comes = None
        self._go_on(self.bus.clock.now)

    def take(self) -> int:
        """A word of the stream; 0 where none has come."""
        self._settle()
        if not self._streamed:
            return 0
        value = self._streamed.popleft()
        self._go_on(self.bus.clock.now)
        self.bus.changed(self)
        return value

    def _status(self) -> int:
        came = len(self._streamed)
        fifo = (_FIFO_EMPTY if came == 0 else 0) | (_FIFO_FULL if came == STREAM_DEPTH else 0)
        return fifo | (0 if self._flushed is not None else _FLUSH_READY)

    # -- the cache

    def _control(self, value: int) -> None:
        if value & _POWER_DOWN:
            self.words[self.CTRL] &= ~_EN
        self.bus.host.enable_cache(bool(self.words[self.CTRL] & _EN))

    def _flush(self, value: int) -> None:
        if value & 1:
            self.bus.host.flush_cache()
            self._flushed = self.bus.clock.now + FLUSH_CYCLES

    def _wait(self) -> int:
        if self._flushed is not None:
            self.bus.host.stall(self._flushed - self.bus.clock.now)
        return 0

    def _count(self, which: int) -> int:
        return min(self.bus.host.cache_counts[which] - self._from[which], WORD)

    def _clear(self, which: int) -> None:
        self._from[which] = self.bus.host.cache_counts[which]


class XipAux(Device):
    """The stream's FIFO once more, at all addresses: on the bus of the fast peripherals."""

    name, base, size, has_aliases = "XIP_AUX", 0x5040_0000, 0x1000, False

    def __init__(self, xip_ctrl: XipCtrl) -> None:
        self._xip_ctrl = xip_ctrl

    def load(self, offset: int) -> int:
        """A word of the stream."""
        return self._xip_ctrl.take()

    def store(self, offset: int, value: int) -> None:
        """It takes nothing."""

    def reset(self) -> None:
        """It has no state."""
