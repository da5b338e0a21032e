"""The verbs of the study on data of one's own: what they record, what they refuse, and that the device keeps up."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import Run, run  # noqa: F401

from m0sim import arrays
from m0sim.chip import device
from m0sim.errors import UsageError
from m0sim.study.learn import datasets, float_training, kernels, methods, side_by_side, sources
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.experiment import checkpoint, study, study_file
from m0sim.study.learn.experiment.setting import Setting
from m0sim.study.learn.experiment.training import Task, TrainingRun, complete
from m0sim.study.learn.networks import Conv, Dense, Network, Pool
from m0sim.study.learn.sources import DataSource, FileOptions
from m0sim.study.learn.transfer import NONE, Transfer, parse
from m0sim.study.whatif import grid
from m0sim.study.whatif.points import Inputs

try:
    kernels.load()
except UsageError as missing:
    pytest.skip(str(missing), allow_module_level=True)

DIGITS = datasets.load("digits")


def npz(path: Path, first: int = 0, count: int = 200, **more: Any) -> Path:
    """So many digits as a file."""
    chosen = slice(first, first + count)
    given = {"images": DIGITS.images[chosen], "labels": DIGITS.labels[chosen], **more}
    path.write_bytes(arrays.to_npz({name: np.asarray(array) for name, array in given.items()}))
    return path


def task(data: Path, **changes: Any) -> Task:
    few: dict[str, Any] = {"images": 8, "epochs": 1, "engine": "golden", "measured": 0, "transfer": NONE}
    return Task("tiny-cnn-8", str(data), Setting("niti-static", -1), **{**few, **changes})


# Classes


def images_of(network: Network, count: int, classes: int) -> datasets.Dataset:
    """Noise with labels of all classes; the first half learns."""
    made = datasets.random_images(network.input_shape, classes=classes)
    return replace(made, labels=(np.arange(count) % classes).astype(np.uint8), images=made.images[:count])


BY_CLASSES = list(product([2, 3, 17, 64], ["niti-static", "niti-dynamic", "priot", "priot-s", "tin-tin"]))
FEW = [(2, "niti-static"), (3, "priot-s"), (17, "tin-tin"), (64, "niti-dynamic"), (2, "priot")]


@pytest.mark.parametrize(
    ("classes", "method"),
    [pytest.param(*pair, marks=() if pair in FEW else pytest.mark.long) for pair in BY_CLASSES],
)
def test_any_number_of_classes_on_the_device(classes: int, method: str) -> None:
    """`compare` itself refuses a device that has learned something else than the golden model."""
    network = Network("classes", (6, 6, 1), (Conv(3), Pool(), Dense(classes)))
    data = images_of(network, 64, classes)
    names, options = (method,), DeviceOptions()
    found = side_by_side.ComparisonTask(network, data, device.load("rp2040"), names, 12, options=options)
    labels = side_by_side.start_of(found).training.labels
    assert set(labels.tolist()) == set(range(min(classes, 12)))
    assert side_by_side.compare(found).methods[0].cycles_mean > 0


def test_noise_has_labels_of_the_network() -> None:
    network = Network("two", (4, 4, 1), (Dense(2),))
    assert set(sources.load(DataSource("random"), network).labels.tolist()) == {0, 1}


def test_labels_beyond_the_network(tmp_path: Path) -> None:
    network = Network("two", (8, 8, 1), (Dense(2),))
    with pytest.raises(UsageError, match=r"two tells 2 classes apart, a.npz has 10"):
        sources.load(DataSource(str(npz(tmp_path / "a.npz"))), network)


# Runs


def test_a_run_records_its_data(tmp_path: Path, run: Run) -> None:  # noqa: F811
    data = npz(tmp_path / "a.npz")
    words = ("--method", "niti-static", "--epochs", "1", "--engine", "golden", "--images", "8", "--json")
    words = ("--network", "tiny-cnn-8", *words)
    split = ("--split", "transfer=0.5,validation=1/8,test=0.25", "--split-seed", "3")
    found = run("train", "--data", str(data), *split, "--task", "noise:20", *words).json
    assert (found["network"], found["data"], found["angle"], found["task"]) == ("tiny-cnn-8", "a.npz", None, "noise:20")
    assert found["split"]["seed"] == 3
    assert sum(found["split"]["counts"].values()) == 200
    assert found["validation_images"] == found["split"]["counts"]["validation"] == pytest.approx(25, abs=5)
    turned = run("train", "--data", str(data), "--rotate", "30", *words).json
    assert (turned["angle"], turned["task"]) == (30.0, "rotate:30")
    old = run("train", *words).json
    assert (old["angle"], old["task"], old["split"]) == (30.0, "rotate:30", None)
    assert "split" not in Task("tiny-cnn-8", "digits", Setting("priot")).identity()


def test_the_images_are_those_of_the_parts(tmp_path: Path) -> None:
    """The training images are the transfer part's, in its order, changed, as the network reads them."""
    data = npz(tmp_path / "a.npz")
    made = TrainingRun(task(data, transfer=parse("contrast:0.5"), images=0))
    whole = sources.load(DataSource(str(data)), made.backbone.network)
    wanted = whole.images[whole.indices("transfer")].astype(int)
    assert np.array_equal(made.transfer.images, (128 + (wanted - 128 + 1) // 2) // 2)
    assert np.array_equal(made.transfer.labels, whole.labels[whole.indices("transfer")])


def test_noise_is_of_an_images_number(tmp_path: Path) -> None:
    """In training and in comparing: an image has the same noise as when it is changed alone."""
    data, noise = npz(tmp_path / "a.npz"), parse("noise:50")
    made = TrainingRun(task(data, transfer=noise))
    network = made.backbone.network
    whole = sources.load(DataSource(str(data)), network)
    names = ("niti-static",)
    compared = side_by_side.ComparisonTask(network, whole, device.load("rp2040"), names, 8, transfer=noise)
    start = side_by_side.start_of(compared)
    for k, index in enumerate(whole.indices("transfer")[:8]):
        alone = noise.applied(whole.images[index : index + 1], [index])[0] >> 1
        assert np.array_equal(made.transfer.images[k], alone)
        assert np.array_equal(start.training.images[k], alone)


def test_a_folder_with_the_name_of_a_data_set_is_other_data(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for k in range(100):
        folder = tmp_path / "digits" / str(DIGITS.labels[k])
        folder.mkdir(parents=True, exist_ok=True)
        image.fromarray(DIGITS.images[k, ..., 0]).save(folder / f"{k}.png")
    done = TrainingRun(task(tmp_path / "digits")).train()
    checkpoint.save(tmp_path, done.task, done.progress)
    known = complete(replace(task(tmp_path / "digits"), data="digits"))
    same = replace(known, validation_images=done.task.validation_images, test_images=done.task.test_images)
    with pytest.raises(UsageError, match=r"made with split .*sha256.* not null"):
        checkpoint.load(tmp_path, same)


def test_other_data_do_not_go_on(tmp_path: Path) -> None:
    data = npz(tmp_path / "a.npz")
    done = TrainingRun(task(data)).train()
    checkpoint.save(tmp_path, done.task, done.progress)
    assert checkpoint.load(tmp_path, complete(task(data))).position == 0
    for changed, said in (
        ({"transfer": parse("noise:9")}, "made with task .none., not .noise:9."),
        ({"transfer": parse("rotate:30")}, "made with angle null, not 30.0"),
        ({"data_options": FileOptions(seed=1)}, "made with split .*not"),
        ({"data": "digits"}, "made with data"),
    ):
        with pytest.raises(UsageError, match=said):
            checkpoint.load(tmp_path, complete(replace(task(data), **changed)))
    (tmp_path / "other").mkdir()
    other = npz(tmp_path / "other" / "a.npz", first=1)
    with pytest.raises(UsageError, match=r"made with split .*sha256"):
        checkpoint.load(tmp_path, complete(task(other)))


def test_a_file_must_not_change_under_a_run(tmp_path: Path) -> None:
    """As a worker sees it, which has the hash from the process that began."""
    data = npz(tmp_path / "a.npz")
    known = complete(task(data))
    sources.forget()
    npz(data, first=1)
    with pytest.raises(UsageError, match=r"a.npz: has changed since the run began"):
        TrainingRun(known)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rotate", "30", "--task", "none"), "--rotate 30 is --task rotate:30: give one of"),
        (("--task", "turn:30"), "unknown task 'turn:30'"),
        (("--task", "gone.npz"), "gone.npz: cannot read it"),
        (("--split", "tset=0.5"), "did you mean 'test'"),
        (("--split-seed", "-1"), "--split-seed must be 0 to"),
        (("--data", "digits", "--split", "test=0.5"), "digits has fixed parts"),
        (("--data", "digits", "--range", "0:1"), "digits has fixed parts"),
        (("--data", "minst"), "did you mean 'mnist'"),
        (("--range", "1:0"), "--range 1:0: two numbers"),
        (("--window", "9x9"), "--window is for .csv files"),
        (("--images", "500"), r"--images must be 1 to \d+ \(a.npz has \d+ images in its transfer part\), not 500"),
        (("--split", "transfer=0.5,validation=0.5", "--images", "8"), "no images in its test part"),
        (("--data", "a.npz"), "a.npz: from which backbone. m0sim pretrain --data a.npz -o backbone.npz makes one"),
        (("--network", "tiny-cnn"), "tiny-cnn takes images of 28 x 28 x 1, those of .*a.npz are 8 x 8 x 1"),
    ],
)
def test_a_careless_run_is_one_line(words: tuple[str, ...], said: str, tmp_path: Path, run: Run) -> None:  # noqa: F811
    data = npz(tmp_path / "a.npz")
    given = ("--method", "niti-static", "--data", str(data), "--engine", "golden", "--epochs", "1", *words)
    given = given if "--network" in words or "--data" in words else (*given, "--network", "tiny-cnn-8")
    ended = run("train", *given)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    import re

    assert re.search(said, ended.err), ended.err


def test_a_network_is_found_by_the_images(tmp_path: Path, run: Run) -> None:  # noqa: F811
    noise = np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8)
    data = npz(tmp_path / "a.npz", images=noise, labels=np.arange(60) % 3)
    words = ("--methods", "niti-static", "--steps", "1", "--json")
    assert run("compare", "--data", str(data), *words).json["network"] == "tiny-cnn"
    other = npz(tmp_path / "b.npz", images=noise[:, :9], labels=np.arange(60) % 3)
    said = "images of 9 x 28 x 1 or 1 x 9 x 28: name a network that takes them with --network"
    assert said in run("compare", "--data", str(other), *words).err


