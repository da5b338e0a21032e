"""``m0sim init``: what it writes is a manifest that `m0sim check` takes as it is, and never over another file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from conftest import FIRMWARE, Build
from test_cli import Run, run

from m0sim import Machine
from m0sim.check import first, manifest

__all__ = ["run"]


def uncommented(text: str) -> str:
    """The manifest as it is once a person has taken the # away from the benches that want operands."""
    starts = ("# [[", "# name", "# func", "# args", "# res", "# fail")
    lines = [line.removeprefix("# ") if line.startswith(starts) else line for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def test_what_it_writes_is_checked_as_it_is(run: Run, build: Build, tmp_path: Path) -> None:
    elf, path = build("memory.c", flags=("-O1", "-g")), tmp_path / "m0sim.toml"
    done = run("init", elf, "-o", path)
    assert (done.code, done.err) == (0, "")
    assert (
        done.out == f"{path}: 3 benches, and 0 more as comments that want their operands\nnext: m0sim check --update\n"
    )
    assert run("check", path, "--update").code == 0
    assert run("check", path, "--json", "--strict").json["summary"]["unchanged"] == 3
    found = {bench.name: bench for bench in manifest.load(path).benches}
    assert found["touch"].image == path.parent / tomllib.loads(path.read_text())["image"]
    assert found["product"].result == "f32"  # type: ignore[union-attr]
    # what it says that they return is what they do return
    path.write_text(path.read_text().replace("# expect", "expect"))
    assert run("check", path, "--json").json["summary"]["unchanged"] == 3
    assert "expect = 2.25" in path.read_text()


def test_operands_that_nobody_can_guess_are_left_to_the_user(run: Run, build: Build, tmp_path: Path) -> None:
    elf, path = build("signatures.c", flags=("-O1", "-g")), tmp_path / "m0sim.toml"
    found = run("init", elf, "-o", path, "--json").json
    assert len(found["benches"]) == first.MOST
    ready = {bench["name"] for bench in found["benches"] if bench["missing"] is None}
    assert ready == {bench.name for bench in manifest.load(path).benches} == {"long_sum"}
    missing = {bench["name"]: bench["missing"] for bench in found["benches"]}
    assert missing["by_value"] == "a value for p"
    assert "samples, many, callback" in missing["first"]
    assert "in the place of ..." in missing["variadic"]
    whole = tmp_path / "whole.toml"
    whole.write_text(uncommented(path.read_text()))
    benches = {bench.name: bench for bench in manifest.load(whole).benches}
    assert set(benches) == set(missing)
    assert benches["first"].fail_on == ("outside",)
    assert benches["by_value"].fail_on == ()


def test_functions_that_do_not_return_are_comments(run: Run, tmp_path: Path, build: Build) -> None:
    source = tmp_path / "waits.c"
    source.write_text(
        "int twice(int a) { return 2 * a; }\n"
        "int waits(int a) { while (!(*(volatile int *)0x40000000 & a)); return a; }\n"
        'void spins(void) { for (;;) __asm__ volatile(""); }\n'
        "int main(void) { return twice(1); }\n"
        "void SysTick_Handler(void) { twice(2); }\n"
        "int memcmp_words(int n) { return n; }\n"
        "static __attribute__((noinline, used)) int local(int a) { return a; }\n"
    )
    elf, path = build(source, flags=("-O1", "-g")), tmp_path / "m0sim.toml"
    found = {bench["name"]: bench["missing"] for bench in run("init", elf, "-o", path, "--json").json["benches"]}
    assert set(found) == {"twice", "waits", "spins"}
    assert found["twice"] is None
    assert "these end in a fault (" in found["waits"]
    assert "these end in a fault (" in found["spins"]
    assert run("check", path, "--update").code == 0


def test_without_debug_information_nothing_is_guessed(run: Run, build: Build, tmp_path: Path) -> None:
    elf, path = build("calls.S", flags=(f"-I{FIRMWARE}",)), tmp_path / "bench.toml"
    done = run("init", elf, "-o", path)
    assert done.code == 0
    assert done.out.startswith(f"{path}: 0 benches, and ")
    assert done.out.endswith(
        "next: give one of them its operands; an image of C that was compiled with -g tells which\n"
    )
    assert "which no debug information tells" in path.read_text()
    manifest.load(Path(path.write_text(uncommented(path.read_text())) and path))


def test_other_settings_are_kept(run: Run, build: Build, tmp_path: Path) -> None:
    path = tmp_path / "m0sim.toml"
    elf = build("memory.c", flags=("-O1", "-g"))
    assert run("init", elf, "-o", path, "--profile", "stm32g0").code != 0, "its flash is elsewhere"
    assert not path.exists()
    settings = [("image", 'a"b.bin'), ("base", 0x10000000), ("profile", "rp2040")]
    assert tomllib.loads(first.text((), settings)) == dict(settings)


@pytest.mark.parametrize("content", ["mine\n", ""])
def test_a_file_that_is_there_stays(run: Run, build: Build, tmp_path: Path, content: str) -> None:
    path = tmp_path / "m0sim.toml"
    path.write_text(content)
    done = run("init", build("memory.c", flags=("-O1", "-g")), "-o", path)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"m0sim: {path}: is there already: name another file with -o, or delete it\n"
    assert path.read_text() == content


@pytest.mark.parametrize("name", ["\x7f", 'a"b', "a\\b", "é", "\t"])
def test_texts_are_toml(name: str) -> None:
    assert tomllib.loads(f"x = {first._value(name)}") == {"x": name}


def test_the_machine_is_left_as_it_was(build: Build) -> None:
    machine = Machine.from_elf(build("memory.c", flags=("-O1", "-g")))
    assert first.proposals(machine) == first.proposals(machine)
