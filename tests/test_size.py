"""``m0sim size``, against pyelftools and the GNU tools, and on symbol tables that Hypothesis draws."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import FIRMWARE, Build, found_toolchain
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from firmware_images import build as build_firmware
from hypothesis import given, settings
from hypothesis import strategies as st
from make_elf import CODE, DATA, Load, Sec, Sym, elf
from test_cli import Run, run
from test_placement import compressed

from m0sim.errors import UsageError
from m0sim.image import Image, link_map, load_elf, load_file
from m0sim.image.extents import extents, function_bytes, layout
from m0sim.image.objects import short_names
from m0sim.image.symbols import Origin
from m0sim.report.size_data import NONE, PADDING, UNKNOWN, UNNAMED, Bytes, Row, compared, size_of
from m0sim.report.units import size as readable

__all__ = ["run"]

SOURCES = ("memory.c", "statics_a.c", "statics_b.c", "pools.S", "variables.c")
FLAGS = ("-O1", "-fdata-sections")


@pytest.fixture(params=["zig", "gnu"], scope="module")
def toolchain(request: pytest.FixtureRequest) -> str:
    found_toolchain(request.param)
    return str(request.param)


@pytest.fixture
def linked(build: Build, toolchain: str) -> Path:
    """C and assembly, statics of one name, variables that are copied, a heap and stacks that are kept."""
    return build(*SOURCES, toolchain=toolchain, flags=FLAGS, linker_script=FIRMWARE / "claims.ld")


# ------------------------------------------------------------------------------------------------- independent oracles


def in_memory(path: Path) -> list[dict[str, int]]:
    """Flash and SRAM of every section that takes memory, by pyelftools: where it runs and where it is stored."""
    found = []
    with path.open("rb") as file:
        oracle = ELFFile(file)
        segments = [s.header for s in oracle.iter_segments() if s["p_type"] == "PT_LOAD"]
        for section in oracle.iter_sections():
            address, size = section["sh_addr"], section["sh_size"]
            if not section["sh_flags"] & 2 or not size:
                continue
            is_stored = section["sh_type"] != "SHT_NOBITS"
            loads = [
                s["p_paddr"] - s["p_vaddr"] + address for s in segments if 0 <= address - s["p_vaddr"] < s["p_memsz"]
            ]
            places = {address, *loads} if is_stored else {address}
            found.append({
                "flash": size * any(place < 0x20000000 for place in places),
                "sram": size * any(place >= 0x20000000 for place in places),
            })  # fmt: skip
    return found


def bytes_by_symbol(path: Path) -> Counter[int]:
    """Bytes of each function and object that has a size, by address. A byte is of the one that begins last."""
    with path.open("rb") as file:
        oracle = ELFFile(file)
        table = next(s for s in oracle.iter_sections() if isinstance(s, SymbolTableSection))
        sized = [
            (s["st_value"] & ~(s["st_info"]["type"] == "STT_FUNC"), s["st_size"])
            for s in table.iter_symbols()
            if s["st_size"] and s["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT")
        ]
    owner = {at: address for address, size in sorted(sized) for at in range(address, address + size)}
    return Counter(owner.values())


def gnu(tool: str, *arguments: object) -> str:
    if shutil.which(f"arm-none-eabi-{tool}") is None:
        pytest.skip(f"arm-none-eabi-{tool} is not installed")
    return subprocess.check_output([f"arm-none-eabi-{tool}", *map(str, arguments)], text=True)


def test_sections_are_those_of_pyelftools(linked: Path) -> None:
    expected = in_memory(linked)
    size = size_of(load_elf(linked))
    assert sorted((row.size.flash, row.size.sram) for row in size.sections) == sorted(
        (one["flash"], one["sram"]) for one in expected
    )
    assert size.total == Bytes(sum(one["flash"] for one in expected), sum(one["sram"] for one in expected))
    assert any(one["flash"] and one["sram"] for one in expected), "nothing is copied: the test shows nothing"
    assert size.reserved > 4096


def test_totals_are_those_of_gnu_size(linked: Path) -> None:
    text, data, bss = map(int, gnu("size", linked).splitlines()[1].split()[:3])
    assert size_of(load_elf(linked)).total == Bytes(text + data, data + bss)


def test_symbols_are_those_of_pyelftools(linked: Path) -> None:
    image = load_elf(linked)
    measured = {s.address for s in image.functions if s.is_measured}
    found: Counter[int] = Counter()
    for section in image.sections:
        for extent in extents(image, section, layout(image)):
            if extent.symbol is not None and extent.kind != "label" and extent.symbol.address not in measured:
                found[extent.symbol.address] += extent.size
    assert found == bytes_by_symbol(linked)
    assert len(found) > 10


def test_sizes_are_those_of_gnu_nm(linked: Path) -> None:
    listed = [line.split() for line in gnu("nm", "-S", linked).splitlines()]
    expected = {int(row[0], 16) & ~1: int(row[1], 16) for row in listed if len(row) == 4 and row[2] in "tTwW"}
    image = load_elf(linked)
    found = function_bytes(image)
    sizes = {s.address: found[s.name] for s in image.functions if not s.is_measured}
    assert sizes.items() <= expected.items()
    assert len(sizes) > 10


def test_whole_firmware(tmp_path: Path) -> None:
    path = build_firmware("echo", tmp_path)
    expected = in_memory(path)
    size = size_of(load_elf(path))
    assert size.total == Bytes(sum(one["flash"] for one in expected), sum(one["sram"] for one in expected))
    assert_sums(size_of(load_elf(path)))


def test_an_image_in_sram_takes_no_flash(tmp_path: Path) -> None:
    size = size_of(load_elf(build_firmware("echo", tmp_path, in_ram=True)))
    assert size.total.flash == 0 < size.total.sram == sum(row.size.sram for row in size.sections)


def assert_sums(size: Any) -> None:
    """No row more and no row less than there are bytes."""
    for rows in (size.sections, size.objects, size.symbols):
        assert sum((row.size for row in rows), NONE) == size.total
    sections: defaultdict[str, Bytes] = defaultdict(lambda: NONE)
    for row in size.sections:
        sections[row.name] += row.size
    for row in size.symbols:
        sections[row.section] -= row.size
    assert set(sections.values()) == {NONE}


# ------------------------------------------------------------------------------------------- bytes without a symbol


def test_assembly_without_sizes(linked: Path) -> None:
    """tests/firmware/pools.S: by hand."""
    found = function_bytes(load_elf(linked))
    assert found["typed"] == 2 + 2 + 4
    assert found["bare"] == 2 + 2 + 4 + 2 + 2
    assert found["local_tail"] == 4, "and the table behind it is not code of it"


def test_a_literal_pool_at_the_end_is_of_the_function_in_front(build: Build, toolchain: str, tmp_path: Path) -> None:
    source = tmp_path / "ends.S"
    source.write_text("""
    .syntax unified
    .thumb
    .section .text.ends, "ax", %progbits
    .global ends, before
    .thumb_func
