"""Intel HEX and UF2 as images, and the names that an ELF beside them gives."""

from __future__ import annotations

import json
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from conftest import Build
from flash_files import RP2040, block, hex_file, hex_lines, record, uf2_file
from hypothesis import given, settings
from hypothesis import strategies as st
from make_elf import CODE, Load, Sec, Sym, elf, reader

from m0sim import Machine, UsageError
from m0sim.check import manifest, measure
from m0sim.image import hex as hex_format
from m0sim.image import load_elf, load_file, load_hex, load_uf2, uf2

FLASH, SRAM = 0x10000000, 0x20000000
ADD = bytes.fromhex("40187047")  # adds r0, r0, r1; bx lr
MEMORY = st.lists(st.tuples(st.integers(0, 0x3FFFF), st.binary(min_size=1, max_size=300)), min_size=1, max_size=6)


def disjoint(pieces: list[tuple[int, bytes]]) -> dict[int, int]:
    return {at + i: byte for at, data in pieces for i, byte in enumerate(data)}


def runs(memory: dict[int, int]) -> list[tuple[int, bytes]]:
    """Bytes by address as contiguous pieces."""
    found: list[tuple[int, bytearray]] = []
    for at in sorted(memory):
        if found and at == found[-1][0] + len(found[-1][1]):
            found[-1][1].append(memory[at])
        else:
            found.append((at, bytearray([memory[at]])))
    return [(at, bytes(data)) for at, data in found]


def said(call: object, *args: object) -> str:
    """The one line of a refusal."""
    with pytest.raises(UsageError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------------ Intel HEX


@given(MEMORY, st.integers(1, 255), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_what_was_written_is_read(pieces: list[tuple[int, bytes]], width: int, rng: random.Random) -> None:
    memory = disjoint([(FLASH + at, data) for at, data in pieces])
    parts = runs(memory)
    rng.shuffle(parts)
    chunks, entry = hex_format.read(hex_file(parts, width))
    assert [(c.address, c.data) for c in chunks] == runs(memory)
    assert entry == 0


@pytest.mark.parametrize("options", [(), ("--srec-forceS3",), ("--gap-fill=0xff",)])
def test_hex_of_objcopy(build: Build, tmp_path: Path, options: tuple[str, ...]) -> None:
    if shutil.which("arm-none-eabi-objcopy") is None:
        pytest.skip("arm-none-eabi-objcopy is not installed")
    source = build("memory.c")
    path = tmp_path / "app.hex"
    subprocess.run(["arm-none-eabi-objcopy", "-O", "ihex", *options, source, path], check=True)
    image = load_hex(path)
    for segment in load_elf(source).segments:
        for at, byte in enumerate(segment.data, segment.load_address):
            assert next(s.data[at - s.address] for s in image.segments if s.address <= at < s.end) == byte
    assert image.entry == load_elf(source).entry


def test_segmented_addresses_and_the_entry_point() -> None:
    lines = [record(2, 0, b"\x10\x00"), record(0, 0x20, ADD), record(4, 0, b"\x10\x00"), record(0, 0x20, ADD),
             record(5, 0, b"\x10\x00\x00\x21"), record(3, 0, bytes(4)), "", record(1, 0), ""]  # fmt: skip
    chunks, entry = hex_format.read("\r\n".join(lines).encode())
    assert [(c.address, c.data) for c in chunks] == [(0x10020, ADD), (FLASH + 0x20, ADD)]
    assert entry == FLASH + 0x20


GOOD = [record(4, 0, b"\x10\x00"), record(0, 0, ADD), record(1, 0)]
BAD_LINES = {
    "checksum is": GOOD[1][:-2] + "00",
    "does not begin with ':'": "x" + GOOD[1],
    "an odd number of digits": GOOD[1] + "0",
    "no hexadecimal digits": GOOD[1][:5] + "G" + GOOD[1][6:],
    "no hexadecimal digits ": GOOD[1][:5] + "  " + GOOD[1][7:],
    "too short": ":00",
    "says 4 bytes of data and has 3": ":04000000401870" + "34",
    "record type 06": record(6, 0),
    "a record of type 04 has 2": record(4, 0, b"\0"),
    "a record of type 01 has 0": record(1, 0, b"\0"),
    "a record of type 05 has 4": record(5, 0, b"\0\0"),
}


@pytest.mark.parametrize("what", BAD_LINES)
def test_a_malformed_record_names_its_line(tmp_path: Path, what: str) -> None:
    path = tmp_path / "app.hex"
    path.write_text("\n".join([GOOD[0], BAD_LINES[what], *GOOD[1:]]))
    message = said(load_hex, path)
    assert message.startswith(f"{path} line 2: ")
    assert what.strip() in message


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (GOOD[:2], "line 2: ends without an end-of-file record"),
        ([], "line 0: ends without"),
        ([*GOOD, GOOD[1]], "line 4: stands behind the end-of-file record"),
        ([GOOD[2]], "no data records"),
        ([GOOD[0], GOOD[1], record(0, 3, b"abc"), GOOD[2]], "lines 2 and 3 both have the byte at 0x10000003"),
        ([record(2, 0, b"\x10\x00"), record(0, 0xFFFE, ADD), GOOD[2]], "line 2: 4 bytes at offset FFFE wrap around"),
        ([record(4, 0, b"\xff\xff"), record(0, 0xFFFE, ADD), GOOD[2]], "line 2: ends above 32-bit"),
    ],
)
def test_records_that_contradict_each_other(tmp_path: Path, lines: list[str], what: str) -> None:
    path = tmp_path / "app.hex"
    path.write_text("\n".join(lines))
    assert what in said(load_hex, path)