# Backbones


def test_a_backbone_of_other_parts_is_refused(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(float_training, "_STEPS", 100)  # it need not know digits
    data, other, file = npz(tmp_path / "a.npz"), npz(tmp_path / "b.npz", first=200), tmp_path / "backbone.npz"
    made = run("pretrain", "--data", str(data), "--split-seed", "2", "-o", str(file), "--json").json
    assert made["split"]["seed"] == 2
    words = ("--method", "niti-static", "--epochs", "1", "--engine", "golden", "--images", "8", "--json")
    refused = run("train", "--backbone", str(file), *words, "--data", str(data))
    assert refused.code == 2
    assert "the backbone was trained on other parts of a.npz: give --split and --split-seed" in refused.err
    sources.check_backbone(DataSource(str(data), options=FileOptions(seed=2)), made)
    sources.check_backbone(DataSource(str(other)), made)
    sources.check_backbone(DataSource("digits"), made)
    with pytest.raises(UsageError, match=r"other parts of a.npz"):  # the new place has backbone images
        sources.check_backbone(DataSource(str(other), place=str(data), options=FileOptions(seed=2)), made)


def test_a_file_that_says_its_parts_has_the_same_with_any_seed(tmp_path: Path) -> None:
    data = npz(tmp_path / "a.npz", split=np.arange(200) % 4)
    made = sources.record(DataSource(str(data)))
    sources.check_backbone(DataSource(str(data), options=FileOptions(seed=7)), made)


# Studies and sweeps

STUDY = """
data = "a.npz"
network = "tiny-cnn-8"
tasks = ["none", "noise:20", "b.npz"]
split = "transfer=0.4,validation=0.2,test=0.2"
seeds = [0]
images = 4
epochs = 1
{more}
[[methods]]
method = "niti-static"
shifts = [0]
"""


def written(folder: Path, more: str = "") -> Path:
    npz(folder / "a.npz")
    npz(folder / "b.npz", first=200)
    (folder / "study.toml").write_text(STUDY.format(more=more))
    return folder / "study.toml"


@pytest.mark.long
def test_a_study_of_files(tmp_path: Path, run: Run) -> None:  # noqa: F811
    found = run("study", str(written(tmp_path)), "-o", str(tmp_path / "out"), "--jobs", "1", "--json").json
    assert (found["data"], found["network"], found["angles"]) == ("a.npz", "tiny-cnn-8", [None] * 3)
    assert found["tasks"] == ["none", "noise:20", "b.npz"]
    assert found["split"]["fractions"]["validation"] == 0.2
    assert [(f["angle"], f["task"], f["is_tuned"]) for f in found["finals"]] == [
        (None, name, tuned) for name in found["tasks"] for tuned in (True, False)
    ]
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"study.html", "curves-none.png", "curves-noise-20.svg", "curves-b.npz.png"} <= names
    assert "tuning at the task noise:20" in (tmp_path / "out" / "study.md").read_text().lower()


