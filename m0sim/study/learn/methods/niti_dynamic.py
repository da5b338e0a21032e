"""Integer backpropagation as NITI has it: scales measured on every tensor, the gradient's scale discarded."""

from __future__ import annotations

from m0sim.study.learn.arithmetic import largest
from m0sim.study.learn.methods.base import Config, Context
from m0sim.study.learn.methods.niti_static import NitiStatic


class NitiDynamic(NitiStatic):
    """W = sat(W - Psto(G, s)) with s = bit length of max|G| - mu: the largest gradient moves by about 2**mu."""

    name = "niti-dynamic"
    dynamic = True

    def shift(self, context: Context, config: Config) -> int:
        return largest(context.gradient.values).bit_length() - config.mu


METHOD = NitiDynamic()
