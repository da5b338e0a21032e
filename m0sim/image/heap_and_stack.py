"""Where a program's heap begins, and which memory it keeps for its stack, by the names that its tools give them.

Sources: newlib's `_sbrk` (``end``, ``_end``), CMSIS start-up files and linker scripts (``__HeapBase``,
``__StackLimit``, ``Heap_Mem``, ``Stack_Mem``), armlink (``Image$$ARM_LIB_HEAP$$ZI$$Base``), IAR ilink (``HEAP$$Base``,
``CSTACK$$Limit``), STM32CubeIDE (``_estack``, ``_Min_Stack_Size``), pico-sdk (``__StackBottom``), ChibiOS
(``__heap_base__``), picolibc (``__heap_start``), cortex-m-rt (``__sheap``, ``_stack_end``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from m0sim.image.ranges import Range, merged_ranges
from m0sim.image.segments import Section
from m0sim.image.symbols import Symbol

_HEAP_BASE = re.compile(
    r"_*heap_?(base|start|begin|mem)_*|_*sheap|(Image\$\$)?\w*HEAP\w*\$\$(ZI\$\$)?Base", re.IGNORECASE
)
_HEAP_LIMIT = re.compile(r"_*heap_?(limit|end)_*|_*eheap|(Image\$\$)?\w*HEAP\w*\$\$(ZI\$\$)?Limit", re.IGNORECASE)
_STACK_MEMORY = re.compile(r"_*(z_)?(main_)?stack_?mem_*|z_main_stack", re.IGNORECASE)
_STACK_SIZE = re.compile(r"_*(min_)?(main_)?stack_?size_*", re.IGNORECASE)
#: In this order: pico-sdk's __StackLimit is where the heap must end, its __StackBottom the stack's limit.
_STACK_BOTTOMS = (
    *("__StackBottom", "__StackLimit", "__stack_limit", "__stack_limit__", "_stack_limit", "_sstack", "_stack_end"),
    *("CSTACK$$Base", "Image$$ARM_LIB_STACK$$ZI$$Base", "Image$$ARM_LIB_STACK$$Base", "__main_stack_base__"),
)
_STACK_TOPS = (
    *("__StackTop", "_estack", "__initial_sp", "__stack_top", "_stack_top", "__stack", "_stack", "_stack_start"),
    *("CSTACK$$Limit", "Image$$ARM_LIB_STACK$$ZI$$Limit", "Image$$ARM_LIB_STACK$$Limit", "__main_stack_end__"),
)
_ENDS = ("end", "_end", "__end__")  # of the program's data, where newlib's _sbrk begins
_CLAIM = re.compile(
    r"[._]*(user_|arm_lib_)?(heap|c?stack|stackheap|heap_stack|stack_heap)\d*(_dummy|_section|_mem)?", re.IGNORECASE
)
_STACK_SECTION = re.compile(r"[._]*(arm_lib_|c)?stack(_dummy|_section|_mem)?", re.IGNORECASE)
_HEAP_SECTION = re.compile(r"[._]*(arm_lib_)?heap(_section|_mem)?", re.IGNORECASE)
_ALLOCATORS = re.compile(
    r"_*sbrk(_r)?|_*(malloc|calloc|realloc|memalign)(_r)?|__iar_dl\w+|_Zn[wa][jm]\w*|\w*__rust_alloc\w*|\w*__rg_alloc\w*"
)
#: The functions that take memory for the heap, with the register that holds the increment.
_SBRK = {"_sbrk": 0, "sbrk": 0, "__sbrk": 0, "_sbrk_r": 1}
_LEAST_REGION = 16  # bytes; an object of that name that is smaller is a variable, such as a pointer to the heap's end


@dataclass(frozen=True, slots=True)
class HeapRegion:
    """Memory that the image's allocator takes from, upwards."""

    base: int
    limit: int | None
    """Where it ends; None where the image has no such symbol, and no object or section that is the heap."""
    name: str
    """What says so: a symbol, or ``section .heap``."""


@dataclass(frozen=True, slots=True)
class StackRegion:
    """Memory that the image keeps for its stack."""

    limit: int
    """Its lowest address."""
    top: int
    name: str
    """What gives the limit."""

    @property
    def size(self) -> int:
        return self.top - self.limit


def uses_heap(symbols: Sequence[Symbol]) -> bool:
    """True where a function of an allocator is linked in."""
    return any(s.kind == "function" and _ALLOCATORS.fullmatch(s.linkage_name) for s in symbols)


