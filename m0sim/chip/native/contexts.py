"""Call edges, and the calling contexts that the cycles of calls along them are counted in."""

from __future__ import annotations

from m0sim.chip.native.compiled import njit
from m0sim.chip.native.pointers import load64, store64
from m0sim.chip.native.state import CONTEXT_BYTES, CONTEXT_LIMIT, EDGE_BYTES, Context, Edge, Record, Slot


@njit
def edge_from(state, row, callee):
    """The call edge (an index) from a block to a function, made if it is new."""
    edges = load64(state, Slot.EDGES)
    index = load64(row, Record.EDGE)
    while index != 0:
        if load64(edges + EDGE_BYTES * index, Edge.CALLEE) == callee:
            return index
        index = load64(edges + EDGE_BYTES * index, Edge.NEXT)
    index = load64(state, Slot.EDGE_COUNT)
    edge = edges + EDGE_BYTES * index
    store64(edge, Edge.CALLEE, callee)
    store64(edge, Edge.CALLS, 0)
    store64(edge, Edge.INCLUSIVE, 0)
    store64(edge, Edge.NEXT, load64(row, Record.EDGE))
    store64(edge, Edge.CALL_AT, load64(row, Record.ADDRESS) + load64(row, Record.SIZE))
    store64(edge, Edge.FROM, -1)
    store64(row, Record.EDGE, index)
    store64(state, Slot.EDGE_COUNT, index + 1)
    if index + 2 >= load64(state, Slot.EDGE_CAPACITY):
        store64(state, Slot.LIMIT, -1)  # the block hook then stops the run
    return index


@njit
def wants_contexts(state):
    """True where the table of contexts is nearly full and may grow."""
    count = load64(state, Slot.CONTEXT_COUNT) + 1
    return count >= load64(state, Slot.CONTEXT_CAPACITY) and count < CONTEXT_LIMIT


@njit
def _innermost(state, node, function):
    """The node of a function among a node and its ancestors, 0 if it is not there."""
    contexts, edges = load64(state, Slot.CONTEXTS), load64(state, Slot.EDGES)
    while node != 0:
        row = contexts + CONTEXT_BYTES * node
        if load64(edges + EDGE_BYTES * load64(row, Context.EDGE), Edge.CALLEE) == function:
            return node
        node = load64(row, Context.PARENT)
    return 0


@njit
def _new_context(state, edge_index, parent, below):
    """Make the row of an edge in a context where it is new. Returns its index, or 0 where the table is full."""
    index = load64(state, Slot.CONTEXT_COUNT)
    if index >= load64(state, Slot.CONTEXT_CAPACITY):
        return 0
    above = load64(state, Slot.CONTEXTS) + CONTEXT_BYTES * parent
    row = load64(state, Slot.CONTEXTS) + CONTEXT_BYTES * index
    callee = load64(load64(state, Slot.EDGES) + EDGE_BYTES * edge_index, Edge.CALLEE)
    ancestor = _innermost(state, parent, callee)
    store64(row, Context.PARENT, parent)
    store64(row, Context.EDGE, edge_index)
    store64(row, Context.TARGET, ancestor if ancestor != 0 else index)
    store64(row, Context.BELOW, below)
    for field in (Context.CALLS, Context.INCLUSIVE, Context.CHILD):
        store64(row, field, 0)
    store64(row, Context.NEXT, load64(above, Context.CHILD))
    store64(above, Context.CHILD, index)
    store64(state, Slot.CONTEXT_COUNT, index + 1)
    if wants_contexts(state):
        store64(state, Slot.LIMIT, -1)  # the block hook then stops the run
    return index


@njit
def context_of(state, edge_index, caller, below):
    """The context of a call along an edge: `caller` is the context of the code that calls, `below` the frame's below.

    What is called from a context without a row has none either.
    """
    contexts = load64(state, Slot.CONTEXTS)
    parent = load64(contexts + CONTEXT_BYTES * caller, Context.TARGET)
    under = load64(contexts + CONTEXT_BYTES * below, Context.TARGET)
    index = 0
    if parent != 0:
        index = load64(contexts + CONTEXT_BYTES * parent, Context.CHILD)
        while index != 0:
            row = contexts + CONTEXT_BYTES * index
            if load64(row, Context.EDGE) == edge_index and load64(row, Context.BELOW) == under:
                return index
            index = load64(row, Context.NEXT)
        index = _new_context(state, edge_index, parent, under)
    if index == 0:
        store64(state, Slot.CONTEXTS_REFUSED, load64(state, Slot.CONTEXTS_REFUSED) + 1)
    return index


@njit
def context_from(state, edge_index, caller):
    """The context of a call from another context than the newest one along this edge, which it becomes."""
    index = context_of(state, edge_index, caller, caller)
    if index != 0:
        edge = load64(state, Slot.EDGES) + EDGE_BYTES * edge_index
        store64(edge, Edge.FROM, caller)
        store64(edge, Edge.TO, index)
    return index
