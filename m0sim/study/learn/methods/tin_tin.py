"""Tin-Tin, our reconstruction (its abstract names integer rescaling of dynamic ranges and integer weight updates).

Weights are int16 with 8 more fraction bits than the int8 weights that the passes use: W16 = 256 * w at the start,
clamped to +-127 * 256, so that the rounded upper byte never leaves -127..127. Scales are dynamic and exponents are
tracked through the layers, so the real gradient G * 2**(E_error + E_activation) is known and is shifted to the weight's
own exponent before it is subtracted: the step is SGD at the learning rate 2**-rate, less than one unit of W16's last
place off.
"""

from __future__ import annotations

import numpy as np

from m0sim.study.learn import layout, pools
from m0sim.study.learn.arithmetic import LIMIT, Int8, Int32, IntArray, psto_shift, round_shift
from m0sim.study.learn.config import Config
from m0sim.study.learn.device_form import Builder, IntegerForm, Read, Words, edge_bytes, edges_from
from m0sim.study.learn.methods.integer import Context, IntegerMethod
from m0sim.study.learn.networks import Stage
from m0sim.study.learn.state import Frozen, Layer, Learned, Selection
from m0sim.study.learn.step import Phase, Ref

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


class TinTinForm(IntegerForm):
    """Weights of 16 bits, rounded to 8 for the passes, and exponents of errors tracked as well."""

    family = "tintin"
    dynamic = True
    uses_error_exponents = True

    def weights(self, b: Builder, stage: Stage) -> Ref:
        return b.tensor(f"weights{stage.index}", "weights", 2 * edge_bytes(stage), persistent=True)

    def whole(self, b: Builder, stage: Stage, phase: Phase) -> Ref:
        size = edge_bytes(stage)
        rounded = b.tensor(f"rounded{stage.index} ({phase})", "scratch", size)
        b.emit(phase, "m0k_w16_copy", weights16=self.weights(b, stage), out=rounded, n=size)
        return rounded

    def copies(self, b: Builder) -> bool:
        return True

    def rows(self, b: Builder, stage: Stage, phase: Phase) -> Words:
        scratch = b.row_scratch(stage, phase)
        return b.provider("m0k_rows_w16", weights16=self.weights(b, stage), **scratch)

    def learned_fields(self, b: Builder, stage: Stage, first: int = 0) -> Words:
        """And what the gradient is shifted by to the weights' own exponent."""
        base = b.settings.config.weight_exponents[stage.index] - FRACTION_BITS + b.settings.config.rate
        base += pools.exponent_fall(stage)  # the gradient is of the error at the layer's own output
        return {
            "weights16": edges_from(self.weights(b, stage), stage, first, 2),
            "error_exponent": b.error_exponent(stage),
            "in_exponent": b.exponent(stage.index),
            "base": base & 0xFFFFFFFF,
        }

    def contents(self, stage: Stage, learned: Learned, frozen: Frozen, config: Config) -> dict[str, bytes]:
        return {f"weights{stage.index}": layout.pack_wide(learned).tobytes()}

    def read(self, read: Read, stage: Stage, frozen: Frozen) -> Learned:
        return layout.unpack_wide(read(f"weights{stage.index}").view("<u2"), stage.weight_shape)


class TinTin(IntegerMethod):
    """W16 = clamp(W16 - Psto(G, shift)), shift = (E_weight - 8) + rate - (E_error + E_activation)."""

    name = "tin-tin"
    learns = "weights"
    source = "the abstract of Tin-Tin (arXiv 2504.09405)"
    is_reconstruction = True
    device = TinTinForm()

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
