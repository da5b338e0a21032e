"""What lies where in flash and SRAM: the image, the call's buffers, its stack, and what is free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from m0sim.chip.banks import Bank
from m0sim.chip.cost import Cost
from m0sim.chip.firmware import Firmware
from m0sim.chip.machine import Machine

FREE = "free"
RESERVED = "reserved"


@dataclass(frozen=True, slots=True)
class Part:
    """A run of bytes that one thing takes."""

    kind: str
    """code, rodata, data, bss, reserved, arguments, heap, stack or free."""
    name: str
    address: int
    size: int

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """One memory and all its bytes by address; parts do not overlap, and what is free is a part too."""

    name: str
    base: int
    size: int
    parts: tuple[Part, ...]

    @property
    def taken(self) -> tuple[Part, ...]:
        """The parts that are not free."""
        return tuple(part for part in self.parts if part.kind != FREE)

    @property
    def used(self) -> int:
        """Bytes that are neither free nor only reserved."""
        return sum(part.size for part in self.taken if part.kind != RESERVED)

    @property
    def largest_free(self) -> int:
        """Bytes of the largest free piece."""
        return max((part.size for part in self.parts if part.kind == FREE), default=0)


def memory_maps(cost: Cost, machine: Machine | Firmware) -> tuple[MemoryMap, ...]:
    """The device's memories as they were in the call; ROM only where the image is in it."""
    parts = sorted(_parts(cost, machine), key=lambda part: (part.address, part.end))
    return tuple(_map(bank, parts) for bank in machine.space.banks)


def stack_room(machine: Machine | Firmware) -> int:
    """Bytes that a stack could take before it runs into data."""
    return machine.space.stack_top - machine.space.stack_limit


def _parts(cost: Cost, machine: Machine | Firmware) -> Iterator[Part]:
    """Everything that takes bytes."""
    resolve = machine.device.resolve
    for section in machine.image.sections:
        yield Part(section.kind, section.name, resolve(section.address), section.size)
        if section.stored_bytes:
            stored_at = resolve(section.load_address or 0)
            yield Part("data", f"{section.name} (initial values)", stored_at, section.stored_bytes)
    for buffer in machine.space.allocations:
        yield Part("arguments", buffer.name, buffer.address, buffer.size)
    if machine.space.heap_base is not None:
        yield Part("heap", "heap, observed", machine.space.heap_base, cost.memory.sram_heap)
    # Arguments of an odd number of words leave one free: the stack begins on a multiple of 8.
    room = max(0, machine.space.stack_top - cost.stack_top)
    passed = min(cost.memory.sram_arguments - machine.space.allocated_bytes, room)
    yield Part("arguments", "on the stack", cost.stack_top, passed)
    yield Part("stack", "stack, observed", cost.stack_top - cost.stack_bytes, cost.stack_bytes)


def _map(bank: Bank, parts: list[Part]) -> MemoryMap:
    """What is reserved shows where nothing uses it."""
    used = _without_gaps([p for p in parts if p.kind != RESERVED], bank.base, bank.end)
    reserved = [p for p in parts if p.kind == RESERVED]
    found: list[Part] = []
    for part in used:
        found += _without_gaps(reserved, part.address, part.end) if part.kind == FREE else [part]
    name = "SRAM" if bank.kind == "sram" else bank.kind
    return MemoryMap(name, bank.base, bank.size, tuple(found))


def _without_gaps(parts: list[Part], start: int, stop: int) -> list[Part]:
    """All bytes from `start` to `stop` by address: of two parts that overlap the first, and what is free."""
    found: list[Part] = []
    at = start
    for part in parts:
        begin, end = max(part.address, at), min(part.end, stop)
        if begin >= end:
            continue
        if begin > at:
            found.append(Part(FREE, FREE, at, begin - at))
        found.append(Part(part.kind, part.name, begin, end - begin))
        at = end
    if at < stop:
        found.append(Part(FREE, FREE, at, stop - at))
    return found
