"""Nodes that only move values about, or change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from m0sim.study.learn.imported.node_values import Handler, Known, Value, axis_of, batch_kept
from m0sim.study.learn.imported.onnx_file import Node

_FLOAT_KINDS = (1, 10, 11, 16)  # TensorProto.FLOAT, FLOAT16, DOUBLE, BFLOAT16


def _identity(known: Known, node: Node) -> Value:
    return known.tensor(node)


def _dropout(known: Known, node: Node) -> Value:
    training = known.constant(node, 2)
    if training is not None and training.any():
        raise ValueError("is in training mode: export the model for inference (model.eval())")
    return known.tensor(node)


def _cast(known: Known, node: Node) -> Value:
    if node.attributes.get("to") not in _FLOAT_KINDS:
        raise ValueError("values become whole numbers, which no layer here does")
    return known.tensor(node)


def _reshape(known: Known, node: Node) -> Value:
    tensor, wanted = known.tensor(node), [int(size) for size in known.needed(node, 1).reshape(-1)]
    if not node.attributes.get("allowzero", 0):
        wanted = [tensor.shape[at] if size == 0 else size for at, size in enumerate(wanted)]
    return batch_kept(tensor.moved(lambda array: array.reshape(wanted)))


def _flatten(known: Known, node: Node) -> Value:
    tensor = known.tensor(node)
    axis = axis_of(node.attributes.get("axis", 1), len(tensor.shape))
    return batch_kept(tensor.moved(lambda array: array.reshape(prod(tensor.shape[:axis]), -1)))


def _transpose(known: Known, node: Node) -> Value:
    tensor = known.tensor(node)
    order = node.attributes.get("perm") or tuple(reversed(range(len(tensor.shape))))
    if sorted(order) != list(range(len(tensor.shape))):
        raise ValueError(f"perm {list(order)} of {len(tensor.shape)} axes")
    return batch_kept(tensor.moved(lambda array: array.transpose(order)))


def _squeeze(known: Known, node: Node) -> Value:
    tensor, axes = known.tensor(node), known.axes(node, 1)
    chosen = tuple(axes) if axes else tuple(at for at, size in enumerate(tensor.shape) if size == 1 and at)
    return batch_kept(tensor.moved(lambda array: array.squeeze(chosen)))


def _unsqueeze(known: Known, node: Node) -> Value:
    tensor, axes = known.tensor(node), known.axes(node, 1)
    return batch_kept(tensor.moved(lambda array: np.expand_dims(array, tuple(axes))))


HANDLERS: Mapping[str, Handler] = {
    "Identity": _identity,
    "Dropout": _dropout,
    "Cast": _cast,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}
