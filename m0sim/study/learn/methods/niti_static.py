"""Integer backpropagation after NITI with scales and update shifts frozen by calibration."""

from __future__ import annotations

from m0sim.study.learn.arithmetic import Int8, Int32, psto_shift, sat
from m0sim.study.learn.methods.base import Config, Context, Frozen, Layer, Learned, Method, Selection
from m0sim.study.learn.networks import Stage


class NitiStatic(Method):
    """W = sat(W - Psto(G, s))."""

    name = "niti-static"
    learns = "weights"

    def start(self, stage: Stage, frozen: Frozen, config: Config, seed: int) -> Learned:
        return frozen.weights[stage.index]

    def layer(
        self, stage: Stage, learned: Learned, frozen: Frozen, config: Config, held: Selection | None = None
    ) -> Layer:
        return Layer(learned, learned)

    def shift(self, context: Context, config: Config) -> int:
        return config.update[context.stage.index]

    def moved(self, learned: Learned, weights: Int8, gradient: Int32, shift: int) -> Learned:
        return sat(learned - psto_shift(gradient, shift))


METHOD = NitiStatic()
