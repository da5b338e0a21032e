"""The forward pass of a training step and the loss, as kernel calls."""

from __future__ import annotations

from math import prod

from m0sim.study.learn import additions, layout, pools, scratch
from m0sim.study.learn.networks import Conv, Dense, Depthwise, Stage, pads_of
from m0sim.study.learn.step import Phases, Ref, Word
from m0sim.study.learn.step_fields import (
    Words,
    conv_fields,
    fixed_scales,
    kernel_fields,
    map_fields,
    measured_scales,
    window_fields,
)
from m0sim.study.learn.step_tensors import StepTensors


class ForwardPass(StepTensors):
    """From the image to the logits, and to their error."""

    def forward(self, first: int = 0) -> None:
        """Convolutions, pools and dense layers, from the image, or from what stage `first` reads, to the logits."""
        for stage in self.network.stages[first:]:
            if isinstance(stage.layer, Dense):
                self._dense_forward(stage)
            elif isinstance(stage.layer, Depthwise):
                self._depthwise_forward(stage)
            else:
                self._conv_forward(stage)
            self._pack(stage)

    def _conv_forward(self, stage: Stage) -> None:
        layer, rows = stage.layer, self._rows(stage, "forward")
        assert isinstance(layer, Conv)
        shape = stage.in_shape, stage.n_out, layer.kernel, layer.stride, pads_of(layer)
        size = layout.conv_scratch(*shape, provided=rows["provider"] != 0)
        where: Words = rows | {"scratch": self.tensor(f"lanes{stage.index}", "scratch", size), "signed_in": 0}
        self.emit("forward", "m0k_conv_forward", **where, **conv_fields(stage), **self._forward_ends(stage))
        self._requantise(stage)
        self._add(stage)
        self._pool(stage)

    def _depthwise_forward(self, stage: Stage) -> None:
        plane = self.tensor(f"plane{stage.index}", "scratch", scratch.depthwise_forward(stage))
        where = self._rows(stage, "forward") | kernel_fields(stage) | {"scratch": plane}
        self.emit("forward", "m0k_depthwise_forward", **where, **self._forward_ends(stage))
        self._requantise(stage)
        self._add(stage)
        self._pool(stage)

    def _dense_forward(self, stage: Stage) -> None:
        where = self._rows(stage, "forward") | {"n_in": stage.n_in, "n_out": stage.n_out, "signed_in": 0}
        prepared = self._inputs_prepared(stage)
        where |= {"scratch": prepared, "columns": self._columns(stage, where["weights"]) if prepared else 0, "pick": 0}
        ends = self._forward_ends(stage)
        if self.learns(stage):
            where["pick"] = self.form.pick(self, stage)
            ends["first"] = self.form.first_sums(self, stage, ends["first"])
        self.emit("forward", "m0k_dense_forward", **where, **ends)
        self._requantise(stage)

    def _forward_ends(self, stage: Stage) -> Words:
        """What all forward kernels read and write: int8 outputs or, with dynamic scales, the sums that come first."""
        dynamic = self.form.dynamic
        return {
            "in": self.activation(stage.index),
            "out": 0 if dynamic else self._own(stage),
            "shift": 0 if dynamic else self.settings.config.forward[stage.index],
            "relu": int(not stage.last and stage.added is None),
            "acc_out": self._sums(stage) if dynamic else 0,
            "first": self.first_values(stage),
        }

    def first_values(self, stage: Stage) -> Word:
        """What the accumulators begin with: 0, or the address of the biases, aligned to the accumulators' exponent."""
        if self.learns(stage) and (learned := self.form.learned_first(self, stage)):
            return learned
        if not stage.layer.bias:
            return 0
        size = 4 * stage.n_out
        biases = self.tensor(f"bias{stage.index}", "constants", size, "flash", persistent=True)
        if not self.form.dynamic or stage.index == 0:
            return biases
        first = self.tensor(f"first{stage.index}", "scratch", size)
        exponents: Words = {"exponent_in": self.exponent(stage.index)}
        exponents["exponent_image"] = self.settings.config.image_exponent & 0xFFFFFFFF
        self.emit("forward", "m0k_first_values", biases=biases, out=first, n=stage.n_out, **exponents)
        return first

    def _columns(self, stage: Stage, weights: Word) -> Word:
        """The weights once more by inputs, where they are in flash and never change: for few inputs that are not 0."""
        if not isinstance(weights, Ref) or self.tensors[weights.tensor].place != "flash":
            return 0
        name, size = f"columns{stage.index}", layout.columns_bytes(stage.n_out, stage.n_in)
        return self.tensor(name, "weights", size, "flash", persistent=True, optional=True)

    def _inputs_prepared(self, stage: Stage) -> Word:
        """Room for what m0k_dense_forward makes of its inputs, where it makes anything."""
        size = layout.dense_scratch_bytes(stage.n_out, stage.n_in) if self.has_full_scratch else 0
        return self.tensor(f"inputs{stage.index} (prepared)", "scratch", size) if size else 0

    def _requantise(self, stage: Stage) -> None:
        if not self.form.dynamic:
            return
        exponents: Words = {
            "exponent": self._own_exponent(stage),
            "exponent_in": self.exponent(stage.index),
            "exponent_w": self.settings.config.weight_exponents[stage.index] & 0xFFFFFFFF,
        }
        ends: Words = {"acc": self._sums(stage), "out": self._own(stage), "n": prod(stage.raw_shape)}
        is_positive = not stage.last and stage.added is None
        self.emit("forward", "m0k_requant", **ends, **exponents, relu=int(is_positive), gate=0)

    def _add(self, stage: Stage) -> None:
        """What is added to a layer's output, and the ReLU."""
        if stage.added is None:
            return
        sides: Words = {"a": self._own(stage), "b": self.activation(stage.added), "out": self._raw(stage), "gate": 0}
        if self.form.dynamic:
            exponents = self._own_exponent(stage), self.exponent(stage.added), self.exponent(stage.index + 1)
            scales = measured_scales(*exponents)
        else:
            scales = fixed_scales(additions.forward_difference(stage, self.network, self.settings.config))
        self.emit("forward", "m0k_add", **sides, n=prod(stage.raw_shape), **scales)

    def _pool(self, stage: Stage) -> None:
        if not stage.pool:
            return
        ends: Words = {"in": self._raw(stage), "out": self.activation(stage.index + 1)}
        if pools.is_listed(stage):
            self.emit("forward", "m0k_pool", **ends, argmax=self._argmax(stage), **map_fields(stage))
        elif stage.pooled:
            self.emit(
                "forward",
                "m0k_pool_window",
                **ends,
                argmax=self._argmax(stage),
                **map_fields(stage),
                **window_fields(stage),
            )
        else:
            factor = pools.mean_factor(stage)
            self.emit("forward", "m0k_average", **ends, **map_fields(stage), **window_fields(stage), factor=factor)

    def _pack(self, stage: Stage) -> None:
        """Bits of what nothing reads in the forward pass from here on, but the way back."""
        if self._packs_places(stage):
            ends: Words = {"in": self._argmax(stage), "out": self._places(stage)}
            self.emit("forward", "m0k_places_pack", **ends, n=prod(stage.out_shape))
        for other in self.network.stages[: stage.index + 1]:
            readers = [each.index for each in self.network.stages if each.added == other.index]
            if self._packs_gates(other) and max(other.index, *readers, 0) == stage.index:
                ends = {"in": self.activation(other.index), "out": self._gates(other)}
                self.emit("forward", "m0k_gates_pack", **ends, n=prod(other.in_shape))

    def loss(self) -> None:
        """Logits and label to the error of the last stage."""
        last = self.network.stages[-1]
        self.emit(
            "loss",
            "m0k_loss",
            logits=self.activation(last.index + 1),
            label=self.label(),
            error=self.error(last),
            classes=last.n_out,
            exponent_address=self.exponent(last.index + 1),
            idle=Phases(),
        )
