"""The annotated listing: what it counts, what it disassembles, and which loop it calls hot."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import FIRMWARE, Build
from hypothesis import given
from hypothesis import strategies as st
from reference import encode
from test_cli import ROOT, Run, run  # noqa: F401

from m0sim import Fault, Machine
from m0sim.errors import UsageError
from m0sim.image import load_elf, load_raw
from m0sim.report import annotate, annotate_text
from m0sim.report.annotate_data import FunctionListing, Listing, ListingRow
from m0sim.report.disassembly import Disassembler, branch_target


@pytest.fixture(scope="module")
def elf(build: Build) -> Path:
    return build("loops.S", flags=("-g", f"-I{FIRMWARE}"))


@pytest.fixture(scope="module")
def machine(elf: Path) -> Machine:
    return Machine.from_elf(elf)


def listed(machine: Machine, name: str, *arguments: int, **options: object) -> Listing:
    return annotate.listing(machine.call(name, *arguments), machine.image, **options)  # type: ignore[arg-type]


def only(machine: Machine, name: str, *arguments: int) -> FunctionListing:
    """The listing of the called function itself."""
    return listed(machine, name, *arguments, names=[name]).functions[0]


def rows_by_text(function: FunctionListing) -> dict[str, ListingRow]:
    return {row.instruction.text: row for row in function.rows}


def code(*halfwords: tuple[int, ...]) -> bytes:
    return b"".join(struct.pack("<H", half) for instruction in halfwords for half in instruction)


# ------------------------------------------------------------------------------------------------------- the loops

# Passes, cycles of the loop and of what it calls, by the comments in loops.S.
LOOPS = {
    ("bottom_tested", 7): (7, 4 * 7 - 1, 0),
    ("bottom_tested", 2): (2, 4 * 2 - 1, 0),
    ("top_tested", 7): (7, 5 * 7 + 3, 0),
    ("rotated", 7): (7, 4 * 7 + 2, 0),
    ("continues", 8): (8, 8 * (1 + 1) + 4 * (2 + 0) + 4 * (1 + 1) + 3 * 2 + 1, 0),
    ("nested", 6): (60, 60 * 3 - 6, 0),
    ("outer_hot", 6): (6, 6 * (2 + 5 + 4 + 1 + 2) - 1, 0),
    ("calls_in_loop", 5): (5, 6 * 5 - 1, 4 * 5),
}


@pytest.mark.parametrize(("call", "expected"), LOOPS.items(), ids=str)
def test_the_hot_loop(machine: Machine, call: tuple[str, int], expected: tuple[int, int, int]) -> None:
    loop = only(machine, *call).hot_loop
    assert loop is not None
    assert (loop.iterations, loop.cycles, loop.call_cycles) == expected


def test_a_loop_that_is_left_at_once_is_none(machine: Machine) -> None:
    assert only(machine, "bottom_tested", 1).hot_loop is None
    assert only(machine, "rotated", 0).loops == ()


def test_nested_loops_are_both_there(machine: Machine) -> None:
    inner, outer = only(machine, "nested", 6).loops
    assert (inner.iterations, outer.iterations) == (60, 6)
    assert outer.own_cycles == outer.cycles - inner.cycles == 6 * 4 - 1
    assert outer.contains(inner.first)
    assert not inner.contains(outer.first)


def test_a_branch_to_itself() -> None:
    machine = Machine.from_raw(code(encode.branch(-4)), 0x10000000)
    with pytest.raises(Fault) as caught:
        machine.call(0x10000000, max_cycles=100)
    loop = annotate.listing(caught.value.cost, machine.image).functions[0].hot_loop
    assert loop is not None
    assert (loop.first, loop.last, loop.iterations * 2) == (0x10000000, 0x10000000, loop.cycles)


# -------------------------------------------------------------------------------------------------------- the rows


@pytest.mark.parametrize(
    ("source", "call"),
    [
        ("loops.S", ("nested", 5)),
        ("loops.S", ("calls_in_loop", 3)),
        ("calls.S", ("recursive", 6)),
        ("calls.S", ("is_even", 7)),
        ("calls.S", ("falls", 1)),
        ("calls.S", ("catcher", 1)),
        ("calls.S", ("calls_tails", 5)),
        ("rewrites.S", ("calls_patched", 4)),
    ],
)
def test_rows_add_up_to_the_whole_cost(build: Build, source: str, call: tuple[str, int]) -> None:
    machine = Machine.from_elf(build(source, flags=("-g", f"-I{FIRMWARE}")))
    got = listed(machine, *call, everything=True)
    assert got.left_out == got.left_out_cycles == 0
    assert [f.name for f in got.functions] == list(got.cost.functions)
    for f in got.functions:
        assert sum(row.cycles for row in f.rows) == f.self_cycles
        assert sum(row.executions for row in f.rows) == got.cost.functions[f.name].instructions
    assert sum(row.taken or 0 for f in got.functions for row in f.rows) == got.cost.branches_taken
    assert sum(row.not_taken or 0 for f in got.functions for row in f.rows) == got.cost.branches_not_taken


def test_a_function_is_listed_whole(machine: Machine) -> None:
    """Every byte once: code that ran, code that did not, literals."""
    f = only(machine, "jumps_over")
    at = f.address
    for row in f.rows:
        assert row.instruction.address == at
        at += row.instruction.size
    assert f.size is not None
    assert at == f.address + f.size


def test_literals_names_and_data(machine: Machine) -> None:
    f = only(machine, "jumps_over")
    symbols = {name: machine.symbol(name).address for name in ("variable", "callee", "jumps_over")}
    remarks = [row.instruction.remark for row in f.rows if row.instruction.text.startswith("ldr")]
    assert remarks == [
        f"=0x{symbols['variable']:08x} <variable>",
        f"=0x{symbols['callee'] + 1:08x} <callee>",
        "=0x12345678",
    ]
    data = [(row.instruction.text, row.instruction.remark) for row in f.rows if row.instruction.is_data]
    assert data[:2] == [(f".word 0x{symbols['callee'] + 1:08x}", "<callee>"), (".word 0x0007bf18", "")]
    assert (".word 0x12345678", "") in data
    by_text = rows_by_text(f)
    assert by_text[".inst.n 0xb100"].instruction.remark == "not an ARMv6-M instruction"
    assert by_text[f"bl 0x{symbols['callee']:08x} <callee>"].executions == 1
    adr = next(row.instruction.remark for row in f.rows if row.instruction.text.startswith("adr"))
    table = next(row.instruction.address for row in f.rows if row.instruction.is_data)
    assert adr == f"=0x{table:08x} <jumps_over+0x{table - f.address:x}>"


def test_branches_and_what_did_not_run(machine: Machine) -> None:
    by_text = {re.sub(" .*", "", row.instruction.text): row for row in only(machine, "top_tested", 7).rows}
    assert (by_text["bmi"].executions, by_text["bmi"].taken, by_text["bmi"].not_taken) == (8, 1, 7)
    assert (by_text["b"].executions, by_text["b"].taken) == (7, None)
    f = only(machine, "top_tested", 0)
    assert [row.executions for row in f.rows] == [1, 1, 0, 0, 1]


def test_code_that_was_overwritten_shows_each_encoding(build: Build) -> None:
    machine = Machine.from_elf(build("rewrites.S", flags=("-g", f"-I{FIRMWARE}")))
    f = next(f for f in listed(machine, "calls_patched", 4, everything=True).functions if f.name == "in_ram")
    first = [row for row in f.rows if row.instruction.address == f.address]
    texts = {row.instruction.text.replace("r0, r0", "r0"): row.executions for row in first}  # two ways to encode it
    assert texts == {"adds r0, #1": 1, "adds r0, #2": 1}
    assert len(first) == 2


def test_wide_code_overwritten_by_narrow_loses_no_row() -> None:
    """A BL of the image that never ran as such, its second half executed as another instruction."""
    base = 0x20000000
    store = (encode.immediate_offset("strh", 1, 0, 0), encode.immediate_offset("strh", 1, 0, 2))
    program = code(*store, encode.branch(-2), encode.branch_link(0), encode.bx(14))
    machine = Machine.from_raw(program, base)
    nop = 0x46C0
    cost = machine.call(base, base + 6, nop)
    (f,) = annotate.listing(cost, machine.image).functions
    assert [(row.instruction.address - base, row.executions) for row in f.rows] == [(2 * i, 1) for i in range(6)]
    assert sum(row.cycles for row in f.rows) == cost.cycles


def test_a_stub_is_shown_as_what_ran(machine: Machine) -> None:
    cost = machine.call("calls_in_loop", 3, stubs={"callee": 1})
    listing = annotate.listing(cost, machine.image, names=["callee"])
    assert [row.executions for row in listing.functions[0].rows] == [3, 0, 0]
    assert listing.functions[0].rows[0].instruction.text == "bx lr"


def test_code_without_symbols() -> None:
    machine = Machine.from_raw(code(encode.imm8("movs", 0, 5), encode.bx(14), encode.imm8("movs", 0, 6)), 0x10000000)
    (f,) = annotate.listing(machine.call(0x10000000), machine.image).functions
    assert f.size is None
    assert [row.instruction.text for row in f.rows] == ["movs r0, #5", "bx lr"]


def test_code_at_an_alias_of_its_memory(build: Build) -> None:
    """The RP2040's flash is seen again at 0x11000000: those rows belong to the same function."""
    machine = Machine.from_elf(build("rewrites.S", flags=("-g", f"-I{FIRMWARE}")))
    patch = machine.symbol("patch").address
    cost = machine.call("trampoline", patch + 0x01000000, 1)
    f = annotate.listing(cost, machine.image, names=["patch"]).functions[0]
    ran = [row.instruction.address for row in f.rows if row.executions]
    assert ran == [patch + 0x01000000 + 2 * i for i in range(4)]
    assert sum(row.cycles for row in f.rows) == f.self_cycles


