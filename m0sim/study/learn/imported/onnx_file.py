"""An ONNX file as plain nodes and arrays: the only module that knows the package onnx, and imports it when it is asked.

Files are from anybody. The size is looked at before anything is parsed, weights in other files are not read, and every
array has as many bytes as its shape says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from m0sim import arrays, files
from m0sim.errors import UsageError
from m0sim.names import printable

if TYPE_CHECKING:
    import onnx

Array = NDArray[Any]

LIMIT = 64 << 20
"""Bytes of a file: float32 weights for eight times the flash of an RP2040's board."""
NODES = 1024
OPSET_MIN = 7
"""Before it, Gemm, Add and BatchNormalization meant something else."""


@dataclass(frozen=True)
class Node:
    """One operation of the graph."""

    op: str
    name: str
    inputs: tuple[str, ...]
    """Names; an empty one is an input that is left out."""
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    """Numbers, text, tuples of numbers, or arrays; None where it is a graph or another kind."""

    def __str__(self) -> str:
        named = self.name or (self.outputs[0] if self.outputs else "")
        return f"{self.op} {named!r}"


class Refused(UsageError):
    """A node that cannot be imported."""

    def __init__(self, node: Node, why: str) -> None:
        super().__init__(f"{node}: {why}")


@dataclass(frozen=True)
class Graph:
    """A file's graph: nodes in an order in which they can be computed."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    input: str
    input_shape: tuple[int, ...]
    """Without the batch."""
    outputs: tuple[str, ...]
    opset: int
    producer: str
    """Who wrote the file, such as ``pytorch 2.9``."""
    sha256: str


def read(path: Path) -> Graph:
    """The graph of an ONNX file. Raises UsageError, one line, where it is not one, or not one that can be imported."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise UsageError("reading ONNX needs the package onnx: pip install 'm0sim[onnx]'") from None
    content = files.read(path, LIMIT)
    if not content:
        raise UsageError(f"{path}: empty, not an ONNX model")
    try:
        model = onnx.ModelProto.FromString(content)
    except (DecodeError, ValueError) as error:
        raise UsageError(f"{path}: not an ONNX model: {_hint(content)}") from error
    if not model.graph.node:
        raise UsageError(f"{path}: not an ONNX model: {_hint(content)}")
    with arrays.refusing(path, "an ONNX model that can be imported"):
        return _graph(model, hashlib.sha256(content).hexdigest())


def _hint(content: bytes) -> str:
    if content[4:8] == b"TFL3":
        return "it is TFLite; convert the float model with python -m tf2onnx.convert --tflite"
    if content[:4] == b"PK\3\4":
        return "it is a zip, such as PyTorch's .pt or Keras' .keras; write ONNX with torch.onnx.export or tf2onnx"
    if content[:8] == b"\x89HDF\r\n\x1a\n":
        return "it is HDF5, such as Keras' .h5; write ONNX with tf2onnx"
    return "its graph has no nodes" if content[:1] == b"\x08" else "it does not begin like one"


def _graph(model: onnx.ModelProto, sha256: str) -> Graph:
    graph = model.graph
    if len(graph.node) > NODES:
        raise ValueError(f"{len(graph.node)} nodes, more than the {NODES} that are read")
    if len(model.functions):
        raise ValueError("it has functions of its own: inline them with onnx.inliner.inline_local_functions")
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)
    if opset < OPSET_MIN:
        raise ValueError(f"opset {opset}: export it with {OPSET_MIN} or later, or use onnx.version_converter")
    if len(graph.sparse_initializer):
        raise ValueError("it has sparse weights: export them dense")
    constants = {_text(tensor.name): _array(tensor) for tensor in graph.initializer}
    given = [value for value in graph.input if _text(value.name) not in constants]
    if len(given) != 1:
        named = ", ".join(_text(value.name) for value in given[:5]) or "none"
        raise ValueError(f"it must have one input, not {len(given)}: {named}")
    producer = f"{_text(model.producer_name)} {_text(model.producer_version)}".strip()
    return Graph(
        tuple(_node(node) for node in graph.node),
        constants,
        _text(given[0].name),
        _shape(given[0]),
        tuple(_text(value.name) for value in graph.output),
        opset,
        producer,
        sha256,
    )


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """The input's shape without the batch, which may be anything."""
    dims = value.type.tensor_type.shape.dim
    name = _text(value.name)
    if len(dims) < 2:
        raise ValueError(f"its input {name} has {len(dims)} dimensions: needed are a batch and what an image has")
    sizes = tuple(int(dim.dim_value) for dim in dims[1:])
    for dim, size in zip(dims[1:], sizes, strict=True):
        if size < 1:
            said = _text(dim.dim_param) or "unknown"
            raise ValueError(
                f"its input {name} has a size that is not fixed ({said}): only the batch may be; export it fixed"
            )
    return sizes


def _node(node: onnx.NodeProto) -> Node:
    if _text(node.domain) not in ("", "ai.onnx", "ai.onnx.ml"):
        raise ValueError(f"{_text(node.op_type)} is of {_text(node.domain)}: only ONNX' own operators are read")
    attributes = {_text(attribute.name): _attribute(attribute) for attribute in node.attribute}
    return Node(
        _text(node.op_type), _text(node.name), tuple(map(_text, node.input)), tuple(map(_text, node.output)), attributes
    )


def _attribute(attribute: onnx.AttributeProto) -> Any:
    kinds = type(attribute)
    match attribute.type:
        case kinds.FLOAT:
            return float(attribute.f)
        case kinds.INT:
            return int(attribute.i)
        case kinds.STRING:
            return _text(attribute.s)
        case kinds.TENSOR:
            return _array(attribute.t)
        case kinds.FLOATS:
            return tuple(map(float, attribute.floats))
        case kinds.INTS:
            return tuple(map(int, attribute.ints))
        case kinds.STRINGS:
            return tuple(map(_text, attribute.strings))
        case _:
            return None


def _array(tensor: onnx.TensorProto) -> Array:
    """Floats as float64, whole numbers as int64, and text as it is."""
    from onnx import numpy_helper

    name = _text(tensor.name)
    if tensor.data_location == type(tensor).EXTERNAL or len(tensor.external_data):
        raise ValueError(
            f"weights {name} are in another file, which is not read: export with external_data=False, or "
            "onnx.save(onnx.load(FILE), NEW)"
        )
    if any(size < 0 for size in tensor.dims):
        raise ValueError(f"{name} has a negative size")
    array: Array = np.asarray(numpy_helper.to_array(tensor))
    if array.dtype.kind in "iub":
        return array.astype(np.int64)
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() and array.size > 1:  # one alone may be the bound of a Clip
            raise ValueError(f"{name} has values that are no numbers (NaN or infinite)")
        return array.astype(np.float64)
    return array


def _text(value: str | bytes) -> str:
    """A name, safe to print. What is no UTF-8 protobuf gives as bytes, and says it is text."""
    return printable(value.decode(errors="replace") if isinstance(value, bytes) else value)
