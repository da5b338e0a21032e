"""Arguments as people write them, checked by what is in the simulated memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Build

from m0sim import Buffer, Machine
from m0sim.chip import operands
from m0sim.chip.arguments import Words
from m0sim.errors import UsageError


@pytest.fixture
def machine(build: Build) -> Machine:
    return Machine.from_elf(build("hot.S", flags=("-g",)))


def words_at(machine: Machine, value: object) -> list[int]:
    assert isinstance(value, Buffer)
    return [int(word) for word in value.read()]


def test_a_struct_on_the_command_line(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.bin").write_bytes(b"\x07\x08")
    (value,), outputs = operands.parse(machine, ["struct:@a.bin,-5,0x10,out:16,sym:same"])
    first, *numbers, out, symbol = words_at(machine, value)
    assert bytes(machine.read(first, 2)) == b"\x07\x08"
    assert numbers == [2**32 - 5, 16]
    assert (out, 16) == (outputs[0].buffer.address, outputs[0].buffer.size)
    assert symbol == machine.symbol("same").address + 1  # Thumb
    assert machine.call("third", value).result == 16 + 7


def test_structs_in_structs(machine: Machine, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([3], np.int16))
    operand = operands.read(["@a.npy", 5, [1, [2], "f32:1.5"]], tmp_path)
    first, five, inner = words_at(machine, operands.place(machine, operand, []))
    assert (bytes(machine.read(first, 2)), five) == (b"\x03\x00", 5)
    one, innermost, half = machine.read(inner, 12).view(np.uint32).tolist()
    assert (one, half) == (1, int(np.float32(1.5).view(np.uint32)))
    assert machine.read(innermost, 4).view(np.uint32).tolist() == [2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("struct:1", [1]),
        ("struct:i64:-1", [2**32 - 1, 2**32 - 1]),
        ("struct:1,i64:2", [1, 0, 2, 0]),
        ("struct:i64:2,1", [2, 0, 1, 0]),
        ("struct:1,2,f64:1.0,3", [1, 2, 0, 0x3FF00000, 3, 0]),
    ],
)
def test_structs_are_laid_out_as_c_does(machine: Machine, text: str, words: list[int]) -> None:
    (value,), _ = operands.parse(machine, [text])
    assert words_at(machine, value) == words
    assert isinstance(value, Buffer)
    assert value.address % 8 == 0


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("struct:", "at least one"),
        ([], "at least one"),
        ("struct:1,,2", "''"),
        ("struct:1,struct:2", "another one"),
        ("struct:1,i16:2", "i16"),
        ("[1, out:4]", "write struct:{A,B}"),
        ([1, "ou:4"], "ou"),
        ([1, [True]], "True"),
        (1.5, "f32:1.5"),
        (None, "None"),
        (2**32, "i64:"),
    ],
)
def test_bad_operands(value: object, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        operands.read(value)


def test_reading_touches_no_file_and_paths_are_from_the_folder() -> None:
    assert operands.read("@none.bin", Path("/somewhere")) == operands.File(Path("/somewhere/none.bin"))
    assert operands.read("@/abs.bin", Path("/somewhere")) == operands.File(Path("/abs.bin"))
    assert operands.read("out:4:x", Path("a")) == operands.Zeroed("4", 4, Path("a/x"))
    assert operands.read(7) == Words((7,))
    assert operands.read("struct:{1, out:4, {2, str: a }}") == operands.read("struct:{1,out:4,{2,str: a }}")
    struct = operands.read([1, ["@x", 2]])
    assert list(operands.parts(struct)) == [Words((1,)), operands.File(Path("x")), Words((2,))]
