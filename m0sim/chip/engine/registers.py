"""The registers that a call begins and ends with, all at once: one by one they take longer than a call."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from unicorn import Uc, UcError
from unicorn.arm_const import UC_ARM_REG_APSR_NZCV, UC_ARM_REG_LR, UC_ARM_REG_R0, UC_ARM_REG_SP
from unicorn.unicorn_py3.unicorn import uclib

_NUMBERS = (*(UC_ARM_REG_R0 + i for i in range(13)), UC_ARM_REG_SP, UC_ARM_REG_LR, UC_ARM_REG_APSR_NZCV)


class CallRegisters:
    """r0 to r12, SP, LR and the flags of one emulator."""

    def __init__(self, uc: Uc) -> None:
        self._uch = uc._uch
        count = len(_NUMBERS)
        self._values = (ctypes.c_uint32 * count)()
        self._numbers = (ctypes.c_int32 * count)(*_NUMBERS)
        begin, size = ctypes.addressof(self._values), ctypes.sizeof(ctypes.c_uint32)
        self._places = (ctypes.c_void_p * count)(*range(begin, begin + count * size, size))

    def write(self, arguments: Sequence[int], sp: int, lr: int) -> None:
        """Put words into r0 and on, SP and LR; the other registers and the flags become 0."""
        given = len(arguments)
        self._values[:] = [*arguments, *[0] * (13 - given), sp, lr, 0]
        _check(uclib.uc_reg_write_batch(self._uch, self._numbers, self._places, len(_NUMBERS)))

    def read(self) -> tuple[int, ...]:
        """r0 to r12, SP and LR as they are."""
        _check(uclib.uc_reg_read_batch(self._uch, self._numbers, self._places, len(_NUMBERS)))
        return tuple(self._values[:-1])


def _check(error: int) -> None:
    if error:
        raise UcError(error)
