"""Images against what binutils, and the sources they were built from, say about the same files."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import FIRMWARE, Build
from pace import slowdown

from m0sim.errors import UsageError
from m0sim.image import Image, Section, load_elf, load_raw

BOTH = pytest.mark.parametrize("toolchain", ["zig", "gnu"])
EVERYTHING = ("statics_a.c", "statics_b.c", "shapes.cpp", "pools.S", "memory.c", "lines.c")


def output_of(program: str, *arguments: str | Path) -> str:
    """What a binutils program prints; skips the test where it is not installed."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def section(image: Image, name: str) -> Section:
    return next(s for s in image.sections if s.name == name)


# ------------------------------------------------------------------------------------- memory, against readelf


@BOTH
def test_segments_are_those_of_readelf(build: Build, toolchain: str) -> None:
    path = build(*EVERYTHING, toolchain=toolchain)
    rows = re.findall(r"LOAD +(\w+) (\w+) (\w+) (\w+) (\w+) ([R ])([W ])([E ])", output_of("readelf", "-lW", path))
    content = path.read_bytes()
    expected = []
    for *numbers, r, w, x in rows:
        offset, address, load_address, file_size, size = (int(n, 16) for n in numbers)
        data = content[offset : offset + file_size]
        expected.append((address, load_address, data, size, r == "R", w == "W", x == "E"))
    found = [
        (s.address, s.load_address, s.data, s.size, s.readable, s.writable, s.executable)
        for s in load_elf(path).segments
    ]
    assert found == expected


@BOTH
def test_sections_are_those_of_readelf(build: Build, toolchain: str) -> None:
    path = build(*EVERYTHING, toolchain=toolchain)
    rows = re.findall(r"\] (\S+) +(PROGBITS|NOBITS) +(\w+) \w+ (\w+) \w+ +(W?A\w*) ", output_of("readelf", "-SW", path))
    kinds = {"AX": "code", "A": "rodata", "WA": "data"}
    expected = [
        (name, int(address, 16), int(size, 16), "bss" if kind == "NOBITS" else kinds[flags])
        for name, kind, address, size, flags in rows
    ]
    assert [(s.name, s.address, s.size, s.kind) for s in load_elf(path).sections] == expected


@BOTH
def test_variables_run_in_sram_and_are_stored_in_flash(build: Build, toolchain: str) -> None:
    image = load_elf(build("memory.c", toolchain=toolchain))
    data, ram_code, bss = (section(image, name) for name in (".data", ".ramfunc", ".bss"))
    text, rodata = section(image, ".text"), section(image, ".rodata")
    assert (data.address, data.kind, ram_code.kind, bss.kind) == (0x20000000, "data", "code", "bss")
    assert rodata.load_address == rodata.address == (text.address + text.size + 3) & ~3
    assert data.load_address == (rodata.address + rodata.size + 3) & ~3
    assert ram_code.load_address == data.load_address + data.size
    assert bss.load_address is None
    assert image.find("from_sram").address >= 0x20000000
    assert image.find("zeros").kind == "object"
    initial = next(s for s in image.segments if s.address == data.address).data
    assert struct.unpack_from("<i", initial, image.find("counter").address - data.address) == (5,)
    cleared = next(s for s in image.segments if s.address == bss.address)
    assert (cleared.data, cleared.size) == (b"", bss.size)


@BOTH
def test_code_and_literal_pools_are_told_apart(build: Build, toolchain: str) -> None:
    image = load_elf(build("pools.S", toolchain=toolchain))
    typed, bare = image.find("typed"), image.find("bare")

    def kind_at(address: int) -> str:
        in_code = any(start <= address < end for start, end in image.code_ranges)
        in_data = any(start <= address < end for start, end in image.data_ranges)
        assert in_code != in_data
        return "code" if in_code else "data"

    assert [kind_at(typed.address + i) for i in range(0, 8, 2)] == ["code", "code", "data", "data"]
    assert [kind_at(bare.address + i) for i in range(0, 12, 2)] == ["code", "code", "data", "data", "code", "code"]
    text = section(image, ".text")
    covered = sum(end - start for start, end in (*image.code_ranges, *image.data_ranges))
    assert covered == text.size


