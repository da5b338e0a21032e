"""`m0sim sweep`: the grid, the journal, the results, what is never run again, and what survives being killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import sweep_crash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pyarrow = pytest.importorskip("pyarrow", reason="the extra m0sim[study] is not installed")
pytest.importorskip("pyarrow.parquet")  # a module of its own, which `import pyarrow` leaves out
distributed = pytest.importorskip("distributed", reason="the extra m0sim[study] is not installed")

from m0sim import cli  # noqa: E402
from m0sim.chip import device  # noqa: E402
from m0sim.errors import M0simError, UsageError  # noqa: E402
from m0sim.study.learn import datasets as data  # noqa: E402
from m0sim.study.learn import kernels  # noqa: E402
from m0sim.study.report import front_plot, sweep_data  # noqa: E402
from m0sim.study.report.front_plot import PlottedPoint  # noqa: E402
from m0sim.study.whatif import finished, grid, planned, points, results, sweep, workers  # noqa: E402
from m0sim.study.whatif.configuration import configure  # noqa: E402
from m0sim.study.whatif.measure import StepBench  # noqa: E402

try:
    kernels.load()
except UsageError as missing:
    pytest.skip(str(missing), allow_module_level=True)

CHIP = device.load("rp2040")
SMALL = """
data = "digits"
steps = 1
[grid]
network = "tiny-cnn-8"
method = ["niti-static", "priot-s"]
trained = [0, 1]
fraction = [0.1, 0.5]
"""
SLOW = """
steps = 8
[grid]
network = "tiny-cnn"
method = ["niti-static", "priot-s"]
fraction = [0.1, 0.2]
weights = ["flash", "sram"]
seed = [0, 1]
"""
"""Points of half a second and more, on noise."""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A cluster in this process: nothing to start, and what a test replaces is replaced for the worker."""
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", silence_logs=50
    )
    with cluster:
        yield cluster.scheduler_address


def written(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text)
    return path


def swept(folder: Path, text: str, scheduler: str, **more: Any) -> sweep.Finished:
    folder.mkdir(exist_ok=True)
    return sweep.run(grid.load(written(folder, text)), folder, scheduler=scheduler, **more)


# The file


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[grid]\nmethod = 'priot'\n", 1, "grid.network: missing"),
        ("steps = 3\n", 1, "grid: missing"),
        ("[grid]\nnetwork = 'mlp'\nmethod = ['priot', 'priott']\n", 3, "did you mean 'priot'"),
        ("[grid]\nnetwork = 'mpl'\nmethod = 'priot'\n", 2, "did you mean 'mlp'"),
        ("[grid]\nnetwork = 'mlp'\nmethod = []\n", 3, "must have a value"),
        ("[grid]\nnetwork = 'mlp'\nmethod = 'priot'\nfraction = [0.1, 0]\n", 4, "from 0.000001 to 1"),
        ("[grid]\nnetwork = 'mlp'\nmethod = 'priot'\nfraction = nan\n", 4, "from 0.000001 to 1"),
        ("[grid]\nnetwork = 'mlp'\nmethod = 'priot'\nfraction = 1e-30\n", 4, "from 0.000001 to 1"),
        ("[grid]\nnetwork = 'mlp'\nmethod = 'priot'\nwidth = 0\n", 4, "above 0"),
        ("steps = 1\ndata = 'mnist'\n[grid]\nnetwork = 'mlp'\nmethod = 'priot'\n", 2, "data_dir: missing"),
        ("training = ['']\n[grid]\nnetwork = 'mlp'\nmethod = 'priot'\n", 1, "array of paths"),
        ("training = ['.']\n[grid]\nnetwork = 'mlp'\nmethod = 'priot'\n", 1, "training: "),
        ("training = ['a**']\n[grid]\nnetwork = 'mlp'\nmethod = 'priot'\n", 1, "training: "),
        ("[grid]\nnetwork = 'mlp'\nmethod = 'priot'\ntrained = true\n", 4, "integer"),
        ("[grid]\nnetwork = 'mlp'\nmethod = 'priot'\nreuse = 1\n", 4, "true or false"),
        ("[grid]\nnetwork = 'mlp'\nmethod = 'priot'\nprofile = 'rp2400'\n", 4, "did you mean 'rp2040'"),
        ("[grid]\nnetwork = 'mlp'\nmethod = 'priot'\nprofil = 'rp2040'\n", 4, "did you mean 'profile'"),
        ("steps = 0\n[grid]\nnetwork = 'mlp'\nmethod = 'priot'\n", 1, "steps"),
        ("data = 'minst'\n[grid]\nnetwork = 'mlp'\nmethod = 'priot'\n", 1, "did you mean 'mnist'"),
        ("training = ['none.json']\n[grid]\nnetwork = 'mlp'\nmethod = 'priot'\n", 1, "no file matches"),
        (
            "[grid]\nnetwork = 'mlp'\nmethod = 'priot'\n[constraints]\nsram = ['16Q']\n",
            5,
            "constraints.sram: '16Q' is no size",
        ),
        ("[grid]\nnetwork = 'mlp'\nmethod = 'priot'\n[constraints]\ncycles = -1\n", 5, "cycles"),
        ("[grid]\nnetwork = 'mlp'\nmethod = 'priot\n", 3, "not valid TOML"),
    ],
)
def test_a_bad_file_is_one_line_with_its_place(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as wrong:
        grid.load(path)
    assert str(wrong.value).startswith(f"{path}:{line}: ")
    assert said in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_combinations_that_do_not_differ_are_one_point(tmp_path: Path) -> None:
    """niti-static has no fraction: of 2 x 2 x 2 combinations 6 are left."""
    found = [p.configuration for p in grid.load(written(tmp_path, SMALL)).points]
    assert len(found) == len(set(found)) == 6
    assert {c.fraction for c in found if c.method == "niti-static"} == {None}


# The journal


def measured(cycles: Any = (1,), **more: Any) -> dict[str, Any]:
    return {"cycles": list(cycles), "flash_estimate_cycles": None, "flash_misses_words": None, **more}


ENTRIES = [{"key": f"{i:032x}", "measured": measured([i + 1], text="\u00e4\n")} for i in range(4)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 400))
def test_a_line_cut_short_costs_that_line_alone(tmp_path: Path, cut: int) -> None:
    (tmp_path / finished.NAME).unlink(missing_ok=True)
    finished.add(tmp_path, *ENTRIES)
    path = tmp_path / finished.NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    ends = [i for i in range(len(whole)) if whole[i : i + 1] == b"\n"]
    kept = sum(end <= cut for end in ends)  # a line needs not its newline
    assert list(finished.read(tmp_path)) == [e["key"] for e in ENTRIES[:kept]]
    finished.add(tmp_path, {"key": "later", "measured": measured()})
    assert list(finished.read(tmp_path)) == [*(e["key"] for e in ENTRIES[:kept]), "later"]


