"""A board of any part that a test drives as a program would."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from device_host import FakeHost

from m0sim.chip.devices.board import Board
from m0sim.chip.devices.host import Host


class PartChip:
    """Stores, loads and time."""

    def __init__(self, build: Callable[[Host], Board]) -> None:
        self.host = FakeHost()
        self.board = build(self.host)
        self.board.bus.reset()

    @property
    def hz(self) -> Fraction:
        return self.board.clock.hz

    @property
    def notes(self) -> list[str]:
        """What was noted as not modelled."""
        return [f"{note.device}+{note.offset:#x} {note.what}".strip() for note in self.board.bus.notes.values()]

    def load(self, address: int, size: int = 4) -> int:
        return self.host.load(self.board.bus, address, size)

    def store(self, address: int, value: int, size: int = 4) -> None:
        self.host.store(self.board.bus, address, value, size)

    def set(self, address: int, bits: int) -> None:
        self.store(address, self.load(address) | bits)

    def run(self, cycles: int) -> None:
        self.host.run(self.board.bus, cycles)

    def wait(self, address: int, mask: int, value: int | None = None, size: int = 4) -> int:
        """Poll until the bits are all set, or are `value`; cycles that it took."""
        begin, wanted, step = self.host.now, mask if value is None else value, 1
        for polls in range(10_000):
            if self.load(address, size) & mask == wanted:
                return self.host.now - begin
            self.run(step)
            step = 1 if polls < 1_999 else 1000
        raise AssertionError(f"{address:#x} never has {wanted:#x} in {mask:#x}")

    def seconds(self, cycles: int) -> Fraction:
        return cycles / self.hz
