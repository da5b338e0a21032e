"""USBCTRL: only what turns the interface off. RP2040 datasheet, section 4.1."""

from __future__ import annotations

from m0sim.chip.devices.block import Block, Register

_PULLDOWN, _TRANSCEIVER_PD = 1 << 15, 1 << 18


class Usb(Block):
    """Nobody is connected. SIE_CTRL takes its pull-down and power-down, all else is not modelled, and named.

    It is not held in reset: pico-sdk powers it down before it lets it out of reset, which hardware forgets.
    """

    SIE_CTRL = 0x4C

    def __init__(self) -> None:
        super().__init__("USBCTRL", 0x5011_0000, (Register(self.SIE_CTRL, "SIE_CTRL"),))
        self.stores = {self.SIE_CTRL: self._control}

    def _control(self, value: int) -> None:
        if value & ~(_PULLDOWN | _TRANSCEIVER_PD):
            self.bus.unmodelled(self, self.SIE_CTRL, value, "using USB")
