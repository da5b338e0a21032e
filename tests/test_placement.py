"""Where images that no GNU linker wrote are loaded: by section where only those tell, and without ELF headers."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import FIRMWARE, Build, found_toolchain
from hypothesis import given, settings
from hypothesis import strategies as st
from make_elf import CODE, RODATA, Load, Sec, Sym, elf, reader

from m0sim import Machine, UsageError
from m0sim.chip import device, operands
from m0sim.chip.memory import AddressSpace
from m0sim.image import load_elf

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


# ---------------------------------------------------------------------------------- what armlink compressed


def compressed(*, name: str = "__decompress1", size: int = 0x7C4, stored: int = 0x574, table: bytes = b"") -> bytes:
    """RW data of `size` bytes of which the file has `stored`, and the region table that says so, as armlink does."""
    code, symbols = readers(SRAM, SRAM + size)
    table_at = FLASH + len(code)
    load = table_at + 32
    table = table or struct.pack("<8I", load, SRAM, size, FLASH | 1, load + stored, SRAM + size, 16, FLASH + 12 | 1)
    sections = [Sec("ER_IROM1", FLASH, code + table, CODE), Sec("RW_IRAM1", SRAM, b"\x5a" * stored),
                Sec("RW_IRAM1", SRAM + size, 16)]  # fmt: skip
    symbols += [
        Sym("Region$$Table$$Base", table_at, kind=0),
        Sym("Region$$Table$$Limit", table_at + len(table), kind=0),
    ]
    symbols += [Sym(name, FLASH | 1), Sym("__scatterload_zeroinit", FLASH + 12 | 1)]
    return elf(sections, [Load(FLASH, 0, 2, more=16)], symbols)


@pytest.mark.parametrize("name", ["__decompress1", "__decompress", "stripped"])
def test_compressed_variables_are_a_warning(tmp_path: Path, name: str) -> None:
    """Compressed bytes are no values: they stay in flash, where start-up code looks for them."""
    m = machine(tmp_path, compressed(name=name))
    cost = m.call("get0", result="u32")
    assert cost.result == 0
    (warning,) = cost.warnings
    assert "RW_IRAM1 (1988 bytes at 0x20000000) is compressed by armlink" in warning
    assert m.read(FLASH + 56, 0x574).tobytes() == b"\x5a" * 0x574
    assert (cost.memory.flash_data, cost.memory.sram_data, cost.memory.sram_bss) == (0x574, 0x7C4, 16)
    assert m.alloc(4).address >= SRAM + 0x7C4 + 16


def test_a_decompressor_tells_even_where_nothing_became_smaller(tmp_path: Path) -> None:
    assert machine(tmp_path, compressed(size=0x574)).call("get0").warnings != ()


def test_copied_variables_are_no_warning(tmp_path: Path) -> None:
    m = machine(tmp_path, compressed(name="__scatterload_copy", size=0x574))
    cost = m.call("get0", result="u32")
    assert (cost.result, cost.warnings) == (0x5A5A5A5A, ())


@pytest.mark.parametrize("entry", [(0, 0, 0, 0), (0, 0, 0xFFFFFFFF, FLASH | 1), (FLASH, 0xFFFFFFF0, 0x20, 0)])
def test_a_damaged_region_table_says_nothing(tmp_path: Path, entry: tuple[int, ...]) -> None:
    m = machine(tmp_path, compressed(name="other", table=struct.pack("<4I", *entry)))
    assert m.call("get0", result="u32").result == 0x5A5A5A5A


# ------------------------------------------------------------------------------------- what IAR's start-up writes


@pytest.mark.parametrize(
    "name", ["__iar_copy_init3", "__iar_packbits_init_single3", "__iar_lz77_init_single3", "__iar_lzw_init2"]
)
def test_blank_variables_of_iar_are_a_warning_until_its_startup_ran(build: Build, name: str) -> None:
    m = Machine.from_elf(build("iar_startup.S", flags=(f"-I{FIRMWARE}", f"-DUNPACK={name}")))
    cost = m.call("get")
    assert cost.result == 0
    assert [w for w in cost.warnings if "--before __iar_data_init3" in w] == list(cost.warnings) != []
    cost = m.call("get", before="__iar_data_init3")
    assert (cost.result, cost.warnings) == (42, ())
    assert m.call("get", keep=True).warnings == ()
    assert m.call("get").warnings != ()
    m.call("__iar_data_init3")
    m.reset()
    assert m.call("get", keep=True).warnings != ()


@pytest.mark.parametrize("name", ["__iar_zero_init3", "copy_init3"])
def test_variables_that_begin_with_zero_are_none(build: Build, name: str) -> None:
    m = Machine.from_elf(build("iar_startup.S", flags=(f"-I{FIRMWARE}", f"-DUNPACK={name}")))
    assert m.call("get").warnings == ()


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


# ------------------------------------------------------------------------------------- files that are something else


def test_a_flash_algorithm_gets_its_own_line(tmp_path: Path) -> None:
    """Keil's FLM: position-independent code for a debugger to put into SRAM, executable or shared by its ELF header."""
    sections = [Sec("PrgCode", 0, reader(0), CODE), Sec("PrgData", 12, WORD), Sec("DevDscr", 16, bytes(64), RODATA)]
    for kind in (2, 3):
        content = elf(sections, [Load(0, 0, 2), Load(16, 2, 1)], [Sym("FlashDevice", 16, 64, 1)], kind=kind)
        with pytest.raises(UsageError, match=r"flash algorithm \(Keil FLM\).*-j PrgCode.*--base"):
            machine(tmp_path, content)