before: ldr r0, =0x12345678
    bx lr
    .pool
    .thumb_func
ends: ldr r0, =0x87654321
    nop
    bx lr
    .pool
""")
    image = load_elf(build(source, toolchain=toolchain, flags=()))
    assert image.find("before").size == 2 + 2
    assert function_bytes(image)["before"] == 2 + 2 + 4
    assert function_bytes(image)["ends"] == 2 + 2 + 2 + 2 + 4, "a word's alignment and the literal"


POOL = b"\x00\x48\x70\x47" + b"\x78\x56\x34\x12"  # ldr r0, [pc]; bx lr; the literal


def code_image(tmp_path: Path, content: bytes, symbols: list[Sym], more: list[Sec] | None = None) -> Image:
    sections = [Sec(".text", 0x10000000, content, CODE), *(more or [])]
    path = tmp_path / "x.elf"
    path.write_bytes(elf(sections, [Load(0x10000000, 0, 1)], symbols))
    return load_elf(path)


def rows(image: Image) -> list[tuple[str, str, int]]:
    known = layout(image)
    return [
        (extent.kind, extent.symbol.name if extent.symbol else "", extent.size)
        for section in image.sections
        for extent in extents(image, section, known)
    ]


def test_padding_is_what_alignment_takes_and_no_more(tmp_path: Path) -> None:
    function = b"\x70\x47"
    symbols = [Sym("a", 0x10000001, 2), Sym("b", 0x10000005, 2), Sym("c", 0x1000000D, 2), Sym("d", 0x10000011, 2)]
    content = function + b"\xc0\x46" + function + bytes(6) + function + b"\x01\x00" + function
    assert rows(code_image(tmp_path, content, symbols)) == [
        ("function", "a", 2),
        ("padding", "", 2),
        ("function", "b", 2),
        ("unnamed", "", 6),  # more than a word's alignment needs
        ("function", "c", 2),
        ("unnamed", "", 2),  # two bytes of something
        ("function", "d", 2),
    ]


def test_sram_is_where_things_are_cleared_or_kept(tmp_path: Path) -> None:
    """On an LPC11xx, 0x10000000 is SRAM (UM10398, figure 4)."""
    more = [Sec("CSTACK", 0x10008000, 64), Sec(".bss", 0x10009000, 16)]
    size = size_of(code_image(tmp_path, POOL, [Sym("a", 0x10000001, 8)], more))
    assert (size.total, size.reserved) == (Bytes(8, 80), 64)


def test_aliases_are_counted_once(tmp_path: Path) -> None:
    symbols = [Sym("a", 0x10000001, 4), Sym("long_alias", 0x10000001, 8), Sym("inner", 0x10000005, 2)]
    found = rows(code_image(tmp_path, POOL, symbols))
    assert found == [("function", "a", 4), ("function", "inner", 2), ("function", "a", 2)]


def test_a_symbol_ends_with_its_section(tmp_path: Path) -> None:
    assert rows(code_image(tmp_path, POOL, [Sym("a", 0x10000001, 4000)])) == [("function", "a", 8)]


def test_labels_have_what_no_symbol_with_a_size_has(tmp_path: Path) -> None:
    symbols = [Sym("a", 0x10000001, 4), Sym("first", 0x20000000, 0, 0, 2), Sym("second", 0x20000004, 0, 0, 2),
               Sym("sized", 0x20000008, 4, 1, 2), Sym("inside", 0x2000000A, 0, 0, 2)]  # fmt: skip
    image = code_image(tmp_path, POOL, symbols, [Sec(".bss", 0x20000000, 16)])
    assert rows(image)[2:] == [("label", "first", 4), ("label", "second", 4), ("object", "sized", 4),
                               ("unnamed", "", 4)]  # fmt: skip


SYMBOLS = st.lists(
    st.builds(
        lambda at, size, kind: Sym(f"s{at}_{size}_{kind}", 0x10000000 + at, size, kind),
        st.integers(0, 64),
        st.sampled_from([0, 1, 2, 3, 4, 7, 16, 200]),
        st.sampled_from([0, 1, 2]),
    ),
    max_size=12,
    unique_by=lambda s: (s.value, s.kind),
)


@settings(max_examples=40)
@given(SYMBOLS, st.binary(min_size=1, max_size=48), st.integers(0, 16))
def test_the_rows_of_any_symbol_table_have_every_byte_once(
    tmp_path_factory: pytest.TempPathFactory, symbols: list[Sym], content: bytes, cleared: int
) -> None:
    folder = tmp_path_factory.mktemp("drawn")
    more = [Sec(".bss", 0x10000000 + len(content) + len(content) % 2, cleared)] if cleared else []
    image = code_image(folder, content, symbols, more)
    known = layout(image)
    for section in image.sections:
        at = section.address
        for extent in extents(image, section, known):
            assert (extent.address, extent.size > 0) == (at, True)
            at = extent.end
        assert at == section.address + section.size
    if image.symbols:
        assert_sums_of_drawn(image)


def assert_sums_of_drawn(image: Image) -> None:
    size = size_of(image)
    for found in (size.objects, size.symbols):
        assert sum((row.size for row in found), NONE) == size.total


def test_compressed_variables(tmp_path: Path) -> None:
    """What armlink compressed: flash has what is stored, which is no symbol's, and SRAM all of it."""
    path = tmp_path / "x.axf"
    path.write_bytes(compressed())
    size = size_of(load_elf(path))
    assert [row.size for row in size.sections if row.name == "RW_IRAM1"] == [Bytes(0x574, 0x7C4), Bytes(0, 16)]
    (packed,) = [row for row in size.symbols if row.name == "[compressed]"]
    assert packed.size == Bytes(0x574, 0)
    assert_sums(size)


