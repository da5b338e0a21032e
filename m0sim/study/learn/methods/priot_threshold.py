"""PRIOT with a fixed threshold instead of top-k: no selection pass, and the mask is one comparison."""

from __future__ import annotations

from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.methods.base import Config, Frozen, Selection
from m0sim.study.learn.methods.priot import Priot
from m0sim.study.learn.methods.pruning import threshold
from m0sim.study.learn.networks import Stage


class PriotThreshold(Priot):
    """An edge stays while S >= theta."""

    name = "priot-threshold"

    def select(self, stage: Stage, scores: Int8, frozen: Frozen, config: Config) -> Selection:
        return threshold(config.theta)


METHOD = PriotThreshold()
