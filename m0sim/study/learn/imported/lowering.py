"""A graph's nodes, one after the other, as layers with weights, ReLUs, pools and additions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from m0sim.errors import UsageError
from m0sim.study.learn.imported import constants
from m0sim.study.learn.imported.float_network import Real
from m0sim.study.learn.imported.onnx_file import Array, Graph, Node, Refused
from m0sim.study.learn.imported.values import (
    IndexedTensor,
    Input,
    Linear,
    ModelEnd,
    Pooled,
    Producer,
    Rectified,
    Sum,
    image_view,
    tensor_of,
)
from m0sim.study.learn.layout import Index
from m0sim.study.learn.networks import AveragePool, Conv, Dense, Depthwise, Pool, Shape, conv_shape, pool_shape

Value = Array | IndexedTensor | ModelEnd

ELEMENTS = 1 << 18
"""Of a tensor: an RP2040's SRAM holds as many activations."""
_PAD_MAX = 255
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
_FLOAT_KINDS = (1, 10, 11, 16)  # TensorProto.FLOAT, FLOAT16, DOUBLE, BFLOAT16


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
    """The values of a graph's names, filled node by node."""

    def __init__(self, graph: Graph, images: Sequence[Shape]) -> None:
        shape = (1, *graph.input_shape)
        if prod(shape) > ELEMENTS:
            raise UsageError(f"the model's input has {prod(shape):,} values, more than the {ELEMENTS:,} that are read")
        self.graph, self.images = graph, images
        self.input = Input(prod(shape))
        self.values: dict[str, Value] = {
            **graph.constants,
            graph.input: tensor_of(self.input, np.arange(prod(shape)).reshape(shape)),
        }
        self.held = 0
        self.dropped: list[str] = []
        self.notes: list[str] = []

    def run(self) -> Lowered:
        for node in self.graph.nodes:
            given = [
                self.values[name] if name in self.values else self._missing(node, name) for name in node.inputs if name
            ]
            for name, value in zip(node.outputs, self._results(node, given), strict=False):
                self.values[name] = value
                self.held += 24 * value.index.size if isinstance(value, IndexedTensor) else getattr(value, "nbytes", 0)
            if self.held > _HELD:
                raise Refused(node, f"more than {_HELD >> 20:,} MiB are needed to read the model up to here")
        return Lowered(self.input, self._logits(), self.dropped, self.notes)

    def _missing(self, node: Node, name: str) -> Value:
        raise Refused(node, f"nothing gives its input {name!r}: the file is damaged (onnx.checker says more)")

    def _results(self, node: Node, given: list[Value]) -> list[Value]:
        """What the node's outputs are."""
        if ended := [value for value in given if isinstance(value, ModelEnd)]:
            self.dropped.append(node.op)
            return [self._behind(node, ended[0], given)] * len(node.outputs)
        tensors = [value for value in given if isinstance(value, IndexedTensor)]
        if tensors and node.op == "Shape":
            return [constants.folded(node, [np.array(tensors[0].shape)])]
        if not tensors:
            return [constants.folded(node, [value for value in given if isinstance(value, np.ndarray)])]
        if node.op in _TAIL or (node.op == "Sigmoid" and len(tensors[0].shape) == 2 and tensors[0].shape[1] > 1):
            self.dropped.append(node.op)
            return [ModelEnd(tensors[0])] * len(node.outputs)
        handler: Callable[[Node], Value] | None = getattr(self, f"_do_{node.op.lower()}", None)
        if handler is None:
            known = sorted(name.removeprefix("_do_") for name in dir(self) if name.startswith("_do_"))
            raise Refused(
                node, _ADVICE.get(node.op, f"not an operation that can be imported; those are {', '.join(known)}")
            )
        try:
            found = handler(node)
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
        found = [self.values[name] for name in self.graph.outputs if name in self.values]
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

    # What is read of a node

    def _input(self, node: Node, at: int) -> Value | None:
        """Its input number `at`, None where it is left out."""
        name = node.inputs[at] if at < len(node.inputs) else ""
        return self.values[name] if name else None

    def _tensor(self, node: Node, at: int = 0) -> IndexedTensor:
        value = self._input(node, at)
        if not isinstance(value, IndexedTensor):
            raise ValueError(f"its input {at} must be what a layer gives, not a constant")
        return value

    def _constant(self, node: Node, at: int) -> Array | None:
        value = self._input(node, at)
        if isinstance(value, IndexedTensor | ModelEnd):
            raise ValueError(f"its input {at} must be a constant of the file: export the model for inference")
        return value

    def _needed(self, node: Node, at: int) -> Array:
        value = self._constant(node, at)
        if value is None:
            raise ValueError(f"its input {at} is not there")
        return value

    # Values moved about

    def _do_identity(self, node: Node) -> Value:
        return self._tensor(node)

    def _do_dropout(self, node: Node) -> Value:
        training = self._constant(node, 2)
        if training is not None and training.any():
            raise ValueError("is in training mode: export the model for inference (model.eval())")
        return self._tensor(node)

    def _do_cast(self, node: Node) -> Value:
        if node.attributes.get("to") not in _FLOAT_KINDS:
            raise ValueError("values become whole numbers, which no layer here does")
        return self._tensor(node)

    def _do_reshape(self, node: Node) -> Value:
        tensor, wanted = self._tensor(node), [int(size) for size in self._needed(node, 1).reshape(-1)]
        if not node.attributes.get("allowzero", 0):
            wanted = [tensor.shape[at] if size == 0 else size for at, size in enumerate(wanted)]
        return _batch_kept(tensor.moved(lambda array: array.reshape(wanted)))

    def _do_flatten(self, node: Node) -> Value:
        tensor = self._tensor(node)
        axis = _axis(node.attributes.get("axis", 1), len(tensor.shape))
        return _batch_kept(tensor.moved(lambda array: array.reshape(prod(tensor.shape[:axis]), -1)))

    def _do_transpose(self, node: Node) -> Value:
        tensor = self._tensor(node)
        order = node.attributes.get("perm") or tuple(reversed(range(len(tensor.shape))))
        if sorted(order) != list(range(len(tensor.shape))):
            raise ValueError(f"perm {list(order)} of {len(tensor.shape)} axes")
        return _batch_kept(tensor.moved(lambda array: array.transpose(order)))

    def _do_squeeze(self, node: Node) -> Value:
        tensor, axes = self._tensor(node), self._axes(node, 1)
        chosen = tuple(axes) if axes else tuple(at for at, size in enumerate(tensor.shape) if size == 1 and at)
        return _batch_kept(tensor.moved(lambda array: array.squeeze(chosen)))

    def _do_unsqueeze(self, node: Node) -> Value:
        tensor, axes = self._tensor(node), self._axes(node, 1)
        return _batch_kept(tensor.moved(lambda array: np.expand_dims(array, tuple(axes))))

    def _axes(self, node: Node, at: int) -> list[int]:
        """Axes, an input of newer opsets and an attribute of older ones."""
        given = self._constant(node, at)
        found = node.attributes.get("axes") or () if given is None else given.reshape(-1)
        return [int(axis) for axis in found]

    # Factors and constants

    def _do_add(self, node: Node) -> Value:
        first, second = self._input(node, 0), self._input(node, 1)
        if isinstance(first, IndexedTensor) and isinstance(second, IndexedTensor):
            return self._sum(node, first, second)
        tensor, constant = (first, second) if isinstance(first, IndexedTensor) else (second, first)
        assert isinstance(tensor, IndexedTensor)
        return _scaled(tensor, np.ones(()), _real(constant))

    def _do_sub(self, node: Node) -> Value:
        if isinstance(first := self._input(node, 0), IndexedTensor):
            return _scaled(first, np.ones(()), -_real(self._constant(node, 1)))
        return _scaled(self._tensor(node, 1), -np.ones(()), _real(first))

    def _do_mul(self, node: Node) -> Value:
        at = 0 if isinstance(self._input(node, 0), IndexedTensor) else 1
        return _scaled(self._tensor(node, at), _real(self._constant(node, 1 - at)), np.zeros(()))

    def _do_div(self, node: Node) -> Value:
        by = _real(self._constant(node, 1))
        if not by.all():
            raise ValueError("divides by zero")
        return _scaled(self._tensor(node), 1 / by, np.zeros(()))

    def _do_scaler(self, node: Node) -> Value:
        """Of ai.onnx.ml: (x - offset) * scale."""
        scale, offset = (
            np.array(node.attributes.get(name, default)) for name, default in (("scale", 1.0), ("offset", 0.0))
        )
        return _scaled(self._tensor(node), scale, -offset * scale)

    def _do_batchnormalization(self, node: Node) -> Value:
        tensor = self._tensor(node)
        if node.attributes.get("training_mode", 0) or len(node.outputs) > 1:
            raise ValueError("is in training mode: export the model for inference (model.eval())")
        gamma, beta, mean, variance = (_real(self._needed(node, at)) for at in range(1, 5))
        if (variance < 0).any():
            raise ValueError("has a negative variance")
        by = gamma / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
        along_channels = (-1, *[1] * (len(tensor.shape) - 2))
        return _scaled(tensor, by.reshape(along_channels), (beta - mean * by).reshape(along_channels))

    # Layers with weights

    def _do_gemm(self, node: Node) -> Value:
        if node.attributes.get("transA", 0):
            raise ValueError("transposes its input (transA), which no dense layer does")
        weights = _real(self._needed(node, 1))
        weights = (weights if node.attributes.get("transB", 0) else weights.T) * node.attributes.get("alpha", 1.0)
        bias = self._constant(node, 2)
        return self._dense(node, weights, None if bias is None else _real(bias) * node.attributes.get("beta", 1.0))

    def _do_matmul(self, node: Node) -> Value:
        return self._dense(node, _real(self._needed(node, 1)).T, None)

    def _do_linearclassifier(self, node: Node) -> Value:
        """Of ai.onnx.ml: a dense layer and what makes labels of it."""
        classes = tuple(node.attributes.get("classlabels_ints") or node.attributes.get("classlabels_strings") or ())
        bias = np.array(node.attributes.get("intercepts", ()), np.float64)
        weights = np.array(node.attributes.get("coefficients", ()), np.float64).reshape(len(bias), -1)
        if len(bias) < 2:
            raise ValueError("gives one value for two classes: train it with one output a class")
        self.dropped.append(str(node.attributes.get("post_transform", "none")).capitalize())
        return ModelEnd(self._dense(node, weights, bias), classes)

    def _dense(self, node: Node, weights: Real, bias: Real | None) -> IndexedTensor:
        """A dense layer of weights [outputs, inputs], as the tensor's elements follow one another."""
        tensor = self._tensor(node)
        if weights.ndim != 2 or prod(tensor.shape) != tensor.shape[-1] or weights.shape[1] != tensor.shape[-1]:
            has, wanted = (" x ".join(map(str, shape)) for shape in (weights.shape[::-1], tensor.shape))
            raise ValueError(f"weights of {has} for inputs of {wanted}: a dense layer reads all of an image, flattened")
        if isinstance(tensor.producer, Input):
            tensor.producer.settle(*_flat_order(self.graph.input_shape, self.images, tensor.producer.elements))
        places = tensor.places().reshape(-1)
        if len(np.unique(places)) != prod(tensor.producer.shape):
            raise ValueError("does not read all that the layer in front of it gives")
        ordered = np.empty_like(weights)
        ordered[:, places] = weights * tensor.scale.reshape(-1)
        constant = weights @ tensor.offset.reshape(-1) + (
            0 if bias is None else np.broadcast_to(bias, (1, len(weights)))[0]
        )
        view = (*tensor.shape[:-1], len(weights))
        linear = Linear(str(node), Dense(len(weights)), ordered, constant, tensor.producer, (len(weights),))
        return tensor_of(linear, np.arange(len(weights)).reshape(view))

    def _do_conv(self, node: Node) -> Value:
        tensor, weights = self._tensor(node), _real(self._needed(node, 1))
        is_signal = len(tensor.shape) == 3
        if weights.ndim != len(tensor.shape) or not 3 <= weights.ndim <= 4:
            raise ValueError(f"is of {weights.ndim - 2} dimensions: those of images (2) and signals (1) are there")
        image, places = self._image(tensor)
        outputs, kernel = len(weights), weights.shape[2:]
        if is_signal:
            weights, kernel = weights[:, :, None], (1, *kernel)
        _only_ones(node, "dilations")
        strides = _pair(node.attributes.get("strides", (1,) * (weights.ndim - 2)), 1)
        pads = _pads(node, image, kernel, strides)
        weights, pads = self._even(node, weights, pads)
        layer = _convolution(node, weights, image[2], strides, pads, image)
        by, along = _by_channel(tensor, places, image[2])
        if along.any() and any(pads[0] + pads[1]):
            raise ValueError(
                "pads with zeros what has a constant added in front of it: put the normalisation behind it"
            )
        bias = self._constant(node, 2)
        constant = np.zeros(outputs) if bias is None else _real(bias).reshape(-1)
        if isinstance(layer, Depthwise):
            constant = constant + weights.sum(axis=(1, 2, 3)) * along
            weights = weights[:, 0] * by[:, None, None]
        else:
            constant = constant + weights.sum(axis=(2, 3)) @ along
            weights = weights.transpose(0, 2, 3, 1) * by
        shape = conv_shape(layer, image)
        if min(shape) < 1:
            raise ValueError("nothing is left of the image behind it")
        if prod(shape) > ELEMENTS:
            raise ValueError(f"gives {prod(shape):,} values, more than the {ELEMENTS:,} that are read")
        linear = Linear(str(node), layer, weights, constant, tensor.producer, shape)
        return tensor_of(linear, image_view(shape, is_signal))

    def _even(
        self, node: Node, weights: Real, pads: tuple[tuple[int, int], tuple[int, int]]
    ) -> tuple[Real, tuple[tuple[int, int], tuple[int, int]]]:
        """The same convolution with as many zeros at both ends: more weights, which are 0, where they differ."""
        (above, left), (below, right) = pads
        if (above, left) == (below, right):
            return weights, pads
        more = [
            (0, 0),
            (0, 0),
            (max(below - above, 0), max(above - below, 0)),
            (max(right - left, 0), max(left - right, 0)),
        ]
        wider = np.pad(weights, more)
        old, new = ("x".join(map(str, kernel.shape[2:])) for kernel in (weights, wider))
        self.notes.append(
            f"{node}: pads {above},{left} in front, {below},{right} behind: its {old} kernel became {new}, with zeros"
        )
        both = (max(above, below), max(left, right))
        return wider, (both, both)

    def _image(self, tensor: IndexedTensor) -> tuple[Shape, Index]:
        """The shape [h, w, c] of what a tensor [1, c, h, w] or [1, c, length] holds, and the places of its elements."""
        if not 3 <= len(tensor.shape) <= 4:
            raise ValueError(f"reads what has {len(tensor.shape) - 1} dimensions, not an image or a signal")
        as_image = tensor.index if tensor.index.ndim == 4 else tensor.index[:, :, None]
        _, channels, height, width = as_image.shape
        shape = (height, width, channels)
        order = as_image[0].transpose(1, 2, 0).reshape(-1)
        if isinstance(tensor.producer, Input):
            tensor.producer.settle(order, shape)
        places = tensor.places()
        as_places = places if places.ndim == 4 else places[:, :, None]
        if not np.array_equal(as_places[0].transpose(1, 2, 0).reshape(-1), np.arange(prod(tensor.producer.shape))):
            raise ValueError("reads its image in another order than the layer in front of it writes it")
        return shape, places

    # What follows them

    def _do_relu(self, node: Node) -> Value:
        return self._rectified(node, None)

    def _do_clip(self, node: Node) -> Value:
        bounds = [self._constant(node, 1), self._constant(node, 2)]
        low, high = (
            node.attributes.get(name, default) if bound is None else float(bound.reshape(()))
            for name, bound, default in zip(("min", "max"), bounds, (-math.inf, math.inf), strict=True)
        )
        if low != 0 or high <= 0:
            raise ValueError(f"to {low:g}..{high:g}: only from 0 on, as a ReLU has it")
        return self._rectified(node, None if high > 1e30 else float(high))

    def _do_max(self, node: Node) -> Value:
        if len(node.inputs) != 2 or np.any(_real(self._constant(node, 1))):
            raise ValueError("only a maximum with 0, as a ReLU has it, can be read")
        return self._rectified(node, None)

    def _do_min(self, node: Node) -> Value:
        tensor, cap = self._tensor(node), float(_real(self._needed(node, 1)).reshape(()))
        if (
            not isinstance(tensor.producer, Rectified)
            or tensor.producer.cap is not None
            or not tensor.is_plain
            or cap <= 0
        ):
            raise ValueError("only as the upper end of a ReLU can it be read")
        return replace(tensor, producer=replace(tensor.producer, cap=cap))

    def _rectified(self, node: Node, cap: float | None) -> IndexedTensor:
        tensor, source = self._tensor(node), None
        source = tensor.producer
        if (
            isinstance(source, Rectified | Pooled)
            and _is_positive(source)
            and cap is None
            and (tensor.offset == 0).all()
            and (tensor.scale > 0).all()
        ):
            return tensor
        if not tensor.is_plain:
            raise ValueError(
                "follows a normalisation that cannot become part of the layer in front: put it before the ReLU"
            )
        if isinstance(source, Pooled) and isinstance(
            source.pool, Pool
        ):  # the maximum of ReLUs is the ReLU of the maximum
            inner = Rectified(str(node), source.of, cap, source.of.shape)
            return replace(tensor, producer=replace(source, of=inner))
        if not isinstance(source, Linear | Sum):
            raise ValueError("must directly follow a layer with weights or an addition")
        return replace(tensor, producer=Rectified(str(node), source, cap, source.shape))

    def _do_maxpool(self, node: Node) -> Value:
        return self._pool(node, Pool)

    def _do_averagepool(self, node: Node) -> Value:
        return self._pool(node, AveragePool)

    def _pool(self, node: Node, kind: type[Pool] | type[AveragePool]) -> IndexedTensor:
        tensor = self._tensor(node)
        shape, _ = self._image(tensor)
        window = _pair(node.attributes.get("kernel_shape", ()), 1)
        default = (1,) * len(node.attributes.get("kernel_shape", ()))
        strides = _pair(node.attributes.get("strides") or default, 1)
        _only_ones(node, "dilations")
        if strides != window:
            raise ValueError(
                f"windows of {window[0]}x{window[1]} every {strides[0]}x{strides[1]}: they must lie side by side"
            )
        if any(sum(_pads(node, shape, window, strides), ())):
            raise ValueError("pads: a pool here does not; let the convolution in front of it pad")
        if node.attributes.get("ceil_mode", 0) and any(size % side for size, side in zip(shape, window, strict=False)):
            raise ValueError("keeps windows that are not full (ceil_mode), which here are dropped")
        if len(node.outputs) > 1 and node.outputs[1]:
            raise ValueError("gives the places of its maxima, which nothing here reads")
        whole = kind is AveragePool and window == shape[:2]
        return _pooled(node, tensor, AveragePool() if whole else kind(window), shape)

    def _do_globalaveragepool(self, node: Node) -> Value:
        tensor = self._tensor(node)
        return _pooled(node, tensor, AveragePool(), self._image(tensor)[0])

    def _do_reducemean(self, node: Node) -> Value:
        """Over all of a map, wherever its axes are, is a global average pool."""
        tensor = self._tensor(node)
        axes = sorted(_axis(axis, len(tensor.shape)) for axis in self._axes(node, 1))
        if isinstance(tensor.producer, Input):
            raise ValueError("reads the input: a pool follows a convolution")
        shape, kept = tensor.producer.shape, node.attributes.get("keepdims", 1)
        last = np.moveaxis(tensor.index, axes, range(-len(axes), 0)) if axes else tensor.index.reshape(-1)
        rest = tuple(size for at, size in enumerate(tensor.shape) if at not in axes)
        groups = np.sort(last.reshape(prod(rest), -1), axis=1)
        if len(shape) != 3 or not np.array_equal(groups, np.arange(prod(shape)).reshape(-1, shape[2]).T):
            raise ValueError("only a mean over all of a map's rows and columns can be read")
        pooled = _pooled(node, _channels_first(tensor, shape), AveragePool(), shape)
        view = tuple(1 if at in axes else size for at, size in enumerate(tensor.shape)) if kept else rest
        return _batch_kept(pooled.moved(lambda array: array.reshape(view)))

    def _sum(self, node: Node, first: IndexedTensor, second: IndexedTensor) -> IndexedTensor:
        if first.shape != second.shape:
            raise ValueError("adds tensors of different shapes")
        if not (first.is_plain and second.is_plain):
            raise ValueError("adds what has a normalisation behind its ReLU: put that before the ReLU")
        for tensor in (first, second):
            if isinstance(tensor.producer, Input) and tensor.producer.order is None:
                raise ValueError("adds the input, which no layer has read yet")
        places = first.places()
        if not np.array_equal(places, second.places()):
            raise ValueError("adds tensors whose elements lie in different orders")
        return replace(
            first, producer=Sum(str(node), first.producer, second.producer, first.producer.shape), index=places
        )