@BOTH
def test_every_instruction_of_objdump_is_code_and_every_word_is_data(build: Build, toolchain: str) -> None:
    path = build(*EVERYTHING, toolchain=toolchain)
    image = load_elf(path)
    listing = output_of("arm-none-eabi-objdump", "-d", path)
    rows = re.findall(r"^ *([0-9a-f]+):\t[0-9a-f ]+\t(\S+)", listing, re.MULTILINE)
    assert len(rows) > 200
    for address, mnemonic in rows:
        ranges = image.data_ranges if mnemonic in (".word", ".short", ".byte") else image.code_ranges
        assert any(start <= int(address, 16) < end for start, end in ranges), (address, mnemonic)


# ------------------------------------------------------------------------------------------------------ symbols


@BOTH
def test_symbols_are_those_of_readelf(build: Build, toolchain: str) -> None:
    path = build(*EVERYTHING, toolchain=toolchain)
    rows = re.findall(
        r"^ *\d+: (\w+) +(\w+) (NOTYPE|OBJECT|FUNC) +(\w+) +\w+ +(\w+) (\S+)$", output_of("readelf", "-sW", path), re.M
    )
    expected = sorted(
        (name, int(value, 16) & ~(kind == "FUNC"), int(size, 0), binding != "LOCAL")
        for value, size, kind, binding, place, name in rows
        if place != "UND" and kind != "NOTYPE" and int(size, 0)
    )
    found = load_elf(path).symbols
    names = {(name, address) for name, address, *_ in expected}
    assert (
        sorted((s.linkage_name, s.address, s.size, s.is_global) for s in found if (s.linkage_name, s.address) in names)
        == expected
    )
    assert len({s.name for s in found}) == len(found)
    assert not [s.name for s in found if s.name.startswith("$")]


def test_functions_of_assembly_without_type_or_size(build: Build) -> None:
    image = load_elf(build("pools.S"))
    bare, tail, table = image.find("bare"), image.find("local_tail"), image.find("odd_table")
    assert (bare.kind, bare.is_thumb, bare.is_global, bare.size) == (
        "function",
        True,
        True,
        tail.address - bare.address,
    )
    assert (tail.kind, tail.is_global, tail.size) == ("function", False, 4)
    assert table.address == tail.address + tail.size
    assert (image.find("odd_label").kind, image.find("odd_label").address) == ("label", table.address + 1)
    assert [s.name for s in image.functions] == ["typed", "bare", "local_tail"]


@BOTH
def test_statics_of_one_name_are_told_apart_by_file(build: Build, toolchain: str) -> None:
    image = load_elf(build("statics_a.c", "statics_b.c", toolchain=toolchain))
    first, second = image.find("statics_a.c:helper"), image.find("statics_b.c:helper")
    assert (first.linkage_name, second.linkage_name) == ("helper", "helper")
    assert (first.source_file, second.source_file) == ("statics_a.c", "statics_b.c")
    assert image.function_at(first.address + 2) == first
    assert image.find("statics_a.c:calls").kind == "object"
    with pytest.raises(UsageError, match=r"ambiguous.*statics_a\.c:helper.*statics_b\.c:helper"):
        image.find("helper")


def test_statics_of_one_name_and_file_name_get_their_address(tmp_path: Path, build: Build) -> None:
    sources = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        sources.append(tmp_path / folder / "same.c")
        text = (FIRMWARE / "statics_a.c").read_text().replace("use_a", f"use_{folder}")
        sources[-1].write_text(text)
    image = load_elf(build(*sources))
    helpers = [s for s in image.functions if s.linkage_name == "helper"]
    assert [s.name for s in helpers] == [f"same.c:helper@0x{s.address:x}" for s in helpers]
    assert [image.find(s.name) for s in helpers] == helpers


def test_a_global_keeps_its_name_beside_a_static(tmp_path: Path, build: Build) -> None:
    other = tmp_path / "global.c"
    other.write_text("int helper(int x) { return x; }\n")
    image = load_elf(build("statics_a.c", other))
    assert image.find("helper").is_global
    assert not image.find("statics_a.c:helper").is_global


