"""Nodes that multiply by factors and add constants, or add two tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from m0sim.study.learn.imported.float_network import Real
from m0sim.study.learn.imported.node_values import Handler, Known, Value, real
from m0sim.study.learn.imported.onnx_file import Node
from m0sim.study.learn.imported.values import IndexedTensor, Input, Linear, Pooled, Sum, by_channel, tensor_of
from m0sim.study.learn.networks import AveragePool


def _add(known: Known, node: Node) -> Value:
    first, second = known.given(node, 0), known.given(node, 1)
    if isinstance(first, IndexedTensor) and isinstance(second, IndexedTensor):
        return _sum(node, first, second)
    tensor, constant = (first, second) if isinstance(first, IndexedTensor) else (second, first)
    assert isinstance(tensor, IndexedTensor)
    return _scaled(tensor, np.ones(()), real(constant))


def _sub(known: Known, node: Node) -> Value:
    if isinstance(first := known.given(node, 0), IndexedTensor):
        return _scaled(first, np.ones(()), -real(known.constant(node, 1)))
    return _scaled(known.tensor(node, 1), -np.ones(()), real(first))


def _mul(known: Known, node: Node) -> Value:
    at = 0 if isinstance(known.given(node, 0), IndexedTensor) else 1
    return _scaled(known.tensor(node, at), real(known.constant(node, 1 - at)), np.zeros(()))


def _div(known: Known, node: Node) -> Value:
    by = real(known.constant(node, 1))
    if not by.all():
        raise ValueError("divides by zero")
    return _scaled(known.tensor(node), 1 / by, np.zeros(()))


def _scaler(known: Known, node: Node) -> Value:
    """Of ai.onnx.ml: (x - offset) * scale."""
    scale, offset = (
        np.array(node.attributes.get(name, default)) for name, default in (("scale", 1.0), ("offset", 0.0))
    )
    return _scaled(known.tensor(node), scale, -offset * scale)


def _batchnormalization(known: Known, node: Node) -> Value:
    tensor = known.tensor(node)
    if node.attributes.get("training_mode", 0) or len(node.outputs) > 1:
        raise ValueError("is in training mode: export the model for inference (model.eval())")
    gamma, beta, mean, variance = (real(known.needed(node, at)) for at in range(1, 5))
    if (variance < 0).any():
        raise ValueError("has a negative variance")
    by = gamma / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    along_channels = (-1, *[1] * (len(tensor.shape) - 2))
    return _scaled(tensor, by.reshape(along_channels), (beta - mean * by).reshape(along_channels))


def _sum(node: Node, first: IndexedTensor, second: IndexedTensor) -> IndexedTensor:
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
    return replace(first, producer=Sum(str(node), first.producer, second.producer, first.producer.shape), index=places)


def _scaled(tensor: IndexedTensor, scale: Real, offset: Real) -> IndexedTensor:
    """scale * tensor + offset, as part of the layer in front where there has been no ReLU yet."""
    changed = tensor.scaled(scale, offset)
    source = tensor.producer
    inner = source.of if isinstance(source, Pooled) else source
    if not isinstance(inner, Linear) or not tensor.is_plain:
        return changed
    by, along = by_channel(changed, changed.index, inner.shape[-1])
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


HANDLERS: Mapping[str, Handler] = {
    "Add": _add,
    "Sub": _sub,
    "Mul": _mul,
    "Div": _div,
    "Scaler": _scaler,
    "BatchNormalization": _batchnormalization,
}
