"""Bytes of scratch that kernels of convolutions want: what the contracts in kernels/*.S say."""

from __future__ import annotations

from math import prod

from m0sim.study.learn.layout import row_bytes
from m0sim.study.learn.networks import Conv, Stage

_LIST = 48
"""Errors that a list of m0k_conv_grad holds."""


def conv_grad(stage: Stage) -> int:
    """Of m0k_conv_grad: a word, the input with zeros around it, and four lists of errors."""
    assert isinstance(stage.layer, Conv)
    (height, width, channels), pad = stage.in_shape, stage.layer.pad
    image = row_bytes(pad * channels) + (height + 2 * pad) * row_bytes((width + pad) * channels) if pad else 0
    entries = min(prod(stage.out_shape[:2]), _LIST) + (channels % 4 != 0)
    return 4 + image + 32 * entries
