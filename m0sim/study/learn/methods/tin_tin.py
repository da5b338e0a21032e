"""Tin-Tin, our reconstruction (its abstract names integer rescaling of dynamic ranges and integer weight updates).

Weights are int16 with 8 more fraction bits than the int8 weights that the passes use: W16 = 256 * w at the start,
clamped to +-127 * 256, so that the rounded upper byte never leaves -127..127. Scales are dynamic and exponents are
tracked through the layers, so the real gradient G * 2**(E_error + E_activation) is known and is shifted to the weight's
own exponent before it is subtracted: the step is SGD at the learning rate 2**-rate, less than one unit of W16's last
place off.
"""

from __future__ import annotations

import numpy as np

from m0sim.study.learn.arithmetic import LIMIT, Int8, Int32, IntArray, psto_shift, round_shift
from m0sim.study.learn.methods.base import Config, Context, Frozen, Layer, Learned, Method, Selection
from m0sim.study.learn.networks import Stage

FRACTION_BITS = 8
"""Bits of W16 below the last place of the int8 weight."""

_LARGEST = LIMIT << FRACTION_BITS
_LEFT_MAX = 16
"""A left shift by more changes nothing: 1 << 16 already crosses the whole range of W16."""
_RIGHT_MAX = 31
"""A right shift by more is an update of 0: no gradient has more bits."""


def aligned(gradient: Int32, shift: int) -> IntArray:
    """gradient * 2**-shift, Psto-rounded: less than one unit off. Saturation is left to the caller (int64 then)."""
    if shift > _RIGHT_MAX:
        return np.zeros_like(gradient)
    return psto_shift(gradient, shift) if shift >= 0 else gradient.astype(np.int64) << min(-shift, _LEFT_MAX)


class TinTin(Method):
    """W16 = clamp(W16 - Psto(G, shift)), shift = (E_weight - 8) + rate - (E_error + E_activation)."""

    name = "tin-tin"
    learns = "weights"
    dynamic = True

    def start(self, stage: Stage, frozen: Frozen, config: Config, seed: int) -> Learned:
        return frozen.weights[stage.index].astype(np.int16) << FRACTION_BITS

    def layer(
        self, stage: Stage, learned: Learned, frozen: Frozen, config: Config, held: Selection | None = None
    ) -> Layer:
        return Layer(round_shift(learned, FRACTION_BITS).astype(np.int8), learned)

    def shift(self, context: Context, config: Config) -> int:
        own = config.weight_exponents[context.stage.index] - FRACTION_BITS
        return own + config.rate - context.exponent

    def moved(self, learned: Learned, weights: Int8, gradient: Int32, shift: int) -> Learned:
        moved: Learned = np.clip(learned - aligned(gradient, shift), -_LARGEST, _LARGEST).astype(np.int16)
        return moved


METHOD = TinTin()
