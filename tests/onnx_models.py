"""ONNX files for tests, written with onnx.helper alone: random ones of up to 12 layers, and single nodes."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Writer:
    """A graph that grows node by node; `at` is the name of the last tensor."""

    def __init__(self, shape: tuple[int | str, ...], opset: int = 17, name: str = "x") -> None:
        self.shape, self.opset, self.input, self.at = shape, opset, name, name
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op: str, *given: str | np.ndarray, **attributes: object) -> str:
        """A node on `at` and what else is given; its output is the new `at`."""
        names = [word if isinstance(word, str) else self.constant(word) for word in given]
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.at, *names], [f"{name}_out"], name, **attributes))
        self.at = f"{name}_out"
        return self.at

    def model(self, *outputs: str) -> onnx.ModelProto:
        given = helper.make_tensor_value_info(self.input, TensorProto.FLOAT, self.shape)
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs or (self.at,)]
        graph = helper.make_graph(self.nodes, "g", [given], results, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], producer_name="test")
        model.ir_version = 9
        return model


def random_model(seed: int) -> tuple[onnx.ModelProto, np.ndarray, bool]:
    """A model, inputs for it [n, ...], and whether its images are NHWC: convolutions of every kind that is read, batch
    norms, capped and plain ReLUs, pools, additions, dense layers; up to 12 layers with weights."""
    rng = np.random.default_rng(seed)
    return _Random(rng).model()


class _Random:
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.is_pooled = False
        self.is_signal = rng.random() < 0.25
        self.is_last = not self.is_signal and rng.random() < 0.4  # NHWC, turned by a Transpose as tf2onnx does
        self.channels = int(rng.integers(1, 4))
        self.sides = [int(rng.integers(20, 40))] if self.is_signal else [int(side) for side in rng.integers(8, 15, 2)]
        shape = (*self.sides, self.channels) if self.is_last else (self.channels, *self.sides)
        self.writer = Writer(("batch", *shape))
        self.inputs = rng.random((3, *shape), np.float32)

    def model(self) -> tuple[onnx.ModelProto, np.ndarray, bool]:
        rng, writer = self.rng, self.writer
        layers = int(rng.integers(1, 12))
        convolutions = int(rng.integers(0, layers))
        if self.is_last:
            writer.node("Transpose", perm=(0, 3, 1, 2))
        for _ in range(convolutions):
            self._block()
        if convolutions and rng.random() < 0.3 and not self.is_pooled:
            self._average_all()
        elif convolutions and self.is_last and rng.random() < 0.5:
            writer.node("Transpose", perm=(0, 2, 3, 1))
        values = self.channels * int(np.prod(self.sides))
        writer.node("Flatten") if rng.random() < 0.5 else writer.node("Reshape", np.array([-1, values]))
        for _ in range(convolutions, layers):
            values = self._dense(values, int(rng.integers(3, 30)))
            self._relu()
        self._dense(values, int(rng.integers(2, 12)))
        if rng.random() < 0.3:
            logits = writer.at
            writer.node("Softmax", axis=-1)
            return writer.model(logits, writer.at), self.inputs, self.is_last
        return writer.model(), self.inputs, self.is_last

    def _weights(self, *shape: int) -> np.ndarray:
        return (self.rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)).astype(np.float32)

    def _block(self) -> None:
        rng, writer = self.rng, self.writer
        before, sides = writer.at, list(self.sides)
        is_skip = rng.random() < 0.25 and len(self.writer.nodes) > 2 and writer.nodes[-1].op_type in ("Relu", "Clip")
        kernel = [int(rng.integers(1, min(6, side + 1))) for side in sides]
        stride, pads = int(rng.integers(1, 3)), [[int(p) for p in rng.integers(0, k, 2)] for k in kernel]
        if is_skip:
            kernel, stride, pads = [3] * len(sides), 1, [[1, 1]] * len(sides)
        elif min(sides) < 6:
            stride = 1
        after = [(n + sum(pad) - k) // stride + 1 for n, k, pad in zip(sides, kernel, pads, strict=True)]
        if min(after) < 2:
            return
        self.is_pooled = False
        depthwise = rng.random() < 0.3
        outputs = self.channels if depthwise or is_skip else int(rng.integers(2, 10))
        weights = self._weights(outputs, 1 if depthwise else self.channels, *kernel)
        bias = [rng.normal(0, 0.1, outputs).astype(np.float32)] if rng.random() < 0.6 else []
        attributes = {"strides": [stride] * len(sides), "kernel_shape": kernel}
        attributes["pads"] = [p[0] for p in pads] + [p[1] for p in pads]
        writer.node("Conv", weights, *bias, group=self.channels if depthwise else 1, **attributes)
        self.channels, self.sides = outputs, after
        if rng.random() < 0.5:
            self._normalise()
        if is_skip:
            writer.node("Add", before)
        pools_first = not is_skip and rng.random() < 0.2
        if pools_first:
            self._pool("MaxPool")
        self._relu()
        if not pools_first and rng.random() < 0.4:
            self._pool("MaxPool" if rng.random() < 0.6 else "AveragePool")

    def _normalise(self) -> None:
        rng, n = self.rng, self.channels
        values = (rng.uniform(0.5, 2, n), rng.normal(0, 0.3, n), rng.normal(0, 0.3, n), rng.uniform(0.3, 2, n))
        self.writer.node("BatchNormalization", *(value.astype(np.float32) for value in values), epsilon=1e-3)

    def _pool(self, op: str) -> None:
        window = [2] * len(self.sides)
        if min(self.sides) < 4:
            return
        self.writer.node(op, kernel_shape=window, strides=window)
        self.sides = [side // 2 for side in self.sides]
        self.is_pooled = True

    def _average_all(self) -> None:
        axes = list(range(2, 2 + len(self.sides)))
        if self.rng.random() < 0.5:
            self.writer.node("GlobalAveragePool")
        else:
            self.writer.node("ReduceMean", axes=axes, keepdims=int(self.rng.integers(0, 2)))
        self.sides = [1] * len(self.sides)

    def _relu(self) -> None:
        if self.rng.random() < 0.3:
            self.writer.node("Clip", np.float32(0), np.float32(1.5))
        else:
            self.writer.node("Relu")

    def _dense(self, values: int, outputs: int) -> int:
        weights, bias = self._weights(outputs, values), self.rng.normal(0, 0.1, outputs).astype(np.float32)
        if self.rng.random() < 0.5:
            self.writer.node("Gemm", weights, bias, transB=1)
        else:
            self.writer.node("MatMul", weights.T)
            self.writer.node("Add", bias)
        return outputs


def with_logits(content: bytes, flat: np.ndarray) -> tuple[bytes, np.ndarray]:
    """An exporter's file whose last output is what is in front of its Softmax, and inputs [n, values] in its shape."""
    model = onnx.load_model_from_string(content)
    graph = model.graph
    ends = [node for node in graph.node if node.op_type in ("Softmax", "LinearClassifier")]
    if ends and ends[0].op_type == "Softmax":
        graph.output.append(helper.make_tensor_value_info(ends[0].input[0], TensorProto.FLOAT, None))
    elif ends:  # what it gives besides the label, without the softmax
        next(each for each in ends[0].attribute if each.name == "post_transform").s = b"NONE"
        graph.output.append(helper.make_tensor_value_info(ends[0].output[1], TensorProto.FLOAT, None))
    shape = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim[1:]]
    if any(node.op_type == "ZipMap" for node in graph.node):  # a list of dictionaries
        graph.output.pop(1)
    return model.SerializeToString(), flat.reshape(len(flat), *shape)
