"""PLL_SYS and PLL_USB: RP2040 datasheet, section 2.18."""

from __future__ import annotations

from fractions import Fraction

from m0sim.chip.devices.block import Block, Register
from m0sim.chip.devices.clock import Source

LOCK_CYCLES = 500
"""Cycles of the divided reference until the loop is locked: assumed, the datasheet gives no time."""

_LOCK, _BYPASS = 1 << 31, 1 << 8
_PD, _DSMPD, _POSTDIVPD, _VCOPD = 1 << 0, 1 << 2, 1 << 3, 1 << 5


class Pll(Block):
    """A PLL: FREF / REFDIV * FBDIV / (POSTDIV1 * POSTDIV2), section 2.18.2. Limits of the VCO are not checked.

    It has its frequency at once: what it is on the way to the lock, nobody tells.
    """

    CS, PWR, FBDIV_INT, PRIM = 0x00, 0x04, 0x08, 0x0C

    def __init__(self, name: str, base: int, reference: Source) -> None:
        super().__init__(
            name,
            base,
            (
                Register(self.CS, "CS", 0x01, writable=0x13F),
                Register(self.PWR, "PWR", 0x2D, writable=0x2D),
                Register(self.FBDIV_INT, "FBDIV_INT", writable=0xFFF),
                Register(self.PRIM, "PRIM", 0x7_7000, writable=0x7_7000),
            ),
        )
        self.source = Source(name.lower())
        self._reference = reference
        self._is_locked = False
        self._loop: tuple[bool, int, int, Fraction] | None = None
        self.loads = {self.CS: lambda: self.words[self.CS] | self._is_locked * _LOCK}
        self.stores = dict.fromkeys(self.registers, self._changed)
        reference.watch(self._tune)

    def reset(self) -> None:
        """Powered down."""
        super().reset()
        self._tune()

    def at(self) -> None:
        """It has locked."""
        self._is_locked = True
        self._tune()

    def _changed(self, _: int) -> None:
        self._tune()

    def _tune(self) -> None:
        """Where the loop itself has changed, it has to lock again; a post divider only divides."""
        words, fref = self.words, self._reference.hz
        pwr, fbdiv, refdiv = words[self.PWR], words[self.FBDIV_INT], words[self.CS] & 0x3F
        runs = not pwr & (_PD | _VCOPD) and bool(fref and fbdiv and refdiv)
        loop = (runs, fbdiv, refdiv, fref)
        if loop != self._loop:
            self._loop = loop
            self._is_locked = False
            if runs:
                self.schedule_in(LOCK_CYCLES * refdiv / fref)
            else:
                self.schedule(None)
            self.bus.changed(self)
        postdiv = (words[self.PRIM] >> 16 & 7) * (words[self.PRIM] >> 12 & 7)
        if words[self.CS] & _BYPASS:
            self.source.set(fref)
        elif runs and postdiv and not pwr & _POSTDIVPD:
            self.source.set(fref / refdiv * fbdiv / postdiv)
        else:
            self.source.set(0)
