"""Rows of Tin-Tin: updates and passes with weights of 16 bits."""

from __future__ import annotations

import numpy as np
from kernel_case import Array, At, Case, Side, View, one, packed_grad, provided, unpacked, zeros
from kernel_case_weights import Update
from kernel_operands import Layer

from m0sim.study.learn import layout


def widened(weights: Array) -> Array:
    """int16: weights with random fractions."""
    fraction = np.random.default_rng(17).integers(-127, 128, weights.shape)
    return np.clip(weights.astype(np.int32) * 256 + fraction, -127 * 256, 127 * 256).astype(np.int16)


def wide_view(*shape: int) -> View:
    return lambda packed: layout.unpack_wide(packed, shape).ravel()


def tintin_dense_case(u: Update) -> Case:
    n_out, n_in = u.weights.shape
    arrays, wide = {"error": u.error, "in": u.inputs, "exponents": zeros(2, np.int32)}, widened(u.weights)
    words = ("error", "in", "weights16", n_in, n_out, At("exponents", 0), At("exponents", 4), u.shift)
    return Case(
        "m0k_tintin_dense",
        f"{n_in} to {n_out}, {u.what}, shift {u.shift}",
        "edge",
        wide.size,
        Side(
            arrays | {"weights16": layout.pack_wide(wide)},
            one("m0k_tintin_dense", *words),
            "weights16",
            wide_view(n_out, n_in),
        ),
        Side(
            arrays | {"weights16": wide},
            [("ref_tintin_dense", ["error", "in", "weights16", n_in, n_out, u.shift])],
            "weights16",
        ),
        is_multiplying=True,
    )


def tintin_grad_case(what: str, grad: Array, weights: Array) -> Case:
    n_out, n_in = weights.shape
    wide, shift = widened(weights), 4
    words = ("grad", "weights16", n_in, n_out, At("exponents", 0), At("exponents", 4), shift)
    return Case(
        "m0k_tintin_grad",
        f"16 x 72 gradients, {what}, shift {shift}",
        "edge",
        grad.size,
        Side(
            {"grad": packed_grad(grad), "weights16": layout.pack_wide(wide), "exponents": zeros(2, np.int32)},
            one("m0k_tintin_grad", *words),
            "weights16",
            wide_view(n_out, n_in),
        ),
        Side(
            {"grad": grad, "weights16": wide},
            [("ref_tintin_grad", ["grad", "weights16", grad.size, shift])],
            "weights16",
        ),
    )


def w16_cases(layer: Layer) -> list[Case]:
    wide, (n_out, n_in) = widened(layer.weights), layer.weights.shape
    n, row, view = wide.size, 4 * n_in, unpacked(n_out, n_in)
    ours = {"weights16": layout.pack_wide(wide), "out": zeros(n, np.uint8)}
    theirs = Side({"weights16": wide, "out": zeros(n)}, [("ref_w16_copy", ["weights16", "out", n])], "out")
    copy = one("m0k_w16_copy", "weights16", "out", n)
    rows = provided("m0k_rows_w16", "weights16", scratch="out", row=row, groups=n_out // 4)
    return [
        Case("m0k_w16_copy", "784 to 64", "edge", n, Side(ours, copy, "out", view), theirs),
        Case("m0k_rows_w16", "784 to 64, 16 groups", "edge", n, Side(ours, rows, "out", view), theirs),
    ]
