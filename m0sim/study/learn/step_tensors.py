"""The tensors of a training step: what they are called, how large they are, and what takes over whose bytes.

`StepTensors` is what the parts of a step have in common; each part emits its own operations: `step_forward`,
`step_backward`, `step_update`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal, Protocol

from m0sim.study.learn import additions, layout, pools
from m0sim.study.learn.blocks import pack
from m0sim.study.learn.networks import Dense, Network, Stage
from m0sim.study.learn.step import Code, Constants, Kind, Op, Phase, Ref, StepSettings, Tensor, Word
from m0sim.study.learn.step_fields import Words, edge_bytes


class LayerForm(Protocol):
    """What the parts of a step ask of a method: `device_form.IntegerForm` says more.

    `b` is the step that asks, a `device_form.Builder`, which is made of the parts that are known here.
    """

    family: str
    dynamic: bool
    uses_error_exponents: bool
    whole_gradient: bool

    @property
    def dense_fields(self) -> Mapping[str, Word]: ...
    @property
    def grad_fields(self) -> Mapping[str, Word]: ...
    @property
    def grad_kernel(self) -> str: ...
    def fields(self, kernel: str) -> tuple[str, ...]: ...
    def takes_gradient(self, stage: Stage) -> bool: ...
    def weights(self, b: Any, stage: Stage) -> Ref: ...
    def whole(self, b: Any, stage: Stage, phase: Phase) -> Ref: ...
    def copies(self, b: Any) -> bool: ...
    def rows(self, b: Any, stage: Stage, phase: Phase) -> Words: ...
    def pick(self, b: Any, stage: Stage) -> Word: ...
    def first_sums(self, b: Any, stage: Stage, first: Word) -> Word: ...
    def first_error_sums(self, b: Any, stage: Stage, sums: Ref) -> Word: ...
    def learned_first(self, b: Any, stage: Stage) -> Word: ...
    def learned_error(self, b: Any, stage: Stage, error: Ref) -> Ref: ...
    def learned_fields(self, b: Any, stage: Stage, first: int = 0) -> Words: ...


@dataclass
class StepTensors:
    """Operations so far, and tensors by name."""

    network: Network
    settings: StepSettings
    form: LayerForm
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

    # -- activations

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

    # -- errors

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

    # -- what is kept as bits, where memory counts more than time

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

    # -- weights

    def frozen_weights(self, stage: Stage) -> Ref:
        """Weights of 8 bits that never change, where the settings want them."""
        place: Literal["sram", "flash"] = "flash" if self.settings.options.weights_place == "flash" else "sram"
        return self.tensor(f"weights{stage.index}", "weights", edge_bytes(stage), place, persistent=True)

    def plain_rows(self, weights: Ref) -> Words:
        """The same fields where the rows are there as they are multiplied by."""
        return {"weights": weights, "provider": 0, "context": 0}

    def provider(self, function: str, **words: Word) -> Words:
        """The fields of a kernel's block by which it asks `function` for its rows."""
        return {
            "weights": 0,
            "provider": Code(function),
            "context": Constants(pack(function, words, self.form.fields(function))),
        }

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

    # -- operations

    def emit(self, phase: Phase, kernel: str, **words: Word) -> None:
        """One more kernel call."""
        self.ops.append(Op(phase, kernel, pack(kernel, words, self.form.fields(kernel))))
