"""The hook behind a miss in the emulator's TLB: it makes stores to SRAM fast where no code was run.

Unicorn sends every store to a page that may be executed through a slow path, which looks for translated code to throw
away: 30 to 40 ns a store, against 2 for a load. A page that its TLB has as data alone is written to directly.
"""

from __future__ import annotations

from m0sim.chip.native.compiled import cfunc
from m0sim.chip.native.pointers import load8u, load32, load64, store8, store32, store64
from m0sim.chip.native.state import Slot

_FETCH = 18  # UC_MEM_FETCH
_DATA, _ALL = 3, 7  # UC_PROT_*


@cfunc("boolean(int64, int64, int32, int64, int64)")
def on_tlb_fill(uc, address, kind, entry, state):
    """UC_HOOK_TLB_FILL in SRAM: physical addresses are the virtual ones; what was ever fetched from may be executed.

    `entry` is a uc_tlb_entry: the physical address, then the rights. A KiB is the emulator's page. Marks stay: code
    that was translated once may run again without a fetch, so stores to its page must be looked at for good.
    """
    place = load32(load64(state, Slot.PAGES), address >> 12) * 4 + ((address >> 10) & 3)
    executed = load64(state, Slot.EXECUTED)
    if kind == _FETCH:
        store8(executed, place, 1)
    store64(entry, 0, address)
    store32(entry, 2, _ALL if load8u(executed, place) != 0 else _DATA)
    return True