# ------------------------------------------------------------------------------------------------------ object files


MAIN = """
static int state = 3; int other_state[4];
extern int helper(int); extern const int table[2];
int entry(int a) { other_state[a & 3]++; return helper(state++) + table[a & 1]; }
"""
HELPER = 'static int calls; static const char text[] = "helper"; int helper(int a) { calls++; return text[a]; }'
BARE = """
    .syntax unified
    .thumb
    .section .text.bare_one, "ax", %progbits
    .global bare_one
    .thumb_func
bare_one: bx lr
    .section .rodata.table, "a", %progbits
    .global table
    .balign 4
table: .word 1, 2
    .section .rodata.sized_table, "a", %progbits
    .global sized_table
    .type sized_table, %object
sized_table: .word 3, 4
    .size sized_table, . - sized_table
    .bss
buffer: .space 12
"""
SCRIPT = """
SECTIONS {
    .text 0x10000000 : { *(.text .text.*) _text_end = .; *(.rodata .rodata.*) }
    .data 0x20000000 : AT(0x10001000) { *(.data .data.*) }
    .bss : { _bss = .; *(.bss .bss.*) }
    /DISCARD/ : { *(.ARM.exidx* .ARM.extab*) }
}
"""
OBJECTS = {"entry": "main", "state": "main", "other_state": "main", "helper": "helper", "calls": "helper",
           "bare_one": "bare", "table": "bare", "sized_table": "bare", "buffer": "bare"}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, toolchain: str) -> tuple[Path, Path]:
    """An ELF of two C files and one in assembly, and the linker's map."""
    compiler, folder = found_toolchain(toolchain), tmp_path_factory.mktemp("project")
    (folder / "link.ld").write_text(SCRIPT)
    objects = []
    for name, text in (("main.c", MAIN), ("helper.c", HELPER), ("bare.S", BARE)):
        source, made = folder / name, folder / f"{Path(name).stem}.o"
        source.write_text(text)
        debug = ["-g"] if name.endswith(".c") else []
        command = [*compiler.command, *compiler.compile_flags, "-Os", *debug, "-c", str(source), "-o", str(made)]
        subprocess.run(command, check=True)
        objects.append(str(made))
    linker = [sys.executable, "-m", "ziglang", "ld.lld"] if toolchain == "zig" else ["arm-none-eabi-ld"]
    path, map_file = folder / "app.elf", folder / "app.map"
    options = ["-T", str(folder / "link.ld"), f"-Map={map_file}", "-e", "entry", "-o", str(path)]
    subprocess.run([*linker, *options, *objects], check=True)
    return path, map_file


