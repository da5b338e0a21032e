"""Rows of a convolution: its passes, forward and back, and its gradient."""

from __future__ import annotations

from math import prod

import numpy as np
from kernel_case import Array, At, Case, Side, block, forms, grad_rows, one, shape, zeros
from kernel_operands import uniform

from m0sim.study.learn import layout, scratch
from m0sim.study.learn.networks import Conv, Dense, Network, Pool, Stage

CONV = (14, 14, 8, 16, 3, 3, 1, 1, 1)
"""height, width, channels, n_out, kernel_h, kernel_w, stride, pad_h, pad_w: the second layer of tiny-cnn."""

CONV_MACS_INSIDE = (14 * 3 - 2) ** 2 * 8 * 16
"""Those of them that do not multiply a padding zero: a row of the window is outside at both ends of each direction."""

CONV_1 = (28, 28, 1, 8, 3, 3, 1, 1, 1)


def conv_case(
    conv: tuple[int, ...],
    what: str,
    a: Array,
    w: Array,
    is_signed: int = 0,
    *,
    shift: int = 11,
    relu: int = 0,
    limit: float | None = None,
) -> Case:
    """`a` int8 HWC, `w` int8 [n_out, kernel_h * kernel_w * channels]."""
    n_out, stride, pads = conv[3], conv[6], conv[7:9]
    sides = zip(conv[:2], conv[4:6], pads, strict=True)
    size = n_out * prod((side + 2 * pad - kernel) // stride + 1 for side, kernel, pad in sides)
    scratch = zeros(layout.conv_scratch(conv[:3], n_out, conv[4:6], stride, pads, signed=bool(is_signed)))
    arrays, packed = (
        {"in": a, "out": zeros(size)},
        {"weights": layout.pack_weights(w), "patch": zeros(layout.row_bytes(w.shape[1]))},
    )
    lanes = ["shape", "in", "weights", "out", "patch", shift, relu, is_signed]
    return Case(
        "m0k_conv_forward",
        f"{shown(conv)}, {what}",
        "MAC",
        size * w.shape[1],
        Side(
            arrays | packed | {"scratch": scratch},
            one("m0k_conv_forward", "in", "weights", "out", "scratch", *conv, shift, relu, is_signed),
            "out",
        ),
        Side(
            arrays | {"shape": shape(conv), "weights": w},
            [("ref_conv_forward", ["shape", "in", "weights", "out", shift, relu])],
            "out",
        ),
        is_multiplying=True,
        limit=limit,
        lanes=forms("ref_swar_conv_forward", arrays | packed | {"shape": shape(conv)}, lanes),
    )


def im2col_case() -> Case:
    a, size = uniform(3, 14, 14, 8, low=0), 196 * 72
    places = [(72 * i, y, x) for i, (y, x) in enumerate(np.ndindex(14, 14))]
    channels = 14, 14, 8, 3, 3, 1, 1, 1
    return Case(
        "m0k_im2col",
        "3x3 pad 1, 8 channels at 14x14, all positions",
        "byte",
        size,
        Side(
            {"in": a, "patches": zeros(size)},
            [("m0k_im2col", [block("m0k_im2col", "in", At("patches", at), *channels, y, x)]) for at, y, x in places],
            "patches",
        ),
        Side(
            {"shape": shape(CONV), "in": a, "patches": zeros(size)},
            [("ref_im2col", ["shape", "in", At("patches", at), y, x]) for at, y, x in places],
            "patches",
        ),
    )


def stage_of(conv: tuple[int, ...], pooled: bool) -> Stage:
    """A convolution as a layer of a network."""
    pool = (Pool(),) if pooled else ()
    return Network("one convolution", conv[:3], (Conv(conv[3]), *pool, Dense(1))).stages[0]


def described(conv: tuple[int, ...], what: str, error: Array) -> str:
    active = np.count_nonzero(error)
    return f"{shown(conv)}, {what}, {active:,} of {error.size:,} errors not zero"


def shown(conv: tuple[int, ...]) -> str:
    height, width, channels, n_out, kernel_h, kernel_w, stride, pad, _ = conv
    by = "" if stride == 1 else f" stride {stride}"
    return f"{kernel_h}x{kernel_w} pad {pad}{by}, {channels} to {n_out} at {height}x{width}"


def conv_back_case(what: str, error: Array, argmax: Array | None, weights: Array, gate: Array, shift: int) -> Case:
    """`acc` is there even where the kernel, with scratch, does without it: older kernels want it."""
    size, active = gate.size, int(np.count_nonzero(error))
    arrays = {"error": error, "out": zeros(size), "gate": gate} | ({} if argmax is None else {"argmax": argmax})
    arrays |= {"acc": zeros(size, np.int32)}
    place: str | int = 0 if argmax is None else "argmax"
    room = scratch.conv_back(stage_of(CONV, argmax is not None))
    words = ("error", place, 0, "weights", "acc", "out", *CONV, shift, "gate")
    ours = arrays | {"weights": layout.pack_weights(weights)} | ({"room": zeros(room)} if room else {})
    return Case(
        "m0k_conv_back",
        described(CONV, what, error),
        "MAC",
        max(1, active) * 72,
        Side(ours, one("m0k_conv_back", *words, scratch="room" if room else 0), "out"),
        Side(
            arrays | {"weights": weights, "shape": shape(CONV)},
            [("ref_conv_back", ["shape", "error", place, "weights", "acc", "out", shift, "gate"])],
            "out",
        ),
        is_multiplying=True,
    )


def conv_grad_case(what: str, conv: tuple[int, ...], error: Array, argmax: Array | None, image: Array) -> Case:
    """Called for four outputs after the other, as a step does; `conv` has a multiple of four."""
    n_out, n_in = conv[3], 9 * conv[2]
    row = layout.row_bytes(n_in)
    arrays = {"error": error, "in": image} | ({} if argmax is None else {"argmax": argmax})
    place: str | int = 0 if argmax is None else "argmax"
    room, more = scratch.conv_grad(stage_of(conv, argmax is not None)), ("scratch", "active")
    ours = arrays | {"grad": zeros(n_out * row, np.int32), "scratch": zeros(room), "active": zeros(1, np.uint32)}
    groups = [
        ("m0k_conv_grad", [block("m0k_conv_grad", "error", place, "in", At("grad", 4 * row * o), *conv, o, 4, *more)])
        for o in range(0, n_out, 4)
    ]
    return Case(
        "m0k_conv_grad",
        described(conv, what, error),
        "MAC",
        max(1, int(np.count_nonzero(error))) * n_in,
        Side(ours, groups, "grad", grad_rows(n_out, n_in)),
        Side(
            arrays | {"grad": zeros(n_out * n_in, np.int32), "shape": shape(conv)},
            [("ref_conv_grad", ["shape", "error", place, "in", "grad"])],
            "grad",
        ),
        is_multiplying=True,
    )
