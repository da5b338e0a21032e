"""The boot ROM: its tables against the datasheet (2.8.3), its functions against Python and NumPy."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest
from conftest import Build
from test_cli import run_apart

from m0sim import Fault, Firmware, Machine, UsageError
from m0sim.chip.bootrom import tables
from m0sim.chip.bootrom.build import FILE as OWN
from m0sim.chip.bootrom.build import build as build_rom
from m0sim.chip.bootrom.rom import boot_rom_of
from m0sim.chip.device import load
from m0sim.image import load_elf

SIZE = 16 * 1024
EDGES = (0, 1, 2, 3, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
FUNCTIONS, DATA, LOOK_UP = 0x14, 0x16, 0x18
CODES = set("P3 R3 L3 T3 MS S4 MC C4 IF EX RE RP FC CX DT DE UB WV".split())
"""Of functions: tables 164 to 168."""
DATA_CODES = set("CR GR FS SF FE SD FZ DS DE".split())
"""Table 171, and what the third version has besides: pico-sdk's bootrom_constants.h."""


@pytest.fixture(scope="module")
def elf(build: Build) -> Path:
    return build("bootrom.S", flags=("-g",))


@pytest.fixture(scope="module")
def machine(elf: Path) -> Machine:
    return Machine.from_elf(elf)


@pytest.fixture(scope="module")
def rom(machine: Machine) -> bytes:
    return machine.read(0, SIZE).tobytes()


def code(letters: str) -> int:
    return ord(letters[0]) + (ord(letters[1]) << 8)


def table(rom: bytes, at: int) -> dict[int, int]:
    """Value by code, as it stands in the ROM."""
    (where,) = struct.unpack_from("<H", rom, at)
    rows = {}
    while (row := struct.unpack_from("<2H", rom, where))[0]:
        assert row[0] not in rows
        rows[row[0]] = row[1]
        where += 4
    return rows


def random_words(count: int) -> list[int]:
    rng = random.Random(2040)
    return [rng.getrandbits(rng.randint(1, 32)) for _ in range(count)]


# -- tables


def test_the_header(rom: bytes) -> None:
    """Table 163, and SP below the second stage, which the ROM puts at the end of SRAM5."""
    sp, *vectors = struct.unpack_from("<4I", rom)
    assert sp == 0x20041F00
    assert all(vector & 1 and vector < SIZE for vector in vectors)
    assert rom[0x10:0x13] == b"Mu\x01"
    assert rom[0x13] == 3


def test_the_tables(machine: Machine, rom: bytes) -> None:
    functions, data = table(rom, FUNCTIONS), table(rom, DATA)
    assert set(functions) == {code(letters) for letters in CODES}
    assert set(data) == {code(letters) for letters in DATA_CODES}
    twins = {"memset4": "memset", "memcpy44": "memcpy"}
    for letters in CODES:
        name, address = tables.FUNCTIONS[letters], functions[code(letters)]
        assert address & 1, letters
        assert machine.symbol(f"bootrom_{twins.get(name, name)}").address == address - 1
    begin, end = data[code("FS")], data[code("FE")]
    assert begin < end
    for letters, names in (("SF", tables.FLOAT), ("SD", tables.DOUBLE)):
        assert len(names) == 32  # up to 0x7c
        for number, word in enumerate(struct.unpack_from("<32I", rom, data[code(letters)])):
            assert word & 1
            assert begin <= word < end
            if names[number] is not None:
                assert machine.symbol(f"bootrom_{names[number]}").address == word - 1
    assert rom[data[code("SF")] - 2] == rom[data[code("FZ")]] == 32  # where pico-sdk looks for the number
    copyright_text = rom[data[code("CR")] :].split(b"\0")[0].decode()
    assert "m0sim" in copyright_text
    assert "Raspberry" not in copyright_text


@pytest.mark.parametrize("engine", ["unicorn", "timed"])
def test_looking_up(machine: Machine, rom: bytes, engine: str) -> None:
    """By a program, through the pointers at fixed addresses. What is unknown is a null pointer."""
    for at in (FUNCTIONS, DATA):
        rows = table(rom, at)
        unknown = [0, 1, 0xFFFF, code("MM"), code("CM"), code("MC") | 1 << 16]
        for letters in (*rows, *(c for c in unknown if c not in rows)):
            assert machine.call("look_up", at, letters, engine=engine).result == rows.get(letters, 0), hex(letters)
    assert machine.call("magic", engine=engine).result == int.from_bytes(b"Mu\x01\x03", "little")


