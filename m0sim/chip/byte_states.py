"""Which bytes hold something, and which may be read: what reads are judged by at level ``memory``.

A byte is *inside* where it belongs to something: the image, a buffer, the heap as far as it was handed out, the stack
from SP on, and what the host wrote. It is *defined* where somebody put something there: the image when it was loaded,
the host, or code that ran since. Both are rounded up to the end of the last word of each thing: code may read that far.
The core keeps both while code runs; here is what they are before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from m0sim.chip.memory import AddressSpace
from m0sim.chip.native import layout
from m0sim.chip.pages import PAGE, Pages
from m0sim.image import Image, Range
from m0sim.image.heap_and_stack import claimed

States = npt.NDArray[np.uint8]
"""``uint8`` by row of `Pages.byte`: bits ``layout.BYTE_*``."""

#: Sections that nobody clears at a start: GNU and pico-sdk, armlink's UNINIT, IAR's __no_init.
_NOT_CLEARED = re.compile(r"no_?init|un_?init|no_?clear|no_?zero|no_?load|persist", re.IGNORECASE)
_INSIDE = np.uint8(layout.BYTE_INSIDE)
_BOTH = layout.BYTE_INSIDE | layout.BYTE_DEFINED


class ByteStates:
    """The states of one machine's memories, between runs and in the newest one."""

    def __init__(self, space: AddressSpace, image: Image, pages: Pages) -> None:
        self._space = space
        self._image = image
        self._pages = pages
        self._loaded: States | None = None
        self._written: set[tuple[int, int]] = set()
        self._now: States | None = None
        self._is_unknown = False
        self.handed_out: Range = (0, 0)

    def restored(self) -> None:
        """The memory is as it was loaded, but for buffers and flash."""
        self._written = {(address, size) for address, size in self._written if not self._space.is_sram(address)}
        self._now = None
        self._is_unknown = False

    def reset(self) -> None:
        """All memory is as it was loaded."""
        self._written.clear()
        self.restored()

    def mark(self) -> Callable[[], None]:
        """What puts everything back to what it is now."""
        now, written = self._now, frozenset(self._written)
        kept = None if now is None else now.copy()
        is_unknown, handed_out = self._is_unknown, self.handed_out

        def put_back() -> None:
            self._now, self._written = None if kept is None else kept.copy(), set(written)
            self._is_unknown, self.handed_out = is_unknown, handed_out

        return put_back

    def host_wrote(self, address: int, size: int) -> None:
        """The host put bytes somewhere: between two runs, or while code runs."""
        self._written.add((address, size))
        if self._now is not None:
            self._mark(self._now, address, size, _BOTH)

    def lost(self) -> None:
        """Code ran, and nobody looked what it wrote: until memory is as loaded again, all of it may be."""
        self._now = None
        self._is_unknown = True

    def begin(self, handed_out: Range) -> States:
        """What a run begins with, but for the stack: the core keeps it from now on. `handed_out` is the heap so far."""
        if self._loaded is None:
            self._loaded = self._as_loaded()
        states, earlier = self._loaded.copy(), self._now
        self._now, self.handed_out = states, handed_out
        begin, end = handed_out if self._is_seen else self._space.heap_span() or (0, 0)
        self._mark(states, begin, end - begin, layout.BYTE_INSIDE)
        if earlier is not None:
            states |= earlier & layout.BYTE_DEFINED
        elif self._is_unknown:
            states[(states & layout.BYTE_INSIDE) != 0] |= layout.BYTE_DEFINED
        for address, size in (*self._written, *((a.address, a.size) for a in self._space.allocations)):
            self._mark(states, address, size, _BOTH)
        return states

    @property
    def _is_seen(self) -> bool:
        """Whether anybody saw how much of the heap was handed out; else it may be all."""
        return self.handed_out[0] < self.handed_out[1]

    def hand_out(self, begin: int, end: int, sp: int) -> None:
        """The heap took memory: all that it has until now. The stack comes down to `sp`."""
        span = self._space.heap_span()
        if self._now is None or begin >= end:
            return
        if span is not None and not self._is_seen:
            first, last = self._pages.byte(span[0]), self._pages.byte(span[0]) + span[1] - span[0]
            if span[0] < sp <= span[1]:
                last = first + sp - span[0]
            assert self._loaded is not None
            self._now[first:last] &= self._loaded[first:last] | ~_INSIDE
        self.handed_out = begin, end
        self._mark(self._now, begin, end - begin, layout.BYTE_INSIDE)

    def begin_stack(self, sp: int) -> None:
        """What lies from SP on, up to where the stack begins, are the call's arguments; below it is nothing yet."""
        assert self._now is not None
        low, top = self._space.stack_limit, self._space.stack_top
        is_heap = self._space.heap is not None and not self._is_seen
        self._clear(self._now, [(low, sp - low)], layout.BYTE_DEFINED if is_heap else _BOTH)
        self._mark(self._now, sp, top - sp, _BOTH)

    def _as_loaded(self) -> States:
        states = np.zeros(self._pages.count * PAGE, np.uint8)
        space, image = self._space, self._image
        for bank in space.banks:
            if bank.kind != "sram":  # it has the same content before every start
                self._mark(states, bank.base, bank.size, layout.BYTE_DEFINED)
        for segment in image.segments:
            self._mark(states, segment.address, segment.size, _BOTH)
            self._mark(states, segment.load_address, len(segment.data), _BOTH)
        kept = [(s.address, s.size) for s in image.sections if s.kind == "bss" and _NOT_CLEARED.search(s.name)]
        self._clear(states, kept, layout.BYTE_DEFINED)
        claims = [(begin, end - begin) for begin, end in claimed(image.symbols, image.sections)]
        self._clear(states, claims, _BOTH)
        for symbol in image.symbols:
            if symbol.kind == "object":
                self._mark(states, symbol.address, symbol.size, layout.BYTE_INSIDE)
        return states

    def _mark(self, states: States, address: int, size: int, bits: int) -> None:
        if size and self._pages.has(address):
            first = self._pages.byte(address)
            states[first : first + -(-(address + size) // 4) * 4 - address] |= bits

    def _clear(self, states: States, spans: Iterable[tuple[int, int]], bits: int) -> None:
        for address, size in spans:
            if size and self._pages.has(address):
                first = self._pages.byte(address)
                states[first : first + size] &= ~bits & 0xFF
