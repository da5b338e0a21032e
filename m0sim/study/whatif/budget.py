"""What fits a memory budget, what it costs, and the best that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from m0sim.chip.device import Device
from m0sim.errors import UsageError
from m0sim.study.learn import methods, network_files
from m0sim.study.learn import side_by_side as compare
from m0sim.study.learn.network_files import Found, Given
from m0sim.study.learn.networks import Network
from m0sim.study.whatif.configuration import Configuration, configure, layers_of, wide_network, with_trained
from m0sim.study.whatif.measure import MACS_MAX, Measured, StepBench
from m0sim.study.whatif.planned import Planned
from m0sim.study.whatif.sizes import SramRoom
from m0sim.study.whatif.solve import Knob, Space, most

Progress = Callable[[int, int], None]
"""Called with the configurations that were measured and those to be measured, as far as that is known."""


@dataclass(frozen=True)
class Knobs:
    """What the user fixed. None: a default for the row, and free for the best that fits."""

    width: float = 1.0
    trained: int | None = None
    fraction: float | None = None
    mask: str | None = None
    weights: str | None = None
    scratch: str | None = None
    reuse: bool = True
    batch: int = 1


@dataclass(frozen=True)
class Question:
    """Budgets, methods, and the knobs."""

    network: Given
    methods: tuple[str, ...]
    rooms: tuple[SramRoom, ...]
    device: Device
    knobs: Knobs = field(default_factory=Knobs)
    stack_reserve: int = 0
    solve: Knob | None = None

    @cached_property
    def found(self) -> Found:
        """The network, and the backbone that steps start from."""
        return network_files.of(self.network)


@dataclass(frozen=True)
class Answer:
    """A configuration that was planned for a room and, where cycles are given, measured."""

    planned: Planned
    room: SramRoom
    fits: bool
    measured: Measured | None

    @property
    def configuration(self) -> Configuration:
        """What was planned."""
        return self.planned.configuration

    @property
    def cycles(self) -> int | None:
        """Mean cycles a training step, None where none was run."""
        return None if self.measured is None else self.measured.mean_cycles

    @property
    def cycles_source(self) -> Literal["measured"] | None:
        """Where `cycles` are from."""
        return None if self.measured is None else "measured"

    @property
    def spare_bytes(self) -> int:
        """Bytes left, negative when missing."""
        return self.planned.spare_bytes(self.room)


@dataclass(frozen=True)
class BudgetRow:
    """One method in one budget: what was asked for, the best that fits, and the most of the knob that was solved."""

    asked: Answer
    best: Answer | None
    solution: Answer | None


@dataclass(frozen=True)
class Budget:
    """All rows: budget by budget, in the order of the question."""

    question: Question
    rows: tuple[BudgetRow, ...]
    data: str
    """The images that steps ran on; empty: planned only."""

    @property
    def solution(self) -> Answer | None:
        """The most of the solved knob in any row; of equal ones the one that leaves the smallest budget."""
        found = [row.solution for row in self.rows if row.solution is not None]
        knob = self.question.solve
        if knob is None:
            return None
        return max(found, key=lambda a: (knob_value(a.configuration, knob), -a.room.size), default=None)


def knob_value(configuration: Configuration, knob: Knob) -> float:
    """The value of a knob."""
    match knob:
        case "fraction":
            return configuration.fraction or 0.0
        case "width":
            return configuration.width
        case "layers":
            return configuration.trained


def answer(question: Question, bench: StepBench | None = None, progress: Progress | None = None) -> Budget:
    """All rows. Without a bench nothing is run: every figure is planned, and no cycles are given.

    Raises UsageError for budgets that not even the stack fits into, and for knobs out of range.
    """
    asked = [_configuration(question, method) for method in question.methods]
    spaces = [Space(room, question.device, question.stack_reserve) for room in question.rooms]
    for space in spaces:
        _check_room(space, asked)
    if bench is not None and _is_large(question):
        bench = None
    drafts = [_Draft.of(question, configuration, space) for space in spaces for configuration in asked]
    if bench is not None:
        _measure_all(bench, [planned for draft in drafts for planned in draft.to_measure()], progress)
    return Budget(question, tuple(draft.row(bench) for draft in drafts), bench.data.name if bench else "")


def _configuration(question: Question, method: str) -> Configuration:
    given = {name: getattr(question.knobs, name) for name in Knobs.__dataclass_fields__}
    return configure(question.found, method, **{name: v for name, v in given.items() if v is not None})


def _is_large(question: Question) -> bool:
    return wide_network(question.found.network, question.knobs.width).macs > MACS_MAX


def _check_room(space: Space, asked: Sequence[Configuration]) -> None:
    least = min(space.plan(configuration).stack_bytes for configuration in asked)
    if space.room.size <= least:
        raise UsageError(
            f"--sram {space.room.text}: the stack alone takes {least:,} bytes (code and constants are in flash); "
            "name a larger budget"
        )


def _measure_all(bench: StepBench, wanted: list[Planned], progress: Progress | None) -> None:
    distinct = list({(p.configuration, p.banks): p for p in wanted}.values())
    for done, planned in enumerate(distinct):
        if progress is not None:
            progress(done, len(distinct))
        bench.measure(planned)


@dataclass(frozen=True)
class _Draft:
    """A row before anything was run."""

    question: Question
    space: Space
    asked: Planned
    candidates: tuple[Planned, ...]
    """Equally good but for their speed."""
    solution: Planned | None

    @classmethod
    def of(cls, question: Question, configuration: Configuration, space: Space) -> _Draft:
        solved = _solved(configuration, question, space)
        candidates = best_fits(configuration, question.knobs, space)
        return cls(
            question,
            space,
            space.plan(configuration),
            tuple(map(space.plan, candidates)),
            None if solved is None else space.plan(solved),
        )

    def to_measure(self) -> list[Planned]:
        shown = [self.asked, *self.candidates, *filter(None, [self.solution])]
        return [planned for planned in shown if planned.configuration.batch == 1]

    def row(self, bench: StepBench | None) -> BudgetRow:
        answers = [self._answer(planned, bench) for planned in self.candidates]
        best = min(answers, key=_slowness, default=None)
        return BudgetRow(
            self._answer(self.asked, bench), best, None if self.solution is None else self._answer(self.solution, bench)
        )

    def _answer(self, planned: Planned, bench: StepBench | None) -> Answer:
        room, device = self.space.room, self.space.device
        measured = bench.measure(planned) if bench is not None and planned.configuration.batch == 1 else None
        return Answer(planned, room, planned.fits(room, device), measured)


def _solved(asked: Configuration, question: Question, space: Space) -> Configuration | None:
    """The most of the knob in any memory form that the user left open, in the presumably fastest that has so much."""
    knob = question.solve
    if knob is None:
        return None
    forms = _memory_forms(asked, question.knobs)
    found = [fit for form in forms if (fit := most(form, knob, space)) is not None]
    return max(found, key=lambda fit: knob_value(fit, knob), default=None)


def _slowness(answer: Answer) -> float:
    """Measured cycles with what flash adds. Where nothing was run the order of the candidates decides."""
    return 0.0 if answer.measured is None else answer.measured.with_flash


def best_fits(asked: Configuration, knobs: Knobs, space: Space) -> list[Configuration]:
    """The best configurations that fit, equally good but for their speed, the presumably fastest first.

    Best is: the most layers that learn; then, of priot-s, the largest share of scored edges; then the fewest cycles
    (with what flash adds). A knob that the user named stays as it is.
    """
    for layers in _layers(asked, knobs):
        found = [fit for start in _variants(with_trained(asked, layers), knobs) if (fit := _fit(start, knobs, space))]
        if found:
            largest = max(c.fraction or 0.0 for c in found)
            best = [c for c in found if (c.fraction or 0.0) == largest]
            # What fits with the memory that makes it faster need not be run without.
            return [c for c in best if c.scratch != "least" or replace(c, scratch="full") not in best]
    return []


def _layers(asked: Configuration, knobs: Knobs) -> Sequence[int]:
    if knobs.trained is not None or not methods.get(asked.method).can_leave_layers:
        return [asked.trained]
    return range(layers_of(asked), 0, -1)


def _variants(asked: Configuration, knobs: Knobs) -> Iterator[Configuration]:
    """All places of the weights, SRAM before flash, with all memory forms."""
    places = ("sram", "flash") if asked.weights is not None and knobs.weights is None else (asked.weights,)
    for place in places:
        yield from _memory_forms(replace(asked, weights=place), knobs)


def _memory_forms(asked: Configuration, knobs: Knobs) -> Iterator[Configuration]:
    """All forms of mask and scratch that are not named, presumably faster ones before others."""
    method = methods.get(asked.method)
    masks = method.mask_forms if asked.mask is not None and knobs.mask is None else (asked.mask,)
    forms = method.scratch_forms if asked.scratch is not None and knobs.scratch is None else (asked.scratch,)
    for scratch in forms:
        for mask in masks:
            yield replace(asked, mask=mask, scratch=scratch)


def _fit(start: Configuration, knobs: Knobs, space: Space) -> Configuration | None:
    """The configuration if it fits; of priot-s that with the largest fraction, unless the user named one."""
    if start.fraction is None or knobs.fraction is not None:
        return start if space.fits(start) else None
    return most(start, "fraction", space)


def chosen_methods(text: str, knobs: Knobs, network: str | Network) -> tuple[str, ...]:
    """Method names of a comma-separated list; ``all`` leaves out what cannot be: fp32 where not all layers learn, where
    it cannot be compiled, or for a network that it has no code for."""
    if not text.strip():
        raise UsageError("no method to plan: name one or several, such as priot,priot-s, or all")
    if not all(part.strip() for part in text.split(",")):
        raise UsageError(f"--methods {text!r}: name one method or several, such as priot,priot-s, or all")
    names = compare.for_network(text, compare.chosen_methods(text), wide_network(network, knobs.width))
    if text == "all" and trains_some(knobs, network):
        return tuple(name for name in names if methods.get(name).can_leave_layers)
    return names


def trains_some(knobs: Knobs, network: str | Network) -> bool:
    """Whether not all layers learn, which not every method can do."""
    return knobs.trained not in (None, 0, len(wide_network(network, knobs.width).stages))
