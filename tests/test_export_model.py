"""m0sim export-model: the folder compiles by itself, and runs as the golden model; the ONNX file gives its logits."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import quick_of
from test_cli import Run, run  # noqa: F401

from m0sim.chip.machine import Machine
from m0sim.image import load_file
from m0sim.study.learn import datasets, methods, pretrain
from m0sim.study.learn.biases import static_first_values
from m0sim.study.learn.experiment import checkpoint
from m0sim.study.learn.experiment.setting import Setting
from m0sim.study.learn.experiment.training import Task, TrainingRun
from m0sim.study.learn.exported import c_source, inference, qdq
from m0sim.study.learn.imported import float_network, importing, quantise, read
from m0sim.study.learn.layers import columns_of, forward
from m0sim.study.learn.pretrain import Backbone

FILES = Path(__file__).parent / "data/onnx"
HAS_GNU = shutil.which("arm-none-eabi-gcc") is not None
needs_gnu = pytest.mark.skipif(not HAS_GNU, reason="arm-none-eabi-gcc is not installed")

NAMES = (
    *("tiny-cnn-8", "mlp-skl1.20.0", "cnn-batchnorm-tf1.17.0", "depthwise-pt2.14.1", "signal-tf1.17.0"),
    "residual-pt2.14.1",
)


def backbone_of(name: str) -> Backbone:
    if name in pretrain.BUNDLED:
        return pretrain.bundled(name)
    pytest.importorskip("onnx")
    found = read.read(FILES / f"{name}.onnx", [(1, 64, 1) if name.startswith("signal") else (8, 8, 1)])
    device = float_network.on_device(found.model, importing.scaling("0:1", None, None))
    made, _ = quantise.quantise(device, digits_images("backbone", found.model.network.input_shape)[:256])
    return Backbone(made.network, made.weights, made.config, {})


@pytest.fixture(scope="module", params=NAMES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return backbone_of(request.param)


def digits_images(part: str, shape: tuple[int, ...]) -> np.ndarray:
    return datasets.network_input(datasets.load("digits").part(part).images).reshape(-1, *shape)


@needs_gnu
def test_the_folder_compiles_and_runs_as_the_golden_model(backbone: Backbone, tmp_path: Path) -> None:
    made = inference.plan(backbone)
    for name, text in c_source.files(backbone, made).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = ["make", "libmodel.a", "model.elf"]
    made_by = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "warning" not in made_by.stderr
    machine = Machine(load_file(tmp_path / "model.elf"), stack_bytes=1024)
    images = digits_images("test", backbone.network.input_shape)[:40]
    given, logits = machine.alloc(images[0]), machine.alloc(backbone.network.classes)
    for image, wanted in zip(images, backbone.logits(images), strict=True):
        given.write(image)
        machine.call("model_run", given, logits, keep=True)
        assert logits.read().view(np.int8).tolist() == wanted.tolist()
        assert machine.call("model_classify", given, keep=True).result == wanted.argmax()


def runtime_logits(backbone: Backbone, images: np.ndarray, is_optimised: bool) -> np.ndarray:
    """What onnxruntime makes of the exported model, in last places of the logits."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if not is_optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(qdq.model(backbone).SerializeToString(), options)
    [found] = session.run(None, {"image": (images * np.float32(2**-7)).transpose(0, 3, 1, 2)})
    return np.ldexp(found, -backbone.config.logit_exponent)


def even_logits(backbone: Backbone, images: np.ndarray) -> np.ndarray:
    """The integer network as ONNX rounds: a half to the even number, saturating at -128."""
    config, activations, exponents = backbone.config, [images], [backbone.config.image_exponent]

    def stored(real: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(real), -128, 127).astype(np.int8)

    for stage in backbone.network.stages:
        i = stage.index
        acc = forward(stage, backbone.weights[i], columns_of(stage, activations[-1]))
        acc = acc + static_first_values(config, i) if stage.layer.bias else acc
        exponents.append(exponents[-1] + config.weight_exponents[i] + config.forward[i])
        found = acc / 2.0 ** config.forward[i]
        if stage.added is not None:
            fall = exponents[-1] - exponents[stage.added]
            found = stored(found).astype(float) + stored(activations[stage.added] / 2.0**fall)
        found = stored(found if stage.last else np.maximum(found, 0))
        activations.append(stored(float_network.pooled(stage, found.astype(float))))
    return activations[-1]


