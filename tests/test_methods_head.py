"""priot-s-head: which layer learns by what, and by which shifts. Its steps are held by test_golden.py."""

from __future__ import annotations

import numpy as np
import pytest

from m0sim.study.learn import datasets, methods, pretrain
from m0sim.study.learn.datasets import network_input
from m0sim.study.learn.experiment.images import ImagePart
from m0sim.study.learn.experiment.setting import Setting, model_of
from m0sim.study.learn.experiment.training import Task, TrainingRun
from m0sim.study.learn.methods.integer import IntegerModel
from m0sim.study.learn.networks import Dense, Network

OPTIONS = {"selection": "largest", "deviation": 8, "prune": "threshold", "theta": -64}
"""Nothing is pruned before the first step."""


def _model(shift: int, **options: int) -> IntegerModel:
    data = datasets.load("digits").part("transfer")
    part = ImagePart(network_input(data.images), data.labels).first(64)
    made = model_of(Setting("priot-s-head", shift, OPTIONS | options), pretrain.bundled("tiny-cnn-8"), part, 0)
    assert isinstance(made, IntegerModel)
    return made


def test_the_last_layer_has_weights_and_the_others_scores() -> None:
    arrays = _model(0).arrays(_model(0).initial())
    backbone = pretrain.bundled("tiny-cnn-8").weights
    assert sorted(arrays) == ["scores0", "scores1", "scores2", "weights3"]
    assert np.array_equal(arrays["weights3"], backbone[3])
    assert [len(arrays[f"scores{i}"]) for i in range(3)] == [round(0.1 * w.size) for w in backbone[:3]]


@pytest.mark.parametrize("shift", [-3, 0, 2])
@pytest.mark.parametrize("head", [-1, 0, 2])
def test_each_part_has_its_own_shift(shift: int, head: int) -> None:
    plain, moved = _model(0).config.update, _model(shift, head=head).config.update
    assert moved == (*(u + shift for u in plain[:-1]), plain[-1] + head)


def test_the_last_layer_is_calibrated_as_niti_is() -> None:
    """What calibrates it is what niti-static sees, behind the same start: nothing is pruned there."""
    niti = model_of(
        Setting("niti-static"),
        pretrain.bundled("tiny-cnn-8"),
        ImagePart(*_digits()),
        0,
    )
    assert isinstance(niti, IntegerModel)
    assert _model(0).config.update[-1] == niti.config.update[-1]
    assert _model(0).config.forward == niti.config.forward


def _digits() -> tuple[np.ndarray, np.ndarray]:
    data = datasets.load("digits").part("transfer")
    return network_input(data.images)[:64], data.labels[:64]


def test_with_one_layer_that_learns_it_is_niti_static() -> None:
    few = {"images": 40, "epochs": 2, "validation_images": 16, "test_images": 16, "engine": "golden", "measured": 0}
    head = TrainingRun(Task("tiny-cnn-8", "digits", Setting("priot-s-head", 0, {"trained": 1}), **few))  # type: ignore[arg-type]
    niti = TrainingRun(Task("tiny-cnn-8", "digits", Setting("niti-static", 0, {"trained": 1}), **few))  # type: ignore[arg-type]
    found, wanted = head.train().progress, niti.train().progress
    assert not np.array_equal(wanted.arrays["weights3"], pretrain.bundled("tiny-cnn-8").weights[3])
    assert np.array_equal(found.arrays["weights3"], wanted.arrays["weights3"])


def test_a_single_layer_is_refused() -> None:
    flat = Network("flat", (2, 2, 1), (Dense(3),))
    assert "one layer" in methods.get("priot-s-head").unsupported(flat)
