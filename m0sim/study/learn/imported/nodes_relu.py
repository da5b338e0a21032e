"""Nodes that are ReLUs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from m0sim.study.learn.imported.node_values import Handler, Known, Value, real
from m0sim.study.learn.imported.onnx_file import Node
from m0sim.study.learn.imported.values import IndexedTensor, Linear, Pooled, Producer, Rectified, Sum
from m0sim.study.learn.networks import Pool


def _relu(known: Known, node: Node) -> Value:
    return _rectified(known, node, None)


def _clip(known: Known, node: Node) -> Value:
    bounds = [known.constant(node, 1), known.constant(node, 2)]
    low, high = (
        node.attributes.get(name, default) if bound is None else float(bound.reshape(()))
        for name, bound, default in zip(("min", "max"), bounds, (-math.inf, math.inf), strict=True)
    )
    if low != 0 or high <= 0:
        raise ValueError(f"to {low:g}..{high:g}: only from 0 on, as a ReLU has it")
    return _rectified(known, node, None if high > 1e30 else float(high))


def _max(known: Known, node: Node) -> Value:
    if len(node.inputs) != 2 or np.any(real(known.constant(node, 1))):
        raise ValueError("only a maximum with 0, as a ReLU has it, can be read")
    return _rectified(known, node, None)


def _min(known: Known, node: Node) -> Value:
    tensor, cap = known.tensor(node), float(real(known.needed(node, 1)).reshape(()))
    if not isinstance(tensor.producer, Rectified) or tensor.producer.cap is not None or not tensor.is_plain or cap <= 0:
        raise ValueError("only as the upper end of a ReLU can it be read")
    return replace(tensor, producer=replace(tensor.producer, cap=cap))


def _rectified(known: Known, node: Node, cap: float | None) -> IndexedTensor:
    tensor = known.tensor(node)
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
    if isinstance(source, Pooled) and isinstance(source.pool, Pool):  # the maximum of ReLUs is the ReLU of the maximum
        inner = Rectified(str(node), source.of, cap, source.of.shape)
        return replace(tensor, producer=replace(source, of=inner))
    if not isinstance(source, Linear | Sum):
        raise ValueError("must directly follow a layer with weights or an addition")
    return replace(tensor, producer=Rectified(str(node), source, cap, source.shape))


def _is_positive(producer: Producer) -> bool:
    """Whether nothing that it gives is below 0."""
    return isinstance(producer, Rectified) or (isinstance(producer, Pooled) and _is_positive(producer.of))


HANDLERS: Mapping[str, Handler] = {
    "Relu": _relu,
    "Clip": _clip,
    "Max": _max,
    "Min": _min,
}
