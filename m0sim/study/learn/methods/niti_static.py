"""Integer backpropagation after NITI with scales and update shifts frozen by calibration."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from m0sim.study.learn import layout
from m0sim.study.learn.arithmetic import Int8, Int32, psto_shift, sat
from m0sim.study.learn.config import Config
from m0sim.study.learn.device_form import Builder, IntegerForm, Read, Words, edge_bytes, edges_from
from m0sim.study.learn.methods.base import Tuned
from m0sim.study.learn.methods.integer import Context, IntegerMethod
from m0sim.study.learn.networks import Stage
from m0sim.study.learn.state import Frozen, Layer, Learned, Selection
from m0sim.study.learn.step import Ref


class NitiForm(IntegerForm):
    """Weights of 8 bits in SRAM, which the passes read as they are."""

    family = "niti"
    dense_fields: ClassVar = {"signed_in": 0}
    grad_fields: ClassVar = {"magnitudes": 0}

    def weights(self, b: Builder, stage: Stage) -> Ref:
        return b.tensor(f"weights{stage.index}", "weights", edge_bytes(stage), persistent=True)

    def update_shift(self, b: Builder, stage: Stage) -> int:
        """The block's field ``shift``."""
        return b.settings.config.update[stage.index]

    def learned_fields(self, b: Builder, stage: Stage, first: int = 0) -> Words:
        mu = b.settings.config.mu & 0xFFFFFFFF
        return {
            "weights": edges_from(self.weights(b, stage), stage, first),
            "shift": self.update_shift(b, stage),
            "mu": mu,
        }

    def contents(self, stage: Stage, learned: Learned, frozen: Frozen, config: Config) -> dict[str, bytes]:
        return {f"weights{stage.index}": layout.pack_weights(learned).tobytes()}

    def read(self, read: Read, stage: Stage, frozen: Frozen) -> Learned:
        return layout.unpack(read(f"weights{stage.index}"), stage.weight_shape)


class NitiStatic(IntegerMethod):
    """W = sat(W - Psto(G, s))."""

    name = "niti-static"
    learns = "weights"
    source = "NITI's public code (github.com/wangmaolin/niti), its scales and update shifts frozen by calibration"
    tuned = Tuned()
    """The next best of the study: at the best one seed collapsed."""
    device = NitiForm()

    def start(self, stage: Stage, frozen: Frozen, config: Config, seed: int) -> Learned:
        return frozen.weights[stage.index]

    def layer(
        self, stage: Stage, learned: Learned, frozen: Frozen, config: Config, held: Selection | None = None
    ) -> Layer:
        return Layer(learned, learned)

    def shift(self, context: Context, config: Config) -> int:
        return config.update[context.stage.index]

    def moved(self, learned: Learned, weights: Int8, gradient: Int32, shift: int) -> Learned:
        return sat(learned.astype(np.int32) - psto_shift(gradient, shift))


METHOD = NitiStatic()