def _channels_first(tensor: IndexedTensor, shape: Shape) -> IndexedTensor:
    """A tensor in whatever order as [1, c, h, w]."""
    order = np.empty(prod(shape), np.int64)
    order[tensor.index.reshape(-1)] = np.arange(prod(shape))
    back = order[image_view(shape, False)]
    return tensor.moved(lambda array: array.reshape(-1)[back])


def _scaled(tensor: IndexedTensor, scale: Real, offset: Real) -> IndexedTensor:
    """scale * tensor + offset, as part of the layer in front where there has been no ReLU yet."""
    changed = tensor.scaled(scale, offset)
    source = tensor.producer
    inner = source.of if isinstance(source, Pooled) else source
    if not isinstance(inner, Linear) or not tensor.is_plain:
        return changed
    by, along = _by_channel(changed, changed.index, inner.shape[-1])
    if (
        inner is not source
        and not (isinstance(source, Pooled) and isinstance(source.pool, AveragePool))
        and (by <= 0).any()
    ):
        raise ValueError("turns the sign of a maximum: put the normalisation in front of the pool")
    across = by.reshape(-1, *[1] * (inner.weights.ndim - 1))
    folded = replace(inner, weights=inner.weights * across, bias=inner.bias * by + along)
    producer = replace(source, of=folded) if isinstance(source, Pooled) else folded
    return tensor_of(producer, tensor.index)


