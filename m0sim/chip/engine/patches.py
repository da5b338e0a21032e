"""Stubs put into the code: a ``BX LR`` where each replaced function begins, and a hook that answers there."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from unicorn import UC_HOOK_CODE, Uc
from unicorn.arm_const import UC_ARM_REG_LR, UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3, UC_ARM_REG_SP

from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.stubs import BX_LR, Stub
from m0sim.errors import UsageError

_RESULTS = [UC_ARM_REG_R0, UC_ARM_REG_R1]
_AT_ENTRY = [*_RESULTS, UC_ARM_REG_R2, UC_ARM_REG_R3, UC_ARM_REG_SP, UC_ARM_REG_LR]


@contextmanager
def patched(emulator: Emulator, stubs: Sequence[Stub]) -> Iterator[None]:
    """While active, the stubs' functions are replaced."""
    if not stubs:
        yield
        return
    chip: Emulator = weakref.proxy(emulator)  # the binding keeps a hook's function longer than a machine lives

    def on_entry(uc: Uc, address: int, size: int, stub: Stub) -> None:
        _answer(chip, stub)

    saved = [(stub.symbol.address, emulator.read(stub.symbol.address, 2)) for stub in stubs]
    hooks = []
    try:
        for stub in stubs:
            at = stub.symbol.address
            hooks.append(emulator.uc.hook_add(UC_HOOK_CODE, on_entry, stub, at, at))
        patch(emulator, stubs)
        emulator.stubs = tuple(stubs)
        yield
    finally:
        emulator.stubs = ()
        for hook in hooks:
            emulator.uc.hook_del(hook)
        for address, halfword in saved:
            emulator.write(address, halfword)
        emulator.forget_code()


def patch(emulator: Emulator, stubs: Sequence[Stub]) -> None:
    """Write the ``BX LR`` of each stub, once more after code was copied over it."""
    for stub in stubs:
        emulator.write(stub.symbol.address, np.array([BX_LR], np.uint16))
    if stubs:
        emulator.forget_code()


def answer(emulator: Emulator, stub: Stub, registers: tuple[int, int, int, int], sp: int, lr: int) -> Sequence[int]:
    """What a stub returns in r0 and r1, where it was entered. Raises what its function raises, and `UsageError`."""
    if emulator.space.halfword(stub.symbol.address) != BX_LR:
        raise UsageError(
            f"the stub {stub.symbol.name} was written over while the code ran: run the function that copies "
            "code to SRAM with --before"
        )
    return stub.enter(registers, sp, lr, emulator)


def _answer(emulator: Emulator, stub: Stub) -> None:
    """Set r0 and r1. What goes wrong is raised when the emulator has stopped."""
    if emulator.host_error is not None:
        return
    try:
        r0, r1, r2, r3, sp, lr = emulator.uc.reg_read_batch(_AT_ENTRY)
        words = answer(emulator, stub, (r0, r1, r2, r3), sp, lr)
    except BaseException as error:  # whatever it is, it goes to whoever called
        emulator.host_error = error
        emulator.uc.emu_stop()
        return
    for register, word in zip(_RESULTS, words, strict=False):
        emulator.uc.reg_write(register, word)
