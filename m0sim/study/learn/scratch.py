"""Bytes of scratch that kernels of convolutions want: what the contracts in kernels/*.S say."""

from __future__ import annotations

from math import prod

from m0sim.study.learn.layout import row_bytes
from m0sim.study.learn.networks import Conv, Depthwise, Shape, Stage, pads_of
from m0sim.study.learn.pools import is_listed

_LIST = 48
"""Errors that a list of m0k_conv_grad holds."""
_REACH = 256
"""Errors that may reach an input where m0k_conv_back keeps no sums."""


def error_shape(stage: Stage) -> Shape:
    """Of the error that the kernels are given: behind the pool, or at the layer's own output where it was put back."""
    return stage.out_shape if is_listed(stage) else stage.raw_shape


def conv_back(stage: Stage) -> int:
    """Of m0k_conv_back without sums of the whole map: lists of errors. 0 where it needs the sums.

    With four channels a pixel is not worth its list: uniform errors take a tenth longer than with sums.
    """
    if not isinstance(stage.layer, Conv):
        return 0
    (kernel_h, kernel_w), (_, width, channels) = stage.layer.kernel, stage.in_shape
    pooled, error_columns = is_listed(stage), error_shape(stage)[1]
    rows, columns = (kernel_h // 2 + 1, kernel_w // 2 + 1) if pooled else (kernel_h, kernel_w)
    if channels % 4 or channels < 8 or rows * columns * stage.n_out > _REACH:
        return 0
    heads = (2 if pooled else 1) * (width + kernel_w)
    lists = rows * 8 * (error_columns * stage.n_out + heads)
    return 40 + 16 * kernel_h + (8 * stage.n_out if pooled else 0) + lists


def conv_grad(stage: Stage) -> int:
    """Of m0k_conv_grad: a word, the input with zeros around it, and four lists of errors."""
    assert isinstance(stage.layer, Conv)
    (height, width, channels), (pad_h, pad_w) = stage.in_shape, pads_of(stage.layer)
    rows = (height + 2 * pad_h) * row_bytes((width + pad_w) * channels)
    image = row_bytes(pad_w * channels) + rows if pad_h or pad_w else 0
    entries = min(prod(error_shape(stage)[:2]), _LIST) + (channels % 4 != 0)
    return 4 + image + 32 * entries


def depthwise_forward(stage: Stage) -> int:
    """Of m0k_depthwise_forward: a channel's weights as words, and its map with zeros around it."""
    return 4 * row_bytes(stage.n_in) + row_bytes(_plane(stage))


def depthwise_back(stage: Stage) -> int:
    """Of m0k_depthwise_back: the same with a word for each input."""
    return 4 * row_bytes(stage.n_in) + 4 * _plane(stage)


def depthwise_grad(stage: Stage) -> int:
    """Of m0k_depthwise_grad: the map alone."""
    return row_bytes(_plane(stage))


def _plane(stage: Stage) -> int:
    """Elements of a channel's map with its padding."""
    assert isinstance(stage.layer, Depthwise)
    (height, width, _), (pad_h, pad_w) = stage.in_shape, pads_of(stage.layer)
    return (height + 2 * pad_h) * (width + 2 * pad_w)
