"""PRIOT with a fixed threshold instead of top-k: no selection pass, and the mask is one comparison."""

from __future__ import annotations

from typing import ClassVar

from m0sim.study.learn.config import Config
from m0sim.study.learn.methods.base import Tuned
from m0sim.study.learn.methods.integer import IntegerMethod
from m0sim.study.learn.methods.options import shared
from m0sim.study.learn.methods.priot import Priot, ScoreForm


class ThresholdForm(ScoreForm):
    """The threshold is a constant in flash."""

    def keeps(self, config: Config, candidates: int) -> int | None:
        return None


class PriotThreshold(Priot):
    """An edge stays while S >= theta."""

    name = "priot-threshold"
    tuned = Tuned(-4, {"theta": -32})
    options: ClassVar = {**IntegerMethod.options, **shared("theta", "deviation")}
    device = ThresholdForm()


METHOD = PriotThreshold()
