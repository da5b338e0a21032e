"""Kernels at other addresses: what `kernels.moved` makes equals, byte for byte, a link at those addresses."""

from __future__ import annotations

import struct
from itertools import product
from pathlib import Path

import pytest
from conftest import found_toolchain, quick_of

from m0sim.errors import UsageError
from m0sim.image import Image, load_elf
from m0sim.study.learn import kernels
from m0sim.toolchain import NAMES

KERNELS = Path(__file__).parents[1] / "kernels"
WORDS = """
    .syntax unified
    .cpu cortex-m0plus
    .thumb
    .global an_absolute_symbol
    .set an_absolute_symbol, 0x10000008
    .text
    .thumb_func
    .global pick
    .type pick, %function
pick:
    ldr r0, =table
    ldr r1, =0x10000004     @ no address, though the program lies there
    ldr r2, =pick + 4
    bx lr
    .pool
    .size pick, . - pick
    .section .rodata, "a"
    .p2align 2
table:
    .word pick, table + 8, 0x10000000, an_absolute_symbol
    .word absent
    .weak absent
"""


def linked(sources: list[Path], folder: Path, toolchain: str, base: int, movable: bool = True) -> Image:
    script = folder / "at.ld"
    script.write_text((KERNELS / "m0sim.ld").read_text().replace("ORIGIN = 0x10000000", f"ORIGIN = {base:#x}"))
    return load_elf(
        found_toolchain(toolchain).build(sources, folder / f"{base:x}.elf", linker_script=script, movable=movable)
    )


@pytest.mark.parametrize(
    ("there", "what", "toolchain"),
    [
        *product([0x08000000, 0x10000100], ["words"], NAMES),
        (0x08000000, "kernels", "zig"),
        *(
            pytest.param(*made, marks=pytest.mark.long)
            for made in product([0x08000000, 0x10000100], ["kernels"], NAMES)
            if made != (0x08000000, "kernels", "zig")
        ),
    ],
)
def test_moved_is_as_linked_there(toolchain: str, what: str, there: int, tmp_path: Path) -> None:
    words = tmp_path / "words.S"
    words.write_text(WORDS)
    sources = [words] if what == "words" else sorted(KERNELS.glob("*.S"))
    start = linked(sources, tmp_path, toolchain, 0x10000000)
    moved = kernels.moved(start, there - 0x10000000)
    expected = linked(sources, tmp_path, toolchain, there)
    assert [(s.address, s.data) for s in moved.segments] == [(s.address, s.data) for s in expected.segments]
    functions = [[(f.name, f.address) for f in image.functions] for image in (moved, expected)]
    assert functions[0] == functions[1]
    assert moved.address_words == expected.address_words
    assert (moved.code_ranges, moved.data_ranges) == (expected.code_ranges, expected.data_ranges)
    again = kernels.moved(moved, 0x10000000 - there)
    assert [s.data for s in again.segments] == [s.data for s in start.segments]


@pytest.mark.parametrize("toolchain", quick_of(NAMES, ["zig"]))
def test_relocations_are_in_no_figure(toolchain: str, tmp_path: Path) -> None:
    sources = sorted(KERNELS.glob("*.S"))
    kept, plain = (linked(sources, tmp_path, toolchain, 0x10000000, movable) for movable in (True, False))
    assert plain.address_words is None
    assert kept.address_words
    for name in ("segments", "sections", "symbols", "code_ranges", "data_ranges", "entry", "warnings"):
        assert getattr(kept, name) == getattr(plain, name), name
    with pytest.raises(UsageError, match=r"10000000.elf: cannot be moved .* --emit-relocs, as make kernels does$"):
        kernels.moved(plain, 256)
    assert kernels.moved(plain, 0) is plain


def header_of_relocations(data: bytes) -> int:
    """Where the header of the first relocation table of what is loaded lies; debug information is not."""
    (table,) = struct.unpack_from("<I", data, 32)
    size, count = struct.unpack_from("<HH", data, 46)
    kind, flags, of = 4, 8, 28  # sh_type, sh_flags, sh_info: the section that is relocated
    for header in (table + size * i for i in range(count)):
        if struct.unpack_from("<I", data, header + kind) == (9,):  # SHT_REL
            (section,) = struct.unpack_from("<I", data, header + of)
            if struct.unpack_from("<I", data, table + size * section + flags)[0] & 2:  # SHF_ALLOC
                return header
    raise AssertionError("no relocations of what is loaded")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    return linked(sorted(KERNELS.glob("*.S")), folder, "zig", 0x10000000).path.read_bytes()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (36, 12, "relocations of"),  # sh_entsize
        (20, 12, "relocations of"),  # sh_size
        (20, 1 << 30, "truncated: a relocation table"),
        (24, 1, "no symbol table"),  # sh_link
        (24, 99, "no symbol table"),
        (None, 0xFFFFFF02, "a relocation of symbol 16777215"),
    ],
)
def test_damaged_relocations(field: int | None, value: int, message: str, whole: bytes, tmp_path: Path) -> None:
    data = bytearray(whole)
    header = header_of_relocations(data)
    (first,) = struct.unpack_from("<I", data, header + 16)
    struct.pack_into("<I", data, first + 4 if field is None else header + field, value)
    path = tmp_path / "damaged.elf"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=message):
        load_elf(path)
