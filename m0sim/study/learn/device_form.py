"""The device form of the integer methods: what each of them adds to the passes that all of them share.

`Builder` emits forward, loss, backward and update on the kernels of kernels/*.S. An `IntegerForm` says which weights
the passes multiply by, what a layer learns and how, and what the device's memory holds of it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from m0sim.image import Image
from m0sim.study.learn import kernels, own_kernels
from m0sim.study.learn.config import Config
from m0sim.study.learn.networks import Network, Stage
from m0sim.study.learn.own_kernels import Kernel
from m0sim.study.learn.state import Frozen, Layer, Learned, State
from m0sim.study.learn.step import DeviceForm, Op, Phase, Ref, Step, StepSettings, Tensor, Word
from m0sim.study.learn.step_fields import Words, edge_bytes, edges_from
from m0sim.study.learn.step_forward import ForwardPass
from m0sim.study.learn.step_update import UpdatePass

__all__ = ["Builder", "IntegerForm", "Read", "Words", "edge_bytes", "edges_from"]

Read = Callable[[str], NDArray[np.uint8]]
"""The bytes of a tensor on the device."""


@dataclass
class Builder(ForwardPass, UpdatePass):
    """A step that is being built: the parts of one, which a form calls in its order."""


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
