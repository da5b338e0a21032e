"""The history of checks: every run is a line, no line is lost, and the page shows what the file has."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import Build
from json_schemas import require
from test_check import BENCHES, FAST_CYCLES, SLOW_COSTS, Project
from test_check_formats import NASTY, result_of
from test_cli import Run as RunVerb
from test_cli import run
from test_page import HOSTILE

from m0sim.check import history, history_page
from m0sim.check.history import Commit, Entry, Run
from m0sim.errors import UsageError
from m0sim.names import printable

__all__ = ["run"]

WHEN = datetime(2026, 11, 29, 18, 30, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture
def project(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    builds = {name: build("hot.S", flags=("-g", *more)) for name, more in {"fast": (), "slow": ("-DSLOW",)}.items()}
    found = Project(tmp_path, builds)
    found.use("fast")
    found.write()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return found


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=n", "-c", "user.email=e")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def lines(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for line in found:
        require(line, "history-line")
    return found


def entry(cycles: int | None, status: str = "unchanged", waits: str = "") -> Entry:
    return Entry(status, waits, cycles, 8, 64, None)  # type: ignore[arg-type]


def a_run(benches: dict[str, Entry], commit: str | None = "c", time: str = "2026-01-01T00:00:00Z") -> Run:
    return Run(time, None if commit is None else Commit(commit), "0.1.0", benches)


# ------------------------------------------------------------------------------------------------------------ writing


def test_each_check_adds_a_line(run: RunVerb, project: Project) -> None:
    path = project.folder / "costs.jsonl"
    assert run("check", "--update", "--history", "costs.jsonl").code == 0
    first = path.read_bytes()
    project.use("slow")
    assert run("check", "--history", "costs.jsonl", "--commit", "v1.2").code == 1
    assert path.read_bytes().startswith(first)
    one, two = lines(path)
    assert {name: each["cycles"] for name, each in one["benches"].items()} == {"sum": FAST_CYCLES, "same": 2}
    assert (one["commit"], one["changed"]) == (None, False)
    assert (two["commit"], two["benches"]["sum"]["status"]) == ("v1.2", "regressed")
    assert two["benches"]["sum"]["cycles"] == FAST_CYCLES + SLOW_COSTS
    assert abs(datetime.fromisoformat(two["time"]) - datetime.now(UTC)) < timedelta(hours=1)
    project.write(BENCHES.replace("expect = 5050", "expect = 1").replace('"same"\nargs', '"crash"\nargs'))
    run("check", "--history", "costs.jsonl", "--only", "sum")
    assert [(name, each["status"]) for name, each in lines(path)[2]["benches"].items()] == [("sum", "failed")]


def test_the_commit_is_what_git_has_checked_out(run: RunVerb, project: Project) -> None:
    """The files that a check writes itself are no change of it, and nor is what git does not know."""
    path = project.folder / "costs.jsonl"
    git(project.folder, "init", "-q")
    run("check", "--history", path)  # no commit yet
    git(project.folder, "add", ".")
    git(project.folder, "commit", "-qm", "x")
    head = git(project.folder, "rev-parse", "HEAD")
    run("check", "--update", "--history", path)
    (project.folder / "unknown.txt").touch()
    run("check", "--history", path)
    project.write(BENCHES + "\n")
    run("check", "--history", path)
    found = [(line["commit"], line["changed"]) for line in lines(path)]
    assert found == [(None, False), (head, False), (head, False), (head, True)]


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert history.commit_in(tmp_path, ()) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--history", "none/x.jsonl"), "there is no folder none"),
        (("--history", "."), "is a directory"),
        (("--history", "/dev/null"), "a history is a regular file"),
        (("--history", "x", "--commit", "a\nb"), "--commit must be a name"),
        (("--history", "x", "--commit", ""), "--commit must be a name"),
        (("--history", "x", "--commit", "x" * 201), "at most 200 letters"),
        (("--commit", "x"), "--commit is for a line of --history FILE"),
    ],
)
def test_bad_usage_is_told_before_the_work(run: RunVerb, project: Project, words: tuple[str, ...], told: str) -> None:
    project.write(top='image = "app.elf"\nbuild = "touch built"\n')
    done = run("check", *words)
    assert (done.code, done.err.count("\n"), done.out) == (2, 1, "")
    assert told in done.err
    assert not (project.folder / "built").exists()


def test_a_line_that_was_left_unfinished_costs_that_line_only(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, a_run({"x": entry(1)}))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    history.append(path, a_run({"x": entry(2)}))
    assert path.read_bytes().startswith(whole + whole[:40] + b"\n")
    runs, notes = history.read(path)
    assert [run.benches["x"].cycles for run in runs] == [1, 2]
    assert notes == [f"{path}:2: is damaged: left out"]


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: history.append(path, a_run({"x": entry(i)})), range(40)))
    runs, notes = history.read(path)
    assert (sorted(run.benches["x"].cycles or 0 for run in runs), notes) == (list(range(40)), [])


def test_any_result_is_a_line_that_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    made = history.run_of(result_of(NASTY), Commit("\ud800 x", is_changed=True), WHEN)
    assert made.time == "2026-11-29T17:30:00Z"
    assert {name.rpartition(" ")[2]: each.status for name, each in made.benches.items()} == {
        **{name: name for name in ("unchanged", "improved", "regressed", "new")},
        **dict.fromkeys(("faulted", "missed"), "failed"),
    }
    history.append(path, made)
    require(json.loads(path.read_text()), "history-line")
    assert path.read_bytes().count(b"\n") == 1
    assert history.read(path) == ([made], [])


# ------------------------------------------------------------------------------------------------------------ reading

GOOD = history.run_object(a_run({"x": entry(1)}))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ({"schema": 2}, "has schema 2, and this m0sim reads 1"),
        ({"schema": True}, "is no run of a check"),
        ({"benches": []}, "is no run of a check"),
        ({"commit": 5}, "is no run of a check"),
        ({"time": None}, "has no time"),
        ({"benches": {"x": {}}}, "has a bench without a status"),
        ({"benches": {"x": GOOD["benches"]["x"] | {"cycles": -1}}}, "has cycles that are no count"),
        ({"benches": {"x": GOOD["benches"]["x"] | {"stack": 1.5}}}, "has stack that are no count"),
    ],
)
def test_a_line_that_is_no_run_is_left_out_and_told(tmp_path: Path, damage: dict[str, Any], told: str) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text("\n".join(json.dumps(each) for each in (GOOD, GOOD | damage, GOOD)))
    runs, notes = history.read(path)
    assert (len(runs), notes) == (2, [f"{path}:2: {told}: left out"])


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe", b"[" * 100_000, b"<<<<<<< HEAD\n"])
def test_a_file_without_a_run_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="has no run: `m0sim check --history "):
        history.read(path)


# ------------------------------------------------------------------------------------------------------------ showing

RUNS = [
    a_run({"a": entry(100), "b": entry(7)}, "1" * 40),
    a_run({"a": entry(100), "b": entry(None, "failed")}, None, "2026-01-02T00:00:00Z"),
    a_run({"a": entry(110), "b": entry(7)}, "v3"),
    a_run({"a": entry(300, waits="cold flash")}, "v4"),
]


def test_changes_are_between_runs_that_measured() -> None:
    found = [(history_page.label(c.run), c.bench, c.old, c.new, c.waits_changed) for c in history_page.changes(RUNS)]
    assert found == [("v4", "a", 110, 300, True), ("v3", "a", 100, 110, False)]
    a, b = history_page.courses(RUNS)
    assert ([i for i, _, _ in a.measured], [i for i, _, _ in b.measured]) == ([0, 1, 2, 3], [0, 2])
    assert (a.since_first, b.since_first) == ("", "0")
    assert [history_page.label(run) for run in RUNS] == ["1" * 10, "2026-01-02T00:00:00Z", "v3", "v4"]
    assert history_page.label(replace(RUNS[2], commit=Commit("v3", is_changed=True))) == "v3+"


def test_the_text(run: RunVerb, tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    for each in RUNS:
        history.append(path, each)
    out = run("history", path).out.splitlines()
    assert [line.split() for line in out[:3]] == [
        ["bench", "runs", "first", "last", "change", "least", "most"],
        ["a", "4", "100", "300", "-", "100", "300"],
        ["b", "3", "7", "7", "0", "7", "7"],
    ]
    assert out[-1] == "4 runs, 2 changes of cycles"
    history.append(tmp_path / "two.jsonl", RUNS[0])
    assert run("history", tmp_path / "two.jsonl").out.splitlines()[-1] == "1 run, 0 changes of cycles"
    found = run("history", path, "--json").json
    assert found["runs"] == [history.run_object(each) for each in RUNS]


def test_the_page_shows_every_point(run: RunVerb, tmp_path: Path) -> None:
    """A gap where b failed, and where a's cycles wait for something else."""
    path, output = tmp_path / "h.jsonl", tmp_path / "h.html"
    for each in RUNS:
        history.append(path, each)
    with path.open("a") as file:
        file.write("{")
    done = run("history", path, "-o", output)
    assert (done.code, done.out) == (0, "")
    assert "h.jsonl:5: is damaged: left out" in done.err
    page = output.read_text()
    assert "h.jsonl:5: is damaged: left out" in page
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert [re.findall(r"<title>(.*?)</title>", chart) for chart in charts] == [
        ["a: 100", "a: 100", "a: 110", "a: 300"],
        ["b: 7", "b: 7"],
    ]
    drawn = [re.findall(r'class="line s0" d="(.*?)"', chart)[0] for chart in charts]
    assert [re.sub("[0-9. ]", "", path) for path in drawn] == ["MLLM", "MM"]
    run("history", path, "--html", output)
    assert output.read_text() == page, "the same runs, the same bytes"
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page


