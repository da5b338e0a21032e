"""What all blocks of an STM32 have in common."""

from __future__ import annotations

from functools import partial

from m0sim.chip.devices.block import Block


class Peripheral(Block):
    """A block whose clock RCC gates: while that is off, loads give 0 and stores do nothing (RM0444, 5.2.18).

    On the APB a narrow value comes in all lanes; blocks on the AHB and the I/O port take bytes (RM0444, 2.1).
    """

    size = 0x400
    has_aliases = False
    is_on_apb = True
    is_clocked = True
    """RCC says so. Blocks without an enable bit are clocked always."""

    def load(self, offset: int) -> int:
        """The register at `offset`."""
        if not self.is_clocked:
            self.bus.unmodelled(self, offset, None, "while its clock is off: RCC has an enable bit for it")
            return 0
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        if not self.is_clocked:
            self.bus.unmodelled(self, offset, value, "while its clock is off: RCC has an enable bit for it")
            return
        super().store(offset, value)

    def store_narrow(self, offset: int, value: int, size: int) -> None:
        """Store 1 or 2 bytes."""
        if self.is_on_apb:
            super().store_narrow(offset, value, size)
            return
        register, shift, mask = self.registers.get(offset & ~3), 8 * (offset & 3), (1 << 8 * size) - 1
        kept = self.words.get(offset & ~3, 0) if register is None or register.writable else 0
        self.store(offset & ~3, kept & ~(mask << shift) | (value & mask) << shift)

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """Nothing is, while the clock is off."""
        is_steady, until = super().steady(offset)
        return is_steady and self.is_clocked, until

    def inert(self, *offsets: int) -> None:
        """Registers that do nothing as reset leaves them; other values are noted, and do nothing either."""
        for offset in offsets:
            self.stores[offset] = partial(self._note, offset, self.registers[offset].reset)

    def unused(self, offset: int, bits: int, what: str) -> None:
        """Note where a register has any of these bits set."""
        if self.words[offset] & bits:
            self.bus.unmodelled(self, offset, self.words[offset], what)

    def _note(self, offset: int, reset: int, value: int) -> None:
        if self.words[offset] != reset:
            self.bus.unmodelled(self, offset, value, self.registers[offset].name)
