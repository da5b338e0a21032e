"""The image that measures calls on a board by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from m0sim import __version__
from m0sim.board.layout import Layout
from m0sim.board.log import FORMAT
from m0sim.board.plan import plan_at
from m0sim.board.prepared import Prepared
from m0sim.errors import UsageError
from m0sim.image import uf2
from m0sim.image.chunks import Chunk

REPEATS = 3
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
    """What the code runs from: ``sram``."""
    repeats: int
    fingerprint: str
    """CRC-32 of what it is told to do, and of the code that it measures, in hexadecimal."""
    begin: int
    """Its lowest address, where the boot ROM enters it."""
    sram_bytes: int
    """Bytes that it takes of SRAM, the stack that it needs with them."""


def exported(layout: Layout, benches: Sequence[Prepared], *, repeats: int = REPEATS) -> Exported:
    """The image that measures these calls. Raises `UsageError` where they do not fit into SRAM together."""
    top = benches[0].stack_top
    begin = -(-max(layout.end, *(bench.free for bench in benches)) // _BLOCK) * _BLOCK
    code = b"".join(segment.data for segment in layout.loaded)
    fingerprint = f"{crc32(plan_at(begin, benches, title='', repeats=repeats, stack_top=top), crc32(code)):08x}"
    title = (
        f"m0sim export {FORMAT} version {__version__} image {fingerprint} benches {len(benches)} repeats {repeats} "
        f"clock {CLOCK_HZ} code sram"
    )
    plan = plan_at(begin, benches, title=title, repeats=repeats, stack_top=top)
    stack = max(bench.stack_bytes for bench in benches) + _SPARE_STACK
    if begin + len(plan) + stack > top:
        raise UsageError(
            f"does not fit into SRAM: code and operands take {begin - layout.begin:,} bytes, what the benches begin "
            f"with {len(plan):,}, their stack {stack:,}, and there are {top - layout.begin:,}; export fewer benches "
            "(--only)"
        )
    chunks = [Chunk(s.address, _with_plan(layout, s.address, s.data, begin), 0) for s in layout.loaded]
    chunks.append(Chunk(begin, plan, 0))
    used = begin + len(plan) + stack - layout.begin
    return Exported(uf2.written(chunks), tuple(benches), "sram", repeats, fingerprint, layout.begin, used)


def _with_plan(layout: Layout, address: int, data: bytes, plan: int) -> bytes:
    """The bytes of a segment; in the runtime's, the word that says where the plan is."""
    at = layout.plan_word - address
    if not 0 <= at <= len(data) - 4:
        return data
    return data[:at] + plan.to_bytes(4, "little") + data[at + 4 :]
