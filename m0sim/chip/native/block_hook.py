"""The hook before every block: settle the one that ran, begin the next, and stop where it must not begin."""

from __future__ import annotations

from m0sim.chip import isa
from m0sim.chip.isa import Flow
from m0sim.chip.native.blocks import find_block, row_at
from m0sim.chip.native.calls import first_call, jump, leave, open_call
from m0sim.chip.native.compiled import cfunc, njit, njit_inline
from m0sim.chip.native.contexts import wants_contexts
from m0sim.chip.native.emulator import CPSR, SP, read_register, stop
from m0sim.chip.native.instructions import code_index, decode_one, halfword
from m0sim.chip.native.pointers import load32, load64, store64
from m0sim.chip.native.state import RECORD_BYTES, Record, Slot, Stop


@njit
def _condition_holds(condition, cpsr):
    """DDI 0419, A6.3: the condition field of a branch against N, Z, C and V in bits 31..28."""
    n, z, c, v = cpsr >> 31 & 1, cpsr >> 30 & 1, cpsr >> 29 & 1, cpsr >> 28 & 1
    pair = condition >> 1
    if pair == 0:
        holds = z
    elif pair == 1:
        holds = c
    elif pair == 2:
        holds = n
    elif pair == 3:
        holds = v
    elif pair == 4:
        holds = c & (1 - z)
    elif pair == 5:
        holds = 1 - (n ^ v)
    else:
        holds = (1 - z) & (1 - (n ^ v))
    return holds ^ (condition & 1)


@njit
def _settle_special(state, uc, row):
    """What only registers tell: a branch to the next instruction, and a stack pointer that was assigned."""
    branch_next = load64(row, Record.BRANCH_NEXT)
    if branch_next != 0 and _condition_holds(branch_next - 1, read_register(state, uc, CPSR)) != 0:
        store64(row, Record.TAKEN, load64(row, Record.TAKEN) + 1)
        store64(state, Slot.CYCLES, load64(state, Slot.CYCLES) + load64(state, Slot.TAKEN_EXTRA))
    if load64(row, Record.SP_WRITES) != 0:
        store64(state, Slot.SP, read_register(state, uc, SP) & ~3)


@njit_inline
def _settle(state, uc, row, address, function):
    cycles = load64(state, Slot.CYCLES) + load64(row, Record.CYCLES)
    flow = load64(row, Record.FLOW)
    end = load64(row, Record.ADDRESS) + load64(row, Record.SIZE)
    if flow == Flow.CONDITIONAL and address != end:
        store64(row, Record.TAKEN, load64(row, Record.TAKEN) + 1)
        cycles += load64(state, Slot.TAKEN_EXTRA)
    store64(state, Slot.CYCLES, cycles)
    store64(state, Slot.SP, load64(state, Slot.SP) + load64(row, Record.SP_CHANGE))
    if load64(row, Record.SPECIAL) != 0:
        _settle_special(state, uc, row)
    if flow < Flow.CALL:
        if load64(row, Record.FUNCTION) != function:
            jump(state, row, address)
    elif flow == Flow.CALL:
        if load64(row, Record.CALL_TARGET) != address:
            first_call(state, row, address)
        if load64(row, Record.CALL_EDGE) != 0:
            open_call(state, load64(row, Record.CALL_EDGE), end)
    elif flow == Flow.INDIRECT:
        leave(state, row, address, function)


@njit
def settle(state, uc, address):
    """Count the pending block, which ran to its end and was followed by the instruction at `address`."""
    row = load64(state, Slot.PENDING)
    if load64(row, Record.SIZE) != 0:
        function = load32(load64(state, Slot.FUNCTION_AT), code_index(state, address))
        _settle(state, uc, row, address, function)
        store64(state, Slot.PENDING, load64(state, Slot.RECORDS))


@njit
def settle_part(state, uc, pc):
    """Count the pending block up to `pc`, where a fault cut it short."""
    row = load64(state, Slot.PENDING)
    if load64(row, Record.SIZE) == 0:
        return
    address = load64(row, Record.ADDRESS)
    execution = load64(row, Record.COUNT)
    if load64(state, Slot.SP_MOVED_BY) == row and load64(state, Slot.SP_MOVED_AT) == execution:
        store64(state, Slot.SP_MIN, load64(state, Slot.SP_MIN_BEFORE))
    store64(row, Record.COUNT, execution - 1)
    store64(state, Slot.PENDING, load64(state, Slot.RECORDS))
    if pc > address:
        part = find_block(state, uc, address, pc - address)
        if part != 0:
            row = load64(state, Slot.RECORDS) + RECORD_BYTES * part
            store64(row, Record.COUNT, load64(row, Record.COUNT) + 1)
            store64(state, Slot.CYCLES, load64(state, Slot.CYCLES) + load64(row, Record.CYCLES))
            lowest = load64(state, Slot.SP) + load64(row, Record.SP_LOW)
            store64(state, Slot.SP_MIN, min(load64(state, Slot.SP_MIN), lowest))
            store64(state, Slot.SP, load64(state, Slot.SP) + load64(row, Record.SP_CHANGE))


