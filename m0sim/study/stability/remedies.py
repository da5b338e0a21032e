"""The methods that are compared: three that m0sim has, and four remedies that exist in the golden form only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from m0sim.study.learn.arithmetic import Int8, Int32, psto_shift, round_shift, sat
from m0sim.study.learn.config import Config
from m0sim.study.learn.methods import IntegerMethod, StepTrace, niti_static, priot, priot_threshold
from m0sim.study.learn.methods.priot import Priot
from m0sim.study.learn.methods.priot_threshold import PriotThreshold
from m0sim.study.learn.networks import Network, Stage
from m0sim.study.learn.state import Frozen, Layer, Learned, Selection, State


class Psto(Priot):
    """Scores move by a pseudo-stochastically rounded step."""

    name = "priot-psto"

    def moved(self, learned: Learned, weights: Int8, gradient: Int32, shift: int) -> Learned:
        return sat(learned - psto_shift(weights * gradient, shift))


class WideScores(Priot):
    """Scores have 16 bits, 8 of them fraction; the upper byte makes the mask."""

    name = "priot-16-bit"
    fraction_bits = 8

    def start(self, stage: Stage, frozen: Frozen, config: Config, seed: int) -> Learned:
        scores: Learned = super().start(stage, frozen, config, seed).astype(np.int16) << self.fraction_bits
        return scores

    def layer(
        self, stage: Stage, learned: Learned, frozen: Frozen, config: Config, held: Selection | None = None
    ) -> Layer:
        upper = (learned >> self.fraction_bits).astype(np.int8)
        return replace(super().layer(stage, upper, frozen, config, held), learned=learned)

    def moved(self, learned: Learned, weights: Int8, gradient: Int32, shift: int) -> Learned:
        left = max(self.fraction_bits - shift, 0)
        delta = round_shift((weights * gradient) << left, max(shift - self.fraction_bits, 0))
        limit = 127 << self.fraction_bits
        moved: Learned = np.clip(learned - delta, -limit, limit).astype(np.int16)
        return moved


class FrozenMask(Priot):
    """The mask itself, not only the cut, stays for `refresh` steps, while the scores move on."""

    name = "priot-frozen-mask"

    def step(
        self, network: Network, frozen: Frozen, state: State, image: Int8, label: int, config: Config
    ) -> StepTrace:
        trace = super().step(network, frozen, state, image, label, config)
        if trace.state.steps % config.refresh == 0:
            return trace
        pairs = zip(state.layers, trace.state.layers, strict=True)
        return _with_layers(trace, (replace(old, learned=new.learned) for old, new in pairs))


class Hysteresis(PriotThreshold):
    """Two thresholds: a kept edge falls below theta - 8, a pruned one comes back from theta + 8 on."""

    name = "priot-threshold-hysteresis"
    width = 8

    def step(
        self, network: Network, frozen: Frozen, state: State, image: Int8, label: int, config: Config
    ) -> StepTrace:
        trace = super().step(network, frozen, state, image, label, config)
        layers = zip(frozen.weights, state.layers, trace.state.layers, strict=True)
        return _with_layers(trace, (self._slow(*each, config.theta) for each in layers))

    def _slow(self, weights: Int8, old: Layer, new: Layer, theta: int) -> Layer:
        assert old.mask is not None
        limit = theta + np.where(old.mask, -self.width, self.width)
        mask = new.learned >= limit
        return replace(new, mask=mask, weights=weights * mask.view(np.int8))


def _with_layers(trace: StepTrace, layers: Iterable[Layer]) -> StepTrace:
    return replace(trace, state=replace(trace.state, layers=tuple(layers)))


REFERENCES = (priot.METHOD.name, niti_static.METHOD.name)
"""What the costs of the others are compared with."""

METHODS: Mapping[str, IntegerMethod] = {
    **{method.name: method for method in (priot.METHOD, priot_threshold.METHOD, niti_static.METHOD)},
    **{method.name: method for method in (Psto(), WideScores(), FrozenMask(), Hysteresis())},
}
