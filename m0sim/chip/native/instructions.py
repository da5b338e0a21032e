"""Single instructions, read from the guest's memory and judged by the tables of `isa` and the device's timing."""

from __future__ import annotations

from m0sim.chip import isa
from m0sim.chip.isa import Kind, Wide
from m0sim.chip.native.compiled import njit, njit_inline
from m0sim.chip.native.pointers import load16u, load32, load64
from m0sim.chip.native.state import Slot


@njit_inline
def code_index(state, address):
    """Index of a halfword in the tables by code index; page slot 0 stands for everything that is not mapped."""
    slot = load32(load64(state, Slot.PAGES), address >> 12)
    return slot * 2048 + ((address & 0xFFF) >> 1)


@njit_inline
def halfword(state, address):
    slot = load32(load64(state, Slot.PAGES), address >> 12)
    if slot == 0:
        return 0
    return load16u(load64(load64(state, Slot.HOSTS), slot), (address & 0xFFF) >> 1)


@njit
def decode_one(state, address):
    """Kind and bytes of the instruction at `address`, as ``kind << 8 | bytes``; kind INVALID where there is none."""
    first = halfword(state, address)
    kind = load32(load64(state, Slot.FIRST), first * isa.COLUMNS + isa.KIND)
    if kind != Kind.WIDE:
        return kind << 8 | 2
    second = halfword(state, address + 2)
    wide = load32(load64(state, Slot.FIRST), first * isa.COLUMNS + isa.WIDE)
    wide &= load32(load64(state, Slot.SECOND), second)
    if wide == Wide.BRANCH_LINK:
        return Kind.BRANCH_LINK << 8 | 4
    if wide != 0:
        return Kind.SYSTEM << 8 | 4
    return Kind.INVALID << 8 | 4


@njit
def cycles_of(state, kind, first):
    if kind == Kind.BRANCH_LINK:
        return load64(state, Slot.WIDE_CYCLES) & 0xFFFF
    if kind == Kind.SYSTEM:
        return load64(state, Slot.WIDE_CYCLES) >> 16
    return load32(load64(state, Slot.FIRST_CYCLES), first)


@njit
def writes_sp(state, address, kind):
    first = halfword(state, address)
    if kind == Kind.SYSTEM:
        return (first & 0xFFF0) == 0xF380  # MSR
    return load32(load64(state, Slot.FIRST), first * isa.COLUMNS + isa.SP_WRITE) != 0
