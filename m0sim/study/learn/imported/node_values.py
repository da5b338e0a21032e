"""What is known while a graph is read node by node: the values of its names, and so a node's inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from m0sim.study.learn.imported.float_network import Real
from m0sim.study.learn.imported.onnx_file import Array, Node
from m0sim.study.learn.imported.values import IndexedTensor, ModelEnd
from m0sim.study.learn.networks import Shape

Value = Array | IndexedTensor | ModelEnd

ELEMENTS = 1 << 18
"""Of a tensor: an RP2040's SRAM holds as many activations."""


@dataclass
class Known:
    """The values of a graph's names so far, and what there is to say about them."""

    input_shape: Shape
    """Of the graph's input, without the batch."""
    images: Sequence[Shape]
    """Shapes [h, w, c] that the images can be taken for, if there are any."""
    values: dict[str, Value]
    dropped: list[str] = field(default_factory=list)
    """Nodes behind the logits."""
    notes: list[str] = field(default_factory=list)

    def given(self, node: Node, at: int) -> Value | None:
        """A node's input number `at`, None where it is left out."""
        name = node.inputs[at] if at < len(node.inputs) else ""
        return self.values[name] if name else None

    def tensor(self, node: Node, at: int = 0) -> IndexedTensor:
        """Input `at`, which must be what a layer gives; ValueError for another."""
        value = self.given(node, at)
        if not isinstance(value, IndexedTensor):
            raise ValueError(f"its input {at} must be what a layer gives, not a constant")
        return value

    def constant(self, node: Node, at: int) -> Array | None:
        """Input `at`, which must be a constant if it is there; ValueError for another."""
        value = self.given(node, at)
        if isinstance(value, IndexedTensor | ModelEnd):
            raise ValueError(f"its input {at} must be a constant of the file: export the model for inference")
        return value

    def needed(self, node: Node, at: int) -> Array:
        """Input `at`, which must be a constant; ValueError where it is none or is left out."""
        value = self.constant(node, at)
        if value is None:
            raise ValueError(f"its input {at} is not there")
        return value

    def axes(self, node: Node, at: int) -> list[int]:
        """Axes: input `at` of newer opsets, an attribute of older ones."""
        given = self.constant(node, at)
        found = node.attributes.get("axes") or () if given is None else given.reshape(-1)
        return [int(axis) for axis in found]


Handler = Callable[[Known, Node], Value]
"""What a node gives; raises ValueError, TypeError or IndexError with what is wrong with it."""


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    return axis + rank if axis < 0 else axis


def batch_kept(tensor: IndexedTensor) -> IndexedTensor:
    """The tensor, if its first axis is the batch of one image; else ValueError."""
    if not tensor.shape or tensor.shape[0] != 1:
        raise ValueError("moves values between the images of a batch: its first axis must stay the batch")
    return tensor


def real(value: object) -> Real:
    """Numbers of a file in float64; ValueError for what are none."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        raise ValueError("needs numbers")
    return value.astype(np.float64)