def objects_of(image: Image, map_file: Path | None = None) -> dict[str, str]:
    return {row.name: row.object for row in size_of(image, map_file).symbols}


def test_objects_by_the_map(project: tuple[Path, Path]) -> None:
    path, map_file = project
    found = objects_of(load_elf(path), map_file)
    assert {name: found[name] for name in OBJECTS} == {name: f"{file}.o" for name, file in OBJECTS.items()}
    size = size_of(load_elf(path), map_file)
    assert (size.objects_from, "_text_end" in found, "_bss" in found) == ("map", False, False)
    assert UNKNOWN not in {row.name for row in size.objects}
    assert {row.name: row.size.flash for row in size.symbols if row.name == "bare_one"} == {"bare_one": 2}
    assert_sums(size)


def test_objects_by_the_image_are_right_or_not_known(project: tuple[Path, Path]) -> None:
    path, _ = project
    found = objects_of(load_elf(path))
    right = {name: "" if file == "bare" else f"{file}.c" for name, file in OBJECTS.items()}
    if found["bare_one"] == "bare.o":  # GNU ld puts the object's name before an assembled file's symbols
        right["bare_one"] = "bare.o"
        right["sized_table"] = found["sized_table"] and "bare.o"
    # For LLVM, what has no size and no mapping symbol is more code of the last function.
    assert {name: found.get(name, "") for name in OBJECTS} == right
    assert_sums(size_of(load_elf(path)))


