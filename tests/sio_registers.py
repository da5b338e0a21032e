"""The native SIO alone: its registers by offset, for tests of it and of what devices see of pins."""

from __future__ import annotations

import ctypes

import numpy as np

from m0sim.chip.native import layout
from m0sim.chip.native.library import CORE, address_of
from m0sim.chip.native.tables import Tables

WORD = 0xFFFF_FFFF
_READ = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_void_p)(
    address_of("m0_port_read")
)
_WRITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, ctypes.c_void_p)(
    address_of("m0_port_write")
)


class Sio:
    """An SIO alone: its registers by offset."""

    def __init__(self) -> None:
        self._tables = Tables()
        self.port = self._tables.core.port
        self._tables.share("words", np.zeros(1024, np.uint32), self.port)
        self.port.is_sio = 1
        self.core = self._tables.core
        self.address = self._tables.address
        self.core.system.is_on = 1  # with mailboxes
        self._tables.share("exceptions", np.zeros(layout.EXCEPTIONS, layout.EXCEPTION), self.core.system)

    def load(self, offset: int, size: int = 4) -> int:
        self.settle_pio(self.port.now)
        return int(_READ(None, offset, size, self._tables.address))

    def store(self, offset: int, value: int, size: int = 4) -> None:
        self.settle_pio(self.port.now)
        _WRITE(None, offset, size, value & WORD, self._tables.address)
        if self.core.pio.is_running:
            self.update_pins(self.port.now)

    # -- PIO beside it; a cycle is given with each access, never one before the last

    def load_pio(self, number: int, offset: int, now: int) -> int:
        return int(CORE.m0_pio_load(self._tables.address, 0, now, number, offset))

    def store_pio(self, number: int, offset: int, value: int, now: int, alias: int = 0) -> None:
        CORE.m0_pio_store(self._tables.address, 0, now, number, offset, alias, value & WORD)

    def reset_pio(self, number: int, now: int = 0, is_held: bool = False) -> None:
        CORE.m0_pio_reset(self._tables.address, number, is_held, now)

    def settle_pio(self, now: int) -> None:
        CORE.m0_pio_settle(self._tables.address, now)

    @property
    def dreqs(self) -> int:
        return int(CORE.m0_pio_dreqs(ctypes.addressof(self.core.pio)))

    def update_pins(self, now: int = 0) -> None:
        CORE.m0_update_pins(self._tables.address, now)