# -- functions


def rom_function(machine: Machine, letters: str) -> int:
    return table(machine.read(0, SIZE).tobytes(), FUNCTIONS)[code(letters)] & ~1


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("P3", lambda value: value.bit_count()),
        ("R3", lambda value: int(f"{value:032b}"[::-1], 2)),
        ("L3", lambda value: 32 - value.bit_length()),
        ("T3", lambda value: (value & -value).bit_length() - 1 if value else 32),
    ],
)
def test_bit_functions(machine: Machine, letters: str, expected: object) -> None:
    function = rom_function(machine, letters)
    values = [*EDGES, *(1 << bit for bit in range(32)), *random_words(60)]
    for value in values:
        assert machine.call(function, value, result="u32").result == expected(value), hex(value)  # type: ignore[operator]


SIZES = (0, 1, 2, 3, 4, 7, 8, 9, 11, 12, 15, 16, 19, 20, 23, 31, 32, 35, 63, 65)
PLACES = 4 + max(SIZES) + 8


@pytest.mark.parametrize("letters", ["MC", "C4"])
def test_copying(machine: Machine, letters: str) -> None:
    """All alignments; what is before and behind stays as it is, and r0 comes back."""
    function, rng = rom_function(machine, letters), np.random.default_rng(1)
    alignments = range(4) if letters == "MC" else (0,)
    to, source = machine.alloc(PLACES), machine.alloc(rng.integers(0, 256, PLACES, np.uint8))
    content = source.read().copy()
    for a in alignments:
        for b in alignments:
            for size in SIZES:
                before = rng.integers(0, 256, PLACES, np.uint8)
                machine.write(to.address, before)
                cost = machine.call(function, to.address + a, source.address + b, size, result="u32")
                expected = before.copy()
                expected[a : a + size] = content[b : b + size]
                assert cost.result == to.address + a
                assert (machine.read(to.address, PLACES) == expected).all(), (a, b, size)
    assert (source.read() == content).all()
    to.free()
    source.free()


@pytest.mark.parametrize("letters", ["MS", "S4"])
def test_filling(machine: Machine, letters: str) -> None:
    """The value is a byte, whatever else is in its register."""
    function, rng = rom_function(machine, letters), np.random.default_rng(2)
    to = machine.alloc(PLACES)
    for a in range(4) if letters == "MS" else (0,):
        for size in SIZES:
            before, value = rng.integers(0, 256, PLACES, np.uint8), int(rng.integers(0, 1 << 32))
            machine.write(to.address, before)
            cost = machine.call(function, to.address + a, value, size, result="u32")
            expected = before.copy()
            expected[a : a + size] = value & 0xFF
            assert cost.result == to.address + a
            assert (machine.read(to.address, PLACES) == expected).all(), (a, size)
    to.free()


def test_a_program_copies_by_the_rom(machine: Machine) -> None:
    """Both engines, the same counts; the ROM's functions have names, and its bytes are in no figure of flash."""
    source, to = machine.alloc(np.arange(37, dtype=np.uint8)), machine.alloc(37)
    costs = [machine.call("copy", to, source, 37, engine=engine) for engine in ("unicorn", "timed")]
    assert costs[0] == costs[1]
    assert (to.read() == source.read()).all()
    names = ["copy", "look_up", "bootrom_table_lookup", "bootrom_memcpy"]
    assert {name: costs[0].functions[name].calls for name in names} == dict.fromkeys(names, 1)
    assert costs[0].functions["bootrom_memcpy"].self_cycles > 37 / 4 * 2
    assert costs[0].memory.flash_total < 256
    tracked = machine.call("copy", to, source, 37, level="memory")
    assert tracked.cycles == costs[0].cycles
    assert tracked.findings == ()


def test_names_that_nobody_has(elf: Path) -> None:
    taken = Machine.from_elf(elf)
    assert taken.symbol("copy").address >= 0x10000000
    with pytest.raises(UsageError, match="no symbol 'bootrom_nothing'"):
        taken.symbol("bootrom_nothing")


