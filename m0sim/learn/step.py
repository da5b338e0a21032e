"""One training step as a list of kernel calls: what runs in which order on which tensors, before they have addresses.

`build` turns a network and a method into a `Step`: operations in order, and the tensors they use. `plan` gives the
tensors addresses, `program` makes a memory image of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from m0sim.errors import UsageError, did_you_mean
from m0sim.learn import layout
from m0sim.learn.arithmetic import STATIC_SHIFT_MAX
from m0sim.learn.methods.base import COOLEST
from m0sim.learn.methods.tin_tin import FRACTION_BITS
from m0sim.learn.networks import Conv, Network, Stage

Phase = Literal["forward", "loss", "backward", "update", "prune"]
PHASES: tuple[Phase, ...] = ("forward", "loss", "backward", "update", "prune")

Kind = Literal["weights", "scores", "mask", "activations", "errors", "accumulators", "scratch", "constants"]
KINDS: tuple[Kind, ...] = ("weights", "scores", "mask", "activations", "errors", "accumulators", "scratch", "constants")

MASK_FORMS = ("copy", "bits", "fused")
WEIGHT_PLACES = ("flash", "sram")
DYNAMIC = 0xFFFFFFFF
HISTOGRAM_BYTES = 4 * 256


@dataclass(frozen=True, slots=True)
class Tensor:
    """Some bytes with a name. `persistent` ones live across steps, the others from first to last use in a step."""

    name: str
    kind: Kind
    size: int
    place: Literal["sram", "flash"] = "sram"
    persistent: bool = False


@dataclass(frozen=True, slots=True)
class Ref:
    """The address of a tensor."""

    tensor: str


@dataclass(frozen=True, slots=True)
class Code:
    """The address of a function, with the Thumb bit."""

    symbol: str


@dataclass(frozen=True, slots=True)
class Block:
    """A block of constant words of its own (a provider's context): its address."""

    words: tuple[Word, ...]


Word = int | Ref | Code | Block


@dataclass(frozen=True, slots=True)
class Op:
    """One kernel call with its parameter block, the fields in the order of kernels/m0k.h."""

    phase: Phase
    kernel: str
    words: tuple[Word, ...]

    def tensors(self) -> tuple[str, ...]:
        """Names of the tensors that the call uses."""
        return tuple(dict.fromkeys(_tensors(self.words)))


def _tensors(words: Iterable[Word]) -> Iterable[str]:
    for word in words:
        if isinstance(word, Ref):
            yield word.tensor
        elif isinstance(word, Block):
            yield from _tensors(word.words)


@dataclass(frozen=True)
class Settings:
    """What a step needs to know besides the network. Per-stage tuples have one entry a stage with weights."""

    method: str
    forward_shift: tuple[int, ...] = ()
    """p: accumulator to activation."""
    error_shift: tuple[int, ...] = ()
    """q: accumulator to error of the stage below; entry 0 is not used."""
    update_shift: tuple[int, ...] = ()
    """s of NITI, r of PRIOT."""
    mu: int = 0
    """Dynamic NITI: log2 of what the largest gradient moves a weight by."""
    weight_exponents: tuple[int, ...] = ()
    """Dynamic scales: exponents of the stages' weights, which those of activations and errors add up."""
    rate: int = 0
    """Tin-Tin: minus log2 of the learning rate."""
    keep: tuple[int, ...] = ()
    """k: edges that stay, of all edges or, with PRIOT-S, of the scored ones."""
    theta: int = -64
    """Threshold on scores, -127..127: PRIOT keeps S >= theta where `keep` is empty."""
    first: int = 0
    """Index of the lowest stage that learns; those below have weights that never change, and no way back."""
    cool: int = 0
    """Every so many steps the learning rate is halved, COOLEST times at most; 0: never."""
    refresh: int = 1
    """Every so many steps the cut of top-k is renewed."""
    scored: tuple[int, ...] = ()
    """PRIOT-S: number of scored edges."""
    gap_bytes: tuple[int, ...] = ()
    """PRIOT-S: length of the gap lists."""
    mask_form: str = "copy"
    weights_place: str = "flash"


@dataclass(frozen=True)
class Step:
    """The operations of one training step, and the tensors they use."""

    network: Network
    settings: Settings
    ops: tuple[Op, ...]
    tensors: dict[str, Tensor]

    @cached_property
    def lifetimes(self) -> dict[str, tuple[int, int]]:
        """Of every tensor the first and last operation (indices) during which it holds something that is needed."""
        used: dict[str, tuple[int, int]] = {}
        for i, op in enumerate(self.ops):
            for name in op.tensors():
                used[name] = (used[name][0] if name in used else i, i)
        used |= {name: (0, used[name][1]) for name in HOST_INPUTS if name in used}
        return used | {t.name: (0, len(self.ops) - 1) for t in self.tensors.values() if t.persistent}


#: Written by the host before a step.
HOST_INPUTS = ("image", "label")


def build(network: Network, settings: Settings) -> Step:
    """The step of a method on a network. Raises UsageError for an unknown method, mask form or place."""
    _check(settings)
    builder = _Builder(network, settings)
    builder.forward()
    builder.loss()
    for stage in reversed(network.stages[settings.first :]):
        builder.backward(stage)
        builder.update(stage)
    builder.prune()
    return Step(network, settings, tuple(builder.ops), builder.tensors)


@dataclass(frozen=True, slots=True)
class Variant:
    """What distinguishes one step from another: how often the learning rate was halved, and whether the cut is new."""

    cooled: int
    renews: bool


def variant(settings: Settings, done: int) -> Variant:
    """Which step comes after `done` of them."""
    cooled = min(done // settings.cool, COOLEST) if settings.cool else 0
    return Variant(cooled, (done + 1) % settings.refresh == 0)


def variants(step: Step) -> dict[Variant, tuple[Op, ...]]:
    """The operations of every kind of step that there is; all use the same tensors."""
    settings = step.settings
    found: dict[Variant, tuple[Op, ...]] = {}
    for by in range(COOLEST + 1 if settings.cool else 1):
        shifts = tuple(min(shift + by, STATIC_SHIFT_MAX) for shift in settings.update_shift)
        then = replace(settings, update_shift=shifts, mu=settings.mu - by, rate=settings.rate + by)
        ops = build(step.network, then).ops if by else step.ops
        found[Variant(by, True)] = ops
        if settings.refresh > 1:
            found[Variant(by, False)] = tuple(op for op in ops if op.kernel != "m0k_select")
    return found


def _check(settings: Settings) -> None:
    for value, known, what in (
        (settings.method, _METHODS, "method"),
        (settings.mask_form, MASK_FORMS, "mask form"),
        (settings.weights_place, WEIGHT_PLACES, "place for weights"),
    ):
        if value not in known:
            raise UsageError(f"unknown {what} {value!r} (known: {', '.join(known)}){did_you_mean(value, known)}")


_METHODS = ("niti-static", "niti-dynamic", "priot", "priot-threshold", "priot-s", "tin-tin")


@dataclass
class _Builder:
    network: Network
    settings: Settings
    ops: list[Op] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    # -- properties of the method

    @property
    def dynamic(self) -> bool:
        return self.settings.method == "niti-dynamic" or self.wide

    @property
    def wide(self) -> bool:
        """Weights of 16 bits, rounded to 8 for the passes, and exponents of errors tracked as well."""
        return self.settings.method == "tin-tin"

    @property
    def pruned(self) -> bool:
        """Weights that never change, with a score for each edge or some."""
        return self.settings.method.startswith("priot")

    @property
    def sparse(self) -> bool:
        return self.settings.method == "priot-s"

    @property
    def has_threshold(self) -> bool:
        return not self.settings.keep

    def _learns(self, stage: Stage) -> bool:
        return stage.index >= self.settings.first

    # -- tensors

    def _tensor(
        self, name: str, kind: Kind, size: int, place: Literal["sram", "flash"] = "sram", persistent: bool = False
    ) -> Ref:
        if name not in self.tensors:
            self.tensors[name] = Tensor(name, kind, (size + 3) // 4 * 4, place, persistent)
        return Ref(name)

    def _activation(self, index: int) -> Ref:
        """What stage `index` reads: the image, or the output of the stage below."""
        if index == 0:
            height, width, channels = self.network.input_shape
            return self._tensor("image", "activations", height * width * channels)
        return self._tensor(f"activation{index}", "activations", _size(self.network.stages[index - 1].out_shape))

    def _error(self, stage: Stage) -> Ref:
        return self._tensor(f"error{stage.index}", "errors", _size(stage.out_shape))

    def _argmax(self, stage: Stage) -> Word:
        if not stage.pooled or not self._learns(stage):
            return 0
        return self._tensor(f"argmax{stage.index}", "activations", _size(stage.out_shape))

    def _weights(self, stage: Stage) -> Ref:
        place: Literal["sram", "flash"] = "sram"
        constant = self.pruned or not self._learns(stage)
        if constant and self.settings.weights_place == "flash":
            place = "flash"
        size = layout.array_bytes(stage.n_out, stage.n_in) * (2 if self.wide and self._learns(stage) else 1)
        return self._tensor(f"weights{stage.index}", "weights", size, place, persistent=True)

    def _scores(self, stage: Stage) -> Ref:
        size = self.settings.scored[stage.index] if self.sparse else layout.array_bytes(stage.n_out, stage.n_in)
        return self._tensor(f"scores{stage.index}", "scores", size, persistent=True)

    def _gaps(self, stage: Stage) -> Ref:
        size = self.settings.gap_bytes[stage.index]
        return self._tensor(f"gaps{stage.index}", "constants", size, "flash", persistent=True)

    def _selection(self, stage: Stage) -> Ref:
        if self.has_threshold:
            return self._tensor(f"selection{stage.index}", "constants", 8, "flash", persistent=True)
        return self._tensor(f"selection{stage.index}", "mask", 8, persistent=True)

    def _exponent(self, index: int) -> Ref:
        """Exponent of what stage `index` reads, or of the logits; kept on the device by dynamic scales only."""
        if self.dynamic and index > 0:
            return self._tensor(f"exponent{index}", "scratch", 4)
        return self._tensor(f"exponent{index}", "constants", 4, "flash", persistent=True)

    def _error_exponent(self, stage: Stage) -> Ref:
        """Tin-Tin: exponent of the error at a stage's output; that of the loss is constant."""
        name = f"error exponent{stage.index}"
        if stage.last:
            return self._tensor(name, "constants", 4, "flash", persistent=True)
        return self._tensor(name, "scratch", 4)

    def _emit(self, phase: Phase, kernel: str, *words: Word) -> None:
        self.ops.append(Op(phase, kernel, words))

    # -- the masked or rounded weights

    def _are_plain(self, stage: Stage) -> bool:
        """Whether the passes multiply by the stored weights."""
        return not self._learns(stage) or not (self.pruned or self.wide)

    def _whole(self, stage: Stage, phase: Phase) -> Ref:
        """The stage's weights with the mask applied, or rounded, as one array: what a convolution reads."""
        size = layout.array_bytes(stage.n_out, stage.n_in)
        if self._are_plain(stage):
            return self._weights(stage)
        if self.wide:
            rounded = self._tensor(f"rounded{stage.index} ({phase})", "scratch", size)
            self._emit(phase, "m0k_w16_copy", self._weights(stage), rounded, size)
            return rounded
        if self.settings.mask_form == "copy":
            return self._tensor(f"masked{stage.index}", "mask", size, persistent=True)
        out = self._tensor(f"masked{stage.index} ({phase})", "scratch", size)
        self._copy_masked(stage, phase, out)
        return out

    def _copy_masked(self, stage: Stage, phase: Phase, out: Ref) -> None:
        size = layout.array_bytes(stage.n_out, stage.n_in)
        inputs = (self._weights(stage), self._scores(stage), self._selection(stage))
        if self.sparse:
            count = self.settings.scored[stage.index]
            self._emit(phase, "m0k_sparse_copy", *inputs, self._gaps(stage), count, out, size)
        else:
            self._emit(phase, "m0k_mask_copy", *inputs, out, size)

    def _dense_weights(self, stage: Stage, phase: Phase) -> tuple[Word, Word, Word]:
        """Weights, provider and context of a dense kernel."""
        if self._are_plain(stage) or (self.pruned and self.settings.mask_form == "copy"):
            return self._whole(stage, phase), 0, 0
        row_bytes = 4 * layout.row_bytes(stage.n_in)
        rows = self._tensor(f"rows{stage.index} ({phase})", "scratch", row_bytes)
        weights = self._weights(stage)
        if self.wide:
            return 0, Code("m0k_rows_w16"), Block((weights, rows, row_bytes))
        if self.settings.mask_form == "bits" and not self.sparse:
            return 0, Code("m0k_rows_bits"), Block((weights, self._bits(stage), rows, row_bytes))
        state = self._tensor(f"rows{stage.index} state ({phase})", "scratch", 16 if self.sparse else 4)
        inputs: tuple[Word, ...] = (weights, self._scores(stage), self._selection(stage))
        if self.sparse:
            inputs += (self._gaps(stage), self.settings.scored[stage.index])
            return 0, Code("m0k_rows_sparse"), Block((*inputs, rows, row_bytes, state))
        return 0, Code("m0k_rows_scores"), Block((*inputs, rows, row_bytes, state))

    def _bits(self, stage: Stage) -> Ref:
        size = layout.array_bytes(stage.n_out, stage.n_in) // 8
        return self._tensor(f"bits{stage.index}", "mask", size, persistent=True)

    # -- phases

    def forward(self) -> None:
        """Convolutions, pools and dense layers, from the image to the logits."""
        for stage in self.network.stages:
            if isinstance(stage.layer, Conv):
                self._conv_forward(stage)
            else:
                self._dense_forward(stage)

    def _raw(self, stage: Stage) -> Ref:
        """Where a stage's output goes before its pool."""
        if stage.pooled:
            return self._tensor(f"raw{stage.index}", "activations", _size(stage.raw_shape))
        return self._activation(stage.index + 1)

    def _conv_forward(self, stage: Stage) -> None:
        weights = self._whole(stage, "forward")
        patch = self._tensor(f"patch{stage.index}", "scratch", layout.row_bytes(stage.n_in))
        out, acc = self._forward_outputs(stage)
        where: tuple[Word, ...] = (self._activation(stage.index), weights, out, patch)
        shift, relu = self._forward_shift(stage), int(not stage.last)
        self._emit("forward", "m0k_conv_forward", *where, *_conv_shape(stage), shift, relu, 0, acc)
        self._requantise(stage, acc)
        if stage.pooled:
            pooled = self._activation(stage.index + 1)
            height, width, channels = stage.raw_shape
            argmax = self._argmax(stage)
            self._emit("forward", "m0k_pool", self._raw(stage), pooled, argmax, height, width, channels)

    def _dense_forward(self, stage: Stage) -> None:
        weights, provider, context = self._dense_weights(stage, "forward")
        out, acc = self._forward_outputs(stage)
        shape = (stage.n_in, stage.n_out, self._forward_shift(stage), int(not stage.last), 0)
        source = self._activation(stage.index)
        self._emit("forward", "m0k_dense_forward", source, weights, out, *shape, provider, context, acc)
        self._requantise(stage, acc)

    def _forward_shift(self, stage: Stage) -> int:
        return 0 if self.dynamic else self.settings.forward_shift[stage.index]

    def _forward_outputs(self, stage: Stage) -> tuple[Word, Word]:
        """The int8 output and, with dynamic scales, the int32 buffer that must exist before it."""
        if not self.dynamic:
            return self._raw(stage), 0
        return 0, self._tensor(f"sums{stage.index}", "accumulators", 4 * _size(stage.raw_shape))

    def _requantise(self, stage: Stage, acc: Word) -> None:
        if not self.dynamic:
            return
        own = self.settings.weight_exponents[stage.index] & 0xFFFFFFFF
        exponents = (self._exponent(stage.index + 1), self._exponent(stage.index), own)
        count, relu = _size(stage.raw_shape), int(not stage.last)
        self._emit("forward", "m0k_requant", acc, self._raw(stage), count, *exponents, relu, 0)

    def loss(self) -> None:
        """Logits and label to the error of the last stage."""
        last = self.network.stages[-1]
        logits, label = self._activation(last.index + 1), self._tensor("label", "activations", 4)
        exponent = self._exponent(last.index + 1)
        self._emit("loss", "m0k_loss", logits, label, self._error(last), last.n_out, exponent)

    def backward(self, stage: Stage) -> None:
        """The error of the stage below, gated by that stage's output, where that one learns."""
        if stage.index == self.settings.first:
            return
        below = self.network.stages[stage.index - 1]
        gate, out = self._activation(stage.index), self._error(below)
        shift = 0 if self.dynamic else self.settings.error_shift[stage.index]
        count = _size(stage.in_shape)
        name = f"error sums{stage.index}"
        if isinstance(stage.layer, Conv):
            weights = self._whole(stage, "backward")
            acc = self._tensor(name, "accumulators", 4 * count)
            where: tuple[Word, ...] = (self._error(stage), self._argmax(stage), 0, weights, acc, out)
            self._emit("backward", "m0k_conv_back", *where, *_conv_shape(stage), shift, gate, int(self.dynamic))
        else:
            weights_word, provider, context = self._dense_weights(stage, "backward")
            acc = self._tensor(name, "accumulators", 4 * layout.row_bytes(stage.n_in))
            shape: tuple[Word, ...] = (stage.n_in, stage.n_out, shift, gate, provider, context, int(self.dynamic))
            self._emit("backward", "m0k_dense_back", self._error(stage), weights_word, acc, out, *shape)
        if self.dynamic:
            exponents: tuple[Word, ...] = (0, 0, 0)
            if self.wide:
                own = self.settings.weight_exponents[stage.index] & 0xFFFFFFFF
                exponents = (self._error_exponent(below), self._error_exponent(stage), own)
            self._emit("backward", "m0k_requant", acc, out, count, *exponents, 0, gate)

    def update(self, stage: Stage) -> None:
        """Gradient and update of the stage's weights or scores."""
        if self.wide:
            self._update_wide(stage)
            return
        learned: tuple[Word, ...] = (self._weights(stage),)
        tail: tuple[Word, ...] = (stage.n_in, stage.n_out)
        if self.pruned:
            learned += (self._scores(stage),)
            if self.sparse:
                learned += (self._gaps(stage), self.settings.scored[stage.index])
        shift = DYNAMIC if self.dynamic else self.settings.update_shift[stage.index]
        family = "sparse" if self.sparse else "score" if self.pruned else "niti"
        extra: tuple[Word, ...] = () if self.pruned else (self.settings.mu & 0xFFFFFFFF,)
        if isinstance(stage.layer, Conv):
            grad = self._gradient(stage)
            self._emit("update", f"m0k_{family}_grad", grad, *learned, *tail, shift, *extra)
            return
        signed: tuple[Word, ...] = () if self.sparse else (0,)
        source = (self._error(stage), self._activation(stage.index))
        self._emit("update", f"m0k_{family}_dense", *source, *learned, *tail, shift, *extra, *signed)

    def _update_wide(self, stage: Stage) -> None:
        base = self.settings.weight_exponents[stage.index] - FRACTION_BITS + self.settings.rate
        exponents = (self._error_exponent(stage), self._exponent(stage.index), base & 0xFFFFFFFF)
        tail: tuple[Word, ...] = (self._weights(stage), stage.n_in, stage.n_out, *exponents)
        if isinstance(stage.layer, Conv):
            self._emit("update", "m0k_tintin_grad", self._gradient(stage), *tail)
        else:
            self._emit("update", "m0k_tintin_dense", self._error(stage), self._activation(stage.index), *tail)

    def _gradient(self, stage: Stage) -> Ref:
        size = 4 * stage.n_out * layout.row_bytes(stage.n_in)
        grad = self._tensor(f"gradient{stage.index}", "accumulators", size)
        source: tuple[Word, ...] = (self._error(stage), self._argmax(stage), self._activation(stage.index), grad)
        self._emit("update", "m0k_conv_grad", *source, *_conv_shape(stage))
        return grad

    def prune(self) -> None:
        """The mask of the next step: the cut, and the form that the mask is kept in."""
        if not self.pruned:
            return
        for stage in self.network.stages[self.settings.first :]:
            if not self.has_threshold:
                count = self.tensors[self._scores(stage).tensor].size
                if self.sparse:
                    count = self.settings.scored[stage.index]
                histogram = self._tensor(f"histogram{stage.index}", "scratch", HISTOGRAM_BYTES)
                chosen = (self.settings.keep[stage.index], self._selection(stage), histogram)
                self._emit("prune", "m0k_select", self._scores(stage), count, *chosen)
            if self.settings.mask_form == "copy":
                self._copy_masked(stage, "prune", self._whole(stage, "prune"))
            elif self.settings.mask_form == "bits" and not self.sparse and not isinstance(stage.layer, Conv):
                size = layout.array_bytes(stage.n_out, stage.n_in)
                inputs = (self._scores(stage), self._selection(stage))
                self._emit("prune", "m0k_mask_pack", *inputs, self._bits(stage), size)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def _conv_shape(stage: Stage) -> tuple[int, ...]:
    """height, width, channels, n_out, kernel_h, kernel_w, stride, pad: the fields that all convolution blocks share."""
    assert isinstance(stage.layer, Conv)
    return (*stage.in_shape, stage.n_out, *stage.layer.kernel, stage.layer.stride, stage.layer.pad)
