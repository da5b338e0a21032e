"""How findings are told: source lines, the verb, the manifest, a test of pytest."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Build, quick_of

import m0sim.chip.machine  # noqa: F401  # now: pytester forgets what its runs import, and NumPy cannot be imported twice
from m0sim import Machine, UsageError, cli
from m0sim.check import manifest, measure

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parent.parent
Run = Callable[..., tuple[int, str, str]]

SOURCE = """
__attribute__((noinline)) int past(const int *p) { return p[2]; }
int sum(const int *p) { return p[0] + past(p); }
"""


@pytest.fixture(scope="module")
def elf(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source") / "reads.c"
    source.write_text(SOURCE)
    return build(source, flags=("-O1", "-g"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`m0sim` in this process."""

    def ran(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["m0sim", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return int(caught.value.code or 0), *capsys.readouterr()

    return ran


def test_source_lines(elf: Path) -> None:
    machine = Machine.from_elf(elf)
    (finding,) = machine.call("sum", machine.alloc(8), level="memory").findings
    assert finding.source is not None
    assert (finding.function, Path(finding.source[0]).name, finding.source[1]) == ("past", "reads.c", 2)


def test_the_verb_exits_1_with_cost_and_findings(elf: Path, run: Run) -> None:
    code, out, err = run("call", elf, "sum", "out:8", "--fail-on", "outside,uninitialised", "--json")
    shown: dict[str, Any] = json.loads(out)
    assert code == 1
    assert "note: --fail-on counts at level memory" in err
    assert shown["level"] == "memory"
    assert shown["fault"]["kind"] == "outside"
    assert [(f["function"], f["source"]["line"], f["distance"]) for f in shown["findings"]] == [("past", 2, 1)]
    assert shown["cycles"] > 0


def test_the_verb_exits_0_without_findings_or_where_they_only_warn(elf: Path, run: Run) -> None:
    assert run("call", elf, "sum", "out:12", "--fail-on", "outside,uninitialised", "--json")[0] == 0
    code, out, err = run("call", elf, "sum", "out:8", "--level", "memory")
    assert code == 0
    assert "warning: outside: past+0x" in out
    code, out, err = run("call", elf, "sum", "out:8", "--fail-on", "outside")
    assert code == 1
    assert "inclusive cycles" in out
    assert "fault: outside: read 4 bytes at 0x20" in err
    code, out, err = run("call", elf, "sum", "out:8", "--fail-on", "inside")
    assert code == 2
    assert "unknown finding 'inside'" in err


def test_the_manifest(elf: Path, tmp_path: Path) -> None:
    def measured(more: str) -> measure.Measurement:
        text = f'image = "{elf}"\n[[bench]]\nname = "sum"\nfunction = "sum"\nargs = ["out:8"]\n{more}\n'
        (tmp_path / "m0sim.toml").write_text(text)
        (bench,) = manifest.load(tmp_path / "m0sim.toml").benches
        return measure.run(bench, tmp_path, measure.Images())

    assert measured("").failure is None
    failure = measured('fail_on = ["outside"]').failure
    assert failure is not None
    assert failure.kind == "fault"
    assert "directly behind the end of" in failure.text
    assert measured('fail_on = ["uninitialised"]').failure is None
    with pytest.raises(UsageError, match=r"m0sim.toml:6: .*fail_on.*one of outside, uninitialised"):
        measured('fail_on = ["all"]')


@pytest.mark.parametrize("every", quick_of([1, 5], [5]))
def test_the_bundled_kernels_have_none(every: int) -> None:
    benches = manifest.load(ROOT / "kernels/m0sim.toml").benches
    images = measure.Images()
    for bench in benches[::every]:
        looked = measure.run(replace(bench, fail_on=("outside", "uninitialised")), ROOT, images)
        assert looked.failure is None, bench.name
    assert len(benches) > 30


def test_a_test_of_pytest_fails(elf: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        def test_sum(m0sim):
            machine = m0sim({str(elf)!r})
            machine.call("sum", machine.alloc(8), fail_on=["outside"])
        """
    )
    pytester.runpytest_inprocess().stdout.fnmatch_lines(["*outside: read 4 bytes at 0x*in past+0x*"])