def sbrk_of(symbols: Sequence[Symbol]) -> tuple[Symbol, int] | None:
    """The function that takes memory for the heap, and the number of the register that holds the increment."""
    functions = {s.linkage_name: s for s in symbols if s.kind == "function" and s.is_thumb}
    return next(((functions[name], register) for name, register in _SBRK.items() if name in functions), None)


def heap_of(
    symbols: Sequence[Symbol], sections: Sequence[Section], is_sram: Callable[[int], bool]
) -> HeapRegion | None:
    """The heap: from a symbol that names it, else a section of its own, else the end of the data."""
    places = [s for s in symbols if _may_name_memory(s)]
    for symbol in places:
        if _HEAP_BASE.fullmatch(symbol.linkage_name) and is_sram(symbol.address):
            limit = symbol.address + symbol.size if symbol.size else _limit_above(symbol.address, places)
            return HeapRegion(symbol.address, limit, symbol.linkage_name)
    for section in sections:
        if section.kind in ("bss", "reserved") and _HEAP_SECTION.fullmatch(section.name) and is_sram(section.address):
            return HeapRegion(section.address, section.address + section.size, f"section {section.name}")
    ends = [s for s in places if s.linkage_name in _ENDS and not s.size and is_sram(s.address)]
    return HeapRegion(ends[0].address, None, ends[0].linkage_name) if ends else None


def _limit_above(base: int, places: Iterable[Symbol]) -> int | None:
    limits = (s.address for s in places if _HEAP_LIMIT.fullmatch(s.linkage_name) and s.address > base)
    return min(limits, default=None)


def _may_name_memory(symbol: Symbol) -> bool:
    return symbol.kind != "function" and (not symbol.size or symbol.size >= _LEAST_REGION)


def stack_of(
    symbols: Sequence[Symbol], sections: Sequence[Section], is_sram: Callable[[int], bool]
) -> StackRegion | None:
    """The stack's region: between two symbols, below a top with a size, an object, or a section; None without any."""
    candidates = _stack_candidates([s for s in symbols if _may_name_memory(s)], sections)
    return next((c for c in candidates if c.size > 0 and is_sram(c.limit) and is_sram(c.top - 1)), None)


def _stack_candidates(places: Sequence[Symbol], sections: Sequence[Section]) -> Iterator[StackRegion]:
    addresses = {s.linkage_name: s.address for s in places}
    tops = [(name, addresses[name]) for name in _STACK_TOPS if name in addresses]
    for _, top in tops:
        for name in _STACK_BOTTOMS:
            if name in addresses:
                yield StackRegion(addresses[name], top, name)
    for symbol in places:
        if _STACK_MEMORY.fullmatch(symbol.linkage_name) and symbol.size:
            yield StackRegion(symbol.address, symbol.address + symbol.size, symbol.linkage_name)
    for name, top in tops:
        for symbol in places:
            if _STACK_SIZE.fullmatch(symbol.linkage_name) and not symbol.size:
                yield StackRegion(top - symbol.address, top, f"{name} - {symbol.linkage_name}")
    for section in sections:
        if _STACK_SECTION.fullmatch(section.name):
            yield StackRegion(section.address, section.address + section.size, f"section {section.name}")


def claimed(symbols: Sequence[Symbol], sections: Sequence[Section]) -> tuple[Range, ...]:
    """The parts of sections that only set memory aside for heap and stack: no content, no variable in it."""
    claims = merged_ranges((s.address, s.address + s.size) for s in sections if _only_claims(s))
    if not claims:
        return ()
    objects = merged_ranges(
        (s.address, s.address + s.size) for s in symbols if s.kind == "object" and s.size and not _names_region(s)
    )
    return without(claims, objects)


def _only_claims(section: Section) -> bool:
    return section.kind == "reserved" or (section.kind == "bss" and _CLAIM.fullmatch(section.name) is not None)


def _names_region(symbol: Symbol) -> bool:
    """True for an object that is heap or stack itself, such as __HeapBase of CMSIS with the heap's size."""
    name = symbol.linkage_name
    patterns = (_HEAP_BASE, _HEAP_LIMIT, _STACK_MEMORY)
    return name in _STACK_BOTTOMS or name in _STACK_TOPS or any(p.fullmatch(name) for p in patterns)


def without(ranges: Iterable[Range], holes: Iterable[Range]) -> tuple[Range, ...]:
    """Sorted, disjoint `ranges` without the sorted, disjoint `holes`."""
    left = []
    holes = list(holes)
    for begin, end in ranges:
        at = begin
        for hole_begin, hole_end in holes:
            if hole_end > at and hole_begin < end:
                left.append((at, hole_begin))
                at = hole_end
        left.append((at, end))
    return tuple((begin, end) for begin, end in left if begin < end)