def _by_channel(tensor: IndexedTensor, places: Index, channels: int) -> tuple[Real, Real]:
    """The scale and offset that wait in a tensor, each [channels]; ValueError where they differ within a channel."""
    channel = places % channels
    found = []
    for values in (tensor.scale, tensor.offset):
        each = np.zeros(channels)
        each[channel] = values
        if not np.array_equal(each[channel], values):
            raise ValueError("has factors or constants that differ within a channel, which no layer takes up")
        found.append(each)
    return found[0], found[1]


def _pooled(node: Node, tensor: IndexedTensor, pool: Pool | AveragePool, shape: Shape) -> IndexedTensor:
    """A pool of a tensor [1, c, h, w] or [1, c, length]; what waits in it waits in the result."""
    by, along = _by_channel(tensor, tensor.places(), shape[2])
    if isinstance(pool, Pool) and (by <= 0).any():
        raise ValueError("takes the maximum of what a normalisation turned the sign of: put that behind it")
    small = pool_shape(shape, pool)
    if min(small) < 1:
        raise ValueError("nothing is left of the image behind it")
    result = tensor_of(Pooled(str(node), tensor.producer, pool, small), image_view(small, len(tensor.shape) == 3))
    channel = result.index % shape[2]
    return replace(result, scale=by[channel], offset=along[channel])


