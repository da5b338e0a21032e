"""examples/ci: the repository to copy builds, passes its limits, and goes red by a slower function."""

from __future__ import annotations

import re
import shutil
import struct
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from json_schemas import require
from test_cli import run_apart

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples/ci"
NEEDED = ("cmake", "make", "arm-none-eabi-gcc")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, in which CMake writes."""
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    folder = tmp_path / "repository"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build", "*-baseline.json"))
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.long
def test_from_a_copy_to_a_red_build(repository: Path) -> None:
    """No count is compared: another compiler makes other code. What must hold are results, and limits with room."""
    done = run_apart("check", "--update", "--json")
    assert done.code == 0, done.err
    assert [bench["name"] for bench in done.json["benches"]] == [
        *(f"energy n={n}" for n in (16, 32, 64, 256)),
        "peak",
    ]
    (growth,) = done.json["growth"]
    assert growth["kind"] == "linear"
    assert all(limit["value"] * 1.5 < limit["limit"] for b in done.json["benches"] for limit in b["limits"])
    assert run_apart("check", "--strict").out.splitlines()[-1] == "5 unchanged, 0 improved, 0 regressed, 0 new"

    source = repository / "src/signal.c"
    sum_of_squares = "        sum += samples[i] * samples[i];\n"
    assert sum_of_squares in source.read_text()
    slow = '        for (uint32_t k = 0; k <= i; k++)\n            __asm__ volatile("nop");\n'
    source.write_text(
        source.read_text().replace("i++)\n" + sum_of_squares, "i++) {\n" + slow + sum_of_squares + "    }\n")
    )
    done = run_apart("check")
    assert done.code == 1
    assert "max_cycles 6,000: over by" in done.out
    assert "src/signal.c:" in done.out, "source lines are told from the repository's folder on"
    assert "growth of energy with n: linear -> quadratic" in done.out

    source.write_text(source.read_text().replace(slow, "").replace("sum +=", "sum -="))
    done = run_apart("check")
    assert (done.code, "returned -1240, expected 1240" in done.out) == (1, True)


def test_what_the_manifest_expects_is_what_the_samples_give() -> None:
    manifest = tomllib.loads((EXAMPLE / "m0sim.toml").read_text())
    require(manifest, "manifest")
    samples = [value for (value,) in struct.iter_unpack("<h", (EXAMPLE / "tests/samples.bin").read_bytes())]
    energy, peak = manifest["bench"]
    ((names, rows),) = energy["matrix"].items()
    assert names == "n, sum, most"
    assert [total for _, total, _ in rows] == [sum(s * s for s in samples[:n]) for n, _, _ in rows]
    assert (peak["expect"], peak["args"][1]) == (max(samples), len(samples))


def test_its_workflow_is_one_for_our_action() -> None:
    path = EXAMPLE / ".github/workflows/cost.yml"
    workflow: dict[str, Any] = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    steps = workflow["jobs"]["cost"]["steps"]
    (ours,) = [step for step in steps if step.get("uses", "").startswith("OWNER/m0sim@")]
    inputs = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    assert set(ours["with"]) <= set(inputs)
    others = [step["uses"] for step in steps if "uses" in step and step is not ours]
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", use) for use in others)
    assert set(others) <= set(re.findall(r"uses: (\S+)", (ROOT / ".github/workflows/ci.yml").read_text()))


def test_its_readme_names_what_is_there() -> None:
    named = re.findall(r"`([\w./-]+)`", (EXAMPLE / "README.md").read_text())
    made = {"m0sim-baseline.json", "build/signal.elf", "arm-none-eabi-gcc", "main"}
    missing = [name for name in named if name not in made and not (EXAMPLE / name).exists()]
    assert missing == []
