"""m0sim import: float models as int8 backbones, what that cost, and what careless people give it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from conftest import quick_of
from test_cli import Run, run  # noqa: F401

from m0sim.errors import UsageError
from m0sim.study.learn import datasets
from m0sim.study.learn.imported import equalise, float_network, importing, quantise, read

onnx = pytest.importorskip("onnx")
onnx_models = pytest.importorskip("onnx_models")

FILES = Path(__file__).parent / "data/onnx"
NAMES = [path.stem for path in sorted(FILES.glob("*.onnx"))]


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits as signals of 64 samples, for models of one dimension."""
    data = datasets.load("digits")
    split = np.empty(len(data), "U10")
    for part, indices in datasets.SPLITS["digits"].items():
        split[indices.start : indices.stop] = part
    path = tmp_path_factory.mktemp("signals") / "signals.npz"
    np.savez(path, images=data.images.reshape(-1, 64), labels=data.labels, split=split)
    return path


@pytest.mark.parametrize("name", quick_of(NAMES, [NAMES[0], NAMES[-1]]))
def test_int8_is_within_a_point_of_float_on_digits(run: Run, tmp_path: Path, signals: Path, name: str) -> None:  # noqa: F811
    data = signals if name.startswith("signal") else "digits"
    done = run("import", FILES / f"{name}.onnx", "--data", data, "-o", tmp_path / "b.npz", "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json
    accuracy = found["accuracy"]
    assert accuracy["float32"] > 0.88  # chance is 0.1: the weights and the order of the pixels are right
    assert abs(accuracy["float32"] - accuracy["quantised"]) <= 0.01
    assert found["counts"]["judged"] == 389
    assert all(layer["relative_error"] < 0.15 for layer in found["layers"])
    assert (tmp_path / "b.npz").exists()


@pytest.mark.parametrize("name", NAMES)
def test_exporters_files_compute_what_onnxruntime_does(name: str) -> None:
    from test_onnx_read import as_inputs, runtime_logits

    path = FILES / f"{name}.onnx"
    shape = (1, 64, 1) if name.startswith("signal") else (8, 8, 1)
    found = read.read(path, [shape])
    images = datasets.load("digits").part("test").images[:20].reshape(-1, *shape) / 255
    content, inputs = onnx_models.with_logits(path.read_bytes(), as_inputs(found, images).astype(np.float32))
    fixed = "script" in name  # its batch is 1
    parts = inputs.reshape(len(inputs), 1, *inputs.shape[1:]) if fixed else [inputs]
    wanted = np.concatenate([runtime_logits(content, part, -1) for part in parts])
    has = float_network.logits(found.model, images)
    assert np.abs(has - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_text_says_what_each_layer_cost(run: Run, tmp_path: Path) -> None:  # noqa: F811
    path = tmp_path / "b.npz"
    done = run("import", FILES / "mlp-skl1.20.0.onnx", "--data", "digits", "-o", path)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "mlp-skl1.20.0.onnx: dense 32, dense 10"
    assert "note: Softmax, ArgMax, ZipMap, ArrayFeatureExtractor, Reshape, Cast behind the logits: left out" in lines
    assert sum("MatMul" in line and line.endswith("%") for line in lines) == 2
    assert lines[-1] == f"{path}: written"
    assert lines[-2].startswith("accuracy on 389 images: float 8")


# Scaling of inputs


def dense_model(weights: np.ndarray, bias: np.ndarray) -> bytes:
    writer = onnx_models.Writer(("n", weights.shape[1]))
    writer.node("Gemm", weights.astype(np.float32), bias.astype(np.float32), transB=1)
    return writer.model().SerializeToString()


@pytest.mark.parametrize(
    "options", [("0:1", None, None), ("0:255", None, None), ("-1:1", None, None), ("0:1", "0.4", "0.3")]
)
def test_the_first_layer_takes_up_the_range_of_the_input(
    tmp_path: Path, options: tuple[str, str | None, str | None]
) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "m.onnx"
    path.write_bytes(dense_model(rng.normal(size=(4, 64)), rng.normal(size=4)))
    found = read.read(path, [(8, 8, 1)])
    scale = importing.scaling(*options)
    pixels = rng.integers(0, 128, (5, 8, 8, 1)).astype(np.uint8) * 2  # even ones lose nothing when they are halved
    device = float_network.on_device(found.model, scale)
    small = datasets.network_input(pixels) * 2.0**-7
    wanted = float_network.logits(found.model, scale(pixels))
    np.testing.assert_allclose(float_network.logits(device, small), wanted, rtol=1e-9, atol=1e-9)


def test_an_offset_cannot_be_taken_up_where_there_is_padding(run: Run, tmp_path: Path) -> None:  # noqa: F811
    name = FILES / "cnn-batchnorm-tf1.17.0.onnx"
    done = run("import", name, "--data", "digits", "--mean", "0.5", "--std", "0.5", "-o", tmp_path / "b.npz")
    assert done.code == 2
    assert "pads with zeros" in done.err
    assert done.err.count("\n") == 1


# Images of a file


def test_images_without_labels(run: Run, tmp_path: Path) -> None:  # noqa: F811
    np.savez(tmp_path / "i.npz", images=datasets.load("digits").images[:50])
    name = FILES / "mlp-skl1.20.0.onnx"
    done = run("import", name, "--calibrate", tmp_path / "i.npz", "-o", tmp_path / "b.npz")
    assert (done.code, done.err) == (0, "")
    assert "no labels: no accuracy" in done.out
    assert "shifts by 50 images; channels " in done.out


def test_quantised_biases_are_those_of_the_model(tmp_path: Path) -> None:
    """One layer whose sums are known: what the integer network begins with is the bias in its own last place."""
    path = tmp_path / "m.onnx"
    weights = np.zeros((2, 4))
    weights[0, 0], weights[1, 1] = 1.0, -0.5
    path.write_bytes(dense_model(weights, np.array([0.25, -0.125])))
    found = read.read(path)
    image = np.array([[[[64], [32], [0], [0]]]], np.int8)
    made = quantise.as_it_is(found.model, image)
    assert made.config.weight_exponents == (-6,)
    assert made.weights[0].tolist() == [[64, 0, 0, 0], [0, -32, 0, 0]]
    assert made.config.biases == ((2048, -1024),)  # 0.25 * 2^(7 + 6)
    [report] = quantise.reports(found.model, made, found.nodes, image)
    assert report.error < 0.01


@pytest.mark.parametrize("seed", range(20))
def test_equal_channels_compute_the_same(tmp_path: Path, seed: int) -> None:
    model, inputs, is_last = onnx_models.random_model(seed)
    path = _write(tmp_path / "m.onnx", model.SerializeToString())
    found = read.read(path, [inputs.shape[1:]] if is_last else [])
    images = inputs.reshape(len(inputs), -1)[:, found.order].reshape(-1, *found.model.network.input_shape)
    wanted = float_network.logits(found.model, images.astype(np.float64))
    has = float_network.logits(equalise.equalised(found.model), images.astype(np.float64))
    np.testing.assert_allclose(has, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())


def test_channels_of_different_sizes_are_equalised(run: Run, tmp_path: Path) -> None:  # noqa: F811
    """A layer whose channels are 1, 1/10, 1/100, ... of one another: one exponent for all would lose the small ones."""
    rng, size = np.random.default_rng(0), 10.0 ** -np.arange(6)
    writer = onnx_models.Writer(("n", 64))
    writer.node("Gemm", (rng.normal(size=(64, 6)) * size).astype(np.float32))
    writer.node("Relu")
    writer.node("Gemm", (rng.normal(size=(6, 10)) / size[:, None]).astype(np.float32))
    path = _write(tmp_path / "m.onnx", writer.model().SerializeToString())
    done = run("import", path, "--data", "digits", "-o", tmp_path / "b.npz", "--json")
    assert done.json["imported"]["is_equalised"]
    assert done.json["layers"][-1]["relative_error"] < 0.05
    found = read.read(path, [(8, 8, 1)])
    images = datasets.network_input(datasets.load("digits").images[:50])
    scale = importing.scaling("0:1", None, None)
    device = float_network.on_device(found.model, scale)
    plain = quantise.reports(device, quantise.as_it_is(device, images), found.nodes, images)
    assert plain[-1].error > 0.3


# What careless people give it


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def refused(done: object) -> str:
    """The one line of a refusal."""
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("m0sim: ")
    assert done.err.count("\n") == 1
    return done.err


CARELESS = {
    b"": "empty, not an ONNX model",
    b"hello, this is text\n" * 20: "not an ONNX model",
    b"PK\3\4" + bytes(100): "torch.onnx.export or tf2onnx",
    b"\x1c\0\0\0TFL3" + bytes(100): "it is TFLite",
}


@pytest.mark.parametrize("content", CARELESS, ids=lambda content: repr(content[:8]))
def test_files_that_are_no_onnx(run: Run, tmp_path: Path, content: bytes) -> None:  # noqa: F811
    done = run("import", _write(tmp_path / "m.onnx", content), "--data", "digits", "-o", tmp_path / "b.npz")
    assert CARELESS[content] in refused(done)


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:  # noqa: F811
    assert "No such file" in refused(run("import", tmp_path / "none.onnx", "--data", "digits"))


def test_images_must_be_named(run: Run) -> None:  # noqa: F811
    assert "--calibrate FILE.npz" in refused(run("import", FILES / "mlp-skl1.20.0.onnx"))


def test_images_of_another_shape(run: Run, tmp_path: Path) -> None:  # noqa: F811
    np.savez(tmp_path / "i.npz", images=np.full((4, 9, 9), 200, np.uint8))
    done = run("import", FILES / "mlp-skl1.20.0.onnx", "--calibrate", tmp_path / "i.npz")
    assert "takes images of 1 x 64 x 1" in refused(done)


def _changed(change: object) -> bytes:
    model = onnx.load(FILES / "mlp-skl1.20.0.onnx")
    change(model)
    return model.SerializeToString()


def _old(model: object) -> None:
    for each in model.opset_import:
        if each.domain == "":
            each.version = 6


def _external(model: object) -> None:
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL


def _without_batch(model: object) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "width"


def _second_input(model: object) -> None:
    model.graph.input.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1, 4]))