def _is_positive(producer: Producer) -> bool:
    """Whether nothing that it gives is below 0."""
    return isinstance(producer, Rectified) or (isinstance(producer, Pooled) and _is_positive(producer.of))


def _convolution(
    node: Node,
    weights: Real,
    channels: int,
    strides: Shape,
    pads: tuple[tuple[int, int], tuple[int, int]],
    image: Shape,
) -> Conv | Depthwise:
    """The layer of weights [outputs, inputs of a group, kh, kw]."""
    outputs, each, high, wide = weights.shape
    groups = node.attributes.get("group", 1)
    (above, left), _ = pads
    # Where one step is all there is along an axis, its stride does not matter.
    steps = {
        stride
        for stride, size, pad, side in zip(strides, image, (above, left), (high, wide), strict=False)
        if size + 2 * pad != side
    }
    if len(steps) > 1:
        raise ValueError(f"has strides of {strides[0]} and {strides[1]}: they must be the same both ways")
    stride, pad = (steps or {1}).pop(), above if above == left else (above, left)
    if groups == 1 and each == channels:
        return Conv(outputs, (high, wide), stride, pad)
    if groups == channels == outputs and each == 1:
        return Depthwise((high, wide), stride, pad)
    if each * groups != channels:
        raise ValueError(f"has weights for {each * groups} channels, its input has {channels}")
    raise ValueError(
        f"has {groups} groups of {channels} channels to {outputs}: one group, or as many of each (depthwise)"
    )


