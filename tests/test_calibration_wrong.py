"""Calibrations that are wrong on purpose: what they move, what runs are known by, and who ignores them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_experiment import task
from test_own_data_runs import npz
from test_own_data_runs import task as file_task

from m0sim.errors import UsageError
from m0sim.study.learn import calibrate, datasets, methods
from m0sim.study.learn.config import Config
from m0sim.study.learn.experiment.calibration import RIGHT, Calibration, parse
from m0sim.study.learn.experiment.setting import Setting
from m0sim.study.learn.experiment.study import key_of
from m0sim.study.learn.experiment.training import TrainingRun, same
from m0sim.study.learn.pretrain import bundled
from m0sim.study.learn.transfer import parse as transfer_of

STATIC = ("niti-static", "priot", "priot-threshold", "priot-s")
OTHERS = ("niti-dynamic", "tin-tin", "fp32")


def config_of(method: str, wrong: Calibration, shift: int = 0) -> Config:
    found: Config = TrainingRun(task(Setting(method, shift), calibration=wrong)).model.config  # type: ignore[attr-defined]
    return found


class TestText:
    @given(
        st.builds(
            Calibration,
            st.integers(1, 500),
            st.booleans(),
            st.integers(-24, 24).filter(bool),
            st.sampled_from(["all", "forward", "backward", "update"]),
        )
    )
    def test_a_title_is_what_is_typed(self, wrong: Calibration) -> None:
        assert parse(wrong.title) == wrong

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("images:16", Calibration(images=16)),
            ("upright", Calibration(upright=True)),
            ("off:+1", Calibration(off=1)),
            ("off:-2", Calibration(off=-2)),
            ("update:2", Calibration(off=2, shifts="update")),
            ("images:16, upright,backward:-1", Calibration(16, True, -1, "backward")),
        ],
    )
    def test_words(self, text: str, wanted: Calibration) -> None:
        assert parse(text) == wanted

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "unknown calibration ''"),
            ("uprigth", "did you mean 'upright'"),
            ("forwards:1", "did you mean 'forward'"),
            ("images", "images needs a whole number"),
            ("off:1.5", "off needs a whole number"),
            ("off:0", "off must not be 0"),
            ("off:25", "must be -24 to 24"),
            ("images:0", "must be 1 or more"),
            ("upright:1", "upright takes no number"),
            ("images:16,images:8", "images is there twice"),
            ("off:1,update:2", "is there twice"),
        ],
    )
    def test_what_is_wrong_is_one_line(self, text: str, said: str) -> None:
        with pytest.raises(UsageError, match=said) as refused:
            parse(text)
        assert "\n" not in str(refused.value)

    def test_of_none_is_off(self) -> None:
        with pytest.raises(UsageError, match="with off, not 0"):
            Calibration(shifts="update")
        assert RIGHT.title == ""


class TestShifts:
    @pytest.mark.parametrize("method", STATIC)
    @pytest.mark.parametrize("kind", ["all", "forward", "backward", "update"])
    def test_off_moves_what_it_names(self, method: str, kind: Any) -> None:
        right, wrong = (config_of(method, each) for each in (RIGHT, Calibration(off=2, shifts=kind)))
        for name in ("forward", "backward", "update"):
            moved = [b - a for a, b in zip(getattr(right, name), getattr(wrong, name), strict=True)]
            assert moved == [2 * (kind in ("all", name))] * len(moved)
        assert replace(wrong, forward=right.forward, backward=right.backward, update=right.update) == right

    def test_they_stay_in_range(self) -> None:
        for off in (-24, 24):
            found = config_of("niti-static", Calibration(off=off))
            assert {*found.forward, *found.backward, *found.update} == {0 if off < 0 else 24}

    def test_an_update_off_is_a_learning_shift(self) -> None:
        """Of static methods the two are one thing, which is said twice: an oracle for both."""
        wrong = TrainingRun(task(Setting("niti-static", -1), calibration=parse("update:+1"))).train()
        slower = TrainingRun(task(Setting("niti-static", 0))).train()
        assert same(wrong.progress.arrays, slower.progress.arrays)

    @pytest.mark.parametrize(("text", "count", "is_upright"), [("images:16", 16, False), ("upright", 128, True)])
    def test_the_images_are_those(self, text: str, count: int, is_upright: bool) -> None:
        whole, backbone = datasets.load("digits"), bundled("tiny-cnn-8")
        part = whole.part("transfer")
        seen = part.images if is_upright else transfer_of("rotate:30").applied(part.images, [])
        method = methods.get("niti-static")
        wanted = calibrate.calibrate(
            backbone.network,
            method,  # type: ignore[arg-type]
            backbone.weights,
            (seen[:count] >> 1).astype(np.int8),
            part.labels[:count],
            backbone.config,
        )
        found = config_of("niti-static", parse(text))
        assert (found.forward, found.backward, found.update) == (wanted.forward, wanted.backward, wanted.update)
        right = config_of("niti-static", RIGHT)
        assert (found.forward, found.backward, found.update) != (right.forward, right.backward, right.update)

    def test_upright_of_another_place_is_the_first(self, tmp_path: Path) -> None:
        data, place = npz(tmp_path / "a.npz"), npz(tmp_path / "b.npz", first=200)
        asked = file_task(data, transfer=transfer_of(str(place)))
        wrong = TrainingRun(replace(asked, calibration=parse("upright")))
        own = TrainingRun(file_task(data))
        assert wrong.model.config.update == own.model.config.update  # type: ignore[attr-defined]
        assert np.array_equal(wrong._calibration_images().images, own._calibration_images().images)

    def test_more_images_than_there_are(self) -> None:
        with pytest.raises(UsageError, match=r"calibration images must be 1 to 256"):
            TrainingRun(task(Setting("niti-static"), calibration=parse("images:257")))


class TestIdentity:
    @pytest.mark.parametrize("method", STATIC)
    def test_wrong_ones_have_keys_of_their_own(self, method: str) -> None:
        texts = ("images:16", "upright", "off:+1", "off:-1", "forward:+1", "backward:+1", "update:+1")
        right = task(Setting(method))
        keys = {key_of(replace(right, calibration=parse(text))) for text in texts}
        assert len(keys | {key_of(right)}) == 1 + len(texts)
        assert "calibration" not in right.identity()
        assert replace(right, calibration=parse("off:+1")).identity()["calibration"] == "off:+1"

    @pytest.mark.parametrize("method", OTHERS)
    @pytest.mark.parametrize("text", ["images:16", "upright", "off:+2"])
    def test_who_is_not_calibrated_ignores_them(self, method: str, text: str) -> None:
        """The same key, and so it must be the same result."""
        right = task(Setting(method), epochs=1, images=6)
        wrong = replace(right, calibration=parse(text))
        assert key_of(wrong) == key_of(right)
        a, b = (TrainingRun(each).train() for each in (right, wrong))
        assert same(a.progress.arrays, b.progress.arrays)
        assert (a.progress.epochs, a.before) == (b.progress.epochs, b.before)
