"""INTR, INTE, INTF and INTS, as most of the RP2040's blocks have them, and the request line behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from m0sim.chip.devices.block import Block


class Interrupts:
    """Raw interrupts of a block that stay until they are cleared, and what of them is requested.

    The registers are words of the block, which declares them. With one line all bits are requested by that; with more,
    each bit has its own. With `level`, INTR is what that gives instead, and cannot be cleared.

    INTS is what the RP2040's registers call "after masking & forcing", in that order: INTE masks INTR, and what INTF
    forces is requested whether INTE has it or not, until INTF is cleared (RP2040 datasheet, 2.5.7, INTF0 of the DMA).
    """

    def __init__(
        self, block: Block, lines: Sequence[int], offsets: Sequence[int], level: Callable[[], int] | None = None
    ) -> None:
        self._block, self._lines, self._level = block, lines, level
        self._intr, self._inte, self._intf, self._ints = offsets
        self.latched = 0
        """INTR, where it stays."""
        block.loads[self._intr] = self.raw
        block.loads[self._ints] = self.status
        block.stores[self._intr] = self._clear
        block.stores[self._inte] = block.stores[self._intf] = lambda _: self.tell()

    def raw(self) -> int:
        """INTR."""
        return self.latched if self._level is None else self._level()

    def status(self) -> int:
        """INTS."""
        return self.raw() & self._block.words[self._inte] | self._block.words[self._intf]

    def latch(self, bits: int) -> None:
        """Something happened."""
        self.latched |= bits
        self.tell()

    def reset(self) -> None:
        """Nothing has happened."""
        self.latched = 0
        self.tell()

    def _clear(self, value: int) -> None:
        self.latched &= ~value
        self.tell()

    def tell(self) -> None:
        """Set the request line, or lines."""
        status, lines = self.status(), self._lines
        if len(lines) == 1:
            self._block.bus.host.set_line(lines[0], status != 0)
            return
        for bit, line in enumerate(lines):
            self._block.bus.host.set_line(line, bool(status >> bit & 1))
