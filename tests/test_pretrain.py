"""The bundled backbones are as good as promised; training is right, repeatable, and its files are checked."""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path

import numpy as np
import pytest

from m0sim.errors import UsageError
from m0sim.study.learn import datasets as data
from m0sim.study.learn import float_model, float_training, networks, pretrain
from m0sim.study.learn.arithmetic import round_shift
from m0sim.study.learn.datasets import SPLITS
from m0sim.study.learn.imported import quantise
from m0sim.study.learn.layers import columns_of, forward
from m0sim.study.learn.networks import Add, Conv, Dense, Depthwise, Network, Pool
from m0sim.study.learn.passes import forward_pass

MNIST_DIR = os.environ.get("M0SIM_MNIST_DIR")
needs_mnist = pytest.mark.skipif(MNIST_DIR is None, reason="MNIST: name its folder in M0SIM_MNIST_DIR")

CIFAR10_DIR = os.environ.get("M0SIM_CIFAR10_DIR")
needs_cifar10 = pytest.mark.skipif(CIFAR10_DIR is None, reason="CIFAR-10: name its folder in M0SIM_CIFAR10_DIR")

TINY = networks.get("tiny-cnn-8")


def test_bundled_backbones_are_small() -> None:
    folder = Path(pretrain.__file__).parent / "backbones"
    assert sorted(path.stem for path in folder.iterdir()) == sorted(pretrain.BUNDLED)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 600_000


@pytest.mark.parametrize("name", pretrain.BUNDLED)
def test_bundled_backbones_say_how_they_were_made(name: str) -> None:
    record = pretrain.bundled(name).record
    assert f"m0sim pretrain --network {name} --data {record['data']}" in record["command"]
    assert set(record["versions"]) == {"m0sim", "numpy", "python", "blas", "machine"}
    ranges = SPLITS[record["data"]]
    for part in ("backbone", "test"):
        assert record["images"][part] == [ranges[part].start, ranges[part].stop]
    first, last = record["images"]["calibration"]
    assert first in ranges["backbone"]
    assert last - 1 in ranges["backbone"]


def test_a_note_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = dataclasses.replace(float_training.RECIPES["digits"], epochs=1)
    monkeypatch.setattr(float_training, "RECIPES", {"digits": recipe})
    record = pretrain.pretrain(TINY, data.load("digits"), note="from a scanner's copies").record
    assert record["note"] == "from a scanner's copies"
    assert record["command"].endswith("""--seed 0 --note 'from a scanner'"'"'s copies'""")


def test_digits_accuracy() -> None:
    backbone = pretrain.bundled("tiny-cnn-8")
    accuracy = backbone.accuracy(data.load("digits").part("test"))
    assert accuracy >= 0.93
    assert round(accuracy, 4) == backbone.record["accuracy"]["quantised"]


@needs_mnist
def test_mnist_accuracy() -> None:
    assert MNIST_DIR is not None
    backbone = pretrain.bundled("tiny-cnn")
    accuracy = backbone.accuracy(data.load("mnist", Path(MNIST_DIR)).part("test"))
    assert accuracy >= 0.97
    assert round(accuracy, 4) == backbone.record["accuracy"]["quantised"]


@needs_cifar10
def test_cifar10_accuracy() -> None:
    """Also of images that are no JPEG copies, as those were that the file was made with."""
    assert CIFAR10_DIR is not None
    backbone = pretrain.bundled("vgg11-quarter")
    accuracy = backbone.accuracy(data.load("cifar10", Path(CIFAR10_DIR)).part("test"))
    assert accuracy >= 0.76


def test_static_shifts_rarely_saturate() -> None:
    """On test images, which did not choose the shifts."""
    backbone = pretrain.bundled("tiny-cnn-8")
    images = data.network_input(data.load("digits").part("test").images)
    done = forward_pass(backbone.network, backbone.weights, images, backbone.config, dynamic=False)
    for stage in backbone.network.stages:
        acc = forward(stage, backbone.weights[stage.index], done.columns[stage.index])
        rounded = round_shift(acc, backbone.config.forward[stage.index])
        assert np.mean(np.abs(rounded) > 127) < 1e-3
        assert np.abs(rounded).max() >= 64  # and no bit is given away


def test_no_bundled_backbone() -> None:
    with pytest.raises(
        UsageError, match="no bundled backbone for 'lenet', only for tiny-cnn-8, tiny-cnn, vgg11-quarter"
    ):
        pretrain.bundled("lenet")


# Training


