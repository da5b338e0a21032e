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
    return _step("check", project, {f"inputs.{name}": value for name, value in inputs.items()}, {})


def _step(id_: str, project: Path, values: dict[str, str], more: dict[str, str]) -> Ran:
    """A step of the action, with values of expressions, and more environment than it has itself."""
    (step,) = (step for step in STEPS if step.get("id") == id_)
    given = {f"inputs.{name}": str(default.get("default", "")) for name, default in ACTION["inputs"].items()} | values
    environment = {name: _expanded(value, given) for name, value in step["env"].items()}
    summary, outputs = project / "summary", project / "outputs"
    summary.write_text("")
    outputs.write_text("")
    files = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(outputs)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=project,
        env={**os.environ, "PATH": path, **environment, **files, **more},
        capture_output=True,
        text=True,
        timeout=60,
    )
    pairs = (line.partition("=") for line in outputs.read_text().splitlines())
    return Ran(done.returncode, done.stdout + done.stderr, summary.read_text(), {k: v for k, _, v in pairs})


def _expanded(value: str, given: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda found: given[found[1]], value)


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


GH = """#!/usr/bin/env python3
import json, os, sys
calls = os.environ["CALLS"]
words = sys.argv[1:]
body = next((open(w[6:]).read() for w in words if w.startswith("body=@")), None)
with open(calls, "a") as file:
    file.write(json.dumps({"words": words, "body": body, "token": os.environ["GH_TOKEN"]}) + "\\n")
if os.environ.get("REFUSES", "none") in " ".join(words):
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
if "--paginate" in words:
    for page in json.loads(os.environ["PAGES"]):
        print(json.dumps(page))
"""
"""What the runner's `gh` does, as far as the step asks: notes each call, and answers with pages of comments."""
BOT = {"login": "github-actions[bot]"}


def comment(project: Path, ran: Ran, pages: list[Any], *, fork: bool = False, event: Any = None, **more: str) -> Any:
    """The step that comments, behind one that checked; with the calls of `gh` that it made."""
    commands = project / "commands"
    commands.mkdir(exist_ok=True)
    (commands / "gh").write_text(GH)
    (commands / "gh").chmod(0o755)
    source = {"full_name": "someone/firmware" if fork else "owner/firmware"}
    pull = {"pull_request": {"number": 7, "head": {"repo": source}}}
    (project / "event.json").write_text(json.dumps(pull if event is None else event))
    (project / "calls").write_text("")
    done = _step(
        "comment",
        project,
        {"steps.check.outputs.markdown": ran.outputs["markdown"], "github.token": "a-token"},
        {
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_EVENT_PATH": str(project / "event.json"),
            "GITHUB_REPOSITORY": "owner/firmware",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_RUN_ID": "99",
            "CALLS": str(project / "calls"),
            "PAGES": json.dumps(pages),
            **more,
        },
    )
    return done, [json.loads(line) for line in (project / "calls").read_text().splitlines()]


def test_a_pull_request_gets_one_comment_that_is_kept_up_to_date(project: Path) -> None:
    ran = run(project)
    table = (project / ran.outputs["markdown"]).read_text()
    done, (asked, wrote) = comment(project, ran, [[]])
    assert done.code == 0, done.log
    assert asked["words"] == ["api", "--paginate", "repos/owner/firmware/issues/7/comments"]
    assert wrote["words"][:4] == ["api", "--method", "POST", "repos/owner/firmware/issues/7/comments"]
    assert (wrote["body"], wrote["token"]) == (table, "a-token")
    others = [
        {"id": 1, "user": BOT, "body": "<!-- another tool -->\n"},
        {"id": 2, "user": {"login": "someone"}, "body": table},
        {"id": 3, "user": None, "body": None},
        {"id": 4, "user": BOT, "body": table.replace("m0sim.toml -->", "other.toml -->")},
    ]
    _, (_, wrote) = comment(project, ran, [others, []])
    assert "POST" in wrote["words"]
    _, (_, wrote) = comment(project, ran, [others, [{"id": 5, "user": BOT, "body": table.replace("new", "old")}]])
    assert wrote["words"][:4] == ["api", "--method", "PATCH", "repos/owner/firmware/issues/comments/5"]
    assert wrote["body"] == table


def test_no_comment_where_none_can_be(project: Path) -> None:
    """On a push, from a fork, and without the permission: said, and no reason to fail."""
    ran = run(project)
    done, calls = comment(project, ran, [[]], event={"ref": "refs/heads/main"})
    assert (done.code, calls) == (0, [])
    done, calls = comment(project, ran, [[]], fork=True)
    assert (done.code, calls) == (0, [])
    assert "::notice title=m0sim check::a pull request from a fork may not comment" in done.log
    done, calls = comment(project, ran, [[]], REFUSES="--paginate")
    assert (done.code, len(calls)) == (0, 1)
    assert "::warning title=m0sim check::cannot read comments: give the job 'permissions: pull-requests" in done.log
    done, calls = comment(project, ran, [[]], REFUSES="POST")
    assert (done.code, len(calls)) == (0, 2)
    assert "::warning title=m0sim check::cannot comment: give the job" in done.log


def test_a_runner_without_gh_is_told_and_does_not_fail(project: Path, tmp_path: Path) -> None:
    ran = run(project)
    few = tmp_path / "few"
    few.mkdir()
    for name in ("bash", "jq"):
        (few / name).symlink_to(str(shutil.which(name)))
    done = _step(
        "comment",
        project,
        {"steps.check.outputs.markdown": ran.outputs["markdown"], "github.token": "t"},
        {"PATH": str(few)},
    )
    assert (done.code, done.log) == (0, "::warning title=m0sim check::cannot comment: this runner has no gh\n")


def test_a_comment_that_would_be_too_long_is_cut_between_lines(project: Path) -> None:
    ran = run(project)
    table = (project / ran.outputs["markdown"]).read_text()
    (project / ran.outputs["markdown"]).write_text(table + "| ü |\n" * 5 + f"<details>\n\n{'x' * 70_000}\n")
    _, (_, wrote) = comment(project, ran, [[]])
    link = "[summary of the job](https://github.example/owner/firmware/actions/runs/99)"
    assert wrote["body"].splitlines()[-1] == f"The rest is in the {link}."
    assert wrote["body"].startswith(table.splitlines()[0])
    assert "| ü |" in wrote["body"]
    assert "<details>" not in wrote["body"]
    (project / ran.outputs["markdown"]).write_text(table + "| ü |\n" * 20_000)
    _, (_, wrote) = comment(project, ran, [[]])
    assert 49_000 < len(wrote["body"].encode()) < 60_000
    assert set(wrote["body"].splitlines()[-4:-2]) == {"| ü |", ""}


def test_it_comments_only_where_it_is_asked_to() -> None:
    (step,) = (step for step in STEPS if step.get("id") == "comment")
    assert "inputs.comment == 'true'" in step["if"]
    assert ACTION["inputs"]["comment"]["default"] == "false"


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
