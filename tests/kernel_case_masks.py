"""Rows of selections and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from kernel_case import Array, Case, Side, one, provided, zeros
from kernel_case_lists import prune_list_case
from kernel_pruned import Pruned, scored, unbiased

from m0sim.study.learn import layout
from m0sim.study.learn.methods.pruning import top_k


def pruning_cases(p: Pruned, what: str) -> list[Case]:
    """Selection, masks and list of a layer from 784 to 64."""
    masks = [_mask_copy_case(p, what), _mask_pack_case(p, what), *_rows_cases(p, what)]
    return [_select_case(p, what), *_kept_cases(p, what), *masks, prune_list_case(p, what)]


def _select_case(p: Pruned, what: str) -> Case:
    n, scratch = p.scores.size, {"selection": zeros(2, np.int32), "bins": zeros(256, np.uint32)}
    words = ("scores", n, p.k, "selection", "bins")
    return Case(
        "m0k_select",
        f"784 to 64, {what}",
        "edge",
        n,
        Side({"scores": p.scores} | scratch, one("m0k_select", *words), "selection"),
        Side(
            {"scores": p.signed["scores"]} | scratch,
            [("ref_select", list(words))],
            "selection",
            lambda found: np.add(found, [layout.OFFSET, 0]),
        ),
    )


def _kept_cases(p: Pruned, what: str) -> list[Case]:
    """With a histogram that is not current, and with one that is; the reference always counts."""
    words = ("scores", p.scores.size, p.k, "selection", "bins")
    theirs = _select_case(p, what).reference
    current = np.bincount(p.scores, minlength=256).astype(np.uint16)
    current[0] = 1
    return [
        Case(
            "m0k_select_kept",
            f"784 to 64, {what}, {which}",
            "edge",
            p.scores.size,
            Side(
                {"scores": p.scores, "selection": zeros(2, np.int32), "bins": bins},
                one("m0k_select_kept", *words),
                "selection",
            ),
            theirs,
        )
        for which, bins in (("counted", np.zeros(256, np.uint16)), ("current: the C counts", current))
    ]


def _mask_copy_case(p: Pruned, what: str) -> Case:
    n = p.scores.size
    words = ("weights", "scores", "selection", "out", n)
    return Case(
        "m0k_mask_copy",
        f"784 to 64, {what}",
        "edge",
        n,
        Side(p.stored | {"out": zeros(n, np.uint8)}, one("m0k_mask_copy", *words), "out", unbiased),
        Side(p.signed | {"out": zeros(n)}, [("ref_mask_copy", list(words))], "out"),
    )


def _mask_pack_case(p: Pruned, what: str) -> Case:
    n = p.scores.size
    words = ("scores", "selection", "bits", n)
    return Case(
        "m0k_mask_pack",
        f"784 to 64, {what}",
        "edge",
        n,
        Side(p.stored | {"bits": zeros(n // 8, np.uint8)}, one("m0k_mask_pack", *words), "bits"),
        Side(p.signed | {"bits": zeros(n // 8, np.uint8)}, [("ref_mask_pack", list(words))], "bits"),
    )


def _rows_cases(p: Pruned, what: str) -> list[Case]:
    """Providers: a dense layer's masked weights group by group; the reference does the whole layer at once."""
    n, groups = p.scores.size, 16
    row = n // groups
    kept = unbiased(p.scores) > int(p.selection[0]) - layout.OFFSET
    equal = np.flatnonzero(p.scores == p.selection[0])[: int(p.selection[1])]
    kept[equal] = True
    bits = {"bits": np.packbits(kept, bitorder="little")}
    ours = p.stored | bits | {"out": zeros(n, np.uint8), "state": zeros(1, np.uint32)}
    theirs = p.signed | bits | {"out": zeros(n)}

    def case(kernel: str, head: tuple[str, ...], reference: list[Any], **more: str) -> Case:
        calls = provided(kernel, *head, scratch="out", row=row, groups=groups, **more)
        ref = [(f"ref_{'mask_bits' if kernel == 'm0k_rows_bits' else 'mask_copy'}", reference)]
        return Case(
            kernel,
            f"784 to 64, {what}, 16 groups",
            "edge",
            n,
            Side(ours, calls, "out", unbiased),
            Side(theirs, ref, "out"),
        )

    return [
        case(
            "m0k_rows_scores",
            ("weights", "scores", "selection"),
            ["weights", "scores", "selection", "out", n],
            state="state",
        ),
        case(
            "m0k_rows_bits",
            ("weights", "bits"),
            ["weights", "bits", "out", n],
        ),
    ]


def sparse_mask_cases(weights: Array, scores: Array, what: str) -> list[Case]:
    """Masks of a layer of which a tenth of the edges is scored, of which 98 % are kept."""
    n_out, n_in = scores.shape
    few, n, row = scored(scores), scores.size, 4 * n_in
    selection = top_k(unbiased(few.arrays["scores"]), round(0.98 * few.count))
    p = Pruned(layout.pack_weights(weights), few.arrays["scores"], 0, np.array(selection, np.uint32))
    gaps = {"gaps": few.arrays["gaps"]}
    ours = p.stored | gaps | {"out": zeros(n, np.uint8), "state": zeros(4, np.uint32)}
    words = ("weights", "scores", "selection", "gaps", few.count)
    theirs = Side(p.signed | gaps | {"out": zeros(n)}, [("ref_sparse_copy", [*words, "out", n])], "out")
    rows = provided("m0k_rows_sparse", *words, scratch="out", row=row, groups=n_out // 4, state="state")
    what = f"{n_in} to {n_out}, a tenth scored, {what}"
    return [
        Case(
            "m0k_sparse_copy",
            what,
            "edge",
            n,
            Side(ours, one("m0k_sparse_copy", *words, "out", n), "out", unbiased),
            theirs,
        ),
        Case("m0k_rows_sparse", f"{what}, 16 groups", "edge", n, Side(ours, rows, "out", unbiased), theirs),
    ]