def test_data_behind_what_a_file_is_known_of_may_be_another_ones(tmp_path: Path) -> None:
    symbols = [Sym("a", 0x10000001, 4), Sym("b", 0x10000005, 4), Sym("first", 0x20000000, 4, 1, 2),
               Sym("second", 0x20000004, 4, 1, 2)]  # fmt: skip
    image = code_image(tmp_path, POOL, symbols, [Sec(".bss", 0x20000000, 8)])
    image = replace(image, origins=(Origin(0x10000000, "a.c"), Origin(0x20000000, "b.c")))
    assert objects_of(image) == {"a": "a.c", "b": "a.c", "first": "b.c", "second": ""}


def test_assembled_files_by_their_lines(build: Build, toolchain: str) -> None:
    path = build("statics_a.c", "pools.S", toolchain=toolchain, flags=("-O1", "-g"))
    found = objects_of(load_elf(path))
    assert {name: found[name] for name in ("typed", "bare", "local_tail")} == dict.fromkeys(
        ("typed", "bare", "local_tail"), "pools.S"
    )


def test_objects_without_debug_information(project: tuple[Path, Path], tmp_path: Path) -> None:
    stripped = tmp_path / "plain.elf"
    stripped.write_bytes(project[0].read_bytes())
    gnu("objcopy", "--strip-debug", project[0], stripped)
    gives = objects_of(load_elf(stripped))
    wrong = {n: o for n, o in gives.items() if n in OBJECTS and o and o.partition(".")[0] != OBJECTS[n]}
    assert wrong == {}


