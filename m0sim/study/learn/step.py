"""One training step as a list of kernel calls: what runs in which order on which tensors, before they have addresses.

`build` turns a network and a method's device form into a `Step`: operations in order, and the tensors they use. `plan`
gives the tensors addresses, `program` makes a memory image of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Literal

from m0sim.errors import UsageError, did_you_mean
from m0sim.image import Image
from m0sim.study.learn.config import COOLEST, Config, DeviceOptions, halved, halvings
from m0sim.study.learn.networks import Network, Stage

Phase = Literal["forward", "loss", "backward", "update", "prune"]
PHASES: tuple[Phase, ...] = ("forward", "loss", "backward", "update", "prune")

Kind = Literal["weights", "scores", "mask", "activations", "errors", "accumulators", "scratch", "constants"]
KINDS: tuple[Kind, ...] = ("weights", "scores", "mask", "activations", "errors", "accumulators", "scratch", "constants")

MASK_FORMS = ("list", "copy", "bits", "fused")
WEIGHT_PLACES = ("flash", "sram")
SCRATCH_FORMS = ("full", "least")
FORMS = {"fast": ("copy", "full"), "default": ("list", "full"), "small": ("fused", "least")}
"""What time and memory are given for one another by: names of a mask form and of a form of scratch together."""


def form(name: str) -> tuple[str, str]:
    """Mask form and form of scratch of the form called `name`; UsageError for another."""
    if name not in FORMS:
        raise UsageError(f"unknown form {name!r} (known: {', '.join(FORMS)}){did_you_mean(name, FORMS)}")
    return FORMS[name]


@dataclass(frozen=True, slots=True)
class Tensor:
    """Some bytes with a name. `persistent` ones live across steps, the others from first to last use in a step.

    An `optional` one is in flash where that holds it; else the kernels are given 0 for its address, and are slower.
    """

    name: str
    kind: Kind
    size: int
    place: Literal["sram", "flash"] = "sram"
    persistent: bool = False
    within: str = ""
    """The tensor whose first bytes it takes over, where there is one: the operation that makes it is the last that
    reads that one, and reads each byte before it writes there."""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Ref:
    """The address of a tensor, or so many bytes behind it."""

    tensor: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Code:
    """The address of a function, with the Thumb bit."""

    symbol: str


@dataclass(frozen=True, slots=True)
class Constants:
    """A block of constant words of its own (a provider's context): its address."""

    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Phases:
    """A list of phases of its own: its address. Its operations are some of the step's, at the end of one."""

    ops: tuple[Op, ...] = ()


Word = int | Ref | Code | Constants | Phases


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
        elif isinstance(word, Constants):
            yield from _tensors(word.words)


def apart(
    ops: Iterable[Op], tensors: Mapping[str, Tensor], mark: str, shared: Collection[str] = ()
) -> tuple[tuple[Op, ...], dict[str, Tensor]]:
    """A part of a step with tensors of its own, whose names end in `mark`: all but persistent and `shared` ones."""
    names = {name: name if tensor.persistent or name in shared else name + mark for name, tensor in tensors.items()}
    renamed = [
        replace(tensor, name=names[tensor.name], within=names.get(tensor.within, "")) for tensor in tensors.values()
    ]
    return tuple(replace(op, words=_renamed(op.words, names)) for op in ops), {t.name: t for t in renamed}


def _renamed(words: Iterable[Word], names: Mapping[str, str]) -> tuple[Word, ...]:
    return tuple(
        Ref(names[word.tensor], word.offset)
        if isinstance(word, Ref)
        else Constants(_renamed(word.words, names))
        if isinstance(word, Constants)
        else word
        for word in words
    )


@dataclass(frozen=True, slots=True)
class ScoredGroup:
    """PRIOT-S: the scored edges of four outputs, in the lists of their layer."""

    gap: int = 0
    """Bytes of the list of gaps before theirs."""
    score: int = 0
    """Scores before theirs."""
    count: int = 0
    passed: int = 0
    """Places between the last scored edge before these outputs and the first place of theirs."""


@dataclass(frozen=True)
class StepSettings:
    """What a step needs to know besides the network. Per-stage tuples have one entry a stage with weights."""

    form: DeviceForm
    """The method's."""
    config: Config
    options: DeviceOptions
    first: int = 0
    """Index of the lowest stage that learns; those below have weights that never change, and no way back."""
    keep: tuple[int, ...] = ()
    """k: edges that stay, of all edges or, with PRIOT-S, of the scored ones. Empty: the threshold decides."""
    scored: tuple[int, ...] = ()
    """PRIOT-S: number of scored edges."""
    gap_bytes: tuple[int, ...] = ()
    """PRIOT-S: length of the gap lists."""
    scored_groups: tuple[tuple[ScoredGroup, ...], ...] = ()
    """PRIOT-S: where each four outputs' scored edges are in these lists; empty where only sizes matter."""
    replays: bool = True
    """Whether an old image follows the new one, where the method has some."""


@dataclass(frozen=True)
class Step:
    """The operations of one training step, and the tensors they use."""

    network: Network
    settings: StepSettings
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

    learns_biases = False
    """Whether the layers that learn have biases that do."""

    @abstractmethod
    def operations(self, network: Network, settings: StepSettings) -> tuple[tuple[Op, ...], dict[str, Tensor]]:
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

    def with_gradient(self, network: Network, settings: StepSettings) -> tuple[Stage, ...]:
        """The layers that learn from a gradient, which adds up over the images of a batch."""
        return network.stages[settings.first :]

    def replay_every(self, config: Config) -> int:
        """An old image follows a new one every so many steps; 1 also for a method that has none."""
        return 1

    def source_files(self) -> tuple[Path, ...]:
        """Files that kernels of its own are made of, where they are no part of m0sim."""
        return ()

    def added_code_bytes(self) -> int:
        """Flash that these kernels take besides `fit.FLASH_FOR_CODE`."""
        return 0


def build(network: Network, settings: StepSettings) -> Step:
    """The step of a method on a network. Raises UsageError for an unknown mask form, place or form of scratch."""
    _check(settings)
    return Step(network, settings, *settings.form.operations(network, settings))


#: The kernels that look for a new cut.
SELECTIONS = ("m0k_select", "m0k_select_kept")


@dataclass(frozen=True, slots=True)
class Variant:
    """What distinguishes one step from another: how often the learning rate was halved, whether the cut is new, and
    whether an old image follows."""

    cooled: int
    renews: bool
    replays: bool


def variant(settings: StepSettings, done: int) -> Variant:
    """Which step comes after `done` of them."""
    config, count = settings.config, done + 1
    replays = count % settings.form.replay_every(config) == 0
    return Variant(halvings(config, done), count % config.refresh == 0, replays)


def variants(step: Step) -> dict[Variant, tuple[Op, ...]]:
    """The operations of every kind of step that there is; all use the same tensors."""
    settings = step.settings
    found: dict[Variant, tuple[Op, ...]] = {}
    coolings = range(COOLEST + 1 if settings.config.cool else 1)
    replaying = (True, False) if settings.form.replay_every(settings.config) > 1 else (True,)
    for by, replays in product(coolings, replaying):
        changed = replace(settings, config=halved(settings.config, by), replays=replays)
        ops = step.ops if changed == settings else build(step.network, changed).ops
        found[Variant(by, True, replays)] = ops
        if settings.config.refresh > 1:
            found[Variant(by, True, replays)] = _with_idle(ops, tuple(op for op in ops if op.phase == "prune"))
            found[Variant(by, False, replays)] = tuple(op for op in ops if op.kernel not in SELECTIONS)
    return found


def _with_idle(ops: tuple[Op, ...], left: tuple[Op, ...]) -> tuple[Op, ...]:
    """The operations with what is left of them where no error is: the cut is new then, too, from earlier steps."""
    return tuple(
        replace(op, words=tuple(Phases((*word.ops, *left)) if isinstance(word, Phases) else word for word in op.words))
        for op in ops
    )


def _check(settings: StepSettings) -> None:
    for value, known, what in (
        (settings.options.mask_form, MASK_FORMS, "mask form"),
        (settings.options.weights_place, WEIGHT_PLACES, "place for weights"),
        (settings.options.scratch, SCRATCH_FORMS, "form of scratch"),
    ):
        if value not in known:
            raise UsageError(f"unknown {what} {value!r} (known: {', '.join(known)}){did_you_mean(value, known)}")