def test_an_image_is_its_users(elf: Path) -> None:
    """What is beside it in the chip is in the program, which reads the image's debug information once for all."""
    image = load_elf(elf)
    chips = [Machine(image), Firmware(image)]
    assert all(chip.image is image for chip in chips)
    assert all(s.address >= 0x10000000 for s in (*image.functions, *image.segments))
    for chip in chips:
        assert {s.name for s in chip.program.functions} > {s.name for s in image.functions} | {"bootrom_memcpy"}
        assert chip.program.lines() is image.lines() != ()
    assert chips[0].program.signatures().items() > image.signatures().items()


def test_stores_of_the_host_are_refused(machine: Machine) -> None:
    with pytest.raises(UsageError, match="boot ROM"):
        machine.write(0x100, b"\0")


# -- a file of the vendor's


@pytest.fixture(scope="module")
def vendors(rom: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands in for it: all of the bytes, without names, and with a word behind the header."""
    path = tmp_path_factory.mktemp("rom") / "b2.bin"
    path.write_bytes(rom)
    return path


def test_a_file_gives_the_content(elf: Path, machine: Machine, vendors: Path) -> None:
    """Functions have the names that its tables give them, and loads from everywhere are the hardware's."""
    other = Machine.from_elf(elf, bootrom=vendors)
    source, to = other.alloc(np.arange(20, dtype=np.uint8)), other.alloc(20)
    for engine in ("unicorn", "timed"):
        cost = other.call("copy", to, source, 20, engine=engine)
        assert (to.read() == source.read()).all()
        assert cost.functions["bootrom_memcpy"].calls == 1
        assert other.call("load", 0, engine=engine).result == 0x20041F00
    with pytest.raises(Fault, match="nothing for programs"):
        machine.call("load", 0)


def test_an_elf_gives_its_names_too(elf: Path, rom: bytes) -> None:
    """And the cost knows the file."""
    made = OWN
    other = Machine.from_elf(elf, bootrom=made)
    assert other.read(0, SIZE).tobytes() == rom
    cost = other.call("bootrom_popcount32", 0xFF)
    assert (cost.result, cost.warnings) == (8, ())  # nobody says that it is m0sim's
    assert cost.provenance is not None
    assert cost.provenance.bootrom == str(made)
    of_program = Machine.from_elf(made)  # linked at 0: it brings the ROM's content along
    assert of_program.call("bootrom_popcount32", 0xFF).result == 8
    with pytest.raises(UsageError, match="leave out --bootrom"):
        Machine.from_elf(made, bootrom=made)


def test_a_name_that_the_program_has_is_the_programs(build: Build, tmp_path: Path) -> None:
    source = tmp_path / "twin.c"
    source.write_text("int bootrom_popcount32(int x) { return x + 1; }\n")
    twin = Machine.from_elf(build(source))
    assert twin.call("bootrom_popcount32", 41).result == 42
    assert twin.call("bootrom_popcount32 (boot ROM)", 41).result == 3


def test_the_command_line_takes_it(elf: Path, vendors: Path) -> None:
    done = run_apart("call", elf, "load", 0, "--result", "u32", "--bootrom", vendors, "--json")
    assert done.json["result"] == 0x20041F00
    assert done.json["provenance"]["bootrom"] == str(vendors)


@pytest.mark.long
def test_it_is_the_same_wherever_it_is_built(rom: bytes, tmp_path: Path) -> None:
    """The pinned compiler knows neither folder nor time."""
    first, second = (build_rom(tmp_path / name / "rom.elf") for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    assert str(tmp_path).encode() not in first.read_bytes()


def test_files_that_are_none(elf: Path, rom: bytes, tmp_path: Path) -> None:
    def said(content: bytes, profile: str = "rp2040") -> str:
        path = tmp_path / "rom.bin"
        path.write_bytes(content)
        with pytest.raises(UsageError) as caught:
            Machine.from_elf(elf, profile, bootrom=path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "is empty" in said(b"")
    assert "16,383 bytes are not the 16,384 of the ROM" in said(rom[:-1])
    assert "is no boot ROM" in said(bytes(SIZE))
    assert "is not linked for the ROM" in said(elf.read_bytes())
    assert "not Arm" in said(b"\x7fELF" + rom[4:])
    with pytest.raises(UsageError, match="no such file"):
        Machine.from_elf(elf, bootrom=tmp_path / "absent.bin")


def test_other_parts_have_none(elf: Path, vendors: Path) -> None:
    device = load("stm32g0")
    firmware = Machine.from_elf(elf).image
    assert boot_rom_of(device, firmware) is None
    with pytest.raises(UsageError, match="has no ROM"):
        boot_rom_of(device, firmware, vendors)
