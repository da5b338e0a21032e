"""What a run says of the old task and of its chosen epoch: judged once, on the right images, by the right state."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import quick_of
from test_experiment import LEARNING, task, trained
from test_own_data_runs import npz
from test_own_data_runs import task as file_task

from m0sim.study.learn import datasets, methods, sources
from m0sim.study.learn.experiment import checkpoint
from m0sim.study.learn.experiment.images import ImagePart
from m0sim.study.learn.experiment.setting import Setting
from m0sim.study.learn.experiment.training import Task, Training, TrainingRun, complete, same
from m0sim.study.learn.methods.base import Model
from m0sim.study.learn.sources import DataSource, FileOptions
from m0sim.study.learn.transfer import NONE, parse
from m0sim.study.report import tables, train_data, train_plots


def judged(training: Training) -> list[tuple[int | None, int | None]]:
    return [(epoch.right_test, epoch.right_old) for epoch in training.progress.epochs]


@cache
def with_chosen_epoch_inside(name: str) -> Task:
    """A run of four epochs whose best one is not the last, as fast learning gives: found by trying seeds."""
    for seed in range(20):
        asked = task(LEARNING[name], epochs=4, images=12, seed=seed)
        if TrainingRun(asked).train().chosen in (1, 2, 3):
            return asked
    raise AssertionError("no seed has its best epoch inside the run")


@pytest.mark.parametrize("name", quick_of(["niti-static", "priot", "priot cool", "tin-tin"], ["priot cool"]))
def test_two_epochs_are_judged_and_by_their_own_states(name: str) -> None:
    """The chosen epoch's figures are those of a run that ends there."""
    asked = with_chosen_epoch_inside(name)
    whole, once = TrainingRun(asked).train(), TrainingRun(asked).train(has_curve=False)
    chosen = whole.chosen
    assert chosen is not None
    ended = TrainingRun(replace(asked, epochs=chosen)).train().progress.epochs[-1]
    wanted = {chosen: ended, 4: whole.progress.epochs[-1]}
    for number, epoch in enumerate(once.progress.epochs, 1):
        expected = wanted.get(number)
        pair = None if expected is None else (expected.right_test, expected.right_old)
        assert (epoch.right_test, epoch.right_old) == (pair or (None, None))
        assert whole.progress.epochs[number - 1].right_old == (None if pair is None else pair[1])
    assert [e.right_validation for e in once.progress.epochs] == [e.right_validation for e in whole.progress.epochs]
    assert (once.start[1], once.before, once.before_old) == (None, whole.before, whole.before_old)


@pytest.mark.parametrize("method", quick_of(methods.available(), ["niti-static", "priot-s", "bias-last", "fp32"]))
def test_the_chosen_state_of_every_method_comes_back(method: str) -> None:
    """From its arrays, as a checkpoint keeps them. One validation image chooses the first epoch that gets it right."""
    asked = task(Setting(method, -2), epochs=3, images=6, validation_images=1)
    whole, once = TrainingRun(asked).train(), TrainingRun(asked).train(has_curve=False)
    chosen = whole.chosen
    assert chosen in (1, 2)
    judged = once.progress.epochs[chosen - 1]
    assert judged.right_test == whole.progress.epochs[chosen - 1].right_test
    ended = TrainingRun(replace(asked, epochs=chosen)).train().progress
    assert once.progress.chosen is not None
    assert same(once.progress.chosen, ended.arrays)
    assert judged.right_old == ended.epochs[-1].right_old


