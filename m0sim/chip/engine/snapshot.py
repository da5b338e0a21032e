"""What a run may change, kept so that the same call can run again from the same beginning."""

from __future__ import annotations

from collections.abc import Sequence

from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.stubs import Stub


class Snapshot:
    """All SRAM, what is known of its bytes, registers, the port and the heap as they are now, and how far stubs and
    peripherals have answered.

    What a function of the host that answers keeps for itself is not in it.
    """

    def __init__(self, chip: Emulator, stubs: Sequence[Stub]) -> None:
        self._chip = chip
        self._is_initialised = chip.is_initialised
        self._registers = chip.uc.context_save()
        self._put_back = [
            chip.space.mark(),
            chip.counters.mark_port(),
            chip.counters.byte_states.mark(),
            chip.heap.mark(),
            chip.peripherals.mark(),
            *(stub.mark() for stub in stubs),
        ]

    def restore(self) -> None:
        """Put everything back; the snapshot stays good."""
        self._chip.uc.context_restore(self._registers)
        self._chip.is_initialised = self._is_initialised
        for put_back in self._put_back:
            put_back()
        self._chip.forget_code_in_sram()
