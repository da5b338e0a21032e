"""What a cost is of, what it is called with, and how costs are compared and shown."""

from __future__ import annotations

import hashlib
import pickle
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FIRMWARE, Build
from test_cli import Run, run  # noqa: F401

import m0sim
from m0sim import Fault, Machine, UsageError, i64
from m0sim.chip.cost import InstructionTable
from m0sim.image import load_elf
from m0sim.image.load import load_file
from m0sim.image.symbol_file import with_symbols
from m0sim.pytest_plugin import Fixture

ADC = 0x4004C004


@pytest.fixture(scope="module")
def elf(build: Build) -> Path:
    return build("answers.S", flags=("-g", f"-I{FIRMWARE}"))


@pytest.fixture(scope="module")
def machine(elf: Path) -> Machine:
    return Machine.from_elf(elf)


@pytest.fixture(scope="module")
def sums(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    source = tmp_path_factory.mktemp("sums") / "sums.c"
    source.write_text(
        "#include <stdint.h>\n"
        "int sum(const int16_t *a, int n) { int s = 0; while (n--) s += *a++; return s; }\n"
        "void clear(int16_t *a, int n) { while (n--) *a++ = 0; }\n"
        "void beyond(int16_t *a, int n) { a[n] = 1; }\n"
        "int plus(int a, int b) { return a + b; }\n"
    )
    return Machine.from_elf(build(source))


# ------------------------------------------------------------------------------------------------------- provenance


def test_what_a_cost_is_of(machine: Machine, elf: Path) -> None:
    buffer = machine.alloc(np.zeros(3, np.int16), name="table")

    def ready(access: object) -> int:
        return 1

    of = machine.call(
        "wait_ready",
        ADC,
        buffer,
        i64(-1),
        np.zeros((2, 3), np.int8),
        before=["copies_code"],
        stubs={"read_adc": [1, 2]},
        registers={ADC: ready},
    ).provenance
    buffer.free()
    assert of is not None
    assert (of.image, of.sha256) == (str(elf), hashlib.sha256(elf.read_bytes()).hexdigest())
    assert (of.function, of.before, of.stubs) == ("wait_ready", ("copies_code",), ("read_adc=1,2",))
    assert of.arguments == (str(ADC), "table (6 bytes)", "0xffffffffffffffff", "int8[2, 3]")
    assert of.registers == ("0x4004c004=test_what_a_cost_is_of.<locals>.ready",)
    assert (of.profile, of.engine, of.version) == ("rp2040", "unicorn", m0sim.__version__)


@pytest.mark.parametrize("fails", [False, True])
def test_as_it_was_typed(run: Run, elf: Path, tmp_path: Path, fails: bool) -> None:  # noqa: F811
    page = tmp_path / "page.html"
    words = ["twice_adc", "0x10", "f32:1.5", "--before", "copies_code"]
    words += ["--stub", "wide=f32:1.5", *([] if fails else ["--register", "0x4004C004=1,2"])]
    done = run("call", elf, *words, "--html", page, "--json")
    assert done.code == fails
    of = done.json["provenance"]
    assert (of["image"], of["sha256"]) == (str(elf), hashlib.sha256(elf.read_bytes()).hexdigest())
    assert (of["function"], of["arguments"]) == ("twice_adc", ["0x10", "f32:1.5"])
    assert (of["before"], of["stubs"]) == (["copies_code"], ["wide=f32:1.5"])
    assert of["registers"] == ([] if fails else ["0x4004C004=1,2"])
    assert (of["profile"], of["engine"], of["version"]) == ("rp2040", "unicorn", m0sim.__version__)
    text = page.read_text()
    assert all(word in text for word in (of["sha256"], "wide=f32:1.5", "twice_adc 0x10 f32:1.5", "copies_code"))


def test_a_raw_binary(elf: Path) -> None:
    cost = Machine.from_raw(b"\x2a\x20\x70\x47", 0x10000000).call(0x10000000)
    assert cost.provenance is not None
    assert cost.provenance.sha256 == hashlib.sha256(b"\x2a\x20\x70\x47").hexdigest()


@pytest.mark.parametrize("kind", ["hex", "uf2"])
@pytest.mark.parametrize("named", [False, True])
def test_other_kinds_of_files(tmp_path: Path, elf: Path, kind: str, named: bool) -> None:
    """The digest is of the file with the code, not of the one with the names."""
    (segment,) = [s for s in load_elf(elf).segments if s.address == 0x10000000]
    file = tmp_path / f"code.{kind}"
    file.write_bytes((hex_of if kind == "hex" else uf2_of)(segment.address, segment.data))
    image = load_file(file)
    assert image.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    if named:
        assert with_symbols(image, replace(load_elf(elf), sections=())).sha256 == image.sha256


def hex_of(address: int, data: bytes) -> bytes:
    """Intel HEX of less than 64 KiB at the start of a 64 KiB page."""
    records = [bytes([2, 0, 0, 4]) + (address >> 16).to_bytes(2, "big")]
    for at in range(0, len(data), 16):
        piece = data[at : at + 16]
        records.append(bytes([len(piece)]) + at.to_bytes(2, "big") + b"\0" + piece)
    records.append(bytes([0, 0, 0, 1]))
    return b"".join(b":%s\n" % (r + bytes([-sum(r) & 0xFF])).hex().upper().encode() for r in records)


def uf2_of(address: int, data: bytes) -> bytes:
    """UF2 for an RP2040, 256 bytes a block."""
    pieces = [data[at : at + 256].ljust(256, b"\0") for at in range(0, len(data), 256)]
    return b"".join(
        struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, address + 256 * i, 256, i, len(pieces), 0xE48BFF56)
        + piece.ljust(476, b"\0")
        + struct.pack("<I", 0x0AB16F30)
        for i, piece in enumerate(pieces)
    )


