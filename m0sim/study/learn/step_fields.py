"""Fields of parameter blocks that several kernels share, and how many bytes arrays of a layer's edges have."""

from __future__ import annotations

from m0sim.study.learn import layout, pools
from m0sim.study.learn.networks import Dense, Stage, pads_of
from m0sim.study.learn.step import Ref, Word

Words = dict[str, Word]
"""Fields of a parameter block by name."""


def fixed_scales(difference: int) -> Words:
    """Fields of m0k_add for two sides whose exponents differ by a constant,"""
    return {"shift": difference & 0xFFFFFFFF, "exponent_a": 0, "exponent_b": 0, "exponent": 0}


def measured_scales(a: Ref, b: Ref, out: Ref, fall: int = 0) -> Words:
    """or where they are; `fall`: by how much that of the second side is below."""
    return {"shift": fall, "exponent_a": a, "exponent_b": b, "exponent": out}


def edge_bytes(stage: Stage) -> int:
    """Bytes of a byte for every edge of a layer, padding included."""
    return layout.array_bytes(stage.n_out, stage.n_in)


def edges_from(edges: Ref, stage: Stage, first: int, edge: int = 1) -> Ref:
    """Where the edges of output `first` (0, 4, ...) begin in an array with `edge` bytes for each."""
    return Ref(edges.tensor, edges.offset + edge * first * layout.row_bytes(stage.n_in))


def map_fields(stage: Stage) -> Words:
    """Fields of the kernels of pools: the map in front of the pool,"""
    return dict(zip(("height", "width", "channels"), stage.raw_shape, strict=True))


def window_fields(stage: Stage) -> Words:
    """and the window."""
    return dict(zip(("window_h", "window_w"), pools.window_of(stage), strict=True))


def conv_fields(stage: Stage) -> Words:
    """The fields that the blocks of all convolutions share."""
    return kernel_fields(stage) | {"n_out": stage.n_out}


def kernel_fields(stage: Stage) -> Words:
    """Those that they share with depthwise ones."""
    assert not isinstance(stage.layer, Dense)
    height, width, channels = stage.in_shape
    (kernel_h, kernel_w), (pad_h, pad_w) = stage.layer.kernel, pads_of(stage.layer)
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "kernel_h": kernel_h,
        "kernel_w": kernel_w,
        "stride": stage.layer.stride,
        "pad_h": pad_h,
        "pad_w": pad_w,
    }