# --------------------------------------------------------------------------------------------------- disassembly


@given(st.sampled_from(encode.CONDITIONS), st.integers(-128, 127), st.integers(0, 1 << 20))
def test_targets_of_conditional_branches(condition: str, halfwords: int, place: int) -> None:
    (encoding,) = encode.branch_if(condition, 2 * halfwords)
    assert branch_target(2 * place, encoding) == 2 * place + 4 + 2 * halfwords & 0xFFFFFFFF


@given(st.integers(-1024, 1023), st.integers(0, 1 << 20))
def test_targets_of_jumps(halfwords: int, place: int) -> None:
    (encoding,) = encode.branch(2 * halfwords)
    assert branch_target(2 * place, encoding) == 2 * place + 4 + 2 * halfwords & 0xFFFFFFFF


@given(st.integers(-(1 << 23), (1 << 23) - 1), st.integers(0, 1 << 20))
def test_targets_of_calls(halfwords: int, place: int) -> None:
    first, second = encode.branch_link(2 * halfwords)
    assert branch_target(2 * place, first | second << 16) == 2 * place + 4 + 2 * halfwords & 0xFFFFFFFF


@pytest.mark.parametrize(("hot", "shown"), [(89, ["hot", "warm"]), (90, ["hot"]), (91, ["hot"])])
def test_by_default_what_has_90_percent_of_the_cycles(machine: Machine, hot: int, shown: list[str]) -> None:
    cost = machine.call("top_tested", 7)
    (some,) = [f for f in cost.functions.values() if f.name == "top_tested"]
    parts = {"hot": hot, "warm": 100 - hot - 1, "cold": 1}
    functions = {name: replace(some, name=name, self_cycles=cycles) for name, cycles in parts.items()}
    found = annotate.listing(replace(cost, cycles=100, functions=functions), machine.image)
    assert [f.name for f in found.functions] == shown


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_every_encoding_has_one_line(first: int, second: int) -> None:
    got = Disassembler(load_raw(b"\0" * 8, 0x10000000)).instruction(0x10000000, first | second << 16)
    assert got.text
    assert "\n" not in got.text + got.remark
    assert got.size == (4 if first >= 0xE800 else 2)


