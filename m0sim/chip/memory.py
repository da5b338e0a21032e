"""The simulated chip's memories: where the image goes, where buffers and the stack find room, what a call restores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from m0sim.chip import red_zones
from m0sim.chip.banks import FILL, Bank, Bytes, banks_of
from m0sim.chip.bootrom.rom import BootRom
from m0sim.chip.device import Device
from m0sim.chip.room import Allocation, Room
from m0sim.chip.started import Started
from m0sim.errors import UsageError
from m0sim.image import Image, Range, Segment, Symbol
from m0sim.image.heap_and_stack import HeapRegion, claimed, heap_of, stack_of, uses_heap, without
from m0sim.image.ranges import merged_ranges

_STACKS = 4096
MIN_STACK = 256
"""Bytes of stack without which no firmware is run, unless the caller knows how deep its own goes."""


class AddressSpace:
    """Memories of one device with one image in them."""

    def __init__(
        self,
        device: Device,
        image: Image,
        stack_bytes: int = MIN_STACK,
        boot_rom: BootRom | None = None,
        *,
        from_reset: bool = False,
    ) -> None:
        """`boot_rom` is part of the image, if there is one.

        Raises UsageError where the image is outside the memory or leaves no `stack_bytes` of SRAM for a stack.
        `from_reset` has bytes only where the programmer puts them: start-up code copies and clears variables itself.
        """
        self.device = device
        self.image = image
        self.boot_rom = boot_rom
        self._from_reset = from_reset
        self.banks = banks_of(device, image)
        self.heap = self._find_heap()
        self.stack_region = stack_of(image.symbols, image.sections, self.is_sram)
        """What the image keeps for its stack, if it says so."""
        self._load()
        self._room = self._find_room(stack_bytes)
        self._loaded = [(bank, bank.data.copy()) for bank in self.banks if bank.kind == "sram"]
        self._initial = self._loaded
        """What `restore` puts back."""
        self._programmed: list[tuple[Bank, Bytes]] = []  # flash as loaded, where start-up code wrote to it
        self._first_heap_end = self.heap_base or 0
        self.taken: Range = (0, 0)
        """Free SRAM that start-up code wrote to, with no symbol to tell of it."""
        self.heap_end = 0
        """Where the used part of a heap in free SRAM ends: what is below survives `clear_stack`. 0 without such."""
        self._forget_heap()

    # -- the image

    def _load(self) -> None:
        for segment in self.image.segments:
            self._place(segment)
        if self.heap is not None:
            for begin, end in self._claims():  # nobody clears those: what malloc returns holds anything
                view = self.view(begin, end - begin)
                if view is not None:
                    view[:] = FILL

    def _place(self, segment: Segment) -> None:
        run = self.view(segment.address, segment.size)
        if run is None:
            raise UsageError(self._misplaced(segment))
        if segment.load_address != segment.address:
            load = self.view(segment.load_address, len(segment.data))
            if load is not None:  # startup code that copies .data itself finds it here
                load[:] = np.frombuffer(segment.data, np.uint8)
                if self._from_reset:
                    return
        if self._from_reset and not segment.data:
            return
        run[: len(segment.data)] = np.frombuffer(segment.data, np.uint8)
        run[len(segment.data) :] = 0

    def _misplaced(self, segment: Segment) -> str:
        memories = ", ".join(f"{r.name} {r.base:#x}..{r.end - 1:#x}" for r in self.device.regions)
        return (
            f"{self.image.path}: {segment.size} bytes at {segment.address:#x} are outside the memory of "
            f"{self.device.name} ({memories}); choose another --profile"
        )

    @property
    def has_cache_as_sram(self) -> bool:
        """Whether the image has something in the flash cache's memory: then the cache is off."""
        return any(bank.is_cache for bank in self.banks)

    @property
    def has_own_boot_rom(self) -> bool:
        """Whether m0sim's own boot ROM is there, of whose beginning programs read no more than they look up."""
        return self.boot_rom is not None and self.boot_rom.is_own

    def shows(self, address: int, size: int) -> bool:
        """Whether a program may read there; not at the beginning of m0sim's own boot ROM, but for what is looked up.

        What runs from reset sees all of it, as on hardware.
        """
        if self._from_reset or self.boot_rom is None or not self.boot_rom.is_own:
            return True
        return not self.boot_rom.hidden[address // 4 : -(-(address + max(size, 1)) // 4)].any()

    def is_sram(self, address: int) -> bool:
        """Whether an address, aliases included, is in SRAM."""
        bank = self.bank_at(self.device.resolve(address))
        return bank is not None and bank.kind == "sram"

    def _find_heap(self) -> HeapRegion | None:
        """The heap of an image that has an allocator."""
        if not uses_heap(self.image.symbols):
            return None
        return heap_of(self.image.symbols, self.image.sections, self.is_sram)

    def _find_room(self, stack_bytes: int) -> Room:
        """Lay out the SRAM that the image leaves free.

        Sections that only claim memory for heap and stack are free where there is such a heap; else they stay the
        image's as long as there is other room.
        """
        claims = [(self.device.resolve(a), self.device.resolve(a) + b - a) for a, b in self._claims()]
        roomy = self._free_sram(claims)
        heap_base = self._growing_from(roomy)
        gaps = self._free_sram([]) if heap_base is None else roomy
        stack = [gap for gap in gaps if gap[1] - gap[0] >= stack_bytes]
        if not stack:
            gaps, stack = roomy, [gap for gap in roomy if gap[1] - gap[0] >= stack_bytes]
        if not stack and self._from_reset:
            end = max(bank.end for bank in self.banks if bank.kind == "sram")
            gaps = stack = [(end, end)]
        if not stack:
            raise UsageError(
                f"{self.image.path}: leaves no {stack_bytes} bytes of SRAM on {self.device.name} for a stack"
            )
        region = self.stack_region
        return Room(
            gaps,
            stack[-1],
            last_resort=() if gaps == roomy else _aligned(claims),
            heap_base=heap_base,
            stack_size=0 if region is None else region.size,
        )

    def _claims(self) -> tuple[Range, ...]:
        return claimed(self.image.symbols, self.image.sections)

    def _growing_from(self, gaps: list[Range]) -> int | None:
        """The base of a heap that grows into free SRAM; None where the heap is memory of the image, such as Keil's."""
        if self.heap is None:
            return None
        base = self.device.resolve(self.heap.base)
        return base if any(begin - 8 < base < end for begin, end in gaps) else None

    def _free_sram(self, claims: list[Range]) -> list[Range]:
        """What the segments leave, and `claims`, in whole 8 bytes."""
        segments = [(self.device.resolve(s.address), s.size) for s in self.image.segments]
        taken = without(merged_ranges((begin, begin + size) for begin, size in segments), merged_ranges(claims))
        banks = [(bank.base, bank.end) for bank in self.banks if bank.kind == "sram" and not bank.is_cache]
        return _aligned(without(banks, taken))

    # -- bytes

    def bank_at(self, address: int) -> Bank | None:
        """The bank behind an address (aliases resolved by the caller), or None."""
        return next((bank for bank in self.banks if bank.base <= address < bank.end), None)

    def view(self, address: int, size: int) -> Bytes | None:
        """The host's ``uint8`` view of `size` bytes, or None where they are not all in one memory."""
        address = self.device.resolve(address)
        bank = self.bank_at(address)
        if bank is None or address + size > bank.end:
            return None
        return bank.data[address - bank.base : address - bank.base + size]

    def halfword(self, address: int) -> int:
        """The 16 bits at an even address; 0 where there is no memory."""
        view = self.view(address, 2)
        return 0 if view is None else int(view.view(np.uint16)[0])

    # -- buffers and stack

    @property
    def allocations(self) -> list[Allocation]:
        """The buffers, in the order in which they were made."""
        return self._room.allocations

    @property
    def heap_base(self) -> int | None:
        """Where a heap in free SRAM begins; None without such."""
        return self._room.heap_base

    def heap_span(self) -> Range | None:
        """The heap's memory: up to its own end, or as far as it can grow before it meets a buffer or SRAM ends."""
        if self.heap is None:
            return None
        base = self.heap_base
        if base is None:
            begin = self.device.resolve(self.heap.base)
            return begin, begin + max(0, (self.heap.limit or 0) - self.heap.base)
        end = next(end for begin, end in self._room.gaps if begin - 8 < base < end)
        return base, min([end, *(a.begin for a in self.allocations if a.begin >= base)])

    @property
    def stack_top(self) -> int:
        """The initial SP: the end of the highest free SRAM."""
        return self._room.stack_gap[1]

    @property
    def stack_limit(self) -> int:
        """The lowest address that the stack may use without running into data, a buffer or the heap."""
        bottom = self._room.stack_bottom
        return max(bottom, self.heap_end) if self.heap_end <= self.stack_top else bottom

    def name_below_stack(self) -> str:
        """What the stack runs into below `stack_limit`; empty where that is the end of memory or has no name."""
        limit = self.stack_limit
        if limit == self.heap_end:
            return f"the heap, which ends at {limit:#x}"
        below = [f"the buffer {a.name}" for a in self.allocations if a.end == limit]
        below += [s.name for s in self.image.symbols if s.kind == "object" and s.address < limit <= _end_of(s)]
        below += [f"section {s.name}" for s in self.image.sections if s.address < limit <= s.address + s.size + 7]
        return below[0] if below else ""

    @property
    def allocated_bytes(self) -> int:
        return sum(a.size for a in self.allocations)

    def allocate(self, size: int, align: int, name: str = "", stack_reserve: int = 1024) -> Allocation:
        """Room for `size` bytes with red zones around.

        Raises UsageError when it does not fit beside a stack of `stack_reserve` bytes.
        """
        allocation = self._room.take(size, align, name, stack_reserve)
        if allocation is None:
            free = self._room.largest_piece()
            heap = "" if self.heap_base is None else " and as many for the heap"
            raise UsageError(
                f"{name or 'a buffer'}: {size} bytes do not fit into the SRAM of {self.device.name}: the largest free "
                f"piece is {free} bytes, of which {stack_reserve} are kept for the stack{heap}"
            )
        red_zones.paint(self.view, allocation)
        return allocation

    def holds(self, allocation: Allocation) -> bool:
        """True until the allocation is freed."""
        return allocation in self.allocations

    def free(self, allocation: Allocation) -> None:
        """Give the room of an allocation back."""
        self._room.free(allocation)
        view = self.view(allocation.begin, allocation.end - allocation.begin)
        if view is not None:
            view[:] = FILL

    def overruns(self) -> list[str]:
        """What was written outside the buffers, as sentences; the red zones are painted afresh."""
        return red_zones.overruns(self.view, self.allocations)

    # -- state between calls

    def restore(self) -> None:
        """Put every byte of SRAM back to what it was after loading, or start-up, except the buffers' contents."""
        kept = [(a, self.view(a.address, a.size)) for a in self.allocations]
        contents = [None if view is None else view.copy() for _, view in kept]
        for bank, initial in self._initial:
            bank.data[:] = initial
        for (allocation, view), content in zip(kept, contents, strict=True):
            if view is not None and content is not None:
                view[:] = content
            red_zones.paint(self.view, allocation)
        self._forget_heap()

    def mark(self) -> Callable[[], None]:
        """What puts every byte of SRAM, and the end of the heap, back to what they are now."""
        now = [(bank, bank.data.copy()) for bank in self.banks if bank.kind == "sram"]
        heap_end = self.heap_end

        def put_back() -> None:
            for bank, content in now:
                bank.data[:] = content
            self.heap_end = heap_end

        return put_back

    def begin_with(self, started: Started | None) -> None:
        """From now on `restore` puts back what start-up code left; memory as loaded, with None.

        Raises `UsageError` where that code wrote to where a buffer lies.
        """
        for bank, content in self._programmed:
            bank.data[:] = content
        self._programmed = []
        self._initial, self._first_heap_end = self._loaded, self.heap_base or 0
        self._room.used_end, self.taken = 0, (0, 0)
        if started is None:
            return
        self._reject_written_buffers(started)
        pairs = list(zip(self.banks, started.contents, strict=True))
        for bank, content in pairs:
            if bank.kind != "sram" and not np.array_equal(bank.data, content):
                self._programmed.append((bank, bank.data.copy()))
                bank.data[:] = content
        self._initial = [(bank, content.copy()) for bank, content in pairs if bank.kind == "sram"]
        begin, end = self._room.stack_gap[0], self._taken_end(started)
        self.taken = (begin, max(begin, end))
        self._first_heap_end = max(started.heap_end, end)
        self._room.used_end = self._first_heap_end
        self._clear_in_initial(max(self._first_heap_end, self._room.stack_gap[0]), self.stack_top)

    def _reject_written_buffers(self, started: Started) -> None:
        for allocation in self.allocations:
            place = self._part(started.contents, allocation.begin, allocation.end)
            if place is not None and (place != FILL).any() and not _meet(started.stack, allocation):
                raise UsageError(
                    f"start-up code wrote to where {allocation.name or 'a buffer'} lies, {allocation.begin:#010x} to "
                    f"{allocation.end - 1:#010x}, which the image does not claim: call machine.start_up() "
                    "before you allocate it"
                )

    def _part(self, contents: Sequence[Bytes], begin: int, end: int) -> Bytes | None:
        for bank, content in zip(self.banks, contents, strict=True):
            if bank.base <= begin and end <= bank.end:
                return content[begin - bank.base : end - bank.base]
        return None

    def _taken_end(self, started: Started) -> int:
        """Behind the highest byte in the stack's room that start-up code wrote to, or had from `sbrk`.

        Its own stack is none, nor is what lies in the last 4 KiB: there the boot ROM puts boot2 and its stack (RP2040
        datasheet, 2.8.1.3), and stacks begin.
        """
        begin, top = self._room.stack_gap
        end = max(begin, top - _STACKS)
        content = self._part(started.contents, begin, end)
        if content is None:
            return 0
        written = content != FILL
        low, high = (min(max(at - begin, 0), end - begin) for at in started.stack)
        written[low:high] = False
        taken = end - int(written[::-1].argmax()) if written.any() else 0
        given = started.handed_out[1]
        return max(taken, given) if begin < given <= end else taken

    def _clear_in_initial(self, begin: int, end: int) -> None:
        for bank, content in self._initial:
            content[max(0, begin - bank.base) : max(0, end - bank.base)] = FILL

    def _forget_heap(self) -> None:
        self.heap_end = self._first_heap_end

    def changed_end(self, begin: int, end: int) -> int:
        """The address behind the highest byte in a range of SRAM that is not as loaded; `begin` where all are."""
        view = self.view(begin, max(0, end - begin))
        bank = self.bank_at(self.device.resolve(begin))
        initial = next((content for other, content in self._loaded if other is bank), None)
        if view is None or bank is None or initial is None:
            return begin
        first = self.device.resolve(begin) - bank.base
        changed = view != initial[first : first + view.size]
        return begin + (view.size - int(changed[::-1].argmax()) if changed.any() else 0)

    def reset(self) -> None:
        """Put every memory back to what it was after loading, and free all buffers."""
        self._room.clear()
        self.begin_with(None)
        for bank in self.banks:
            bank.erase()
        self._load()
        self._forget_heap()

    def image_code_changed(self) -> bool:
        """True where code of the image that lies in SRAM differs from what a call begins with."""
        for bank, initial in self._initial:
            for begin, end in self.image.code_ranges:
                begin, end = max(begin, bank.base) - bank.base, min(end, bank.end) - bank.base
                if begin < end and not np.array_equal(bank.data[begin:end], initial[begin:end]):
                    return True
        return False

    def clear_stack(self) -> None:
        """Fill the stack's room, as after loading, so that what a call finds there never depends on the last one."""
        view = self.view(self.stack_limit, self.stack_top - self.stack_limit)
        if view is not None:
            view[:] = FILL


def _meet(span: Range, allocation: Allocation) -> bool:
    return span[0] < allocation.end and allocation.begin < span[1]


def _end_of(symbol: Symbol) -> int:
    """Where an object ends, rounded up as free SRAM is."""
    return -(-(symbol.address + symbol.size) // 8) * 8


def _aligned(ranges: Iterable[Range]) -> list[Range]:
    """Ranges shrunk to whole 8 bytes."""
    whole = [(-(-begin // 8) * 8, end & ~7) for begin, end in ranges]
    return [(begin, end) for begin, end in whole if begin < end]