def test_what_is_no_entry_is_skipped(tmp_path: Path) -> None:
    lines = (b"\xff", b"[1]", b'{"no": "key"}', b'{"key": 5}', b"", b"[" * 100_000, b'{"key": "a", "reason": "b"}')
    (tmp_path / finished.NAME).write_bytes(b"\n".join(lines))
    assert list(finished.read(tmp_path)) == ["a"]


DAMAGES: list[dict[str, Any]] = [
    {},
    {"measured": {}},
    {"measured": None},
    {"measured": [1]},
    {"measured": {"cycles": [1]}},
    *({"measured": measured(cycles)} for cycles in ([], [0], [-1], [1.5], [True], ["1"], [None], [1 << 63])),
    {"measured": measured(flash_estimate_cycles="1")},
    {"measured": measured(flash_estimate_cycles=float("nan"))},
    {"measured": measured(flash_estimate_cycles=1.0)},  # without its words
    {"measured": {"cycles": [1], "flash_estimate_cycles": 1.0}},  # of an older m0sim, by another model
    {"measured": {}, "reason": "both"},
    {"reason": 5},
    {"reason": None},
    {"reason": "\ud800"},
]


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_a_line_that_lacks_what_a_row_takes_is_skipped(tmp_path: Path, damage: dict[str, Any]) -> None:
    whole = {"key": "whole", "measured": measured()}
    lines = [json.dumps(entry) for entry in ({"key": "k", **damage}, whole, {"key": "whole", **damage})]
    (tmp_path / finished.NAME).write_text("\n".join(lines))
    assert finished.read(tmp_path) == {"whole": whole}


def test_a_damaged_line_is_run_again(tmp_path: Path, scheduler: str) -> None:
    rows = swept(tmp_path, SMALL, scheduler).rows
    path = tmp_path / finished.NAME
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps({"key": json.loads(first)["key"], "measured": {}}), *others, ""]))
    assert swept(tmp_path, SMALL, scheduler).rows == rows
    assert path.read_text().count("\n") == 7


# Running


