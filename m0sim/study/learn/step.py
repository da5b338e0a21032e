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
from m0sim.study.learn import layout
from m0sim.study.learn.arithmetic import STATIC_SHIFT_MAX
from m0sim.study.learn.blocks import pack
from m0sim.study.learn.methods.base import COOLEST
from m0sim.study.learn.methods.tin_tin import FRACTION_BITS
from m0sim.study.learn.networks import Conv, Network, Stage

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
    """One kernel call with the words of its parameter block, in the order of the block's fields."""

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

    def _emit(self, phase: Phase, kernel: str, **words: Word) -> None:
        self.ops.append(Op(phase, kernel, pack(kernel, words)))

    def _provider(self, function: str, **words: Word) -> dict[str, Word]:
        """The words of a dense kernel's block by which it asks `function` for its rows."""
        return {"weights": 0, "provider": Code(function), "context": Block(pack(function, words))}

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
            self._emit(phase, "m0k_w16_copy", weights16=self._weights(stage), out=rounded, n=size)
            return rounded
        if self.settings.mask_form == "copy":
            return self._tensor(f"masked{stage.index}", "mask", size, persistent=True)
        out = self._tensor(f"masked{stage.index} ({phase})", "scratch", size)
        self._copy_masked(stage, phase, out)
        return out

    def _copy_masked(self, stage: Stage, phase: Phase, out: Ref) -> None:
        masked = self._masked(stage) | {"out": out, "n": layout.array_bytes(stage.n_out, stage.n_in)}
        self._emit(phase, "m0k_sparse_copy" if self.sparse else "m0k_mask_copy", **masked)

    def _masked(self, stage: Stage) -> dict[str, Word]:
        """The weights and what says which of them stay: fields of every block that masks."""
        fields: dict[str, Word] = {"weights": self._weights(stage), "scores": self._scores(stage)}
        fields["selection"] = self._selection(stage)
        return fields | self._scored(stage)

    def _scored(self, stage: Stage) -> dict[str, Word]:
        """PRIOT-S: which edges have a score."""
        if not self.sparse:
            return {}
        return {"gaps": self._gaps(stage), "count": self.settings.scored[stage.index]}

    def _dense_weights(self, stage: Stage, phase: Phase) -> dict[str, Word]:
        """Weights, provider and context of a dense kernel."""
        if self._are_plain(stage) or (self.pruned and self.settings.mask_form == "copy"):
            return {"weights": self._whole(stage, phase), "provider": 0, "context": 0}
        row_bytes = 4 * layout.row_bytes(stage.n_in)
        scratch = self._tensor(f"rows{stage.index} ({phase})", "scratch", row_bytes)
        if self.wide:
            weights16 = self._weights(stage)
            return self._provider("m0k_rows_w16", weights16=weights16, scratch=scratch, row_bytes=row_bytes)
        rows: dict[str, Word] = {"scratch": scratch, "row_bytes": row_bytes}
        if self.settings.mask_form == "bits" and not self.sparse:
            return self._provider("m0k_rows_bits", weights=self._weights(stage), bits=self._bits(stage), **rows)
        rows["state"] = self._tensor(f"rows{stage.index} state ({phase})", "scratch", 16 if self.sparse else 4)
        function = "m0k_rows_sparse" if self.sparse else "m0k_rows_scores"
        return self._provider(function, **self._masked(stage), **rows)

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
        patch = self._tensor(f"patch{stage.index}", "scratch", layout.row_bytes(stage.n_in))
        where: dict[str, Word] = {"weights": self._whole(stage, "forward"), "patch": patch}
        self._emit("forward", "m0k_conv_forward", **where, **_conv_shape(stage), **self._forward_ends(stage))
        self._requantise(stage)
        if stage.pooled:
            shape = dict(zip(("height", "width", "channels"), stage.raw_shape, strict=True))
            argmax, pooled = self._argmax(stage), self._activation(stage.index + 1)
            self._emit("forward", "m0k_pool", **{"in": self._raw(stage)}, out=pooled, argmax=argmax, **shape)

    def _dense_forward(self, stage: Stage) -> None:
        where = self._dense_weights(stage, "forward") | {"n_in": stage.n_in, "n_out": stage.n_out}
        self._emit("forward", "m0k_dense_forward", **where, **self._forward_ends(stage))
        self._requantise(stage)

    def _forward_ends(self, stage: Stage) -> dict[str, Word]:
        """What all forward kernels read and write: int8 outputs or, with dynamic scales, the sums that come first."""
        return {
            "in": self._activation(stage.index),
            "out": 0 if self.dynamic else self._raw(stage),
            "shift": 0 if self.dynamic else self.settings.forward_shift[stage.index],
            "relu": int(not stage.last),
            "signed_in": 0,
            "acc_out": self._sums(stage) if self.dynamic else 0,
            "first": 0,
        }

    def _sums(self, stage: Stage) -> Ref:
        return self._tensor(f"sums{stage.index}", "accumulators", 4 * _size(stage.raw_shape))

    def _requantise(self, stage: Stage) -> None:
        if not self.dynamic:
            return
        exponents: dict[str, Word] = {
            "exponent": self._exponent(stage.index + 1),
            "exponent_in": self._exponent(stage.index),
            "exponent_w": self.settings.weight_exponents[stage.index] & 0xFFFFFFFF,
        }
        ends: dict[str, Word] = {"acc": self._sums(stage), "out": self._raw(stage), "n": _size(stage.raw_shape)}
        self._emit("forward", "m0k_requant", **ends, **exponents, relu=int(not stage.last), gate=0)

    def loss(self) -> None:
        """Logits and label to the error of the last stage."""
        last = self.network.stages[-1]
        self._emit(
            "loss",
            "m0k_loss",
            logits=self._activation(last.index + 1),
            label=self._tensor("label", "activations", 4),
            error=self._error(last),
            classes=last.n_out,
            exponent_address=self._exponent(last.index + 1),
        )

    def backward(self, stage: Stage) -> None:
        """The error of the stage below, gated by that stage's output, where that one learns."""
        if stage.index == self.settings.first:
            return
        below = self.network.stages[stage.index - 1]
        count = _size(stage.in_shape)
        sums = count if isinstance(stage.layer, Conv) else layout.row_bytes(stage.n_in)
        ends: dict[str, Word] = {
            "acc": self._tensor(f"error sums{stage.index}", "accumulators", 4 * sums),
            "out": self._error(below),
            "gate": self._activation(stage.index),
        }
        scale: dict[str, Word] = {
            "shift": 0 if self.dynamic else self.settings.error_shift[stage.index],
            "dynamic": int(self.dynamic),
        }
        where: dict[str, Word] = {"error": self._error(stage)}
        if isinstance(stage.layer, Conv):
            where |= {"argmax": self._argmax(stage), "pooled": 0, "weights": self._whole(stage, "backward")}
            self._emit("backward", "m0k_conv_back", **where, **ends, **_conv_shape(stage), **scale)
        else:
            where |= self._dense_weights(stage, "backward") | {"n_in": stage.n_in, "n_out": stage.n_out}
            self._emit("backward", "m0k_dense_back", **where, **ends, **scale)
        if self.dynamic:
            self._emit("backward", "m0k_requant", **ends, n=count, relu=0, **self._error_exponents(stage, below))

    def _error_exponents(self, stage: Stage, below: Stage) -> dict[str, Word]:
        """Tin-Tin keeps the exponents of errors; for the others they do not matter."""
        if not self.wide:
            return {"exponent": 0, "exponent_in": 0, "exponent_w": 0}
        own = self.settings.weight_exponents[stage.index] & 0xFFFFFFFF
        return {
            "exponent": self._error_exponent(below),
            "exponent_in": self._error_exponent(stage),
            "exponent_w": own,
        }

    def update(self, stage: Stage) -> None:
        """Gradient and update of the stage's weights or scores."""
        learned: dict[str, Word] = {"n_in": stage.n_in, "n_out": stage.n_out}
        if self.wide:
            learned |= {"weights16": self._weights(stage), **self._alignment(stage)}
        elif self.pruned:
            learned |= {"weights": self._weights(stage), "scores": self._scores(stage), **self._scored(stage)}
            learned["shift"] = self.settings.update_shift[stage.index]
        else:
            learned["weights"] = self._weights(stage)
            learned["shift"] = DYNAMIC if self.dynamic else self.settings.update_shift[stage.index]
            learned["mu"] = self.settings.mu & 0xFFFFFFFF
        family = "tintin" if self.wide else "sparse" if self.sparse else "score" if self.pruned else "niti"
        if isinstance(stage.layer, Conv):
            self._emit("update", f"m0k_{family}_grad", grad=self._gradient(stage), **learned)
            return
        if family in ("score", "niti"):
            learned["signed_in"] = 0
        learned |= {"error": self._error(stage), "in": self._activation(stage.index)}
        self._emit("update", f"m0k_{family}_dense", **learned)

    def _alignment(self, stage: Stage) -> dict[str, Word]:
        """Tin-Tin: what the gradient is shifted by to the weights' own exponent."""
        base = self.settings.weight_exponents[stage.index] - FRACTION_BITS + self.settings.rate
        return {
            "error_exponent": self._error_exponent(stage),
            "in_exponent": self._exponent(stage.index),
            "base": base & 0xFFFFFFFF,
        }

    def _gradient(self, stage: Stage) -> Ref:
        size = 4 * stage.n_out * layout.row_bytes(stage.n_in)
        grad = self._tensor(f"gradient{stage.index}", "accumulators", size)
        source: dict[str, Word] = {"error": self._error(stage), "argmax": self._argmax(stage)}
        source["in"] = self._activation(stage.index)
        self._emit("update", "m0k_conv_grad", **source, grad=grad, **_conv_shape(stage))
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
                self._emit(
                    "prune",
                    "m0k_select",
                    scores=self._scores(stage),
                    n=count,
                    k=self.settings.keep[stage.index],
                    selection=self._selection(stage),
                    histogram=self._tensor(f"histogram{stage.index}", "scratch", HISTOGRAM_BYTES),
                )
            if self.settings.mask_form == "copy":
                self._copy_masked(stage, "prune", self._whole(stage, "prune"))
            elif self.settings.mask_form == "bits" and not self.sparse and not isinstance(stage.layer, Conv):
                size = layout.array_bytes(stage.n_out, stage.n_in)
                inputs: dict[str, Word] = {"scores": self._scores(stage), "selection": self._selection(stage)}
                self._emit("prune", "m0k_mask_pack", **inputs, bits=self._bits(stage), n=size)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def _conv_shape(stage: Stage) -> dict[str, Word]:
    """The fields that the blocks of all convolutions share."""
    assert isinstance(stage.layer, Conv)
    height, width, channels = stage.in_shape
    kernel_h, kernel_w = stage.layer.kernel
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "n_out": stage.n_out,
        "kernel_h": kernel_h,
        "kernel_w": kernel_w,
        "stride": stage.layer.stride,
        "pad": stage.layer.pad,
    }
