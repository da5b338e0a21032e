"""INTR, INTE, INTF and INTS, as most of the RP2040's blocks have them, and the request line behind them."""

from __future__ import annotations

from collections.abc import Sequence

from m0sim.chip.devices.block import Block


class Interrupts:
    """Raw interrupts of a block that stay until they are cleared, and what of them is requested.

    The registers are words of the block, which declares them. With one line all bits are requested by that; with more,
    each bit has its own.
    """

    def __init__(self, block: Block, lines: Sequence[int], offsets: Sequence[int]) -> None:
        self._block, self._lines = block, lines
        self._intr, self._inte, self._intf, self._ints = offsets
        self.latched = 0
        """INTR."""
        block.loads[self._intr] = lambda: self.latched
        block.loads[self._ints] = self.status
        block.stores[self._intr] = self._clear
        block.stores[self._inte] = block.stores[self._intf] = lambda _: self._tell()

    def status(self) -> int:
        """INTS."""
        return (self.latched | self._block.words[self._intf]) & self._block.words[self._inte]

    def latch(self, bits: int) -> None:
        """Something happened."""
        self.latched |= bits
        self._tell()

    def reset(self) -> None:
        """Nothing has happened."""
        self.latched = 0
        self._tell()

    def _clear(self, value: int) -> None:
        self.latched &= ~value
        self._tell()

    def _tell(self) -> None:
        status, lines = self.status(), self._lines
        if len(lines) == 1:
            self._block.bus.host.set_line(lines[0], status != 0)
            return
        for bit, line in enumerate(lines):
            self._block.bus.host.set_line(line, bool(status >> bit & 1))
