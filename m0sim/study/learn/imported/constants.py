"""Nodes whose inputs are all known are computed while reading: what exporters write around a Reshape, above all."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn.imported.onnx_file import Node, Refused

Array = NDArray[Any]

ELEMENTS = 1 << 24
"""Of a result: such nodes work on shapes and on weights."""


def folded(node: Node, known: Sequence[Array]) -> Array:
    """What the node gives; of a tensor that Shape reads its shape stands here. Raises UsageError for other nodes."""
    try:
        found = _computed(node, known)
    except (ValueError, TypeError, IndexError, KeyError, ArithmeticError) as error:
        raise Refused(node, str(error).partition("\n")[0] or type(error).__name__) from error
    if found is None:
        raise Refused(node, "cannot be computed while reading: simplify the model first, with onnxsim or onnxruntime")
    return found


def _computed(node: Node, given: Sequence[Array]) -> Array | None:
    """None for an operation that is not here."""
    attributes = node.attributes
    x = given[0] if given else np.zeros(())
    match node.op:
        case "Constant":
            return _constant(node)
        case "Shape":
            return x[slice(attributes.get("start", 0), attributes.get("end"))]
        case "Identity" | "Dropout":
            return x
        case "Cast":
            return x.astype(np.float64 if attributes.get("to") in (1, 10, 11, 16) else np.int64)
        case "Gather":
            return x.take(given[1], axis=attributes.get("axis", 0))
        case "Concat":
            return np.concatenate(given, axis=attributes["axis"])
        case "Unsqueeze" | "Squeeze":
            axes = given[1].reshape(-1).tolist() if len(given) > 1 else attributes.get("axes") or ()
            return np.expand_dims(x, tuple(axes)) if node.op == "Unsqueeze" else x.squeeze(tuple(axes) or None)
        case "Reshape":
            wanted = [x.shape[i] if size == 0 else int(size) for i, size in enumerate(given[1].reshape(-1).tolist())]
            return x.reshape(wanted)
        case "Transpose":
            return x.transpose(attributes.get("perm"))
        case "Slice":
            return _sliced(node, given)
        case "ConstantOfShape":
            return _bounded(tuple(map(int, x)), attributes.get("value", np.zeros(1)))
        case "Expand":
            return _bounded(np.broadcast_shapes(x.shape, tuple(map(int, given[1]))), x)
        case "Add" | "Sub" | "Mul":
            _check(prod(np.broadcast_shapes(*(array.shape for array in given))))
            return np.asarray({"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[node.op](given[0], given[1]))
        case "Div":
            _check(prod(np.broadcast_shapes(*(array.shape for array in given))))
            return np.asarray(x // given[1] if x.dtype.kind == "i" else x / given[1])
        case "Sqrt":
            return np.sqrt(x)
        case "Neg":
            return np.negative(x)
        case "ReduceProd":
            return np.asarray(x.prod()).reshape(-1 if attributes.get("keepdims", 1) else ())
        case _:
            return None


def _constant(node: Node) -> Array:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if name in node.attributes:
            value = np.asarray(node.attributes[name])
            return (
                value.astype(np.int64 if value.dtype.kind in "iub" else np.float64)
                if value.dtype.kind in "iubf"
                else value
            )
    raise ValueError("has no value that can be read")


def _sliced(node: Node, given: Sequence[Array]) -> Array:
    x = given[0]
    if len(given) > 1:
        starts, ends = (array.reshape(-1).tolist() for array in given[1:3])
        axes = given[3].reshape(-1).tolist() if len(given) > 3 else range(len(starts))
        steps = given[4].reshape(-1).tolist() if len(given) > 4 else [1] * len(starts)
    else:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes, steps = node.attributes.get("axes", range(len(starts))), [1] * len(starts)
    chosen = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        chosen[axis] = slice(start, end, step)
    return x[tuple(chosen)]


def _bounded(shape: tuple[int, ...], values: Array) -> Array:
    _check(prod(shape))
    return np.broadcast_to(values, shape).copy()


def _check(elements: int) -> None:
    if elements > ELEMENTS:
        raise ValueError(f"gives {elements:,} values, more than the {ELEMENTS:,} that are read")
