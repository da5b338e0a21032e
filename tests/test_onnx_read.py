"""ONNX files as float networks: what they compute is what onnxruntime computes."""

from __future__ import annotations

import numpy as np
import pytest

from m0sim.study.learn.imported import float_network, read

onnxruntime = pytest.importorskip("onnxruntime")
onnx_models = pytest.importorskip("onnx_models")


def runtime_logits(content: bytes, inputs: np.ndarray, output: int = 0) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: inputs})[output]
    return np.asarray(found)


def as_inputs(found: read.Imported, images: np.ndarray) -> np.ndarray:
    """Images [n, h, w, c] as the file takes them, flat: [n, values]."""
    inputs = np.empty((len(images), len(found.order)))
    inputs[:, found.order] = images.reshape(len(images), -1)
    return inputs


def as_images(found: read.Imported, inputs: np.ndarray) -> np.ndarray:
    """The file's inputs [n, ...] as images [n, h, w, c]."""
    flat = inputs.reshape(len(inputs), -1).astype(np.float64)
    return flat[:, found.order].reshape(-1, *found.model.network.input_shape)


@pytest.mark.parametrize("seed", range(20))
def test_random_networks_compute_what_onnxruntime_does(seed, tmp_path):
    model, inputs, is_last = onnx_models.random_model(seed)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    found = read.read(path, [inputs.shape[1:]] if is_last else [])
    assert len(found.model.network.stages) <= 12
    wanted = runtime_logits(path.read_bytes(), inputs)
    has = float_network.logits(found.model, as_images(found, inputs))
    assert has.shape == wanted.shape
    assert np.abs(has - wanted).max() <= 1e-4 * np.abs(wanted).max()
