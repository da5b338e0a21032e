"""Segments and sections: what is where in memory."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

MEMORY_LIMIT = 256 << 20
"""Bytes of memory that all segments together, and bytes that a file, may have. A Cortex-M0+ device has far less."""

Kind = Literal["code", "rodata", "data", "bss", "reserved"]
"""What a section is. "reserved" is room without content that no object is in, kept for a heap or a stack."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of bytes that is in memory when the program runs."""

    address: int
    """Where it is when the program runs (VMA)."""
    load_address: int
    """Where the programmer puts it (LMA); differs for initialised variables, which startup code copies from flash."""
    data: bytes = field(repr=False)
    """Its content in the file."""
    size: int
    """Bytes in memory; zeros follow `data`."""
    readable: bool
    writable: bool
    executable: bool

    @property
    def end(self) -> int:
        """The address behind its last byte."""
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class Section:
    """A section that takes memory when the program runs (SHF_ALLOC)."""

    name: str
    address: int
    size: int
    """Bytes in memory."""
    kind: Kind
    load_address: int | None
    """Where its content is stored, in flash for a device; None when it has none (bss) or no segment holds it."""
    load_size: int | None = None
    """Bytes that it takes there; None for `size`. Fewer where the linker compressed it."""
    align: int = 1
    """The most that something in it is aligned to, in bytes."""

    @property
    def stored_bytes(self) -> int:
        """Bytes of flash that hold its content while it runs elsewhere; 0 where it runs from where it is stored."""
        if self.load_address in (None, self.address):
            return 0
        return self.size if self.load_size is None else self.load_size


def load_address_of(segments: Sequence[Segment], address: int) -> int | None:
    """Where the byte that is at `address` when the program runs is stored; None when no segment holds it."""
    at = bisect_right(segments, address, key=lambda s: s.address) - 1
    if at < 0 or address >= segments[at].end:
        return None
    return address - segments[at].address + segments[at].load_address


def is_reserved(name: str) -> bool:
    """Whether a section without content is a heap or a stack, to go by its name.

    Such as ``.heap``, ``.stack_dummy``, ``._user_heap_stack``, ``CSTACK`` (IAR), ``ARM_LIB_STACKHEAP`` (armlink).
    """
    return re.search("heap|stack", name, re.IGNORECASE) is not None


def sections_of_segments(segments: Sequence[Segment]) -> Iterator[Section]:
    """What stands in for the sections of an ELF that was stripped of them."""
    for i, s in enumerate(segments):
        kind: Kind = "code" if s.executable else "data" if s.writable else "rodata"
        if s.data:
            yield Section(f"segment{i}", s.address, len(s.data), kind, s.load_address)
        if s.size > len(s.data):
            yield Section(f"segment{i}.bss", s.address + len(s.data), s.size - len(s.data), "bss", None)
