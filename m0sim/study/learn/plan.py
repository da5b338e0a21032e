"""Where the tensors of a training step lie: addresses in SRAM and flash, computed without running anything.

Two tensors may share bytes when no operation needs both. `pack` puts the persistent ones first and then the others,
largest first, each at the lowest offset that is free while it lives; where that needs more than the lower bound, it
tries other orders. What a dense layer reads shares its bytes with nothing where it ends in padding: the kernels read
whole words, and the padding must stay the zeros it was loaded as.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from m0sim.study.learn.networks import Dense
from m0sim.study.learn.step import KINDS, Step, Tensor

_ALIGN = 4
_TRIES = 8


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
        """Flash of the constant tensors; code and parameter blocks are not in it."""
        return max((p.end for p in self._in("flash")), default=0)

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


def lower_bound(step: Step, reuse: bool = True) -> int:
    """The most bytes of SRAM that are live at one time, from first to last use; without reuse all that there are.

    That a padded input shares its bytes with nothing is a rule of `pack`: it may cost more than this.
    """
    return max(_live_bytes(step, _lifetimes(step, reuse)), default=0)


def pack(step: Step, *, reuse: bool = True, banks: tuple[int, ...] = ()) -> Plan:
    """Place the tensors of a step. Without `reuse` every tensor has bytes of its own.

    `banks` are sizes in bytes of SRAM banks that follow one another: no tensor crosses from one into the next. What
    they do not hold lies behind them.
    """
    whole = (0, len(step.ops) - 1)
    spans = _lifetimes(step, reuse) | dict.fromkeys(_padded_inputs(step) & step.tensors.keys(), whole)
    walls = tuple(accumulate(banks))
    flash = _placed([t for t in step.tensors.values() if t.place == "flash"], spans, ())
    tried = (Plan(step, _placed(order, spans, walls) | flash, reuse) for order in _orders(step, spans, walls))
    best, least = next(tried), max(_live_bytes(step, spans), default=0)
    while best.sram_bytes > least and (plan := next(tried, None)):
        best = min(best, plan, key=lambda p: p.sram_bytes)
    return best


Span = tuple[int, int]


def _lifetimes(step: Step, reuse: bool) -> dict[str, Span]:
    """The operations from a tensor's first use to its last; in flash, or without reuse, all of them."""
    whole, used = (0, len(step.ops) - 1), step.lifetimes
    return {t.name: used[t.name] if reuse and t.place == "sram" else whole for t in step.tensors.values()}


def _live_bytes(step: Step, spans: dict[str, Span]) -> list[int]:
    """Bytes of SRAM that are live during each operation."""
    growth = [0] * (len(step.ops) + 1)
    for tensor in step.tensors.values():
        if tensor.place == "sram":
            first, last = spans[tensor.name]
            growth[first] += tensor.size
            growth[last + 1] -= tensor.size
    return list(accumulate(growth[:-1]))


def _orders(step: Step, spans: dict[str, Span], walls: tuple[int, ...]) -> Iterator[list[Tensor]]:
    """Orders to place the SRAM tensors in, persistent ones first in each.

    Largest first nearly always reaches the lower bound; what lives longest first is for the rest. Then what came to lie
    highest is placed before the others, a few times over.
    """
    tensors = [t for t in step.tensors.values() if t.place == "sram"]
    length = {name: last - first for name, (first, last) in spans.items()}
    by_size = sorted(tensors, key=lambda t: (not t.persistent, -t.size, t.name))
    by_length = sorted(by_size, key=lambda t: (not t.persistent, -length[t.name]))
    for order in (by_size, by_length):
        for _ in range(_TRIES):
            yield order
            placed = _placed(order, spans, walls)
            top = max((p.end for p in placed.values()), default=0)
            order = sorted(order, key=lambda t: (not t.persistent, placed[t.name].end != top))


def _placed(tensors: list[Tensor], spans: dict[str, Span], walls: tuple[int, ...]) -> dict[str, Placed]:
    """Each tensor in turn at the lowest offset that is free while it lives."""
    there: list[Placed] = []
    for tensor in tensors:
        first, last = spans[tensor.name]
        offset = _lowest_free(tensor.size, [p for p in there if p.lives_with(first, last)], walls)
        there.append(Placed(tensor, offset, first, last))
    return {p.tensor.name: p for p in there}


def _padded_inputs(step: Step) -> set[str]:
    """The inputs of dense layers that are no multiple of 4 long."""
    padded = [s.index for s in step.network.stages if isinstance(s.layer, Dense) and s.n_in % 4]
    return {f"activation{index}" if index else "image" for index in padded}


def _lowest_free(size: int, others: list[Placed], walls: tuple[int, ...]) -> int:
    """The lowest aligned offset at which `size` bytes overlap none of `others` and lie on one side of each wall."""
    at = _behind_walls(0, size, walls)
    for other in sorted(others, key=lambda p: p.offset):
        if at + size <= other.offset:
            break
        at = _behind_walls(max(at, -(-other.end // _ALIGN) * _ALIGN), size, walls)
    return at


def _behind_walls(at: int, size: int, walls: tuple[int, ...]) -> int:
    for wall in walls:
        if at < wall < at + size:
            at = wall
    return at