def test_a_studys_workers_have_its_hashes(tmp_path: Path) -> None:
    made = study_file.read(written(tmp_path))
    assert [len(task.data_hashes) for task in made.tuning()] == [1, 1, 2]
    assert made.tasks[2] == Transfer("data", file=str(tmp_path / "b.npz"))
    assert len({study.key_of(task) for task in made.tuning()}) == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('network = "tiny-cnn-8"\n', "", "network: .*a.npz: from which backbone. m0sim pretrain --data .*a.npz"),
        ('"a.npz"', '"c.npz"', ":2: data: .*c.npz: cannot read it"),
        ('"a.npz"', '"minst"', ":2: data: must be one of digits, mnist, cifar10.*did you mean 'mnist'"),
        ('"noise:20"', '"noise:900"', ":4: tasks: task 'noise:900'"),
        ('"noise:20"', '"none"', ":4: tasks: none is there twice"),
        ('"noise:20"', "3", ":4: tasks: unknown task '3'"),
        ("transfer=0.4", "trasfer=0.4", ":5: split: .*did you mean 'transfer'"),
        ("images = 4", "images = 400", ":7: images: must be from 1 to"),
        ("epochs = 1", "epochs = 1\nangles = [30]", ":9: angles: are tasks, too"),
        ("epochs = 1", "epochs = 1\nrange = '3:1'", ":9: range: 3:1: two numbers"),
        ("epochs = 1", "epochs = 1\nsplit_seed = -1", ":9: split_seed: must be from 0"),
    ],
)
def test_a_careless_study_is_one_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UsageError, match=said):
        study_file.read(path)


