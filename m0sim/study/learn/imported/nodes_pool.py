"""Nodes that are pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from m0sim.study.learn.imported.node_values import Handler, Known, Value, axis_of, batch_kept
from m0sim.study.learn.imported.node_windows import image_of, only_ones, pads_of, pair
from m0sim.study.learn.imported.onnx_file import Node
from m0sim.study.learn.imported.values import IndexedTensor, Input, Pooled, by_channel, image_view, tensor_of
from m0sim.study.learn.networks import AveragePool, Pool, Shape, pool_shape


def _maxpool(known: Known, node: Node) -> Value:
    return _pool(known, node, Pool)


def _averagepool(known: Known, node: Node) -> Value:
    return _pool(known, node, AveragePool)


def _globalaveragepool(known: Known, node: Node) -> Value:
    tensor = known.tensor(node)
    return _pooled(node, tensor, AveragePool(), image_of(tensor)[0])


def _reducemean(known: Known, node: Node) -> Value:
    """Over all of a map, wherever its axes are, is a global average pool."""
    tensor = known.tensor(node)
    axes = sorted(axis_of(axis, len(tensor.shape)) for axis in known.axes(node, 1))
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
    return batch_kept(pooled.moved(lambda array: array.reshape(view)))


def _pool(known: Known, node: Node, kind: type[Pool] | type[AveragePool]) -> IndexedTensor:
    tensor = known.tensor(node)
    shape, _ = image_of(tensor)
    window = pair(node.attributes.get("kernel_shape", ()), 1)
    default = (1,) * len(node.attributes.get("kernel_shape", ()))
    strides = pair(node.attributes.get("strides") or default, 1)
    only_ones(node, "dilations")
    if strides != window:
        raise ValueError(
            f"windows of {window[0]}x{window[1]} every {strides[0]}x{strides[1]}: they must lie side by side"
        )
    if any(sum(pads_of(node, shape, window, strides), ())):
        raise ValueError("pads: a pool here does not; let the convolution in front of it pad")
    if node.attributes.get("ceil_mode", 0) and any(size % side for size, side in zip(shape, window, strict=False)):
        raise ValueError("keeps windows that are not full (ceil_mode), which here are dropped")
    if len(node.outputs) > 1 and node.outputs[1]:
        raise ValueError("gives the places of its maxima, which nothing here reads")
    whole = kind is AveragePool and window == shape[:2]
    return _pooled(node, tensor, AveragePool() if whole else kind(window), shape)


def _pooled(node: Node, tensor: IndexedTensor, pool: Pool | AveragePool, shape: Shape) -> IndexedTensor:
    """A pool of a tensor [1, c, h, w] or [1, c, length]; what waits in it waits in the result."""
    by, along = by_channel(tensor, tensor.places(), shape[2])
    if isinstance(pool, Pool) and (by <= 0).any():
        raise ValueError("takes the maximum of what a normalisation turned the sign of: put that behind it")
    small = pool_shape(shape, pool)
    if min(small) < 1:
        raise ValueError("nothing is left of the image behind it")
    result = tensor_of(Pooled(str(node), tensor.producer, pool, small), image_view(small, len(tensor.shape) == 3))
    channel = result.index % shape[2]
    return replace(result, scale=by[channel], offset=along[channel])


def _channels_first(tensor: IndexedTensor, shape: Shape) -> IndexedTensor:
    """A tensor in whatever order as [1, c, h, w]."""
    order = np.empty(prod(shape), np.int64)
    order[tensor.index.reshape(-1)] = np.arange(prod(shape))
    back = order[image_view(shape, False)]
    return tensor.moved(lambda array: array.reshape(-1)[back])


HANDLERS: Mapping[str, Handler] = {
    "MaxPool": _maxpool,
    "AveragePool": _averagepool,
    "GlobalAveragePool": _globalaveragepool,
    "ReduceMean": _reducemean,
}
