"""Writes the ONNX files beside it, with the exporters themselves. Nothing here runs in a test.

    python -m venv /tmp/exporters
    /tmp/exporters/bin/pip install torch onnxscript tensorflow tf2onnx scikit-learn skl2onnx
    /tmp/exporters/bin/python tests/data/onnx/make.py torch       # then keras, then sklearn

Each model is trained on the digits that m0sim brings: pixels 0..255 as p / 255, images 0..1023, seed 0. A file's name
says who wrote it: pt for torch.onnx, tf for tf2onnx, skl for skl2onnx, and the version.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
DIGITS = HERE.parents[2] / "m0sim/study/learn/digits/digits.npz"


def digits():
    """Images float32 [n, 8, 8] and labels of the backbone part."""
    stored = np.load(DIGITS)
    images = np.rint(stored["images"].reshape(-1, 8, 8) * 255.0 / 16.0)[:1024] / 255.0
    return images.astype(np.float32), stored["labels"][:1024].astype(np.int64)


def torch_files() -> None:
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
            self.inner = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
            self.outer = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
            self.pool, self.last = nn.MaxPool2d(2), nn.Linear(128, 10)

        def forward(self, x):
            x = self.first(x)
            x = torch.relu(self.outer(self.inner(x)) + x)
            return self.last(torch.flatten(self.pool(x), 1))

    def block(channels: int, more: int) -> list[nn.Module]:
        return [
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU6(),
            nn.Conv2d(channels, more, 1, bias=False),
            nn.BatchNorm2d(more),
            nn.ReLU6(),
        ]

    models = {
        "mlp": (nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), (1, 8, 8)),
        "cnn-batchnorm": (
            nn.Sequential(
                *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 10), nn.Softmax(1)),
            ),
            (1, 8, 8),
        ),
        "depthwise": (
            nn.Sequential(
                *(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()),
                *block(16, 32),
                *block(32, 32),
                *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
            ),
            (1, 8, 8),
        ),
        "signal": (
            nn.Sequential(
                *(nn.Conv1d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2)),
                *(nn.Conv1d(8, 16, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2)),
                *(nn.Flatten(), nn.Linear(256, 10)),
            ),
            (1, 64),
        ),
        "residual": (Residual(), (1, 8, 8)),
    }
    images, labels = (torch.from_numpy(array) for array in digits())
    version = torch.__version__.partition("+")[0]
    for name, (model, shape) in models.items():
        torch.manual_seed(0)
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        _train_torch(model, images.reshape(-1, *shape), labels, has_softmax=name == "cnn-batchnorm")
        path = HERE / f"{name}-pt{version}.onnx"
        batch = torch.export.Dim("batch")
        torch.onnx.export(
            model, (torch.zeros(2, *shape),), path, dynamo=True, external_data=False, dynamic_shapes=({0: batch},)
        )
        _without_traces(path)
        old = HERE / f"{name}-pt{version}-script.onnx"
        if name in ("cnn-batchnorm",):  # the exporter that most files in the world are from
            torch.onnx.export(model, (torch.zeros(1, *shape),), old, dynamo=False, opset_version=13)


def _without_traces(path: Path) -> None:
    """Take out the stack traces that the exporter writes beside each node: they name folders of the machine."""
    import onnx

    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        del part.metadata_props[:]
    onnx.save(model, path)


def _train_torch(model, images, labels, has_softmax: bool) -> None:
    import torch

    optimiser = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.02)
    model.train()
    order = torch.Generator().manual_seed(0)
    for _ in range(60):
        for chosen in torch.randperm(len(images), generator=order).split(64):
            found = model[:-1](images[chosen]) if has_softmax else model(images[chosen])
            loss = torch.nn.functional.cross_entropy(found, labels[chosen], label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model.eval()


def keras_files() -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf
    import tf2onnx
    from keras import layers

    models = {
        "mlp": ((8, 8), [layers.Flatten(), layers.Dense(32, "relu"), layers.Dense(10, "softmax")]),
        "cnn-batchnorm": (
            (8, 8, 1),
            [
                *(layers.Conv2D(8, 3, padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU()),
                layers.MaxPooling2D(2),
                *(layers.Conv2D(16, 3, padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU()),
                *(layers.MaxPooling2D(2), layers.Flatten(), layers.Dropout(0.2), layers.Dense(10)),
            ],
        ),
        "depthwise": (
            (8, 8, 1),
            [
                *(layers.Conv2D(16, 3, padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU(6.0)),
                *(layers.DepthwiseConv2D(3, padding="same", use_bias=False), layers.BatchNormalization()),
                *(layers.ReLU(6.0), layers.Conv2D(32, 1, use_bias=False), layers.BatchNormalization()),
                *(layers.ReLU(6.0), layers.GlobalAveragePooling2D(), layers.Dense(10)),
            ],
        ),
        "signal": (
            (64, 1),
            [
                *(layers.Conv1D(8, 5, padding="same", activation="relu"), layers.MaxPooling1D(2)),
                *(layers.Conv1D(16, 5, padding="same", activation="relu"), layers.MaxPooling1D(2)),
                *(layers.Flatten(), layers.Dense(10)),
            ],
        ),
    }
    images, labels = digits()
    for name, (shape, stack) in models.items():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input(shape), *stack])
        from_logits = name != "mlp"
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
        model.compile(keras.optimizers.AdamW(3e-3, weight_decay=0.02), loss)
        epochs = 150 if name == "depthwise" else 40
        model.fit(images.reshape(-1, *shape), labels, batch_size=64, epochs=epochs, verbose=0)
        function = tf.function(lambda x, model=model: model(x, training=False))
        signature = [tf.TensorSpec((None, *shape), tf.float32, name="input")]
        path = HERE / f"{name}-tf{tf2onnx.__version__}.onnx"
        tf2onnx.convert.from_function(function, signature, opset=17, output_path=str(path))


def sklearn_files() -> None:
    import skl2onnx
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    images, labels = digits()
    flat = images.reshape(len(images), -1)
    models = {
        "mlp": MLPClassifier((32,), alpha=0.01, max_iter=300, random_state=0),
        "scaled-mlp": make_pipeline(StandardScaler(), MLPClassifier((32, 24), alpha=1.0, max_iter=300, random_state=0)),
        "logistic": LogisticRegression(max_iter=300),
    }
    for name, model in models.items():
        model.fit(flat, labels)
        path = HERE / f"{name}-skl{skl2onnx.__version__}.onnx"
        path.write_bytes(to_onnx(model, flat[:1]).SerializeToString())


if __name__ == "__main__":
    {"torch": torch_files, "keras": keras_files, "sklearn": sklearn_files}[sys.argv[1]]()
