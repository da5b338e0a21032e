"""Where the tensors of a training step lie: addresses in SRAM and flash, computed without running anything.

Two tensors may share bytes when no operation needs both, and where one is made within the other: `pack` keeps those
together, or apart where less SRAM holds them so (`packing` finds the places). What a dense layer reads shares its bytes
with nothing where it ends in padding: the kernels read whole words, and the padding must stay the zeros it was loaded
as.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

from m0sim.study.learn import packing
from m0sim.study.learn.networks import Dense
from m0sim.study.learn.packing import Occupant, SharedPlace
from m0sim.study.learn.step import KINDS, Step, Tensor


@dataclass(frozen=True, slots=True)
class Placed:
    """A tensor with its offset (bytes from the start of the plan's SRAM or flash) and its lifetime in operations."""

    tensor: Tensor
    offset: int
    first: int
    last: int

    @property
    def end(self) -> int:
        """The first offset behind it."""
        return self.offset + self.tensor.size

    def lives_with(self, first: int, last: int) -> bool:
        """Whether it is needed during any operation from `first` to `last`."""
        return self.first <= last and first <= self.last


@dataclass(frozen=True)
class Plan:
    """All tensors of a step, placed."""

    step: Step
    placed: dict[str, Placed]
    reuse: bool

    def _in(self, place: str) -> list[Placed]:
        return [p for p in self.placed.values() if p.tensor.place == place]

    @property
    def sram_bytes(self) -> int:
        """SRAM from the plan's start to the end of its highest tensor; the stack is not in it."""
        return max((p.end for p in self._in("sram")), default=0)

    @property
    def flash_bytes(self) -> int:
        """Flash of the constant tensors that the step cannot do without; code and parameter blocks are not in it."""
        return max((p.end for p in self._in("flash") if not p.tensor.optional), default=0)

    @property
    def most_flash_bytes(self) -> int:
        """Flash of all constant tensors."""
        return max((p.end for p in self._in("flash")), default=0)

    def without_optional(self) -> Plan:
        """The same where the flash does not hold the optional tensors."""
        return replace(self, placed={name: p for name, p in self.placed.items() if not p.tensor.optional})

    @cached_property
    def lower_bound(self) -> int:
        """No plan can use less SRAM; see the function of this name."""
        return lower_bound(self.step, self.reuse)

    @cached_property
    def peak(self) -> int:
        """The operation (its index) at which the most bytes are live; without reuse the first."""
        live = _live_bytes(self.step, _lifetimes(self.step, self.reuse))
        return max(range(len(live)), key=live.__getitem__)

    @property
    def live_at_peak(self) -> list[Placed]:
        """The tensors in SRAM that the lower bound is the size of."""
        spans, at = _lifetimes(self.step, self.reuse), self.peak
        return [p for p in self._in("sram") if spans[p.tensor.name][0] <= at <= spans[p.tensor.name][1]]

    def sram_by_kind(self) -> dict[str, int]:
        """Bytes by kind at the peak, and ``packing``: what the plan needs beyond them. They add up to `sram_bytes`."""
        sizes = dict.fromkeys(KINDS, 0)
        for p in self.live_at_peak:
            sizes[p.tensor.kind] += p.tensor.size
        by_kind: dict[str, int] = {kind: size for kind, size in sizes.items() if size}
        return {**by_kind, "packing": self.sram_bytes - sum(sizes.values())}


def lower_bound(step: Step, reuse: bool = True, has_scratch: bool = True) -> int:
    """The most bytes of SRAM that are live at one time, from first to last use; without reuse all that there are.

    That a padded input shares its bytes with nothing is a rule of `pack`: it may cost more than this. Without scratch
    it is what grows with a network: kernels take other scratch where a number of channels is a multiple of 4.
    """
    return max(_live_bytes(step, _lifetimes(step, reuse), has_scratch), default=0)


def pack(step: Step, *, reuse: bool = True, banks: tuple[int, ...] = ()) -> Plan:
    """Place the tensors of a step. Without `reuse` every tensor has bytes of its own.

    `banks` are sizes in bytes of SRAM banks that follow one another: no tensor crosses from one into the next. What
    they do not hold lies behind them.
    """
    inner = [t.name for t in step.tensors.values() if t.within and reuse]
    choices = (_blocks(step, reuse, frozenset(apart)) for apart in ([], inner, *([name] for name in inner)))
    found = packing.pack(choices, tuple(accumulate(banks)), max(_live_bytes(step, _spans(step, reuse)), default=0))
    placed = {part.name: Placed(step.tensors[part.name], at, part.first, part.last) for part, at in found}
    return Plan(step, placed | _in_flash(step), reuse)


def _in_flash(step: Step) -> dict[str, Placed]:
    """Constants, one behind the other, the optional ones last."""
    constants = sorted((t for t in step.tensors.values() if t.place == "flash"), key=lambda t: t.optional)
    ends = accumulate((t.size for t in constants), initial=0)
    return {t.name: Placed(t, at, 0, len(step.ops) - 1) for t, at in zip(constants, ends, strict=False)}


Span = tuple[int, int]


def _lifetimes(step: Step, reuse: bool, apart: Set[str] = frozenset()) -> dict[str, Span]:
    """The operations from a tensor's first use to its last; in flash, or without reuse, all of them.

    A tensor that is made within another one begins behind the last operation of that one, unless it is kept apart.
    """
    whole, used = (0, len(step.ops) - 1), step.lifetimes
    if not reuse:
        return dict.fromkeys(step.tensors, whole)
    spans = {t.name: used[t.name] if t.place == "sram" else whole for t in step.tensors.values()}
    taken = [t for t in step.tensors.values() if t.within and t.name not in apart]
    return spans | {t.name: (used[t.within][1] + 1, used[t.name][1]) for t in taken}


def _spans(step: Step, reuse: bool, apart: Set[str] = frozenset()) -> dict[str, Span]:
    """The same, all operations for what must not share its bytes."""
    whole = (0, len(step.ops) - 1)
    return _lifetimes(step, reuse, apart) | dict.fromkeys(_padded_inputs(step) & step.tensors.keys(), whole)


def _blocks(step: Step, reuse: bool, apart: Set[str]) -> list[SharedPlace]:
    """The tensors in SRAM, each with those that are made within it."""
    tensors = [t for t in step.tensors.values() if t.place == "sram"]
    spans = _spans(step, reuse, apart)
    is_inner = {t.name: bool(t.within) and reuse and t.name not in apart for t in tensors}
    inner = {t.within: t for t in tensors if is_inner[t.name]}
    blocks = []
    for outermost in (t for t in tensors if not is_inner[t.name]):
        chain = [outermost]
        while chain[-1].name in inner:
            chain.append(inner[chain[-1].name])
        blocks.append(SharedPlace(tuple(Occupant(t.name, t.size, *spans[t.name]) for t in chain), outermost.persistent))
    return blocks


def _live_bytes(step: Step, spans: dict[str, Span], has_scratch: bool = True) -> list[int]:
    """Bytes of SRAM that are live during each operation, scratch among them or not."""
    growth = [0] * (len(step.ops) + 1)
    for tensor in step.tensors.values():
        if tensor.place == "sram" and (has_scratch or tensor.kind != "scratch"):
            first, last = spans[tensor.name]
            growth[first] += tensor.size
            growth[last + 1] -= tensor.size
    return list(accumulate(growth[:-1]))


def _padded_inputs(step: Step) -> set[str]:
    """The inputs of dense layers that are no multiple of 4 long, those of each pass: "activation2 (W + z)"."""
    padded = {s.index for s in step.network.stages if isinstance(s.layer, Dense) and s.n_in % 4}
    names = {f"activation{index}" if index else "image" for index in padded}
    return {name for name in step.tensors if name.partition(" (")[0] in names}
