"""The simulated chip's memories: where the image goes, where buffers and the stack find room, what a call restores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.device import Device
from m0sim.errors import UsageError
from m0sim.image import Image, Segment

Bytes = npt.NDArray[np.uint8]

#: Fills SRAM that nothing initialised: read as code it is 0xDEDE, a permanently undefined instruction.
FILL = 0xDE
RED_ZONE = 16
_PAGE = 4096
_ERASED = 0xFF
MIN_STACK = 256
"""Bytes of stack without which no firmware is run, unless the caller knows how deep its own goes."""


@dataclass(frozen=True, slots=True)
class Bank:
    """Contiguous memory of one kind with its bytes on the host; adjacent SRAM regions are one bank."""

    kind: str
    base: int
    size: int
    data: Bytes
    """``uint8``, the size rounded up to 4 KiB."""

    @property
    def end(self) -> int:
        return self.base + self.size


@dataclass(frozen=True, eq=False, slots=True)
class Allocation:
    """Room for one buffer; its red zones lie directly before and behind it."""

    address: int
    size: int
    name: str
    begin: int
    """Where its room begins: at its red zone, or before that where alignment left bytes out."""
    end: int
    """Where its room ends."""


@dataclass(frozen=True, slots=True)
class _Gap:
    """SRAM that the image leaves free; buffers fill it from below."""

    begin: int
    end: int


class AddressSpace:
    """Memories of one device with one image in them."""

    def __init__(self, device: Device, image: Image, stack_bytes: int = MIN_STACK) -> None:
        """Raises UsageError where the image is outside the memory or leaves no `stack_bytes` of SRAM for a stack."""
        self.device = device
        self.image = image
        self.banks = tuple(_banks(device, image))
        self.allocations: list[Allocation] = []
        self._allocation_count = 0
        self._load()
        self._gaps = self._free_sram()
        self._stack_gap = self._choose_stack_gap(stack_bytes)
        self._initial = [(bank, bank.data.copy()) for bank in self.banks if bank.kind == "sram"]

    # -- the image

    def _load(self) -> None:
        for segment in self.image.segments:
            self._place(segment)

    def _place(self, segment: Segment) -> None:
        run = self.view(segment.address, segment.size)
        if run is None:
            raise UsageError(self._misplaced(segment))
        if segment.load_address != segment.address:
            load = self.view(segment.load_address, len(segment.data))
            if load is not None:  # startup code that copies .data itself finds it here
                load[:] = np.frombuffer(segment.data, np.uint8)
        run[: len(segment.data)] = np.frombuffer(segment.data, np.uint8)
        run[len(segment.data) :] = 0

    def _misplaced(self, segment: Segment) -> str:
        memories = ", ".join(f"{r.name} {r.base:#x}..{r.end - 1:#x}" for r in self.device.regions)
        return (
            f"{self.image.path}: {segment.size} bytes at {segment.address:#x} are outside the memory of "
            f"{self.device.name} ({memories}); choose another --profile"
        )

    def _free_sram(self) -> list[_Gap]:
        gaps = []
        for bank in self.banks:
            if bank.kind != "sram":
                continue
            at = bank.base
            for segment in sorted(self.image.segments, key=lambda s: s.address):
                begin = self.device.resolve(segment.address)
                if bank.base <= begin < bank.end and segment.size:
                    gaps.append(_Gap(at, max(at, begin)))
                    at = max(at, begin + segment.size)
            gaps.append(_Gap(at, bank.end))
        return [_Gap(-(-gap.begin // 8) * 8, gap.end & ~7) for gap in gaps if gap.end - gap.begin >= 8]

    def _choose_stack_gap(self, stack_bytes: int) -> _Gap:
        roomy = [gap for gap in self._gaps if gap.end - gap.begin >= stack_bytes]
        if not roomy:
            raise UsageError(
                f"{self.image.path}: leaves no {stack_bytes} bytes of SRAM on {self.device.name} for a stack"
            )
        return roomy[-1]

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

    # -- buffers and stack

    @property
    def stack_top(self) -> int:
        """The initial SP: the end of the highest free SRAM."""
        return self._stack_gap.end

    @property
    def stack_limit(self) -> int:
        """The lowest address that the stack may use without running into data."""
        return max([self._stack_gap.begin, *(a.end for a in self._allocations_in(self._stack_gap))])

    @property
    def allocated_bytes(self) -> int:
        return sum(a.size for a in self.allocations)

    def allocate(self, size: int, align: int, name: str = "", stack_reserve: int = 1024) -> Allocation:
        """Room for `size` bytes with red zones around, in the lowest free SRAM that has it.

        Raises UsageError when it does not fit beside a stack of `stack_reserve` bytes.
        """
        name = name or f"buffer{self._allocation_count}"
        for gap in self._gaps:
            reserve = min(stack_reserve, (gap.end - gap.begin) // 2) if gap is self._stack_gap else 0
            begin = self._lowest_room(gap, gap.end - reserve, size, align)
            if begin is not None:
                return self._take(begin, size, align, name)
        free = max(end - begin for gap in self._gaps for begin, end in self._free_pieces(gap, gap.end))
        raise UsageError(
            f"{name}: {size} bytes do not fit into the SRAM of {self.device.name}: the largest free piece is "
            f"{free} bytes, of which {stack_reserve} are kept for the stack"
        )

    def _take(self, begin: int, size: int, align: int, name: str) -> Allocation:
        address, end = _room(begin, size, align)
        allocation = Allocation(address, size, name, begin, end)
        self.allocations.append(allocation)
        self._allocation_count += 1
        self._paint_red_zones(allocation)
        return allocation

    def _lowest_room(self, gap: _Gap, limit: int, size: int, align: int) -> int | None:
        """Where the lowest free room of a gap begins that has a buffer and its red zones below `limit`."""
        for begin, end in self._free_pieces(gap, limit):
            if _room(begin, size, align)[0] + size + RED_ZONE <= end:
                return begin
        return None

    def _free_pieces(self, gap: _Gap, limit: int) -> Iterator[tuple[int, int]]:
        """Begin and end of what the buffers leave of a gap up to `limit`, ascending."""
        at = gap.begin
        for allocation in sorted(self._allocations_in(gap), key=lambda a: a.begin):
            yield at, min(allocation.begin, limit)
            at = allocation.end
        yield at, limit

    def _allocations_in(self, gap: _Gap) -> list[Allocation]:
        return [a for a in self.allocations if gap.begin <= a.begin < gap.end]

    def holds(self, allocation: Allocation) -> bool:
        """True until the allocation is freed."""
        return allocation in self.allocations

    def free(self, allocation: Allocation) -> None:
        """Give the room of an allocation back."""
        self.allocations.remove(allocation)
        view = self.view(allocation.begin, allocation.end - allocation.begin)
        if view is not None:
            view[:] = FILL

    def _red_zones(self, allocation: Allocation) -> list[tuple[int, Bytes]]:
        begin, end = allocation.address - RED_ZONE, allocation.address + allocation.size
        zones = [(begin, self.view(begin, RED_ZONE)), (end, self.view(end, RED_ZONE))]
        return [(address, view) for address, view in zones if view is not None]

    def _paint_red_zones(self, allocation: Allocation) -> None:
        for address, view in self._red_zones(allocation):
            view[:] = _red_pattern(address)

    def overruns(self) -> list[str]:
        """What was written outside the buffers, as sentences; the red zones are painted afresh."""
        found = []
        for allocation in self.allocations:
            for address, view in self._red_zones(allocation):
                changed = np.flatnonzero(view != _red_pattern(address))
                if not changed.size:
                    continue
                is_before = address < allocation.address
                distance = RED_ZONE - 1 - int(changed[-1]) if is_before else int(changed[0])
                side = "before" if is_before else "behind the end of"
                what = f"{distance} bytes {side}" if distance else f"directly {side}"
                written = "1 byte" if changed.size == 1 else f"{changed.size} bytes"
                found.append(f"{written} written {what} {allocation.name} ({allocation.size} bytes)")
            self._paint_red_zones(allocation)
        return found

    # -- state between calls

    def restore(self) -> None:
        """Put every byte of SRAM back to what it was after loading, except the buffers' contents."""
        kept = [(a, self.view(a.address, a.size)) for a in self.allocations]
        contents = [None if view is None else view.copy() for _, view in kept]
        for bank, initial in self._initial:
            bank.data[:] = initial
        for (allocation, view), content in zip(kept, contents, strict=True):
            if view is not None and content is not None:
                view[:] = content
            self._paint_red_zones(allocation)

    def reset(self) -> None:
        """Put every memory back to what it was after loading, and free all buffers."""
        self.allocations.clear()
        self._allocation_count = 0
        for bank in self.banks:
            bank.data[:] = _blank_byte(bank.kind)
        self._load()

    def image_code_changed(self) -> bool:
        """True where code of the image that lies in SRAM differs from what was loaded."""
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

    def map_into(self, uc: Any) -> None:
        """Map the banks and their aliases into a Unicorn instance. Guest and host then share the bytes."""
        from unicorn import UC_PROT_ALL, UC_PROT_EXEC, UC_PROT_READ

        for bank in self.banks:
            rights = UC_PROT_ALL if bank.kind == "sram" else UC_PROT_READ | UC_PROT_EXEC
            for base, offset, size in self._windows(bank):
                uc.mem_map_ptr(base, -(-size // 1024) * 1024, rights, bank.data.ctypes.data + offset)

    def sram_ranges(self) -> list[tuple[int, int]]:
        """Begin and end of every range that is mapped as SRAM or an alias of it, in whole KiB, ascending."""
        windows = [w for bank in self.banks if bank.kind == "sram" for w in self._windows(bank)]
        return sorted((base, base + -(-size // 1024) * 1024) for base, _, size in windows)

    def other_ranges(self) -> list[tuple[int, int]]:
        """Begin and end of the ranges that `sram_ranges` leaves of the 4 GiB."""
        begins, ends = zip(*self.sram_ranges(), strict=True)
        return [(begin, end) for begin, end in zip((0, *ends), (*begins, 1 << 32), strict=True) if begin < end]

    def _windows(self, bank: Bank) -> list[tuple[int, int, int]]:
        """Where a bank is seen: itself, and the aliases of its regions. Address, offset in the bank, bytes."""
        windows = [(bank.base, 0, bank.size)]
        for alias in self.device.aliases:
            region = self.device.region(alias.of)
            if bank.base <= region.base < bank.end:
                windows.append((alias.base, region.base - bank.base, region.size))
        return windows

    def pages(self) -> list[tuple[int, int, int, bool]]:
        """Every mapped 4 KiB page: page number, host address, slot (aliases share one), writable."""
        rows = []
        slot = 1
        for bank in self.banks:
            count = -(-bank.size // _PAGE)
            first = bank.data.ctypes.data
            for base, offset, size in self._windows(bank):
                for i in range(-(-size // _PAGE)):
                    there = i + offset // _PAGE
                    rows.append((base // _PAGE + i, first + there * _PAGE, slot + there, bank.kind == "sram"))
            slot += count
        return rows


def _red_pattern(address: int) -> Bytes:
    """Differs from byte to byte and from place to place, so that a copied red zone does not pass for its own."""
    offsets = np.arange(address, address + RED_ZONE, dtype=np.int64)
    return (offsets * 167 + (offsets >> 8) * 31 + 0x5B & 0xFF).astype(np.uint8)


def _room(begin: int, size: int, align: int) -> tuple[int, int]:
    """Address of a buffer whose room begins at `begin`, and where that room ends."""
    address = -(-(begin + RED_ZONE) // align) * align
    return address, -(-(address + size + RED_ZONE) // 8) * 8


def _banks(device: Device, image: Image) -> list[Bank]:
    merged: list[tuple[str, int, int]] = []
    for region in device.regions:
        if region.kind == "rom" and not _is_used(region.base, region.end, device, image):
            continue  # nobody has its contents: an access is a fault, which also catches null pointers
        if merged and region.kind == "sram" == merged[-1][0] and merged[-1][2] == region.base:
            merged[-1] = ("sram", merged[-1][1], region.end)
        else:
            merged.append((region.kind, region.base, region.end))
    return [Bank(kind, base, end - base, _blank(kind, end - base)) for kind, base, end in merged]


def _is_used(begin: int, end: int, device: Device, image: Image) -> bool:
    return any(begin <= device.resolve(s.address) < end for s in image.segments)


def _blank(kind: str, size: int) -> Bytes:
    padded = -(-size // _PAGE) * _PAGE
    return np.full(padded, _blank_byte(kind), np.uint8)


def _blank_byte(kind: str) -> int:
    return FILL if kind == "sram" else _ERASED