ODD = Network("odd", (9, 8, 2), (Conv(3, (3, 3)), Pool(), Conv(4, (2, 3), stride=2, pad=1), Dense(5), Dense(3)))
BARE = Network("bare", (7, 7, 1), (Conv(2, (5, 3), pad=0), Pool(), Dense(3)))
ADDED = Network(
    "added",
    (4, 5, 2),
    (Conv(2), Add(-1), Conv(2, (1, 1), pad=0), Conv(2), Add(1), Conv(2), Add(2), Pool(), Conv(2), Add(7), Dense(3)),
)
"""Overlapping additions, one in front of a pool, one of the input."""
APART = Network("apart", (9, 8, 3), (Depthwise(), Conv(4), Depthwise((2, 3), stride=2, pad=2), Pool(), Dense(3)))


@pytest.mark.parametrize("network", [ODD, BARE, APART, ADDED])
def test_gradients_are_the_slopes(network: Network) -> None:
    """A small step along any direction in a layer's weights changes the output by the gradient times the step."""
    rng = np.random.default_rng(5)
    images = rng.random((4, *network.input_shape), np.float32)
    weights = [rng.normal(0, 0.3, stage.weight_shape).astype(np.float32) for stage in network.stages]
    logits, trace = float_model.forward(network, weights, images)
    towards = rng.normal(0, 1, logits.shape).astype(np.float32)
    gradients = float_model.backward(network, weights, trace, towards, ties="all")
    for i, gradient in enumerate(gradients):
        assert gradient.shape == weights[i].shape
        direction = rng.normal(0, 1, gradient.shape).astype(np.float32)
        ends = []
        for sign in (-1, 1):
            moved = list(weights)
            moved[i] = weights[i] + np.float32(sign * 1e-3) * direction
            ends.append(float((float_model.forward(network, moved, images)[0] * towards).sum(dtype=np.float64)))
        expected = float((gradient * direction).sum(dtype=np.float64))
        assert (ends[1] - ends[0]) / 2e-3 == pytest.approx(expected, rel=0.02, abs=0.02)


@pytest.mark.parametrize("network", [ODD, APART])
def test_gradients_of_biases_are_the_slopes(network: Network) -> None:
    """Ties by the first: in padding all of a window may be the bias."""
    rng = np.random.default_rng(6)
    network = networks.with_biases(network, [stage.index != 1 for stage in network.stages])
    images = rng.random((4, *network.input_shape), np.float32)
    weights = [rng.normal(0, 0.3, stage.weight_shape).astype(np.float32) for stage in network.stages]
    biases = [rng.normal(0, 0.3, stage.n_out).astype(np.float32) for stage in network.stages]
    logits, trace = float_model.forward(network, weights, images, biases)
    towards = rng.normal(0, 1, logits.shape).astype(np.float32)
    for i, (_, gradient) in enumerate(float_model.gradients(network, weights, trace, towards, ties="first")):
        direction = rng.normal(0, 1, gradient.shape).astype(np.float32)
        ends = []
        for sign in (-1, 1):
            moved = list(biases)
            moved[i] = biases[i] + np.float32(sign * 1e-3) * direction
            found = float_model.forward(network, weights, images, moved)[0]
            ends.append(float((found * towards).sum(dtype=np.float64)))
        expected = float((gradient * direction).sum(dtype=np.float64)) if network.stages[i].layer.bias else 0.0
        assert (ends[1] - ends[0]) / 2e-3 == pytest.approx(expected, rel=0.02, abs=0.02)


def test_float_and_integer_passes_agree_on_layout() -> None:
    """The float network with the int8 weights gives the integer accumulators of the first layer, exactly."""
    for network in (ODD, TINY, APART):
        stage = network.stages[0]
        x = np.random.default_rng(1).integers(0, 128, (3, *network.input_shape)).astype(np.int8)
        w = np.random.default_rng(2).integers(-127, 128, stage.weight_shape).astype(np.int8)
        rows = float_model._patches(stage, x.astype(np.float32))
        product = float_model._products(stage, rows, w.astype(np.float32))
        assert np.array_equal(product.reshape(3, *stage.raw_shape), forward(stage, w, columns_of(stage, x)))


def test_softmax_error_sums_to_nothing() -> None:
    logits = np.array([[100.0, 0.0, -100.0], [1.0, 1.0, 1.0]], np.float32)
    error = float_model.softmax_error(logits, np.array([0, 2], np.uint8), 0.0)
    np.testing.assert_allclose(error, [[0, 0, 0], [1 / 6, 1 / 6, -1 / 3]], atol=1e-6)
    smooth = float_model.softmax_error(logits, np.array([0, 2], np.uint8), 0.3)
    np.testing.assert_allclose(smooth, [[0.1, -0.05, -0.05], [7 / 60, 7 / 60, -7 / 30]], atol=1e-6)


