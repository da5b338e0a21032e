"""Where images that no GNU linker wrote are loaded: by section where only those tell, and without ELF headers."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import FIRMWARE, found_toolchain
from hypothesis import given, settings
from hypothesis import strategies as st
from make_elf import CODE, RODATA, Load, Sec, Sym, elf, reader

from m0sim import Machine, UsageError, device
from m0sim.image import load_elf
from m0sim.memory import AddressSpace

FLASH, SRAM, SRAM4 = 0x10000000, 0x20000000, 0x20040000
WORD = struct.pack("<I", 0x12345678)


def machine(folder: Path, content: bytes) -> Machine:
    path = folder / "app.axf"
    path.write_bytes(content)
    return Machine.from_elf(path)


def word(m: Machine, name: str) -> int:
    return m.call(name, result="u32").result


# ------------------------------------------------------------------------------------------ armlink's images


def readers(*addresses: int) -> tuple[bytes, list[Sym]]:
    """Functions get0, get1 ... that return the words at `addresses`, at the start of flash."""
    return (
        b"".join(map(reader, addresses)),
        [Sym(f"get{i}", FLASH + 12 * i | 1, 12) for i in range(len(addresses))],
    )


def test_variables_run_where_their_section_says(tmp_path: Path) -> None:
    """One LOAD as it lies in flash: code, then RW; ZI is in no segment, but counts in the LOAD's size in memory."""
    code, symbols = readers(SRAM, SRAM + 4)
    sections = [Sec("ER_IROM1", FLASH, code, CODE), Sec("RW_IRAM1", SRAM, WORD), Sec("RW_IRAM1", SRAM + 4, 4)]
    m = machine(tmp_path, elf(sections, [Load(FLASH, 0, 2, more=4)], symbols))
    assert (word(m, "get0"), word(m, "get1")) == (0x12345678, 0)
    assert m.read(FLASH + 24, 4).tobytes() == WORD  # start-up finds the initial value there
    assert m.read(FLASH + 28, 4).tobytes() == b"\xff" * 4  # ZI takes no flash
    use = m.call("get0").memory
    assert (use.flash_code, use.flash_data, use.sram_data, use.sram_bss) == (24, 4, 4, 4)
    assert m.alloc(4).address >= SRAM + 8


