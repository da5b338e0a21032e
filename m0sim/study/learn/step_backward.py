"""The way back of a training step, from the error of a layer's output to that of its input, as kernel calls."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from m0sim.study.learn import additions, layout, pools, scratch
from m0sim.study.learn.networks import Conv, Dense, Depthwise, Stage
from m0sim.study.learn.step import Phase, Ref, Word
from m0sim.study.learn.step_fields import (
    Words,
    conv_fields,
    edge_bytes,
    fixed_scales,
    kernel_fields,
    map_fields,
    measured_scales,
    window_fields,
)
from m0sim.study.learn.step_tensors import StepTensors


class BackwardPass(StepTensors):
    """Layer by layer from the last to the lowest that learns; errors of sums and pools on the way."""

    def backward(self, stage: Stage) -> None:
        """The error of the stage below, gated by that stage's output, where that one learns."""
        if stage.index == self.settings.first:
            return
        dynamic, below = self.form.dynamic, self.network.stages[stage.index - 1]
        ends: Words = {"out": self._error_with(below, 0), "gate": self._gate(stage)}
        sent: Words = {"out": 0, "gate": 0} if dynamic else ends
        scale: Words = {"shift": 0 if dynamic else self.settings.config.backward[stage.index], "dynamic": int(dynamic)}
        where: Words = {"error": self.error(stage)} | sent | scale
        acc = self._error_through(stage, where)
        if dynamic:
            exponents = self._error_exponents(stage, below)
            self.emit("backward", "m0k_requant", acc=acc, **ends, n=prod(stage.in_shape), relu=0, **exponents)
        for count, other in enumerate(self._added_to(below)):
            self._add_error(below, count, other)

    def _error_exponents(self, stage: Stage, below: Stage) -> Words:
        """Where the exponent of an error goes, if any matters."""
        passes = any(additions.takes_error(other, self.settings.first) is not None for other in self.network.stages)
        if not (self.form.uses_error_exponents or passes):
            return {"exponent": 0, "exponent_in": 0, "exponent_w": 0}
        weights = self.settings.config.weight_exponents[stage.index]
        return {
            "exponent": self._error_exponent_with(below, 0),
            "exponent_in": self.error_exponent(stage),
            "exponent_w": (weights - pools.exponent_fall(stage)) & 0xFFFFFFFF,
        }

    def _add_error(self, below: Stage, count: int, other: Stage) -> None:
        """The error at the sum of stage `other` to that of what it added, the output of stage `below`."""
        sides: Words = {
            "a": self._error_with(below, count),
            "b": self._raw_error(other, "backward"),
            "out": self._error_with(below, count + 1),
            "gate": self._gate(self.network.stages[below.index + 1]),
        }
        if self.form.dynamic:
            ours = (self._error_exponent_with(below, count + more) for more in (0, 1))
            scales = measured_scales(next(ours), self.error_exponent(other), next(ours), pools.exponent_fall(other))
        else:
            scales = fixed_scales(
                additions.backward_difference(other, self.network, self.settings.config, self.settings.first)
            )
        self.emit("backward", "m0k_add", **sides, n=prod(below.out_shape), **scales)

    def _error_through(self, stage: Stage, where: Words) -> Word:
        match stage.layer:
            case Conv():
                return self._conv_back(stage, where)
            case Depthwise():
                return self._depthwise_back(stage, where)
            case Dense():
                return self._dense_back(stage, where)

    def _conv_back(self, stage: Stage, where: Words) -> Word:
        """By lists of errors, with all weights at hand, or by sums of the whole map: static scales by the smaller."""
        room = scratch.conv_back(stage)
        sums, is_copied = 4 * prod(stage.in_shape), self.form.copies(self)
        lists = room + is_copied * edge_bytes(stage)
        where = where | self._conv_error(stage, "backward") | {"pooled": 0} | conv_fields(stage)
        if self.form.dynamic or room == 0 or lists > sums + is_copied * 4 * layout.row_bytes(stage.n_in):
            acc = self._error_sums(stage, prod(stage.in_shape))
            is_large = is_copied and edge_bytes(stage) > sums  # asking for each group takes time, too
            rows = self._rows(stage, "backward") if is_large else self.plain_rows(self._whole(stage, "backward"))
            where |= rows | {"acc": acc, "scratch": 0}
            self.emit("backward", "m0k_conv_back", **where)
            return acc
        where |= self.plain_rows(self._whole(stage, "backward")) | {"acc": 0}
        where["scratch"] = self.tensor(f"lists{stage.index} (backward)", "scratch", room)
        self.emit("backward", "m0k_conv_back", **where)
        return 0

    def _depthwise_back(self, stage: Stage, where: Words) -> Word:
        """A group's weights at a time: they are few, and asked for once."""
        acc = self._error_sums(stage, prod(stage.in_shape)) if self.form.dynamic else 0
        plane = self.tensor(f"plane{stage.index} (backward)", "scratch", scratch.depthwise_back(stage))
        where = where | self._conv_error(stage, "backward")
        where |= self._rows(stage, "backward") | kernel_fields(stage)
        self.emit("backward", "m0k_depthwise_back", **where, acc=acc, scratch=plane)
        return acc

    def _dense_back(self, stage: Stage, where: Words) -> Word:
        acc = self._error_sums(stage, layout.row_bytes(stage.n_in))
        where = where | self._rows(stage, "backward") | {"n_in": stage.n_in, "n_out": stage.n_out, "acc": acc}
        first = self.form.first_error_sums(self, stage, acc)
        where |= {"scratch": self._error_list(stage), "first": first, "pick": self.form.pick(self, stage)}
        self.emit("backward", "m0k_dense_back", **where)
        return acc

    def _error_sums(self, stage: Stage, count: int) -> Ref:
        return self.tensor(f"error sums{stage.index}", "accumulators", 4 * count)

    def _error_list(self, stage: Stage) -> Word:
        """Room for m0k_dense_back's list of errors, where it makes one."""
        size = layout.error_list_bytes(stage.n_out, stage.n_in) if self.has_full_scratch else 0
        return self.tensor(f"errors{stage.index} (list)", "scratch", size) if size else 0

    def _conv_error(self, stage: Stage, phase: Phase) -> Words:
        """The error that the kernels of a convolution take, put back through its pool where they do not do so."""
        if not stage.pool or pools.is_listed(stage):
            return {"error": self.error(stage), "argmax": self._argmax_there(stage)}
        return {"error": self._raw_error(stage, phase), "argmax": 0}

    def _argmax_there(self, stage: Stage) -> Word:
        """The places of a stage's maxima on the way back."""
        if not self._packs_places(stage):
            return self._argmax(stage)
        name = f"argmax{stage.index} (unpacked)"
        return self._unpacked("m0k_places_unpack", self._places(stage), name, stage.out_shape)

    def _raw_error(self, stage: Stage, phase: Phase) -> Ref:
        """The error at a layer's own output, made where it is not there yet."""
        if not stage.pool:
            return self.error(stage)
        name = f"raw error{stage.index}"
        is_there = name in self.tensors
        raw = self.tensor(name, "errors", prod(stage.raw_shape))
        ends: Words = {"error": self.error(stage), "out": raw} | map_fields(stage) | window_fields(stage)
        if not is_there and stage.pooled:
            self.emit(phase, "m0k_unpool", argmax=self._argmax_there(stage), **ends)
        elif not is_there:
            self.emit(phase, "m0k_average_back", **ends, factor=pools.spread_factor(stage))
        return raw

    def _gate(self, stage: Stage) -> Ref:
        """What closes the error of what a stage reads where it is 0."""
        if not self._packs_gates(stage):
            return self.activation(stage.index)
        return self._unpacked("m0k_gates_unpack", self._gates(stage), f"gate{stage.index}", stage.in_shape)

    def _unpacked(self, kernel: str, packed: Ref, name: str, shape: Sequence[int]) -> Ref:
        """A byte for each of them again, made where it is not there yet."""
        is_there = name in self.tensors
        unpacked = self.tensor(name, "activations", prod(shape))
        if not is_there:
            ends: Words = {"in": packed, "out": unpacked}
            self.emit("backward", kernel, **ends, n=prod(shape))
        return unpacked
