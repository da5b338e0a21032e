"""Rows of lists of pruned edges, and of what corrects sums by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from kernel_case import Array, At, Case, Side, one, zeros
from kernel_pruned import Pruned, scored, unbiased

from m0sim.study.learn import layout
from m0sim.study.learn.methods.pruning import top_k

FAR = 240
"""How far a 0 advances in a list of pruned edges."""


def listed(both: Array) -> Array:
    """The edges of a list that lies behind its two words of state; the state's first word where there is none."""
    if both[0]:
        return both[:1]
    steps = both[8:].astype(np.int64)
    return (np.cumsum(np.where(steps == 0, FAR, steps)) - 1)[steps != 0]


def pruned_list(edges: Array) -> Array:
    """Ascending indices as a list."""
    out: list[int] = []
    for gap in np.diff(edges, prepend=-1).tolist():
        far = max(0, -(-(gap - 255) // FAR))
        out += [0] * far + [gap - far * FAR]
    return np.array(out, np.uint8)


def _list_case(kernel: str, what: str, count: int, ours: Side, words: list[Any], reference: dict[str, Array]) -> Case:
    both = {"both": ours.arrays["both"]}
    theirs = Side(reference | both, [(kernel.replace("m0k_", "ref_"), words)], "both", listed)
    return Case(kernel, what, "edge", count, ours, theirs)


def prune_list_case(p: Pruned, what: str) -> Case:
    n, capacity = p.scores.size, layout.pruned_list_bytes(p.scores.size - p.k, 64, 784)
    words = ["scores", "selection", At("both", 8), capacity, n, At("both", 0)]
    arrays = p.stored | {"both": zeros(8 + capacity, np.uint8)}
    ours = Side(arrays, one("m0k_prune_list", *words), "both", listed)
    return _list_case("m0k_prune_list", f"784 to 64, {what}", n, ours, words, p.signed)


def sparse_list_case(scores: Array, what: str) -> Case:
    """Of a layer of which a tenth of the edges is scored, of which 98 % are kept."""
    n_out, n_in = scores.shape
    few = scored(scores)
    keep = round(0.98 * few.count)
    selection = np.array(top_k(unbiased(few.arrays["scores"]), keep), np.uint32)
    p, capacity = (
        Pruned(scores, few.arrays["scores"], keep, selection),
        layout.pruned_list_bytes(few.count - keep, n_out, n_in),
    )
    gaps = {"gaps": few.arrays["gaps"]}
    words = ["scores", "selection", "gaps", few.count, At("both", 8), capacity, At("both", 0)]
    ours = Side(
        p.stored | gaps | {"both": zeros(8 + capacity, np.uint8)}, one("m0k_sparse_list", *words), "both", listed
    )
    what = f"{n_in} to {n_out}, a tenth scored, {what}"
    return replace(_list_case("m0k_sparse_list", what, few.count, ours, words, p.signed | gaps), unit="scored edge")


def correct_forward_case(what: str, a: Array, weights: Array, mask: Array) -> Case:
    """`mask` bool [n_out, n_in]: the edges that are kept."""
    n_out, n_in = weights.shape
    ours, theirs = _lists(mask)
    arrays = {"in": a, "out": zeros(n_out, np.int32)}
    words = ("in", "weights", "list", "state", 0, "out", n_in, n_out)
    return Case(
        "m0k_correct_forward",
        f"{n_in} to {n_out}, {what}",
        "pruned edge",
        max(1, int(np.count_nonzero(~mask))),
        Side(arrays | ours | {"weights": layout.pack_weights(weights)}, one("m0k_correct_forward", *words), "out"),
        Side(
            arrays | theirs | {"weights": weights},
            [("ref_correct_forward", ["in", "weights", "list", theirs["list"].size, 0, "out", n_in, n_out])],
            "out",
        ),
    )


def correct_back_case(what: str, error: Array, weights: Array, mask: Array) -> Case:
    n_out, n_in = weights.shape
    ours, theirs = _lists(mask)
    arrays = {"error": error, "acc": zeros(n_in, np.int32)}
    words = ("error", "weights", "list", "state", "acc", n_in, n_out)
    return Case(
        "m0k_correct_back",
        f"{n_in} to {n_out}, {what}",
        "pruned edge",
        max(1, int(np.count_nonzero(~mask))),
        Side(arrays | ours | {"weights": layout.pack_weights(weights)}, one("m0k_correct_back", *words), "acc"),
        Side(
            arrays | theirs | {"weights": weights},
            [("ref_correct_back", ["error", "weights", "list", theirs["list"].size, "acc", n_in])],
            "acc",
        ),
    )


def _lists(mask: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """The pruned edges as the kernel's list, in storage order, and as the reference's."""
    edges = np.flatnonzero(~mask)
    ours, theirs = pruned_list(np.sort(layout.storage_index(*mask.shape)[edges])), pruned_list(edges)
    return {"list": ours, "state": np.array([0, ours.size], np.uint32)}, {"list": theirs}