def test_a_sparse_raw_image_gets_its_own_line(tmp_path: Path) -> None:
    """objcopy -O binary fills the 256 MiB between flash and SRAM."""
    path = tmp_path / "app.bin"
    with path.open("wb") as file:
        file.truncate((256 << 20) + 4)
    with pytest.raises(UsageError, match="objcopy -O binary filled the gap between flash and SRAM"):
        Machine.from_raw(path, FLASH)


def test_what_the_line_for_an_object_says_works(tmp_path: Path) -> None:
    """The command in the message makes an image of the object."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    made = tmp_path / "FILE.o"
    subprocess.run(["arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-O1", "-c", FIRMWARE / "variables.c", "-o", made],
                   check=True)  # fmt: skip
    with pytest.raises(UsageError, match="relocatable object") as caught:
        Machine.from_elf(made)
    command = str(caught.value).partition("such as with ")[2].split()
    subprocess.run(command, check=True, cwd=tmp_path)
    assert Machine.from_elf(tmp_path / "FILE.elf").call("next_value", 4).result == 9


@pytest.mark.parametrize(
    ("start", "what"), [(b"!<arch>\n", "library of objects"), (b"S00600004844521B\n", "objcopy -I srec")]
)
def test_other_files_get_their_own_line(tmp_path: Path, start: bytes, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        machine(tmp_path, start + bytes(100))


# ------------------------------------------------------------------------------------------------- odd addresses


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize(("section", "flags"), [(".data", 3), (".rodata", 2)])
def test_data_at_an_odd_address_keeps_it(tmp_path: Path, kind: int, section: str, flags: int) -> None:
    """Bit 0 tells Thumb code of functions only."""
    at = SRAM if flags == 3 else FLASH + 0x100
    load = bytes.fromhex("00787047")  # ldrb r0, [r0]; bx lr
    sections = [Sec(".text", FLASH, load, CODE), Sec(section, at, b"\1\2\3\4", flags)]
    symbols = [Sym("load", FLASH | 1, 4), Sym("odd", at + 1, 1, kind, 2), Sym("also", at + 3, 0, kind, 2)]
    m = machine(tmp_path, elf(sections, [Load(FLASH, 0, 1), Load(at, 1, 1)], symbols))
    assert [m.symbol(name).address for name in ("odd", "also")] == [at + 1, at + 3]
    arguments, _ = operands.parse(m, ["sym:odd"])
    assert m.call("load", *arguments).result == 2