@pytest.mark.parametrize("method", quick_of(["niti-static", "niti-dynamic", "priot", "tin-tin", "fp32"], ["priot"]))
def test_the_old_task_is_the_test_images_as_they_are(method: str) -> None:
    """A state that has learned nothing has the backbone's accuracy on upright images, and what it has learned is
    counted on the data set's own array."""
    done = TrainingRun(task(Setting(method, 24), epochs=1, images=1, test_images=389))
    found = done.train()
    whole = datasets.load("digits")
    indices = datasets.SPLITS["digits"]["test"]
    upright = ImagePart((whole.images[list(indices)] // 2).astype(np.int8), whole.labels[list(indices)])
    assert found.old == 389
    assert found.before_old == done.model.untouched(upright) > 0.9 * 389 > found.before[1]
    assert found.progress.epochs[0].right_old == done.model.right(done._state, upright)


def test_learning_the_new_task_forgets_the_old_one() -> None:
    found = trained(Setting("niti-static", -1), images=0, epochs=2, test_images=0, validation_images=0)
    last = found.progress.epochs[-1]
    assert last.right_old is not None
    assert last.right_test is not None
    assert last.right_test > found.before[1]
    assert last.right_old < found.before_old


def test_the_old_task_of_another_place_is_the_first_one(tmp_path: Path) -> None:
    data, place = npz(tmp_path / "a.npz"), npz(tmp_path / "b.npz", first=300, count=150)
    asked = file_task(data, transfer=parse(str(place)))
    made = TrainingRun(asked)
    home = sources.load(DataSource(str(data)), made.backbone.network).part("test")
    assert np.array_equal(made.old.images, home.images[: len(made.test)] >> 1)
    assert np.array_equal(made.old.labels, home.labels[: len(made.test)])
    assert not np.array_equal(made.old.images[:5], made.test.images[:5])
    own = TrainingRun(file_task(data, transfer=NONE))
    assert np.array_equal(own.old.images, own.test.images)
    noisy = TrainingRun(file_task(data, transfer=parse("noise:40")))
    assert np.array_equal(noisy.old.images, own.test.images)
    assert not np.array_equal(noisy.test.images, own.test.images)


def test_a_known_data_set_and_a_file_of_the_new_place(tmp_path: Path) -> None:
    """How the file is divided is nothing that the bundled data may be asked for."""
    place = npz(tmp_path / "b.npz", first=300, count=150)
    asked = replace(file_task(place), data="digits", transfer=parse(str(place)), data_options=FileOptions(seed=3))
    made = TrainingRun(asked)
    upright = datasets.load("digits").part("test")
    assert np.array_equal(made.old.images, upright.images[: len(made.old)] >> 1)


def test_a_first_place_without_test_images_has_no_old_task(tmp_path: Path) -> None:
    parts = np.arange(200) % 3  # of backbone, transfer and validation
    data, place = npz(tmp_path / "a.npz", split=parts), npz(tmp_path / "b.npz", first=200)
    found = TrainingRun(file_task(data, transfer=parse(str(place)))).train()
    assert found.old == 0
    assert found.progress.epochs[0].right_old is None
    shown = train_data.to_json(found)
    assert (shown["old_images"], shown["accuracy_old_before"], shown["accuracy_old"]) == (0, None, [None])
    assert "old task" not in train_data.closing(found)


def test_tuning_reads_no_test_image(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[str] = []
    original = TrainingRun._part
    monkeypatch.setattr(TrainingRun, "_part", lambda self, which: parts.append(which) or original(self, which))
    found = TrainingRun(task(LEARNING["priot"], test_images=None)).train()
    assert "test" not in parts
    assert judged(found) == [(None, None)] * 2
    assert (found.test, found.old) == (0, 0)


def test_images_are_judged_no_more_often_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of six epochs the test images see two at most, and the untouched backbone."""
    made = TrainingRun(task(LEARNING["niti-static"], epochs=6))
    asked: list[int] = []
    kind: type[Model] = type(made.model)
    original = kind.right

    def noted(model: Any, state: Any, part: Any) -> int:
        asked.append(len(part))
        return original(model, state, part)

    monkeypatch.setattr(kind, "right", noted)
    made.train(has_curve=False)
    assert asked.count(40) <= 2 * 2 + 2
    assert asked.count(32) == 6 + 2


@pytest.mark.parametrize("engine", ["golden", "device"])
def test_a_resumed_run_still_has_its_chosen_epoch(tmp_path: Path, engine: str) -> None:
    asked = with_chosen_epoch_inside("niti-static")
    asked = replace(asked, engine=engine)
    whole = TrainingRun(asked).train()
    stopped = TrainingRun(replace(asked, epochs=3))
    stopped.train(keep=lambda now: checkpoint.save(tmp_path, stopped.task, now))
    resumed = TrainingRun(asked, checkpoint.load(tmp_path, complete(asked))).train()
    assert judged(resumed) == judged(whole)


def test_a_checkpoint_of_before_goes_on_without(tmp_path: Path) -> None:
    asked = with_chosen_epoch_inside("niti-static")
    short = TrainingRun(replace(asked, epochs=3))
    short.train(keep=lambda now: checkpoint.save(tmp_path, short.task, replace(now, chosen=None)))
    found = TrainingRun(asked, checkpoint.load(tmp_path, complete(asked))).train()
    last = found.progress.epochs[-1]
    assert last.right_old == TrainingRun(asked).train().progress.epochs[-1].right_old
    assert found.chosen is not None
    assert found.progress.epochs[found.chosen - 1].right_old is None
    assert " and -" not in train_data.closing(found).partition("; old task")[0]
    assert "-" in train_data.closing(found).partition("; old task")[2]


def test_the_reports_have_it() -> None:
    found = trained(Setting("niti-static", -1), epochs=2)
    shown, rows = train_data.to_json(found), tables.training(found)
    last = found.progress.epochs[-1]
    assert last.right_old is not None
    assert shown["old_images"] == 40
    assert shown["accuracy_old"][-1] == rows[-1]["accuracy_old"] == round(last.right_old / 40, 6)
    assert shown["accuracy_old_before"] == rows[0]["accuracy_old"] == round(found.before_old / 40, 6)
    assert f"old task {100 * last.right_old / 40:.2f} %" in train_data.closing(found)
    table = train_data.sheet(found)
    assert [row[table.columns.index("old task")] for row in table.rows][-1] == f"{100 * last.right_old / 40:.2f} %"


def test_a_curve_without_every_epoch_is_drawn() -> None:
    found = TrainingRun(task(LEARNING["niti-static"], epochs=3)).train(has_curve=False)
    assert train_plots.curve(found).startswith(b"<?xml")
    assert train_data.sheet(found).rows[0][2] != "-"
