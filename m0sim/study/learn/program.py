"""A training step on the simulated chip: the plan as a memory image, one call a step.

The image is what would be flashed: kernels, parameter blocks, operation lists and constant tensors in flash, the
learned tensors and all scratch in SRAM. Between two steps the host writes the next image and label, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from m0sim.chip.cost import Cost
from m0sim.chip.device import Device
from m0sim.chip.machine import Machine
from m0sim.chip.options import Engine, FlashModel, Level
from m0sim.errors import M0simError, UsageError
from m0sim.image import Image, Section, Segment, Symbol
from m0sim.study.learn.fit import holds_optional
from m0sim.study.learn.kernels import LINKED_AT, moved
from m0sim.study.learn.plan import Plan
from m0sim.study.learn.step import PHASES, Code, Constants, Op, Phase, Phases, Ref, Word, variant, variants

PHASE_FUNCTIONS: dict[Phase, str] = {
    "forward": "m0k_forward",
    "loss": "m0k_loss_phase",
    "backward": "m0k_backward",
    "update": "m0k_update",
    "prune": "m0k_prune",
}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Absolute addresses of everything that is not code."""

    sram_base: int
    flash_base: int
    """Of the constant tensors; blocks and lists follow them."""
    tables: int
    """Of the blocks and lists."""


class DeviceProgram:
    """One training step of a plan in a machine."""

    def __init__(
        self,
        plan: Plan,
        kernels: Image,
        device: Device,
        contents: Mapping[str, bytes],
        steps: int = 0,
        *,
        stack_bytes: int,
    ) -> None:
        """Put kernels and plan into `device`, for a state that `steps` steps made.

        `contents` gives the bytes of the constant and learned tensors by name; the others start as zeros. Raises
        UsageError when they do not fit beside `stack_bytes` of stack; `fit.chip_for` makes a device into which they do.
        Optional tensors are left out where the flash does not hold them.
        """
        self.plan = plan = plan if holds_optional(plan, device) else plan.without_optional()
        self.steps = steps
        flash = device.flash
        if flash is None:
            raise UsageError(f"{device.name} has no flash to put the kernels into")
        kernels = moved(kernels, flash.base - LINKED_AT)
        code_end = max(s.end for s in kernels.segments if flash.contains(s.address))
        flash_base = _rounded(code_end, 16)
        tables = _rounded(flash_base + plan.most_flash_bytes, 16)
        self._layout = Addresses(device.srams[0].base, flash_base, tables)
        self._symbols = {s.linkage_name: s.address | 1 for s in kernels.symbols if s.kind == "function"}
        assembler = _Tables(self._address_or_0, self._symbols, tables)
        self._lists = {kind: assembler.phases(ops) for kind, ops in variants(plan.step).items()}
        self._phase_lists = {phase: assembler.phases(ops) for phase, ops in _by_phase(plan.step.ops)}
        self._single = [assembler.phases([op]) for op in plan.step.ops]
        self.flash_bytes = tables + len(assembler.data) - flash.base
        image = self._image(kernels, bytes(assembler.data), contents)
        self._stack_bytes = stack_bytes
        self.machine = Machine(image, device, stack_bytes=stack_bytes)

    def address(self, tensor: str) -> int:
        """Where a tensor lies."""
        placed = self.plan.placed[tensor]
        base = self._layout.sram_base if placed.tensor.place == "sram" else self._layout.flash_base
        return base + placed.offset

    def _address_or_0(self, tensor: str) -> int:
        return self.address(tensor) if tensor in self.plan.placed else 0

    def _image(self, kernels: Image, tables: bytes, contents: Mapping[str, bytes]) -> Image:
        flash = self._filled("flash", contents)
        sram = self._filled("sram", contents)
        places = self._layout
        constant = flash.ljust(places.tables - places.flash_base, b"\0") + tables
        segments = (
            Segment(places.flash_base, places.flash_base, constant, len(constant), True, False, False),
            Segment(places.sram_base, places.sram_base, sram, len(sram), True, True, False),
        )
        sections = (
            Section("constants", places.flash_base, len(constant), "rodata", None),
            Section("plan", places.sram_base, len(sram), "bss", None),
        )
        symbols = tuple(
            Symbol(name, name, self.address(name), p.tensor.size, "object", False, True, "")
            for name, p in self.plan.placed.items()
        )
        return replace(
            kernels,
            segments=(*kernels.segments, *segments),
            sections=(*kernels.sections, *sections),
            symbols=(*kernels.symbols, *symbols),
        )

    def _filled(self, place: str, contents: Mapping[str, bytes]) -> bytes:
        placed = [p for p in self.plan.placed.values() if p.tensor.place == place]
        data = bytearray(max((p.end for p in placed), default=0))
        for p in placed:
            content = contents.get(p.tensor.name, b"")
            if len(content) > p.tensor.size:
                raise ValueError(f"{p.tensor.name} has {p.tensor.size} bytes, not {len(content)}")
            data[p.offset : p.offset + len(content)] = content
        return bytes(data)

    # -- running

    def step(self, image: npt.NDArray[np.int8], label: int, *, level: Level = "cycles") -> Cost:
        """Train on one image (int8, 0..127, HWC) with one call. Returns its cost; a Fault is a bug in a kernel."""
        return self._step(self._next(image, label), level, "ideal")

    def step_in_flash(self, image: npt.NDArray[np.int8], label: int, *, level: Level = "cycles") -> Cost:
        """The same where code and constants in flash cost what they cost in training: `Cost.flash` has it, warm.

        Warm is flash's cache as the same step left it: from step to step the code and the constants are the same. On a
        device whose flash is not known to let wait, it is as `step`.
        """
        return self._step(self._next(image, label), level, "warm" if self.machine.device.flash_waits else "ideal")

    def _step(self, operations: int, level: Level, flash: FlashModel) -> Cost:
        cost = self.machine.call("m0k_step", operations, keep=True, level=level, flash=flash, result="void")
        if cost.stack_bytes > self._stack_bytes:
            raise M0simError(
                f"a step took {cost.stack_bytes} bytes of stack, its kernels declare {self._stack_bytes}: correct that"
            )
        return cost

    def count_step(self, image: npt.NDArray[np.int8], label: int, engine: Engine = "unicorn") -> int:
        """The same, but only its cycles: for many steps."""
        return self.machine.count("m0k_step", self._next(image, label), keep=True, engine=engine)

    def _next(self, image: npt.NDArray[np.int8], label: int) -> int:
        """What the host does for a step: image and label, and which of the lists is next, by its address."""
        self.write("image", image.astype(np.int8).tobytes())
        self.write("label", int(label).to_bytes(4, "little"))
        self.steps += 1
        return self._lists[variant(self.plan.step.settings, self.steps - 1)]

    def run_phase(self, phase: Phase) -> Cost | None:
        """Run all operations of one phase, such as the first pruning before any step; None if it has none."""
        if phase not in self._phase_lists:
            return None
        return self.machine.call("m0k_step", self._phase_lists[phase], keep=True, result="void")

    def run_op(self, index: int, *, level: Level = "cycles") -> Cost:
        """Run a single operation of the first step."""
        return self.machine.call("m0k_step", self._single[index], keep=True, level=level, result="void")

    def read(self, tensor: str) -> npt.NDArray[np.uint8]:
        """The bytes of a tensor, ``uint8``."""
        return self.machine.read(self.address(tensor), self.plan.placed[tensor].tensor.size)

    def write(self, tensor: str, data: bytes) -> None:
        """Set the first bytes of a tensor."""
        self.machine.write(self.address(tensor), data)


