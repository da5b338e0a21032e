"""How wide the road is: which runs are made, what they say by hand-counted rows, and the words and picture of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_study import row

from m0sim.errors import UsageError
from m0sim.study.learn import kernels
from m0sim.study.learn.experiment import robustness, study, study_file, study_run
from m0sim.study.learn.experiment.calibration import RIGHT, Calibration, parse
from m0sim.study.learn.experiment.robustness import Road, Trial
from m0sim.study.learn.experiment.study import RunResult, Study, key_of
from m0sim.study.learn.transfer import rotation
from m0sim.study.report import robustness_data, robustness_plots, study_data

try:
    kernels.load()
except UsageError as missing:
    pytest.skip(str(missing), allow_module_level=True)

ROOT = Path(__file__).parents[1]

TEXT = """
data = "digits"
angles = [30, 45]
seeds = [0, 1]
images = 4
epochs = 2
validation_images = 100
test_images = 20

[tuning]
epochs = 2

[robustness]
seeds = [0, 5]
calibrations = ["upright", "off:+1"]

[[methods]]
method = "niti-static"
shifts = [0, -1, 3]

[[methods]]
method = "tin-tin"
shifts = [-2, 0, 2]
"""


@pytest.fixture
def asked(tmp_path: Path) -> Study:
    return read(tmp_path, TEXT)


def read(folder: Path, text: str) -> Study:
    path = folder / "asked.toml"
    path.write_text(text)
    return study_file.read(path)


def chosen(asked: Study, shift: int = 0) -> dict[Any, int]:
    return {(what, entry.setting.label): shift for what in asked.tasks for entry in asked.entries}


class TestFile:
    def test_what_is_asked(self, asked: Study) -> None:
        assert asked.robustness == study.Robustness((0, 5), (Calibration(upright=True), Calibration(off=1)))

    def test_defaults(self, tmp_path: Path) -> None:
        begin, end = TEXT.index("seeds = [0, 5]"), TEXT.index("[[methods]]")
        found = read(tmp_path, TEXT[:begin] + TEXT[end:]).robustness
        assert found is not None
        assert found.seeds == (0, 1)
        assert [wrong.title for wrong in found.calibrations] == [
            *("images:16", "upright", "off:-2", "off:-1", "off:+1", "off:+2")
        ]
        assert (
            read(
                tmp_path,
                TEXT.replace("[robustness]\n", "")
                .replace("seeds = [0, 5]\n", "")
                .replace('calibrations = ["upright", "off:+1"]\n', ""),
            ).robustness
            is None
        )

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("seeds = [0, 5]", "seeds = []", ":14: robustness.seeds: missing"),
            ("seeds = [0, 5]", "seeds = [0, 0]", ":14: robustness.seeds: must be a list of different numbers"),
            ("seeds = [0, 5]", "seds = [0, 5]", ":14: robustness.seds: unknown key; did you mean 'seeds'"),
            ('"off:+1"', '"of:+1"', ":15: robustness.calibrations: unknown calibration 'of:.1'.*did you mean 'off'"),
            ('"off:+1"', '"upright"', ":15: robustness.calibrations: must be different wrong ones"),
            ('"off:+1"', '"images:128"', ":15: robustness.calibrations: must be different wrong ones"),
            ('"off:+1"', '"images:257"', ":15: robustness.calibrations: the images of images:257 must be 1 to 256"),
            ('"off:+1"', "1", ":15: robustness.calibrations: unknown calibration '1'"),
        ],
    )
    def test_what_is_wrong_is_one_line(self, tmp_path: Path, old: str, new: str, said: str) -> None:
        assert old in TEXT
        with pytest.raises(UsageError, match=said) as refused:
            read(tmp_path, TEXT.replace(old, new))
        assert "\n" not in str(refused.value)


class TestRuns:
    def test_every_shift_and_every_wrong_calibration(self, asked: Study) -> None:
        found = robustness.tasks(asked, chosen(asked))
        assert {task.test_images for task in found} == {None}
        assert {(task.measured, task.epochs) for task in found} == {(0, 2)}
        static = [t for t in found if t.setting.method == "niti-static" and t.transfer == rotation(30.0)]
        assert sorted((t.setting.shift, t.calibration.title, t.seed) for t in static) == sorted(
            [(s, "", seed) for s in (-1, 0, 3) for seed in (0, 5)]
            + [(0, wrong, seed) for wrong in ("upright", "off:+1") for seed in (0, 5)]
        )
        dynamic = [t for t in found if t.setting.method == "tin-tin"]
        assert len(dynamic) == 2 * 3 * 2
        assert {t.calibration for t in dynamic} == {RIGHT}
        assert len({key_of(task) for task in found}) == len(found) == 2 * (10 + 6)

    def test_tuning_of_the_same_length_is_some_of_them(self, asked: Study) -> None:
        rows = {key_of(task): row(1, 1) for task in asked.tuning()}
        left = study.missing(robustness.tasks(asked, chosen(asked)), rows)
        assert {task.seed for task in left if task.calibration == RIGHT} == {5}

    def test_none_where_it_is_not_asked(self, asked: Study) -> None:
        plain = replace(asked, robustness=None)
        assert robustness.tasks(plain, chosen(plain)) == []
        assert robustness_data.result(plain, chosen(plain), {}) is None

    def test_a_study_runs_them(self, tmp_path: Path) -> None:
        text = (
            "images = 3\nepochs = 1\nvalidation_images = 4\ntest_images = 4\n[robustness]\nseeds = [7]\n"
            'calibrations = ["off:+2"]\n[[methods]]\nmethod = "niti-static"\nshifts = [0]\nuntuned = false\n'
        )
        asked = read(tmp_path, text)
        journal = study_run.FinishedRuns(tmp_path)
        told: list[tuple[str, int, int]] = []
        found = study_run.run(asked, journal, 1, lambda *said: told.append(said))
        assert told[-1] == ("robustness", 2, 2)
        assert len(journal.rows) == 1 + 1 + 2
        result = study_data.result(asked, found, journal.rows)
        again = study_run.FinishedRuns(tmp_path)
        assert study_data.result(asked, study_run.run(asked, again, 1), again.rows) == result
        assert len(again.rows) == 4


def trials(*rights: int, before: int = 50) -> Road:
    """At shifts from -2 on, one seed of 100 images."""
    found = [Trial(shift, RIGHT, (right,), (before,)) for shift, right in enumerate(rights, -2)]
    return Road(tuple(found), (), 100)


class TestRoad:
    @pytest.mark.parametrize(
        ("rights", "best", "within"),
        [
            ((60, 90, 88, 40), -1, (-1, 0)),
            ((60, 90, 87, 40), -1, (-1, -1)),
            ((90, 88, 89, 88), -2, (-2, 1)),
            ((90, 87, 90, 40), 0, (0, 0)),  # of equals the slower; what is within beyond a gap is another road
            ((90,), -2, (-2, -2)),
            ((0, 0, 0), 0, (-2, 0)),
        ],
    )
    def test_the_shifts_around_the_best(self, rights: tuple[int, ...], best: int, within: tuple[int, int]) -> None:
        road = trials(*rights)
        assert (road.best.shift, road.within) == (best, within)

    @given(st.lists(st.integers(0, 100), min_size=1, max_size=8))
    def test_it_is_as_wide_as_can_be(self, rights: list[int]) -> None:
        """Against a look at every range: the longest one around the best in which all are within."""
        road = trials(*rights)
        best = max(range(len(rights)), key=lambda i: (rights[i], i))
        ranges = [
            (i, j)
            for i in range(best + 1)
            for j in range(best, len(rights))
            if all(rights[k] >= rights[best] - 2 for k in range(i, j + 1))
        ]
        low, high = max(ranges, key=lambda each: each[1] - each[0])
        assert road.within == (low - 2, high - 2)

    def test_the_mean_of_the_seeds_decides(self) -> None:
        """A mean of 2.0 points below is on the road, one more image in all seeds is not."""
        best, edge, off = (Trial(s, RIGHT, r, (50, 50)) for s, r in ((0, (90, 90)), (1, (95, 81)), (2, (95, 80))))
        road = Road((best, edge, off), (), 100)
        assert road.within == (0, 1)
        assert [road.is_within(each) for each in (best, edge, off)] == [True, True, False]

    def test_collapsed(self) -> None:
        assert Trial(0, RIGHT, (49, 50, 51), (50, 50, 50)).collapsed == 1
        assert Trial(0, RIGHT, (49, 50, 51), (49, 51, 52)).collapsed == 2


class TestReport:
    @pytest.fixture
    def result(self, asked: Study) -> dict[str, Any]:
        """niti-static: 80 at its best shift -1, 79 at 0, collapsed at 3; upright as good, off:+1 collapsed with a seed.

        Its backbone has 45 of 100; with the wrong shifts less, which does not count.
        """
        picked = chosen(asked)
        rows: dict[str, RunResult] = {key_of(task): row(1, 1, 1) for task in asked.tuning()}
        for task in asked.finals(picked):
            rows[key_of(task)] = row(1, 1, cycles=(5, 9))
        right = {("", -1): 80, ("", 0): 79, ("", 3): 30, ("upright", 0): 79, ("off:+1", 0): 44}
        for task in robustness.tasks(asked, picked):
            seed = task.seed // 5  # the second seed has one more
            is_static = task.setting.method == "niti-static"
            last = right[task.calibration.title, task.setting.shift] + seed if is_static else 70 + task.setting.shift
            before = 45 if task.calibration == RIGHT else 10
            rows[key_of(task)] = replace(row(99, last), before=(before, 0))
        return study_data.result(asked, picked, rows)

    def test_json(self, result: dict[str, Any]) -> None:
        found = result["robustness"]
        assert (found["seeds"], found["calibrations"], found["points"]) == ([0, 5], ["upright", "off:+1"], 2)
        road = next(r for r in found["roads"] if r["label"] == "niti-static" and r["angle"] == 45.0)
        assert (road["best_shift"], road["low_shift"], road["high_shift"], road["width_bits"]) == (-1, -1, 0, 1)
        assert (road["is_low_open"], road["is_high_open"]) == (True, False)
        assert [trial["shift"] for trial in road["shifts"]] == [-1, 0, 3]
        assert road["shifts"][2]["accuracy_validation"] == [0.3, 0.31]
        assert [trial["collapsed"] for trial in road["shifts"]] == [0, 0, 2]
        upright, off = road["calibrations"]
        assert (upright["points_below_best"], upright["is_within"], upright["collapsed"]) == (1.0, True, 0)
        assert (off["points_below_best"], off["is_within"], off["collapsed"]) == (36.0, False, 1)
        dynamic = next(r for r in found["roads"] if r["label"] == "tin-tin")
        assert (dynamic["is_calibrated"], dynamic["calibrations"]) == (False, [])
        assert (dynamic["low_shift"], dynamic["high_shift"], dynamic["is_high_open"]) == (0, 2, True)

    def test_tables(self, result: dict[str, Any]) -> None:
        road, wrong = robustness_data.sheets(result)
        assert road.rows[0] == ("niti-static", "30", "-1", "80.5", "+0", "<= -1 to +0", ">= 1", "0 of 2", "2 of 6")
        assert wrong.columns[3:] == ("upright", "off:+1")
        assert wrong.rows[0] == ("niti-static", "30", "1 of 2", "1.0", "36.0 (1)")
        assert wrong.rows[1] == ("tin-tin*", "30", "not calibrated", "-", "-")
        assert all(robustness_data.COLLAPSE in sheet.remark for sheet in (road, wrong))
        text = study_data.markdown(result)
        assert "How wide the road is" in text
        assert "![How wide the road is](robustness.png)" in text
        assert "robustness.png" not in study_data.markdown({**result, "robustness": None})

    def test_the_picture(self, result: dict[str, Any]) -> None:
        drawn = robustness_plots.files(result)
        assert set(drawn) == {"robustness.png", "robustness.svg"}
        assert drawn == robustness_plots.files(result)
        assert robustness_plots.files({**result, "robustness": None}) == {}
        assert robustness_plots.files({key: value for key, value in result.items() if key != "robustness"}) == {}

    def test_more_methods_than_panels(self, result: dict[str, Any]) -> None:
        found = result["robustness"]
        many = [{**road, "label": f"method {n}"} for n in range(11) for road in found["roads"][:1]]
        assert robustness_plots.roads({**result, "robustness": {**found, "roads": many}}).startswith(b"<?xml")


def test_the_committed_case_has_it() -> None:
    """`test_study` runs it again; here: that its figures follow from each other."""
    found = json.loads((ROOT / "docs" / "study" / "digits.json").read_text())["robustness"]
    assert [parse(title).title for title in found["calibrations"]] == found["calibrations"]
    for road in found["roads"]:
        means = {t["shift"]: sum(t["accuracy_validation"]) / len(found["seeds"]) for t in road["shifts"]}
        assert road["best_shift"] == max(means, key=lambda shift: (round(means[shift], 6), shift))
        for trial in road["shifts"]:
            below = 100 * (means[road["best_shift"]] - means[trial["shift"]])
            assert trial["points_below_best"] == pytest.approx(below, abs=2e-4)
            pairs = zip(trial["accuracy_validation"], road["accuracy_before"], strict=True)
            assert trial["collapsed"] == sum(after < before for after, before in pairs)