def test_onnx_gives_the_same_logits_but_for_ties(backbone: Backbone) -> None:
    images = digits_images("test", backbone.network.input_shape)
    assert np.array_equal(runtime_logits(backbone, images, is_optimised=False), even_logits(backbone, images))
    has, wanted = runtime_logits(backbone, images, is_optimised=True), backbone.logits(images)
    tolerance = len(backbone.network.stages)  # one of the last place for each layer
    assert np.abs(has - wanted).max() <= tolerance
    same = has.argmax(axis=1) == wanted.argmax(axis=1)
    second, first = np.sort(wanted, axis=1)[:, -2:].T.astype(int)
    assert (same | (first - second <= 2 * tolerance)).all()
    assert np.mean(same) > 0.98


def test_pruned_edges_are_weights_of_0() -> None:
    """What a mask leaves out does nothing: a backbone with zeros in its weights is such a network."""
    bundled = pretrain.bundled("tiny-cnn-8")
    weights = tuple(np.where(np.abs(w) < 8, 0, w).astype(np.int8) for w in bundled.weights)
    made = inference.plan(replace(bundled, weights=weights))
    words = np.frombuffer(made.contents["weights3"], np.uint8)
    assert np.count_nonzero(words == 128) >= np.count_nonzero(weights[3] == 0)


@pytest.mark.parametrize("method", quick_of(methods.integer_names(), ["niti-dynamic", "priot-s", "tin-tin"]))
def test_a_folder_of_train_has_what_was_learned(run: Run, tmp_path: Path, method: str) -> None:  # noqa: F811
    """Its network by itself is as right as the model that learned, pruned edges being weights of 0."""
    setting = Setting(method, options={"fraction": 0.5} if method == "priot-s" else {})
    task = Task("tiny-cnn-8", "digits", setting, images=24, epochs=1, engine="golden", measured=0)
    training = TrainingRun(task)
    done = training.train()
    checkpoint.save_learned(tmp_path, training.learned())
    learned = pretrain.read(tmp_path / "learned.npz")
    pruned = sum(done.progress.epochs[-1].pruned)
    assert sum(int(np.count_nonzero(w == 0)) for w in learned.weights) >= pruned
    right = int(np.count_nonzero(learned.logits(training.test.images).argmax(axis=1) == training.test.labels))
    slack = 12 if methods.get(method).device.dynamic else 0  # dynamic scales became static
    assert abs(right - done.progress.epochs[-1].right_test) <= slack
    assert run("export-model", tmp_path, "-o", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "model.c").exists()


def test_the_verb_writes_a_folder(run: Run, tmp_path: Path) -> None:  # noqa: F811
    pretrain.save(pretrain.bundled("tiny-cnn-8"), tmp_path / "b.npz")
    done = run("export-model", tmp_path / "b.npz", "-o", tmp_path / "out", "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(found["files"])
    assert {"model.c", "model.h", "m0k.h", "Makefile", "model.onnx", "conv.S", "dense.S"} <= set(found["files"])
    assert "niti.S" not in found["files"]
    text = (tmp_path / "out" / "model.h").read_text(encoding="utf-8")
    assert f"#define MODEL_SRAM_BYTES {found['sram_bytes']} " in text


def test_it_wants_a_folder(run: Run, tmp_path: Path) -> None:  # noqa: F811
    done = run("export-model", tmp_path / "b.npz")
    assert (done.code, done.err) == (2, "m0sim: say where to with -o DIR\n")
    done = run("export-model", tmp_path / "b.npz", "-o", tmp_path / "out")
    assert done.code == 2
    assert "no such backbone" in done.err