def _pads(node: Node, image: Shape, kernel: Shape, strides: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros above and left, and below and right."""
    auto = node.attributes.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        whole = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(image, kernel, strides, strict=False)]
        small, large = (tuple(n // 2 for n in whole), tuple(n - n // 2 for n in whole))
        front, behind = (small, large) if auto == "SAME_UPPER" else (large, small)
        return (front[0], front[1]), (behind[0], behind[1])
    given = tuple(node.attributes.get("pads", ())) if auto == "NOTSET" else ()
    if len(given) == 2:  # of a signal
        given = (0, given[0], 0, given[1])
    given = given or (0, 0, 0, 0)
    if len(given) != 4 or min(given) < 0 or max(given) > _PAD_MAX:
        raise ValueError(f"pads {list(given)}: needed are two numbers a dimension, 0 to {_PAD_MAX}")
    return (given[0], given[1]), (given[2], given[3])


def _pair(sizes: Shape, fill: int) -> tuple[int, int]:
    """Of an image two numbers; of a signal one, and `fill` for its height."""
    if not 1 <= len(sizes) <= 2 or min(sizes) < 1:
        raise ValueError(f"sizes {list(sizes)}: needed is one number a dimension, from 1 on")
    return (fill, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def _only_ones(node: Node, name: str) -> None:
    if any(value != 1 for value in node.attributes.get(name, ())):
        raise ValueError(f"has {name} {list(node.attributes[name])}: only 1 is there")


def _axis(axis: int, rank: int) -> int:
    return axis + rank if axis < 0 else axis


def _batch_kept(tensor: IndexedTensor) -> IndexedTensor:
    if not tensor.shape or tensor.shape[0] != 1:
        raise ValueError("moves values between the images of a batch: its first axis must stay the batch")
    return tensor


def _real(value: object) -> Real:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        raise ValueError("needs numbers")
    return value.astype(np.float64)


def _flat_order(given: Shape, images: Sequence[Shape], elements: int) -> tuple[Index, Shape]:
    """How the images lie in an input that a dense layer reads whole, and their shape [h, w, c].

    The first shape of the images decides that has as many values; without one three axes are [c, h, w], as PyTorch's.
    """
    at = np.arange(elements).reshape(given)
    for shape in (shape for shape in images if prod(shape) == elements):
        if len(given) == 3 and given != shape and (given[1], given[2], given[0]) == shape:
            return at.transpose(1, 2, 0).reshape(-1), shape
        return at.reshape(-1), shape
    if len(given) == 3:
        return at.transpose(1, 2, 0).reshape(-1), (given[1], given[2], given[0])
    return at.reshape(-1), {1: (1, elements, 1), 2: (*given, 1)}.get(len(given), (1, 1, elements))
