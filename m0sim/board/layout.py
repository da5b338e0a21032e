"""Where a program and what measures it lie in the SRAM of an RP2040."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from m0sim import image
from m0sim.errors import UsageError
from m0sim.image import Image, Segment
from m0sim.image.moving import MovedImage, moved
from m0sim.image.ranges import Range, merged_ranges

SRAM: Range = (0x20000000, 0x20042000)
"""Six banks of an RP2040 in a row: datasheet, 2.6.2."""
_ALIGN = 256
"""Bytes of a block of a UF2, and of a vector table."""
_MOST_ALIGN = 4096
_FILE = Path(__file__).resolve().parent / "runtime" / "rp2040.elf"


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """A program, and the runtime before it, in SRAM."""

    program: Image
    """The program at its new place, and the runtime's bytes."""
    runtime: MovedImage
    begin: int
    """Where the runtime, and so all that is loaded, begins."""
    end: int
    """Where the program's code, moved from flash, ends."""

    @property
    def loaded(self) -> list[Segment]:
        """What the boot ROM copies: all but what the program has in SRAM itself, which the runtime fills."""
        return [s for s in self.program.segments if self.begin <= s.address < self.end]

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


def in_sram(program: Image) -> Layout:
    """Lay a program out. Raises `UsageError` where it does not fit."""
    going = [s for s in program.segments if not is_in_sram(s) and s.size]
    staying = [s for s in program.segments if is_in_sram(s)]
    for segment in going:
        if segment.writable and segment.size > len(segment.data):
            raise UsageError(
                f"{program.path}: has variables at {segment.address:#010x}, no SRAM of an RP2040: link it for one"
            )
    begin, room_end = _largest_gap(staying)
    begin = _up(begin, _ALIGN)
    own = _own()
    runtime = moved(own, begin - min(s.address for s in own.segments))
    end = max(s.end for s in runtime.segments)
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
    segments = sorted((*code.segments, *runtime.segments), key=lambda s: s.address)
    return Layout(replace(code, segments=tuple(segments)), runtime, begin, end)


def _largest_gap(staying: Iterable[Segment]) -> Range:
    taken = merged_ranges((s.address, s.end) for s in staying)
    edges = [SRAM[0], *(edge for span in taken for edge in span), SRAM[1]]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    return max(gaps, key=lambda gap: gap[1] - gap[0])


def _up(address: int, align: int) -> int:
    return -(-address // align) * align


@cache
def _own() -> Image:
    if not _FILE.is_file():
        raise UsageError(f"{_FILE} is not built; in a checkout, run make")
    return image.load_elf(_FILE)
