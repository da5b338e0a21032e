"""The door to networks: what every verb takes, what it refuses in one line, and what runs and journals know them by."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import Run, run  # noqa: F401

from m0sim import arrays
from m0sim.chip import device
from m0sim.errors import UsageError
from m0sim.study.learn import datasets, network_files, network_toml, networks, pretrain, side_by_side
from m0sim.study.learn.config import Config, DeviceOptions
from m0sim.study.learn.experiment import study, study_file
from m0sim.study.learn.experiment.setting import Setting
from m0sim.study.learn.experiment.training import Task, TrainingRun
from m0sim.study.learn.networks import Conv, Dense, Network, Pool
from m0sim.study.learn.pretrain import Backbone
from m0sim.study.whatif import budget, grid, planned
from m0sim.study.whatif.configuration import configure
from m0sim.study.whatif.points import Inputs
from m0sim.study.whatif.sizes import SramRoom

SMALL = Network("small", (8, 8, 1), (Conv(4), Pool(), Dense(10)))
CHIP = device.load("rp2040")


def made(network: Network = SMALL, seed: int = 0) -> Backbone:
    """A backbone that learned nothing."""
    rng = np.random.default_rng(seed)
    weights = tuple(rng.integers(-127, 128, s.weight_shape).astype(np.int8) for s in network.stages)
    biases = tuple(tuple(rng.integers(-99, 99, s.n_out).tolist()) if s.layer.bias else () for s in network.stages)
    count = len(weights)
    config = Config((-10,) * count, forward=(8,) * count, biases=biases if any(biases) else ())
    return Backbone(network, weights, config, {"schema": 1, "network": network.name})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.toml").write_text(network_toml.dumps(SMALL))
    pretrain.save(made(), tmp_path / "backbone.npz")
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_what_may_be_typed_or_given() -> None:
    backbone = made()
    for given in ("net.toml", Path("net.toml"), SMALL):
        assert network_files.of(given) == network_files.Found(SMALL, None)
    for given in ("backbone.npz", backbone):
        found = network_files.of(given)
        assert (found.network, found.start.sha256) == (SMALL, backbone.sha256)
        assert network_files.of(found) is found
    assert network_files.find("backbone.npz").file == "backbone.npz"
    assert network_files.find("tiny-cnn-8").start.sha256 == pretrain.bundled("tiny-cnn-8").sha256
    assert network_files.find("lenet").backbone is None


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("tiny-cnn8", "did you mean 'tiny-cnn-8'"),
        ("none.toml", "none.toml: cannot read the network: No such file"),
        ("none.npz", "no such backbone; m0sim pretrain makes one"),
        ("model.onnx", "m0sim import model.onnx --data DATA -o backbone.npz"),
        ("notes.txt", "notes.txt: a network is a name (tiny-cnn, "),
    ],
)
def test_what_is_refused(folder: Path, typed: str, says: str) -> None:
    (folder / "notes.txt").write_text("")
    with pytest.raises(UsageError) as refused:
        network_files.find(typed)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_python_objects_are_held_to_the_limits() -> None:
    for network in (Network("a b", (8, 8, 1), (Dense(2),)), Network("a", (8, 8, 1), (Conv(2),))):
        with pytest.raises(UsageError):
            network_files.of(network)
        with pytest.raises(UsageError):
            configure(network, "priot")


def test_a_run_without_a_backbone_is_told_what_to_do() -> None:
    with pytest.raises(UsageError, match="small has no backbone to start from: make one with m0sim pretrain"):
        TrainingRun(task(SMALL))
    with pytest.raises(UsageError, match="no bundled backbone for 'lenet'"):
        TrainingRun(task("lenet"))


def task(network: Any, **more: Any) -> Task:
    numbers = {"images": 16, "epochs": 1, "validation_images": 16, "test_images": 16, "engine": "golden", "measured": 0}
    return Task(network=network, data="digits", setting=Setting("niti-static"), **{**numbers, **more})


# Backbones


@pytest.mark.parametrize(
    "network",
    [
        SMALL,
        Network("biased", (8, 8, 1), (Conv(3, bias=True), Dense(4), Dense(3, bias=True))),
        Network("wave", (1, 32, 2), (Conv(3, (1, 5), pad=(0, 2)), Pool((1, 2)), Dense(2))),
        networks.get("tiny-cnn-8"),
    ],
    ids=lambda network: network.name,
)
def test_backbones_carry_their_network(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "backbone.npz"
    backbone = made(network)
    pretrain.save(backbone, path)
    found = pretrain.read(path)
    assert (found.network, found.config, found.sha256) == (network, backbone.config, backbone.sha256)
    assert all(np.array_equal(a, b) for a, b in zip(found.weights, backbone.weights, strict=True))


def test_a_hash_is_of_all_that_a_run_starts_from() -> None:
    one = made()
    others = [
        made(seed=1),
        made(dataclasses.replace(SMALL, layers=(Conv(4, pad=1, stride=1), Pool((2, 1)), Dense(10)))),
        dataclasses.replace(one, config=dataclasses.replace(one.config, forward=(8, 9))),
        dataclasses.replace(one, config=dataclasses.replace(one.config, weight_exponents=(-10, -9))),
        dataclasses.replace(one, network=dataclasses.replace(SMALL, name="other")),
    ]
    assert len({each.sha256 for each in (one, *others)}) == 6
    assert dataclasses.replace(one, record={}).sha256 == one.sha256


def hostile(change: Callable[[dict[str, Any]], None], path: Path) -> None:
    pretrain.save(made(), path)
    with np.load(path) as stored:
        content = dict(stored)
    change(content)
    path.write_bytes(arrays.to_npz(content))


def text(content: dict[str, Any], **changes: str) -> None:
    found = str(content["network"])
    for old, new in changes.items():
        found = found.replace(old, new)
    content["network"] = np.array(found)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: text(c, conv="cnov"), "did you mean 'conv'"),
        (lambda c: text(c, small="mlp"), "is the name of a bundled network"),
        (lambda c: text(c, small="other"), "the record is of network 'small', what it carries is 'other'"),
        (lambda c: text(c, **{"dense = 10": "dense = 11"}), "weights_1 is not int8 [11, 64]"),
        (lambda c: text(c, **{"[8, 8, 1]": "[8, 8, 2]"}), "weights_0 is not int8 [4, 3, 3, 2]"),
        (lambda c: text(c, **{"dense = 10": "dense = 10\nbias = true"}), "layer 1 has 10 biases, not 0"),
        (lambda c: text(c, **{"dense = 10": "dense = 70000"}), "must be from 1 to 65535"),
        (lambda c: c.update(network=np.array(["a", "b"])), "network is no text"),
        (lambda c: c.update(network=np.array(7)), "network is no text"),
        (lambda c: c.update(network=np.array("[")), "not valid TOML"),
        (lambda c: c.update(biases_0=np.zeros(4, np.int32)), "layer 0 has 0 biases, not 4"),
        (lambda c: c.pop("network"), "unknown network 'small'"),
    ],
)
def test_hostile_backbones_are_one_line(tmp_path: Path, change: Callable[[dict[str, Any]], None], says: str) -> None:
    path = tmp_path / "backbone.npz"
    hostile(change, path)
    with pytest.raises(UsageError) as refused:
        pretrain.read(path)
    assert str(refused.value).startswith(f"{path}:")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


# What runs are known by


def test_bundled_networks_are_known_as_ever() -> None:
    identity = task("tiny-cnn-8").identity()
    assert (identity["network"], identity["backbone"]) == ("tiny-cnn-8", None)
    assert "backbone_sha256" not in identity
    assert task(networks.get("tiny-cnn-8")).identity() == identity
    assert task(pretrain.bundled("tiny-cnn-8")).identity() == identity


def test_a_backbone_is_known_by_its_bytes(folder: Path) -> None:
    one = task("backbone.npz").identity()
    assert one["backbone"] == "backbone.npz"
    assert task("net.toml", backbone=Path("backbone.npz")).identity() == one
    assert task(Path("backbone.npz"), backbone=Path("backbone.npz")).identity() == one
    held = study.key_of(task(network_files.find("backbone.npz")))
    pretrain.save(made(seed=1), folder / "backbone.npz")
    assert study.key_of(task("backbone.npz")) != held


def test_the_backbone_of_another_network_is_refused(folder: Path) -> None:
    pretrain.save(made(dataclasses.replace(SMALL, layers=(Dense(10),))), folder / "other.npz")
    for network, other in (("net.toml", "another network of that name"), ("tiny-cnn-8", "tiny-cnn-8")):
        with pytest.raises(UsageError, match=f"other.npz is a backbone of small, not of {other}"):
            TrainingRun(task(network, backbone=Path("other.npz")))


def test_tasks_travel_by_value(folder: Path) -> None:
    """A worker has the network, its weights and the key, whatever became of the file."""
    sent = task(network_files.find("backbone.npz"))
    key = study.key_of(sent)
    packed = pickle.dumps(sent)
    for path in folder.iterdir():
        path.unlink()
    got = pickle.loads(packed)
    assert study.key_of(got) == key
    assert TrainingRun(got).train().progress.epochs


STUDY = """
network = "backbone.npz"
images = 16
epochs = 1
validation_images = 16
test_images = 16
[[methods]]
method = "niti-static"
shifts = [0]
"""


def test_a_study_takes_a_backbone_beside_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "study.toml").write_text(STUDY)
    (folder / "bare.toml").write_text(STUDY.replace("backbone.npz", "net.toml"))
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    asked = study_file.read(Path("../study.toml"))
    assert asked.found.network == SMALL
    assert asked.tuning()[0].found.start.sha256 == made().sha256
    with pytest.raises(UsageError, match=r"bare.toml:2: network: small has no backbone"):
        study_file.read(Path("../bare.toml"))


SWEEP = """
steps = 1
[grid]
network = ["net.toml", "tiny-cnn-8"]
method = ["niti-static", "priot-s"]
width = [1.0, 0.5]
"""


def keys(path: Path) -> list[str]:
    asked = grid.load(path)
    inputs = Inputs(asked)
    return [inputs.key(point) for point in asked.points]


def test_a_sweep_knows_networks_by_their_layers_and_weights(folder: Path) -> None:
    path = folder / "sweep.toml"
    path.write_text(SWEEP)
    before = keys(path)
    assert len(set(before)) == len(before) == 8 == grid.outline(path).points
    assert [point.network for point in grid.load(path).points] == ["small"] * 4 + ["tiny-cnn-8"] * 4
    (folder / "net.toml").write_text(network_toml.dumps(SMALL).replace("conv = 4", "conv = 5"))
    after = keys(path)
    assert not set(before[:4]) & set(after[:4])
    assert before[4:] == after[4:]
    path.write_text(SWEEP.replace("net.toml", "backbone.npz"))
    with_weights = keys(path)
    pretrain.save(made(seed=1), folder / "backbone.npz")
    others = keys(path)
    changed = [a != b for a, b in zip(with_weights, others, strict=True)]
    assert changed == [True, False, True, False, *[False] * 4]  # of another width the weights are random


def test_a_sweep_whose_copy_is_elsewhere_finds_its_networks(folder: Path) -> None:
    path = folder / "sweep.toml"
    path.write_text(SWEEP)
    (folder / "out").mkdir()
    (folder / "out" / "sweep.toml").write_text(grid.copy_of(grid.load(path), folder / "out"))
    assert keys(folder / "out" / "sweep.toml") == keys(path)


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ('["net.toml", "backbone.npz"]', "'net.toml' and 'backbone.npz' are both called small"),
        ('"none.toml"', "none.toml: cannot read the network"),
        ('"tiny-cnn-9"', "did you mean 'tiny-cnn-8'"),
    ],
)
def test_a_sweep_says_what_is_wrong_with_a_network(folder: Path, network: str, says: str) -> None:
    path = folder / "sweep.toml"
    path.write_text(SWEEP.replace('["net.toml", "tiny-cnn-8"]', network))
    with pytest.raises(UsageError, match=r"sweep.toml:4: grid.network: ") as refused:
        grid.load(path)
    assert says in str(refused.value)


# compare and budget


def comparison(network: Any, **more: Any) -> side_by_side.ComparisonTask:
    digits = datasets.load("digits")
    return side_by_side.task_of(network, digits, CHIP, "niti-static", steps=1, base="", options=DeviceOptions(), **more)


def test_a_comparison_starts_from_the_backbone_that_it_was_given() -> None:
    backbone = made()
    start = side_by_side.start_of(comparison(backbone))
    assert (start.weights, start.config.forward, start.note) == (backbone.weights, (8, 8), "")
    for given in (comparison(SMALL), comparison(backbone, width=2)):
        assert side_by_side.start_of(given).note == "random weights"
    assert side_by_side.compare(comparison(backbone)).network == "small"


def test_random_biases_where_there_is_no_backbone() -> None:
    network = networks.with_biases(SMALL, [True, False])
    start = side_by_side.start_of(comparison(network))
    assert [len(biases) for biases in start.config.biases] == [4, 0]
    plain = side_by_side.start_of(comparison(SMALL))
    assert all(np.array_equal(a, b) for a, b in zip(start.weights, plain.weights, strict=True))


def test_a_budget_takes_networks_as_they_are() -> None:
    question = budget.Question(SMALL, ("niti-static",), (SramRoom("", (8192,)),), CHIP)
    row = budget.answer(question).rows[0]
    assert row.asked.configuration.network == SMALL
    assert row.asked.planned.needed_bytes == planned.plan(configure(SMALL, "niti-static")).needed_bytes
    other = dataclasses.replace(SMALL, layers=(Conv(8), Pool(), Dense(10)))  # the same name, and planned by itself
    assert planned.plan(configure(other, "niti-static")).needed_bytes > row.asked.planned.needed_bytes


def test_verbs_take_files(folder: Path, run: Run) -> None:  # noqa: F811
    def json_of(*arguments: str) -> dict[str, Any]:
        done = run(*arguments, "--json")
        assert done.code == 0, done.err
        found: dict[str, Any] = json.loads(done.out)
        return found

    compared = json_of("compare", "--network", "backbone.npz", "--steps", "1", "--methods", "niti-static")
    assert (compared["network"], compared["data"]) == ("small", "digits")
    planned_only = ("budget", "--sram", "8K", "--plan-only", "--methods", "niti-static,priot")
    assert json_of(*planned_only, "--network", "net.toml") == json_of(*planned_only, "--network", "backbone.npz")
    short = ("--images", "8", "--epochs", "1", "--validation-images", "8", "--test-images", "8", "--engine", "golden")
    trained = json_of("train", "--network", "backbone.npz", "--method", "niti-static", *short)
    assert trained["backbone_sha256"] == made().sha256
    assert json_of("train", "--backbone", "backbone.npz", "--method", "niti-static", *short) == trained
    refused = run("train", "--network", "net.toml", "--method", "niti-static")
    assert (refused.code, refused.out) == (2, "")
    assert "m0sim pretrain" in refused.err
    (folder / "net.toml").write_text('[network]\nname = "a"\ninput = [8, 8, 1]\n[[layer]]\ndens = 10\n')
    refused = run("compare", "--network", "net.toml")
    assert (refused.code, refused.err) == (2, "m0sim: net.toml:5: layer[0].dens: unknown key; did you mean 'dense'?\n")
