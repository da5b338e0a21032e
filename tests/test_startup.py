"""``startup``: calls that begin with memory as the image's own start-up code left it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import firmware_images
import numpy as np
import pytest
from conftest import Build
from test_cli import Run, run
from test_firmware import Built, built

from m0sim import Fault, Machine
from m0sim.errors import UsageError
from m0sim.image import load_elf

__all__ = ["built", "run"]

pytest_plugins = ["pytester"]

WORDS = np.arange(1, 9, dtype=np.uint32)
POOL = sum(3 * i + 1 for i in range(8))
PLL = 2  # CLK_SYS_SELECTED: RP2040 datasheet, 2.15.7


@pytest.fixture
def machine(built: Built) -> Machine:
    return Machine.from_elf(built("looks_up"))


def test_without_it_pointers_are_blank(machine: Machine) -> None:
    with pytest.raises(Fault):
        machine.call("copy", machine.alloc(32), WORDS, 8)
    assert machine.call("clock_source").result == 0


@pytest.mark.parametrize(
    "options", [{"engine": "unicorn"}, {"engine": "timed"}, {"flash": "cold"}, {"level": "memory"}]
)
def test_functions_that_start_up_looked_up(machine: Machine, options: dict[str, Any]) -> None:
    machine.start_up()
    to = machine.alloc(32)
    cost = machine.call("copy", to, WORDS, 8, startup=True, **options)
    assert (to.read().view(np.uint32) == WORDS).all()
    assert any(name.startswith("bootrom_memcpy") for name in cost.functions)
    assert not cost.findings
    assert machine.call("clock_source", startup=True, **options).result == PLL  # devices answered


def test_it_is_not_counted_and_both_engines_agree(machine: Machine) -> None:
    plain = machine.call("count_up")
    for engine in ("unicorn", "timed"):
        cost = machine.call("count_up", startup=True, engine=engine)
        assert (cost.result, cost.cycles, cost.stack_bytes) == (6, plain.cycles, plain.stack_bytes)
        assert machine.count("count_up", startup=True, engine=engine) == plain.cycles


def test_every_call_begins_with_it_unless_kept(machine: Machine) -> None:
    def counted(**options: Any) -> int:
        result = machine.call("count_up", **options).result
        assert isinstance(result, int)
        return result

    assert [counted(startup=True, keep=True), counted(startup=True, keep=True)] == [6, 7]
    assert [counted(startup=True), counted(startup=True)] == [6, 6]
    assert machine.call("sum_of_pool", startup=True, keep=True).result == POOL
    assert counted() == 6
    assert machine.call("clock_source").result == 0  # as loaded
    assert machine.call("clock_source", startup=True, keep=True).result == PLL
    machine.reset()
    assert machine.call("clock_source").result == 0
    assert machine.call("clock_source", startup=True).result == PLL


def test_it_runs_once_a_machine(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.call("count_up", startup=True)
    monkeypatch.setattr("m0sim.chip.firmware.Firmware.start_up", None)
    machine.call("count_up")
    machine.call("count_up", startup="main")


@pytest.mark.parametrize("level", ["cycles", "memory"])
def test_memory_that_no_symbol_tells_of_is_kept(machine: Machine, level: str) -> None:
    """A pool directly behind the data, where else the first buffer is put."""
    machine.start_up()
    low = machine.alloc(np.full(1000, 0xAA, np.uint8))
    machine.alloc(200_000)
    for _ in range(2):
        cost = machine.call("sum_of_pool", startup=True, level=level)  # type: ignore[arg-type]
        assert (cost.result, cost.findings) == (POOL, ())
    assert (low.read() == 0xAA).all()


def test_a_buffer_in_the_way_is_refused(machine: Machine) -> None:
    buffer = machine.alloc(16, name="early")
    with pytest.raises(UsageError, match=r"start-up code wrote to where early lies.*machine\.start_up\(\)"):
        machine.call("sum_of_pool", startup=True)
    assert machine.call("count_up").result == 6
    buffer.free()
    assert machine.call("sum_of_pool", startup=True).result == POOL


def test_the_heap_goes_on(built: Built) -> None:
    machine = Machine.from_elf(built("allocates"))
    for _ in range(2):
        cost = machine.call("take", 16, startup=True)
        assert (cost.result, cost.heap_bytes) == (2048, 2048 + 16)
    assert machine.call("take", 16, startup=True, keep=True).result == 2048 + 16
    buffer = machine.alloc(64)
    begin = machine.symbol("__bss_end").address
    assert buffer.address >= begin + 2048
    assert machine.call("first_word", startup=True).result == 0x600D
    assert machine.call("take", 16).heap_bytes == 16


def test_up_to_another_function(built: Built) -> None:
    machine = Machine.from_elf(built("looks_up"))
    assert machine.call("clock_source", startup="before_main").result == 0
    assert machine.call("count_up", startup="before_main").result == 6  # .data is there
    assert machine.call("clock_source", startup=True).result == PLL
    provenance = machine.call("count_up", startup="before_main").provenance
    assert provenance is not None
    assert provenance.startup == "before_main"


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("nobody_calls_this", r"never came to nobody_calls_this: ended by exit: _exit\(0\)"),
        ("mian", "no symbol 'mian'.*did you mean 'main'"),
    ],
)
def test_control_that_never_comes_there(machine: Machine, function: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        machine.call("count_up", startup=function)
    assert machine.call("count_up").result == 6


def test_an_image_without_vectors_is_refused(build: Build) -> None:
    machine = Machine.from_elf(build("hot.S"))
    with pytest.raises(UsageError, match="never came to sum_to: ended by"):
        machine.start_up("sum_to")


def test_an_image_in_sram(tmp_path: Path) -> None:
    machine = Machine.from_elf(firmware_images.build("looks_up", tmp_path, in_ram=True))
    assert machine.call("clock_source", startup=True).result == PLL
    assert machine.call("sum_of_pool", startup=True).result == POOL


def test_what_is_blank_without_start_up_is_no_warning_after_it(built: Built) -> None:
    blank = replace(load_elf(built("looks_up")), warnings=(".data is compressed",))
    machine = Machine(blank)
    assert ".data is compressed" in machine.call("count_up").warnings
    assert not machine.call("count_up", startup=True).warnings


def test_call_and_annotate(run: Run, built: Built, tmp_path: Path) -> None:
    image = str(built("looks_up"))
    (tmp_path / "a.bin").write_bytes(WORDS.tobytes())
    words = ("copy", "out:32", f"@{tmp_path / 'a.bin'}", "8")
    done = run("call", "--startup", image, *words, "--json")
    assert (done.code, done.json["outputs"][0]["bytes"]) == (0, WORDS.tobytes().hex())
    assert done.json["provenance"]["startup"] == "main"
    assert run("call", image, *words).code == 1
    assert run("call", image, "clock_source", "--startup=before_main", "--json").json["result"] == 0
    assert run("call", image, "clock_source", "--startup", "--json").json["result"] == PLL
    assert "bootrom_memcpy" in run("annotate", image, "--startup", *words).out
    done = run("call", image, "count_up", "--startup=nobody_calls_this")
    assert done.code == 2
    assert "never came" in done.err


def test_check(run: Run, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.bin").write_bytes(WORDS.tobytes())
    head = f"image = {str(built('looks_up'))!r}\n[[bench]]\nname = 'x'\n"
    bench = "function = 'copy'\nargs = ['out:32', '@a.bin', 8]\nexpect = 8\n"
    manifest = tmp_path / "m0sim.toml"
    for text, code in (("", 1), ("startup = true\n", 0), ("startup = 'main'\n", 0), ("startup = false\n", 1)):
        manifest.write_text(head + bench + text)
        assert run("check").code == code, text
    manifest.write_text(head + bench + "startup = 'nobody_calls_this'\n")
    (found,) = run("check", "--json").json["benches"]
    assert (found["status"], found["failure"]["kind"]) == ("failed", "refused")
    for text, told in (("startup = 'mian'", "startup: no symbol 'mian'"), ("startup = 1", "startup: must be")):
        manifest.write_text(head + bench + text)
        done = run("check")
        assert (done.code, "m0sim.toml:7: bench 'x': " + told in done.err) == (2, True), done.err


def test_the_fixture_of_pytest(built: Built, pytester: pytest.Pytester) -> None:
    (pytester.path / "a.elf").write_bytes(built("looks_up").read_bytes())
    pytester.makepyfile(
        """
        def test_pool(m0sim):
            m = m0sim("a.elf", startup=True)
            m.alloc(64)
            assert m.call("sum_of_pool").result == 92
            assert m.call("clock_source", startup=False).result == 0
            m0sim.check(m.call("sum_of_pool"))
        """
    )
    pytester.runpytest().assert_outcomes(passed=1)


def test_json_has_no_start_up_where_there_was_none(run: Run, built: Built) -> None:
    done = run("call", str(built("looks_up")), "count_up", "--json")
    assert json.loads(done.out)["provenance"]["startup"] is None