def test_rows_are_those_of_the_machine(tmp_path: Path, scheduler: str) -> None:
    finished = swept(tmp_path, SMALL, scheduler)
    rows = results.read(tmp_path)
    assert sorted(rows, key=lambda r: r["key"]) == rows
    assert sorted(finished.rows, key=lambda r: r["key"]) == rows
    assert len(rows) == finished.points == 6
    bench = StepBench(CHIP, data.load("digits"), steps=1)
    for row in rows:
        assert row["status"] == "measured"
        made = planned.plan(
            configure("tiny-cnn-8", row["method"], trained=row["trained"], fraction=row["fraction"] or 0.1)
        )
        measured = bench.measure(made)
        assert (row["cycles"], row["needed_bytes"]) == (measured.mean_cycles, made.needed_bytes)
        assert row["flash_estimate_cycles"] == measured.flash_estimate_cycles
        assert row["flash_misses_words"] == measured.flash_misses_words
        assert row["cycles_source"] == "measured"
    assert (tmp_path / "sweep.toml").read_text() == SMALL


@pytest.mark.long
def test_finished_points_are_never_run_again(tmp_path: Path, scheduler: str) -> None:
    def ran(text: str) -> int:
        """How many points the sweep ran."""
        before = len(lines())
        swept(tmp_path, text, scheduler)
        return len(lines()) - before

    def lines() -> list[bytes]:
        """Whole ones."""
        path = tmp_path / finished.NAME
        found = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        return [line for line in found if line.endswith(b"\n")]

    assert ran(SMALL) == 6
    first, whole = (tmp_path / results.NAME).read_bytes(), lines()
    assert ran(SMALL) == 0
    (tmp_path / finished.NAME).write_bytes(b"".join(whole[:3]) + whole[3][:-7])
    assert ran(SMALL) == 3
    assert (tmp_path / results.NAME).read_bytes() == first
    assert ran(SMALL.replace("[0, 1]", "[0, 1, 2]")) == 3
    assert ran(SMALL) == 0
    assert (tmp_path / results.NAME).read_bytes() == first


@pytest.mark.long
def test_the_order_of_running_does_not_matter(tmp_path: Path, scheduler: str) -> None:
    swept(tmp_path / "a", SMALL, scheduler)
    (tmp_path / "b").mkdir()
    lines = (tmp_path / "a" / finished.NAME).read_bytes().splitlines(keepends=True)
    random.Random(0).shuffle(lines)
    (tmp_path / "b" / finished.NAME).write_bytes(b"".join(lines))
    swept(tmp_path / "b", SMALL, scheduler)
    assert (tmp_path / "a" / results.NAME).read_bytes() == (tmp_path / "b" / results.NAME).read_bytes()


