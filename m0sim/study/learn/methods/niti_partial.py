"""NITI with static scales of which only some channels learn in a step: dynamic partial updates after Deutel et al.

Of a layer's n output channels those learn whose errors are the largest by the sum of their magnitudes, more of them
the worse the answer was. How bad it was is the loss error of the label's logit: 0, nothing wrong, to -127, a softmax
of about 0. The other channels' gradient is not made; the error that the layer passes on is that of all channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar

import numpy as np

from m0sim.errors import UsageError
from m0sim.study.learn import additions, pools
from m0sim.study.learn.arithmetic import LIMIT, Int8
from m0sim.study.learn.config import Config
from m0sim.study.learn.device_form import Builder, Words
from m0sim.study.learn.layout import Index
from m0sim.study.learn.methods.base import Tuned
from m0sim.study.learn.methods.niti_static import NitiForm, NitiStatic
from m0sim.study.learn.methods.options import Option
from m0sim.study.learn.networks import Dense, Stage
from m0sim.study.learn.step import Ref

_PERCENT = 100


def how_many(channels: int, wrong: int, lo: int, hi: int) -> int:
    """ceil(channels * (lo + (hi - lo) * wrong / 127) / 100): of so many channels those that learn.

    `wrong` is 0..127, `lo` and `hi` 0..100, so that it is 0..channels without a clip.
    """
    share = LIMIT * lo + (hi - lo) * wrong
    return -(-channels * share // (LIMIT * _PERCENT))


def chosen(error: Int8, count: int) -> Index:
    """int64 [count]: the channels of an error [..., channels] with the largest sums of magnitudes, first of equals."""
    sums = np.abs(error.reshape(-1, error.shape[-1])).sum(axis=0, dtype=np.int64)
    found: Index = np.argsort(-sums, kind="stable")[:count]
    return found


class NitiPartialForm(NitiForm):
    """Errors of channels that do not learn become 0: kernels leave out what is 0."""

    @property
    def grad_kernel(self) -> str:
        return "m0k_niti_rows"

    def learned_fields(self, b: Builder, stage: Stage, first: int = 0) -> Words:
        fields = super().learned_fields(b, stage, first)
        if isinstance(stage.layer, Dense):  # its kernel skips errors of 0 by itself
            return fields
        return fields | {"sums": Ref(self._sums(b, stage).tensor, 4 * first)}

    def _sums(self, b: Builder, stage: Stage) -> Ref:
        """Of each channel that learns the sum of |error|."""
        return b.tensor(f"magnitudes{stage.index}", "scratch", 4 * stage.n_out)

    def learned_error(self, b: Builder, stage: Stage, error: Ref) -> Ref:
        """In place, unless somebody needs all of the error later: an addition, or of the loss the other layers."""
        # Behind a 2 x 2 maximum the error is smaller, and its sums are those in front of it.
        shape = stage.out_shape if pools.is_listed(stage) else stage.raw_shape
        is_needed = stage.last or additions.takes_error(stage, b.settings.first) is not None
        out = b.tensor(f"learned error{stage.index}", "errors", prod(shape)) if is_needed else error
        config, last = b.settings.config, b.network.stages[-1]
        b.emit(
            "update",
            "m0k_choose_channels",
            error=error,
            out=out,
            positions=prod(shape) // stage.n_out,
            channels=stage.n_out,
            sums=self._sums(b, stage),
            loss_error=b.error(last),
            label=b.label(),
            lo=config.option("lo"),
            hi=config.option("hi"),
        )
        return out


class NitiPartial(NitiStatic):
    """W = sat(W - Psto(G, s)) of the channels that `chosen` says."""

    name = "niti-partial"
    source = (
        "the abstract of Deutel et al. (arXiv 2407.10734): dynamic partial updates, here of NITI's public code with "
        "scales and update shifts frozen by calibration"
    )
    is_reconstruction = True
    tuned = Tuned(1)
    """On validation images of tiny-cnn (docs/learning.md): at the calibrated rate it collapses within ten epochs."""
    options: ClassVar = {
        **NitiStatic.options,
        "lo": Option(10, 0, _PERCENT, help="percent of a layer's channels that learn where nothing is wrong"),
        "hi": Option(50, 0, _PERCENT, help="percent where all is wrong; from lo on"),
    }
    device = NitiPartialForm()

    def configured(self, config: Config, options: Mapping[str, Any]) -> Config:
        found = super().configured(config, options)
        lo, hi = found.option("lo"), found.option("hi")
        if lo > hi:
            raise UsageError(f"{self.name}: lo, {lo}, must not be above hi, {hi}")
        return found

    def learned_error(self, stage: Stage, error: Int8, wrong: int, config: Config) -> Int8:
        count = how_many(stage.n_out, wrong, config.option("lo"), config.option("hi"))
        if count == stage.n_out:
            return error
        keeps = np.zeros(stage.n_out, np.int8)
        keeps[chosen(error.reshape(-1, stage.n_out), count)] = 1
        return error * keeps


METHOD = NitiPartial()