@pytest.mark.parametrize(
    ("largest", "exponent", "stored"),
    [(1.0, -6, 64), (127 / 128, -7, 127), (127.5 / 128, -6, 64), (0.5, -7, 64), (127 * 2.0**5, 5, 127), (0.0, -7, 0)],
)
def test_quantise(largest: float, exponent: int, stored: int) -> None:
    for sign in (1, -1):
        array, found = quantise.to_int8(np.array([[0.0, sign * largest]], np.float32))
        assert (array.dtype, array.tolist(), found) == (np.int8, [[0, sign * stored]], exponent)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three passes over the digits and few calibration images."""
    recipe = dataclasses.replace(float_training.RECIPES["digits"], epochs=3)
    monkeypatch.setattr(float_training, "RECIPES", {"digits": recipe})
    monkeypatch.setattr(pretrain, "CALIBRATION_IMAGES", 32)


@pytest.mark.long
@pytest.mark.usefixtures("quick")
def test_pretrain_learns_is_repeatable_and_tells_its_progress(tmp_path: Path) -> None:
    digits, steps = data.load("digits"), list[tuple[int, int]]()
    one = pretrain.pretrain(TINY, digits, seed=1, progress=lambda done, todo: steps.append((done, todo)))
    assert steps == [(i, 48) for i in range(1, 49)]
    assert one.accuracy(digits.part("test")) == pytest.approx(one.record["accuracy"]["quantised"], abs=1e-4)
    assert one.record["accuracy"]["quantised"] > 0.5
    assert abs(one.record["accuracy"]["float32"] - one.record["accuracy"]["quantised"]) < 0.05
    again, other = (pretrain.pretrain(TINY, digits, seed=seed) for seed in (1, 2))
    for i, backbone in enumerate((one, again, other)):
        pretrain.save(backbone, tmp_path / f"{i}")
    contents = [(tmp_path / f"{i}").read_bytes() for i in range(3)]
    assert contents[0] == contents[1] != contents[2]
    stored = pretrain.read(tmp_path / "0")
    assert (stored.config, stored.record, stored.network) == (one.config, one.record, one.network)
    assert all(np.array_equal(a, b) for a, b in zip(stored.weights, one.weights, strict=True))


@pytest.mark.usefixtures("quick")
def test_biases_are_trained_and_quantised(tmp_path: Path) -> None:
    """The float and the integer network use them alike, and worse without."""
    digits = data.load("digits")
    network = Network("biased", (8, 8, 1), (Dense(16, bias=True), Dense(10, bias=True)))
    found = pretrain.pretrain(network, digits, seed=1)
    assert [len(biases) for biases in found.config.biases] == [16, 10]
    assert all(np.any(biases) for biases in found.config.biases)
    test = digits.part("test")
    assert found.accuracy(test) == pytest.approx(found.record["accuracy"]["float32"], abs=0.03)
    without = dataclasses.replace(found.config, biases=((0,) * 16, (0,) * 10))
    assert dataclasses.replace(found, config=without).accuracy(test) < found.accuracy(test)
    pretrain.save(found, tmp_path / "biased.npz")
    assert pretrain.read(tmp_path / "biased.npz").config == found.config


def test_pretrain_refuses_what_does_not_fit() -> None:
    digits = data.load("digits")
    with pytest.raises(UsageError, match="tiny-cnn takes images of 28 x 28 x 1, those of digits are 8 x 8 x 1"):
        pretrain.pretrain(networks.get("tiny-cnn"), digits)
    with pytest.raises(UsageError, match="seed -1"):
        pretrain.pretrain(TINY, digits, seed=-1)
    with pytest.raises(UsageError, match="not the whole data set"):
        pretrain.pretrain(TINY, digits.part("backbone"))


# Files


def arrays_of(name: str) -> dict[str, np.ndarray]:
    with np.load(Path(pretrain.__file__).parent / "backbones" / f"{name}.npz") as stored:
        return dict(stored)


def spoiled(change: str) -> dict[str, np.ndarray]:
    arrays = arrays_of("tiny-cnn-8")
    match change:
        case "missing":
            del arrays["weights_2"]
        case "dtype":
            arrays["weights_0"] = arrays["weights_0"].astype(np.int16)
        case "shape":
            arrays["weights_1"] = arrays["weights_1"][..., :-1]
        case "-128":
            arrays["weights_3"][0, 0] = -128
        case "shift":
            arrays["forward_shifts"][0] = 25
        case "layers":
            arrays["weight_exponents"] = arrays["weight_exponents"][:-1]
        case "scalar":
            arrays["weight_exponents"] = np.array(3)
        case "schema":
            arrays["record"] = np.array('{"schema": 2}')
        case "text":
            arrays["record"] = np.array("{")
        case "record":
            arrays["record"] = np.array("[]")
        case "biases":
            arrays["biases_1"] = np.zeros(15, np.int32)
        case "bias":
            arrays["biases_1"] = np.full(16, 2**29, np.int32)
        case "bias type":
            arrays["biases_1"] = np.zeros(16)
        case "network":
            arrays["record"] = np.array('{"schema": 1, "network": "resnet"}')
    return arrays


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", "weights_2"),
        ("dtype", "weights_0 is not int8"),
        ("shape", "weights_1 is not int8"),
        ("-128", "weights_3 is not int8"),
        ("shift", "not all 0..24"),
        ("layers", "3 exponents and 4 shifts for 4 layers"),
        ("scalar", "not a backbone"),
        ("schema", "schema 2, this version reads 1"),
        ("text", "not a backbone"),
        ("record", "not a backbone"),
        ("biases", "layer 1 has 16 biases, not 15"),
        ("bias", "a bias of layer 1 is not within"),
        ("bias type", r"biases_1 is not int32 \[16\]"),
        ("network", "unknown network 'resnet'"),
    ],
)
def test_wrong_backbones_are_one_line(tmp_path: Path, change: str, message: str) -> None:
    path = tmp_path / "backbone.npz"
    np.savez_compressed(path, **spoiled(change))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=message) as error:
        pretrain.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_biases_of_some_layers_there_and_back(tmp_path: Path) -> None:
    plain, path = pretrain.bundled("tiny-cnn-8"), tmp_path / "backbone.npz"
    given = ((), tuple(range(-8, 8)), (), tuple(range(10)))
    network = networks.with_biases(plain.network, [bool(b) for b in given])
    biased = dataclasses.replace(plain, network=network, config=dataclasses.replace(plain.config, biases=given))
    pretrain.save(biased, path)
    found = pretrain.read(path)
    assert (found.network, found.config) == (network, biased.config)
    image = np.full((1, 8, 8, 1), 9, np.int8)
    assert (found.logits(image) == biased.logits(image)).all()
    pretrain.save(plain, path)
    assert "biases_1" not in np.load(path)
    assert pretrain.read(path).network == networks.get("tiny-cnn-8")


def test_a_full_disk_keeps_the_old_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "backbone.npz"
    pretrain.save(pretrain.bundled("tiny-cnn"), path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"backbone\.npz: cannot write: No space left"):
        pretrain.save(pretrain.bundled("tiny-cnn-8"), path)
    assert path.read_bytes() == before


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such backbone; m0sim pretrain makes one"):
        pretrain.read(tmp_path / "none.npz")
    array = io.BytesIO()
    np.save(array, np.arange(3))
    for content in (b"", b"text", array.getvalue(), b"PK\x03\x04" + bytes(100)):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(UsageError, match="not a backbone"):
            pretrain.read(tmp_path / "file")
    with pytest.raises(UsageError, match="cannot read it: Is a directory"):
        pretrain.read(tmp_path)


def test_damaged_files_raise_nothing_else(tmp_path: Path) -> None:
    """Any byte changed, anywhere: a usage error, or a byte that carries no content."""
    good = (Path(pretrain.__file__).parent / "backbones" / "tiny-cnn-8.npz").read_bytes()
    rng, path, refused = np.random.default_rng(0), tmp_path / "damaged.npz", 0
    for _ in range(300):
        content = bytearray(good[: rng.integers(1, len(good))] if rng.random() < 0.2 else good)
        content[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        path.write_bytes(content)
        try:
            pretrain.read(path)
        except UsageError:
            refused += 1
    assert refused > 250


def test_save_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        pretrain.save(pretrain.bundled("tiny-cnn-8"), tmp_path / "none" / "backbone.npz")


def test_equal_maxima_of_a_pool() -> None:
    """A window [[3, 1], [3, 3]]: as backbones are trained all three get the error, as the device learns the first."""
    network = Network("pooled", (2, 2, 1), (Conv(1, (1, 1), pad=0), Pool(), Dense(1)))
    weights = [np.ones((1, 1, 1, 1), np.float32), np.ones((1, 1), np.float32)]
    _, trace = float_model.forward(network, weights, np.array([[[[3], [1]], [[3], [3]]]], np.float32))
    for ties, gradient in (("all", 27), ("first", 9)):
        found = float_model.backward(network, weights, trace, np.array([[3]], np.float32), ties=ties)
        assert [float(g.item()) for g in found] == [gradient, 9]