def test_a_sweep_of_a_file(tmp_path: Path) -> None:
    npz(tmp_path / "a.npz")
    text = (
        'data = "a.npz"\nsplit_seed = 4\nsteps = 1\n[grid]\nnetwork = ["tiny-cnn-8", "mlp"]\nmethod = "niti-static"\n'
    )
    (tmp_path / "sweep.toml").write_text(text)
    asked = grid.load(tmp_path / "sweep.toml")
    inputs = Inputs(asked)
    fits, other = map(inputs.checked, asked.points)
    assert other.reason == "mlp takes images of 28 x 28 x 1, those of a.npz are 8 x 8 x 1"
    start, whole = inputs.start(fits), sources.load(asked.source, side_by_side.networks.get("tiny-cnn-8"))
    first = whole.indices("transfer")[0]
    assert np.array_equal(start.training.images[0], whole.images[first] >> 1)
    assert inputs.data_name(fits) == "a.npz"
    copied = grid.copy_of(asked, tmp_path / "elsewhere")
    assert json.loads(copied.split("#")[0].partition("=")[2]) == ".."


@pytest.mark.parametrize(
    ("are_signals", "names"),
    [
        (True, ("niti-dynamic", "priot-s", "tin-tin")),
        *(pytest.param(signals, methods.integer_names(), marks=pytest.mark.long) for signals in (False, True)),
    ],
)
@pytest.mark.long
def test_all_methods_on_a_file(are_signals: bool, names: tuple[str, ...], tmp_path: Path) -> None:
    """Every integer method learns from pictures and signals [length, channels], byte for byte as the golden model."""
    network = Network("small", (8, 8, 1), (Conv(2), Pool(), Dense(10)))
    if are_signals:
        network = Network("signal", (1, 8, 8), (Conv(3, (1, 3), pad=(0, 1)), Dense(10)))
    pictures = DIGITS.images[:200, ..., 0]
    data = sources.load(DataSource(str(npz(tmp_path / "a.npz", images=pictures))), network)
    found = side_by_side.compare(side_by_side.ComparisonTask(network, data, device.load("rp2040"), names, 6))
    assert [m.method for m in found.methods] == list(names)
    assert (found.task, found.split) == ("none", data.split)
