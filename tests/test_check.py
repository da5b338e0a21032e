"""``m0sim check`` and ``m0sim diff`` from end to end, on firmware whose cost a flag changes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Build, quick_of
from pace import children_seconds, slowdown
from test_cli import PROGRAM, ROOT, Outcome, Run, run, run_apart, start

from m0sim.check import baseline, manifest, measure

__all__ = ["run"]

N = 100
SLOW_COSTS = N  # a NOP in the loop
FAST_CYCLES = 3 + 1 + N * (1 + 1 + 2) - 1 + 3 + (1 + 2) + 5  # push 2; loop; bl; helper; pop with pc 2
BENCHES = f"""
[[bench]]
name = "sum"
function = "sum_to"
args = [{N}]
expect = {N * (N + 1) // 2}

[[bench]]
name = "same"
function = "same"
args = [7]
"""


@dataclass
class Project:
    """A folder with firmware, a manifest and perhaps a baseline."""

    folder: Path
    builds: dict[str, Path]

    @property
    def baseline(self) -> Path:
        return self.folder / "m0sim-baseline.json"

    def use(self, build: str) -> None:
        """Make a build the firmware of the manifest."""
        shutil.copy(self.builds[build], self.folder / "app.elf")

    def write(self, benches: str = BENCHES, top: str = 'image = "app.elf"\n') -> None:
        (self.folder / "m0sim.toml").write_text(top + benches)


@pytest.fixture
def project(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    flags = {"fast": (), "slow": ("-DSLOW",), "renamed": ("-DOLD_NAME",)}
    found = Project(tmp_path, {name: build("hot.S", flags=("-g", *more)) for name, more in flags.items()})
    found.use("fast")
    found.write()
    monkeypatch.chdir(tmp_path)
    return found


def last_line(done: Outcome) -> str:
    return done.out.splitlines()[-1]


def bench(done: Outcome, name: str = "sum") -> dict[str, Any]:
    return next(b for b in done.json["benches"] if b["name"] == name)


# ------------------------------------------------------------------------------------------------- the usual course


def test_from_new_to_red(run: Run, project: Project) -> None:
    done = run("check")
    assert (done.code, last_line(done), done.err) == (0, "0 unchanged, 0 improved, 0 regressed, 2 new", "")
    assert "note: there is no baseline yet: m0sim check --update writes one" in done.out
    assert not project.baseline.exists()
    done = run("check", "--update")
    assert (done.code, done.err) == (0, "m0sim: m0sim-baseline.json written: 2 new, 0 updated, 0 unchanged\n")
    assert "no baseline" not in done.out
    done = run("check")
    assert (done.code, last_line(done)) == (0, "2 unchanged, 0 improved, 0 regressed, 0 new")
    project.use("slow")
    done = run("check")
    assert (done.code, last_line(done)) == (1, "1 unchanged, 0 improved, 1 regressed, 0 new")
    assert "\x1b" not in done.out
    assert run("check", "--update").code == 0
    project.use("fast")
    done = run("check")
    assert (done.code, last_line(done)) == (0, "1 unchanged, 1 improved, 0 regressed, 0 new")


def test_an_update_says_what_it_writes(run: Run, project: Project) -> None:
    run("check", "--update")
    project.use("slow")
    done = run("check", "--update")
    assert (done.code, done.err) == (0, "m0sim: m0sim-baseline.json written: 0 new, 1 updated, 1 unchanged\n")
    assert last_line(done) == "1 unchanged, 0 improved, 0 regressed, 0 new, 1 updated"
    cycles = f"{FAST_CYCLES:,} -> {FAST_CYCLES + SLOW_COSTS:,} cycles"
    assert any(line.startswith(f"sum: updated, {cycles}") for line in done.out.splitlines())
    project.use("fast")
    assert {b["name"]: b["status"] for b in run("check", "--update", "--json").json["benches"]} == {
        "sum": "updated",  # not improved: it says what becomes of the baseline
        "same": "unchanged",
    }
    project.write(BENCHES.replace('"same"', '"again"', 1))
    assert run("check", "--update").err.endswith("written: 1 new, 0 updated, 1 unchanged, 1 removed\n")


CODE = 'image = "app.elf"\ntolerance = { code = "0%" }\n'


def test_code_is_that_of_the_functions_that_ran(run: Run, project: Project, build: Build) -> None:
    """A byte elsewhere in the image turns no bench red; one in a function turns those red that run it, by its name."""
    project.write(top=CODE)
    run("check", "--update")
    sizes = {s["name"]: s["size"] for s in run("list", "app.elf", "--json").json["functions"]}
    before = run("check", "--json").json["benches"]
    assert [b["executed_bytes"] for b in before] == [sizes["sum_to"] + sizes["helper"], sizes["same"]]
    assert bench(run("check", "--json"))["limits"][-1]["name"] == "tolerance_code"

    project.builds["more"] = build("hot.S", "pools.S", flags=("-g",))
    project.use("more")
    done = run("check")
    assert (done.code, last_line(done)) == (0, "2 unchanged, 0 improved, 0 regressed, 0 new")
    old, new = before[0]["code_bytes"], bench(run("check", "--json"))["code_bytes"]
    assert new > old > sum(b["executed_bytes"] for b in before)
    assert f"code of the whole image: {old} -> {new} bytes" in done.out

    project.use("slow")
    found = run("check")
    grown = sizes["sum_to"]
    reason = f"tolerance allows {grown + sizes['helper']} bytes of code: over by 2; sum_to {grown} -> {grown + 2}"
    assert reason in [line.strip() for line in found.out.splitlines()]
    assert bench(run("check", "--json"))["sizes"] == [{"name": "sum_to", "old": grown, "new": grown + 2}]
    assert bench(run("check", "--json"), "same")["sizes"] == []


def test_code_without_a_symbol_is_what_was_executed(run: Run, tmp_path: Path) -> None:
    """A raw binary: nobody knows where a function ends."""
    (tmp_path / "x.bin").write_bytes(bytes.fromhex("00bf 7047") + bytes(96))
    (tmp_path / "m0sim.toml").write_text(
        'image = "x.bin"\nbase = 0x10000000\n[[bench]]\nname = "x"\nfunction = "0x10000000"\nmax_code = 4\n'
    )
    found = bench(run("check", tmp_path, "--json"), "x")
    assert (found["status"], found["executed_bytes"], found["code_bytes"]) == ("new", 4, 100)


def test_a_budget_of_code_names_the_largest(run: Run, project: Project) -> None:
    project.write(BENCHES.replace('name = "sum"', 'name = "sum"\nmax_code = 3'))
    found = bench(run("check", "--json"))
    size = found["executed_bytes"]
    assert found["status"] == "regressed"
    assert f"max_code 3: over by {size - 3}; largest sum_to {size - 4}, helper 4" in run("check").out


def test_a_baseline_of_an_older_version(run: Run, project: Project) -> None:
    project.write(top=CODE)
    run("check", "--update")
    whole = project.baseline.read_text()
    project.baseline.write_text(re.sub(r' *"bytes": \d+,\n', "", whole))
    done = run("check")
    assert (done.code, last_line(done)) == (0, "2 unchanged, 0 improved, 0 regressed, 0 new")
    assert "warning: the baseline has no sizes of functions: code is not compared" in done.out
    done = run("check", "--update")
    assert done.err.endswith("written: 0 new, 2 updated, 0 unchanged\n")
    assert project.baseline.read_text() == whole


def test_the_instruction_that_came_is_named_and_shown(run: Run, project: Project) -> None:
    run("check", "--update")
    project.use("slow")
    found = bench(run("check", "--json"))
    assert (found["status"], found["baseline"], found["cycles"]) == (
        *("regressed", FAST_CYCLES, FAST_CYCLES + SLOW_COSTS),
    )
    assert found["limits"] == [
        {"name": "tolerance_cycles", "limit": FAST_CYCLES, "value": FAST_CYCLES + SLOW_COSTS, "exceeded": True}
    ]
    (function,) = found["where"]["functions"]
    assert (function["name"], function["new"] - function["old"]) == ("sum_to", SLOW_COSTS)
    source = (ROOT / "tests/firmware/hot.S").read_text().splitlines()
    nop = f"hot.S:{source.index('    nop') + 1}"
    assert function["lines"] == [{"source": nop, "old": None, "new": SLOW_COSTS}]
    (hunk,) = function["instructions"]
    assert [(row["old"] or {}).get("assembly") for row in hunk] == ["adds r2, r2, r0", None, "subs r0, #1"]
    assert hunk[1]["new"] == {
        "offset": 6,
        "code": hunk[1]["new"]["code"],
        "assembly": "nop",
        "source": nop,
        "executions": N,
        "cycles": N,
    }
    text = run("check").out
    assert any(line.split()[:4] == ["+", "|", "0006", "nop"] for line in text.splitlines())


def test_a_function_under_another_name(run: Run, project: Project) -> None:
    project.use("renamed")
    run("check", "--update")
    project.use("fast")
    done = run("check", "--json")
    assert (bench(done)["status"], bench(done)["cycles"]) == ("unchanged", FAST_CYCLES)
    assert [(f["name"], f["old"], f["new"]) for f in bench(done)["where"]["functions"]] == [
        ("helper", None, 3),
        ("old_helper", 3, None),
    ]


def test_calls_are_kept_by_name(run: Run, project: Project) -> None:
    project.write(BENCHES + "[[bench]]\nname = 'down'\nfunction = 'down'\nargs = [2]\n")
    run("check", "--update")
    found = baseline.read(project.baseline)
    for name, function, code in (("sum", "sum_to", "bl helper"), ("down", "down", "bl down")):
        assert [row.code for row in found[name].functions[function].rows if len(row.code) > 4] == [code]


def test_functions_account_for_all_cycles(run: Run, project: Project) -> None:
    run("check", "--update")
    for figures in baseline.read(project.baseline).values():
        assert sum(f.self_cycles for f in figures.functions.values()) == figures.cycles
        for function in figures.functions.values():
            assert sum(row.cycles for row in function.rows) == function.self_cycles
        assert sum(r.executions for f in figures.functions.values() for r in f.rows) == figures.instructions


# -------------------------------------------------------------------------------------------------------- baselines


def test_baselines_are_the_same_bytes(run: Run, project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    run("check", "--update")
    first = project.baseline.read_bytes()
    assert run("check", "--update").err == "m0sim: m0sim-baseline.json is up to date\n"
    for options in (("--jobs", 2), ("-j1",)):
        assert run("check", "--update", "--baseline", "other.json", *options).code == 0
        assert Path("other.json").read_bytes() == first
    elsewhere = tmp_path_factory.mktemp("elsewhere")  # the same project in another folder
    shutil.copytree(project.folder, elsewhere, dirs_exist_ok=True)
    assert run("check", elsewhere / "m0sim.toml", "--update", "--baseline", "third.json").code == 0
    assert Path("third.json").read_bytes() == first


@pytest.mark.long
def test_two_updates_at_once_lose_nothing(project: Project) -> None:
    processes = [start("check", "--update", "--only", name) for name in ("sum", "same")]
    for process in processes:
        told = "m0sim: m0sim-baseline.json written: 1 new, 0 updated, 0 unchanged\n"
        assert process.communicate(timeout=60)[1] == told
    assert baseline.read(project.baseline).keys() == {"sum", "same"}


def test_an_update_keeps_what_another_process_stored_meanwhile(
    run: Run, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("check", "--update")
    stored = baseline.read(project.baseline)
    both, project_now = project.baseline.read_bytes(), measure.measure

    def measured(*args: Any, **options: Any) -> Any:
        project.baseline.write_bytes(both)  # now that the baseline has been read
        return project_now(*args, **options)

    baseline.write(project.baseline, {"same": stored["same"]})
    monkeypatch.setattr(measure, "measure", measured)
    assert run("check", "--update", "--only", "same").code == 0
    assert baseline.read(project.baseline) == stored


def other_pythons() -> list[str]:
    names = [f"python3.{minor}" for minor in range(11, 20) if minor != sys.version_info.minor]
    return [path for name in names if (path := shutil.which(name))]


def test_another_python_writes_the_same_bytes(run: Run, project: Project) -> None:
    probe = "import capstone, numba, numpy, rich, click, unicorn"
    able = [p for p in other_pythons() if subprocess.run([p, "-c", probe], capture_output=True).returncode == 0]
    if not able:
        pytest.skip("no other Python with m0sim's dependencies is on PATH")
    run("check", "--update")
    for python in able:
        command = [python, *PROGRAM[1:], "check", "--update", "--baseline", "other.json"]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert Path("other.json").read_bytes() == project.baseline.read_bytes()


def test_sources_are_told_without_the_folder(run: Run, project: Project, build: Build) -> None:
    inside = project.folder / "src"
    inside.mkdir()
    for name in ("mine.c", "../other.c"):
        (inside / name).write_text(f"int {Path(name).stem}(int x) {{ return x + 1; }}\n")
    elf = build(inside / "mine.c", project.folder / "other.c")
    deeper = project.folder / "src" / "m0sim.toml"
    deeper.write_text(
        f"image = {str(elf)!r}\n"
        + "".join(f"[[bench]]\nname='{n}'\nfunction='{n}'\nargs=[1]\n" for n in ("mine", "other"))
    )
    assert run("check", deeper, "--update").code == 0
    text = deeper.with_name("m0sim-baseline.json").read_text()
    assert '"mine.c:1"' in text  # beside the manifest
    assert '"other.c:1"' in text  # above it: the name alone
    assert str(project.folder) not in text


def test_update_of_one_bench_keeps_the_others(run: Run, project: Project) -> None:
    run("check", "--update")
    old = baseline.read(project.baseline)
    project.use("slow")
    assert run("check", "--update", "--only", "sum").code == 0
    new = baseline.read(project.baseline)
    assert new["same"] == old["same"]
    assert new["sum"].cycles == old["sum"].cycles + SLOW_COSTS


def test_while_updating_no_tolerance_is_in_the_way(run: Run, project: Project) -> None:
    """But one sees what is accepted."""
    done = run("check", "--update", "--strict")
    assert (done.code, "no baseline" in done.out) == (0, False)
    project.use("slow")
    done = run("check", "--update", "--json")
    assert (done.code, bench(done)["status"], bench(done)["baseline"]) == (0, "updated", FAST_CYCLES)
    assert bench(done)["cycles"] == FAST_CYCLES + SLOW_COSTS
    assert bench(done)["limits"] == []


def test_a_baseline_that_must_be_there(run: Run, project: Project) -> None:
    done = run("check", "--baseline", "typo.json")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "typo.json: there is no such baseline" in done.err
    assert run("check", "--baseline", "typo.json", "--update").code == 0
    assert run("check", "--baseline", "typo.json").code == 0


def test_a_baseline_that_cannot_be_written_is_refused_before_the_work(run: Run, project: Project) -> None:
    project.write("[[bench]]\nname='endless'\nfunction='forever'\n")
    done = run("check", "--update", "--baseline", "none/b.json")
    assert (done.code, done.out, done.err) == (2, "", "m0sim: none/b.json: cannot write: there is no folder none\n")


def test_two_manifests_in_a_folder(run: Run, project: Project) -> None:
    (project.folder / "other.toml").write_text((project.folder / "m0sim.toml").read_text())
    assert (
        run("check", "other.toml", "--update").err
        == "m0sim: other-baseline.json written: 2 new, 0 updated, 0 unchanged\n"
    )
    assert not project.baseline.exists()


def test_benches_that_are_gone(run: Run, project: Project) -> None:
    run("check", "--update")
    project.write(BENCHES[: BENCHES.rindex("[[bench]]")])
    done = run("check")
    assert (done.code, last_line(done)) == (0, "1 unchanged, 0 improved, 0 regressed, 0 new")
    assert "note: the baseline has a bench 'same'" in done.out
    done = run("check", "--format", "github")
    assert "'same'" in done.err
    assert len(json.loads(done.out)) == 4
    assert "same" not in run("check", "--only", "sum").out
    run("check", "--update")
    assert baseline.read(project.baseline).keys() == {"sum"}


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ('function = "crash"', "fault: "),
        ('function = "same"\nargs = [1]\nexpect = 2', "expect: returned 1, expected 2"),
        ('function = "same"\nargs = ["out:300K"]', "refused: "),
    ],
)
def test_update_refuses_what_failed(run: Run, project: Project, broken: str, told: str) -> None:
    run("check", "--update")
    before = project.baseline.read_bytes()
    project.use("slow")
    project.write(BENCHES + f'[[bench]]\nname = "broken"\n{broken}\n')
    done = run("check", "--update")
    assert done.code == 1
    assert done.err == "m0sim: m0sim-baseline.json: not written: 'broken' failed\n"
    assert told in done.out
    assert last_line(done) == "2 unchanged, 0 improved, 0 regressed, 0 new, 1 failed"
    assert project.baseline.read_bytes() == before
    assert run("check", "--update", "--only", "sum").code == 0


def test_a_damaged_baseline(run: Run, project: Project) -> None:
    project.baseline.write_text("{")
    for options in ((), ("--update",)):
        done = run("check", *options)
        assert (done.code, done.err.count("\n"), done.out) == (2, 1, "")
        assert project.baseline.read_text() == "{"


# ----------------------------------------------------------------------------------------------------------- limits


def test_budgets_hold_with_and_without_a_baseline(run: Run, project: Project) -> None:
    project.write(BENCHES + 'max_cycles = 1\nmax_stack = "1K"\n')
    for options in ((), ("--update",), ()):  # an update cures no budget
        done = run("check", *options)
        assert done.code == 1
        assert "  max_cycles 1: over by 1" in done.out
    project.write(BENCHES + "max_cycles = 2\n")
    assert run("check").code == 0


def test_tolerance(run: Run, project: Project) -> None:
    run("check", "--update")
    project.use("slow")
    percent = 100 * SLOW_COSTS / FAST_CYCLES
    for part, code in ((percent + 0.001, 0), (percent - 0.001, 1)):
        project.write(BENCHES, top=f'image = "app.elf"\ntolerance = "{part:.6f}%"\n')
        done = run("check", "--json")
        assert (done.code, bench(done)["status"]) == (code, "regressed" if code else "unchanged")
        assert bench(done)["where"]  # shown either way


def test_strict(run: Run, project: Project) -> None:
    assert run("check", "--strict").code == 1
    done = run("check", "--strict", "--update")
    assert done.code == 0
    assert run("check", "--strict").code == 0


@pytest.mark.parametrize(
    ("keys", "fine"),
    [
        ("function='high'\nargs=[5]\nresult='s64'\nexpect=4294967301", True),
        ("function='high'\nargs=[5]\nresult='u64'\nexpect=4294967300", False),
        ("function='same'\nargs=[-1]\nresult='u32'\nexpect=4294967295", True),
        ("function='same'\nargs=[-1]\nexpect=-1", True),
        ("function='same'\nargs=['f32:0.1']\nresult='f32'\nexpect=0.1", True),
        ("function='same'\nargs=['f32:nan']\nresult='f32'\nexpect=nan", True),
        ("function='same'\nargs=['f32:0.1']\nresult='f32'\nexpect=0.2", False),
        ("function='same'\nargs=['f64:0.1']\nresult='f64'\nexpect=0.1", True),
        ("function='same'\nresult='void'", True),
        ("function='third'\nargs=[['@in.bin', 5, 8]]\nexpect=15", True),
        ("function='sum_to'\nargs=[3]\nstubs={helper=9}\nexpect=9\nbefore=['same']", True),
        ("function='sum_to'\nargs=[3]\nstubs={helper=[9, 8]}\nregisters={0x4004c004='1,2'}\nexpect=9", True),
    ],
)
def test_expectations(run: Run, project: Project, keys: str, fine: bool) -> None:
    Path("in.bin").write_bytes(b"\x07")
    project.write(f"[[bench]]\nname = 'x'\n{keys}\n")
    done = run("check", "--json")
    assert bench(done, "x")["status"] == ("new" if fine else "failed")
    assert done.code == (0 if fine else 1)


def test_a_fault_is_a_failure_with_its_place(run: Run, project: Project) -> None:
    project.write("[[bench]]\nname='x'\nfunction='crash'\nmax_cycles=1\n")
    done = run("check", "--json")
    found = bench(done, "x")
    assert (done.code, found["status"], found["cycles"], found["baseline"]) == (1, "failed", None, None)
    assert (found["fault"]["kind"], found["fault"]["function"], found["failure"]["kind"]) == (
        *("unaligned", "crash", "fault"),
    )
    assert "crash+0x2 (" in run("check").out


def test_what_never_ends_is_stopped(run: Run, project: Project) -> None:
    project.write("[[bench]]\nname='x'\nfunction='forever'\nstop_after=100_000\n" + BENCHES)
    done = run("check")
    assert done.code == 1
    assert re.search(r"fault: the limit of 100,000 cycles was reached, at 0x[0-9a-f]{8}, forever\+", done.out)


def test_warnings_are_shown(run: Run, project: Project) -> None:
    project.write("[[bench]]\nname='x'\nfunction='same'\nstubs={helper=1}\n")
    assert "warning: the stub helper was never called" in run("check").out


# ----------------------------------------------------------------------------------------------- images, other runs


def test_against_another_image(run: Run, project: Project) -> None:
    project.use("slow")
    project.baseline.write_text("no baseline is read")
    done = run("check", "--against", project.builds["fast"], "--json")
    assert (done.code, bench(done)["status"], bench(done)["baseline"]) == (1, "regressed", FAST_CYCLES)
    assert run("check", "--against", project.builds["slow"]).code == 0
    assert run("check", "--against", "none.elf").code == 2
    for option in ("--update", "--baseline=x.json"):
        assert "--against" in run("check", "--against", project.builds["fast"], option).err


def test_against_an_image_without_the_function(run: Run, project: Project, build: Build) -> None:
    done = run("check", "--against", build("calls.S", flags=("-g", f"-I{ROOT / 'tests/firmware'}")))
    assert done.code == 0
    assert last_line(done) == "0 unchanged, 0 improved, 0 regressed, 2 new"
    assert "bench 'sum': no symbol 'sum_to'" in done.out


def test_the_build_runs_first(run: Run, project: Project) -> None:
    (project.folder / "app.elf").unlink()
    project.write(top=f'image = "app.elf"\nbuild = "echo building; cp {project.builds["fast"]} app.elf"\n')
    assert run("check", "--no-build").code == 2
    done = run_apart("check", "--json", cwd=project.folder)
    assert (done.code, done.err.splitlines()[0]) == (0, "building")
    assert len(done.json["benches"]) == 2
    project.write(top='image = "app.elf"\nbuild = "exit 7"\n')
    done = run_apart("check", cwd=project.folder)
    assert (done.code, done.out, done.err) == (1, "", "m0sim: the build failed with exit code 7: exit 7\n")


def test_only(run: Run, project: Project) -> None:
    done = run("check", "--only", "same", "--json")
    assert [b["name"] for b in done.json["benches"]] == ["same"]
    done = run("check", "--only", "smae")
    assert (done.code, "did you mean 'same'" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("none.toml",), "none.toml"),
        (("--format", "jnuit"), "junit"),
        (("--write", "junit"), "NAME=FILE"),
        (("--write", "xml=a"), "xml"),
        (("--write", "junit=none/a.xml"), "none/a.xml"),
        (("-o", "none/a.json"), "none/a.json"),
        (("--jobs", "0"), "--jobs"),
        (("--jobs", "x"), "--jobs"),
        (("--updat",), "--update"),
        (("--json", "--format", "text"), "--write text=FILE"),
        (("--json", "--format", "junit"), "leave one out"),
    ],
)
def test_bad_usage_is_one_line(run: Run, project: Project, options: tuple[str, ...], named: str) -> None:
    done = run("check", *options)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert named in done.err


def test_help_tells_the_exit_codes(run: Run) -> None:
    text = run("check", "--help").out
    assert all(re.search(rf"^ +{code}  \w", text, re.MULTILINE) for code in (0, 1, 2))


# ------------------------------------------------------------------------------------------------------------- diff


def test_diff_of_baselines(run: Run, project: Project) -> None:
    run("check", "--update", "--baseline", "a.json")
    project.use("slow")
    project.write(BENCHES.replace('"same"\nfunc', '"other"\nfunc'))
    run("check", "--update", "--baseline", "b.json")
    done = run("diff", "a.json", "b.json")
    assert done.code == 0
    assert last_line(done) == "0 unchanged, 0 improved, 1 regressed, 1 new"
    assert "note: 'same' is in a.json only" in done.out
    assert "nop" in done.out
    assert run("diff", "a.json", "b.json", "--exit-code").code == 1
    assert run("diff", "b.json", "a.json", "--exit-code").code == 0


def test_diff_of_calls(run: Run, project: Project) -> None:
    for name in ("fast", "slow", "renamed"):
        run("call", project.builds[name], "sum_to", N, "-o", f"{name}.json")
    done = run("diff", "fast.json", "slow.json", "--json")
    found = bench(done, "sum_to")
    assert (found["baseline"], found["cycles"]) == (FAST_CYCLES, FAST_CYCLES + SLOW_COSTS)
    assert [(f["name"], f["new"] - f["old"]) for f in found["where"]["functions"]] == [("sum_to", SLOW_COSTS)]
    moved = bench(run("diff", "renamed.json", "fast.json", "--json"), "sum_to")["where"]["functions"]
    assert [f["name"] for f in moved] == ["helper", "old_helper"]
    run("call", project.builds["fast"], "same", 1, "-o", "same.json")
    done = run("diff", "same.json", "slow.json", "--json")
    assert bench(done, "sum_to")["baseline"] == 2
    assert done.err == "m0sim: 'sum_to' of slow.json is compared with 'same' of same.json\n"


def test_diff_of_single_benches_goes_by_their_names(run: Run, project: Project) -> None:
    run("check", "--update", "--only", "sum", "--baseline", "a.json")
    run("check", "--update", "--only", "same", "--baseline", "b.json")
    done = run("diff", "a.json", "b.json")
    assert last_line(done) == "0 unchanged, 0 improved, 0 regressed, 1 new"
    assert "note: 'sum' is in a.json only" in done.out


def test_a_bench_of_another_function(run: Run, project: Project) -> None:
    run("check", "--update")
    project.write(BENCHES.replace('"sum_to"', '"same"').replace(f"expect = {N * (N + 1) // 2}\n", ""))
    assert "  the baseline is of the function sum_to, this is same" in run("check").out


@pytest.mark.parametrize("content", ["", "{}", "[]", "5", '{"function": 5}', '{"function": "f", "memory": {}}'])
def test_diff_of_what_is_neither(run: Run, project: Project, content: str) -> None:
    Path("a.json").write_text(content)
    done = run("diff", "a.json", "a.json")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "a.json: " in done.err
    assert run("diff", "a.json", "none.json").code == 2


# -------------------------------------------------------------------------------------------------------- processes


@pytest.mark.parametrize("jobs", quick_of([1, 2], [2]))
def test_interrupt_leaves_the_baseline(run: Run, project: Project, jobs: int) -> None:
    run("check", "--update")
    before = project.baseline.read_bytes()
    project.use("slow")
    endless = "[[bench]]\nname='endless'\nfunction='forever'\n"
    project.write(BENCHES + endless, top='image = "app.elf"\nbuild = "touch started"\n')
    process = start("check", "--update", "--jobs", jobs, cwd=project.folder, start_new_session=True)
    while not (project.folder / "started").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(jobs)  # to get to the endless one; a moment earlier must do as well
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "interrupted" in err
    assert "Traceback" not in err
    assert project.baseline.read_bytes() == before
    assert sorted(os.listdir(project.folder)) == ["app.elf", "m0sim-baseline.json", "m0sim.toml", "started"]
    with pytest.raises(ProcessLookupError):  # nobody of that session is left
        wait_for_the_end_of(process.pid)


def wait_for_the_end_of(session: int) -> None:
    for _ in range(300):
        os.killpg(session, 0)
        time.sleep(0.1)


def test_interrupt_names_the_bench(run: Run, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    real = measure.run

    def stopped(bench: manifest.Bench, folder: Path, images: measure.Images) -> measure.Measurement:
        if bench.name == "same":
            raise KeyboardInterrupt
        return real(bench, folder, images)

    monkeypatch.setattr(measure, "run", stopped)
    assert (run("check").code, run("check").err) == (1, "m0sim: bench 'same': interrupted\n")


@pytest.mark.long
def test_fifty_benches_of_a_million_instructions(project: Project) -> None:
    count = 1_000_000 // 3
    project.write("".join(f"[[bench]]\nname='b{i:02}'\nfunction='sum_to'\nargs=[{count + i}]\n" for i in range(50)))
    before = children_seconds()
    done = run_apart("check", "--json", cwd=project.folder)
    assert children_seconds() - before < 10 * slowdown()
    assert min(b["instructions"] for b in done.json["benches"]) > 999_000
