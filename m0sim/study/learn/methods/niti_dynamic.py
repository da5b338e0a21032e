"""Integer backpropagation as NITI has it: scales measured on every tensor, the gradient's scale discarded."""

from __future__ import annotations

from m0sim.study.learn.arithmetic import largest
from m0sim.study.learn.config import Config
from m0sim.study.learn.device_form import Builder
from m0sim.study.learn.methods.base import Tuned
from m0sim.study.learn.methods.integer import Context
from m0sim.study.learn.methods.niti_static import NitiForm, NitiStatic
from m0sim.study.learn.networks import Stage

_MEASURED = 0xFFFFFFFF
"""The shift in a block that tells the kernel to measure the gradient, or to take what was measured."""


class NitiDynamicForm(NitiForm):
    """Accumulators are kept until their largest is known."""

    dynamic = True
    whole_gradient = True  # its largest decides by how much all of it moves

    def update_shift(self, b: Builder, stage: Stage) -> int:
        return _MEASURED


class NitiDynamic(NitiStatic):
    """W = sat(W - Psto(G, s)) with s = bit length of max|G| - mu: the largest gradient moves by about 2**mu."""

    name = "niti-dynamic"
    source = "NITI's public code (github.com/wangmaolin/niti)"
    tuned = Tuned(-1)
    device = NitiDynamicForm()

    def shift(self, context: Context, config: Config) -> int:
        return largest(context.gradient.values).bit_length() - config.mu


METHOD = NitiDynamic()
