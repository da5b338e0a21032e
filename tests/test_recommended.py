"""What is trained where no method is named: the network's recipe, in which what is typed takes the place of a part."""

from __future__ import annotations

import json
from typing import Any

import pytest

from m0sim import cli
from m0sim.chip import device
from m0sim.errors import UsageError
from m0sim.study import api, tasks
from m0sim.study.learn import pretrain
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.datasets import network_input, random_images
from m0sim.study.learn.deployment import Deployment
from m0sim.study.learn.experiment import recommended
from m0sim.study.learn.experiment.images import ImagePart
from m0sim.study.learn.experiment.setting import Setting, model_of
from m0sim.study.words import DataWords, MemoryWords

SHORT = ("train", "--images", "8", "--epochs", "1", "--engine", "golden", "--validation-images", "8")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["m0sim", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def _task(method: str | None, network: str = "tiny-cnn", shift: int | None = None, **options: Any) -> Setting:
    return tasks.training(
        method,
        network,
        DataWords("digits"),
        MemoryWords(None, None, None, None),
        rotate=None,
        shift=shift,
        settings=options,
        engine="golden",
        test_images="all",
        profile=device.DEFAULT,
    ).setting


def test_every_bundled_backbone_has_a_recipe_and_it_is_a_right_setting() -> None:
    assert set(recommended.RECIPES) == set(pretrain.BUNDLED)
    for method, choice in recommended.RECIPES.values():
        assert Setting(method, choice.shift, choice.options).options == choice.options


@pytest.mark.parametrize("network", recommended.RECIPES)
def test_every_recipe_fits_an_rp2040(network: str) -> None:
    method, choice = recommended.RECIPES[network]
    backbone = pretrain.bundled(network)
    noise = random_images(backbone.network.input_shape)
    part = ImagePart(network_input(noise.images), noise.labels).first(4)
    model = model_of(Setting(method, choice.shift, choice.options), backbone, part, 0)
    assert Deployment.of(model, DeviceOptions(), device.load("rp2040")).is_fit


def test_what_is_typed_takes_the_place_of_a_part() -> None:
    method, choice = recommended.RECIPES["tiny-cnn"]
    assert _task(None) == Setting(method, choice.shift, choice.options)
    assert _task(None, shift=-2).shift == -2
    assert _task(None, fraction=0.25).options == {**choice.options, "fraction": 0.25}
    assert _task("niti-static") == Setting("niti-static")


def test_the_verb_and_the_call_need_no_method(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert run(monkeypatch, *SHORT, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    method, choice = recommended.RECIPES["tiny-cnn-8"]
    assert (printed["method"], printed["shift"], printed["options"]) == (method, choice.shift, choice.options)
    called = api.train(images=8, epochs=1, engine="golden", validation_images=8)
    assert called.to_dict()["accuracy"] == printed["accuracy"]


def test_a_network_without_a_recipe_needs_a_method() -> None:
    with pytest.raises(UsageError, match=r"mlp: by which method\? Name one with --method; only tiny-cnn-8, tiny-cnn, "):
        _task(None, "mlp")
