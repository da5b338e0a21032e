"""RESETS and PSM: which blocks are held in reset. RP2040 datasheet, sections 2.14 and 2.13."""

from __future__ import annotations

from collections.abc import Mapping

from m0sim.chip.devices.block import Block, Register

BLOCKS = (
    "ADC BUSCTRL DMA I2C0 I2C1 IO_BANK0 IO_QSPI JTAG PADS_BANK0 PADS_QSPI PIO0 PIO1 PLL_SYS PLL_USB PWM RTC SPI0 SPI1 "
    "SYSCFG SYSINFO TBMAN TIMER UART0 UART1 USBCTRL"
).split()
"""By bit of RESETS."""

_ALL = (1 << len(BLOCKS)) - 1
STAGES = (
    *("ROSC", "XOSC", "CLOCKS", "RESETS", "BUSFABRIC", "ROM"),
    *(f"SRAM{i}" for i in range(6)),
    *("XIP", "VREG_AND_CHIP_RESET", "SIO", "PROC0", "PROC1"),
)
"""By bit of PSM, in the order in which they come out of reset."""
_PSM_ALL = 0x1_FFFF
_PSM_PROC1 = 1 << 16


class Resets(Block):
    """Blocks leave their reset at once, so RESET_DONE is the inverse of RESET. Hardware takes some cycles."""

    RESET, WDSEL, RESET_DONE = 0x00, 0x04, 0x08

    def __init__(self) -> None:
        super().__init__(
            "RESETS",
            0x4000_C000,
            (
                Register(self.RESET, "RESET", _ALL, writable=_ALL),
                Register(self.WDSEL, "WDSEL", writable=_ALL),
                Register(self.RESET_DONE, "RESET_DONE", writable=0),
            ),
        )
        self._blocks: Mapping[int, Block] = {}
        self.loads = {self.RESET_DONE: lambda: ~self.words[self.RESET] & _ALL}
        self.stores = {self.RESET: lambda _: self._hold()}

    def holds(self, blocks: Mapping[str, Block]) -> None:
        """The blocks by name that this resets; those that are not there are not modelled."""
        self._blocks = {bit: blocks[name] for bit, name in enumerate(BLOCKS) if name in blocks}

    def reset(self) -> None:
        """All are held in reset."""
        super().reset()
        self._hold()

    def watchdog_fired(self) -> None:
        """Blocks that WDSEL says are held in reset."""
        self.words[self.RESET] |= self.words[self.WDSEL]
        self._hold()

    def _hold(self) -> None:
        held = self.words[self.RESET]
        for bit, block in self._blocks.items():
            block.hold(bool(held >> bit & 1))


class Psm(Block):
    """The power-on state machine has finished: DONE is all that is not forced off. It can hold core 1 in reset; turning
    off anything else is noted, and does nothing."""

    FRCE_ON, FRCE_OFF, WDSEL, DONE = 0x00, 0x04, 0x08, 0x0C

    def __init__(self) -> None:
        super().__init__(
            "PSM",
            0x4001_0000,
            (
                Register(self.FRCE_ON, "FRCE_ON", writable=_PSM_ALL),
                Register(self.FRCE_OFF, "FRCE_OFF", writable=_PSM_ALL),
                Register(self.WDSEL, "WDSEL", writable=_PSM_ALL),
                Register(self.DONE, "DONE", writable=0),
            ),
        )
        self.loads = {self.DONE: lambda: _PSM_ALL & ~self.words[self.FRCE_OFF]}
        self.stores = {self.FRCE_OFF: self._force_off}

    def watchdog_fired(self) -> tuple[str, ...]:
        """The stages that are reset: the first that WDSEL says, and all after it (section 2.13.4)."""
        selected = self.words[self.WDSEL]
        return STAGES[(selected & -selected).bit_length() - 1 :] if selected else ()

    def reset(self) -> None:
        """Nothing is forced on or off."""
        super().reset()
        self.bus.host.hold_second_core(False)

    def _force_off(self, value: int) -> None:
        self.bus.host.hold_second_core(bool(self.words[self.FRCE_OFF] & _PSM_PROC1))
        if value & ~_PSM_PROC1:
            self.bus.unmodelled(self, self.FRCE_OFF, value, "forcing other blocks than core 1 off")
