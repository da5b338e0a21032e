"""PRIOT, our reconstruction around its abstract: frozen weights, a score for every edge, top-k pruning per layer."""

from __future__ import annotations

from m0sim.learn import draws
from m0sim.learn.arithmetic import Int8, round_shift, sat
from m0sim.learn.layout import storage_index
from m0sim.learn.methods.base import Config, Context, Frozen, Learned, Mask, Method, Selection, State
from m0sim.learn.methods.pruning import top_k
from m0sim.learn.networks import Network, Stage


class Priot(Method):
    """S = sat(S - Round(W * G, r)), straight through the mask: for pruned edges too."""

    name = "priot"
    learns = "scores"

    def initial_state(self, network: Network, frozen: Frozen, config: Config, seed: int) -> State:
        scores = [draws.normal_scores(seed, s.index, s.edges).reshape(s.weight_shape) for s in network.stages]
        return self.prune(network, frozen, tuple(scores), config)

    def effective(self, frozen: Frozen, state: State) -> tuple[Int8, ...]:
        return tuple(w * mask for w, mask in zip(frozen.weights, state.masks, strict=True))

    def learn(self, context: Context, learned: Learned, frozen: Frozen, config: Config) -> tuple[Learned, int]:
        i = context.stage.index
        delta = round_shift(frozen.weights[i] * context.gradient, config.update[i])
        return sat(learned - delta), config.update[i]

    def prune(self, network: Network, frozen: Frozen, learned: tuple[Learned, ...], config: Config) -> State:
        pairs = zip(network.stages, learned, strict=True)
        chosen = [self.select(stage, scores, frozen, config) for stage, scores in pairs]
        return State(learned, tuple(mask for mask, _ in chosen), tuple(selection for _, selection in chosen))

    def select(self, stage: Stage, scores: Int8, frozen: Frozen, config: Config) -> tuple[Mask, Selection]:
        """The mask of one layer, in the shape of its weights."""
        storage = storage_index(stage.n_out, stage.n_in)
        mask, selection = top_k(scores.reshape(-1), round(config.keep * stage.edges), storage)
        return mask.reshape(stage.weight_shape), selection


METHOD = Priot()
