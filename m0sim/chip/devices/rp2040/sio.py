"""The one register of the SIO that the native core asks for: RP2040 datasheet, section 2.3.1.7."""

from __future__ import annotations

from m0sim.chip.devices.block import Block, Register
from m0sim.chip.devices.rp2040.gpio import IoBank0


class Sio(Block):
    """GPIO_IN, where a pin has a level that nobody follows: see `PinState.unfollowed`."""

    GPIO_IN = 0x04
    has_aliases = False
    for_cores_alone = True

    def __init__(self, io_bank0: IoBank0) -> None:
        super().__init__("SIO", 0xD000_0000, (Register(self.GPIO_IN, "GPIO_IN", writable=0),))
        self._io = io_bank0
        self.loads[self.GPIO_IN] = self._in
        self.volatile.add(self.GPIO_IN)

    def _in(self) -> int:
        self._io.levels_wanted()
        pins = self.bus.host.pins
        return (pins.seen & pins.in_and) ^ pins.in_xor
