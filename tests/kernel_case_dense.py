"""Rows of a dense layer's passes, forward and back."""

from __future__ import annotations

import numpy as np
from kernel_case import Array, Case, Side, forms, one, zeros

from m0sim.study.learn import layout

NO_COLUMNS = "weights that the device changes have no columns: a byte is loaded for each input that is not zero"


def dense_case(
    what: str,
    a: Array,
    w: Array,
    is_signed: int = 0,
    *,
    shift: int = 12,
    relu: int = 0,
    by_columns: bool = False,
    limit: float | None = None,
) -> Case:
    """`a` int8 [n_in], `w` int8 [n_out, n_in]; `by_columns`: the kernel has the weights by inputs, too."""
    n_out, n_in = w.shape
    arrays, packed = {"in": a, "out": zeros(n_out)}, {"weights": layout.pack_weights(w)}
    words = ["in", "weights", "out", n_in, n_out, shift, relu]
    room = layout.dense_scratch_bytes(n_out, n_in)
    ours = packed | ({"scratch": zeros(room)} if room else {})
    ours |= {"columns": layout.pack_columns(w)} if by_columns else {}
    more = {name: name for name in ("scratch", "columns") if name in ours}
    return Case(
        "m0k_dense_forward",
        f"{n_in} to {n_out}, {what}",
        "MAC",
        n_in * n_out,
        Side(arrays | ours, one("m0k_dense_forward", *words, is_signed, **more), "out"),
        Side(arrays | {"weights": w}, [("ref_dense_forward", words)], "out"),
        is_multiplying=True,
        limit=limit,
        lanes=forms("ref_swar_dense_forward", arrays | packed, [*words, is_signed]),
    )


def dense_back_case(what: str, error: Array, weights: Array, gate: Array, shift: int) -> Case:
    n_out, n_in = weights.shape
    arrays = {"error": error, "acc": zeros(n_in, np.int32), "out": zeros(n_in), "gate": gate}
    active = int(np.count_nonzero(error))
    words = ("error", "weights", "acc", "out", n_in, n_out, shift, "gate")
    ours = {"weights": layout.pack_weights(weights), "scratch": zeros(layout.error_list_bytes(n_out, n_in))}
    return Case(
        "m0k_dense_back",
        f"{n_in} to {n_out}, {what}, {active} of {n_out} errors not zero",
        "MAC",
        max(1, active) * n_in,
        Side(arrays | ours, one("m0k_dense_back", *words, scratch="scratch"), "out"),
        Side(
            arrays | {"weights": weights},
            [("ref_dense_back", ["error", "weights", "acc", "out", n_in, n_out, shift, "gate"])],
            "out",
        ),
        is_multiplying=True,
    )
