"""`m0sim check --engine all` and `--board`: what does not agree fails, and says what it is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest
from test_cli import Run, run

from m0sim import Machine
from m0sim.check import engines, measure
from m0sim.chip.cost import Cost

__all__ = ["run"]

ROOT = Path(__file__).parents[1]
ELF = ROOT / "build/examples/dot.elf"
MANIFEST = f"""
image = "{ELF}"
[[bench]]
name = "two"
function = "dot_s8"
args = ["hex:0102", "hex:0304", 2]
[[bench]]
name = "five"
function = "dot_s8"
args = ["hex:0102030405", "hex:0504030201", 5]
[[bench]]
name = "cold"
function = "dot_s8"
args = ["hex:0102", "hex:0304", 2]
flash = "cold"
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "m0sim.toml"
    path.write_text(MANIFEST)
    return path


def checked(lines: list[str]) -> str:
    """A report with the checksum that it should have."""
    text = "".join(f"{line}\n" for line in lines)
    return f"{text}end {crc32(text.encode()):08x}\n"


@pytest.fixture
def log(run: Run, manifest: Path, tmp_path: Path) -> Path:
    """What a board that agrees would print."""
    done = run("export", str(manifest), "-o", str(tmp_path / "b.uf2"), "--json").json
    lines = ["m0sim export 1 version 1 image 00000000 benches 2 repeats 3 clock 125000000 code sram"]
    for number, bench in enumerate(done["benches"]):
        figures = f"{number} cycles {bench['cycles']} result {bench['result']} memory {bench['memory']}"
        lines += [f"bench {number} {bench['name']}", f"m0sim {figures}", *[f"board {figures}"] * 3]
    path = tmp_path / "log.txt"
    path.write_text(checked(lines))
    return path


def test_engines_that_agree(run: Run, manifest: Path) -> None:
    done = run("check", str(manifest), "--engine", "all", "--json")
    assert done.code == 0
    assert [bench["status"] for bench in done.json["benches"]] == ["new"] * 3
    assert "on the timed engine alone, as no other can count them: 'cold'" in done.json["notes"]
    said = run("check", str(manifest), "--engine", "al")
    assert (said.code, "one of unicorn, timed, all" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cycles": 1}, "cycles: 62 on unicorn, 63 on timed"),
        ({"result": 7}, "result: 11 on unicorn, 7 on timed"),
        ({"loads": 1}, "loads: "),
        ({"functions": {}}, "functions on unicorn are not those on timed"),
        ({}, "memory at 0x2"),
    ],
)
def test_engines_that_do_not(
    run: Run, manifest: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], said: str
) -> None:
    """Whichever figure it is, the bench fails and names it."""
    real = measure._call

    def call(bench: object, machine: Machine) -> Cost:
        cost = real(bench, machine)
        if engines.engine_of(cost) != "timed":
            return cost
        if not change:
            machine.write(machine.space.allocations[0].address, b"\x55")
        added = {
            key: getattr(cost, key) + value if key in ("cycles", "loads") else value for key, value in change.items()
        }
        return replace(cost, **added)

    monkeypatch.setattr(measure, "_call", call)
    done = run("check", str(manifest), "--engine", "all", "--only", "two", "--json")
    assert done.code == 1
    assert done.json["benches"][0]["failure"]["kind"] == "engines"
    assert said in done.json["benches"][0]["failure"]["text"]


def test_a_board_that_agrees(run: Run, manifest: Path, log: Path) -> None:
    done = run("check", str(manifest), "--engine", "all", "--board", str(log), "--json")
    assert done.code == 0
    assert f"{log}, of code in SRAM, has nothing to compare with 'cold'" in done.json["notes"]


@pytest.mark.parametrize(
    ("pattern", "to", "said"),
    [
        (r"board 1 cycles \d+", "board 1 cycles 1234", "1,234 cycles on the board, "),
        (r"(board 1 cycles \d+ result) \w+", r"\1 00000001", "result on the board not as in simulation"),
        (r"memory \w+\n(?=end)", "memory 00000001\n", "memory on the board not as in simulation"),
        (
            r"(m0sim|board) 1 cycles \d+",
            r"\1 1 cycles 77",
            "the log is of another build, of 77 cycles in simulation: 77 on",
        ),
        (r"board 1 .*\n(?=end)", "fault 1 pc 20000123\n", "the board met a fault at 0x20000123"),
        (r"board 1 .*\n(?=end)", "", "the log has not all repeats of it"),
    ],
)
def test_a_board_that_does_not(run: Run, manifest: Path, log: Path, pattern: str, to: str, said: str) -> None:
    changed = re.sub(pattern, to, log.read_text())
    log.write_text(checked(changed.splitlines()[:-1]))
    done = run("check", str(manifest), "--board", str(log), "--json")
    assert done.code == 1
    failures = [bench["failure"] for bench in done.json["benches"]]
    assert [failure is None for failure in failures] == [True, False, True]
    assert failures[1]["kind"] == "board"
    assert said in failures[1]["text"]


def test_a_log_that_is_not_whole_is_refused(run: Run, manifest: Path, log: Path) -> None:
    whole = log.read_text()
    for text in (whole[:-20], whole.replace("cycles", "cycle5", 1)):
        log.write_text(text)
        done = run("check", str(manifest), "--board", str(log))
        assert done.code == 2
        assert "log it again" in done.err


def test_a_board_that_runs_from_flash(run: Run, manifest: Path, tmp_path: Path) -> None:
    """Its first repeat is what a bench with cold flash counts, the others are those of a warm one."""
    with manifest.open("a") as file:
        file.write('[[bench]]\nname = "warm"\nfunction = "dot_s8"\nargs = ["hex:01", "hex:03", 1]\nflash = "warm"\n')
    checked_now = {b["name"]: b["cycles"] for b in run("check", str(manifest), "--json").json["benches"]}
    lines = ["m0sim export 1 version 1 image 00000000 benches 2 repeats 2 clock 125000000 code flash"]
    for number, (name, cycles) in enumerate((("cold", (checked_now["cold"], 5)), ("warm", (6, checked_now["warm"])))):
        lines.append(f"bench {number} {name}")
        for who in ("m0sim", "board"):
            lines += [f"{who} {number} cycles {each} result 00000000 memory 00000000" for each in cycles]
    log = tmp_path / "log.txt"
    log.write_text(checked(lines))
    done = run("check", str(manifest), "--board", str(log), "--json")
    assert done.code == 0
    assert f"{log}, of code in flash, has nothing to compare with 'two', 'five'" in done.json["notes"]
    log.write_text(checked([line.replace("cycles 5 ", "cycles 4 ") for line in lines]))
    assert run("check", str(manifest), "--board", str(log)).code == 0  # of the warm repeat, which it does not ask for
    log.write_text(
        checked([line.replace(f"board 0 cycles {checked_now['cold']} ", "board 0 cycles 4 ") for line in lines])
    )
    done = run("check", str(manifest), "--board", str(log), "--json")
    assert [b["name"] for b in done.json["benches"] if b["failure"]] == ["cold"]
