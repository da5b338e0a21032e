"""Biases and the last layer: TinyTL's idea (Cai et al., arXiv 2007.11622) in integers.

The weights of all layers but the last are frozen, and no gradient of them is computed: what a layer learns is what its
accumulators begin with, from the sum of the errors of each channel. So its inputs need not be kept, only the gates and
the pool's places on the way back. The last layer learns its weights as well, by the rule of niti-static.

Errors are summed behind the pool: a maximum passes each of them to one place, and the n shares of a mean's error add up
to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from m0sim.study.learn import biases, layout
from m0sim.study.learn.arithmetic import Int8, Int32
from m0sim.study.learn.biases import INPUTS_MAX
from m0sim.study.learn.config import Config
from m0sim.study.learn.device_form import Builder, Read, Words
from m0sim.study.learn.layers import channel_sums
from m0sim.study.learn.methods.base import Tuned
from m0sim.study.learn.methods.integer import Context
from m0sim.study.learn.methods.niti_static import NitiForm, NitiStatic
from m0sim.study.learn.networks import Network, Stage
from m0sim.study.learn.state import Frozen, Layer, Learned, Selection, State
from m0sim.study.learn.step import Ref, Word


class BiasForm(NitiForm):
    """Biases of 32 bits in SRAM, as the kernels take first values; of the weights only those of the last layer."""

    learns_biases = True

    def weights(self, b: Builder, stage: Stage) -> Ref:
        return super().weights(b, stage) if stage.last else b.frozen_weights(stage)

    def takes_gradient(self, stage: Stage) -> bool:
        return stage.last

    def learned_first(self, b: Builder, stage: Stage) -> Word:
        return b.tensor(f"biases{stage.index}", "weights", 4 * stage.n_out, persistent=True)

    def update(self, b: Builder, stage: Stage) -> None:
        by: Words = dict(biases.rule(b.settings.config, stage.index)._asdict())
        where: Words = {"error": b.error(stage), "biases": self.learned_first(b, stage)}
        where |= {"positions": _positions(stage), "channels": stage.n_out}
        b.emit("update", "m0k_bias_update", **where, **by)
        if stage.last:
            super().update(b, stage)

    def contents(self, stage: Stage, learned: Learned, frozen: Frozen, config: Config) -> dict[str, bytes]:
        return {f"biases{stage.index}": learned.astype("<i4").tobytes()}

    def layer_contents(self, stage: Stage, layer: Layer, frozen: Frozen, config: Config) -> dict[str, bytes]:
        weights = {f"weights{stage.index}": layout.pack_weights(layer.weights).tobytes()}
        return self.contents(stage, layer.learned, frozen, config) | weights

    def read(self, read: Read, stage: Stage, frozen: Frozen) -> Learned:
        return read(f"biases{stage.index}").view("<i4").astype(np.int32)

    def read_weights(self, read: Read, stage: Stage) -> Int8:
        """Those of the last layer."""
        return layout.unpack(read(f"weights{stage.index}"), stage.weight_shape)


def _positions(stage: Stage) -> int:
    """How many errors of each output there are behind its pool."""
    height, width = (stage.out_shape[:2]) if len(stage.out_shape) == 3 else (1, 1)
    return height * width


class BiasLast(NitiStatic):
    """b = clamp(b - Round(sum of e, r)) in each layer, W = sat(W - Psto(G, s)) in the last.

    A layer's learned array is its biases; the last one's weights are those that the passes multiply by.
    """

    name = "bias-last"
    source = "the abstract of TinyTL (arXiv 2007.11622), its idea in integers; the last layer after NITI's public code"
    is_reconstruction = True
    tuned = Tuned()
    device = BiasForm()

    @property
    def freezes_weights(self) -> bool:
        return True

    def unsupported(self, network: Network) -> str:
        wide = [stage.index for stage in network.stages if stage.n_in > INPUTS_MAX]
        return f"layer {wide[0]} would get biases, and has more than {INPUTS_MAX:,} inputs an output" if wide else ""

    def start(self, stage: Stage, frozen: Frozen, config: Config, seed: int) -> Learned:
        return biases.learnable(config, stage.index, stage.n_out)

    def layer(
        self, stage: Stage, learned: Learned, frozen: Frozen, config: Config, held: Selection | None = None
    ) -> Layer:
        return Layer(frozen.weights[stage.index], learned)

    def updated(
        self, context: Context, before: Layer, frozen: Frozen, config: Config, renews: bool
    ) -> tuple[Layer, int]:
        stage = context.stage
        first = biases.moved(before.learned, channel_sums(context.error), biases.rule(config, stage.index))
        if not stage.last:
            return before.with_learned(first), config.bias_update[stage.index]
        weights, shift = self.learn(context, before.weights, frozen, config)
        return Layer(weights, first), shift

    def first_values(self, state: State) -> tuple[Int32 | None, ...]:
        return tuple(layer.learned if layer.learned.size else None for layer in state.layers)

    def with_learned(self, config: Config, state: State) -> Config:
        known = config.biases or ((),) * len(state.layers)
        learned = enumerate(self.first_values(state))
        found = (known[i] if first is None else biases.constants(first, config, i) for i, first in learned)
        return replace(config, biases=tuple(found))

    def arrays(self, state: State) -> dict[str, Learned]:
        """biases0 .. of the layers that learn, and the last one's weights."""
        found = {f"biases{i}": array for i, array in enumerate(state.learned) if array.size}
        last = len(state.layers) - 1
        return found | {f"weights{last}": state.layers[last].weights}

    def arrays_on(self, read: Read, stage: Stage, frozen: Frozen) -> dict[str, Learned]:
        found = {f"biases{stage.index}": self.device.read(read, stage, frozen)}
        return found | ({f"weights{stage.index}": self.device.read_weights(read, stage)} if stage.last else {})

    def state_of(
        self, network: Network, frozen: Frozen, arrays: Mapping[str, Learned], config: Config, steps: int = 0
    ) -> State:
        weights = (*frozen.weights[:-1], arrays[f"weights{len(network.stages) - 1}"])
        learned = [None if i < frozen.first else arrays[f"biases{i}"] for i in range(len(weights))]
        layers = [Layer(w) if b is None else Layer(w, b) for w, b in zip(weights, learned, strict=True)]
        return State(tuple(layers), steps)


METHOD = BiasLast()
