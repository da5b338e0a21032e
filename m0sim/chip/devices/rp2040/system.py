"""Small blocks that tell what the chip is: SYSINFO, SYSCFG, TBMAN, VREG_AND_CHIP_RESET.

RP2040 datasheet, sections 2.20, 2.21, 2.22 and 2.10.
"""

from __future__ import annotations

from m0sim.chip.devices.block import WORD, Block, Register

_ROK = 1 << 12
_HAD_POR, _HAD_RUN = 1 << 8, 1 << 16


class Sysinfo(Block):
    """A B2 chip: revision 2, as boards have been sold with since 2021."""

    def __init__(self) -> None:
        super().__init__(
            "SYSINFO",
            0x4000_0000,
            (
                Register(0x00, "CHIP_ID", 0x2000_2927, writable=0),
                Register(0x04, "PLATFORM", 0x02, writable=0),
                Register(0x40, "GITREF_RP2040", writable=0),
            ),
        )


class Syscfg(Block):
    """Stored and read back. What it sets has no effect on one core without a debugger, except for the NMI and memory
    that is powered down: those are noted."""

    def __init__(self) -> None:
        super().__init__(
            "SYSCFG",
            0x4000_4000,
            (
                Register(0x00, "PROC0_NMI_MASK", effect=False),
                Register(0x04, "PROC1_NMI_MASK"),
                Register(0x08, "PROC_CONFIG", 0x1000_0000, writable=0xFF00_0000),
                Register(0x0C, "PROC_IN_SYNC_BYPASS", writable=0x3FFF_FFFF),
                Register(0x10, "PROC_IN_SYNC_BYPASS_HI", writable=0x3F),
                Register(0x14, "DBGFORCE", 0x66, writable=0xEE),
                Register(0x18, "MEMPOWERDOWN", writable=0xFF, effect=False),
            ),
        )


class Tbman(Block):
    """A chip, no simulation: as the chip says."""

    def __init__(self) -> None:
        super().__init__("TBMAN", 0x4006_C000, (Register(0x00, "PLATFORM", 0x05, writable=0),))


class VregAndChipReset(Block):
    """The regulator is in regulation always. Voltages change nothing."""

    VREG, BOD, CHIP_RESET = 0x00, 0x04, 0x08

    def __init__(self) -> None:
        super().__init__(
            "VREG_AND_CHIP_RESET",
            0x4006_4000,
            (
                Register(self.VREG, "VREG", 0xB1, writable=0xF3),
                Register(self.BOD, "BOD", 0x91, writable=0xF1),
                Register(self.CHIP_RESET, "CHIP_RESET", _HAD_POR, writable=0, clears=1 << 24),
            ),
        )
        self.loads = {self.VREG: lambda: (self.words[self.VREG] | _ROK) & WORD}

    def reset(self) -> None:
        """What was the last reset of the whole chip, stays."""
        was = self.words[self.CHIP_RESET]
        super().reset()
        self.words[self.CHIP_RESET] = was

    def pressed(self) -> None:
        """The RUN pin was low."""
        self.words[self.CHIP_RESET] = _HAD_RUN