def phase_cycles(cost: Cost) -> dict[Phase, int]:
    """Cycles of a step by phase, kernels included; what is missing to the total is the dispatcher's outer loop."""
    costs = {phase: cost.functions.get(PHASE_FUNCTIONS[phase]) for phase in PHASES}
    return {phase: 0 if c is None else c.inclusive_cycles for phase, c in costs.items()}


def zero_wait_cycles(cost: Cost) -> int:
    """The cycles of a step without those that it waited."""
    return cost.cycles - cost.stall_cycles


@dataclass(frozen=True, slots=True)
class FlashOfStep:
    """What flash adds to a step in training, a model's figures: means over some steps."""

    cycles: float
    misses_words: float
    """Words that were read from flash: of 4 bytes behind a cache, else of what one read brings."""

    @classmethod
    def of(cls, costs: Sequence[Cost]) -> FlashOfStep | None:
        """From costs of `DeviceProgram.step_in_flash`; None where flash is not known to let wait."""
        warm = [cost.flash.warm for cost in costs if cost.flash is not None and cost.flash.warm is not None]
        if not warm:
            return None
        words = sum(run.code_misses + run.data_misses for run in warm)
        return cls(sum(run.cycles for run in warm) / len(warm), words / len(warm))


def _by_phase(ops: Iterable[Op]) -> list[tuple[Phase, list[Op]]]:
    return [(phase, [op for op in ops if op.phase == phase]) for phase in PHASES if any(o.phase == phase for o in ops)]


class _Tables:
    """Parameter blocks and operation lists as bytes, from the address `base` on."""

    def __init__(self, address_of: Callable[[str], int], symbols: Mapping[str, int], base: int) -> None:
        self._address_of = address_of
        self._symbols = symbols
        self._base = base
        self._blocks: dict[tuple[Word, ...], int] = {}
        self.data = bytearray()

    def _put(self, words: Iterable[int]) -> int:
        at = self._base + len(self.data)
        self.data += np.array([w & 0xFFFFFFFF for w in words], "<u4").tobytes()
        return at

    def _block(self, words: tuple[Word, ...]) -> int:
        """Address of a block; equal blocks are one."""
        if words not in self._blocks:
            values = [self._value(word) for word in words]
            self._blocks[words] = self._put(values)
        return self._blocks[words]

    def _value(self, word: Word) -> int:
        match word:
            case Ref(tensor, offset):
                return self._address_of(tensor) + offset
            case Code(symbol):
                return self._symbols[symbol]
            case Constants(words):
                return self._block(words)
            case Phases(ops):
                return self.phases(ops)
            case _:
                return word

    def phases(self, ops: Iterable[Op]) -> int:
        """Address of a list of {phase function, operations}, ended by zeros."""
        entries: list[int] = []
        for phase, group in groupby(ops, key=lambda op: op.phase):
            pairs: list[int] = []
            for op in group:
                pairs += [self._symbols[op.kernel], self._block(op.words)]
            entries += [self._symbols[PHASE_FUNCTIONS[phase]], self._block((*pairs, 0, 0))]
        return self._block((*entries, 0, 0))


def _rounded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
