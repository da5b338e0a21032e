"""XIP_CTRL, the flash cache's registers: RP2040 datasheet, section 2.6.3.6."""

from __future__ import annotations

from m0sim.chip.devices.block import WORD, Block, Register

FLUSH_CYCLES = 1024
"""Section 2.6.3.2: just over 1024 cycles, one a set."""

_EN, _ERR_BADWRITE, _POWER_DOWN = 1, 2, 8
_FLUSH_READY, _FIFO_EMPTY = 1, 2


class XipCtrl(Block):
    """Flushing, turning off, and the two counters, which count where the run models the flash cache.

    A load of FLUSH waits for the flush to end; reads of flash in those 1,024 cycles do not.
    """

    CTRL, FLUSH, STAT, CTR_HIT, CTR_ACC = 0x00, 0x04, 0x08, 0x0C, 0x10

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
                Register(0x14, "STREAM_ADDR", effect=False),
                Register(0x18, "STREAM_CTR", effect=False),
                Register(0x1C, "STREAM_FIFO", writable=0, effect=False),
            ),
        )
        self._from = [0, 0]
        self._is_flushing = False
        self.loads = {
            self.STAT: lambda: _FIFO_EMPTY | (0 if self._is_flushing else _FLUSH_READY),
            self.FLUSH: self._wait,
            self.CTR_HIT: lambda: self._count(0),
            self.CTR_ACC: lambda: self._count(1),
        }
        self.stores = {
            self.CTRL: self._control,
            self.FLUSH: self._flush,
            self.CTR_HIT: lambda _: self._clear(0),
            self.CTR_ACC: lambda _: self._clear(1),
        }
        self.volatile = {self.FLUSH, self.CTR_HIT, self.CTR_ACC}

    def reset(self) -> None:
        """On, and empty."""
        super().reset()
        self._is_flushing = False
        self.bus.host.enable_cache(True)
        self.bus.host.flush_cache()
        self._from = list(self.bus.host.cache_counts)

    def at(self) -> None:
        """It is flushed."""
        self._is_flushing = False

    def _control(self, value: int) -> None:
        if value & _POWER_DOWN:
            self.words[self.CTRL] &= ~_EN
        self.bus.host.enable_cache(bool(self.words[self.CTRL] & _EN))

    def _flush(self, value: int) -> None:
        if value & 1:
            self.bus.host.flush_cache()
            self._is_flushing = True
            self.schedule(self.bus.clock.now + FLUSH_CYCLES)

    def _wait(self) -> int:
        if self.due is not None:
            self.bus.host.stall(self.due - self.bus.clock.now)
        return 0

    def _count(self, which: int) -> int:
        return min(self.bus.host.cache_counts[which] - self._from[which], WORD)

    def _clear(self, which: int) -> None:
        self._from[which] = self.bus.host.cache_counts[which]
