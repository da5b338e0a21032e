"""PRIOT, our reconstruction around its abstract: frozen weights, a score for every edge, top-k pruning per layer."""

from __future__ import annotations

import numpy as np

from m0sim.learn import draws
from m0sim.learn.arithmetic import Int8, round_shift, sat
from m0sim.learn.layout import storage_index
from m0sim.learn.methods.base import Config, Context, Frozen, Learned, Mask, Method, Selection, State
from m0sim.learn.methods.pruning import top_k
from m0sim.learn.networks import Network, Stage

_NO_MASK: Mask = np.zeros(0, np.bool_)


class Priot(Method):
    """S = sat(S - Round(W * G, r)), straight through the mask: for pruned edges too."""

    name = "priot"
    learns = "scores"

    def start(self, stage: Stage, frozen: Frozen, seed: int) -> Learned:
        return draws.normal_scores(seed, stage.index, stage.edges).reshape(stage.weight_shape)

    def weights_of(self, frozen: Frozen, state: State, index: int) -> Int8:
        return frozen.weights[index] * state.masks[index]

    def learn(self, context: Context, learned: Learned, frozen: Frozen, config: Config) -> tuple[Learned, int]:
        i = context.stage.index
        delta = round_shift(frozen.weights[i] * context.gradient, config.update[i])
        return sat(learned - delta), config.update[i]

    def prune(self, network: Network, frozen: Frozen, learned: tuple[Learned, ...], config: Config) -> State:
        chosen = [(_NO_MASK, Selection(0, 0))] * frozen.first
        for stage in network.stages[frozen.first :]:
            chosen.append(self.select(stage, learned[stage.index], frozen, config))
        return State(learned, tuple(mask for mask, _ in chosen), tuple(selection for _, selection in chosen))

    def select(self, stage: Stage, scores: Int8, frozen: Frozen, config: Config) -> tuple[Mask, Selection]:
        """The mask of one layer, in the shape of its weights."""
        storage = storage_index(stage.n_out, stage.n_in)
        mask, selection = top_k(scores.reshape(-1), round(config.keep * stage.edges), storage)
        return mask.reshape(stage.weight_shape), selection


METHOD = Priot()
