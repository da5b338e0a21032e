"""The shadow call stack: which frames a call, a jump or a return opens and closes."""

from __future__ import annotations

from m0sim.chip.native.compiled import njit, njit_inline
from m0sim.chip.native.contexts import context_from, context_of, edge_from
from m0sim.chip.native.instructions import code_index
from m0sim.chip.native.pointers import load32, load64, store64
from m0sim.chip.native.state import (
    CONTEXT_BYTES,
    EDGE_BYTES,
    FRAME_BYTES,
    FUNCTION_BYTES,
    Context,
    Edge,
    Frame,
    Function,
    Record,
    Slot,
)


@njit_inline
def _push(state, edge_index, return_address, is_tail, context):
    depth = load64(state, Slot.DEPTH)
    frame = load64(state, Slot.FRAMES) + FRAME_BYTES * depth
    edge = load64(state, Slot.EDGES) + EDGE_BYTES * edge_index
    callee = load64(edge, Edge.CALLEE)
    store64(frame, Frame.RETURN, return_address)
    store64(frame, Frame.ENTERED, load64(state, Slot.CYCLES))
    store64(frame, Frame.EDGE, edge_index)
    store64(frame, Frame.IS_TAIL, is_tail)
    store64(frame, Frame.CONTEXT, context)
    function = load64(state, Slot.FUNCTIONS) + FUNCTION_BYTES * callee
    store64(function, Function.ACTIVE, load64(function, Function.ACTIVE) + 1)
    store64(state, Slot.DEPTH, depth + 1)
    if depth + 2 >= load64(state, Slot.FRAME_CAPACITY):
        store64(state, Slot.LIMIT, -1)  # the block hook then stops the run


@njit_inline
def open_call(state, edge_index, return_address):
    """Open the frame of a call. Mostly it comes from the same context as the one before along this edge."""
    frame = load64(state, Slot.FRAMES) + FRAME_BYTES * (load64(state, Slot.DEPTH) - 1)
    edge = load64(state, Slot.EDGES) + EDGE_BYTES * edge_index
    caller = load64(frame, Frame.CONTEXT)
    context = load64(edge, Edge.TO)
    if load64(edge, Edge.FROM) != caller:
        context = context_from(state, edge_index, caller)
    _push(state, edge_index, return_address, 0, context)


@njit_inline
def _pop(state, depth):
    """Close the newest frame, which makes the depth `depth`; recursion is inclusive at its outermost frame only."""
    frame = load64(state, Slot.FRAMES) + FRAME_BYTES * depth
    spent = load64(state, Slot.CYCLES) - load64(frame, Frame.ENTERED)
    edge = load64(state, Slot.EDGES) + EDGE_BYTES * load64(frame, Frame.EDGE)
    context = load64(frame, Frame.CONTEXT)
    if context != 0:
        row = load64(state, Slot.CONTEXTS) + CONTEXT_BYTES * context
        store64(row, Context.CALLS, load64(row, Context.CALLS) + 1)
        store64(row, Context.INCLUSIVE, load64(row, Context.INCLUSIVE) + spent)
    else:
        store64(edge, Edge.CALLS, load64(edge, Edge.CALLS) + 1)
        store64(edge, Edge.INCLUSIVE, load64(edge, Edge.INCLUSIVE) + spent)
    function = load64(state, Slot.FUNCTIONS) + FUNCTION_BYTES * load64(edge, Edge.CALLEE)
    active = load64(function, Function.ACTIVE) - 1
    store64(function, Function.ACTIVE, active)
    if active == 0:
        store64(function, Function.INCLUSIVE, load64(function, Function.INCLUSIVE) + spent)
    store64(state, Slot.DEPTH, depth)


@njit
def pop_to(state, depth):
    """Close the frames above the first `depth`."""
    top = load64(state, Slot.DEPTH)
    while top > depth:
        top -= 1
        _pop(state, top)


@njit
def first_call(state, row, address):
    """Look up the edge of a call that goes elsewhere than the last one from this block."""
    callee = load32(load64(state, Slot.FUNCTION_AT), code_index(state, address))
    entry = load64(load64(state, Slot.FUNCTIONS) + FUNCTION_BYTES * callee, Function.ENTRY)
    # BL inside one function is a far jump, or calls a subroutine that has no symbol: no edge.
    is_call = callee != load64(row, Record.FUNCTION) or address == entry
    store64(row, Record.CALL_TARGET, address)
    store64(row, Record.CALL_EDGE, edge_from(state, row, callee) if is_call else 0)


@njit
def jump(state, row, address):
    """Control went to another function without a link: a tail call, or back into a function that is open."""
    callee = load32(load64(state, Slot.FUNCTION_AT), code_index(state, address))
    if callee == load64(row, Record.FUNCTION):
        return
    frames = load64(state, Slot.FRAMES)
    depth = load64(state, Slot.DEPTH)
    is_entry = address == load64(load64(state, Slot.FUNCTIONS) + FUNCTION_BYTES * callee, Function.ENTRY)
    caller = load64(frames + FRAME_BYTES * (depth - 1), Frame.CONTEXT)
    at = depth - 1
    while at >= 0:
        frame = frames + FRAME_BYTES * at
        edge = load64(state, Slot.EDGES) + EDGE_BYTES * load64(frame, Frame.EDGE)
        if load64(edge, Edge.CALLEE) == callee:
            if not is_entry:  # back into a caller that is still open
                pop_to(state, at + 1)
                return
            if load64(frame, Frame.IS_TAIL) != 0:  # round a cycle of tail calls: keep the stack flat
                pop_to(state, at)
                break
        if is_entry and load64(frame, Frame.IS_TAIL) == 0:
            break
        at -= 1
    edge_index = edge_from(state, row, callee)
    below = load64(frames + FRAME_BYTES * (load64(state, Slot.DEPTH) - 1), Frame.CONTEXT)
    return_address = load64(frames + FRAME_BYTES * (depth - 1), Frame.RETURN)
    _push(state, edge_index, return_address, 1, context_of(state, edge_index, caller, below))


@njit_inline
def leave(state, row, address, function):
    """BX, POP {PC}, MOV PC: a return where the address is the one that the newest frame waits for."""
    frames = load64(state, Slot.FRAMES)
    top = load64(state, Slot.DEPTH) - 1
    frame = frames + FRAME_BYTES * top
    if load64(frame, Frame.RETURN) != address:
        if load64(row, Record.FUNCTION) != function:
            jump(state, row, address)
        return
    _pop(state, top)
    while load64(frame, Frame.IS_TAIL) != 0 and top > 0:
        top -= 1
        frame -= FRAME_BYTES
        _pop(state, top)