@BOTH
def test_cxx_names(build: Build, toolchain: str) -> None:
    image = load_elf(build("shapes.cpp", toolchain=toolchain))
    names = {s.name for s in image.symbols}
    assert names >= {
        "geometry::area(int)",
        "geometry::area(int, int)",
        "int geometry::twice<int>(int)",
        "geometry::Counter::Counter()",
        "geometry::Counter::next()",
        "geometry::Counter::peek() const",
        "geometry::total",
        "use_shapes",
    }
    assert image.find("_ZN8geometry7Counter4nextEv") == image.find("geometry::Counter::next")
    for name in ("int geometry::twice<int>", "geometry::twice<int>(int)", "geometry::twice<int>"):
        assert image.find(name).linkage_name == "_ZN8geometry5twiceIiEET_S1_"
    assert image.find("geometry::Counter::Counter").kind == "function"
    with pytest.raises(UsageError, match=r"ambiguous.*area\(int\).*area\(int, int\)"):
        image.find("geometry::area")


def test_cxx_names_are_those_of_cxxfilt(build: Build) -> None:
    path = build("shapes.cpp", toolchain="gnu")
    image = load_elf(path)
    for symbol in image.symbols:
        if symbol.linkage_name.startswith("_ZN"):
            plain = output_of("c++filt", symbol.linkage_name).strip()
            assert symbol.name in (plain, symbol.linkage_name)


def test_aliases_are_found_and_one_is_listed(build: Build, tmp_path: Path) -> None:
    source = tmp_path / "alias.c"
    source.write_text(
        "int first(int a) { return a + 1; }\n"
        "int longer_first(int a) __attribute__((alias(\"first\")));\n"
        "static int a_local(int a) __attribute__((alias(\"first\"), used));\n"
    )  # fmt: skip
    image = load_elf(build(source))
    assert image.find("longer_first").address == image.find("first").address == image.find("a_local").address
    assert [s.name for s in image.functions if s.size] == ["first"]


def test_find_by_address_and_by_mistake(build: Build) -> None:
    image = load_elf(build("memory.c"))
    touch = image.find("touch")
    assert image.find(f"0x{touch.address | 1:x}") == touch
    inside = image.find(f"0x{touch.address + 4:X}")
    assert (inside.address, inside.kind, inside.size) == (touch.address + 4, "function", touch.size - 4)
    with pytest.raises(UsageError, match="did you mean 'touch'"):
        image.find("tuch")
    with pytest.raises(UsageError, match="not in the code"):
        image.find("0x30000000")
    assert image.function_at(0x30000000) is None
    assert image.function_at(0) is None


# ------------------------------------------------------------------------------------------------- source lines

DWARF = pytest.mark.parametrize("version", [2, 3, 4, 5])


@BOTH
@DWARF
def test_known_lines(build: Build, toolchain: str, version: int) -> None:
    image = load_elf(build("lines.c", toolchain=toolchain, flags=("-O1", "-g", f"-gdwarf-{version}")))
    for line, file in ((100, "generated/known.c"), (2000, "generated/known.c"), (70000, "other.c")):
        function = image.find(f"line_{line}")
        found = [image.source_line(function.address + i) for i in range(0, function.size, 2)]
        assert {number for _, number in filter(None, found)} == {line}
        assert all(name.endswith(file) for name, _ in filter(None, found))
        assert Path(found[0][0]).is_absolute()
    assert image.notes == ()


@BOTH
@DWARF
def test_lines_are_those_of_addr2line(build: Build, toolchain: str, version: int) -> None:
    path = build(*EVERYTHING, toolchain=toolchain, flags=("-O2", "-g", f"-gdwarf-{version}"))
    image = load_elf(path)
    addresses = [a for start, end in image.code_ranges for a in range(start, end, 2)]
    said = output_of("arm-none-eabi-addr2line", "-e", path, *map(hex, addresses)).splitlines()
    wrong, unknown = [], 0
    for address, text in zip(addresses, said, strict=True):
        file, line = re.match(r"(.*):(\d+|\?)", text).groups()
        if line in "?0":  # addr2line also gives up where assembly has no unit that lists its ranges
            unknown += 1
            continue
        found = image.source_line(address)
        if found is None or (found[0].rsplit("/", 1)[-1], found[1]) != (file.rsplit("/", 1)[-1], int(line)):
            wrong.append((hex(address), found, text))
    assert len(addresses) - unknown > 350
    assert wrong == []


def test_no_debug_information_means_no_lines(build: Build) -> None:
    image = load_elf(build("lines.c", flags=("-O1", "-g0")))
    assert image.source_line(image.find("line_100").address) is None


