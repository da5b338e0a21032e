"""Operands of what prunes: a selection, and a layer of which a tenth of the edges is scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from kernel_case import Array, View

from m0sim.study.learn import layout
from m0sim.study.learn.methods.pruning import top_k


@dataclass(frozen=True)
class Scored:
    """A tenth of a layer's edges, as PRIOT-S scores them: lists for the kernel and for the reference."""

    arrays: dict[str, Array]
    reference: dict[str, Array]
    count: int
    order: Array
    """``scores[order]`` are in the kernel's order."""


def scored(scores: Array) -> Scored:
    n_out, n_in = scores.shape
    chosen = np.sort(np.random.default_rng(16).choice(scores.size, round(0.1 * scores.size), replace=False))
    storage, order = layout.scored_storage(chosen, n_out, n_in)
    few = scores.ravel()[chosen]
    stored = (few[order].astype(np.int16) + layout.OFFSET).astype(np.uint8)
    arrays = {"gaps": layout.pack_gaps(storage), "scores": stored}
    return Scored(arrays, {"gaps": layout.pack_gaps(chosen), "scores": few}, chosen.size, order)


def logical(order: Array) -> View:
    def view(stored: Array) -> Array:
        values = np.empty(order.size, np.int8)
        values[order] = (stored.astype(np.int16) - layout.OFFSET).astype(np.int8)
        return values

    return view


@dataclass(frozen=True)
class Pruned:
    """The dense layer with a selection. 784 and 64 leave no padding, so the reference can have the same order."""

    weights: Array
    scores: Array
    k: int
    selection: Array

    @classmethod
    def top(cls, weights: Array, scores: Array, keep: int) -> Pruned:
        """The top `keep` of `scores` int8 [64, 784]."""
        stored = layout.pack_scores(scores)
        return cls(layout.pack_weights(weights), stored, keep, np.array(top_k(unbiased(stored), keep), np.uint32))

    @property
    def signed(self) -> dict[str, Array]:
        """The same for the reference, whose values are int8."""
        cut = self.selection.astype(np.int32) - [layout.OFFSET, 0]
        values = {"weights": self.weights, "scores": self.scores}
        return {name: unbiased(v) for name, v in values.items()} | {"selection": cut.astype(np.int32)}

    @property
    def stored(self) -> dict[str, Array]:
        return {"weights": self.weights, "scores": self.scores, "selection": self.selection}


def unbiased(stored: Array) -> Array:
    return (stored.astype(np.int16) - layout.OFFSET).astype(np.int8)
