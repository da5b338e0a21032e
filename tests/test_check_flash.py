"""``check`` and the pytest plugin with flash that lets wait, at other clocks, and on either engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Build, quick_of
from test_check import BENCHES, N, Project, bench, last_line, project
from test_check_formats import figures
from test_check_manifest import HEAD, Load, load
from test_cli import ROOT, Run, run

from m0sim import Machine
from m0sim.check import baseline, manifest, measure
from m0sim.check import run as checks
from m0sim.check.formats import FORMATS
from m0sim.check.manifest import Manifest
from m0sim.check.result import Result
from m0sim.chip.options import ENGINES, Engine
from m0sim.errors import UsageError

__all__ = ["load", "project", "run"]

TOP = 'image = "app.elf"\n'
# Four halfwords, one 64-bit word of flash: STM32G0 waits for it 0, 1 or 2 cycles up to 24, 48 and 64 MHz (RM0444).
STRAIGHT = np.array([0xBF00, 0xBF00, 0xBF00, 0x4770], np.uint16).tobytes()
STRAIGHT_CYCLES = 3 + 2


# ------------------------------------------------------------------------------------------------------- the manifest


def test_what_a_bench_says_wins(load: Load) -> None:
    text = HEAD + "[[bench]]\nname = 'y'\nfunction = 'f'\nflash = 'ideal'\nengine = 'timed'\nclock = 24_000_000"
    (plain,) = load(HEAD).benches
    assert (plain.flash, plain.engine, plain.clock_hz) == ("ideal", None, None)
    first, second = load("flash = 'warm'\nengine = 'unicorn'\nclock = '64M'\n" + text).benches
    assert (first.flash, first.engine, first.clock_hz) == ("warm", "unicorn", 64_000_000)
    assert (second.flash, second.engine, second.clock_hz) == ("ideal", "timed", 24_000_000)


@pytest.mark.parametrize(
    ("top", "more", "line", "named"),
    [
        ("", "flash = 'wram'", 5, ["bench 'x'", "flash", "ideal, cold, warm", "did you mean 'warm'"]),
        ("flash = 1\n", "", 1, ["flash", "a string"]),
        ("", "engine = 'timd'", 5, ["bench 'x'", "engine", "unicorn, timed", "did you mean 'timed'"]),
        ("engine = 'Unicorn'\n", "", 1, ["engine", "did you mean 'unicorn'"]),
        ("", "clock = 'fast'", 5, ["bench 'x'", "clock", "'fast'", "64M"]),
        ("", "clock = 0", 5, ["clock", "'0'", "64M"]),
        ("clock = 1.5\n", "", 1, ["clock", "1.5", "64M"]),
        ("", "clock = true", 5, ["clock", "True"]),
    ],
)
def test_what_the_manifest_has_wrong(load: Load, top: str, more: str, line: int, named: list[str]) -> None:
    assert_refused(lambda: load(top + HEAD + more), line, named)


@pytest.mark.parametrize(
    ("top", "more", "line", "named"),
    [
        ("", "profile = 'cc2340'\nflash = 'cold'", 6, ["bench 'x': flash", "cc2340", "flash ideal"]),
        ("flash = 'cold'\n", "profile = 'cc2340'", 1, ["bench 'x': flash", "cc2340"]),
        ("", "flash = 'warm'\nengine = 'unicorn'", 6, ["bench 'x': engine", "'warm' needs the timed engine"]),
        ("engine = 'unicorn'\n", "flash = 'warm'", 1, ["bench 'x': engine", "'warm' needs the timed engine"]),
        ("", "engine = 'unicorn'\nfail_on = ['outside']", 5, ["bench 'x': engine", "'memory' needs the timed"]),
        ("", "profile = 'samd21'\nclock = '96M'", 6, ["bench 'x': clock", "48 MHz"]),
        ("", "profile = 'stm32g0'\nclock = '65M'", 6, ["bench 'x': clock", "64 MHz"]),
    ],
)
def test_what_only_the_part_shows(load: Load, build: Build, top: str, more: str, line: int, named: list[str]) -> None:
    text = f"{top}image = {str(build('hot.S', flags=('-g',)))!r}\n[[bench]]\nname = 'x'\nfunction = 'same'\n{more}"
    assert_refused(lambda: measure.verify(load(text).benches, measure.Images()), line, named)


def assert_refused(action: Any, line: int, named: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        action()
    message = str(caught.value)
    assert f"m0sim.toml:{line}: " in message
    assert "\n" not in message
    assert all(part in message for part in named), message


def test_refusals_of_the_command(run: Run, project: Project) -> None:
    project.write(top='flash = "warm"\n' + TOP)
    for engine, said in (("unicorn", "m0sim.toml:"), ("timid", "did you mean 'timed'")):
        done = run("check", "--engine", engine)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert said in done.err


# --------------------------------------------------------------------------------------------------------- the cycles


@pytest.mark.parametrize("model", ["cold", "warm"])
def test_cycles_are_those_of_a_call(run: Run, project: Project, model: str) -> None:
    machine = Machine.from_elf(project.folder / "app.elf")
    ideal, waiting = (machine.call("sum_to", N, flash=each) for each in ("ideal", model))
    assert waiting.cycles > ideal.cycles or model == "warm"
    project.write(BENCHES + "flash = 'ideal'\n", top=f'flash = "{model}"\n' + TOP)
    done = run("check", "--json")
    assert (bench(done)["cycles"], bench(done)["instructions"]) == (waiting.cycles, ideal.instructions)
    assert (bench(done)["flash"], bench(done)["wait_states"]) == (model, 0)
    assert (bench(done, "same")["flash"], bench(done, "same")["cycles"]) == ("ideal", 2)


def straight(folder: Path, *benches: str) -> Path:
    """A manifest of benches of the same code, in a raw binary."""
    (folder / "straight.bin").write_bytes(STRAIGHT)
    top = 'image = "straight.bin"\nbase = 0x08000000\nprofile = "stm32g0"\nflash = "cold"\n'
    made = (f"[[bench]]\nname = 'b{i}'\nfunction = '0x08000000'\n{more}\n" for i, more in enumerate(benches))
    (folder / "m0sim.toml").write_text(top + "".join(made))
    return folder / "m0sim.toml"


def test_wait_states_at_the_clock_of_a_bench(run: Run, tmp_path: Path) -> None:
    """By hand: the one word of flash is waited for once."""
    path = straight(tmp_path, "clock = '24M'", "clock = '48M'", "clock = 64_000_000", "clock = '64M'\nflash = 'ideal'")
    found = run("check", path, "--json").json["benches"]
    assert [one["cycles"] - STRAIGHT_CYCLES for one in found] == [0, 1, 2, 0]
    assert [one["wait_states"] for one in found] == [0, 1, 2, 0]


# ------------------------------------------------------------------------------------------------ apart in baselines


def test_a_baseline_of_another_flash_is_none(run: Run, project: Project) -> None:
    run("check", "--update")
    of_ideal = project.baseline.read_bytes()
    assert b"flash" not in of_ideal  # an older m0sim reads it
    project.write(top='flash = "cold"\n' + TOP)
    done = run("check")
    assert (done.code, last_line(done)) == (0, "0 unchanged, 0 improved, 0 regressed, 2 new")
    said = "the baseline is with ideal flash, this is with cold flash: not compared; updating the baseline stores this"
    assert done.out.count(f"warning: {said}") == 2
    found = bench(run("check", "--json"))
    assert (found["status"], found["baseline"], found["before"], found["where"]) == ("new", None, None, None)
    assert found["warnings"] == [said]
    assert run("check", "--strict").code == 1
    assert run("check", "--update").code == 0
    assert last_line(run("check", "--strict")) == "2 unchanged, 0 improved, 0 regressed, 0 new"
    project.write(top='flash = "warm"\n' + TOP)
    assert last_line(run("check")) == "0 unchanged, 0 improved, 0 regressed, 2 new"
    project.write()
    assert last_line(run("check")) == "0 unchanged, 0 improved, 0 regressed, 2 new"
    assert run("check", "--update").code == 0
    assert project.baseline.read_bytes() == of_ideal


def test_a_baseline_of_other_wait_states_is_none(run: Run, tmp_path: Path) -> None:
    """Of another clock with the same wait states, it is one."""
    run("check", straight(tmp_path, "clock = '25M'"), "--update")
    statuses = {}
    for clock in ("24M", "48M", "64M"):
        (found,) = run("check", straight(tmp_path, f"clock = '{clock}'"), "--json").json["benches"]
        statuses[clock] = found["status"]
    assert statuses == {"24M": "new", "48M": "unchanged", "64M": "new"}
    (found,) = run("check", tmp_path, "--json").json["benches"]
    assert "with cold flash, 1 wait state, this is with cold flash, 2 wait states" in found["warnings"][0]


def test_diff_compares_and_says_so(run: Run, project: Project) -> None:
    """Two files that somebody names are compared: what flash adds is what one may want to see."""
    for model in ("ideal", "cold"):
        project.write(top=f'flash = "{model}"\n' + TOP)
        run("check", "--update", "--baseline", f"{model}.json")
        run("call", "app.elf", "sum_to", N, "--flash", model, "-o", f"call-{model}.json")
    for prefix in ("", "call-"):
        done = run("diff", f"{prefix}ideal.json", f"{prefix}cold.json")
        assert "the baseline is with ideal flash, this is with cold flash" in done.out
        assert "1 regressed" in last_line(done) or "2 regressed" in last_line(done)
        assert "the baseline is with" not in run("diff", f"{prefix}cold.json", f"{prefix}cold.json").out


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"flash": "wram"}, "flash: unknown flash model 'wram': one of ideal, cold, warm; did you mean 'warm'?"),
        ({"flash": 1}, "flash: must be a string"),
        ({"flash": None}, "flash: must be a string"),
        ({"flash": "cold", "wait_states": -1}, "wait_states: must be an integer from 0"),
        ({"flash": "cold", "wait_states": "2"}, "wait_states: must be an integer from 0"),
    ],
)
def test_a_damaged_baseline(tmp_path: Path, entry: dict[str, Any], named: str) -> None:
    text = json.loads(baseline.to_bytes({"x": figures(5)}))
    text["benches"]["x"] |= entry
    path = tmp_path / "b.json"
    path.write_text(json.dumps(text))
    with pytest.raises(UsageError) as caught:
        baseline.read(path)
    assert f"{path}: bench 'x': {named}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_names_the_flash(run: Run, tmp_path: Path, name: str) -> None:
    """Of a bench that regressed, since annotations tell only of those what they cost."""
    path = straight(tmp_path, "clock = '64M'\nmax_cycles = 6", "flash = 'ideal'\nmax_cycles = 4")
    out = run("check", path, "--format", name).out
    waits = "cold flash, 2 wait states"
    if name == "json":
        assert [(b["flash"], b["wait_states"]) for b in json.loads(out)["benches"]] == [("cold", 2), ("ideal", 0)]
    else:
        assert waits in out.replace("%2C", ",").replace("&#40;", "(").replace("&#41;", ")")
        assert out.count("cold") == out.count("cold flash")
        assert "ideal" not in out


# -------------------------------------------------------------------------------------------------------- the engines


def results(path: Path | Manifest, engine: Engine, jobs: int = 1) -> Result:
    found = manifest.load(path) if isinstance(path, Path) else path
    return checks.check(found, checks.Options(engine=engine, jobs=jobs))


def test_engines_give_the_same_object(run: Run, project: Project) -> None:
    """With a fault, a wrong result, and stubs among the benches."""
    project.write(
        BENCHES
        + "stubs = { helper = 5 }\n"
        + "[[bench]]\nname = 'crash'\nfunction = 'crash'\n"
        + "[[bench]]\nname = 'down'\nfunction = 'down'\nargs = [9]\nexpect = 3\nbefore = ['sum_to(3)']\n"
        + "[[bench]]\nname = 'hangs'\nfunction = 'forever'\nstop_after = 1000\n"
    )
    run("check", "--only", "sum", "--update")
    objects = [run("check", "--json", "--engine", engine).json for engine in ENGINES]
    assert objects[0] == objects[1]
    assert [b["status"] for b in objects[0]["benches"]] == ["unchanged", "new", "failed", "failed", "failed"]


def test_the_engine_is_the_one_that_was_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[object] = []
    call = Machine.call

    def noted(machine: Machine, *args: Any, **options: Any) -> Any:
        cost = call(machine, *args, **options)
        assert cost.provenance is not None
        engines.append(cost.provenance.engine)
        return cost

    monkeypatch.setattr(Machine, "call", noted)
    project.write(BENCHES + "engine = 'timed'\n")
    checks.check(manifest.load(project.folder), checks.Options())
    for engine in ENGINES:
        results(project.folder, engine)
    assert engines == ["unicorn", "timed", "unicorn", "unicorn", "timed", "timed"]


@pytest.mark.parametrize("engine", quick_of(ENGINES, ["unicorn"]))  # the other's cycles: tests/test_timed.py
def test_the_baseline_of_the_kernels_holds_on_both_engines(engine: Engine) -> None:
    """All of it: cycles, stack, code, and executions and cycles of every instruction, as they are in the file."""
    kernels = manifest.load(ROOT / "kernels")
    stored = baseline.read(kernels.baseline)
    verdicts = results(kernels, engine).verdicts
    assert [v.reasons for v in verdicts if v.is_bad] == []
    assert {v.name: v.figures for v in verdicts} == stored
    assert len(stored) > 30