def test_a_map_of_another_build_is_refused(project: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    path, map_file = project
    other = tmp_path / "other.map"
    other.write_text(re.sub("10000000", "10000100", map_file.read_text()))
    done = run("size", path, "--map", other)
    assert (done.code, done.out) == (2, "")
    assert re.search(r"other\.map: is not the map of .*app\.elf: it has no section \.text of", done.err)
    for content in (b"", b"\0\xff", b"Archive member included\n", path.read_bytes()):
        other.write_bytes(content)
        with pytest.raises(UsageError, match=r"is no map of GNU ld or LLVM's ld\.lld"):
            link_map.read(other, path, load_elf(path).sections)


GNU_MAP = """
Discarded input sections

 .text.unused   0x00000000       0x40 a.o

Linker script and memory map

LOAD a.o
                0x10000000                        . = 0x10000000

.text           0x10000000       0x20 load address 0x08000000
 *(.text .text.*)
 .text.a_very_long_name
                0x10000000        0x8 dir with spaces/a.o
                0x10000000                a_very_long_name
 *fill*         0x10000008        0x4 00
 .text          0x1000000c        0xc lib/libx.a(b.o)
                                  0x10 (size before relaxing)
                0x10000018                        _end = .
                [!provide]                        PROVIDE (_unused = .)
 COMMON         0x10000018        0x4 c.o
                0x1000001c        0x4 LONG 0x12345678

.a_section_with_a_long_name
                0x20000000        0x4
 .data          0x20000000        0x4 a.o

/DISCARD/
 .comment       0x00000000       0x20 a.o
.debug_info     0x00000000       0x20
 .debug_info    0x10000000       0x20 d.o
"""


def test_a_map_of_gnu_ld(tmp_path: Path) -> None:
    path = tmp_path / "x.map"
    path.write_text(GNU_MAP)
    sections = [("text", 0x10000000, 0x20), ("a_section_with_a_long_name", 0x20000000, 4)]
    image = code_image(tmp_path, bytes(32), [], [Sec(".a_section_with_a_long_name", 0x20000000, bytes(4), DATA)])
    assert [(s.name[1:], s.address, s.size) for s in image.sections] == sections
    found = link_map.read(path, Path("x.elf"), image.sections)
    assert [(p.address, p.size, p.object) for p in found.pieces] == [
        (0x10000000, 8, "dir with spaces/a.o"),
        (0x1000000C, 12, "lib/libx.a(b.o)"),
        (0x10000018, 4, "c.o"),
        (0x20000000, 4, "a.o"),
    ]
    assert found.script_symbols >= {"_end", "_unused"}


@settings(max_examples=40)
@given(st.data())
def test_no_map_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Damaged maps are refused, or give pieces that do not overlap."""
    lines = GNU_MAP.splitlines()
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = data.draw(
            st.sampled_from([*GNU_MAP.splitlines(), "", " x 0xffffffffffffffff 0xffffffffffffffff y"])
        )
    folder = tmp_path_factory.mktemp("map")
    (folder / "x.map").write_text("\n".join(lines))
    image = code_image(folder, bytes(32), [])
    try:
        found = link_map.read(folder / "x.map", Path("x.elf"), image.sections)
    except UsageError:
        return
    ends = [0, *(piece.end for piece in found.pieces)]
    assert all(end <= piece.address for end, piece in zip(ends, found.pieces, strict=False))


def test_short_names() -> None:
    paths = ["a/x/main.o", "b/x/main.o", "b/util.o", "lib/libc.a(main.o)", "C:\\p\\win.o", "main.o", "/"]
    assert short_names(paths) == {
        "a/x/main.o": "a/x/main.o",
        "b/x/main.o": "b/x/main.o",
        "b/util.o": "util.o",
        "lib/libc.a(main.o)": "libc.a(main.o)",
        "C:\\p\\win.o": "win.o",
        "main.o": "main.o",
        "/": "/",
    }


# ---------------------------------------------------------------------------------------------------------- comparing


@pytest.fixture(scope="module")
def two(build: Build, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same project with a function that grew, one that is new, and one that is gone."""
    script = FIRMWARE / "claims.ld"
    texts = (
        "int a(int x) { return x + 1; } int gone(void) { return 7; } int same(void) { return 3; } int v = 1;",
        "int a(int x) { return x * 77 + 100000; } int more(void) { return 9; } int same(void) { return 3; } int v[3];",
    )
    built = []
    for i, text in enumerate(texts):
        source = tmp_path_factory.mktemp(f"app{i}") / "app.c"
        source.write_text(text)
        built.append(build(source, linker_script=script, flags=("-Os",)))
    return built[0], built[1]


def test_what_grew(two: tuple[Path, Path]) -> None:
    old, new = (size_of(load_elf(path)) for path in two)
    found = compared(new, old)
    changes = {row.name: row.change for row in found.symbols}
    before, after = (function_bytes(load_elf(path)) for path in two)
    assert changes["a"] == Bytes(after["a"] - before["a"], 0)
    assert changes["more"] == Bytes(after["more"], 0)
    assert changes["gone"] == Bytes(-before["gone"], 0)
    assert changes["v"] == Bytes(-4, 8)
    assert changes["same"] == NONE
    for listed in (found.sections, found.objects, found.symbols):
        assert sum((row.size for row in listed), NONE) == new.total
        assert sum((row.before for row in listed if row.before is not None), NONE) == old.total


def test_bytes_without_a_name_are_compared_by_where_they_are(two: tuple[Path, Path]) -> None:
    size = size_of(load_elf(two[0]))
    text, constants = (Row(UNNAMED, Bytes(n, 0), None, "unnamed", s) for s, n in ((".text", 4), (".rodata", 8)))
    new, old = replace(size, symbols=(text, constants)), replace(size, symbols=(constants,))
    assert {row.section: row.change.flash for row in compared(new, old).symbols} == {".text": 4, ".rodata": 0}


def test_against_on_the_command_line(two: tuple[Path, Path], run: Run) -> None:
    old, new = two
    found = run("size", new, "--against", old, "--json").json
    assert found["flash"] == sum(row["flash"] for row in found["symbols"])
    assert found["against"]["flash"] == sum(row["flash_before"] for row in found["symbols"])
    shown = run("size", new, "--against", old, "--by", "symbol", "--limit", "2").out
    lines = shown.splitlines()
    assert lines[0].startswith(f"{new} against {old}: flash ")
    assert lines[2].split() == [
        "symbol",
        "kind",
        "section",
        "object",
        "flash",
        "before",
        "change",
        "SRAM",
        "before",
        "change",
    ]
    assert len(lines) == 2 + 1 + 2 + 2, "headings, two rows, the rest, the total"
    figures = [[int(cell.replace(",", "")) for cell in line.split()[-6:]] for line in lines[3:]]
    assert [sum(column) for column in zip(*figures[:-1], strict=True)] == figures[-1]


def test_equal_images_have_nothing_to_show(linked: Path, run: Run) -> None:
    shown = run("size", linked, "--against", linked, "--by", "symbol").out.splitlines()
    assert re.match(r"\.\.\. \d+ unchanged ", shown[3])
    assert shown[4].startswith("total ")


# ------------------------------------------------------------------------------------------------ the command line


def test_json_has_every_row(linked: Path, run: Run) -> None:
    found = run("size", linked, "--json", "--limit", "1").json
    size = size_of(load_elf(linked))
    assert (found["flash"], found["sram"], found["sram_reserved"]) == (size.total.flash, size.total.sram, size.reserved)
    assert found["against"] is None
    for by in ("section", "object", "symbol"):
        listed = found[f"{by}s"]
        assert len(listed) == len(size.rows(by))
        assert sum(row["flash"] for row in listed) == size.total.flash
        assert sum(row["sram"] for row in listed) == size.total.sram
    assert run("size", linked, "--json", "--by", "object").json["symbols"] is None


def test_tables(linked: Path, run: Run) -> None:
    size = size_of(load_elf(linked))
    lines = run("size", linked, "--all").out.splitlines()
    assert lines[0].startswith(f"{linked}: flash {size.total.flash:,} bytes")
    assert [line.split()[0] for line in lines if line[:7] in ("section", "object ", "symbol ")] == [
        "section",
        "object",
        "symbol",
    ]
    totals = [line.split()[1:] for line in lines if line.startswith("total")]
    assert totals == [[f"{size.total.flash:,}", f"{size.total.sram:,}"]] * 3
    assert not [line for line in lines if line.startswith("...")]
    assert len(lines) == 1 + 3 * 3 + len(size.sections) + len(size.objects) + len(size.symbols)
    assert {PADDING, UNNAMED} & {row.name for row in size.symbols}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--by", "sectoin"], "--by 'sectoin': there are section, object, symbol; did you mean 'section'?"),
        (["--all", "--limit", "3"], "--all shows every row: leave out --limit"),
        (["--against-map", "x.map"], "--against-map is the map of another image: give that with --against"),
        (["--map", "none.map"], "none.map: cannot read it: No such file or directory"),
    ],
)
def test_usage(linked: Path, run: Run, words: list[str], told: str) -> None:
    done = run("size", linked, *words)
    assert (done.code, done.out, done.err.strip()) == (2, "", f"m0sim: {told}")