class Tags(HTMLParser):
    """The elements of a page, with the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attrs]))


def test_hostile_names_are_text(tmp_path: Path) -> None:
    """The page has the elements and attributes of one with plain names in the same places, and no other."""
    names = [*HOSTILE, *NASTY]

    def made(shown: list[str]) -> str:
        runs = [
            replace(a_run({name: entry(n, waits=name) for name in shown}, shown[n], shown[-n]), m0sim=shown[n])
            for n in range(1, 4)
        ]
        return history_page.page(Path(shown[0]), runs, shown)

    page = made(names)
    assert Tags(page).found == Tags(made([f"plain {i}" for i in range(len(names))])).found
    for name in names:
        assert html.escape(printable(name), quote=False).replace("'", "&#39;").replace('"', "&#34;") in page


def test_a_long_history_is_cut_and_says_so(tmp_path: Path) -> None:
    runs = [a_run({f"b{i}": entry(n) for i in range(101)}, f"c{n}") for n in range(501)]
    page = history_page.page(tmp_path / "h", runs, [])
    assert "The last 500 runs are drawn. The first 100 benches are drawn." in page
    assert page.count("<svg") == 100
    assert "50,000 changes of cycles" not in page
    assert "50,500 changes of cycles" in page
    assert "50,000 older ones are not shown" in page


def test_no_module_of_the_study_draws_it(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, RUNS[0])
    code = "import sys\nfrom m0sim.cli import main\nsys.modules['matplotlib'] = None\nmain()"
    words = ["history", str(path), "-o", str(tmp_path / "h.html")]
    subprocess.run([sys.executable, "-c", code, *words], check=True, timeout=60)
