"""Where a program and what measures it lie in the memory of an RP2040."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from m0sim import image
from m0sim.board import second_stage
from m0sim.errors import UsageError
from m0sim.image import Image, Segment
from m0sim.image.heap_and_stack import claimed, heap_of, uses_heap, without
from m0sim.image.moving import MovedImage, moved
from m0sim.image.ranges import Range, merged_ranges

SRAM: Range = (0x20000000, 0x20042000)
"""Six banks of an RP2040 in a row: datasheet, 2.6.2."""
FLASH: Range = (0x10000000, 0x10200000)
"""2 MiB, as a Pico has."""
_CACHE_WAY = 8192
"""Bytes of flash that have a set of the cache each: datasheet, 2.6.3. Further by as much, code has the same sets."""
_ALIGN = 256
"""Bytes of a block of a UF2, and of a vector table."""
_MOST_ALIGN = 4096
_FILE = Path(__file__).resolve().parent / "runtime" / "rp2040.elf"


Code = Literal["sram", "flash"]
"""What the code runs from."""


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """A program, and the runtime that measures it."""

    code: Code
    program: Image
    """The program at its new place, and the runtime's bytes."""
    runtime: MovedImage
    begin: int
    """Where the runtime, and so all that is loaded into SRAM, begins."""
    end: int
    """Where the runtime ends, and behind it the program's code, where that was moved to SRAM."""

    def name_there(self, function: str) -> str:
        """What is to be said of a function that somebody named, where it is now: an address is another one."""
        if not function.lower().startswith("0x") or not isinstance(self.program, MovedImage):
            return function
        return hex(self.program.there(int(function, 16)))

    @property
    def loaded(self) -> list[Segment]:
        """What is in SRAM when the runtime begins. What the program has there itself is not: the runtime fills it."""
        return [s for s in self.program.segments if self.begin <= s.address < self.end]

    @property
    def stored(self) -> list[Segment]:
        """What is in flash."""
        return [s for s in self.program.segments if not is_in_sram(s) and s.data]

    @property
    def own(self) -> list[Segment]:
        """What the program has in SRAM itself."""
        return [s for s in self.program.segments if is_in_sram(s) and not self.begin <= s.address < self.end]

    @property
    def plan_word(self) -> int:
        """The address of the word that says where the plan is."""
        return self.runtime.find("board_plan").address


def is_in_sram(segment: Segment) -> bool:
    """Whether a program has this in SRAM by itself, so that it stays there."""
    return SRAM[0] <= segment.address < SRAM[1]


def laid_out(program: Image, code: Code) -> Layout:
    """Lay a program out. Raises `UsageError` where it does not fit."""
    unclaimed = _without_claims(program)
    return in_sram(unclaimed) if code == "sram" else in_flash(unclaimed)


def _without_claims(program: Image) -> Image:
    """The program without sections that only set memory aside for a heap and a stack: no content, and all of SRAM."""
    claims = claimed(program.symbols, program.sections)
    if not claims:
        return program
    segments = []
    for segment in program.segments:
        parts = (
            without([(segment.address, segment.end)], claims)
            if is_in_sram(segment)
            else [(segment.address, segment.end)]
        )
        for begin, end in parts:
            data = segment.data[begin - segment.address : end - segment.address]
            load = segment.load_address + begin - segment.address
            segments.append(replace(segment, address=begin, load_address=load, data=data, size=end - begin))
    sections = [s for s in program.sections if not any(begin <= s.address < end for begin, end in claims)]
    return replace(program, segments=tuple(segments), sections=tuple(sections))


def in_flash(program: Image) -> Layout:
    """With its code in flash where it was linked, or, where the second stage has to be, in the same sets of the cache.

    Raises `UsageError` where it does not fit.
    """
    for segment in program.segments:
        if not is_in_sram(segment) and not FLASH[0] <= segment.address <= segment.end <= FLASH[1]:
            raise UsageError(
                f"{program.path}: {segment.address:#010x} is neither in the flash nor in the SRAM of a Pico"
            )
    begin, room_end = _room(program)
    runtime = _runtime_at(_up(begin, _ALIGN))
    first = min((s.address for s in program.segments if not is_in_sram(s) and s.size), default=FLASH[1])
    code: Image = program
    if first < FLASH[0] + second_stage.SIZE and not second_stage.is_in(program, FLASH[0]):
        code = moved(program, _CACHE_WAY, lambda s: not is_in_sram(s))
    begin, end = runtime.segments[0].address, runtime.segments[-1].end
    if end > room_end:
        raise UsageError(f"{program.path}: leaves no {end - begin:,} bytes of SRAM for what measures it")
    return _with_runtime("flash", code, runtime, end)


def in_sram(program: Image) -> Layout:
    """With its code in SRAM, moved there where it was linked for another place. Raises `UsageError` as `laid_out`."""
    going = [s for s in program.segments if not is_in_sram(s) and s.size]
    for segment in going:
        if segment.writable and segment.size > len(segment.data):
            raise UsageError(
                f"{program.path}: has variables at {segment.address:#010x}, no SRAM of an RP2040: link it for one"
            )
    begin, room_end = _room(program)
    begin = _up(begin, _ALIGN)
    runtime = _runtime_at(begin)
    end = runtime.segments[-1].end
    code: Image = program
    if going:
        lowest = min(s.address for s in going)
        align = max([_ALIGN, *(s.align for s in program.sections if s.align <= _MOST_ALIGN)])
        to = _up(end, align) + lowest % align
        end = to + max(s.end for s in going) - lowest
        code = moved(program, to - lowest, lambda s: not is_in_sram(s))
    if end > room_end:
        raise UsageError(
            f"{program.path}: its code takes {end - begin:,} bytes of SRAM with what measures it, and the largest free "
            f"piece is {room_end - begin:,} bytes; --flash runs it from flash"
        )
    return _with_runtime("sram", code, runtime, end)


def _with_runtime(code: Code, program: Image, runtime: MovedImage, end: int) -> Layout:
    """No copies of variables in flash for start-up code, since none is on the board either."""
    placed = [replace(s, load_address=s.address) for s in (*program.segments, *runtime.segments)]
    segments = sorted(placed, key=lambda s: s.address)
    return Layout(code, replace(program, segments=tuple(segments)), runtime, runtime.segments[0].address, end)


def _runtime_at(address: int) -> MovedImage:
    own = _own()
    return moved(own, address - own.segments[0].address)


def _room(program: Image) -> Range:
    """The largest piece of SRAM that the program leaves free; of one in which a heap grows, the upper half."""
    taken = merged_ranges((s.address, s.end) for s in program.segments if is_in_sram(s))
    edges = [SRAM[0], *(edge for span in taken for edge in span), SRAM[1]]
    begin, end = max(zip(edges[::2], edges[1::2], strict=True), key=lambda gap: gap[1] - gap[0])
    heap = heap_of(program.symbols, program.sections, lambda address: SRAM[0] <= address < SRAM[1])
    if uses_heap(program.symbols) and heap is not None and begin - 8 < heap.base < end:
        begin = (heap.base + end) // 2
    return begin, end


def _up(address: int, align: int) -> int:
    return -(-address // align) * align


@cache
def _own() -> Image:
    if not _FILE.is_file():
        raise UsageError(f"{_FILE} is not built; in a checkout, run make")
    return image.load_elf(_FILE)
