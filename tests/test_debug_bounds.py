"""Debug information that is compressed, or wants more memory and time than there is: bounded, and named in a note."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import time
import tracemalloc
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import Build
from make_elf import CODE, Load, Sec, Sym, elf, reader

from m0sim.check import manifest, measure
from m0sim.cli import app
from m0sim.image import Image, dwarf, load_elf
from m0sim.image.source_lines import DEBUG_LIMIT, LINE_LIMIT

FLASH = 0x10000000
COMPRESSED = 0x800
SET_ADDRESS = b"\0\5\2" + struct.pack("<I", FLASH)
END = b"\0\1\1"


def line_unit(program: bytes, files: bytes = b"a.c\0\0\0\0", folders: bytes = b"") -> bytes:
    """A line table of DWARF 4: special opcode 0x0d + 14 * n moves the address by 2 n and the line by 0."""
    header = struct.pack("<BBBbBB", 2, 1, 1, 0, 14, 13) + bytes([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1])
    header += folders + b"\0" + files + b"\0"
    body = struct.pack("<HI", 4, len(header)) + header + program
    return struct.pack("<I", len(body)) + body


def image(folder: Path, debug: Sequence[Sec]) -> Image:
    sections = [Sec(".text", FLASH, reader(FLASH), CODE), *debug]
    path = folder / "app.elf"
    path.write_bytes(elf(sections, [Load(FLASH, 0, 1)], [Sym("get", FLASH | 1, 12)]))
    return load_elf(path)


def packed(content: bytes, *, claimed: int | None = None, kind: int = 1) -> bytes:
    """The content of a SHF_COMPRESSED section."""
    return struct.pack("<III", kind, len(content) if claimed is None else claimed, 1) + zlib.compress(content)


GOOD = line_unit(SET_ADDRESS + bytes([0x0D, 0x0D + 14, 0x0D + 14]) + b"\2\2" + END)


def test_the_writer_above_writes_lines(tmp_path: Path) -> None:
    found = image(tmp_path, [Sec(".debug_line", 0, GOOD, 0)])
    assert (found.source_line(FLASH), found.notes) == (("a.c", 1), ())


@pytest.mark.parametrize(
    "section",
    [
        Sec(".debug_line", 0, packed(GOOD), COMPRESSED),
        Sec(".zdebug_line", 0, b"ZLIB" + struct.pack(">Q", len(GOOD)) + zlib.compress(GOOD), 0),
    ],
)
def test_both_forms_of_zlib_are_read(tmp_path: Path, section: Sec) -> None:
    assert image(tmp_path, [section]).source_line(FLASH) == ("a.c", 1)


def test_sections_that_objcopy_compressed(build: Build, tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-objcopy") is None:
        pytest.skip("arm-none-eabi-objcopy is not installed")
    plain = build("lines.c")
    expected = load_elf(plain).lines()
    for kind in ("zlib-gnu", "zlib-gabi"):
        path = tmp_path / f"{kind}.elf"
        subprocess.run(["arm-none-eabi-objcopy", f"--compress-debug-sections={kind}", plain, path], check=True)
        assert load_elf(path).lines() == expected
    assert expected


@pytest.mark.parametrize(
    ("section", "what"),
    [
        (Sec(".debug_line", 0, packed(GOOD, kind=2), COMPRESSED), "compressed with zstd: link with"),
        (Sec(".debug_line", 0, packed(GOOD, kind=9), COMPRESSED), "compressed with method 9"),
        (Sec(".debug_line", 0, packed(GOOD, claimed=1 << 31), COMPRESSED), "2147483648 bytes are more than"),
        (Sec(".debug_line", 0, packed(GOOD, claimed=len(GOOD) - 1), COMPRESSED), "does not hold the"),
        (Sec(".debug_line", 0, packed(GOOD, claimed=len(GOOD) + 1), COMPRESSED), "does not hold the"),
        (Sec(".debug_line", 0, b"\1", COMPRESSED), "left out"),
        (Sec(".zdebug_line", 0, b"ZL", 0), "left out"),
        (Sec(".zdebug_line", 0, b"ZLIX" + bytes(20), 0), "does not begin with ZLIB"),
        (Sec(".zdebug_line", 0, b"ZLIB" + b"\xff" * 8 + bytes(20), 0), "bytes are more than"),
        (Sec(".debug_str", 0, packed(b"x", claimed=DEBUG_LIMIT + 1), COMPRESSED), "bytes are more than"),
    ],
)
def test_what_cannot_be_inflated_is_a_note(tmp_path: Path, section: Sec, what: str) -> None:
    found = image(tmp_path, [section])
    assert found.lines() == ()
    assert section.name.replace(".z", ".") in found.notes[0]
    assert what in found.notes[0]


def peak(found: Image) -> int:
    """Bytes that reading the lines takes."""
    tracemalloc.start()
    try:
        found.lines()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_inflates_to_no_more_than_it_claims(tmp_path: Path) -> None:
    """16 MiB of zeros in 16 KB, as a section of 1 MiB."""
    found = image(tmp_path, [Sec(".debug_line", 0, packed(bytes(16 << 20), claimed=1 << 20), COMPRESSED)])
    assert peak(found) < 4 << 20
    assert "does not hold" in found.notes[0]


def test_all_sections_share_a_limit(tmp_path: Path) -> None:
    half = Sec(".debug_str", 0, packed(bytes(DEBUG_LIMIT - 10)), COMPRESSED)
    found = image(tmp_path, [Sec(".debug_line", 0, GOOD, 0), half])
    found.lines()
    assert any(note.startswith(".debug_str") for note in found.notes)
    assert found.source_line(FLASH) == ("a.c", 1)


def test_rows_are_bounded(tmp_path: Path) -> None:
    """Bytes of the program that each add a row; the units before the limit keep their lines."""
    rows = line_unit(SET_ADDRESS + bytes([0x0D + 14]) * (LINE_LIMIT // 2) + END)
    found = image(tmp_path, [Sec(".debug_line", 0, packed(GOOD + rows), COMPRESSED)])
    assert len(found.lines()) <= dwarf.ROW_LIMIT
    assert "rows" in found.notes[0]
    assert found.source_line(FLASH) == ("a.c", 1)


def test_paths_are_bounded(tmp_path: Path) -> None:
    """A long folder in every one of many files: 500 KB would become 400 MB."""
    unit = line_unit(SET_ADDRESS + END, b"a\0\1\0\0" * 100_000, b"x" * 4000 + b"\0")
    found = image(tmp_path, [Sec(".debug_line", 0, unit, 0)])
    assert peak(found) < 64 << 20
    assert "paths" in found.notes[0]


def test_attributes_are_bounded(tmp_path: Path) -> None:
    """One abbreviation of 20,000 flags that take no bytes, in each of 5,000 units: 100 million values of 80 KB."""
    abbreviation = b"\1\x11\0" + b"\3\x19" * 20_000 + b"\0\0\0"
    unit = struct.pack("<IHIBB", 8, 4, 0, 4, 1)
    debug = [Sec(".debug_abbrev", 0, abbreviation, 0), Sec(".debug_info", 0, unit * 5_000, 0),
             Sec(".debug_line", 0, GOOD, 0)]  # fmt: skip
    found = image(tmp_path, debug)
    started = time.process_time()
    found.lines()
    assert time.process_time() - started < 5  # 0.3 s; without limits it is minutes
    assert found.source_line(FLASH) == ("a.c", 1)
    assert "attributes" in found.notes[0]


def test_empty_units_are_bounded(tmp_path: Path) -> None:
    found = image(tmp_path, [Sec(".debug_line", 0, packed(bytes(LINE_LIMIT)), COMPRESSED)])
    found.lines()
    assert len(found.notes) == dwarf.NOTE_LIMIT


@pytest.mark.parametrize("verb", ["annotate", "html", "callgrind", "lcov"])
def test_the_verbs_that_want_lines_say_why_there_are_none(tmp_path: Path, verb: str) -> None:
    path = image(tmp_path, [Sec(".debug_line", 0, packed(GOOD, kind=2), COMPRESSED)]).path
    options = [] if verb == "annotate" else [f"--{verb}", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["annotate" if verb == "annotate" else "call", str(path), "get", *options])
    said = done.output + str(done.exception or "")
    assert "zstd" in said


def test_a_check_says_why_there_are_no_lines(tmp_path: Path) -> None:
    path = image(tmp_path, [Sec(".debug_line", 0, packed(GOOD, kind=2), COMPRESSED)]).path
    (tmp_path / "m0sim.toml").write_text(f'image = "{path.name}"\n[[bench]]\nname = "a"\nfunction = "get"\n')
    (found,) = measure.measure(manifest.load(tmp_path / "m0sim.toml").benches, tmp_path)
    assert "zstd" in found.warnings[0]


def test_a_plain_call_reads_no_lines(tmp_path: Path) -> None:
    path = image(tmp_path, [Sec(".debug_line", 0, packed(GOOD, kind=2), COMPRESSED)]).path
    done = CliRunner().invoke(app, ["call", str(path), "get"])
    assert done.exit_code == 0
    assert "zstd" not in done.output


@pytest.mark.parametrize("verb", ["call", "annotate"])
def test_signatures_that_cannot_be_read_are_a_note(tmp_path: Path, verb: str) -> None:
    """Nothing checks the arguments then, and the result is a signed integer."""
    path = image(tmp_path, [Sec(".debug_info", 0, packed(bytes(99), kind=2), COMPRESSED)]).path
    done = CliRunner().invoke(app, [verb, str(path), "get", "--json"])
    (note,) = [each for each in json.loads(done.stdout)["notes"] if each.startswith("signatures")]
    assert note.startswith("signatures of functions are left out: .debug_info is left out: it is compressed with zstd")
    assert f"note: {note}\n" in done.stderr
    path = image(tmp_path, [Sec(".debug_info", 0, b"", 0)]).path
    assert json.loads(CliRunner().invoke(app, [verb, str(path), "get", "--json"]).stdout)["notes"] == []
