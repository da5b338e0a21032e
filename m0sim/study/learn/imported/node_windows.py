"""What nodes with windows, convolutions and pools, say of them, and the image that they read."""

from __future__ import annotations

from math import prod

import numpy as np

from m0sim.study.learn.imported.onnx_file import Node
from m0sim.study.learn.imported.values import IndexedTensor, Input
from m0sim.study.learn.layout import Index
from m0sim.study.learn.networks import Shape

_PAD_MAX = 255


def image_of(tensor: IndexedTensor) -> tuple[Shape, Index]:
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


def pads_of(node: Node, image: Shape, kernel: Shape, strides: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
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


def pair(sizes: Shape, fill: int) -> tuple[int, int]:
    """Of an image two numbers; of a signal one, and `fill` for its height."""
    if not 1 <= len(sizes) <= 2 or min(sizes) < 1:
        raise ValueError(f"sizes {list(sizes)}: needed is one number a dimension, from 1 on")
    return (fill, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def only_ones(node: Node, name: str) -> None:
    """ValueError where an attribute, such as ``dilations``, has other numbers than 1."""
    if any(value != 1 for value in node.attributes.get(name, ())):
        raise ValueError(f"has {name} {list(node.attributes[name])}: only 1 is there")
