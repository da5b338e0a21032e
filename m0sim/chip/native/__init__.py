"""The counting hooks: machine code that Unicorn calls for every block and, at level ``memory``, every access.

Numba compiles the functions of these modules once and caches the result. They see no Python objects. All they know is
one int64 array, the *state*, whose slots (`Slot`) hold counters and the host addresses of the other arrays; everything
is int64, because Numba turns a mixture with uint64 into float64.

A block is decoded when it is first executed, into one row of the record table (`Record`); after that an execution
adds one row's figures. What a block ended up doing (taken or not, call, return) is known when the next one begins, so
the newest block is *pending* until then.
"""

from m0sim.chip.native.block_hook import on_block, settle, settle_part
from m0sim.chip.native.blocks import expand
from m0sim.chip.native.calls import pop_to
from m0sim.chip.native.memory_hooks import on_access, on_fetch
from m0sim.chip.native.stack_hook import on_sp_written
from m0sim.chip.native.state import CONTEXT_LIMIT, Context, Edge, Frame, Function, Record, Slot, Stop, Traffic
from m0sim.chip.native.tlb_hook import on_tlb_fill

__all__ = [
    "CONTEXT_LIMIT",
    "Context",
    "Edge",
    "Frame",
    "Function",
    "Record",
    "Slot",
    "Stop",
    "Traffic",
    "expand",
    "on_access",
    "on_block",
    "on_fetch",
    "on_sp_written",
    "on_tlb_fill",
    "pop_to",
    "settle",
    "settle_part",
]