def test_a_linear_record_may_cross_64_kib() -> None:
    chunks, _ = hex_format.read("\n".join([record(4, 0, b"\x10\x00"), record(0, 0xFFFE, ADD), GOOD[2]]).encode())
    assert [(c.address, c.data) for c in chunks] == [(FLASH + 0xFFFE, ADD)]


def test_a_hex_file_is_bounded() -> None:
    with pytest.raises(Exception, match="larger than 64 MiB"):
        hex_format.read(bytes(hex_format.FILE_LIMIT + 1))


# ------------------------------------------------------------------------------------------------------------ UF2


@given(MEMORY, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_uf2_pages_in_any_order(pieces: list[tuple[int, bytes]], rng: random.Random) -> None:
    memory = disjoint([(FLASH + at, data) for at, data in pieces])
    content = uf2_file(runs(memory))
    blocks = [content[i : i + 512] for i in range(0, len(content), 512)]
    rng.shuffle(blocks)
    found = {c.address + i: byte for c in uf2.read(b"".join(blocks)) for i, byte in enumerate(c.data)}
    assert {at: found[at] for at in memory} == memory
    assert {at & ~255 for at in found} == {at & ~255 for at in memory}
    assert all(byte == 0 for at, byte in found.items() if at not in memory)


def test_blocks_for_others_are_skipped() -> None:
    """Blocks that are not for main flash, and, in a file for several chips, those of other families."""
    ours = [block(FLASH + 256 * i, bytes([i]) * 256, i, 2) for i in range(2)]
    elsewhere = block(0x30000000, b"x", 0, 1, flags=0x2001)
    rp2350 = [block(FLASH, b"y", i, 3, family=0xE48BFF59) for i in range(3)]
    chunks = uf2.read(b"".join([elsewhere, rp2350[0], ours[1], *rp2350[1:], ours[0]]))
    assert [(c.address, c.data) for c in chunks] == [(FLASH, bytes(256) + b"\1" * 256)]


def test_a_ram_image(tmp_path: Path) -> None:
    path = tmp_path / "app.uf2"
    path.write_bytes(uf2_file([(SRAM, ADD)]))
    assert Machine.from_file(path).call(SRAM, 4, 5).result == 9


TWO = [block(FLASH, ADD, 0, 2), block(FLASH + 256, ADD, 1, 2)]
BAD_BLOCKS = {
    "block 1: is cut short: 100 of 512": [TWO[0], TWO[1][:100]],
    "block 1: its magic numbers": [TWO[0], b"\0" + TWO[1][1:]],
    "block 0: its magic numbers": [TWO[0][:-1] + b"\0", TWO[1]],
    "family 0xe48bff59 is RP2350 (Arm, secure), not RP2040": [block(FLASH, ADD, 0, 1, family=0xE48BFF59)],
    "family 0x68ed2b88 is SAMD21, not RP2040": [block(0x2000, ADD, 0, 1, family=0x68ED2B88)],
    "family 0x12345678 is a chip that m0sim does not know": [block(FLASH, ADD, 0, 1, family=0x12345678)],
    "block 0: names no family": [block(FLASH, ADD, 0, 1, flags=0)],
    "no blocks for main flash": [block(FLASH, ADD, 0, 1, flags=0x2001)],
    "block 0: is part of a file to store": [block(FLASH, ADD, 0, 1, flags=0x1000)],
    "block 1: has 477 bytes of content": [TWO[0], block(FLASH + 256, ADD, 1, 2, size=477)],
    "block 1: has number 0, as block 0 has": [TWO[0], TWO[0]],
    "number 1 of 2 blocks is missing": [TWO[0]],
    "block 1: is one of 3, block 0 one of 2": [TWO[0], block(FLASH + 256, ADD, 1, 3)],
    "block 0: says that it is number 2 of 2": [block(FLASH, ADD, 2, 2)],
    "blocks 0 and 1 both have the byte at 0x10000000": [TWO[0], block(FLASH, ADD, 1, 2)],
    "block 1: is in SRAM, block 0 in flash": [TWO[0], block(SRAM, ADD, 1, 2)],
    "block 1: 0x40000000 is neither in": [TWO[0], block(0x40000000, ADD, 1, 2)],
    "block 1: 0xffffffff is neither in": [TWO[0], block(0xFFFFFFFF, ADD, 1, 2)],
}


@pytest.mark.parametrize("what", BAD_BLOCKS)
def test_a_malformed_block_is_named(tmp_path: Path, what: str) -> None:
    path = tmp_path / "app.uf2"
    path.write_bytes(b"".join(BAD_BLOCKS[what]))
    assert what in said(load_uf2, path)


def test_a_missing_block_among_four_billion_is_found_at_once(tmp_path: Path) -> None:
    path = tmp_path / "app.uf2"
    path.write_bytes(block(FLASH, ADD, 0, 0xFFFFFFFF))
    assert "number 1 of 4294967295 blocks is missing" in said(load_uf2, path)


# ---------------------------------------------------------------------------------------------- kinds and symbols


def test_the_content_tells_the_kind(tmp_path: Path) -> None:
    for name, content in (("a.bin", hex_file([(FLASH, ADD)])), ("b", uf2_file([(FLASH, ADD)]))):
        (tmp_path / name).write_bytes(content)
        assert Machine.from_file(tmp_path / name).call(FLASH, 4, 5).result == 9
    (tmp_path / "c.hex").write_bytes(b"MZ")
    assert "line 1: does not begin with ':'" in said(load_file, tmp_path / "c.hex")
    (tmp_path / "d.uf2").write_bytes(b"")
    assert "nothing to load" in said(load_file, tmp_path / "d.uf2")
    assert "is Intel HEX, which says itself" in said(lambda: load_file(tmp_path / "a.bin", base=FLASH))
    assert "Machine.from_file reads it" in said(Machine.from_elf, tmp_path / "a.bin")


def app(value: int = 0x12345678) -> bytes:
    """An ELF with a variable that its code reads, and one more that is zero."""
    code = reader(SRAM) + reader(SRAM + 4)
    sections = [Sec(".text", FLASH, code, CODE), Sec(".data", SRAM, struct.pack("<I", value)), Sec(".bss", SRAM + 4, 4)]
    symbols = [Sym("get", FLASH | 1, 12), Sym("getz", FLASH + 12 | 1, 12)]
    return elf(sections, [Load(FLASH, 0, 1), Load(SRAM, 1, 1, more=4, load_address=FLASH + 24)], symbols)


def flash_of(content: bytes, folder: Path) -> list[tuple[int, bytes]]:
    path = folder / "made-from.elf"
    path.write_bytes(content)
    return runs({s.load_address + i: b for s in load_elf(path).segments for i, b in enumerate(s.data)})


@pytest.mark.parametrize("kind", ["hex", "uf2", "bin"])
def test_a_symbol_file_gives_names_and_variables(tmp_path: Path, kind: str) -> None:
    memory = flash_of(app(), tmp_path)
    content = {"hex": hex_file(memory), "uf2": uf2_file(memory), "bin": memory[0][1]}[kind]
    path = tmp_path / f"app.{kind}"
    path.write_bytes(content)
    base = FLASH if kind == "bin" else None
    m = Machine.from_file(path, base=base, symbols=tmp_path / "made-from.elf")
    assert (m.call("get", result="u32").result, m.call("getz").result) == (0x12345678, 0)
    assert m.call("get").warnings == ()
    assert [s.name for s in m.image.sections] == [".text", ".data", ".bss"]  # the padding of a page is no section
    if kind == "uf2":
        assert m.read(FLASH + 28, 228).tobytes() == bytes(228)  # though it is in flash
    if base is None:
        alone = Machine.from_file(path)
        assert "no symbols" in said(alone.call, "get")
        assert "--symbols" in alone.call(FLASH).warnings[0]


def test_data_patched_after_linking_stays(tmp_path: Path) -> None:
    """As a serial number or a calibration is: the image is what runs, the ELF gives names only."""
    (where, data), *_ = flash_of(app(), tmp_path)
    (tmp_path / "app.hex").write_bytes(hex_file([(where, data[:24] + b"\1\0\0\0")]))
    m = Machine.from_file(tmp_path / "app.hex", symbols=tmp_path / "made-from.elf")
    assert m.call("get").result == 1


def test_a_symbol_file_of_other_code_is_refused(tmp_path: Path) -> None:
    (where, data), *_ = flash_of(app(), tmp_path)
    names = tmp_path / "made-from.elf"
    path = tmp_path / "app.hex"

    def refused(memory: list[tuple[int, bytes]]) -> str:
        path.write_bytes(hex_file(memory))
        return said(lambda: load_file(path, symbols=names))

    changed = bytes([*data[:3], data[3] ^ 1, *data[4:]])
    assert "section .text differs first at 0x10000003" in refused([(where, changed)])
    assert "has not all of section .data" in refused([(where, data[:24])])
    assert "has not all of section .text" in refused([(where + 0x1000, data)])
    assert "has its own symbols" in said(lambda: load_file(names, symbols=names))


def test_code_outside_of_the_symbol_file_stays_callable(tmp_path: Path) -> None:
    """As a boot loader in the same HEX file is."""
    memory = flash_of(app(), tmp_path)
    (tmp_path / "app.hex").write_bytes(hex_file([*memory, (FLASH + 0x1000, ADD)]))
    m = Machine.from_file(tmp_path / "app.hex", symbols=tmp_path / "made-from.elf")
    assert m.call(FLASH + 0x1000, 4, 5).result == 9
    assert [(s.name, s.kind) for s in m.image.sections if s.address == FLASH + 0x1000] == [("other0", "code")]


def test_a_manifest_names_the_symbol_file(tmp_path: Path) -> None:
    memory = flash_of(app(), tmp_path)
    (tmp_path / "app.hex").write_bytes(hex_file(memory))
    (tmp_path / "m0sim.toml").write_text(
        'image = "app.hex"\nsymbols = "made-from.elf"\n[[bench]]\nname = "a"\nfunction = "get"\nresult = "u32"\n'
        'expect = 305419896\n[[bench]]\nname = "b"\nfunction = "get"\nimage = "made-from.elf"\n'
    )
    benches = manifest.load(tmp_path / "m0sim.toml").benches
    assert [b.symbols for b in benches] == [tmp_path / "made-from.elf", None]
    images = measure.Images()
    measure.verify(benches, images)
    found = measure.measure(benches, tmp_path, images=images)
    assert [m.failure for m in found] == [None, None]
    assert found[0].figures.cycles == found[1].figures.cycles


def test_the_verbs_take_hex_and_symbols(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from m0sim.cli import app as cli

    memory = flash_of(app(), tmp_path)
    path = tmp_path / "app.hex"
    path.write_bytes(hex_file(memory))
    names = ["--symbols", str(tmp_path / "made-from.elf")]

    def run(*arguments: str) -> dict[str, object]:
        done = CliRunner().invoke(cli, [*arguments, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    assert [f["name"] for f in run("list", str(path), *names)["functions"]] == ["get", "getz"]
    assert "--symbols" in run("list", str(path))["warnings"][0]
    assert run("call", str(path), "get", *names)["result"] == 0x12345678
    assert run("annotate", str(path), "get", *names)["functions"][0]["name"] == "get"


def test_lines_of_the_symbol_file(build: Build, tmp_path: Path) -> None:
    source = build("lines.c")
    memory = runs({s.load_address + i: b for s in load_elf(source).segments for i, b in enumerate(s.data)})
    (tmp_path / "app.uf2").write_bytes(uf2_file(memory))
    image = load_file(tmp_path / "app.uf2", symbols=source)
    assert image.source_line(image.find("line_2000").address)[1] == 2000
    assert image.path == tmp_path / "app.uf2"


def test_hex_lines_of_the_writer_are_known() -> None:
    """The writer above against records written by hand from the specification."""
    assert hex_lines([(0x00010000, b"\x01\x02")]) == [":020000040001F9", ":020000000102FB", ":00000001FF"]
    assert RP2040 == uf2.RP2040
