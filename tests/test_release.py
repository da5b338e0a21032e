"""What a release is made of: one version, a change log that has it, workflows whose actions cannot change."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from importlib.metadata import Distribution
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from test_cli import Run, run

import m0sim

__all__ = ["run"]

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SOURCE = '__version__ = "1.2.3"\n'
CHANGES = "# Changes\n\n## [Unreleased]\n\n## [1.2.3] - 2027-01-31\n"
CITATION = "title: m0sim\nversion: 1.2.3\nlicense: MIT\n"


def script(name: str) -> ModuleType:
    """A script of .ci as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f".ci/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_version_stands_in_one_place(run: Run) -> None:
    assert run("--version").out == f"m0sim {m0sim.__version__}\n"
    installed = Distribution.from_name("m0sim").version
    assert installed == m0sim.__version__
    places = [
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.toml", "m0sim/*.py", "docs/*.md", ".ci/*", ".github/workflows/*")
        for path in filter(Path.is_file, ROOT.glob(pattern))
        if re.search(rf'version.{{0,5}}["\' =:]{re.escape(m0sim.__version__)}["\'\n]', path.read_text())
    ]
    assert places == ["m0sim/__init__.py"]


def test_the_version_that_is_built() -> None:
    metadata = pytest.importorskip("hatchling.metadata.core")
    manager = pytest.importorskip("hatchling.plugin.manager")
    assert metadata.ProjectMetadata(str(ROOT), manager.PluginManager()).version == m0sim.__version__


def test_the_version_of_now_could_be_released() -> None:
    texts = [(ROOT / name).read_text() for name in ("m0sim/__init__.py", "CHANGELOG.md", "CITATION.cff")]
    assert script("release").problem(f"v{m0sim.__version__}", *texts) == ""


@pytest.mark.parametrize(
    ("tag", "texts", "said"),
    [
        ("v1.2.3", (SOURCE, CHANGES, CITATION), ""),
        ("v1.2.4", (SOURCE, CHANGES, CITATION), "the tag is v1.2.4, and m0sim/__init__.py says 1.2.3"),
        ("1.2.3", (SOURCE, CHANGES, CITATION), "tag v1.2.3, or change the version first"),
        ("v1.2.3", (SOURCE, CHANGES.replace("1.2.3", "1.2x3"), CITATION), "CHANGELOG.md has no line"),
        ("v1.2.3", (SOURCE, CHANGES.replace("-31", ""), CITATION), "CHANGELOG.md has no line"),
        ("v1.2.3", (SOURCE, CHANGES, CITATION.replace("1.2.3", "1.2.30")), "CITATION.cff is not of version 1.2.3"),
    ],
)
def test_a_tag_that_is_not_ready_is_refused(tag: str, texts: tuple[str, str, str], said: str) -> None:
    found = script("release").problem(tag, *texts)
    assert said in found
    assert bool(said) == bool(found)


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda path: path.name)
def test_actions_are_pinned_by_hash(path: Path) -> None:
    used = re.findall(r"uses: *(\S+)(.*)", path.read_text())
    assert used
    for action, remark in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), f"{action}: a tag can be moved"
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", remark), f"{action}: say which version that is"
    assert len({action.partition("@")[0] for action, _ in used}) == len({action for action, _ in used})


def test_workflows_say_what_they_may() -> None:
    for path in WORKFLOWS:
        workflow: dict[str, Any] = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {"contents": "read"}
        allowed = {name: job.get("permissions", {}) for name, job in workflow["jobs"].items()}
        assert {name: what for name, what in allowed.items() if what} in ({}, {"publish": {"id-token": "write"}})
        assert "secrets." not in path.read_text(), "nothing needs a password"


def test_classifiers_are_what_ci_runs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    versions = jobs["test"]["strategy"]["matrix"]["python"]
    said = [line.rpartition(" ")[2] for line in project["classifiers"] if re.search(r"Python :: 3\.\d+$", line)]
    assert said == versions
    assert project["requires-python"] == f">={versions[0]}"
    systems = {name.partition("-")[0] for name in jobs["systems"]["strategy"]["matrix"]["os"]}
    assert systems == {"ubuntu", "macos", "windows"}


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_issue_forms_are_forms(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    assert set(form) == {"name", "description", "labels", "body"}
    for field in form["body"]:
        assert field["type"] in ("textarea", "input")
        assert field["attributes"]["label"]


def test_the_citation_is_whole() -> None:
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert found["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "version"} <= set(found)
    assert found["authors"] == [{"name": "The m0sim authors"}]