@njit
def _first_below(state, address, size, sp):
    """The instruction of a block that moves SP below the limit."""
    at = address
    limit = load64(state, Slot.SP_LIMIT)
    while at < address + size:
        decoded = decode_one(state, at)
        if decoded & 0xFF == 2:
            sp += load32(load64(state, Slot.FIRST), halfword(state, at) * isa.COLUMNS + isa.SP_CHANGE)
        if sp < limit:
            return at
        at += decoded & 0xFF
    return address


@njit
def _refuse_start(state, uc, row, lowest):
    """True after a stop: a block that must not begin, because a limit is reached or its stack needs looking after."""
    address = load64(row, Record.ADDRESS)
    if load64(state, Slot.CYCLES) >= load64(state, Slot.LIMIT):
        reason = Stop.LIMIT
        if load64(state, Slot.DEPTH) + 1 >= load64(state, Slot.FRAME_CAPACITY):
            reason = Stop.DEPTH
        elif load64(state, Slot.EDGE_COUNT) + 1 >= load64(state, Slot.EDGE_CAPACITY) or wants_contexts(state):
            reason = Stop.GROW
        stop(state, uc, reason, address)
        return True
    if lowest < load64(state, Slot.SP_LIMIT):
        size = load64(row, Record.SIZE)
        stop(state, uc, Stop.STACK, _first_below(state, address, size, load64(state, Slot.SP)))
        return True
    if load64(row, Record.SP_WRITES) == 1:
        stop(state, uc, Stop.SP_WRITE, address)
        return True
    return False


@njit
def _begin_block(state, uc, row):
    """Make a block pending, with all checks. `_next_block` does the same for one that needs none of them."""
    store64(state, Slot.PENDING, load64(state, Slot.RECORDS))
    lowest = load64(state, Slot.SP) + load64(row, Record.SP_LOW)
    if _refuse_start(state, uc, row, lowest):
        return
    store64(row, Record.COUNT, load64(row, Record.COUNT) + 1)
    store64(state, Slot.PENDING, row)
    if lowest < load64(state, Slot.SP_MIN):
        store64(state, Slot.SP_MIN_BEFORE, load64(state, Slot.SP_MIN))
        store64(state, Slot.SP_MOVED_BY, row)
        store64(state, Slot.SP_MOVED_AT, load64(row, Record.COUNT))
        store64(state, Slot.SP_MIN, lowest)


@njit_inline
def _next_block(state, uc, address, size):
    old = load64(state, Slot.PENDING)
    row = row_at(state, address, address << 16 | size)
    if load64(row, Record.SIZE) == 0:
        index = find_block(state, uc, address, size)
        if index == 0:
            return
        row = load64(state, Slot.RECORDS) + RECORD_BYTES * index
    if load64(old, Record.SIZE) != 0:
        _settle(state, uc, old, address, load64(row, Record.FUNCTION))
    lowest = load64(state, Slot.SP) + load64(row, Record.SP_LOW)
    if (
        lowest < load64(state, Slot.SP_MIN)
        or load64(row, Record.SPECIAL) != 0
        or load64(state, Slot.CYCLES) >= load64(state, Slot.LIMIT)
    ):
        _begin_block(state, uc, row)
        return
    store64(row, Record.COUNT, load64(row, Record.COUNT) + 1)
    store64(state, Slot.PENDING, row)


@cfunc("void(int64, int64, int32, int64)", forceinline=True)
def on_block(uc, address, size, state):
    """UC_HOOK_BLOCK: settle the previous block and make this one pending."""
    row = load64(state, Slot.PENDING)
    if load64(row, Record.LOOP_KEY) == address << 16 | size:
        cycles = load64(state, Slot.CYCLES) + load64(row, Record.LOOP_CYCLES)
        if cycles < load64(state, Slot.LIMIT):
            store64(state, Slot.CYCLES, cycles)
            store64(row, Record.LOOPS, load64(row, Record.LOOPS) + 1)
            return
    _next_block(state, uc, address, size)
