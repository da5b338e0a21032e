"""The image that measures calls on a board by itself."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from m0sim import __version__
from m0sim.board import second_stage
from m0sim.board.layout import FLASH, SRAM, Code, Layout, is_in_sram
from m0sim.board.log import FORMAT
from m0sim.board.plan import plan_at
from m0sim.board.prepared import Prepared
from m0sim.errors import UsageError
from m0sim.image import Range, uf2
from m0sim.image.chunks import Chunk
from m0sim.image.heap_and_stack import without
from m0sim.image.ranges import merged_ranges

REPEATS: dict[Code, int] = {"sram": 3, "flash": 2}
"""Unless somebody says how many. In flash, the first is with an empty cache, the second with what the first left."""
MOST_REPEATS = 1000
CLOCK_HZ = 125_000_000
"""What the runtime makes of the crystal's 12 MHz."""
_SPARE_STACK = 64
"""Bytes below the deepest stack that was seen: an exception's frame, should one come."""
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Exported:
    """An image for a board."""

    uf2: bytes
    benches: tuple[Prepared, ...]
    code: str
    """What the code runs from: ``sram`` or ``flash``."""
    repeats: int
    fingerprint: str
    """CRC-32 of what it is told to do, and of the code that it measures, in hexadecimal."""
    begin: int
    """Its lowest address: in SRAM, where the boot ROM enters it."""
    sram_bytes: int
    """Bytes of SRAM that are taken, the stack that it needs with them: all but the largest free piece."""


def exported(layout: Layout, benches: Sequence[Prepared], *, repeats: int | None = None) -> Exported:
    """The image that measures these calls. Raises `UsageError` where they do not fit into SRAM together."""
    repeats = repeats or REPEATS[layout.code]
    top = benches[0].stack_top
    stack = max(bench.stack_bytes for bench in benches) + _SPARE_STACK
    begin, end = _room_for_plan(layout, benches, (top - stack, top))

    def plan_titled(title: str) -> bytes:
        flushes = layout.code == "flash"
        return plan_at(begin, benches, title=title, flushes=flushes, repeats=repeats, stack_top=top)

    code = b"".join(segment.data for segment in (*layout.loaded, *layout.stored))
    fingerprint = f"{crc32(plan_titled(''), crc32(code)):08x}"
    plan = plan_titled(
        f"m0sim export {FORMAT} version {__version__} image {fingerprint} benches {len(benches)} repeats {repeats} "
        f"clock {CLOCK_HZ} code {layout.code}"
    )
    if begin + len(plan) > end:
        raise UsageError(
            f"does not fit into SRAM: what the benches begin with takes {len(plan):,} bytes, and beside the program, "
            f"operands and stack there are {max(0, end - begin):,}; export fewer benches (--only)"
        )
    chunks = [Chunk(s.address, _with_plan(layout, s.address, s.data, begin), 0) for s in layout.loaded]
    chunks.append(Chunk(begin, plan, 0))
    if layout.code == "flash":
        chunks = _stored(layout, chunks)
    used = SRAM[1] - SRAM[0] - (end - begin - len(plan))
    entry = min(chunk.address for chunk in chunks)
    return Exported(uf2.written(chunks), tuple(benches), layout.code, repeats, fingerprint, entry, used)


def _room_for_plan(layout: Layout, benches: Sequence[Prepared], stack: Range) -> Range:
    """The largest piece of SRAM that nothing takes, above the runtime: the boot ROM enters the lowest address."""
    taken = [stack, *(span for bench in benches for span in bench.taken)]
    taken += [(s.address, s.end) for s in layout.program.segments if is_in_sram(s)]
    if layout.code == "flash":
        taken.append((second_stage.PLACE, SRAM[1]))  # it runs there while it copies
    free = without([(layout.begin, SRAM[1])], merged_ranges(taken))
    whole = [(-(-begin // _BLOCK) * _BLOCK, end) for begin, end in free]
    return max(whole, key=lambda gap: gap[1] - gap[0], default=(SRAM[1], SRAM[1]))


def _stored(layout: Layout, loaded: Sequence[Chunk]) -> list[Chunk]:
    """What is in flash: the second stage, the program, and what the second stage is to copy to SRAM."""
    begin = FLASH[0]
    chunks = []
    for segment in layout.stored:
        skipped = max(0, begin + second_stage.SIZE - segment.address)  # its own second stage
        chunks.append(Chunk(segment.address + skipped, segment.data[skipped:], 0))
    at = -(-max([begin + second_stage.SIZE, *(chunk.end for chunk in chunks)]) // _BLOCK) * _BLOCK
    copies, content = [], b""
    for chunk in loaded:
        padded = chunk.data + bytes(-len(chunk.data) % 4)
        copies.append(struct.pack("<3I", chunk.address, at + len(content), len(padded)))
        content += padded
    copies.append(struct.pack("<3I", 0, layout.begin | 1, 0))
    listed = at + len(content)
    content += b"".join(copies)
    if at + len(content) > FLASH[1]:
        raise UsageError(f"does not fit into the {FLASH[1] - begin:,} bytes of flash: export fewer benches (--only)")
    stage = layout.runtime.find("board_boot2")
    own = next(s for s in layout.runtime.segments if s.address <= stage.address < s.end)
    code = own.data[stage.address - own.address :][: second_stage.SIZE]
    return [Chunk(begin, second_stage.with_copies(code, listed), 0), *chunks, Chunk(at, content, 0)]


def _with_plan(layout: Layout, address: int, data: bytes, plan: int) -> bytes:
    """The bytes of a segment; in the runtime's, the word that says where the plan is."""
    at = layout.plan_word - address
    if not 0 <= at <= len(data) - 4:
        return data
    return data[:at] + plan.to_bytes(4, "little") + data[at + 4 :]