def test_files_without_symbols(linked: Path, tmp_path: Path, run: Run) -> None:
    made = tmp_path / "app.hex"
    gnu("objcopy", "-O", "ihex", linked, made)
    found = run("size", made, "--json").json
    expected = sum(len(s.data) for s in load_elf(linked).segments)
    assert (found["flash"], found["sram"], found["symbols"]) == (expected, None, None)
    assert "SRAM" not in run("size", made).out.splitlines()[0]
    with_names = run("size", made, "--symbols", linked, "--json").json
    assert with_names["sram"] == size_of(load_elf(linked)).total.sram
    for words, remedy in (((made,), "--symbols"), ((linked, "--against", made), "two that are none")):
        done = run("size", *words, "--by", "symbol")
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert remedy in done.err


def test_a_stripped_elf_and_a_raw_binary(linked: Path, tmp_path: Path, run: Run) -> None:
    stripped, raw = tmp_path / "s.elf", tmp_path / "app.bin"
    gnu("strip", linked, "-o", stripped)
    size = size_of(load_file(linked))
    found = run("size", stripped, "--json").json
    assert (found["flash"], found["sram"], found["objects"]) == (size.total.flash, size.total.sram, None)
    assert "before strip" in found["notes"][0]
    raw.write_bytes(bytes(100))
    assert run("size", raw, "--base", "0x10000000", "--json").json["flash"] == 100
    compared_raw = run("size", raw, "--base", "0x10000000", "--against", raw, "--json").json
    assert compared_raw["sections"][0]["flash_before"] == 100
    assert json.dumps(compared_raw["against"]["sram"]) == "null"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1023 << 10, "1,023 KiB"),
        (3 << 19, "1.5 MiB"),
    ],
)
def test_sizes_to_read(number: int, text: str) -> None:
    assert readable(number) == text
