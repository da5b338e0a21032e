"""Rows of a depthwise convolution: its passes, forward and back, and its gradient."""

from __future__ import annotations

import numpy as np
from kernel_case import Array, At, Case, Side, grad_rows, named, shape, zeros

from m0sim.study.learn import layout, scratch
from m0sim.study.learn.networks import Dense, Depthwise, Network, Pool, Stage

DEPTHWISE = (14, 14, 16, 16, 3, 3, 1, 1, 1)
"""A depthwise convolution as one with as many outputs as channels."""


def depthwise_case(what: str, a: Array, w: Array, *, relu: int = 0) -> Case:
    """`a` int8 [14, 14, 16], `w` int8 [16, 9]."""
    arrays, room = {"in": a, "out": zeros(a.size)}, zeros(scratch.depthwise_forward(_depthwise_stage(False)))
    fields = {**_depthwise_shape(), "shift": 9, "relu": relu}
    return Case(
        "m0k_depthwise_forward",
        f"{_depthwise_shown()}, {what}",
        "MAC",
        a.size * 9,
        Side(
            arrays | {"weights": layout.pack_weights(w), "scratch": room},
            named("m0k_depthwise_forward", ("in", "weights", "out", "scratch"), fields),
            "out",
        ),
        Side(
            arrays | {"shape": shape(DEPTHWISE), "weights": w},
            [("ref_depthwise_forward", ["shape", "in", "weights", "out", 9, relu])],
            "out",
        ),
        is_multiplying=True,
    )


def depthwise_back_case(what: str, error: Array, argmax: Array | None, w: Array, gate: Array) -> Case:
    arrays = {"error": error, "out": zeros(gate.size), "gate": gate} | ({} if argmax is None else {"argmax": argmax})
    room, acc = zeros(scratch.depthwise_back(_depthwise_stage(argmax is not None))), zeros(gate.size, np.int32)
    place: str | int = 0 if argmax is None else "argmax"
    ours = {"weights": layout.pack_weights(w), "scratch": room}
    return Case(
        "m0k_depthwise_back",
        f"{_depthwise_shown()}, {what}, {np.count_nonzero(error):,} of {error.size:,} errors not zero",
        "MAC",
        max(1, int(np.count_nonzero(error))) * 9,
        Side(arrays | ours, named("m0k_depthwise_back", (*arrays, *ours), {**_depthwise_shape(), "shift": 9}), "out"),
        Side(
            arrays | {"weights": w, "acc": acc, "shape": shape(DEPTHWISE)},
            [("ref_depthwise_back", ["shape", "error", place, "weights", "acc", "out", 9, "gate"])],
            "out",
        ),
        is_multiplying=True,
    )


def depthwise_grad_case(what: str, error: Array, argmax: Array | None, image: Array) -> Case:
    """Called for four channels after the other, as a step does."""
    arrays = {"error": error, "in": image} | ({} if argmax is None else {"argmax": argmax})
    place: str | int = 0 if argmax is None else "argmax"
    ours = arrays | {"grad": zeros(16 * 12, np.int32), "active": zeros(1, np.uint32)}
    ours |= {"scratch": zeros(scratch.depthwise_grad(_depthwise_stage(argmax is not None)))}
    groups = [
        call
        for first in range(0, 16, 4)
        for call in named(
            "m0k_depthwise_grad",
            (*arrays, "active", "scratch"),
            {**_depthwise_shape(), "grad": At("grad", 48 * first), "first_out": first, "count_out": 4},
        )
    ]
    return Case(
        "m0k_depthwise_grad",
        f"{_depthwise_shown()}, {what}, {np.count_nonzero(error):,} of {error.size:,} errors not zero",
        "MAC",
        max(1, int(np.count_nonzero(error))) * 9,
        Side(ours, groups, "grad", grad_rows(16, 9)),
        Side(
            arrays | {"grad": zeros(16 * 9, np.int32), "shape": shape(DEPTHWISE)},
            [("ref_depthwise_grad", ["shape", "error", place, "in", "grad"])],
            "grad",
        ),
        is_multiplying=True,
    )


def _depthwise_shape() -> dict[str, int]:
    names = ("height", "width", "channels", "n_out", "kernel_h", "kernel_w", "stride", "pad_h", "pad_w")
    return {name: side for name, side in zip(names, DEPTHWISE, strict=True) if name != "n_out"}


def _depthwise_stage(pooled: bool) -> Stage:
    pool = (Pool(),) if pooled else ()
    return Network("one convolution", DEPTHWISE[:3], (Depthwise(), *pool, Dense(1))).stages[0]


def _depthwise_shown() -> str:
    return "3x3 pad 1, depthwise, 16 channels at 14x14"
