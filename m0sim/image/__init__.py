"""Firmware images: ELF, Intel HEX, UF2 and raw binaries, their segments, sections, symbols and source lines."""

from m0sim.image.image import Image
from m0sim.image.load import load_elf, load_file, load_hex, load_raw, load_uf2
from m0sim.image.ranges import Range
from m0sim.image.segments import MEMORY_LIMIT, Section, Segment
from m0sim.image.source_lines import DebugSection, SourceLine
from m0sim.image.symbols import NAME_LIMIT, Symbol

__all__ = [
    "MEMORY_LIMIT",
    "NAME_LIMIT",
    "DebugSection",
    "Image",
    "Range",
    "Section",
    "Segment",
    "SourceLine",
    "Symbol",
    "load_elf",
    "load_file",
    "load_hex",
    "load_raw",
    "load_uf2",
]
