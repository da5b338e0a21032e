"""A graph's nodes, one after the other, as layers with weights, ReLUs, pools and additions.

What a node of each operation becomes is in `nodes_*.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from m0sim.errors import UsageError
from m0sim.study.learn.imported import (
    constants,
    nodes_conv,
    nodes_dense,
    nodes_pool,
    nodes_relu,
    nodes_scale,
    nodes_shape,
)
from m0sim.study.learn.imported.node_values import ELEMENTS, Handler, Known, Value
from m0sim.study.learn.imported.onnx_file import Graph, Node, Refused
from m0sim.study.learn.imported.values import IndexedTensor, Input, ModelEnd, tensor_of
from m0sim.study.learn.networks import Shape

_HANDLERS: Mapping[str, Handler] = {
    **nodes_shape.HANDLERS,
    **nodes_scale.HANDLERS,
    **nodes_dense.HANDLERS,
    **nodes_conv.HANDLERS,
    **nodes_relu.HANDLERS,
    **nodes_pool.HANDLERS,
}

_HELD = 1 << 30
"""Bytes that all that is known while reading may take."""

_RELU_ONLY = "m0sim's layers have ReLU alone: train it with ReLU"
_ADVICE = {
    **dict.fromkeys(("Tanh", "Elu", "Selu", "Celu", "LeakyRelu", "PRelu", "ThresholdedRelu"), _RELU_ONLY),
    **dict.fromkeys(
        ("Sigmoid", "HardSigmoid", "HardSwish", "Gelu", "Erf", "Softplus", "Softsign", "Mish", "Swish"), _RELU_ONLY
    ),
    **dict.fromkeys(("LSTM", "GRU", "RNN", "Attention"), "only convolutions, dense layers and additions are there"),
    **dict.fromkeys(
        ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger"),
        "give the float model: m0sim quantises it",
    ),
    **dict.fromkeys(
        ("LayerNormalization", "InstanceNormalization", "GroupNormalization", "LRN"),
        "only BatchNormalization becomes part of a layer: train with that",
    ),
    **dict.fromkeys(("If", "Loop", "Scan"), "a graph that decides cannot be read: export it for inference, traced"),
    **dict.fromkeys(("TreeEnsembleClassifier", "SVMClassifier", "TreeEnsemble"), "it is no neural network"),
    "Concat": "branches that are concatenated cannot be read; additions can",
    "Pad": "let the convolution behind it pad: its own pads are read",
    "GlobalMaxPool": "use a global average pool",
    "ConvTranspose": "only Conv is there",
}
_TAIL = {"Softmax", "LogSoftmax", "ArgMax", "ZipMap", "TopK", "Normalizer"}


@dataclass
class Lowered:
    """What was read."""

    input: Input
    logits: IndexedTensor
    dropped: list[str] = field(default_factory=list)
    """Nodes behind the logits."""
    notes: list[str] = field(default_factory=list)


def lower(graph: Graph, images: Sequence[Shape]) -> Lowered:
    """The graph as layers. `images` are the shapes [h, w, c] that the images can be taken for, if there are any.

    Raises UsageError, one line with the node, for what cannot be imported.
    """
    return _Lowering(graph, images).run()


class _Lowering:
    """What is known of a graph, node by node."""

    def __init__(self, graph: Graph, images: Sequence[Shape]) -> None:
        shape = (1, *graph.input_shape)
        if prod(shape) > ELEMENTS:
            raise UsageError(f"the model's input has {prod(shape):,} values, more than the {ELEMENTS:,} that are read")
        self.graph = graph
        self.input = Input(prod(shape))
        given = tensor_of(self.input, np.arange(prod(shape)).reshape(shape))
        self.known = Known(graph.input_shape, images, {**graph.constants, graph.input: given})
        self.held = 0

    def run(self) -> Lowered:
        known, values = self.known, self.known.values
        for node in self.graph.nodes:
            given = [values[name] if name in values else self._missing(node, name) for name in node.inputs if name]
            for name, value in zip(node.outputs, self._results(node, given), strict=False):
                values[name] = value
                self.held += 24 * value.index.size if isinstance(value, IndexedTensor) else getattr(value, "nbytes", 0)
            if self.held > _HELD:
                raise Refused(node, f"more than {_HELD >> 20:,} MiB are needed to read the model up to here")
        return Lowered(self.input, self._logits(), known.dropped, known.notes)

    def _missing(self, node: Node, name: str) -> Value:
        raise Refused(node, f"nothing gives its input {name!r}: the file is damaged (onnx.checker says more)")

    def _results(self, node: Node, given: list[Value]) -> list[Value]:
        """What the node's outputs are."""
        if ended := [value for value in given if isinstance(value, ModelEnd)]:
            self.known.dropped.append(node.op)
            return [self._behind(node, ended[0], given)] * len(node.outputs)
        tensors = [value for value in given if isinstance(value, IndexedTensor)]
        if tensors and node.op == "Shape":
            return [constants.folded(node, [np.array(tensors[0].shape)])]
        if not tensors:
            return [constants.folded(node, [value for value in given if isinstance(value, np.ndarray)])]
        if node.op in _TAIL or (node.op == "Sigmoid" and len(tensors[0].shape) == 2 and tensors[0].shape[1] > 1):
            self.known.dropped.append(node.op)
            return [ModelEnd(tensors[0])] * len(node.outputs)
        handler = _HANDLERS.get(node.op)
        if handler is None:
            listed = ", ".join(sorted(map(str.lower, _HANDLERS)))
            raise Refused(node, _ADVICE.get(node.op, f"not an operation that can be imported; those are {listed}"))
        try:
            found = handler(self.known, node)
        except (ValueError, TypeError, IndexError) as error:
            raise Refused(node, str(error).partition("\n")[0] or type(error).__name__) from error
        return [found] * len(node.outputs) if isinstance(found, ModelEnd) else [found]

    def _behind(self, node: Node, ended: ModelEnd, given: list[Value]) -> ModelEnd:
        """What follows the logits is not looked at, but for the names of classes that it looks up."""
        if node.op == "ArrayFeatureExtractor":
            names = [value for value in given if isinstance(value, np.ndarray)]
            return replace(ended, classes=tuple(names[0].reshape(-1).tolist()) if names else ())
        return ended

    def _logits(self) -> IndexedTensor:
        values = self.known.values
        found = [values[name] for name in self.graph.outputs if name in values]
        tensors = [value.logits if isinstance(value, ModelEnd) else value for value in found]
        logits = [tensor for tensor in tensors if isinstance(tensor, IndexedTensor)]
        if not logits or len({id(tensor.producer) for tensor in logits}) > 1:
            raise UsageError(
                f"the model must have one output, or outputs that follow from the same logits; it has {len(found)}"
            )
        for value in found:
            if isinstance(value, ModelEnd) and value.classes and list(value.classes) != list(range(len(value.classes))):
                listed = ", ".join(map(str, value.classes[:8]))
                raise UsageError(f"the model's classes are {listed}: label the data 0, 1, 2, ... and train it again")
        return logits[0]