def test_zi_alone(tmp_path: Path) -> None:
    code, symbols = readers(SRAM)
    m = machine(tmp_path, elf([Sec("ER_IROM1", FLASH, code, CODE), Sec("RW_IRAM1", SRAM, 64)],
                              [Load(FLASH, 0, 1, more=64)], symbols))  # fmt: skip
    assert word(m, "get0") == 0
    assert m.read(FLASH + 12, 64).tobytes() == b"\xff" * 64
    assert m.read(SRAM, 64).tobytes() == bytes(64)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_layout_of_regions(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Several load and execution regions, in any order, in any bank, ZI before or behind RW, code in SRAM."""
    places = data.draw(st.permutations([SRAM, SRAM + 0x100, SRAM + 0x8000, SRAM4, SRAM4 + 0x20]))
    stored = {at: bytes([i + 1, 0, 0, i]) * data.draw(st.integers(1, 4)) for i, at in enumerate(places[:3])}
    cleared = dict.fromkeys(places[3:], 8)
    code, symbols = readers(*places)
    root = Sec("ER_IROM1", FLASH, code, CODE)
    rw = [Sec(f"RW_{i}", at, content) for i, (at, content) in enumerate(stored.items())]
    split = data.draw(st.integers(0, 3))  # the rest is a load region of its own
    zi = [Sec(f"ZI_{i}", at, size) for i, (at, size) in enumerate(cleared.items())]
    sections = [root, *rw, *zi] if data.draw(st.booleans()) else [root, *rw[:1], *zi, *rw[1:]]
    places_of = {s.name: i for i, s in enumerate(sections)}
    loads = []
    inner = [places_of[s.name] for s in (root, *rw[:split])]
    loads.append(Load(FLASH, 0, max(inner) + 1, more=16))
    if split < 3:
        outer = [places_of[s.name] for s in rw[split:]]
        loads.append(Load(FLASH + 0x8000, min(outer), max(outer) - min(outer) + 1))
    path = tmp_path_factory.mktemp("axf") / "app.axf"
    path.write_bytes(elf(sections, loads, symbols))
    image = load_elf(path)
    space = AddressSpace(device.load(device.DEFAULT), image)
    for section in sections:
        content = section.data or bytes(section.content)
        assert space.view(section.address, len(content)).tobytes() == content
    assert {(s.name, s.address, s.size) for s in image.sections} == {
        (s.name, s.address, len(s.data) or s.content) for s in sections
    }


def test_a_buffer_keeps_clear_of_sections_in_no_segment(tmp_path: Path) -> None:
    code, symbols = readers(SRAM + 0x40)
    m = machine(tmp_path, elf([Sec("ER_IROM1", FLASH, code, CODE), Sec("RW_IRAM1", SRAM, 0x1000)],
                              [Load(FLASH, 0, 1)], symbols))  # fmt: skip
    buffer = m.alloc(np.full(64, 7, np.uint8))
    assert buffer.address >= SRAM + 0x1000
    assert word(m, "get0") == 0


def test_a_segment_that_knows_run_addresses_is_believed(tmp_path: Path) -> None:
    """GNU's layout with a section header that a tool has damaged: the program header decides, as before."""
    code, symbols = readers(SRAM)
    content = elf([Sec(".text", FLASH, code, CODE), Sec(".data", SRAM + 0x100, WORD)],
                  [Load(FLASH, 0, 1), Load(SRAM, 1, 1, load_address=FLASH + 12)], symbols)  # fmt: skip
    assert word(machine(tmp_path, content), "get0") == 0x12345678


def test_overlapping_sections_that_disagree_are_damage(tmp_path: Path) -> None:
    code, symbols = readers(SRAM)
    sections = [Sec("ER", FLASH, code, CODE), Sec("RW", SRAM, WORD), Sec("RW2", SRAM + 2, b"abcd")]
    with pytest.raises(UsageError, match="overlap"):
        machine(tmp_path, elf(sections, [Load(FLASH, 0, 3)], symbols))


def test_sections_that_repeat_their_bytes_are_bounded(tmp_path: Path) -> None:
    """300 section headers over the same megabyte: a file of 1 MB would be 300."""
    big = Sec("ER", FLASH, bytes(1 << 20), CODE)
    content = bytearray(elf([big, *(Sec("RW", SRAM + i, b"\0\0\0\0") for i in range(300))], [Load(FLASH, 0, 1)]))
    headers = struct.unpack_from("<I", content, 32)[0]
    for i in range(2, 302):
        struct.pack_into("<II", content, headers + 40 * i + 16, 52 + 32, 1 << 20)
    with pytest.raises(UsageError, match="256 MiB"):
        machine(tmp_path, bytes(content))


# -------------------------------------------------------------------------------------- lld without a script


def linked_by_lld(tmp_path: Path, *options: str) -> Path:
    """``headers.c`` linked by the pinned lld with its own layout: the ELF headers are a segment of their own."""
    found_toolchain("zig")
    zig = [sys.executable, "-m", "ziglang"]
    objects, output = tmp_path / "headers.o", tmp_path / "headers.elf"
    compiler = [*zig, "cc", "-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus", "-O1", "-c"]
    subprocess.run([*compiler, FIRMWARE / "headers.c", "-o", objects], check=True, capture_output=True)
    subprocess.run([*zig, "ld.lld", objects, "-o", output, *options], check=True, capture_output=True)
    return output


@pytest.mark.parametrize("options", [("-Ttext", "0x10000000", "-Tdata", "0x20000000"), ("--image-base=0x10000000",)])
def test_lld_without_a_script(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = linked_by_lld(tmp_path, *options)
    m = Machine.from_elf(path)
    assert m.call("f", 4).result == 5
    assert all(s.data[:4] != b"\x7fELF" for s in m.image.segments)


def test_segments_with_a_gap_leave_it_free(tmp_path: Path) -> None:
    code, symbols = readers(FLASH + 0x10000)
    content = elf([Sec(".text", FLASH, code, CODE), Sec(".rodata", FLASH + 0x10000, WORD, RODATA)],
                  [Load(FLASH, 0, 1), Load(FLASH + 0x10000, 1, 1)], symbols)  # fmt: skip
    m = machine(tmp_path, content)
    assert word(m, "get0") == 0x12345678
    assert m.read(FLASH + 12, 4).tobytes() == b"\xff" * 4
    use = m.call("get0").memory
    assert (use.flash_code, use.flash_rodata, use.flash_total) == (12, 4, 16)


# ------------------------------------------------------------------------------------------ the memory report


@pytest.mark.parametrize("name", [".heap", ".stack_dummy", "._user_heap_stack", "CSTACK", "ARM_LIB_STACKHEAP"])
def test_room_for_a_heap_or_stack_is_not_bss(tmp_path: Path, name: str) -> None:
    code, symbols = readers(SRAM)
    sections = [Sec(".text", FLASH, code, CODE), Sec(".data", SRAM, WORD), Sec(".bss", SRAM + 4, 12),
                Sec(name, SRAM + 16, 0x800)]  # fmt: skip
    m = machine(tmp_path, elf(sections, [Load(FLASH, 0, 1), Load(SRAM, 1, 3, more=0x80C, load_address=FLASH + 12)],
                              symbols))  # fmt: skip
    assert [(s.name, s.kind) for s in m.image.sections][-1] == (name, "reserved")
    use = m.call("get0").memory
    assert (use.sram_data, use.sram_bss, use.sram_reserved, use.flash_data) == (4, 12, 0x800, 4)
    assert use.sram_total == 16  # neither stack nor buffers in this call


def test_a_section_with_content_is_no_reserve(tmp_path: Path) -> None:
    code, symbols = readers(FLASH + 12)
    sections = [Sec(".text", FLASH, code, CODE), Sec(".stack_texts", FLASH + 12, WORD, RODATA)]
    m = machine(tmp_path, elf(sections, [Load(FLASH, 0, 2)], symbols))
    assert [s.kind for s in load_elf(m.image.path).sections] == ["code", "rodata"]