def _short(model: object) -> None:
    tensor = next(each for each in model.graph.initializer if each.raw_data or each.float_data)
    tensor.dims[0] += 1


CHANGES = {
    _old: "opset 6: export it with 7 or later",
    _external: "are in another file, which is not read",
    _without_batch: "has a size that is not fixed (width)",
    _second_input: "must have one input, not 2",
    _short: "not an ONNX model that can be imported",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_models_that_cannot_be_read(run: Run, tmp_path: Path, change: object) -> None:  # noqa: F811
    done = run("import", _write(tmp_path / "m.onnx", _changed(change)), "--data", "digits")
    assert CHANGES[change] in refused(done)


def test_a_model_of_float64(run: Run, tmp_path: Path) -> None:  # noqa: F811
    """It is read like another: weights become int8 in any case."""

    def widen(model: object) -> None:
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                array = onnx.numpy_helper.to_array(tensor).astype(np.float64)
                tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
        model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE

    path = _write(tmp_path / "m.onnx", _changed(widen))
    assert run("import", path, "--data", "digits", "-o", tmp_path / "b.npz").code == 0


NODES = {
    ("Sigmoid",): "train it with ReLU",
    ("LeakyRelu",): "train it with ReLU",
    ("Softplus",): "train it with ReLU",
    ("GlobalMaxPool",): "use a global average pool",
    ("Frobnicate",): "not an operation that can be imported; those are add,",
    ("InstanceNormalization",): "train with that",
}


@pytest.mark.parametrize("op", NODES, ids=lambda op: op[0])
def test_nodes_that_cannot_be_imported_are_named(run: Run, tmp_path: Path, op: tuple[str]) -> None:  # noqa: F811
    writer = onnx_models.Writer(("n", 1, 8, 8))
    writer.node("Conv", np.ones((2, 1, 3, 3), np.float32))
    writer.node(*op)
    path = _write(tmp_path / "m.onnx", writer.model().SerializeToString())
    line = refused(run("import", path, "--data", "digits"))
    assert f"m.onnx: {op[0]} '{op[0].lower()}1': " in line
    assert NODES[op] in line


def _build(*nodes: tuple[object, ...], shape: tuple[int, ...] = (1, 8, 8)) -> bytes:
    writer = onnx_models.Writer(("n", *shape))
    for op, *rest in nodes:
        attributes = rest.pop() if rest and isinstance(rest[-1], dict) else {}
        writer.node(op, *rest, **attributes)
    return writer.model().SerializeToString()


def _f(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


CONV, DENSE = ("Conv", _f(2, 1, 3, 3)), ("Gemm", _f(72, 3))
STRUCTURES = {
    "no ReLU stands between": [CONV, ("Flatten",), DENSE],
    "has a ReLU behind it": [("Flatten",), ("Gemm", _f(64, 3)), ("Relu",)],
    "a pool gives the output": [CONV, ("Relu",), ("GlobalAveragePool",), ("Flatten",)],
    "they must be the same both ways": [("Conv", _f(2, 1, 3, 3), {"strides": [1, 2]}), ("Relu",)],
    "dilations [2, 2]": [("Conv", _f(2, 1, 3, 3), {"dilations": [2, 2]})],
    "they must lie side by side": [CONV, ("Relu",), ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2]})],
    "its first axis must stay the batch": [("Reshape", np.array([4, 16])), ("Gemm", _f(16, 3))],
    "only from 0 on": [CONV, ("Clip", np.float32(-1), np.float32(1))],
    "has 1 outputs: the last layer has one for each class": [("Flatten",), ("Gemm", _f(64, 1))],
    "weights of 10 x 3 for inputs of 1 x 64": [("Flatten",), ("Gemm", _f(10, 3))],
    "MaxPool 'maxpool2': is a maximum over 3 x 3": [
        *(CONV, ("Relu",), ("MaxPool", {"kernel_shape": [3, 3], "strides": [3, 3]})),
        *(("Flatten",), ("Gemm", _f(8, 3))),
    ],
    "another pool follows it": [
        *(CONV, ("Relu",), ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]})),
        *(("GlobalAveragePool",), ("Flatten",), ("Gemm", _f(2, 3))),
    ],
}


@pytest.mark.parametrize("said", STRUCTURES)
def test_structures_that_cannot_be_imported_are_explained(run: Run, tmp_path: Path, said: str) -> None:  # noqa: F811
    path = _write(tmp_path / "m.onnx", _build(*STRUCTURES[said]))
    assert said in refused(run("import", path, "--data", "digits"))


def test_damaged_files_get_no_other_error(tmp_path: Path) -> None:
    """Bytes of a good file changed, or its end cut off: it is read, or refused in one line."""
    rng = np.random.default_rng(0)
    for name in ("mlp-skl1.20.0", "cnn-batchnorm-tf1.17.0"):
        good = bytearray((FILES / f"{name}.onnx").read_bytes())
        for _ in range(150):
            damaged = bytearray(good)
            for at in rng.integers(0, len(damaged), rng.integers(1, 6)):
                damaged[at] = rng.integers(0, 256)
            path = _write(
                tmp_path / "m.onnx", bytes(damaged[: rng.integers(1, len(damaged)) if rng.random() < 0.2 else None])
            )
            with suppress(UsageError):
                read.read(path, [(8, 8, 1)])
