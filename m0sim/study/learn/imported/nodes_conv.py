"""Nodes that are convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from m0sim.study.learn.imported.float_network import Real
from m0sim.study.learn.imported.node_values import ELEMENTS, Handler, Known, Value, real
from m0sim.study.learn.imported.node_windows import image_of, only_ones, pads_of, pair
from m0sim.study.learn.imported.onnx_file import Node
from m0sim.study.learn.imported.values import Linear, by_channel, image_view, tensor_of
from m0sim.study.learn.networks import Conv, Depthwise, Shape, conv_shape


def _conv(known: Known, node: Node) -> Value:
    tensor, weights = known.tensor(node), real(known.needed(node, 1))
    is_signal = len(tensor.shape) == 3
    if weights.ndim != len(tensor.shape) or not 3 <= weights.ndim <= 4:
        raise ValueError(f"is of {weights.ndim - 2} dimensions: those of images (2) and signals (1) are there")
    image, places = image_of(tensor)
    outputs, kernel = len(weights), weights.shape[2:]
    if is_signal:
        weights, kernel = weights[:, :, None], (1, *kernel)
    only_ones(node, "dilations")
    strides = pair(node.attributes.get("strides", (1,) * (weights.ndim - 2)), 1)
    pads = pads_of(node, image, kernel, strides)
    weights, pads = _even(known, node, weights, pads)
    layer = _convolution(node, weights, image[2], strides, pads, image)
    by, along = by_channel(tensor, places, image[2])
    if along.any() and any(pads[0] + pads[1]):
        raise ValueError("pads with zeros what has a constant added in front of it: put the normalisation behind it")
    bias = known.constant(node, 2)
    constant = np.zeros(outputs) if bias is None else real(bias).reshape(-1)
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
    known: Known, node: Node, weights: Real, pads: tuple[tuple[int, int], tuple[int, int]]
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
    known.notes.append(
        f"{node}: pads {above},{left} in front, {below},{right} behind: its {old} kernel became {new}, with zeros"
    )
    both = (max(above, below), max(left, right))
    return wider, (both, both)


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


HANDLERS: Mapping[str, Handler] = {
    "Conv": _conv,
}
