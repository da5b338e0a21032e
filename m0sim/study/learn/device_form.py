"""The device form of the integer methods: the passes that all of them share, and what each of them adds.

`Builder` emits forward, loss, backward, update and prune on the kernels of kernels/*.S. An `IntegerForm` says which
weights the passes multiply by, what a layer learns and how, and what the device's memory holds of it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from m0sim.image import Image
from m0sim.study.learn import additions, kernels, layout, own_kernels, pools, scratch
from m0sim.study.learn.blocks import pack
from m0sim.study.learn.config import Config
from m0sim.study.learn.networks import Conv, Dense, Depthwise, Network, Stage, pads_of
from m0sim.study.learn.own_kernels import Kernel
from m0sim.study.learn.state import Frozen, Layer, Learned, State
from m0sim.study.learn.step import (
    Code,
    Constants,
    DeviceForm,
    Kind,
    Op,
    Phase,
    Phases,
    Ref,
    Step,
    StepSettings,
    Tensor,
    Word,
)

_GROUP = 4
"""Outputs whose edges lie together."""

Words = dict[str, Word]
"""Fields of a parameter block by name."""

Read = Callable[[str], NDArray[np.uint8]]
"""The bytes of a tensor on the device."""


class IntegerForm(DeviceForm):
    """What a method does differently on the device. The defaults are those of methods that learn without a mask."""

    family: str
    """Its kernels of the update are called m0k_FAMILY_dense and m0k_FAMILY_grad."""
    dense_fields: ClassVar[Mapping[str, Word]] = {}
    """Fields that only the block of m0k_FAMILY_dense has."""
    grad_fields: ClassVar[Mapping[str, Word]] = {}
    """Fields that only the block of m0k_FAMILY_grad has."""
    dynamic = False
    """Scales measured on every tensor instead of calibrated."""
    uses_error_exponents = False
    """With dynamic scales: whether what a layer learns depends on the exponents of errors."""
    whole_gradient = False
    """Whether by how much a weight of a convolution moves depends on the whole gradient: all of it is kept then, or
    made twice, four outputs after four, the first time for m0k_FAMILY_measure."""
    mask_forms: tuple[str, ...] = ()
    """The forms in which it can keep its mask, the presumably fastest first; none where there is no mask."""
    sources: ClassVar[Sequence[str]] = ()
    """Files of kernels of its own, .S or .c, by paths from the folder of the class that names them."""
    own_kernels: ClassVar[Mapping[str, Kernel]] = {}
    """These kernels by name, m0k_FAMILY_dense and m0k_FAMILY_grad perhaps among them."""

    def operations(self, network: Network, settings: StepSettings) -> tuple[tuple[Op, ...], dict[str, Tensor]]:
        builder = Builder(network, settings, self)
        builder.forward()
        self.learn(builder)
        self.prune(builder)
        return tuple(builder.ops), builder.tensors

    def learn(self, b: Builder) -> None:
        """Loss, backward pass and update behind a forward pass."""
        b.loss()
        for stage in reversed(b.trained):
            b.backward(stage)
            self.update(b, stage)

    def kernels(self) -> Image:
        return own_kernels.beside(kernels.load(), self.source_files(), self.own_kernels)

    def stack_bytes(self, step: Step) -> int:
        return kernels.stack_bytes(step, {name: kernel.stack_bytes for name, kernel in self.own_kernels.items()})

    def version(self) -> str:
        return kernels.version() + own_kernels.version(self.source_files(), self.own_kernels)

    def source_files(self) -> tuple[Path, ...]:
        return own_kernels.source_files(type(self), self.sources)

    def added_code_bytes(self) -> int:
        if not self.sources:  # asked for every plan: nothing is read for it
            return 0
        return own_kernels.code_bytes(kernels.load(), self.source_files(), self.own_kernels)

    @property
    def grad_kernel(self) -> str:
        """The kernel that updates weights from the gradient of a convolution."""
        return f"m0k_{self.family}_grad"

    def fields(self, kernel: str) -> tuple[str, ...]:
        """The fields of the block of a kernel, or of a provider's context, of its own; none for m0sim's."""
        return self.own_kernels[kernel].fields if kernel in self.own_kernels else ()

    # -- a layer that learns, as operations

    @abstractmethod
    def weights(self, b: Builder, stage: Stage) -> Ref:
        """The stored weights of a layer that learns."""

    def whole(self, b: Builder, stage: Stage, phase: Phase) -> Ref:
        """What the passes multiply by as one array, made where it is not there yet: a convolution's way back."""
        return self.weights(b, stage)

    def copies(self, b: Builder) -> bool:
        """Whether `whole` makes an array of a layer's size for the pass."""
        return False

    def rows(self, b: Builder, stage: Stage, phase: Phase) -> Words:
        """The same row by row: the fields weights, provider and context of the kernels that ask for them."""
        return b.plain_rows(self.whole(b, stage, phase))

    def pick(self, b: Builder, stage: Stage) -> Word:
        """Where the device says whether a dense layer needs its provider; 0: it does, if there is one."""
        return 0

    def first_sums(self, b: Builder, stage: Stage, first: Word) -> Word:
        """What a dense layer's sums begin with: `first`, or what the form makes of it for the rows that it gives."""
        return first

    def first_error_sums(self, b: Builder, stage: Stage, sums: Ref) -> Word:
        """Whether the sums of the error through a dense layer begin with what the form put into `sums`."""
        return 0

    def learned_error(self, b: Builder, stage: Stage, error: Ref) -> Ref:
        """What a layer learns from: `error`, which the gradient would be made of, or what the form makes of it."""
        return error

    def learned_first(self, b: Builder, stage: Stage) -> Word:
        """Where the first values of a layer's accumulators are, int32 [outputs], if they are learned; else 0."""
        return 0

    def takes_gradient(self, stage: Stage) -> bool:
        """Whether a layer that learns does so by the gradient of its weights."""
        return True

    def with_gradient(self, network: Network, settings: StepSettings) -> tuple[Stage, ...]:
        return tuple(stage for stage in network.stages[settings.first :] if self.takes_gradient(stage))

    def update(self, b: Builder, stage: Stage) -> None:
        """The operations by which a layer learns."""
        b.update(stage)

    @abstractmethod
    def learned_fields(self, b: Builder, stage: Stage, first: int = 0) -> Words:
        """Fields of both update kernels' blocks: what learns, from output `first` (0, 4, ...) on, by which shift."""

    def prune(self, b: Builder) -> None:
        """The mask of the next step: the cut, and the form that the mask is kept in."""
        return

    # -- numbers that sizes follow from

    def keeps(self, config: Config, candidates: int) -> int | None:
        """k: how many of a layer's edges that have a score stay. None where a threshold decides, or nothing prunes."""
        return None

    # -- a layer that learns, as bytes

    @abstractmethod
    def contents(self, stage: Stage, learned: Learned, frozen: Frozen, config: Config) -> dict[str, bytes]:
        """The initial bytes of its tensors by name: what it has learned, and the constants that go with it."""

    def layer_contents(self, stage: Stage, layer: Layer, frozen: Frozen, config: Config) -> dict[str, bytes]:
        """The same of a whole layer of the state: of more than `learned` where its weights change beside that."""
        return self.contents(stage, layer.learned, frozen, config)

    def others(self, network: Network, frozen: Frozen, state: State, config: Config) -> dict[str, bytes]:
        """The initial bytes of further tensors of its own that are no single layer's, by name."""
        return {}

    @abstractmethod
    def read(self, read: Read, stage: Stage, frozen: Frozen) -> Learned:
        """The learned array in logical order, as the golden model's state has it."""


