"""One training step as a list of kernel calls: what runs in which order on which tensors, before they have addresses.

`build` turns a network and a method's device form into a `Step`: operations in order, and the tensors they use. `plan`
gives the tensors addresses, `program` makes a memory image of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from m0sim.errors import UsageError, did_you_mean
from m0sim.image import Image
from m0sim.study.learn.arithmetic import STATIC_SHIFT_MAX
from m0sim.study.learn.config import COOLEST
from m0sim.study.learn.networks import Network

Phase = Literal["forward", "loss", "backward", "update", "prune"]
PHASES: tuple[Phase, ...] = ("forward", "loss", "backward", "update", "prune")

Kind = Literal["weights", "scores", "mask", "activations", "errors", "accumulators", "scratch", "constants"]
KINDS: tuple[Kind, ...] = ("weights", "scores", "mask", "activations", "errors", "accumulators", "scratch", "constants")

MASK_FORMS = ("copy", "bits", "fused")
WEIGHT_PLACES = ("flash", "sram")


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

    form: DeviceForm
    """The method's."""
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


class DeviceForm(ABC):
    """A method's training step as the device runs it: what planner, program and reports ask of every method."""

    @abstractmethod
    def operations(self, network: Network, settings: Settings) -> tuple[tuple[Op, ...], dict[str, Tensor]]:
        """The kernel calls of one step in their order, and the tensors that they use by name."""

    @abstractmethod
    def kernels(self) -> Image:
        """The code that the operations call. Raises UsageError where it is neither there nor can be made."""

    @abstractmethod
    def stack_bytes(self, step: Step) -> int:
        """The deepest stack of a step, the dispatcher's included."""

    @abstractmethod
    def version(self) -> str:
        """The code that cycles hold for, in words: other code has another version."""


def build(network: Network, settings: Settings) -> Step:
    """The step of a method on a network. Raises UsageError for an unknown mask form or place."""
    _check(settings)
    return Step(network, settings, *settings.form.operations(network, settings))


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
        (settings.mask_form, MASK_FORMS, "mask form"),
        (settings.weights_place, WEIGHT_PLACES, "place for weights"),
    ):
        if value not in known:
            raise UsageError(f"unknown {what} {value!r} (known: {', '.join(known)}){did_you_mean(value, known)}")
