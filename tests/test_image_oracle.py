"""The image reader against pyelftools, the field's library: two readings of the same files must agree.

m0sim reads ELF and DWARF itself because pyelftools cannot be bounded on crafted counts (test_image_fuzz.py) and takes
longer to import than a small call takes to run; here it is the oracle.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from conftest import found_toolchain
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from m0sim.image import Image, load_elf

FLAG_ALLOC = 2


@pytest.fixture(params=["zig", "gnu"])
def both(request, build):
    found_toolchain(request.param)
    path: Path = build("lines.c", "statics_a.c", "statics_b.c", toolchain=request.param, flags=("-O1", "-g"))
    with path.open("rb") as file:
        yield load_elf(path), ELFFile(file)


def test_sections(both: tuple[Image, ELFFile]):
    image, oracle = both
    expected = {
        (s.name, s["sh_addr"], s["sh_size"])
        for s in oracle.iter_sections()
        if s["sh_flags"] & FLAG_ALLOC and s["sh_size"]
    }
    assert {(s.name, s.address, s.size) for s in image.sections} == expected


def test_functions(both: tuple[Image, ELFFile]):
    image, oracle = both
    table = next(s for s in oracle.iter_sections() if isinstance(s, SymbolTableSection))
    expected = {(s.name, s["st_value"] & ~1) for s in table.iter_symbols() if s["st_info"]["type"] == "STT_FUNC"}
    assert expected
    assert {(s.linkage_name, s.address) for s in image.symbols if s.kind == "function"} >= expected


def test_source_lines(both: tuple[Image, ELFFile]):
    image, oracle = both
    dwarf = oracle.get_dwarf_info()
    checked = 0
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        states = [entry.state for entry in program.get_entries() if entry.state is not None]
        for state, following in pairwise(states):
            if state.end_sequence or state.address == following.address or image.function_at(state.address) is None:
                continue
            found = image.source_line(state.address)
            # Line 0 is the compiler's "no source line for this".
            assert (found[1] if found else 0) == state.line
            checked += 1
    assert checked > 10
