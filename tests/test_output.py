"""What the firmware prints is shown, and what that does to the counts (prints.c)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import Build
from test_cli import Run, run  # noqa: F401

from m0sim import Fault, Machine, UsageError
from m0sim.chip.output import LIMIT

pytestmark = pytest.mark.engines("unicorn", "fast")

BKPT = 0xBEAB


@pytest.fixture(scope="module")
def elf(build: Build) -> Path:
    return build("prints.c", flags=("-O1", "-g"))


@pytest.fixture(scope="module")
def machine(elf: Path) -> Machine:
    return Machine.from_elf(elf)


@pytest.mark.parametrize("level", ["cycles", "memory"])
@pytest.mark.parametrize(
    ("function", "output", "result", "calls"),
    [
        ("write0", b"hello\n", 1, 1),
        ("writec", b"chars\n", 2, 6),
        ("console", b"to the console\n", 15 * 10 + 1, 4),
        ("quiet", b"", 3, 0),
    ],
)
def test_semihosting(machine: Machine, function: str, output: bytes, result: int, calls: int, level: Any) -> None:
    for _ in range(2):
        cost = machine.call(function, level=level)
        assert (cost.output, cost.output_dropped, cost.result) == (output, 0, result)
        # A debugger's work is no cost: neither is its BKPT.
        rows = cost.instruction_table.rows
        assert sum(row.cycles for row in rows) == cost.cycles
        assert sum(row.executions for row in rows) == cost.instructions
        assert all(row.encoding & 0xFFFF != BKPT for row in rows)
        told = [w for w in cost.warnings if "semihosting" in w]
        what = "1 semihosting call took" if calls == 1 else f"{calls} semihosting calls took"
        assert [w.startswith(what) for w in told] == [True] * bool(calls)


def test_the_count_is_that_of_the_code_around(machine: Machine, build: Build, tmp_path: Path) -> None:
    """The same function with a NOP for each BKPT takes one cycle and one instruction more for each."""
    source = tmp_path / "nops.c"
    source.write_text((Path(__file__).parent / "firmware" / "prints.c").read_text().replace("bkpt 0xab", "nop"))
    nops = Machine.from_elf(build(source, flags=("-O1", "-g")))
    for function, calls in (("write0", 1), ("writec", 6)):
        one, other = machine.call(function), nops.call(function)
        assert (one.cycles, one.instructions) == (other.cycles - calls, other.instructions - calls)
        assert (one.loads, one.stores, one.stack_bytes) == (other.loads, other.stores, other.stack_bytes)


@pytest.mark.parametrize(
    ("operation", "told"),
    [(0x18, "SYS_EXIT"), (0x20, "SYS_EXIT_EXTENDED"), (0x11, "SYS_TIME"), (0x06, "SYS_READ"), (0x77, "unknown")],
)
def test_what_semihosting_does_not_answer(machine: Machine, operation: int, told: str) -> None:
    with pytest.raises(Fault) as caught:
        machine.call("ask", operation)
    assert caught.value.kind == "breakpoint"
    assert told in caught.value.reason
    assert machine.image.source_line(caught.value.address) is not None
    assert machine.call("write0").output == b"hello\n"


def test_a_bad_address_is_a_fault(machine: Machine) -> None:
    with pytest.raises(Fault, match=r"where the boot ROM has nothing for programs"):
        machine.call("ask", 0x04)


def test_write_is_listened_to_and_runs_as_it_is(machine: Machine) -> None:
    """It fails, as it would on the chip; what it was given is shown all the same."""
    cost = machine.call("through_write", 1)
    assert (cost.output, cost.result, cost.stubs) == (b"by write\n", -1, ())
    assert machine.call("through_write", 2).output == b"by write\n"
    silent = machine.call("through_write", 7)
    assert silent.output == b""
    assert (silent.cycles, silent.instructions) == (cost.cycles, cost.instructions)
    assert machine.count("through_write", 1) == cost.cycles
    replaced = machine.call("through_write", 1, stubs={"_write": 9})
    assert (replaced.output, replaced.result) == (b"", 9)


def test_what_write_prints_by_semihosting_is_shown_once(build: Build, tmp_path: Path) -> None:
    source = tmp_path / "twice.c"
    text = (Path(__file__).parent / "firmware" / "prints.c").read_text()
    source.write_text(
        text.replace("return failed;\n}", "uint32_t b[] = {fd, (uint32_t)data, size}; return semihosting(5, b);}")
    )
    machine = Machine.from_elf(build(source))
    cost = machine.call("through_write", 1)
    assert (cost.output, cost.result) == (b"by write\n", 0)
    assert machine.call("through_write", 1, stdout="put:char").output == b"by write\n"


@pytest.mark.parametrize(
    ("function", "stdout", "output", "result"),
    [
        ("through_put", "put:char", b"a\033[\xff\n", 5),
        ("through_puts", "put:char", b"a line\n", 7),
        ("through_puts", "puts_like:str", b"a line\n", 7),
        ("through_puts", ["puts_like:str", "put:char"], b"a line\n", 7),
        ("through_write", "_write", b"by write\n", 9),
    ],
)
def test_functions_that_are_named(machine: Machine, function: str, stdout: Any, output: bytes, result: int) -> None:
    arguments = (1,) if function == "through_write" else ()
    cost = machine.call(function, *arguments, stdout=stdout)
    assert (cost.output, cost.result) == (output, result)
    assert cost.stubs == tuple(text.partition(":")[0] for text in ([stdout] if isinstance(stdout, str) else stdout))


def test_a_function_named_wrongly(machine: Machine) -> None:
    with pytest.raises(UsageError, match=r"97 is neither .* write put:char"):
        machine.call("through_put", stdout="put")
    with pytest.raises(UsageError, match=r"where the boot ROM has nothing .* write _write:char"):
        machine.call("_write", 1, 5, 0, stdout="_write")
    with pytest.raises(UsageError, match=r"not inside one memory.* write _write:char"):
        machine.call("_write", 1, 0x30000000, 0, stdout="_write")
    assert machine.call("_write", 1, 0, 9).output == b""  # nothing is shown of what is no string
    with pytest.raises(UsageError, match="no string at"):
        machine.call("through_put", stdout="put:str")
    for text in ("put:chr", ":char", "", "put:"):
        with pytest.raises(UsageError, match="FUNC:char"):
            machine.call("through_put", stdout=text)
    with pytest.raises(UsageError, match="no symbol"):
        machine.call("through_put", stdout="putt:char")
    with pytest.raises(UsageError, match="two stubs"):
        machine.call("through_put", stdout="put:char", stubs={"put": 1})


def test_cxx_names_have_colons_of_their_own() -> None:
    from m0sim.chip.output import named

    assert named("uart::put") == ("uart::put", "write")
    assert named("uart::put(char):char") == ("uart::put(char)", "char")
    assert named("<core::fmt>::write_str:str") == ("<core::fmt>::write_str", "str")


def test_output_is_bounded(machine: Machine) -> None:
    for times, dropped in ((256, 0), (258, 8192)):
        cost = machine.call("floods", times)
        assert (len(cost.output), cost.output_dropped) == (LIMIT, dropped)
    assert machine.call("quiet").output == b""


def test_only_the_call_itself_prints(machine: Machine) -> None:
    assert machine.call("quiet", before=["write0"]).output == b""


def test_what_a_person_sees(run: Run, elf: Path, tmp_path: Path) -> None:  # noqa: F811
    page = tmp_path / "page.html"
    done = run("call", elf, "through_put", "--stdout", "put:char", "--html", page)
    assert "output\n  a\\x1b[\ufffd\n" in done.out
    assert re.search(r"<pre>a\\x1b\[\ufffd\n</pre>", page.read_text())
    found = run("call", elf, "through_put", "--stdout", "put:char", "--json").json
    assert (found["output"], found["output_dropped"]) == ("a\x1b[\ufffd\n", 0)
    assert run("annotate", elf, "through_put", "--stdout", "put:char", "--json").json["result"] == 5
    assert "output" not in run("call", elf, "quiet").out


def test_what_was_printed_before_a_fault(run: Run, elf: Path) -> None:  # noqa: F811
    done = run("call", elf, "prints_then_fails")
    assert (done.code, "  so far so good\n" in done.err) == (1, True)
    assert run("call", elf, "prints_then_fails", "--json").json["output"] == "so far so good"
