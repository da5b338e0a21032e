"""Integer backpropagation after NITI with scales and update shifts frozen by calibration."""

from __future__ import annotations

import numpy as np

from m0sim.learn.arithmetic import Int8, psto_shift, sat
from m0sim.learn.methods.base import Config, Context, Frozen, Learned, Method, State
from m0sim.learn.networks import Stage


class NitiStatic(Method):
    """W = sat(W - Psto(G, s))."""

    name = "niti-static"
    learns = "weights"

    def start(self, stage: Stage, frozen: Frozen, seed: int) -> Learned:
        return frozen.weights[stage.index]

    def weights_of(self, frozen: Frozen, state: State, index: int) -> Int8:
        return state.learned[index]

    def shift(self, context: Context, config: Config) -> int:
        """s of this step."""
        return config.update[context.stage.index]

    def learn(self, context: Context, learned: Learned, frozen: Frozen, config: Config) -> tuple[Learned, int]:
        shift = self.shift(context, config)
        return sat(learned.astype(np.int32) - psto_shift(context.gradient, shift)), shift


METHOD = NitiStatic()
