"""Calls from machine code into Unicorn's C library: stopping the run, reading and writing registers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from m0sim.chip.native.compiled import njit, njit_inline
from m0sim.chip.native.pointers import load64, store64
from m0sim.chip.native.state import Slot

R0, SP, PSP, CPSR, APSR = 66, 12, 116, 3, 1  # UC_ARM_REG_*: the binding's constants module costs start-up time


@intrinsic
def _call_emu_stop(typingctx: Any, function: Any, uc: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(64)])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1]])

    return types.int32(types.int64, types.int64), codegen


@intrinsic
def _call_reg_read(typingctx: Any, function: Any, uc: Any, register: Any, result: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(64), ir.IntType(32), ir.IntType(64)])
        arguments = [args[1], builder.trunc(args[2], ir.IntType(32)), args[3]]
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), arguments)

    return types.int32(types.int64, types.int64, types.int64, types.int64), codegen


@njit
def stop(state, uc, reason, address):
    store64(state, Slot.STOP, reason)
    store64(state, Slot.STOP_ADDRESS, address)
    _call_emu_stop(load64(state, Slot.EMU_STOP), uc)


@njit_inline
def read_register(state, uc, register):
    scratch = load64(state, Slot.SCRATCH)
    store64(scratch, 0, 0)
    _call_reg_read(load64(state, Slot.REG_READ), uc, register, scratch)
    return load64(scratch, 0) & 0xFFFFFFFF


@njit
def _write_register(state, uc, register, value):
    scratch = load64(state, Slot.SCRATCH)
    store64(scratch, 0, value)
    _call_reg_read(load64(state, Slot.REG_WRITE), uc, register, scratch)


@njit
def clear_bits(state, uc, register, bits):
    value = read_register(state, uc, register)
    if value & bits != 0:
        _write_register(state, uc, register, value & ~bits)
    return value & ~bits
