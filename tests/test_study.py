"""Studies: files that are refused in one line, a journal that loses nothing, and results that come out again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m0sim import Machine, cli
from m0sim.chip.options import ENGINES
from m0sim.errors import UsageError
from m0sim.study.learn import kernels
from m0sim.study.learn.experiment import study, study_file, study_run
from m0sim.study.learn.experiment.study import RunResult, Study, key_of
from m0sim.study.learn.transfer import rotation
from m0sim.study.report import study_data, study_html, study_plots

try:
    kernels.load()
except UsageError as missing:
    pytest.skip(str(missing), allow_module_level=True)

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
COMMITTED = ROOT / "docs" / "study"

SMALL = """
network = "tiny-cnn-8"
data = "digits"
angles = [30, 45]
seeds = [0, 1]
images = 4
epochs = 2
validation_images = 16
test_images = 20

[tuning]
epochs = 1

[[methods]]
method = "niti-static"
shifts = [0, 24]

[[methods]]
method = "priot"
keep = 0.9
shifts = [-4, 0]

[[methods]]
method = "priot-s"
fraction = 0.2
shifts = [-4, 0]
untuned = false
"""


@pytest.fixture
def small(tmp_path: Path) -> Study:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return study_file.read(path)


class TestFile:
    @pytest.mark.parametrize("name", ["study-digits", "study-mnist", "study-options"])
    def test_the_examples_can_be_read(self, name: str) -> None:
        found = study_file.read(EXAMPLES / f"{name}.toml")
        assert all(len(entry.shifts) == len(found.entries[0].shifts) for entry in found.entries)

    def test_the_study_gives_every_method_eight_settings(self) -> None:
        found = study_file.read(EXAMPLES / "study-mnist.toml")
        assert {len(entry.shifts) for entry in found.entries} == {8}
        assert found.seeds == (0, 1, 2, 3, 4)
        assert found.tasks == (rotation(30.0), rotation(45.0))
        assert found.test_images == 10_000

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("seeds =", "sedes =", ":5: sedes: unknown key; did you mean 'seeds'?"),
            ('"digits"', '"digit"', ":3: data: must be one of"),
            ("epochs = 2", "epochs = 0", ":7: epochs: must be from 1"),
            ("images = 4", "images = 257", ":6: images: must be from 1 to 256"),
            ("angles = [30, 45]", "angles = [30, 30]", ":4: angles: must be a list of different numbers"),
            ("keep = 0.9", "keep = 2", "keep must be from 0 to 1"),
            ("shifts = [0, 24]", "shifts = [0, 1, 2]", "every method needs the same number"),
            ("shifts = [0, 24]", "shifts = [0, 25]", "shift must be -24..24"),
            ("shifts = [0, 24]", "", "shifts: missing"),
            ('method = "niti-static"', 'method = "niti"', "unknown method 'niti'"),
            ("fraction = 0.2", "fraction = 0.2\nbudget = 1", "unknown key"),
            ("[tuning]", "[tuning", "not valid TOML"),
            ('"priot-s"\nfraction = 0.2', '"priot"', "priot is there twice"),
        ],
    )
    def test_what_is_wrong_is_one_line(self, tmp_path: Path, old: str, new: str, said: str) -> None:
        path = tmp_path / "bad.toml"
        assert old in SMALL
        path.write_text(SMALL.replace(old, new))
        with pytest.raises(UsageError) as refused:
            study_file.read(path)
        assert said in str(refused.value)
        assert str(refused.value).startswith(f"{path}:")
        assert "\n" not in str(refused.value)

    def test_no_method_at_all(self, tmp_path: Path) -> None:
        path = tmp_path / "none.toml"
        path.write_text("epochs = 1\n")
        with pytest.raises(UsageError, match="methods: missing"):
            study_file.read(path)


def row(
    *right_validation: int,
    right_test: tuple[int | None, ...] = (),
    cycles: tuple[int, ...] = (),
    right_old: tuple[int | None, ...] = (),
) -> RunResult:
    count = len(right_validation)
    ones, none = (1,) * count, (0,) * count
    old = {"right_old": right_old or ones, "before_old": 8, "old_images": 10}
    return RunResult(right_validation, right_test or ones, (1, 1), (1, None), cycles or none, (), 100, True, **old)  # type: ignore[arg-type]


class TestChoice:
    def test_the_last_epoch_decides_and_the_larger_shift_wins_a_draw(self, small: Study) -> None:
        entry = replace(small.entries[0], shifts=(-1, 0, 1, 2))
        one = replace(small, entries=(entry,), tasks=(rotation(30.0),))
        right = {-1: row(16, 3), 0: row(2, 8), 1: row(1, 8), 2: row(9, 7)}
        rows = {key_of(task): right[task.setting.shift] for task in one.tuning()}
        assert study.choose(one, rows) == {(rotation(30.0), "niti-static"): 1}

    def test_tuning_never_sees_a_test_image(self, small: Study) -> None:
        assert {task.test_images for task in small.tuning()} == {None}
        assert study.run(small.tuning()[0]).right_test == (None,)

    def test_every_method_and_angle_is_tried_alike(self, small: Study) -> None:
        tried = [(t.transfer.angle, t.setting.label) for t in small.tuning()]
        assert len(tried) == 2 * 3 * 2
        assert {tried.count(each) for each in tried} == {2}

    def test_the_epoch_is_chosen_on_validation(self) -> None:
        assert row(3, 9, 9, 2).chosen == 1

    def test_finals_have_both_settings_once(self, small: Study) -> None:
        chosen = {(a, e.setting.label): e.shifts[0] for a in small.tasks for e in small.entries}
        finals = small.finals(chosen)
        # niti-static's chosen shift is the untuned one here; priot-s asks for no untuned runs
        assert len(finals) == 2 * 2 * (1 + 2 + 1)
        assert len({key_of(task) for task in finals}) == len(finals)
        plain = [t for t in finals if t.setting.method == "priot" and t.setting.shift == 0]
        assert [t.setting.options for t in plain] == [{}] * 4
        assert {t.measured for t in finals if t.seed == 0} == {16}
        assert {t.measured for t in finals if t.seed == 1} == {0}

    def test_spread(self) -> None:
        assert study.spread([1.0, 2.0, 6.0]) == {"mean": 3.0, "min": 1.0, "max": 6.0, "deviation": 2.6458}
        assert study.spread([0.5])["deviation"] == 0


class TestJournal:
    def test_a_torn_line_is_dropped_and_the_rest_kept(self, small: Study, tmp_path: Path) -> None:
        journal = study_run.FinishedRuns(tmp_path)
        tasks = small.tuning()[:3]
        for i, task in enumerate(tasks):
            journal.add(task, row(i), 1.0)
        path = tmp_path / study_run.JOURNAL
        whole = path.read_bytes()
        ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
        for size in [*range(0, len(whole), 97), *ends]:
            path.write_bytes(whole[:size])
            again = study_run.FinishedRuns(tmp_path)
            assert len(again.rows) == sum(end <= size for end in ends)
            again.add(tasks[0], row(7), 1.0)  # what was torn does not spoil what comes after it
            assert study_run.FinishedRuns(tmp_path).rows[key_of(tasks[0])] == row(7)

    def test_a_damaged_line_is_named(self, small: Study, tmp_path: Path) -> None:
        (tmp_path / study_run.JOURNAL).write_text('{"key": 1}\n')
        with pytest.raises(UsageError, match=r"runs.jsonl:1: not a line of this journal"):
            study_run.FinishedRuns(tmp_path)

    @pytest.mark.parametrize(
        "damage",
        [
            {"result": 5},
            {"result": None},
            {"seconds": "x"},
            {"key": []},
            {"right_validation": 5},
            {"right_validation": []},
            {"right_test": [1.5]},
            {"right_test": [1, 1]},
            {"right_old": [True]},
            {"right_old": [1, None]},
            {"right_validation": [None]},
            {"old_images": None},
            {"before": [1]},
            {"cycles": "many"},
            {"pruned": [None]},
            {"sram_bytes": True},
            {"fits": 1},
            {"more": 1},
        ],
    )
    def test_a_line_that_no_study_wrote_is_named(self, small: Study, tmp_path: Path, damage: dict[str, Any]) -> None:
        journal = study_run.FinishedRuns(tmp_path)
        for i, task in enumerate(small.tuning()[:2]):
            journal.add(task, row(i), 1.0)
        path = tmp_path / study_run.JOURNAL
        first, second = path.read_text().splitlines()
        entry = json.loads(second)
        for key, value in damage.items():
            (entry if key in entry else entry["result"])[key] = value
        path.write_text(f"{first}\n{json.dumps(entry)}\n")
        with pytest.raises(UsageError, match=r"runs.jsonl:2: not a line of this journal"):
            study_run.FinishedRuns(tmp_path)

    def test_a_journal_of_before_the_old_task_keeps_its_tuning(self, small: Study, tmp_path: Path) -> None:
        """Lines without the figures of the old task are read; final runs, which need them, are run again."""
        journal = study_run.FinishedRuns(tmp_path)
        tuning = small.tuning()
        finals = small.finals({(a, e.setting.label): 0 for a in small.tasks for e in small.entries})
        for task in (tuning[0], finals[0]):
            journal.add(task, row(1), 1.0)
        path = tmp_path / study_run.JOURNAL
        old = [json.loads(line) for line in path.read_text().splitlines()]
        for line in old:
            for name in ("right_old", "before_old", "old_images"):
                del line["result"][name]
        path.write_text("".join(json.dumps(line) + "\n" for line in old))
        rows = study_run.FinishedRuns(tmp_path).rows
        assert study.missing(tuning[:2], rows) == [tuning[1]]
        assert study.missing(finals[:1], rows) == finals[:1]
        journal.add(finals[0], row(2), 1.0)
        assert study.missing(finals[:1], study_run.FinishedRuns(tmp_path).rows) == []

    def test_keys_stay(self, small: Study) -> None:
        """What a journal was written with must be found again by a later version."""
        assert [key_of(task) for task in small.tuning()[:3]] == [
            "da4a6dee81c73f52",
            "168eae3199ff1f32",
            "690e12ec992687fb",
        ]
        final = small.finals({(a, e.setting.label): 0 for a in small.tasks for e in small.entries})[0]
        assert key_of(final) == "82ebae801b216a91"

    def test_keys_tell_all_that_decides(self, small: Study) -> None:
        task = small.tuning()[0]
        others = [
            replace(task, seed=9),
            replace(task, transfer=rotation(31.0)),
            replace(task, epochs=7),
            replace(task, images=5),
            replace(task, setting=replace(task.setting, shift=3)),
            replace(task, setting=replace(task.setting, options={"trained": 1})),
        ]
        assert len({key_of(each) for each in [task, *others]}) == 1 + len(others)
        assert key_of(replace(task, data_dir=Path("/elsewhere"))) == key_of(task)


class TestRun:
    @pytest.mark.long
    def test_nothing_is_run_twice_and_processes_change_nothing(
        self, small: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folders = [tmp_path / "one", tmp_path / "two"]
        results = []
        for folder, jobs in zip(folders, (1, 2), strict=True):
            folder.mkdir()
            journal = study_run.FinishedRuns(folder)
            chosen = study_run.run(small, journal, jobs)
            results.append(json.dumps(study_data.result(small, chosen, journal.rows)))
        assert results[0] == results[1]
        monkeypatch.setattr(study, "run", lambda task: pytest.fail("ran again"))
        again = study_run.FinishedRuns(folders[0])
        assert json.dumps(study_data.result(small, study_run.run(small, again, 1), again.rows)) == results[0]

    def test_the_engine_of_measured_steps_changes_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(study_plots, "files", lambda result: {})
        monkeypatch.setattr(study_html, "page", lambda result: "")
        path = tmp_path / "one.toml"
        path.write_text(
            "images = 4\nepochs = 1\nvalidation_images = 4\ntest_images = 4\n"
            '[[methods]]\nmethod = "priot"\nshifts = [0]\nuntuned = false\n'
        )
        used: list[object] = []
        count = Machine.count

        def noted(machine: Machine, *args: Any, **options: Any) -> int:
            used.append(options["engine"])
            return count(machine, *args, **options)

        monkeypatch.setattr(Machine, "count", noted)
        results = {}
        for engine in ENGINES:
            used.clear()
            more = [] if engine == "unicorn" else ["--engine", engine]  # which is the default
            arguments = ["study", str(path), "-o", str(tmp_path / engine), "--jobs", "1", *more]
            monkeypatch.setattr(sys, "argv", ["m0sim", *arguments])
            with pytest.raises(SystemExit) as ended:
                cli.main()
            assert not ended.value.code
            assert set(used) == {engine}
            results[engine] = (tmp_path / engine / "study.json").read_bytes()
        assert results["unicorn"] == results["timed"]
        assert all(final["cycles"] for final in json.loads(results["timed"])["finals"])

    @pytest.mark.long
    def test_a_killed_study_goes_on(self, tmp_path: Path) -> None:
        """Ctrl-C in the middle: what is finished is in the journal, one line says so, and the next call ends it."""
        path = tmp_path / "small.toml"
        path.write_text(SMALL)
        command = [sys.executable, "-m", "m0sim", "study", str(path), "-o", str(tmp_path / "out"), "--jobs", "2"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        journal = tmp_path / "out" / study_run.JOURNAL
        wait_for(lambda: journal.exists() and journal.stat().st_size > 0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "the same command goes on" in err
        kept = journal.read_bytes()
        assert kept.endswith(b"\n")
        done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=200, check=True)
        assert journal.read_bytes().startswith(kept)
        assert len(json.loads(done.stdout)["finals"]) == 2 * 5

    @pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
    def test_no_process_outlives_a_killed_study(self, tmp_path: Path) -> None:
        path = tmp_path / "small.toml"
        path.write_text(SMALL)
        command = [sys.executable, "-m", "m0sim", "study", str(path), "-o", str(tmp_path / "out"), "--jobs", "2"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        journal = tmp_path / "out" / study_run.JOURNAL
        wait_for(lambda: journal.exists() and journal.stat().st_size > 0)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) >= 2
        process.kill()
        process.wait()
        wait_for(lambda: not any(is_alive(child) for child in children))


def wait_for(happened: Callable[[], bool], seconds: float = 100) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def is_alive(process: str) -> bool:
    """Running; a zombie, which its parent has not looked at, is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestReport:
    @pytest.fixture
    def result(self, small: Study) -> dict[str, Any]:
        """Of made-up rows: PRIOT right 10, 12 of 20 times, niti-static 8, 9; the second seed one more each."""
        rows: dict[str, RunResult] = {key_of(task): row(1 + task.setting.shift % 2) for task in small.tuning()}
        chosen = study.choose(small, rows)
        for task in small.finals(chosen):
            right = (10, 12) if task.setting.method == "priot" else (9, 8)
            cycles = (8_000, 16_000) if task.measured else (0, 0)
            test, old = tuple(n + task.seed for n in right), (None, 6 + task.seed)
            rows[key_of(task)] = row(1, 1, right_test=test, cycles=cycles, right_old=old)
        return study_data.result(small, chosen, rows)

    def test_gaps_are_paired_by_seed(self, result: dict[str, Any]) -> None:
        found = next(g for g in result["gaps"] if (g["angle"], g["label"], g["is_tuned"]) == (30.0, "priot", True))
        assert found["last"] == {"mean": 20.0, "min": 20.0, "max": 20.0, "deviation": 0.0}
        assert found["chosen"] == {
            "mean": 5.0,
            "min": 5.0,
            "max": 5.0,
            "deviation": 0.0,
        }  # epoch 1: of equals the first

    def test_accuracy_cycles_and_falls(self, result: dict[str, Any]) -> None:
        final = next(f for f in result["finals"] if f["label"] == "niti-static" and f["is_tuned"])
        assert final["last"] == {"mean": 0.425, "min": 0.4, "max": 0.45, "deviation": 0.0354}
        assert final["swing"]["mean"] == 0.05
        assert final["swing_validation"]["mean"] == 0
        assert final["seconds"] == 16_000 / 125e6
        assert final["chosen_epochs"] == [1, 1]

    def test_what_was_not_judged_is_null(self, result: dict[str, Any]) -> None:
        final = next(f for f in result["finals"] if f["label"] == "priot" and f["is_tuned"])
        assert (final["old_images"], final["accuracy_old_before"]) == (10, 0.8)
        assert final["accuracy_old"] == [[None, 0.6], [None, 0.7]]
        assert final["old_last"]["mean"] == 0.65
        assert final["old_chosen"] is None  # epoch 1, which these made-up rows did not judge
        assert study_data._falls([[0.5, None, 0.4]]) is None
        assert study_data._falls([[0.5, 0.2, 0.4], [0.1, 0.2, 0.3]]) == study.spread([0.3, 0.0])

    def test_markdown_says_what_must_be_said(self, result: dict[str, Any]) -> None:
        text = study_data.markdown(result)
        assert "priot\\*" in text
        assert "our reconstruction" in text
        assert "8.08 to 33.75 points" in text
        assert "its claim, not ours" in text
        assert "2,000" in text  # cycles a step: 16,000 over 8 steps
        widths = {line.count("|") for line in text.splitlines() if line.startswith("| priot")}
        assert widths <= {line.count("|") for line in text.splitlines() if line.startswith("| method")}

    def test_curves(self, result: dict[str, Any]) -> None:
        drawn = study_plots.files(result)
        assert set(drawn) == {f"curves-{angle}.{kind}" for angle in (30, 45) for kind in ("png", "svg")}
        assert drawn == study_plots.files(result)
        assert study_plots.files({**result, "finals": []}) == {}