def test_compressed_debug_sections(build: Build, tmp_path: Path) -> None:
    path = build("lines.c", toolchain="gnu", flags=("-O1", "-g"), link_flags=("-Wl,--compress-debug-sections=zlib",))
    image = load_elf(path)
    assert any(s.compressed for s in image.debug.values())
    assert image.source_line(image.find("line_2000").address)[1] == 2000


def test_damaged_debug_information_is_a_note(build: Build, tmp_path: Path) -> None:
    path = build("lines.c", toolchain="gnu")
    image = load_elf(path)
    content = bytearray(path.read_bytes())
    start = content.index(bytes(image.debug[".debug_line"].data))
    content[start + 4 : start + 6] = b"\x63\x00"  # version 99
    broken = tmp_path / "broken.elf"
    broken.write_bytes(content)
    image = load_elf(broken)
    assert image.source_line(image.find("line_100").address) is None
    assert "version is 99" in image.notes[0]


# ------------------------------------------------------------------------------------ other files, and bad ones


def test_stripped_elf_still_loads(build: Build, tmp_path: Path) -> None:
    whole = build("memory.c", "pools.S")
    path = tmp_path / "stripped.elf"
    content = bytearray(whole.read_bytes())
    content[32:36] = bytes(4)  # no section headers: no sections, symbols or lines
    content[48:52] = bytes(4)
    path.write_bytes(content)
    image, full = load_elf(path), load_elf(whole)
    assert image.segments == full.segments
    assert image.symbols == image.functions == image.lines() == ()
    assert [(s.address, s.size, s.kind) for s in image.sections] == [(s.address, s.size, s.kind) for s in full.sections]
    text = section(full, ".text")
    assert image.code_ranges[0] == (text.address, text.address + text.size)
    with pytest.raises(UsageError, match="no symbols: give an address such as 0x10000000"):
        image.find("touch")
    assert image.find("0x10000001").address == 0x10000000


def test_symbols_stripped_by_binutils(build: Build, tmp_path: Path) -> None:
    path = tmp_path / "stripped.elf"
    output_of("arm-none-eabi-strip", "-o", path, build("memory.c"))
    image = load_elf(path)
    assert image.symbols == ()
    assert section(image, ".text").kind == "code"


def test_file_header_is_not_firmware(build: Build) -> None:
    """GNU ld's own layout with big pages puts the ELF header into the first segment."""
    path = build("statics_a.c", toolchain="gnu", linker_script=None, link_flags=("-Wl,-z,max-page-size=65536",))
    image = load_elf(path)
    text = section(image, ".text")
    first = image.segments[0]
    assert (first.address, first.load_address) == (text.address, text.address)
    assert first.data[:4] != b"\x7fELF"


def test_raw_binary(tmp_path: Path) -> None:
    code = bytes.fromhex("40187047")  # adds r0, r0, r1; bx lr
    path = tmp_path / "code.bin"
    path.write_bytes(code)
    for image in (load_raw(path, 0x20000000), load_raw(str(path), 0x20000000), load_raw(code, 0x20000000)):
        assert image.code_ranges == ((0x20000000, 0x20000004),)
        assert image.segments[0].data == code
        assert image.find("0x20000001").address == 0x20000000
        assert image.source_line(0x20000000) is None
    with pytest.raises(UsageError, match="empty"):
        load_raw(b"", 0)
    with pytest.raises(UsageError, match="32-bit"):
        load_raw(code, 0xFFFFFFFE)
    with pytest.raises(UsageError, match="32-bit"):
        load_raw(code, -4)
    with pytest.raises(UsageError, match="no such file"):
        load_raw(tmp_path / "absent.bin", 0)