def test_failed_points_are_recorded_and_not_fatal(
    tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = points.run

    def fails(configuration: Any, *more: Any) -> Any:
        if configuration.method == "priot-s":
            raise ValueError("no\nsuch luck")
        return real(configuration, *more)

    monkeypatch.setattr(points, "run", fails)
    rows = swept(tmp_path, SMALL, scheduler).rows
    assert {r["status"] for r in rows if r["method"] == "niti-static"} == {"measured"}
    assert {r["reason"] for r in rows if r["method"] == "priot-s"} == {"ValueError: no such luck"}
    monkeypatch.setattr(points, "run", real)
    assert sum(r["status"] == "failed" for r in swept(tmp_path, SMALL, scheduler).rows) == 4
    assert sum(r["status"] == "failed" for r in swept(tmp_path, SMALL, scheduler, retry=True).rows) == 0


def test_combinations_that_cannot_be_have_a_reason(tmp_path: Path, scheduler: str) -> None:
    text = "steps = 1\ndata = 'digits'\n[grid]\nnetwork = ['tiny-cnn-8', 'mlp']\nmethod = 'tin-tin'\ntrained = [0, 3]\n"
    rows = swept(tmp_path, text, scheduler).rows
    reasons = {(r["network"], r["trained"]): r["reason"] for r in rows}
    assert reasons["tiny-cnn-8", 3] is None
    assert "28 x 28" in reasons["mlp", 0]
    assert "2 layers" in reasons["mlp", 3]


def test_what_is_too_large_is_planned_only(tmp_path: Path, scheduler: str) -> None:
    rows = swept(tmp_path, SMALL + "[constraints]\nsram = ['2K', '4K']\n", scheduler).rows
    for row in rows:
        assert (row["status"] == "measured") == (row["needed_bytes"] <= 4096)
        assert (row["cycles"] is None) == (row["status"] == "too large")
    assert {r["status"] for r in rows} == {"measured", "too large"}


def test_a_worker_with_other_code_is_refused(tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([f"m0sim {i}" for i in range(1000)])
    monkeypatch.setattr(points, "identity", lambda method: next(answers))
    rows = swept(tmp_path, SMALL, scheduler).rows
    assert {r["status"] for r in rows} == {"failed"}
    assert all(r["reason"].startswith("a worker has m0sim ") for r in rows)


def keys(folder: Path, text: str) -> set[str]:
    asked = grid.load(written(folder, text))
    inputs = points.Inputs(asked)
    return {inputs.key(point) for point in asked.points}


def test_a_key_is_of_all_that_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = keys(tmp_path, SMALL)
    assert len(base) == 6
    assert keys(tmp_path, SMALL.replace("[0.1, 0.5]", "[0.5, 0.1]")) == base
    for changed in (
        SMALL.replace("steps = 1", "steps = 2"),
        SMALL.replace('"digits"', '"random"'),
        SMALL + "seed = 1\n",
        SMALL + "profile = 'stm32g0'\n",
        SMALL + "width = 0.5\n",
        SMALL + "reuse = false\n",
    ):
        assert not keys(tmp_path, changed) & base
    monkeypatch.setattr("m0sim.__version__", "0.0.0")
    assert not keys(tmp_path, SMALL) & base


def test_the_kernels_are_part_of_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = keys(tmp_path, SMALL)
    monkeypatch.setattr(kernels, "version", lambda: "kernels other")
    assert not keys(tmp_path, SMALL) & base


def test_a_scheduler_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_CONNECT_SECONDS", 0.3)
    asked = grid.load(written(tmp_path, SMALL))
    for address in ("tcp://127.0.0.1:9", "nowhere:", "tcp://127.0.0.1:99999"):
        with pytest.raises(UsageError, match="--scheduler"):
            sweep.run(asked, tmp_path / "out", scheduler=address)
        assert not (tmp_path / "out").exists()


def test_a_machine_too_busy_to_ask_a_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(*_: object, **__: object) -> None:
        raise AssertionError  # as distributed does, whose thread then has not begun in 10 seconds

    monkeypatch.setattr("distributed.Client", too_late)
    with pytest.raises(UsageError, match=r"^--scheduler tcp://127\.0\.0\.1:9: this machine is too busy"):
        sweep.run(grid.load(written(tmp_path, SMALL)), tmp_path / "out", scheduler="tcp://127.0.0.1:9")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_says_how_far_it_came(tmp_path: Path, scheduler: str) -> None:
    def press(done: int, points: int, failed: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(M0simError, match=r"^2 of 6 points finished; run it again to go on$"):
        swept(tmp_path, SMALL, scheduler, progress=press)
    assert len(results.read(tmp_path)) == len(finished.read(tmp_path)) >= 2


def test_without_the_extra_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("distributed", "pyarrow"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(UsageError, match=r"pip install 'm0sim\[study\]'"):
                swept(tmp_path, SMALL, "")


def test_accuracy_comes_from_training_results(tmp_path: Path, scheduler: str) -> None:
    for i, accuracy in enumerate(([0.1, 0.8], [0.3, 0.9])):
        result = {"network": "tiny-cnn-8", "method": "priot-s", "options": {"fraction": 0.1}, "accuracy": accuracy}
        (tmp_path / f"train{i}.json").write_text(json.dumps(result))
    last = {"network": "tiny-cnn-8", "method": "niti-static", "options": {"trained": 1}, "accuracy": [0.5]}
    (tmp_path / "train2.json").write_text(json.dumps(last))
    rows = swept(tmp_path, "training = ['train*.json']\n" + SMALL, scheduler).rows
    found = {(r["method"], r["trained"], r["fraction"]): r["accuracy"] for r in rows if r["accuracy"] is not None}
    assert found == {("priot-s", 4, 0.1): pytest.approx(0.85), ("niti-static", 1, None): 0.5}
    (tmp_path / "train3.json").write_text("{}")
    with pytest.raises(UsageError, match=r"train3\.json: not the result"):
        swept(tmp_path, "training = ['train*.json']\n" + SMALL, scheduler)


# What is best


@st.composite
def some_points(draw: st.DrawFn) -> list[PlottedPoint]:
    accuracy = st.sampled_from([None, 0.5, 0.9])
    one = st.builds(
        PlottedPoint, st.just("priot"), st.just(""), st.integers(1, 4), st.integers(1, 4), st.integers(1, 2), accuracy
    )
    return draw(st.lists(one, max_size=8))


@given(some_points())
def test_nothing_on_the_front_is_beaten_and_all_else_is(found: list[PlottedPoint]) -> None:
    def learns(p: PlottedPoint) -> tuple[float, int]:
        return (0.0 if p.accuracy is None else p.accuracy, p.trained)

    def is_as_good(a: PlottedPoint, b: PlottedPoint) -> bool:
        return a.sram_bytes <= b.sram_bytes and a.cycles <= b.cycles and learns(a) >= learns(b)

    front = front_plot.front(found)
    assert [p.sram_bytes for p in front] == sorted(p.sram_bytes for p in front)
    for point in found:
        assert any(is_as_good(p, point) for p in front)
    for i, point in enumerate(front):
        assert not any(is_as_good(p, point) for p in (*front[:i], *front[i + 1 :]))


def test_the_best_of_each_budget(tmp_path: Path, scheduler: str) -> None:
    text = SMALL + "[constraints]\nsram = ['3000', '16K']\ncycles = 150_000\n"
    rows = swept(tmp_path, text, scheduler).rows
    limits = grid.Constraints((3000, 16384), 150_000)
    for budget, row in results.best(rows, limits):
        own = [
            r for r in rows if r["method"] == row["method"] and r["needed_bytes"] <= budget and r["cycles"] <= 150_000
        ]
        assert row in own
        assert row["trained"] == max(r["trained"] for r in own)
    assert [budget for budget, _ in results.best(rows, limits)] == [3000, 3000, 16384, 16384]


# The command line


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["m0sim", "sweep", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_the_command_and_its_summary(monkeypatch, capsys, tmp_path: Path, scheduler: str) -> None:
    text = SMALL + "[constraints]\nsram = '16K'\n"
    arguments = (str(written(tmp_path, text)), "-o", str(tmp_path / "out"))
    assert run(monkeypatch, *arguments, "--scheduler", scheduler, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["points"] == printed["finished"] == printed["measured"] == 6
    assert {row["method"] for row in printed["best"]} == {"niti-static", "priot-s"}
    names = {
        "points.jsonl",
        "results.parquet",
        "sweep.toml",
        "sweep.html",
        "front-tiny-cnn-8.png",
        "front-tiny-cnn-8.svg",
    }
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    page = (tmp_path / "out" / "sweep.html").read_text()
    for row in printed["front"]:
        for cell in (f"{row['needed_bytes'] / 1024:,.2f}", f"{row['cycles']:,}"):
            assert f">{cell}<" in page
    assert "<dt>grid: method</dt><dd>niti-static, priot-s</dd>" in page
    assert run(monkeypatch, str(tmp_path / "out"), "--summary", "--json") == 0
    assert json.loads(capsys.readouterr().out) == printed
    assert run(monkeypatch, *arguments, "--summary") == 0
    shown = capsys.readouterr().out
    assert "6 of 6 points" in shown
    assert re.search(r"^16 ", shown, re.MULTILINE)
    assert "our reconstruction" in shown


PATHS = """
training = ["results/*.json"]
data_dir = "images"
steps = 1
[grid]
network = "tiny-cnn-8"
method = "niti-static"
profile = "chips/my.toml"
[constraints]
sram = "16K"
"""


@pytest.mark.long
def test_a_summary_opens_nothing_but_the_results_and_the_copy_can_be_run(
    monkeypatch, capsys, tmp_path: Path, scheduler: str
) -> None:
    for name in ("results", "images", "chips", "far"):
        (tmp_path / name).mkdir()
    train = {"network": "tiny-cnn-8", "method": "niti-static", "accuracy": [0.5]}
    (tmp_path / "results" / "train.json").write_text(json.dumps(train))
    (tmp_path / "chips" / "my.toml").write_bytes(CHIP.path.read_bytes())
    out = tmp_path / "far" / "out"
    assert run(monkeypatch, str(written(tmp_path, PATHS)), "-o", str(out), "--scheduler", scheduler, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert [row["accuracy"] for row in printed["best"]] == [0.5]
    monkeypatch.chdir("/")
    again = tmp_path / "again"
    for copy, folder in ((out / "sweep.toml", out), (out / "sweep.toml", again), (again / "sweep.toml", again)):
        before = (folder / "sweep.toml").read_bytes() if folder == copy.parent else b""
        assert run(monkeypatch, str(copy), "-o", str(folder), "--scheduler", scheduler, "--json") == 0
        assert json.loads(capsys.readouterr().out) == printed
        assert (folder / "sweep.toml").read_bytes() == before or not before
    assert (again / "sweep.toml").read_text().count("folder = ") == 1
    for gone in (tmp_path / "results" / "train.json", tmp_path / "chips" / "my.toml"):
        gone.unlink()
    assert run(monkeypatch, str(out), "--summary", "--json") == 0
    assert json.loads(capsys.readouterr().out) == printed


@pytest.mark.long
def test_another_sweep_in_the_folder_is_said(monkeypatch, capsys, tmp_path: Path, scheduler: str) -> None:
    out = tmp_path / "out"
    arguments = ("-o", str(out), "--scheduler", scheduler)
    assert run(monkeypatch, str(written(tmp_path, SMALL)), *arguments) == 0
    assert "another sweep" not in capsys.readouterr().err
    other = "steps = 1\ndata = 'random'\n[grid]\nnetwork = 'mlp'\nmethod = 'niti-static'\ntrained = 1\nwidth = 0.1\n"
    (tmp_path / "other.toml").write_text(other)
    assert run(monkeypatch, str(tmp_path / "other.toml"), *arguments) == 0
    said = "m0sim: the folder holds 6 points of another sweep, which stay in points.jsonl\n"
    assert said in capsys.readouterr().err
    assert {p.name for p in out.glob("front-*")} == {"front-mlp.png", "front-mlp.svg"}
    assert len(finished.read(out)) == 7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no.toml",), "no.toml"),
        ((".",), "--summary"),
        (("grid.toml", "--jobs", "-1"), "--jobs"),
        (("grid.toml", "--engine", "unicorn"), "level 'memory' needs the timed engine"),
        (("grid.toml", "--engine", "timid"), "did you mean 'timed'"),
        (("grid.toml", "--summary", "-o", "nothing"), "did not end"),
    ],
)
def test_bad_usage_is_one_line(monkeypatch, capsys, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, SMALL)
    assert run(monkeypatch, *arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert said in shown.err


def test_a_damaged_result_is_one_line(monkeypatch, capsys, tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(SMALL)
    (tmp_path / "results.parquet").write_bytes(b"PAR1 and then nothing")
    assert run(monkeypatch, str(tmp_path), "--summary") == 2
    assert "not the results of a sweep" in capsys.readouterr().err


def test_a_result_of_an_older_m0sim_says_what_is_missing(monkeypatch, capsys, tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(SMALL)
    old = pyarrow.table({name: ["x"] for name in results.COLUMNS if name != "flash_misses_words"})
    pyarrow.parquet.write_table(old, tmp_path / "results.parquet")
    assert run(monkeypatch, str(tmp_path), "--summary") == 2
    said = capsys.readouterr().err
    assert said.endswith("by this m0sim (no column flash_misses_words): run the sweep again\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", "odd"),
        ("status", None),
        ("status", 5),
        ("method", None),
        ("cycles", None),
        ("cycles", 0),
        ("cycles", "many"),
        ("layers", 0),
        ("needed_bytes", None),
        ("profile", None),
        ("seed", 1.5),
        (None, None),
    ],
)
def test_a_result_that_no_sweep_wrote_is_one_line(
    monkeypatch, capsys, tmp_path: Path, column: str | None, value: object
) -> None:
    whole: dict[str, Any] = dict.fromkeys(results.COLUMNS, "x") | {
        name: 1 for name, kind in results.COLUMNS.items() if kind != "string"
    }
    whole |= {"reuse": True, "fits": True, "status": "measured"}
    (tmp_path / "sweep.toml").write_text(SMALL)
    path = tmp_path / "results.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([whole]), path)
    assert results.read(tmp_path)[0]["cycles"] == 1
    rows = [whole | {column: value}] if column else [{"key": "x"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    assert run(monkeypatch, str(tmp_path), "--summary") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "not the results of a sweep" in said.err
    assert said.err.count("\n") == 1


def test_damaged_results_are_read_or_refused(tmp_path: Path) -> None:
    rows = [dict.fromkeys(results.COLUMNS) | {"key": str(i), "status": "too large"} for i in range(20)]
    rows = [row | {"network": "tiny-cnn", "method": "priot"} for row in rows]
    good, chosen = results.to_parquet(rows), random.Random(0)
    for _ in range(150):
        content = bytearray(good)
        for _ in range(chosen.randint(1, 4)):
            content[chosen.randrange(len(content))] = chosen.randrange(256)
        (tmp_path / results.NAME).write_bytes(
            content[: chosen.randint(1, len(content))] if chosen.random() < 0.2 else content
        )
        with suppress(UsageError):
            results.read(tmp_path)


@pytest.mark.long
def test_reports_are_the_same_twice(tmp_path: Path, scheduler: str) -> None:
    from m0sim.study.report import sweep_html, sweep_plots

    finished = swept(tmp_path, SMALL, scheduler)
    asked = grid.load(tmp_path / "grid.toml")
    assert sweep_html.page(asked, finished) == sweep_html.page(asked, finished)
    assert sweep_plots.files(finished) == sweep_plots.files(finished)
    assert sweep_data.to_json(asked.constraints, finished)["failures"] == []


# Processes: killed, stopped, and two of them


def command(folder: Path, *more: str, text: str = SLOW) -> list[str]:
    toml = folder.parent / f"{folder.name}.toml"
    toml.write_text(text)
    return [sys.executable, "-m", "m0sim", "sweep", str(toml), "-o", str(folder), *more]


def started(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    """The sweep in a process group of its own."""
    return subprocess.Popen(
        command(folder, *more), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def wait_for_points(folder: Path, count: int) -> None:
    path, end = folder / finished.NAME, time.monotonic() + 120
    while time.monotonic() < end:
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.02)
    pytest.fail(f"not {count} points in two minutes")


def workers_of(pid: int) -> list[int]:
    """The workers below a process, from /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == pid and b"spawn_main" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except (OSError, IndexError):
                continue
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The results of the slow sweep on one process."""
    folder = tmp_path_factory.mktemp("undisturbed") / "out"
    subprocess.run(command(folder, "--jobs", "1"), check=True, capture_output=True)
    return (folder / results.NAME).read_bytes()


def assert_goes_on(folder: Path, undisturbed: bytes) -> None:
    """Finishes a sweep; what was finished before is not run again."""
    before = finished.read(folder)
    subprocess.run(command(folder, "--jobs", "2"), check=True, capture_output=True)
    lines = [
        json.loads(line)["key"] for line in (folder / finished.NAME).read_bytes().splitlines() if line[-1:] == b"}"
    ]
    assert sorted(lines) == sorted(set(lines))
    assert before.items() <= finished.read(folder).items()
    assert (folder / results.NAME).read_bytes() == undisturbed


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the workers")


def listening(pids: set[int]) -> set[str]:
    """Sockets that wait for a connection, of processes: local address and port as /proc/net has them."""
    inodes = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):
                inodes.add(os.readlink(entry).removeprefix("socket:[").removesuffix("]"))
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[3] == "0A" and row[9] in inodes}


@pytest.mark.long
@needs_proc
def test_nobody_else_reaches_the_processes_of_this_machine(tmp_path: Path) -> None:
    """No port is open, on loopback or elsewhere, while a sweep runs; the oracle sees one that is."""
    with socket.create_server(("127.0.0.1", 0)):
        assert listening({os.getpid()})
    with started(tmp_path / "out", "--jobs", "2") as process:
        wait_for_points(tmp_path / "out", 2)
        pids = {process.pid, *workers_of(process.pid)}
        assert len(pids) == 3
        found = listening(pids)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()
    assert found == set()


@pytest.mark.parametrize("errno", [None, 11])
def test_a_pool_that_breaks_while_a_process_starts(monkeypatch: pytest.MonkeyPatch, errno: int | None) -> None:
    """multiprocessing says so by an OSError without a number; one with a number is the system's: no reason to retry."""
    monkeypatch.setattr(points, "run", sweep_crash.crash)
    submit, calls = workers.ProcessPoolExecutor.submit, []

    def breaking(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 3:
            raise OSError("handle is closed") if errno is None else OSError(errno, "no process to be had")
        return submit(*given)

    monkeypatch.setattr(workers.ProcessPoolExecutor, "submit", breaking)
    tasks: Any = (workers.PointTask(what, (what,)) for what in "abcde")  # type: ignore[arg-type]
    if errno is None:
        assert sorted(key for key, _ in workers.on_this_machine(1)(tasks)) == list("abcde")
    else:
        with pytest.raises(OSError, match="no process"):
            list(workers.on_this_machine(1)(tasks))


def test_a_point_that_kills_its_process_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "run", sweep_crash.crash)
    whats = ["a", "kills", "b", "raises", "c", "d", "kills", "e"]
    tasks: Any = (workers.PointTask(f"{i} {what}", (what,)) for i, what in enumerate(whats))  # type: ignore[arg-type]
    found = list(workers.on_this_machine(2)(tasks))
    assert sorted(key for key, _ in found) == [f"{i} {what}" for i, what in enumerate(whats)]
    for key, outcome in found:
        what = key.split()[1]
        if what == "kills":
            assert isinstance(outcome, M0simError)
            assert "was killed, twice" in str(outcome)
        else:
            assert str(outcome) == ("wrong" if what == "raises" else f"{what} done")


def test_leaving_early_ends_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "run", sweep_crash.crash)
    tasks: Any = (workers.PointTask(str(i), (str(i),)) for i in range(100))  # type: ignore[arg-type]
    others = set(multiprocessing.active_children())  # an earlier test's may still be ending
    with closing(workers.on_this_machine(1)(tasks)) as outcomes:
        next(outcomes)
        assert set(multiprocessing.active_children()) - others
    assert not set(multiprocessing.active_children()) - others


@pytest.mark.long
def test_two_processes_give_the_same_bytes(tmp_path: Path, undisturbed: bytes) -> None:
    subprocess.run(command(tmp_path / "out", "--jobs", "2"), check=True, capture_output=True)
    assert (tmp_path / "out" / results.NAME).read_bytes() == undisturbed


@pytest.mark.long
def test_a_cluster_of_two_worker_processes_gives_the_same_bytes(tmp_path: Path, undisturbed: bytes) -> None:
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    )
    with cluster:
        subprocess.run(
            command(tmp_path / "out", "--scheduler", cluster.scheduler_address), check=True, capture_output=True
        )
    assert (tmp_path / "out" / results.NAME).read_bytes() == undisturbed


@pytest.mark.long
@needs_proc
def test_killing_a_worker_loses_nothing(tmp_path: Path, undisturbed: bytes) -> None:
    with started(tmp_path / "out", "--jobs", "2") as process:
        wait_for_points(tmp_path / "out", 2)
        victims = workers_of(process.pid)
        assert len(victims) == 2
        os.kill(victims[0], signal.SIGKILL)
        error = process.stderr.read().decode() if process.stderr else ""
        assert process.wait() == 0, error
    assert error.count("\n") == 1  # what was written where
    assert (tmp_path / "out" / results.NAME).read_bytes() == undisturbed


@pytest.mark.long
@pytest.mark.parametrize("points", [1, 5])
def test_killing_the_whole_sweep_loses_no_finished_point(tmp_path: Path, undisturbed: bytes, points: int) -> None:
    with started(tmp_path / "out", "--jobs", "2") as process:
        wait_for_points(tmp_path / "out", points)
        os.killpg(process.pid, signal.SIGKILL)
    assert len(finished.read(tmp_path / "out")) >= points
    assert_goes_on(tmp_path / "out", undisturbed)


@pytest.mark.long
@needs_proc
def test_killing_the_main_process_alone_leaves_no_worker_behind(tmp_path: Path) -> None:
    with started(tmp_path / "out", "--jobs", "2") as process:
        wait_for_points(tmp_path / "out", 1)
        left = workers_of(process.pid)
        os.kill(process.pid, signal.SIGKILL)
    end = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in left) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [pid for pid in left if Path(f"/proc/{pid}").exists()]


@pytest.mark.long
def test_ctrl_c_ends_with_what_there_is(tmp_path: Path, undisturbed: bytes) -> None:
    with started(tmp_path / "out", "--jobs", "2") as process:
        wait_for_points(tmp_path / "out", 3)
        os.killpg(process.pid, signal.SIGINT)
        error = process.stderr.read().decode() if process.stderr else ""
        assert process.wait() == 1
    assert re.fullmatch(r"m0sim: \d+ of 10 points finished; run it again to go on\n", error), error
    rows = results.read(tmp_path / "out")
    assert {r["status"] for r in rows} == {"measured"}
    assert len(rows) == len(finished.read(tmp_path / "out")) >= 3
    assert_goes_on(tmp_path / "out", undisturbed)


@pytest.mark.long
def test_two_cores_are_faster_than_one(tmp_path: Path) -> None:
    """At least 1.6 times, medians of three, on a machine that has nothing else to do.

    40 points: starting a cluster, and drawing the front, take some seconds on one core and on two.
    """
    many = SLOW.replace("[0, 1]", str([*range(8)]))
    if (os.cpu_count() or 1) < 2 or os.getloadavg()[0] > 0.7:
        pytest.skip("needs two cores that nobody else uses")

    def seconds(jobs: int, number: int) -> float:
        begin = time.perf_counter()
        folder = tmp_path / f"{jobs}-{number}"
        subprocess.run(command(folder, "--jobs", str(jobs), text=many), check=True, capture_output=True)
        return time.perf_counter() - begin

    one, two = (statistics.median(seconds(jobs, i) for i in range(3)) for jobs in (1, 2))
    print(f"one process {one:.1f} s, two {two:.1f} s: {one / two:.2f} times faster")
    assert one / two >= 1.6