@dataclass
class Builder:
    """A step that is being built: operations so far, and tensors by name."""

    network: Network
    settings: StepSettings
    form: IntegerForm
    ops: list[Op] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def learns(self, stage: Stage) -> bool:
        """Whether the layer's weights or scores change."""
        return stage.index >= self.settings.first

    @property
    def trained(self) -> tuple[Stage, ...]:
        """The layers that learn, lowest first."""
        return self.network.stages[self.settings.first :]

    @property
    def has_full_scratch(self) -> bool:
        """Whether kernels are given memory that they could do without."""
        return self.settings.options.scratch == "full"

    # -- tensors

    def tensor(
        self,
        name: str,
        kind: Kind,
        size: int,
        place: Literal["sram", "flash"] = "sram",
        persistent: bool = False,
        within: str = "",
        optional: bool = False,
    ) -> Ref:
        """A tensor of at least `size` bytes, made at its first mention; as `Tensor` has the others."""
        if name not in self.tensors:
            self.tensors[name] = Tensor(name, kind, (size + 3) // 4 * 4, place, persistent, within, optional)
        return Ref(name)

    def activation(self, index: int) -> Ref:
        """What stage `index` reads: the image, or the output of the stage below."""
        if index == 0:
            return self.tensor("image", "activations", prod(self.network.input_shape))
        size = prod(self.network.stages[index - 1].out_shape)
        return self.tensor(f"activation{index}", "activations", size, within=self._taken_over(index))

    def _taken_over(self, index: int) -> str:
        """The tensor whose bytes what stage `index` reads may take over: what it is pooled or requantised from.

        Not where a dense layer reads padding behind it, which must stay zeros.
        """
        below, above = self.network.stages[index - 1], self.network.stages[index : index + 1]
        if any(isinstance(stage.layer, Dense) and stage.n_in % 4 for stage in above):
            return ""
        return f"raw{below.index}" if below.pool else self._before_raw(below)

    def _before_raw(self, stage: Stage) -> str:
        """The tensor that a stage's output before its pool is made of, one number of one: a sum with what is added to
        it, or accumulators."""
        if stage.added is not None:
            return f"branch{stage.index}"
        return f"sums{stage.index}" if self.form.dynamic else ""

    def label(self) -> Ref:
        """The label of the image, a word."""
        return self.tensor("label", "activations", 4)

    def error(self, stage: Stage) -> Ref:
        """The error at a stage's output."""
        return self._error_with(stage, len(self._added_to(stage)))

    def _error_with(self, stage: Stage, count: int) -> Ref:
        """The same with the errors of the first `count` of the sums that the output was added to."""
        within = f"error sums{stage.index + 1}" if self.form.dynamic and not stage.last else ""
        if count:
            within = self._error_with(stage, count - 1).tensor
        return self.tensor(
            self._part(f"error{stage.index}", stage, count), "errors", prod(stage.out_shape), within=within
        )

    def _part(self, name: str, stage: Stage, count: int) -> str:
        """The name of a tensor of that."""
        whole = len(self._added_to(stage))
        return name if count == whole else f"{name} ({count} of {whole} added)"

    def _added_to(self, stage: Stage) -> list[Stage]:
        """The stages whose error is added to that of the stage's output, as the way back comes to them."""
        first, index = self.settings.first, stage.index + 1
        return [other for other in reversed(self.network.stages) if additions.takes_error(other, first) == index]

    def error_exponent(self, stage: Stage) -> Ref:
        """Exponent of the error at a stage's output, with dynamic scales; that of the loss is constant."""
        return self._error_exponent_with(stage, len(self._added_to(stage)))

    def _error_exponent_with(self, stage: Stage, count: int) -> Ref:
        name = self._part(f"error exponent{stage.index}", stage, count)
        if stage.last:
            return self.tensor(name, "constants", 4, "flash", persistent=True)
        return self.tensor(name, "scratch", 4)

    def frozen_weights(self, stage: Stage) -> Ref:
        """Weights of 8 bits that never change, where the settings want them."""
        place: Literal["sram", "flash"] = "flash" if self.settings.options.weights_place == "flash" else "sram"
        return self.tensor(f"weights{stage.index}", "weights", edge_bytes(stage), place, persistent=True)

    def exponent(self, index: int) -> Ref:
        """Exponent of what stage `index` reads, or of the logits; kept on the device by dynamic scales only."""
        if self.form.dynamic and index > 0:
            return self.tensor(f"exponent{index}", "scratch", 4)
        return self.tensor(f"exponent{index}", "constants", 4, "flash", persistent=True)

    def _argmax(self, stage: Stage) -> Word:
        first = self.settings.first
        if not stage.pooled or stage.index < first or (stage.index == first and not self.form.takes_gradient(stage)):
            return 0
        return self.tensor(f"argmax{stage.index}", "activations", prod(stage.out_shape))

    def _raw(self, stage: Stage) -> Ref:
        """Where a stage's output goes before its pool."""
        if stage.pool:
            within = self._before_raw(stage)
            return self.tensor(f"raw{stage.index}", "activations", prod(stage.raw_shape), within=within)
        return self.activation(stage.index + 1)

    def _own(self, stage: Stage) -> Ref:
        """Where a layer's own output goes, before anything is added to it."""
        if stage.added is None:
            return self._raw(stage)
        within = f"sums{stage.index}" if self.form.dynamic else ""
        return self.tensor(f"branch{stage.index}", "activations", prod(stage.raw_shape), within=within)

    def _own_exponent(self, stage: Stage) -> Ref:
        """Its exponent, with dynamic scales."""
        if stage.added is None:
            return self.exponent(stage.index + 1)
        return self.tensor(f"branch exponent{stage.index}", "scratch", 4)

    def _sums(self, stage: Stage) -> Ref:
        return self.tensor(f"sums{stage.index}", "accumulators", 4 * prod(stage.raw_shape))

    # -- operations

    def emit(self, phase: Phase, kernel: str, **words: Word) -> None:
        """One more kernel call."""
        self.ops.append(Op(phase, kernel, pack(kernel, words, self.form.fields(kernel))))

    def provider(self, function: str, **words: Word) -> Words:
        """The fields of a kernel's block by which it asks `function` for its rows."""
        return {
            "weights": 0,
            "provider": Code(function),
            "context": Constants(pack(function, words, self.form.fields(function))),
        }

    def plain_rows(self, weights: Ref) -> Words:
        """The same fields where the rows are there as they are multiplied by."""
        return {"weights": weights, "provider": 0, "context": 0}

    def row_scratch(self, stage: Stage, phase: Phase) -> Words:
        """Fields of every provider's context: room for the rows of four outputs."""
        size = 4 * layout.row_bytes(stage.n_in)
        return {"scratch": self.tensor(f"rows{stage.index} ({phase})", "scratch", size), "row_bytes": size}

    def _whole(self, stage: Stage, phase: Phase) -> Ref:
        return self.form.whole(self, stage, phase) if self.learns(stage) else self.frozen_weights(stage)

    def _rows(self, stage: Stage, phase: Phase) -> Words:
        if self.learns(stage):
            return self.form.rows(self, stage, phase)
        return self.plain_rows(self.frozen_weights(stage))

    # -- phases

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
        self.emit("forward", "m0k_conv_forward", **where, **_conv_shape(stage), **self._forward_ends(stage))
        self._requantise(stage)
        self._add(stage)
        self._pool(stage)

    def _depthwise_forward(self, stage: Stage) -> None:
        plane = self.tensor(f"plane{stage.index}", "scratch", scratch.depthwise_forward(stage))
        where = self._rows(stage, "forward") | _window_shape(stage) | {"scratch": plane}
        self.emit("forward", "m0k_depthwise_forward", **where, **self._forward_ends(stage))
        self._requantise(stage)
        self._add(stage)
        self._pool(stage)

    def _pool(self, stage: Stage) -> None:
        if not stage.pool:
            return
        ends: Words = {"in": self._raw(stage), "out": self.activation(stage.index + 1)}
        if pools.is_listed(stage):
            self.emit("forward", "m0k_pool", **ends, argmax=self._argmax(stage), **_map(stage))
        elif stage.pooled:
            self.emit("forward", "m0k_pool_window", **ends, argmax=self._argmax(stage), **_map(stage), **_window(stage))
        else:
            factor = pools.mean_factor(stage)
            self.emit("forward", "m0k_average", **ends, **_map(stage), **_window(stage), factor=factor)

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

    def _unpacked(self, kernel: str, packed: Ref, name: str, shape: Sequence[int]) -> Ref:
        """A byte for each of them again, made where it is not there yet."""
        is_there = name in self.tensors
        unpacked = self.tensor(name, "activations", prod(shape))
        if not is_there:
            ends: Words = {"in": packed, "out": unpacked}
            self.emit("backward", kernel, **ends, n=prod(shape))
        return unpacked

    def _packs(self, stage: Stage) -> bool:
        """Whether memory counts more than time, and no gradient needs more than bits."""
        is_learning = stage.index >= self.settings.first
        return is_learning and not self.has_full_scratch and not self.form.takes_gradient(stage)

    def _packs_gates(self, stage: Stage) -> bool:
        """Whether what a stage reads is a gate alone on the way back, and kept as bits: not where it ends in padding,
        which stays as it is in memory of its own."""
        is_padded = isinstance(stage.layer, Dense) and stage.n_in % 4
        return self._packs(stage) and stage.index > self.settings.first and not is_padded

    def _packs_places(self, stage: Stage) -> bool:
        """Whether the places of a stage's maxima are kept in two bits each."""
        return self._packs(stage) and pools.is_listed(stage) and self._argmax(stage) != 0

    def _gates(self, stage: Stage) -> Ref:
        """The gates of what a stage reads."""
        i = stage.index
        return self.tensor(f"gates{i}", "activations", -(-prod(stage.in_shape) // 8), within=f"activation{i}")

    def _places(self, stage: Stage) -> Ref:
        i = stage.index
        return self.tensor(f"places{i}", "activations", -(-prod(stage.out_shape) // 4), within=f"argmax{i}")

    def _gate(self, stage: Stage) -> Ref:
        """What closes the error of what a stage reads where it is 0."""
        if not self._packs_gates(stage):
            return self.activation(stage.index)
        return self._unpacked("m0k_gates_unpack", self._gates(stage), f"gate{stage.index}", stage.in_shape)

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

    def _error_list(self, stage: Stage) -> Word:
        """Room for m0k_dense_back's list of errors, where it makes one."""
        size = layout.error_list_bytes(stage.n_out, stage.n_in) if self.has_full_scratch else 0
        return self.tensor(f"errors{stage.index} (list)", "scratch", size) if size else 0

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
            scales = _measured_scales(*exponents)
        else:
            scales = _fixed_scales(additions.forward_difference(stage, self.network, self.settings.config))
        self.emit("forward", "m0k_add", **sides, n=prod(stage.raw_shape), **scales)

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
            scales = _measured_scales(next(ours), self.error_exponent(other), next(ours), pools.exponent_fall(other))
        else:
            scales = _fixed_scales(
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
        ends: Words = {"error": self.error(stage), "out": raw} | _map(stage) | _window(stage)
        if not is_there and stage.pooled:
            self.emit(phase, "m0k_unpool", argmax=self._argmax_there(stage), **ends)
        elif not is_there:
            self.emit(phase, "m0k_average_back", **ends, factor=pools.spread_factor(stage))
        return raw

    def _error_sums(self, stage: Stage, count: int) -> Ref:
        return self.tensor(f"error sums{stage.index}", "accumulators", 4 * count)

    def _conv_back(self, stage: Stage, where: Words) -> Word:
        """By lists of errors, with all weights at hand, or by sums of the whole map: static scales by the smaller."""
        room = scratch.conv_back(stage)
        sums, is_copied = 4 * prod(stage.in_shape), self.form.copies(self)
        lists = room + is_copied * edge_bytes(stage)
        where = where | self._conv_error(stage, "backward") | {"pooled": 0} | _conv_shape(stage)
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
        where |= self._rows(stage, "backward") | _window_shape(stage)
        self.emit("backward", "m0k_depthwise_back", **where, acc=acc, scratch=plane)
        return acc

    def _dense_back(self, stage: Stage, where: Words) -> Word:
        acc = self._error_sums(stage, layout.row_bytes(stage.n_in))
        where = where | self._rows(stage, "backward") | {"n_in": stage.n_in, "n_out": stage.n_out, "acc": acc}
        first = self.form.first_error_sums(self, stage, acc)
        where |= {"scratch": self._error_list(stage), "first": first, "pick": self.form.pick(self, stage)}
        self.emit("backward", "m0k_dense_back", **where)
        return acc

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
            source |= _window_shape(stage)
        else:
            kernel, room = "m0k_conv_grad", ("lists{}", scratch.conv_grad(stage))
            source |= _conv_shape(stage)
        source["scratch"] = self.tensor(room[0].format(stage.index), "scratch", room[1])
        self.emit("update", kernel, **source, **where, first_out=first, count_out=count)
        return where


def _groups(outputs: int, at_once: int) -> list[tuple[int, int]]:
    """First output and number of outputs of each group."""
    return [(first, min(at_once, outputs - first)) for first in range(0, outputs, at_once)]


def _fixed_scales(difference: int) -> Words:
    """Fields of m0k_add for two sides whose exponents differ by a constant,"""
    return {"shift": difference & 0xFFFFFFFF, "exponent_a": 0, "exponent_b": 0, "exponent": 0}


def _measured_scales(a: Ref, b: Ref, out: Ref, fall: int = 0) -> Words:
    """or where they are; `fall`: by how much that of the second side is below."""
    return {"shift": fall, "exponent_a": a, "exponent_b": b, "exponent": out}


def edge_bytes(stage: Stage) -> int:
    """Bytes of a byte for every edge of a layer, padding included."""
    return layout.array_bytes(stage.n_out, stage.n_in)


def edges_from(edges: Ref, stage: Stage, first: int, edge: int = 1) -> Ref:
    """Where the edges of output `first` (0, 4, ...) begin in an array with `edge` bytes for each."""
    return Ref(edges.tensor, edges.offset + edge * first * layout.row_bytes(stage.n_in))


def _map(stage: Stage) -> Words:
    """Fields of the kernels of pools: the map in front of the pool,"""
    return dict(zip(("height", "width", "channels"), stage.raw_shape, strict=True))


def _window(stage: Stage) -> Words:
    """and the window."""
    return dict(zip(("window_h", "window_w"), pools.window_of(stage), strict=True))


def _conv_shape(stage: Stage) -> Words:
    """The fields that the blocks of all convolutions share."""
    return _window_shape(stage) | {"n_out": stage.n_out}


def _window_shape(stage: Stage) -> Words:
    """Those that they share with depthwise ones."""
    assert not isinstance(stage.layer, Dense)
    height, width, channels = stage.in_shape
    (kernel_h, kernel_w), (pad_h, pad_w) = stage.layer.kernel, pads_of(stage.layer)
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "kernel_h": kernel_h,
        "kernel_w": kernel_w,
        "stride": stage.layer.stride,
        "pad_h": pad_h,
        "pad_w": pad_w,
    }
