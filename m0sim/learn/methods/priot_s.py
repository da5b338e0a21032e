"""PRIOT-S, our reconstruction: only a fraction of the edges is scored and can be pruned; all others always stay.

Scores are one flat int8 array a layer, in ascending order of the scored edges' logical indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from m0sim.learn import draws
from m0sim.learn.arithmetic import Int8
from m0sim.learn.layout import Index, storage_index, storage_order
from m0sim.learn.methods.base import Config, Context, Frozen, Learned, Mask, Selection
from m0sim.learn.methods.priot import Priot
from m0sim.learn.methods.pruning import kept_by, threshold, top_k
from m0sim.learn.networks import Network, Stage


def random_edges(stage: Stage, fraction: float, seed: int) -> Index:
    """One edge of every block of round(1 / fraction) real edges that follow one another in storage order.

    The last block may be shorter; it has its edge as well. Logical indices, ascending.
    """
    order = storage_order(stage.n_out, stage.n_in)
    starts = np.arange(0, stage.edges, round(1 / fraction))
    sizes = np.diff(starts, append=stage.edges)
    return np.sort(order[starts + draws.choices(seed, stage.index, sizes)])


def largest_edges(stage: Stage, weights: Int8, fraction: float) -> Index:
    """The round(fraction * edges), at least 1, edges of largest |w|, ties to the lowest storage index; ascending."""
    magnitude = np.abs(weights.reshape(-1))
    ranked = np.lexsort((storage_index(stage.n_out, stage.n_in), -magnitude))
    return np.sort(ranked[: max(1, round(fraction * stage.edges))])


class PriotS(Priot):
    """S = sat(S - Round(W * G, r)) for the scored edges only."""

    name = "priot-s"

    def freeze(self, network: Network, weights: Sequence[Int8], config: Config) -> Frozen:
        if not 0 < config.fraction <= 1:
            raise ValueError(f"fraction is {config.fraction}, must be above 0 and at most 1")
        frozen = super().freeze(network, weights, config)
        scored = [np.zeros(0, np.int64)] * frozen.first
        for stage in network.stages[frozen.first :]:
            if config.selection == "random":
                scored.append(random_edges(stage, config.fraction, config.seed))
            else:
                scored.append(largest_edges(stage, weights[stage.index], config.fraction))
        return replace(frozen, scored=tuple(scored))

    def start(self, stage: Stage, frozen: Frozen, seed: int) -> Learned:
        return draws.normal_scores(seed, stage.index, len(frozen.scored[stage.index]))

    def learn(self, context: Context, learned: Learned, frozen: Frozen, config: Config) -> tuple[Learned, int]:
        i, shift, (rows, values, _) = context.stage.index, self.shift(context, config), context.gradient
        if not len(rows):
            return learned, shift
        row, column, weights = frozen.edges[i]
        place = np.full(context.stage.n_out, -1)
        place[rows] = np.arange(len(rows))
        at = place[row]
        (some,) = (at >= 0).nonzero()
        new = self.moved(learned[some], weights[some], values[at[some], column[some]], shift)
        if np.array_equal(new, learned[some]):
            return learned, shift
        whole = learned.copy()
        whole[some] = new
        return whole, shift

    def select(self, stage: Stage, scores: Int8, frozen: Frozen, config: Config) -> Selection:
        if config.prune == "threshold":
            return threshold(config.theta)
        return top_k(scores, round(config.keep * len(scores)))

    def mask(self, stage: Stage, scores: Int8, frozen: Frozen, selection: Selection) -> Mask:
        scored = frozen.scored[stage.index]
        mask = np.ones(stage.edges, np.bool_)
        mask[scored] = kept_by(selection, scores, storage_index(stage.n_out, stage.n_in)[scored])
        return mask.reshape(stage.weight_shape)


METHOD = PriotS()
