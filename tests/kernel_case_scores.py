"""Rows of updates of scores: PRIOT's and PRIOT-S's."""

from __future__ import annotations

import numpy as np
from kernel_case import Array, At, Case, Side, block, one, packed_grad, unpacked, zeros
from kernel_case_weights import Update
from kernel_pruned import logical, scored

from m0sim.study.learn import layout
from m0sim.study.learn.arithmetic import sat


def moved_share(scores: Array, weights: Array, gradient: Array, shift: int) -> float:
    """Share of the edges whose score changes."""
    product = weights.astype(np.int64) * gradient
    rounded = np.sign(product) * ((np.abs(product) + (1 << shift >> 1)) >> shift)
    return float(np.mean(sat(scores - rounded) != scores))


def score_dense_case(u: Update, limit: float | None = None) -> Case:
    n_out, n_in = u.weights.shape
    arrays = {"error": u.error, "in": u.inputs}
    packed = {"weights": layout.pack_weights(u.weights), "scores": layout.pack_scores(u.scores)}
    return Case(
        "m0k_score_dense",
        f"{n_in} to {n_out}, {u.what}",
        "edge",
        u.weights.size,
        Side(
            arrays | packed,
            one("m0k_score_dense", "error", "in", "weights", "scores", n_in, n_out, u.shift),
            "scores",
            unpacked(n_out, n_in),
        ),
        Side(
            arrays | {"weights": u.weights, "scores": u.scores},
            [("ref_score_dense", ["error", "in", "weights", "scores", n_in, n_out, u.shift])],
            "scores",
        ),
        is_multiplying=True,
        limit=limit,
        moved=moved_share(u.scores, u.weights, u.gradient, u.shift),
    )


def update_and_select_case(u: Update, keep: int, limit: float | None = None) -> Case:
    """A step's update with a histogram that is current, and the selection behind it; the reference counts."""
    (n_out, n_in), n = u.weights.shape, u.weights.size
    stored, weights = layout.pack_scores(u.scores), layout.pack_weights(u.weights)
    current = np.bincount(stored, minlength=256).astype(np.uint16)
    current[0] = 1
    selection, scores = At("both", 0), At("both", 8)
    arrays = {"error": u.error, "in": u.inputs}
    ours = arrays | {"weights": weights, "both": np.concatenate([zeros(8, np.uint8), stored])}
    update = block("m0k_score_dense", "error", "in", "weights", scores, n_in, n_out, u.shift, histogram="bins")
    theirs = arrays | {"weights": u.weights, "both": np.concatenate([zeros(8), u.scores.ravel()])}
    words = [scores, n, keep, selection, "bins"]

    def seen(both: Array) -> Array:
        return np.concatenate([both[:8].view(np.int32), unpacked(n_out, n_in)(both[8:])])

    def seen_of_reference(both: Array) -> Array:
        return np.concatenate([np.add(both[:8].view(np.int32), [layout.OFFSET, 0]), both[8:]])

    return Case(
        "m0k_score_dense",
        f"{n_in} to {n_out}, {u.what}, with m0k_select_kept",
        "edge",
        n,
        Side(
            ours | {"bins": np.concatenate([current, zeros(256, np.uint16)])},
            [("m0k_score_dense", [update]), *one("m0k_select_kept", *words)],
            "both",
            seen,
        ),
        Side(
            theirs | {"bins": zeros(256, np.uint32)},
            [
                ("ref_score_dense", ["error", "in", "weights", scores, n_in, n_out, u.shift]),
                ("ref_select", words),
            ],
            "both",
            seen_of_reference,
        ),
        limit=limit,
    )


def active_edges(case: Case) -> int:
    """Edges whose output has an error, of an update's case."""
    return int(np.count_nonzero(case.ours.arrays["error"])) * (case.count // case.ours.arrays["error"].size)


def score_grad_case(what: str, grad: Array, weights: Array, scores: Array, shift: int) -> Case:
    n_out, n_in = weights.shape
    packed = {"weights": layout.pack_weights(weights), "scores": layout.pack_scores(scores)}
    return Case(
        "m0k_score_grad",
        f"16 x 72 gradients, {what}",
        "edge",
        grad.size,
        Side(
            {"grad": packed_grad(grad)} | packed,
            one("m0k_score_grad", "grad", "weights", "scores", n_in, n_out, shift),
            "scores",
            unpacked(n_out, n_in),
        ),
        Side(
            {"grad": grad, "weights": weights, "scores": scores},
            [("ref_score_grad", ["grad", "weights", "scores", grad.size, shift])],
            "scores",
        ),
        is_multiplying=True,
        moved=moved_share(scores, weights, grad, shift),
    )


def sparse_dense_case(u: Update) -> Case:
    n_out, n_in = u.weights.shape
    few, arrays = scored(u.scores), {"error": u.error, "in": u.inputs}
    words = ("error", "in", "weights", "scores", "gaps", few.count, n_in)
    return Case(
        "m0k_sparse_dense",
        f"{n_in} to {n_out}, a tenth scored, {u.what}",
        "scored edge",
        few.count,
        Side(
            arrays | {"weights": layout.pack_weights(u.weights)} | few.arrays,
            one("m0k_sparse_dense", *words, n_out, u.shift),
            "scores",
            logical(few.order),
        ),
        Side(arrays | {"weights": u.weights} | few.reference, [("ref_sparse_dense", [*words, u.shift])], "scores"),
        is_multiplying=True,
    )


def sparse_grad_case(what: str, grad: Array, weights: Array, scores: Array, shift: int) -> Case:
    n_out, n_in = weights.shape
    few = scored(scores)
    words = ("grad", "weights", "scores", "gaps", few.count)
    return Case(
        "m0k_sparse_grad",
        f"16 x 72 gradients, a tenth scored, {what}",
        "scored edge",
        few.count,
        Side(
            {"grad": packed_grad(grad), "weights": layout.pack_weights(weights)} | few.arrays,
            one("m0k_sparse_grad", *words, n_in, n_out, shift),
            "scores",
            logical(few.order),
        ),
        Side({"grad": grad, "weights": weights} | few.reference, [("ref_sparse_grad", [*words, shift])], "scores"),
        is_multiplying=True,
    )