def bad(tmp_path: Path, content: bytes) -> str:
    """The one line that `load_elf` says about `content`."""
    path = tmp_path / "bad.elf"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_elf(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.elf: no such file"):
        load_elf(tmp_path / "absent.elf")
    with pytest.raises(UsageError, match="is a directory"):
        load_elf(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        load_elf("a\0b")
    if Path("/dev/zero").exists():
        with pytest.raises(UsageError, match="not a regular file"):
            load_elf("/dev/zero")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.elf"
    path.write_bytes(b"x")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UsageError, match="no permission"):
        load_elf(path)


def test_files_that_are_no_arm_executable(tmp_path: Path, build: Build) -> None:
    good = build("memory.c").read_bytes()
    assert "is empty" in bad(tmp_path, b"")
    assert "not an ELF file: for a raw binary" in bad(tmp_path, b"MZ" + bytes(100))
    assert "truncated" in bad(tmp_path, good[:40])
    x86_64 = good[:4] + b"\x02" + good[5:18] + b"\x3e\x00" + good[20:]
    assert "is for x86-64, not Arm" in bad(tmp_path, x86_64)
    assert "is for RISC-V, not Arm" in bad(tmp_path, good[:18] + b"\xf3\x00" + good[20:])
    assert "is for machine 4660, not Arm" in bad(tmp_path, good[:18] + b"\x34\x12" + good[20:])
    assert "not a 32-bit ELF" in bad(tmp_path, good[:4] + b"\x02" + good[5:])
    assert "big-endian" in bad(tmp_path, good[:5] + b"\x02" + good[6:16] + b"\0\x02\0\x28" + good[20:])
    assert "link it" in bad(tmp_path, good[:16] + b"\x01\x00" + good[18:])
    assert "position-independent" in bad(tmp_path, good[:16] + b"\x03\x00" + good[18:])
    assert "core dump" in bad(tmp_path, good[:16] + b"\x04\x00" + good[18:])


def test_host_program_and_object_file(tmp_path: Path) -> None:
    output_of("arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-c", FIRMWARE / "lines.c", "-o", tmp_path / "lines.o")
    assert "is a relocatable object: link it" in bad(tmp_path, (tmp_path / "lines.o").read_bytes())
    if Path(sys.executable).resolve().read_bytes()[:4] == b"\x7fELF":
        assert "not Arm" in bad(tmp_path, Path(sys.executable).resolve().read_bytes())


def with_program_header(content: bytes, index: int, **fields: int) -> bytes:
    """`content` with fields of its program header `index` replaced."""
    names = ("type", "offset", "address", "load_address", "file_size", "size", "flags", "align")
    start = struct.unpack_from("<I", content, 28)[0] + 32 * index
    values = dict(zip(names, struct.unpack_from("<8I", content, start), strict=True)) | fields
    return content[:start] + struct.pack("<8I", *values.values()) + content[start + 32 :]


def test_segments_that_contradict_themselves(tmp_path: Path, build: Build) -> None:
    good = build("memory.c").read_bytes()
    size = struct.unpack_from("<I", good, struct.unpack_from("<I", good, 28)[0] + 20)[0]
    assert "larger in the file" in bad(tmp_path, with_program_header(good, 0, size=size - 1))
    assert "above 32-bit" in bad(tmp_path, with_program_header(good, 0, address=0xFFFFFFF0))
    assert "is truncated: the segment at 0x10000000" in bad(tmp_path, with_program_header(good, 0, offset=1 << 30))
    assert "256 MiB" in bad(tmp_path, with_program_header(good, 4, size=0xDFFF0000))
    assert "overlap" in bad(tmp_path, with_program_header(good, 1, address=0x10000000))
    nothing = good
    for i in range(5):
        nothing = with_program_header(nothing, i, type=0)
    assert "nothing to load" in bad(tmp_path, nothing)
    assert "program headers of 0 bytes" in bad(tmp_path, good[:42] + bytes(2) + good[44:])
    assert "is truncated: the section header table" in bad(tmp_path, good[:-100])


def test_segments_may_overlap_with_the_same_bytes(tmp_path: Path, build: Build) -> None:
    good = build("memory.c").read_bytes()
    path = tmp_path / "twice.elf"
    offset, address = struct.unpack_from("<8I", good, struct.unpack_from("<I", good, 28)[0])[1:3]
    path.write_bytes(with_program_header(good, 1, offset=offset + 4, address=address + 4, file_size=16, size=16))
    assert len(load_elf(path).segments) == 5


def test_zip_bomb_in_debug_sections_is_bounded(build: Build, tmp_path: Path) -> None:
    """A compressed section gives the size it claims at most, and one that claims too much gives nothing."""
    path = build("lines.c", toolchain="gnu", link_flags=("-Wl,--compress-debug-sections=zlib",))
    content = path.read_bytes()
    start = content.index(bytes(load_elf(path).debug[".debug_line"].data))
    for claimed in (64, 1 << 31):
        (tmp_path / "bomb.elf").write_bytes(content[: start + 4] + struct.pack("<I", claimed) + content[start + 8 :])
        image = load_elf(tmp_path / "bomb.elf")
        assert image.lines() == ()
        assert image.notes


# -------------------------------------------------------------------------------------------------------- speed


def elf_with_functions(names: list[bytes]) -> bytes:
    """An executable with functions of one instruction and of these names, made without a linker."""
    strings, offsets = bytearray(1), []
    for name in names:
        offsets.append(len(strings))
        strings += name + b"\0"
    symbols = bytes(16) + b"".join(
        struct.pack("<IIIBBH", at, 0x10000001 + 2 * i, 2, 0x12, 0, 1) for i, at in enumerate(offsets)
    )
    code = b"\x70\x47" * len(names)
    padding = bytes(4 << 20)  # stands for debug information that nobody asks for
    section_names = b"\0.text\0.symtab\0.strtab\0"
    at_code = 84
    at_symbols = at_code + len(code)
    at_strings = at_symbols + len(symbols)
    at_names = at_strings + len(strings)
    at_headers = at_names + len(section_names) + len(padding)
    headers = [
        (0,) * 10,
        (1, 1, 6, 0x10000000, at_code, len(code), 0, 0, 2, 0),
        (7, 2, 0, 0, at_symbols, len(symbols), 3, 1, 4, 16),
        (15, 3, 0, 0, at_strings, len(strings), 0, 0, 1, 0),
        (15, 3, 0, 0, at_names, len(section_names), 0, 0, 1, 0),
    ]
    identity = b"\x7fELF\x01\x01\x01" + bytes(9)
    file_header = struct.pack("<16sHHIIIIIHHHHHH", identity, 2, 40, 1, 0, 52, at_headers, 0, 52, 32, 1, 40, 5, 4)
    program_header = struct.pack("<8I", 1, at_code, 0x10000000, 0x10000000, len(code), len(code), 5, 2)
    tables = b"".join(struct.pack("<10I", *h) for h in headers)
    return file_header + program_header + code + symbols + strings + section_names + padding + tables


def test_many_symbols_are_read_in_time(tmp_path: Path) -> None:
    """20,000 C++ symbols take 1.4 s, as many C ones 0.2 s; the bound is loose since test machines are shared."""
    path = tmp_path / "big.elf"
    path.write_bytes(elf_with_functions([f"_ZN4tens3dotILi{i}EEEiPKaS2_j".encode() for i in range(20_000)]))
    started = time.process_time()
    image = load_elf(path)
    assert len(image.functions) == 20_000
    assert image.find("tens::dot<777>").address == 0x10000000 + 2 * 777
    assert time.process_time() - started < 5 * slowdown()


def test_cxx_names_that_grow_without_bound_stay_mangled(tmp_path: Path) -> None:
    """Each class here names the one before it twice: written out, 2**27 names."""
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    each = [f"S{letters[n]}_" if n < 36 else f"S1{letters[n - 36]}_" for n in range(0, 54, 2)]
    name = "_Z1f1AIiiE" + "".join(f"1BI{c}{c}E" for c in each)
    path = tmp_path / "grown.elf"
    path.write_bytes(elf_with_functions([name.encode(), b"_ZN", b"_Z", b"_ZN1a1bEv.isra.0"]))
    started = time.process_time()
    names = [s.name for s in load_elf(path).functions]
    assert names == [name, "_ZN", "_Z", "a::b().isra.0"]
    assert time.process_time() - started < slowdown()


def test_control_characters_in_names_are_escapes(tmp_path: Path) -> None:
    """They would break the lines of exports, and talk to the terminal."""
    path = tmp_path / "hostile.elf"
    path.write_bytes(elf_with_functions([b"a\x1b[2J\nb", "grün".encode(), b"\xff"]))
    image = load_elf(path)
    assert [s.name for s in image.functions] == ["a\\x1b[2J\\nb", "grün", "\ufffd"]
    assert image.find("a\\x1b[2J\\nb").linkage_name == "a\\x1b[2J\\nb"


def test_names_that_share_too_much_are_damage(tmp_path: Path) -> None:
    """Every symbol's name starts one byte later in one long string: 10,000 bytes would become 50 million."""
    content = bytearray(elf_with_functions([b"x" * 10_000] + [b""] * 10_000))
    symbols = 84 + 2 * 10_001
    for i in range(10_000):
        struct.pack_into("<I", content, symbols + 16 * (i + 2), i + 1)
    assert "string table" in bad(tmp_path, bytes(content))
