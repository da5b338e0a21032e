"""A network as ONNX: int8 tensors with scales that are powers of two, said by QuantizeLinear and DequantizeLinear.

Its logits are those of the integer network but for the rounding of ties: QuantizeLinear rounds a half to the even
number, the device away from zero, and saturates at -128, the device at -127.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import m0sim
from m0sim.errors import UsageError
from m0sim.study.learn.biases import static_first_values
from m0sim.study.learn.networks import Dense, Depthwise, Pool, Shape, Stage, pads_of
from m0sim.study.learn.pretrain import Backbone

if TYPE_CHECKING:
    import onnx

OPSET, IR = 13, 8
"""Of 2020: what runtimes for small devices read."""

Array = NDArray[Any]


def model(backbone: Backbone) -> onnx.ModelProto:
    """The network with the input ``image``, float [n, channels, height, width] of 0..1, and the output ``logits``."""
    try:
        from onnx import TensorProto, helper
    except ImportError:
        raise UsageError("writing ONNX needs the package onnx: pip install 'm0sim[onnx]'") from None
    graph = _Graph(backbone)
    graph.build()
    height, width, channels = backbone.network.input_shape
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", channels, height, width])
    gives = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", backbone.network.classes])
    made = helper.make_graph(graph.nodes, backbone.network.name, [given], [gives], graph.constants)
    opset = [helper.make_opsetid("", OPSET)]
    found = helper.make_model(made, opset_imports=opset, producer_name="m0sim", producer_version=m0sim.__version__)
    found.ir_version = IR
    return found


class _Graph:
    """Nodes and constants, layer by layer."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone, self.config = backbone, backbone.config
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def build(self) -> None:
        exponent = self.config.image_exponent
        activations = [self._quantised("image", exponent, "input")]
        for stage in self.backbone.network.stages:
            i = stage.index
            sums = exponent + self.config.weight_exponents[i]
            exponent = sums + self.config.forward[i]
            found = self._linear(stage, activations[-1], sums)
            if stage.added is not None:
                own = self._quantised(found, exponent, f"sum{i}")
                other = self._quantised(activations[stage.added], exponent, f"skip{i}")
                found = self._node("Add", f"add{i}", own, other)
            if not stage.last:
                found = self._node("Relu", f"relu{i}", found)
            found = self._quantised(found, exponent, f"output{i}")
            if stage.pool is not None:
                window = stage.pool.window or stage.raw_shape[:2]
                op = "MaxPool" if isinstance(stage.pool, Pool) else "AveragePool"
                found = self._node(op, f"pool{i}", found, kernel_shape=window, strides=window)
                found = self._quantised(found, exponent, f"pooled{i}")
            activations.append(found)
        self._node("Identity", "logits", activations[-1], output="logits")

    def _linear(self, stage: Stage, given: str, sums: int) -> str:
        """A layer with weights; its accumulators have the exponent `sums`."""
        i, weights = stage.index, self.backbone.weights[stage.index]
        layer = stage.layer
        if isinstance(layer, Dense):
            below = self.backbone.network.stages[i - 1].out_shape if i else self.backbone.network.input_shape
            weights = _channels_first(weights, below)
        else:
            weights = weights[:, None] if isinstance(layer, Depthwise) else weights.transpose(0, 3, 1, 2)
        stored = self._dequantised(f"weights{i}", weights, self.config.weight_exponents[i])
        biases = [self._dequantised(f"biases{i}", static_first_values(self.config, i), sums)] if layer.bias else []
        if isinstance(layer, Dense):
            flat = self._node("Flatten", f"flat{i}", given)
            return self._node("Gemm", f"dense{i}", flat, stored, *biases, transB=1)
        groups = stage.in_shape[2] if isinstance(layer, Depthwise) else 1
        pads = [*pads_of(layer), *pads_of(layer)]
        return self._node(
            *("Conv", f"conv{i}", given, stored, *biases),
            kernel_shape=layer.kernel,
            strides=[layer.stride] * 2,
            pads=pads,
            group=groups,
        )

    def _node(self, op: str, name: str, *given: str, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(op, list(given), [output or f"{name}_out"], name, **attributes))
        return output or f"{name}_out"

    def _constant(self, name: str, array: Array) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def _scale(self, name: str, exponent: int, zero: type[np.integer[Any]]) -> tuple[str, str]:
        scale = self._constant(f"{name}_scale", np.array(2.0**exponent, np.float32))
        return scale, self._constant(f"{name}_zero", np.array(0, zero))

    def _quantised(self, given: str, exponent: int, name: str) -> str:
        """A tensor as int8 with this exponent, and back."""
        how = self._scale(name, exponent, np.int8)
        stored = self._node("QuantizeLinear", f"{name}_int8", given, *how)
        return self._node("DequantizeLinear", f"{name}_real", stored, *how)

    def _dequantised(self, name: str, array: Array, exponent: int) -> str:
        how = self._scale(name, exponent, array.dtype.type)
        return self._node("DequantizeLinear", f"{name}_real", self._constant(name, array), *how)


def _channels_first(weights: Array, below: Shape) -> Array:
    """Weights [outputs, inputs] whose inputs are in the order of an image [h, w, c], for one of [c, h, w]."""
    if len(below) == 1:
        return weights
    return weights.reshape(len(weights), *below).transpose(0, 3, 1, 2).reshape(len(weights), -1)
