"""PIO0 and PIO1: RP2040 datasheet, chapter 3. The native core has the state machines and the registers.

It answers the processor's accesses by itself. What comes here is what a device accesses, such as DMA, and what the
processor does to a block that is held in reset; and from here pins and requests are wired.
"""

from __future__ import annotations

from functools import partial

from m0sim.chip.devices.block import Block, Register
from m0sim.chip.devices.rp2040.dreq import Dreq

MACHINES = 4
_BASE, _STRIDE = 0x5020_0000, 0x10_0000
_DREQS = 8
"""Of one block: TX of its four machines, then RX. PIO0 has the DMA's numbers 0 to 7, PIO1 8 to 15 (table 120)."""
_USES = (
    "an instruction with a reserved field: taken as if it did nothing there",
    "a load from an empty FIFO: undefined, taken as 0",
    "a fraction where the integer is 0",
)
"""By number in `enum m0_pio_notes`."""
_XOR, _SET, _CLEAR = 1, 2, 3


class Pio(Block):
    """One of the two blocks."""

    CTRL, FSTAT, FDEBUG, FLEVEL, TXF0, RXF0, IRQ, IRQ_FORCE = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x20, 0x30, 0x34
    INPUT_SYNC_BYPASS, DBG_PADOUT, DBG_PADOE, DBG_CFGINFO, INSTR_MEM0 = 0x38, 0x3C, 0x40, 0x44, 0x48
    SM0_CLKDIV, STRIDE, INTR, IRQ0_INTE = 0xC8, 0x18, 0x128, 0x12C

    def __init__(self, number: int) -> None:
        super().__init__(f"PIO{number}", _BASE + _STRIDE * number, _registers())
        self.number = number
        self.dreqs = (1 << _DREQS) - 1 << _DREQS * number
        """Its own, a bit each by the DMA's numbers."""

    def load(self, offset: int) -> int:
        """The register at `offset`, as of now."""
        if self.in_reset or offset not in self.registers:
            return super().load(offset)
        return self.bus.host.load_pio(self.number, offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        self._store(offset, 0, value)

    def modify(self, offset: int, clear: int, flip: int) -> None:
        """Store through an alias."""
        self._store(offset, _XOR if not clear else _SET if flip else _CLEAR, clear | flip)

    def _store(self, offset: int, alias: int, value: int) -> None:
        if self.in_reset or offset not in self.registers:
            super().store(offset, value)
        else:
            self.bus.host.store_pio(self.number, offset, alias, value)

    def reset(self) -> None:
        """All machines stand."""
        super().reset()
        self.bus.host.reset_pio(self.number, self.in_reset)

    def hold(self, in_reset: bool) -> None:
        """Hold the block in reset, or let it go."""
        was_held = self.in_reset
        super().hold(in_reset)
        if in_reset != was_held:
            self.bus.host.reset_pio(self.number, in_reset)

    def dreq(self, number: int) -> bool:
        """Whether a DREQ of this block is high now, by the DMA's number.

        TX's is high while the FIFO has room, RX's while it has something.
        """
        assert self.dreqs >> number & 1, f"DREQ {number} is not one of {self.name}"
        return bool(self.bus.host.pio_requests >> number & 1)

    def requests(self) -> list[Dreq]:
        """The eight, in the order of their numbers."""
        return [
            Dreq(f"{self.name}_{way}{i % MACHINES}", self, partial(self._count, i), partial(self._wait_for, i))
            for i, way in enumerate(("TX",) * MACHINES + ("RX",) * MACHINES)
        ]

    def _count(self, i: int) -> int:
        """Transfers that a request asks for now: places in TX, words in RX."""
        machine, is_rx = i % MACHINES, i >= MACHINES
        level = self.load(self.FLEVEL) >> 8 * machine + 4 * is_rx & 0xF
        joined = self.load(self.SM0_CLKDIV + 8 + self.STRIDE * machine) >> 30
        return level if is_rx else (4, 8, 0, 0)[joined] - level

    def _wait_for(self, i: int) -> None:
        """Have an event when a request that is low has risen: nobody knows when that will be."""
        if not self.in_reset:
            self.bus.host.watch_pio(1 << i + _DREQS * self.number)

    def look_at_news(self) -> None:
        """The host has noticed that such a request has risen: an event of this block in that cycle."""
        if self.bus.host.take_pio_news(self.dreqs):
            self.schedule(self.bus.host.pio_now)

    def tell_uses(self) -> None:
        """Have the bus note what was used and is not modelled."""
        for what, (count, offset, pc) in zip(_USES, self.bus.host.pio_uses(self.number), strict=True):
            if count:
                self.bus.note(self, offset, what, pc, count)

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """Nothing is for certain."""
        return False, None


def _registers() -> list[Register]:
    names = "CTRL FSTAT FDEBUG FLEVEL TXF0 TXF1 TXF2 TXF3 RXF0 RXF1 RXF2 RXF3 IRQ IRQ_FORCE INPUT_SYNC_BYPASS".split()
    names += ["DBG_PADOUT", "DBG_PADOE", "DBG_CFGINFO", *(f"INSTR_MEM{i}" for i in range(32))]
    for i in range(MACHINES):
        names += [f"SM{i}_{name}" for name in ("CLKDIV", "EXECCTRL", "SHIFTCTRL", "ADDR", "INSTR", "PINCTRL")]
    names += ["INTR", *(f"IRQ{i}_{name}" for i in range(2) for name in ("INTE", "INTF", "INTS"))]
    resets = {"FSTAT": 0x0F00_0F00, "DBG_CFGINFO": 0x0020_0404}
    for i in range(MACHINES):
        resets |= {f"SM{i}_CLKDIV": 0x1_0000, f"SM{i}_EXECCTRL": 0x1_F000, f"SM{i}_SHIFTCTRL": 0xC_0000}
        resets[f"SM{i}_PINCTRL"] = 0x1400_0000
    return [Register(4 * i, name, resets.get(name, 0)) for i, name in enumerate(names)]
