"""What a layer learns in a training step: gradient and update, as kernel calls."""

from __future__ import annotations

from math import prod

from m0sim.study.learn import layout, scratch
from m0sim.study.learn.networks import Dense, Depthwise, Stage
from m0sim.study.learn.step import Ref
from m0sim.study.learn.step_backward import BackwardPass
from m0sim.study.learn.step_fields import Words, conv_fields, kernel_fields

_GROUP = 4
"""Outputs whose edges lie together."""


class UpdatePass(BackwardPass):
    """Of layers whose errors are there; what is made of them for the way back serves here, too."""

    def update(self, stage: Stage) -> None:
        """Gradient and update of what the stage learns."""
        if not isinstance(stage.layer, Dense):
            self._conv_update(stage)
            return
        learned: Words = {"n_in": stage.n_in, "n_out": stage.n_out, **self.form.learned_fields(self, stage)}
        error = self.form.learned_error(self, stage, self.error(stage))
        learned |= {**self.form.dense_fields, "error": error, "in": self.activation(stage.index)}
        self.emit("update", f"m0k_{self.form.family}_dense", **learned)

    def _conv_update(self, stage: Stage) -> None:
        """Gradient and update of some outputs after the other: no more of the gradient is ever there."""
        source = self._conv_error(stage, "update")
        error = source["error"]
        assert isinstance(error, Ref)
        source["error"] = self.form.learned_error(self, stage, error)
        is_kept = self.form.whole_gradient and self._keeps_gradient(stage)
        groups = _groups(stage.n_out, stage.n_out if is_kept else _GROUP)
        fields = {**self.form.grad_fields}
        if self.form.whole_gradient and not is_kept:
            fields["magnitudes"] = self.tensor(f"magnitudes{stage.index}", "scratch", 4)
            for first, count in groups:
                measured = self._gradient(stage, source, first, count) | {"n_in": stage.n_in, "n_out": count, **fields}
                self.emit("update", f"m0k_{self.form.family}_measure", **measured, begin=int(first == 0))
        for first, count in groups:
            learned: Words = self._gradient(stage, source, first, count) | {
                "n_in": stage.n_in,
                "n_out": count,
                **fields,
            }
            learned |= self.form.learned_fields(self, stage, first)
            self.emit("update", self.form.grad_kernel, **learned)

    def _keeps_gradient(self, stage: Stage) -> bool:
        """Whether the whole gradient is there at once; with the least scratch, where the forward pass needs more.

        Twice its bytes stand for the gradient and what else is needed then.
        """
        size, sums = stage.n_out * layout.row_bytes(stage.n_in), max(prod(s.raw_shape) for s in self.network.stages)
        return self.has_full_scratch or stage.n_out <= _GROUP or 2 * size <= sums

    def _gradient(self, stage: Stage, source: Words, first: int, count: int) -> Words:
        """Emits the gradient of some outputs, of an error as `_conv_error` has it. Returns the fields by which it is
        found."""
        size = 4 * count * layout.row_bytes(stage.n_in)
        where: Words = {
            "grad": self.tensor(f"gradient{stage.index}", "accumulators", size),
            "active": self.tensor(f"active{stage.index}", "scratch", 4),
        }
        source = source | {"in": self.activation(stage.index)}
        if isinstance(stage.layer, Depthwise):
            kernel, room = "m0k_depthwise_grad", ("plane{} (update)", scratch.depthwise_grad(stage))
            source |= kernel_fields(stage)
        else:
            kernel, room = "m0k_conv_grad", ("lists{}", scratch.conv_grad(stage))
            source |= conv_fields(stage)
        source["scratch"] = self.tensor(room[0].format(stage.index), "scratch", room[1])
        self.emit("update", kernel, **source, **where, first_out=first, count_out=count)
        return where


def _groups(outputs: int, at_once: int) -> list[tuple[int, int]]:
    """First output and number of outputs of each group."""
    return [(first, min(at_once, outputs - first)) for first in range(0, outputs, at_once)]