# ------------------------------------------------------------------------------------------------ compare and show


def test_costs_are_compared(machine: Machine, elf: Path) -> None:
    cost = machine.call("twice_adc", stubs={"read_adc": 5})
    assert cost == machine.call("twice_adc", stubs={"read_adc": 5})
    assert cost == Machine.from_elf(elf).call("twice_adc", stubs={"read_adc": [5]})
    assert cost == pickle.loads(pickle.dumps(cost))
    assert cost != machine.call("thrice", stubs={"read_adc": 5})
    assert cost != machine.call("twice_adc", stubs={"read_adc": 6})
    assert cost != machine.call("twice_adc", stubs={"read_adc": 5}, level="memory")
    assert cost != 21


def test_instruction_tables_are_compared(machine: Machine) -> None:
    table = machine.call("twice_adc", stubs={"read_adc": 5}).instruction_table
    columns = {name: getattr(table, name) for name in InstructionTable.__slots__}
    assert table == InstructionTable(**columns)
    for name, column in columns.items():
        other = ("x", *column[1:]) if isinstance(column, tuple) else column + 1
        assert table != InstructionTable(**(columns | {name: other})), name
    assert table != InstructionTable(**{n: c if isinstance(c, tuple) else c[:-1] for n, c in columns.items()})


def test_a_cost_is_shown_on_a_line(machine: Machine) -> None:
    cost = machine.call("twice_adc", stubs={"read_adc": 5})
    assert repr(cost) == "<Cost of twice_adc: 21 cycles, 9 instructions, 8 bytes of stack, result 15>"
    assert repr(machine.call("twice_adc", stubs={"read_adc": 5}, result="void")).endswith("8 bytes of stack>")


def test_the_fixture_is_shown_on_a_line(m0sim: Fixture, elf: Path) -> None:
    m0sim(elf).call("read_adc", stubs={"read_adc": 1})
    assert repr(m0sim).endswith("::test_the_fixture_is_shown_on_a_line: 1 calls, 0 checks>")


# ----------------------------------------------------------------------------------------------------- arguments