class TestCommitted:
    def test_results_of_before_are_shown(self) -> None:
        """Those that are older than the old task."""
        committed = json.loads((COMMITTED / "digits.json").read_text())
        olds = ("old_images", "accuracy_old_before", "accuracy_old", "old_last", "old_chosen")
        before = [{name: value for name, value in f.items() if name not in olds} for f in committed["finals"]]
        for found, is_judged in ((committed, True), ({**committed, "finals": before}, False)):
            text = study_data.markdown(found)
            assert text.count("old task, last, %") == len(committed["angles"])
            assert ("Old task: not judged" in text) != is_judged

    @pytest.mark.long
    def test_the_small_case_comes_out_again(self, tmp_path: Path) -> None:
        """fp32 is left out of the small case: its last bits are those of a BLAS build."""
        committed = json.loads((COMMITTED / "digits.json").read_text())
        asked = study_file.read(EXAMPLES / "study-digits.toml")
        journal = study_run.FinishedRuns(tmp_path)
        found = study_data.result(asked, study_run.run(asked, journal, min(2, os.cpu_count() or 1)), journal.rows)
        assert json.loads(json.dumps(found)) == committed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("/no/such.toml", "-o", "out"), "cannot read"),
        ((str(EXAMPLES / "study-digits.toml"), "-o", "out", "--jobs", "-1"), "--jobs"),
        ((str(EXAMPLES / "study-mnist.toml"), "-o", "out"), "mnist is not bundled"),
        ((str(EXAMPLES / "study-digits.toml"), "-o", "out", "--engine", "timid"), "did you mean 'timed'"),
    ],
)
def test_bad_usage_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: Any, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["m0sim", "study", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    assert ended.value.code == 2
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert said in shown.err
