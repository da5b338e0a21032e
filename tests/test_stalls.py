"""Stalls as a column of their own: by function, line and instruction, in every report, and only where a run has any.

What a stall is worth is for test_xip.py and test_waits.py; here the same call with ideal flash says what was added.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import Build
from test_cli import Run, run  # noqa: F401
from test_exports import parse

from m0sim import Cost, Fault, Machine
from m0sim.report import annotate, annotate_data, annotate_text, callgrind, cost_json, speedscope
from m0sim.report.annotate_data import Listing
from m0sim.report.page import page

CALL = ("work", 5)
MISS = 60  # cycles a word at clkdiv 2, as profiles/rp2040.toml has it


@pytest.fixture(scope="module")
def machine(build: Build) -> Machine:
    return Machine.from_elf(build("profiled.c"))


@pytest.fixture(scope="module")
def ideal(machine: Machine) -> Cost:
    return machine.call(*CALL)


@pytest.fixture(scope="module")
def cold(machine: Machine) -> Cost:
    return machine.call(*CALL, flash="cold")


@pytest.fixture(scope="module")
def added(ideal: Cost, cold: Cost) -> dict[int, int]:
    """Cycles that cold flash added, by instruction address."""
    before = {row.address: row.cycles for row in ideal.instruction_table.rows}
    return {row.address: row.cycles - before[row.address] for row in cold.instruction_table.rows}


def listed(machine: Machine, cost: Cost) -> Listing:
    return annotate.listing(cost, machine.image, everything=True)


def plain(listing: Listing) -> str:
    return "\n".join(line.plain for line in annotate_text.lines(listing))


def test_stalls_are_what_cold_flash_added(machine: Machine, ideal: Cost, cold: Cost, added: dict[int, int]) -> None:
    assert ideal.stall_cycles == 0
    assert cold.stall_cycles == cold.cycles - ideal.cycles == sum(added.values()) > 5 * MISS
    for name, function in cold.functions.items():
        assert function.stall_cycles == function.self_cycles - ideal.functions[name].self_cycles, name
    rows = [row for f in listed(machine, cold).functions for row in f.rows if row.executions]
    assert {row.instruction.address: row.stalls for row in rows} == added


def test_lines_have_the_stalls_of_their_instructions(machine: Machine, cold: Cost, added: dict[int, int]) -> None:
    expected: Counter[tuple[str, int, str]] = Counter()
    cycles: Counter[str] = Counter()
    for row in cold.instruction_table.rows:
        place = machine.image.source_line(row.address)
        if place is not None:  # some instructions of an optimised function are of no line
            expected[row.function, place[1], place[0]] += added[row.address]
            cycles[row.function] += row.cycles
    found = {
        (f.name, line.source.line, line.source.file): line.stalls
        for f in listed(machine, cold).functions
        for line in f.lines.values()
    }
    assert found == expected
    objects = annotate_data.to_json(listed(machine, cold))
    lines = {(f["name"], o["line"], o["file"]): o["stall_cycles"] for f in objects["functions"] for o in f["lines"]}
    assert lines == expected
    assert {f["name"]: sum(o["cycles"] for o in f["lines"]) for f in objects["functions"]} == cycles


def test_the_text_of_annotate(machine: Machine, ideal: Cost, cold: Cost, added: dict[int, int]) -> None:
    text = plain(listed(machine, cold))
    assert text.startswith(
        f"work on rp2040: {cold.cycles:,} cycles with cold flash, {cold.stall_cycles:,} of them stalls"
    )
    rows = re.findall(r"^[> ]  +0x([0-9a-f]{8}) +[\d,]+ +[\d,]+ +([\d,]+) +[\d.]+ ", text, re.MULTILINE)
    assert {int(address, 16): int(stalls.replace(",", "")) for address, stalls in rows} == added
    spent = re.findall(r"^\S+profiled\.[ch]:\d+: ([\d,]+) cycles, ([\d,]+) of them stalls", text, re.MULTILINE)
    assert len(spent) > 5
    assert "stall" not in plain(listed(machine, ideal))


def test_the_loop_sentence_says_what_a_pass_waits() -> None:
    """Fifteen words of NOPs and a branch in a loop of two passes: the first pass misses them all."""
    code = np.array([0x2102] + [0xBF00] * 28 + [0x3901, 0xD1E1, 0x4770], np.uint16).tobytes()
    machine = Machine.from_raw(code, 0x10000000)
    listing = annotate.listing(machine.call(0x10000000, flash="cold"), machine.image)
    loop = listing.functions[0].loops[0]
    assert (loop.iterations, loop.stalls) == (2, 15 * MISS)  # the word of its first instruction came with MOVS
    assert "(450.00 of them stalls)" in annotate_data.loop_sentence(loop, listing.cost.cycles)


def test_the_report_of_call(run: Run, machine: Machine, cold: Cost) -> None:  # noqa: F811
    done = run("call", machine.image.path, *CALL, "--flash", "cold")
    assert re.search(rf"^stalls +{cold.stall_cycles:,} ", done.out, re.MULTILINE)
    columns = r"^(\w+) +[\d,]+ +[\d,]+ +[\d.]+ % +([\d,]+) +[\d,]+ +[\d,]+ +[\d.]+ %$"  # by source, too
    rows = re.findall(columns, done.out, re.MULTILINE)
    assert {name: int(stalls.replace(",", "")) for name, stalls in rows} == {
        name: f.stall_cycles for name, f in cold.functions.items()
    }
    assert not re.search(
        "^stalls|inclusive.*stalls|stalls.*inclusive", run("call", machine.image.path, *CALL).out, re.M
    )
    assert cost_json.call(cold)["stall_cycles"] == cold.stall_cycles


def test_the_page(machine: Machine, ideal: Cost, cold: Cost) -> None:
    without, shown = page(ideal, machine), page(cold, machine)
    assert "<dt>stalls" not in without
    assert ">stalls</th>" not in without
    functions = shown[shown.index('<section id="functions">') : shown.index('<section id="calls">')]
    for name, f in cold.functions.items():
        cells = re.search(rf">{name}</th>(.*?)</tr>", functions, re.DOTALL)
        assert cells is not None
        assert re.findall(r'data-value="(\d+)"', cells[1])[3] == str(f.stall_cycles)
    code = shown[shown.index('<section id="code">') : shown.index('<section id="memory">')]
    widths = {len(re.findall("<t[dh]", row)) for row in re.findall(r"<tr(?! class=.source).*?</tr>", code, re.DOTALL)}
    assert widths == {10, 5}  # instructions, and lines of source
    assert "of them stalls" in code
    assert f"that are no stalls, {ideal.cycles:,}," in shown.replace("\n", " ")


def test_callgrind_has_an_event(machine: Machine, ideal: Cost, cold: Cost, tmp_path: Path) -> None:
    parsed = parse(callgrind.profile(cold, machine.image))
    assert parsed.header["events"] == "Cycles Instructions Taken Stall"
    assert parsed.header["totals"].split()[3] == str(cold.stall_cycles)
    inlined = {name: own["Stall"] for name, own in parsed.own.items() if name.endswith(" (inlined)")}
    assert set(inlined) == {"doubled (inlined)"}
    assert {name: own["Stall"] for name, own in parsed.own.items() if name not in inlined} == {
        name: f.stall_cycles - (sum(inlined.values()) if name == "depth" else 0) for name, f in cold.functions.items()
    }
    assert "Stall" not in callgrind.profile(ideal, machine.image)
    if shutil.which("callgrind_annotate") is None:
        pytest.skip("callgrind_annotate is not installed: apt install valgrind")
    path = tmp_path / "callgrind.out.m0sim"
    path.write_text(callgrind.profile(cold, machine.image))
    command = ["callgrind_annotate", "--auto=no", "--show=Stall", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{cold.stall_cycles:,} (100.0%)  PROGRAM TOTALS" in done.stdout


def test_speedscope_says_which_flash(machine: Machine, ideal: Cost, cold: Cost) -> None:
    names = [json.loads(speedscope.profile(cost, machine.image))["profiles"][0]["name"] for cost in (ideal, cold)]
    assert names == ["work: cycles", "work: cycles with cold flash"]


def test_a_slow_bus_stalls_the_access() -> None:
    """Code in SRAM: LDR r1, [r0] takes one cycle more on the APB of an RP2040, STR r1, [r0] two (datasheet, 2.1.3)."""
    machine = Machine.from_raw(np.array([0x6801, 0x6001, 0x4770], np.uint16).tobytes(), 0x20000000)
    cost = machine.call(0x20000000, 0x40054000, registers={0x40054000: 5}, flash="cold")
    assert [(row.cycles, row.stalls) for row in cost.instruction_table.rows] == [(3, 1), (4, 2), (2, 0)]


def test_an_instruction_that_waited_and_never_ran() -> None:
    """LDR r1, [r0] of an odd address: fetched, for 60 cycles, and not executed. Its row shows them."""
    machine = Machine.from_raw(np.array([0x6801, 0x4770], np.uint16).tobytes(), 0x10000000)
    with pytest.raises(Fault) as caught:
        machine.call(0x10000000, 1, flash="cold")
    assert (caught.value.cost.cycles, caught.value.cost.stall_cycles, caught.value.cost.instructions) == (MISS, MISS, 0)
    listing = annotate.listing(caught.value.cost, machine.image, fault=caught.value)
    assert "!  0x10000000           -      60      60  100.00 " in plain(listing)
    code = page(caught.value.cost, machine, fault=caught.value)
    assert '<td>-</td><td data-value="60">60</td><td data-value="60">60</td>' in code.replace("\n", "")
