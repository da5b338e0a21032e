"""A block whose registers have 8, 16 or 32 bits, side by side in the same word."""

from __future__ import annotations

from collections.abc import Iterable

from m0sim.chip.devices.block import Block, Register


class SizedBlock(Block):
    """Stores change the registers that they cover, and of one that they cover in part, those bytes."""

    def __init__(self, name: str, base: int, registers: Iterable[tuple[int, int, Register]], size: int = 0x400) -> None:
        """`registers` are its bytes, their number, and the rest."""
        listed = list(registers)
        super().__init__(name, base, [register for *_, register in listed])
        self.size, self.has_aliases = size, False
        self._owner = {at + i: (register.offset, width) for at, width, register in listed for i in range(width)}

    def load(self, offset: int) -> int:
        """Four bytes."""
        return self.load_narrow(offset, 4)

    def store(self, offset: int, value: int) -> None:
        """Four bytes."""
        self.store_narrow(offset, value, 4)

    def load_narrow(self, offset: int, size: int) -> int:
        """Bytes of the registers that lie there; 0 between them."""
        result, values = 0, dict[int, int]()
        for i in range(size):
            owner = self._owner.get(offset + i)
            if owner is None:
                continue
            if owner[0] not in values:
                values[owner[0]] = self.read(owner[0])
            result |= (values[owner[0]] >> 8 * (offset + i - owner[0]) & 0xFF) << 8 * i
        if not values:
            self.bus.unmodelled(self, offset & ~3, None)
        return result

    def store_narrow(self, offset: int, value: int, size: int) -> None:
        """To each register that lies there."""
        owners = {self._owner[offset + i] for i in range(size) if offset + i in self._owner}
        if not owners:
            self.bus.unmodelled(self, offset & ~3, value)
        for at, width in sorted(owners):
            covered = range(max(at, offset), min(at + width, offset + size))
            word = 0 if len(covered) == width else self.words.get(at, 0)
            for byte in covered:
                shift = 8 * (byte - at)
                word = word & ~(0xFF << shift) | (value >> 8 * (byte - offset) & 0xFF) << shift
            self.write(at, word)

    def read(self, offset: int) -> int:
        """One register."""
        return super().load(offset)

    def write(self, offset: int, value: int) -> None:
        """Store to one register."""
        super().store(offset, value)
