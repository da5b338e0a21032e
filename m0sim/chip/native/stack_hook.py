"""The hook behind an instruction that gives SP a new value: only there is the stack mark not static."""

from __future__ import annotations

from m0sim.chip import isa
from m0sim.chip.isa import Flow, Kind
from m0sim.chip.native.compiled import cfunc, njit
from m0sim.chip.native.emulator import APSR, PSP, SP, clear_bits, stop
from m0sim.chip.native.instructions import code_index, decode_one, halfword, writes_sp
from m0sim.chip.native.pointers import load32, load64, store64
from m0sim.chip.native.state import Slot, Stop


@njit
def _lowest_ahead(state, address):
    """The lowest SP, relative to now, of the straight-line code from `address` to the next branch or SP write."""
    sp = low = 0
    while True:
        decoded = decode_one(state, address)
        kind, length = decoded >> 8, decoded & 0xFF
        if length == 2:
            sp += load32(load64(state, Slot.FIRST), halfword(state, address) * isa.COLUMNS + isa.SP_CHANGE)
        low = min(low, sp)
        ends = kind == Kind.INVALID or load32(load64(state, Slot.FLOW), kind) != Flow.NONE
        if ends or writes_sp(state, address, kind) or code_index(state, address) < 2048:
            return low
        address += length


@cfunc("void(int64, int64, int32, int64)")
def on_sp_written(uc, address, size, state):
    """UC_HOOK_CODE behind MOV SP, ADD SP and MSR: the stack mark, and the bits that ARMv6-M has but as zeros.

    Those are the low two of both stack pointers, and all of APSR but N, Z, C and V (DDI 0419, B1.4.1 and B1.4.2).
    """
    clear_bits(state, uc, PSP, 3)
    clear_bits(state, uc, APSR, 0x0FFFFFFF)
    lowest = clear_bits(state, uc, SP, 3) + _lowest_ahead(state, address)
    if load64(state, Slot.SP_MIN) > lowest >= load64(state, Slot.SP_LIMIT):
        store64(state, Slot.SP_MIN, lowest)
    elif lowest < load64(state, Slot.SP_LIMIT):
        stop(state, uc, Stop.STACK, address)
