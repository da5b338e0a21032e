"""PRIOT, our reconstruction around its abstract: frozen weights, a score for every edge, top-k pruning per layer."""

from __future__ import annotations

import numpy as np

from m0sim.study.learn import draws
from m0sim.study.learn.arithmetic import Int8, Int32, round_shift, sat
from m0sim.study.learn.layout import storage_index
from m0sim.study.learn.methods.base import Config, Context, Frozen, Layer, Learned, Mask, Method, Selection
from m0sim.study.learn.methods.pruning import kept_by, top_k
from m0sim.study.learn.networks import Stage


class Priot(Method):
    """S = sat(S - Round(W * G, r)), straight through the mask: for pruned edges too."""

    name = "priot"
    learns = "scores"

    def start(self, stage: Stage, frozen: Frozen, config: Config, seed: int) -> Learned:
        return draws.normal_scores(seed, stage.index, stage.edges, config.deviation).reshape(stage.weight_shape)

    def layer(
        self, stage: Stage, learned: Learned, frozen: Frozen, config: Config, held: Selection | None = None
    ) -> Layer:
        selection = held or self.select(stage, learned, frozen, config)
        mask = self.mask(stage, learned, frozen, selection)
        return Layer(frozen.weights[stage.index] * mask.view(np.int8), learned, mask, selection)

    def shift(self, context: Context, config: Config) -> int:
        return config.update[context.stage.index]

    def moved(self, learned: Learned, weights: Int8, gradient: Int32, shift: int) -> Learned:
        return sat(learned - round_shift(weights * gradient, shift))

    def select(self, stage: Stage, scores: Int8, frozen: Frozen, config: Config) -> Selection:
        """What keeps the right number of edges of one layer."""
        return top_k(scores, round(config.keep * stage.edges))

    def mask(self, stage: Stage, scores: Int8, frozen: Frozen, selection: Selection) -> Mask:
        """The mask of one layer, in the shape of its weights."""
        kept = kept_by(selection, scores.reshape(-1), storage_index(stage.n_out, stage.n_in))
        return kept.reshape(stage.weight_shape)


METHOD = Priot()