def test_arrays_are_arguments(sums: Machine) -> None:
    values = np.arange(-20, 80, dtype=np.int16)
    cost = sums.call("sum", values, len(values))
    assert cost.result == int(values.sum())
    held = sums.alloc(values)
    assert sums.call("sum", held, len(values)).cycles == cost.cycles == sums.count("sum", values, len(values))
    held.free()
    assert cost.memory.sram_arguments == values.nbytes
    assert sums.call("sum", values[::2], 50).result == int(values[::2].sum())
    assert sums.space.allocations == []


def test_an_array_is_a_copy(sums: Machine) -> None:
    values = np.ones(4, np.int16)
    sums.call("clear", values, 4)
    assert values.tolist() == [1, 1, 1, 1]


def test_an_array_is_gone_after_a_fault(sums: Machine) -> None:
    with pytest.raises(Fault, match="written"):
        sums.call("beyond", np.zeros(4, np.int16), 4)
    with pytest.raises(UsageError):
        sums.call("sum", np.zeros(4, np.int16), np.zeros(300_000, np.uint8))
    assert sums.space.allocations == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.array(5), "without dimensions"),
        (np.array(["x"], object), "object"),
        (1.5, "f32|no floating-point number"),
        (np.float16(1), "float16"),
    ],
)
def test_what_is_no_argument(sums: Machine, value: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        sums.call("plus", value, 1)


@pytest.mark.parametrize("value", [np.int8(-5), np.uint8(200), np.int64(-5), np.uint64(7), np.bool_(True), np.intp(3)])
def test_numpy_integers_are_integers(sums: Machine, value: Any) -> None:
    assert sums.call("plus", value, 1).result == int(value) + 1


# --------------------------------------------------------------------------------------------------------- types

SNIPPET = """
import numpy as np
from m0sim import Machine, f32

machine = Machine.from_elf("a.elf")
machine.call("f", np.zeros(3, np.int16), np.float32(1), 5, result="u32", level="memory", stubs={"g": [1, f32(2)]})
machine.call("f", stubs={"g": lambda call: call.args[0]}, registers={0x40000000: lambda access: access.count})
machine.call("f", result="u16")  # wrong
machine.call("f", level="lines")  # wrong
machine.call("f", "5")  # wrong
machine.call("f", stubs={"g": "5"})  # wrong
machine.call("f", stubs={"g": lambda call: "5"})  # wrong
"""


@pytest.mark.long
def test_what_a_type_checker_finds(tmp_path: Path) -> None:
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPET)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", str(file)],
        cwd=Path(m0sim.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    wrong = [number for number, line in enumerate(SNIPPET.splitlines(), 1) if line.endswith("# wrong")]
    found = {
        int(line.split(":")[1]) for line in done.stdout.splitlines() if f"{file.name}:" in line and "error" in line
    }
    assert sorted(found) == wrong, done.stdout + done.stderr


def test_the_same_bytes_elsewhere_or_with_names_are_another_image(tmp_path: Path, elf: Path) -> None:
    """A raw binary's digest does not say where it runs, nor who named its functions."""
    flash = bytearray(1024)
    for segment in load_elf(elf).segments:
        begin = segment.load_address - 0x10000000
        flash[begin : begin + len(segment.data)] = segment.data
    file = tmp_path / "code.bin"
    file.write_bytes(flash)
    here = Machine.from_file(file, base=0x10000000, symbols=elf).call("copies_code").provenance
    there = Machine.from_file(file, base=0x10000000).call(load_elf(elf).find("copies_code").address).provenance
    moved = Machine.from_raw(b"\x2a\x20\x70\x47", 0x10000100).call(0x10000100).provenance
    assert here is not None and there is not None and moved is not None  # noqa: PT018
    assert (here.base, here.symbols) == (0x10000000, str(elf))
    assert (there.base, there.symbols, there.sha256) == (0x10000000, None, here.sha256)
    assert (moved.image, moved.base) == ("<bytes>", 0x10000100)
