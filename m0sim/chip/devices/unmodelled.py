"""Blocks that are not modelled: what is stored is read back, and every access is noted."""

from __future__ import annotations

from m0sim.chip.devices.block import Device


class UnmodelledBlock(Device):
    """A block of which only the name is known."""

    def __init__(self, name: str, base: int, size: int = 0x1000, has_aliases: bool = True) -> None:
        self.name, self.base, self.size, self.has_aliases = name, base, size, has_aliases
        self._words: dict[int, int] = {}

    def load(self, offset: int) -> int:
        """What was stored last, 0 before."""
        self.bus.unmodelled(self, offset, None)
        return self._words.get(offset, 0)

    def store(self, offset: int, value: int) -> None:
        """Keep it."""
        self.bus.unmodelled(self, offset, value)
        self._words[offset] = value

    def modify(self, offset: int, clear: int, flip: int) -> None:
        """Store through an alias."""
        self.store(offset, self._words.get(offset, 0) & ~clear ^ flip)

    def reset(self) -> None:
        """Forget it."""
        self._words.clear()
