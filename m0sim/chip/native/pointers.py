"""Loads and stores through host addresses, which are int64 like everything else; indices count elements.

Narrow loads come back as int64: `load32` with its sign, `load16u` and `load8u` without.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _pointer_load(width: int, signed: bool) -> Any:
    @intrinsic
    def load(typingctx: Any, base: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.IntType(width)
            pointer = builder.inttoptr(args[0], kind.as_pointer())
            value = builder.load(builder.gep(pointer, [args[1]]))
            if width == 64:
                return value
            return (builder.sext if signed else builder.zext)(value, ir.IntType(64))

        return types.int64(types.int64, types.int64), codegen

    return load


def _pointer_store(width: int) -> Any:
    @intrinsic
    def store(typingctx: Any, base: Any, index: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.IntType(width)
            pointer = builder.inttoptr(args[0], kind.as_pointer())
            value = args[2] if width == 64 else builder.trunc(args[2], kind)
            builder.store(value, builder.gep(pointer, [args[1]]))
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64), codegen

    return store


load64 = _pointer_load(64, True)
load32 = _pointer_load(32, True)
load16u = _pointer_load(16, False)
load8u = _pointer_load(8, False)
store64 = _pointer_store(64)
store32 = _pointer_store(32)
store8 = _pointer_store(8)