SAME = {"bhs": "bcs", "blo": "bcc", "adr": "add"}  # Capstone's name and objdump's


@pytest.mark.skipif(shutil.which("arm-none-eabi-objdump") is None, reason="arm-none-eabi-objdump is not on PATH")
@pytest.mark.parametrize("source", ["loops.S", "calls.S"])
def test_objdump_sees_the_same_instructions(build: Build, source: str) -> None:
    path = build(source, flags=("-g", f"-I{FIRMWARE}"))
    printed = subprocess.run(
        ["arm-none-eabi-objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True
    ).stdout
    expected = {
        int(m[1], 16): (m[2].removesuffix(".n").removesuffix(".w"), m[3])
        for m in re.finditer(r"^\s*([0-9a-f]+):\t(\S+)[ \t]*([0-9a-f]*)", printed, re.MULTILINE)
    }
    image = load_elf(path)
    disassembler = Disassembler(image)
    seen = 0
    for begin, end in image.code_ranges:
        while begin < end:
            got = disassembler.at(begin)
            assert got is not None
            mnemonic, target = expected[begin]
            if not got.text.startswith(".") and got.text != "mov r8, r8":
                seen += 1
                assert SAME.get(got.text.split()[0], got.text.split()[0]) == mnemonic, hex(begin)
                if got.target is not None or mnemonic == "bl":
                    assert int(got.text.split()[1], 16) == int(target, 16)
            begin += got.size
    assert seen > 50


# ------------------------------------------------------------------------------------------------------- choosing


def test_the_hottest_functions_are_chosen(machine: Machine) -> None:
    got = listed(machine, "calls_in_loop", 100)  # 609 self cycles, and 400 of 1,009 in callee
    assert [f.name for f in got.functions] == ["calls_in_loop", "callee"]
    cold = listed(machine, "nested", 50)
    assert [f.name for f in cold.functions] == ["nested"]
    assert cold.left_out == 0


def test_functions_left_out_are_counted(build: Build) -> None:
    machine = Machine.from_elf(build("calls.S", flags=("-g", f"-I{FIRMWARE}")))
    got = listed(machine, "calls_tails", 5)  # 12, 6, 4 and 3 of 25
    assert [f.self_cycles for f in got.functions] == [12, 6, 4, 3][: len(got.functions)]
    assert sum(f.self_cycles for f in got.functions) >= 0.9 * 25
    assert got.left_out_cycles == 25 - sum(f.self_cycles for f in got.functions)


@pytest.mark.parametrize("name", ["callee", "0x{:x}"])
def test_names(machine: Machine, name: str) -> None:
    name = name.format(machine.symbol("callee").address)
    assert [f.name for f in listed(machine, "calls_in_loop", 2, names=[name]).functions] == ["callee"]


@pytest.mark.parametrize(
    ("name", "message"), [("calle", "did you mean 'callee'"), ("nested", "nested did not run in this call")]
)
def test_bad_names(machine: Machine, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        listed(machine, "calls_in_loop", 2, names=[name])


# --------------------------------------------------------------------------------------------------------- source


@pytest.fixture
def from_c(tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An ELF and its source, in the current folder."""
    source = tmp_path / "twice.c"
    source.write_text("int twice(int n)\n{\n\treturn 2 * n;   \n}\n")
    monkeypatch.chdir(tmp_path)
    return build(source), source


def test_source_lines_are_interleaved(run: Run, from_c: tuple[Path, Path]) -> None:  # noqa: F811
    done = run("annotate", from_c[0], "twice", 4)
    assert "twice.c:3:     return 2 * n;" in done.out.splitlines()


def test_a_source_that_is_gone_leaves_its_name(run: Run, from_c: tuple[Path, Path]) -> None:  # noqa: F811
    from_c[1].unlink()
    assert "twice.c:3" in run("annotate", from_c[0], "twice", 4).out.splitlines()
    from_c[1].mkdir()
    assert "twice.c:3" in run("annotate", from_c[0], "twice", 4).out.splitlines()


def test_a_shorter_and_an_odd_source(run: Run, from_c: tuple[Path, Path]) -> None:  # noqa: F811
    from_c[1].write_bytes(b"\xff\n\n\x1b[31mred\x0c\xff")
    done = run("annotate", from_c[0], "twice", 4)
    assert "\x1b" not in done.out
    assert "twice.c:3: \\x1b[31mred\\x0c\ufffd" in done.out.splitlines()
    from_c[1].write_text("")
    assert "twice.c:3" in "".join(run("annotate", from_c[0], "twice", 4).out)


# ------------------------------------------------------------------------------------------------ m0sim annotate

COLUMNS = ["address", "executions", "cycles", "%", "taken", "not", "taken", "encoding", "instruction"]


def test_text(run: Run, elf: Path) -> None:  # noqa: F811
    done = run("annotate", elf, "bottom_tested", 7)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "bottom_tested on rp2040: 31 cycles, result 21"
    assert re.fullmatch(r"bottom_tested at 0x\w{8}, 12 bytes: 1 call, 31 self cycles, 100.0 %; inclusive 31", lines[2])
    assert re.fullmatch(r"loop 0x\w{8}-0x\w{8}: 7 iterations, 3.86 cycles each, 87.1 % of all", lines[3])
    assert lines[4].split() == COLUMNS
    rows = [line for line in lines if re.match(r"[ >!]  0x", line)]
    assert [(line[0], *line.split("0x", 1)[1].split()[1:6]) for line in rows] == [
        (" ", "1", "1", "3.23", "-", "-"),
        (">", "7", "7", "22.58", "-", "-"),
        (">", "7", "7", "22.58", "-", "-"),
        (">", "7", "13", "41.94", "6", "1"),
        (" ", "1", "1", "3.23", "-", "-"),
        (" ", "1", "2", "6.45", "-", "-"),
    ]
    assert not any(line != line.rstrip() for line in lines)
    assert "\x1b" not in done.out


def test_json_is_the_same(run: Run, elf: Path, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "a.json"
    done = run("annotate", elf, "bottom_tested", 7, "--json", "-o", file)
    found = done.json
    assert json.loads(file.read_text()) == found
    assert (found["cycles"], found["function"], found["fault"], found["result"]) == (31, "bottom_tested", None, 21)
    (f,) = found["functions"]
    assert [row["executions"] for row in f["rows"]] == [1, 7, 7, 7, 1, 1]
    assert [row["in_hot_loop"] for row in f["rows"]] == [False, True, True, True, False, False]
    assert [(loop["iterations"], loop["is_hot"]) for loop in f["loops"]] == [(7, True)]
    assert (f["rows"][3]["taken"], f["rows"][3]["not_taken"]) == (6, 1)


def test_a_fault_marks_its_place(run: Run, build: Build) -> None:  # noqa: F811
    faulty = build("faults.S", flags=("-g", f"-I{FIRMWARE}"))
    done = run("annotate", faulty, "outer", 1)
    assert done.code == 1
    assert done.err.startswith("fault: UDF #0, a permanently undefined instruction\n")
    marked = [line.split() for line in done.out.splitlines() if line.startswith("!")]
    assert [words[2] for words in marked] == ["-"]
    assert "0xde00" in marked[0]
    found = run("annotate", faulty, "outer", 1, "--json")
    assert (found.code, found.err) == (1, "")
    assert found.json["fault"]["kind"] == "undefined"
    rows = [row for f in found.json["functions"] for row in f["rows"]]
    assert [row["address"] for row in rows if row["is_fault"]] == [found.json["fault"]["address"]]


def test_a_fault_in_code_without_symbols(run: Run, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "raw.bin").write_bytes(code(encode.imm8("movs", 0, 1), (0xDE00,)))
    done = run("annotate", tmp_path / "raw.bin", "0x10000000", "--base", "0x10000000")
    assert done.code == 1
    assert [line.split()[1] for line in done.out.splitlines() if line.startswith("!")] == ["0x10000002"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--function", "calle"], "did you mean 'callee'"),
        (["--function", "callee", "--all"], "leave out --function"),
        (["--funktion", "x"], "no such option: --funktion; did you mean '--function'"),
        (["--level", "memory"], "no such option: --level"),
    ],
)
def test_bad_usage(run: Run, elf: Path, options: list[str], message: str) -> None:  # noqa: F811
    done = run("annotate", elf, "calls_in_loop", 2, *options)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert message in done.err


def test_buffers_are_written_as_by_call(run: Run, build: Build, tmp_path: Path) -> None:  # noqa: F811
    elf = build("calls.S", flags=("-g", f"-I{FIRMWARE}"))
    (tmp_path / "in.bin").write_bytes(bytes(range(8)))
    output = tmp_path / "out.bin"
    assert run("annotate", elf, "translate", f"out:8:{output}", f"@{tmp_path}/in.bin", 8).code == 0
    assert output.read_bytes() == b"abcdefgh"


def test_long_listings_stay_one_row_a_line(build: Build) -> None:
    machine = Machine.from_elf(build("calls.S", flags=("-g", f"-I{FIRMWARE}")))
    got = listed(machine, "calls_tails", 5, everything=True)
    lines = [line.plain for line in annotate_text.lines(got)]
    rows = sum(len(f.rows) for f in got.functions)
    assert sum(bool(re.match(r"[ >!]  0x", line)) for line in lines) == rows
    assert np.unique([line.index("0x") for line in lines if re.match(r"[ >!]  0x", line)]).tolist() == [3]


# --------------------------------------------------------------------------------------------------- documentation


def test_the_documentation_shows_what_is_printed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.chdir(ROOT)
    if not Path("build/examples/dot.elf").exists():
        pytest.skip("build/examples/dot.elf is not there: make kernels")
    blocks = re.findall(r"\$ m0sim (annotate build.*)\n([^`]*)```", Path("docs/annotate.md").read_text())
    assert blocks
    for command, printed in blocks:
        assert run(*command.split()).out == printed
