"""Rows of updates of weights and biases: NITI's, whole and of some channels, and bias-last's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from kernel_case import Array, Case, Side, one, packed_grad, unpacked, zeros

from m0sim.study.learn import layout
from m0sim.study.learn.arithmetic import bit_length, largest


@dataclass(frozen=True)
class Update:
    """Operands of a dense layer's update."""

    what: str
    error: Array
    inputs: Array
    weights: Array
    scores: Array
    shift: int

    @property
    def gradient(self) -> Array:
        return np.outer(self.error.astype(np.int32), self.inputs)


def bias_update_case(what: str, error: Array) -> Case:
    """`error` int8 [..., channels]."""
    channels = error.shape[-1]
    positions = error.size // channels
    arrays = {"error": error.reshape(-1), "biases": np.arange(channels, dtype=np.int32)}
    words = ("error", "biases", positions, channels, 3, 5, (1 << 20) - 1)
    return Case(
        "m0k_bias_update",
        f"{positions} x {channels} errors, {what}",
        "error",
        error.size,
        Side(arrays, one("m0k_bias_update", *words), "biases"),
        Side(arrays, [("ref_bias_update", [*words])], "biases"),
    )


def choose_case(what: str, error: Array) -> Case:
    """`error` int8 [..., channels], of which half are chosen."""
    channels, loss = error.shape[-1], np.array([3, -100, 90], np.int8)
    arrays = {"error": error, "out": zeros(error.size), "sums": zeros(channels, np.uint32), "loss": loss}
    sizes = [error.size // channels, channels]
    return Case(
        "m0k_choose_channels",
        f"{sizes[0]} x {channels} errors, {what}, {np.count_nonzero(error):,} not zero",
        "error",
        error.size,
        Side(arrays, one("m0k_choose_channels", "error", "out", *sizes, "sums", "loss", (1,), 50, 50), "out"),
        Side(arrays, [("ref_choose_channels", ["error", "out", *sizes, "sums", "loss", 1, 50, 50])], "out"),
    )


def niti_shift(gradient: Array, mu: int = 1) -> int:
    return max(0, int(bit_length(np.array([largest(gradient)]))[0]) - mu)


def niti_dense_case(u: Update, is_dynamic: bool) -> Case:
    n_out, n_in = u.weights.shape
    shift, arrays = niti_shift(u.gradient), {"error": u.error, "in": u.inputs}
    calls: list[tuple[str, list[Any]]] = [("ref_niti_dense", ["error", "in", "weights", n_in, n_out, shift])]
    if is_dynamic:
        calls.insert(0, ("ref_niti_dense_shift", ["error", "in", n_in, n_out, 1]))
    used = 0xFFFFFFFF if is_dynamic else shift
    return Case(
        "m0k_niti_dense",
        f"{n_in} to {n_out}, {u.what}, {'dynamic' if is_dynamic else 'static'} shift",
        "edge",
        u.weights.size,
        Side(
            arrays | {"weights": layout.pack_weights(u.weights)},
            one("m0k_niti_dense", "error", "in", "weights", n_in, n_out, used, 1),
            "weights",
            unpacked(n_out, n_in),
        ),
        Side(arrays | {"weights": u.weights}, calls, "weights"),
        is_multiplying=True,
    )


def niti_grad_case(what: str, grad: Array, weights: Array) -> Case:
    n_out, n_in = weights.shape
    shift = niti_shift(grad)
    return Case(
        "m0k_niti_grad",
        f"16 x 72 gradients, {what}",
        "edge",
        grad.size,
        Side(
            {"grad": packed_grad(grad), "weights": layout.pack_weights(weights)},
            one("m0k_niti_grad", "grad", "weights", n_in, n_out, shift),
            "weights",
            unpacked(n_out, n_in),
        ),
        Side({"grad": grad, "weights": weights}, [("ref_niti_grad", ["grad", "weights", grad.size, shift])], "weights"),
    )


def niti_rows_case(what: str, grad: Array, weights: Array) -> Case:
    """The first four outputs, every second of them."""
    grad, weights = grad[:4], weights[:4]
    (n_out, n_in), shift = weights.shape, niti_shift(grad)
    sums = {"sums": np.array([1, 0, 1, 0], np.uint32)}
    return Case(
        "m0k_niti_rows",
        f"2 of 4 x 72 gradients, {what}",
        "edge",
        grad.size // 2,
        Side(
            {"grad": packed_grad(grad), "weights": layout.pack_weights(weights), **sums},
            one("m0k_niti_rows", "grad", "weights", n_in, n_out, shift, sums="sums"),
            "weights",
            unpacked(n_out, n_in),
        ),
        Side(
            {"grad": grad, "weights": weights, **sums},
            [("ref_niti_rows", ["grad", "weights", "sums", n_in, n_out, shift])],
            "weights",
        ),
    )


def niti_measure_case(what: str, grad: Array) -> Case:
    n_out, n_in = grad.shape
    words = zeros(1, np.uint32)
    return Case(
        "m0k_niti_measure",
        f"16 x 72 gradients, {what}",
        "edge",
        grad.size,
        Side(
            {"grad": packed_grad(grad), "magnitudes": words},
            one("m0k_niti_measure", "grad", n_in, n_out, "magnitudes", 1),
            "magnitudes",
        ),
        Side(
            {"grad": grad, "magnitudes": words},
            [("ref_niti_measure", ["grad", grad.size, "magnitudes", 1])],
            "magnitudes",
        ),
    )
