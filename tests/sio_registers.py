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
        self.core.system.is_on = 1  # with mailboxes
        self._tables.share("exceptions", np.zeros(layout.EXCEPTIONS, layout.EXCEPTION), self.core.system)

    def load(self, offset: int, size: int = 4) -> int:
        return int(_READ(None, offset, size, self._tables.address))

    def store(self, offset: int, value: int, size: int = 4) -> None:
        _WRITE(None, offset, size, value & WORD, self._tables.address)

    def update_pins(self, now: int = 0) -> None:
        CORE.m0_update_pins(self._tables.address, now)
