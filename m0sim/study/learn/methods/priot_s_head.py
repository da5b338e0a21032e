"""PRIOT-S below and NITI in the last layer: the features are pruned in flash, the classifier learns its few weights.

Our combination of two methods, each as it is by itself, but for the learning shifts: `--shift` is that of the scores,
the option `head` that of the last layer's weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from m0sim.study.learn.arithmetic import STATIC_SHIFT_MAX, Int8
from m0sim.study.learn.config import Config
from m0sim.study.learn.device_form import Builder, Read, Words
from m0sim.study.learn.methods import niti_static
from m0sim.study.learn.methods.base import Tuned
from m0sim.study.learn.methods.integer import Context
from m0sim.study.learn.methods.niti_static import NitiForm
from m0sim.study.learn.methods.options import Option
from m0sim.study.learn.methods.priot_s import PriotS, SparseForm
from m0sim.study.learn.networks import Network, Stage
from m0sim.study.learn.state import Examples, Frozen, Layer, Learned, Selection, State
from m0sim.study.learn.step import Phase, Ref, Word

_HEAD = niti_static.METHOD


class HeadForm(SparseForm):
    """The last layer is built by niti-static's form, into the same operations and tensors."""

    head = NitiForm()

    def weights(self, b: Builder, stage: Stage) -> Ref:
        return self.head.weights(b, stage) if stage.last else super().weights(b, stage)

    def whole(self, b: Builder, stage: Stage, phase: Phase) -> Ref:
        return self.head.whole(b, stage, phase) if stage.last else super().whole(b, stage, phase)

    def rows(self, b: Builder, stage: Stage, phase: Phase) -> Words:
        return self.head.rows(b, stage, phase) if stage.last else super().rows(b, stage, phase)

    def pick(self, b: Builder, stage: Stage) -> Word:
        return self.head.pick(b, stage) if stage.last else super().pick(b, stage)

    def first_sums(self, b: Builder, stage: Stage, first: Word) -> Word:
        return self.head.first_sums(b, stage, first) if stage.last else super().first_sums(b, stage, first)

    def first_error_sums(self, b: Builder, stage: Stage, sums: Ref) -> Word:
        return self.head.first_error_sums(b, stage, sums) if stage.last else super().first_error_sums(b, stage, sums)

    def update(self, b: Builder, stage: Stage) -> None:
        if stage.last:
            self.head.update(replace(b, form=self.head), stage)
        else:
            super().update(b, stage)

    def prune_layer(self, b: Builder, stage: Stage) -> None:
        if not stage.last:
            super().prune_layer(b, stage)

    def contents(self, stage: Stage, learned: Learned, frozen: Frozen, config: Config) -> dict[str, bytes]:
        if stage.last:
            return self.head.contents(stage, learned, frozen, config)
        return super().contents(stage, learned, frozen, config)

    def read(self, read: Read, stage: Stage, frozen: Frozen) -> Learned:
        return self.head.read(read, stage, frozen) if stage.last else super().read(read, stage, frozen)


class PriotSHead(PriotS):
    """S = sat(S - Round(W * G, r)) for scored edges of all layers but the last; there W = sat(W - Psto(G, s))."""

    name = "priot-s-head"
    source = f"ours: priot-s ({PriotS.source}) with a last layer by {_HEAD.source}"
    tuned = Tuned(-4, PriotS.tuned.options)
    options: ClassVar = {
        **PriotS.options,
        "head": Option(0, -12, 12, help="the learning shift of the last layer's weights"),
    }
    device = HeadForm()

    def unsupported(self, network: Network) -> str:
        alone = "it has one layer, and there is nothing below the last to be pruned" if len(network.stages) < 2 else ""
        return alone or super().unsupported(network)

    def learned_in(self, stage: Stage) -> Literal["weights", "scores"]:
        return "weights" if stage.last else "scores"

    def scored_stages(self, stages: Sequence[Stage]) -> Sequence[Stage]:
        return stages[:-1]

    def scored_at_most(self, network: Network, fraction: float | None, first: int) -> tuple[int, ...]:
        return (*super().scored_at_most(network, fraction, first)[:-1], 0)

    def start(self, stage: Stage, frozen: Frozen, config: Config, seed: int) -> Learned:
        if stage.last:
            return _HEAD.start(stage, frozen, config, seed)
        return super().start(stage, frozen, config, seed)

    def layer(
        self, stage: Stage, learned: Learned, frozen: Frozen, config: Config, held: Selection | None = None
    ) -> Layer:
        if stage.last:
            return _HEAD.layer(stage, learned, frozen, config, held)
        return super().layer(stage, learned, frozen, config, held)

    def learn(self, context: Context, learned: Learned, frozen: Frozen, config: Config) -> tuple[Learned, int]:
        if context.stage.last:
            return _HEAD.learn(context, learned, frozen, config)
        return super().learn(context, learned, frozen, config)

    def calibrated(
        self, network: Network, weights: Sequence[Int8], config: Config, examples: Examples, seed: int
    ) -> Config:
        found = super().calibrated(network, weights, config, examples, seed)
        head = found.update[-1] + config.option("head")
        return replace(found, update=(*found.update[:-1], min(max(head, 0), STATIC_SHIFT_MAX)))

    def slowed(self, config: Config, shift: int) -> Config:
        """All but the last layer: that has its own learning shift."""
        below = super().slowed(config, shift)
        return replace(below, update=(*below.update[:-1], config.update[-1]))

    def arrays(self, state: State) -> dict[str, Learned]:
        """scores0 .. of the layers below that learn, and the last one's weights."""
        last = len(state.layers) - 1
        found = super().arrays(state)
        return found | {f"weights{last}": found.pop(f"scores{last}")}

    def arrays_on(self, read: Read, stage: Stage, frozen: Frozen) -> dict[str, Learned]:
        return {f"{self.learned_in(stage)}{stage.index}": self.device.read(read, stage, frozen)}

    def state_of(
        self, network: Network, frozen: Frozen, arrays: Mapping[str, Learned], config: Config, steps: int = 0
    ) -> State:
        last = len(network.stages) - 1
        as_scores = {**arrays, f"scores{last}": arrays[f"weights{last}"]}
        return super().state_of(network, frozen, as_scores, config, steps)


METHOD = PriotSHead()
