"""Nodes that are dense layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from m0sim.study.learn.imported.float_network import Real
from m0sim.study.learn.imported.node_values import Handler, Known, Value, real
from m0sim.study.learn.imported.onnx_file import Node
from m0sim.study.learn.imported.values import IndexedTensor, Input, Linear, ModelEnd, tensor_of
from m0sim.study.learn.layout import Index
from m0sim.study.learn.networks import Dense, Shape


def _gemm(known: Known, node: Node) -> Value:
    if node.attributes.get("transA", 0):
        raise ValueError("transposes its input (transA), which no dense layer does")
    weights = real(known.needed(node, 1))
    weights = (weights if node.attributes.get("transB", 0) else weights.T) * node.attributes.get("alpha", 1.0)
    bias = known.constant(node, 2)
    return _dense(known, node, weights, None if bias is None else real(bias) * node.attributes.get("beta", 1.0))


def _matmul(known: Known, node: Node) -> Value:
    return _dense(known, node, real(known.needed(node, 1)).T, None)


def _linearclassifier(known: Known, node: Node) -> Value:
    """Of ai.onnx.ml: a dense layer and what makes labels of it."""
    classes = tuple(node.attributes.get("classlabels_ints") or node.attributes.get("classlabels_strings") or ())
    bias = np.array(node.attributes.get("intercepts", ()), np.float64)
    weights = np.array(node.attributes.get("coefficients", ()), np.float64).reshape(len(bias), -1)
    if len(bias) < 2:
        raise ValueError("gives one value for two classes: train it with one output a class")
    known.dropped.append(str(node.attributes.get("post_transform", "none")).capitalize())
    return ModelEnd(_dense(known, node, weights, bias), classes)


def _dense(known: Known, node: Node, weights: Real, bias: Real | None) -> IndexedTensor:
    """A dense layer of weights [outputs, inputs], as the tensor's elements follow one another."""
    tensor = known.tensor(node)
    if weights.ndim != 2 or prod(tensor.shape) != tensor.shape[-1] or weights.shape[1] != tensor.shape[-1]:
        has, wanted = (" x ".join(map(str, shape)) for shape in (weights.shape[::-1], tensor.shape))
        raise ValueError(f"weights of {has} for inputs of {wanted}: a dense layer reads all of an image, flattened")
    if isinstance(tensor.producer, Input):
        tensor.producer.settle(*_flat_order(known.input_shape, known.images, tensor.producer.elements))
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


HANDLERS: Mapping[str, Handler] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "LinearClassifier": _linearclassifier,
}
