"""The GitHub Action: its shell steps run as a runner would run them, on a small project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
SEVEN = bytes([7, 0x20, 0x70, 0x47])
"""MOVS r0, #7; BX LR: three cycles."""
SLOWER = bytes([7, 0x20, 0xC0, 0x46, 0x70, 0x47])
"""MOVS r0, #7; MOV r8, r8; BX LR: four."""
MANIFEST = """
image = "seven.bin"
base = 0x10000000
[[bench]]
name = "seven"
function = "0x10000000"
expect = 7
"""


@dataclass(frozen=True)
class Ran:
    code: int
    log: str
    summary: str
    outputs: dict[str, str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "m0sim.toml").write_text(MANIFEST)
    (tmp_path / "seven.bin").write_bytes(SEVEN)
    return tmp_path


def run(project: Path, **inputs: str) -> Ran:
    """The action's own shell step, with the inputs and files that a runner gives it."""
    (step,) = (step for step in STEPS if step.get("id") == "check")
    given = {name: str(default.get("default", "")) for name, default in ACTION["inputs"].items()} | inputs
    environment = {name: _expanded(value, given) for name, value in step["env"].items()}
    summary, outputs = project / "summary", project / "outputs"
    summary.write_text("")
    outputs.write_text("")
    files = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(outputs)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=project,
        env={**os.environ, "PATH": path, **environment, **files},
        capture_output=True,
        text=True,
        timeout=60,
    )
    pairs = (line.partition("=") for line in outputs.read_text().splitlines())
    return Ran(done.returncode, done.stdout + done.stderr, summary.read_text(), {k: v for k, _, v in pairs})


def _expanded(value: str, given: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], value)


def test_a_new_bench_passes_and_every_file_is_there(project: Path) -> None:
    ran = run(project)
    assert ran.code == 0, ran.log
    assert re.search(r"\| *seven *\|.*new", ran.summary)
    assert json.loads((project / ran.outputs["json"]).read_text())["summary"]["new"] == 1
    assert ET.parse(project / ran.outputs["junit"]).getroot().find(".//testcase") is not None
    (cycles,) = (
        entry for entry in json.loads((project / ran.outputs["benchmark"]).read_text()) if entry["unit"] == "cycles"
    )
    assert cycles["value"] == 3


def test_a_slower_one_fails_with_a_table_and_an_annotation(project: Path) -> None:
    subprocess.run([sys.executable, "-m", "m0sim", "check", "--update"], cwd=project, check=True, capture_output=True)
    (project / "seven.bin").write_bytes(SLOWER)
    ran = run(project)
    assert ran.code == 1
    assert re.search(r"::error file=m0sim\.toml,line=4,", ran.log)
    assert "regressed" in ran.summary


def test_arguments_are_passed_on(project: Path) -> None:
    assert run(project, arguments="--strict --no-build").code == 1


def test_a_bad_manifest_leaves_nothing_of_the_last_run(project: Path) -> None:
    before = run(project)
    (project / "m0sim.toml").write_text("image = 5\n")
    ran = run(project)
    assert (ran.code, ran.summary, ran.outputs) == (2, "", {})
    assert "::error title=m0sim check::m0sim.toml was not measured, exit code 2" in ran.log
    assert not (project / before.outputs["json"]).exists()


def test_inputs_never_become_shell_code(project: Path) -> None:
    """They reach the steps by environment variables only."""
    assert not any("${{" in step.get("run", "") for step in STEPS)
    ran = run(project, manifest="$(touch hacked).toml", output="out; touch hacked")
    assert ran.code == 2
    assert not (project / "hacked").exists()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_scripts_parse() -> None:
    for step in STEPS:
        if "run" in step:
            subprocess.run(["bash", "-n", "-c", step["run"]], check=True)


def test_every_input_and_output_is_described_and_used() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    for name, entry in {**ACTION["inputs"], **ACTION["outputs"]}.items():
        assert entry["description"], name
    for name in ACTION["inputs"]:
        assert f"inputs.{name}" in text
