"""Rows of zeroth order: draws, rows with a draw, moves and the loss."""

from __future__ import annotations

import numpy as np
from kernel_case import Array, At, Case, Side, block, one, unpacked, zeros

from m0sim.study.learn import layout


def zo_cases(what: str, weights: Array, steps: Array, sparsity: int) -> list[Case]:
    """The rows and the update of a layer, `steps` int8 being those of as many equally probable draws."""
    n_out, n_in = weights.shape
    n, groups, drawn = weights.size, -(-n_out // 4), ("key", 5, sparsity, len(steps))
    shared = {"key": np.array([123_456_789], np.uint32), "steps": steps, "losses": np.array([9, 8], np.int32)}
    packed, view = layout.pack_weights(weights), unpacked(n_out, n_in)
    where, words = {"weights": packed, "out": zeros(packed.size, np.uint8)}, ("weights", n_in, n_out, *drawn)
    row = packed.size // groups
    calls = [
        ("m0k_rows_zo", [block("m0k_rows_zo", n_in, n_out, *drawn, "weights", At("out", g * row), row, "steps"), g])
        for g in range(groups)
    ]
    reference = [("ref_zo_rows", ["weights", "out", *words[1:], "steps"])]
    losses = (At("losses", 0), At("losses", 4))
    move = one("m0k_zo_move", n_in, n_out, *drawn, "weights", *losses, "steps", "steps")
    name = f"{n_in} to {n_out}, {what}"
    return [
        Case(
            "m0k_rows_zo",
            f"{name}, {groups} groups",
            "edge",
            n,
            Side(shared | where, calls, "out", view),
            Side(shared | {"weights": weights, "out": zeros(n)}, reference, "out"),
        ),
        Case(
            "m0k_zo_move",
            name,
            "edge",
            n,
            Side(shared | {"weights": packed}, move, "weights", view),
            Side(
                shared | {"weights": weights},
                [("ref_zo_move", [*words, "losses", "steps", "steps"])],
                "weights",
            ),
        ),
    ]


def zo_next_case() -> Case:
    arrays, words = {"steps": np.array([41], np.uint32), "key": zeros(1, np.uint32)}, ("steps", "key", 77)
    return Case(
        "m0k_zo_next",
        "a step",
        "call",
        1,
        Side(arrays, one("m0k_zo_next", *words), "key"),
        Side(arrays, [("ref_zo_next", [words])], "key"),
    )


def zo_loss_case(what: str, logits: Array, exponent: int = -5) -> Case:
    classes, number = len(logits), np.array([1, exponent], np.int32)
    arrays = {"logits": logits, "number": number, "loss": zeros(1, np.int32)}
    words = ("logits", At("number", 0), classes, At("number", 4), "loss")
    return Case(
        "m0k_zo_loss",
        f"{classes} classes, {what}",
        "class",
        classes,
        Side(arrays, one("m0k_zo_loss", *words), "loss"),
        Side(arrays, [("ref_zo_loss", ["logits", 1, "loss", classes, exponent])], "loss"),
        is_multiplying=True,
    )
