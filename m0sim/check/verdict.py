"""Judge what a bench costs by its limits and by what it cost before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from m0sim.check.figures import Figures
from m0sim.check.limits import Limits, figure_of, unit_of
from m0sim.check.measure import Failure, Measurement
from m0sim.check.where import SizeChange, Where, sizes, where
from m0sim.errors import did_you_mean

Status = Literal["unchanged", "improved", "regressed", "new", "updated", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One limit against one figure."""

    name: str
    """Such as ``max_stack`` for a budget, ``tolerance_stack`` or ``tolerance_stack.msp`` for a tolerance."""
    figure: str
    """One of the keys of `Figures.values`."""
    limit: int
    """The most that is allowed: for a tolerance, of the baseline and what may come on top, rounded down."""
    value: int
    is_budget: bool
    """False for a tolerance."""
    why: str = ""
    """Of code, which functions have most to do with it."""

    @property
    def exceeded(self) -> bool:
        return self.value > self.limit

    @property
    def text(self) -> str:
        """Such as ``max_cycles 13,000: over by 120``, or ``tolerance allows 24 bytes of stack: over by 8``."""
        over = self.value - self.limit
        unit = "cycles" if self.figure == "cycles" else f"{unit_of(self.figure)} of {self.figure}"
        limit = f"{self.name} {self.limit:,}" if self.is_budget else f"tolerance allows {self.limit:,} {unit}"
        why = f"; {self.why}" if self.why and over > 0 else ""
        return f"{limit}: " + (f"over by {over:,}{why}" if over > 0 else f"{-over:,} left")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one bench."""

    name: str
    status: Status
    figures: Figures | None
    """None after a fault."""
    baseline: Figures | None
    """None for a new bench."""
    checks: tuple[Check, ...] = ()
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    where: Where | None = None
    """None where no function's cycles changed, or there is nothing to compare with."""
    sizes: tuple[SizeChange, ...] = ()
    """The functions whose bytes changed, most first."""
    strict: bool = False
    """Whether it fails where it has no baseline."""

    @property
    def exceeded(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.exceeded)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a build should fail for it, a line each: what failed, is over its limit, or is missing."""
        failed = [] if self.failure is None else [f"{self.failure.kind}: {self.failure.text}"]
        missing = ["it has no baseline"] if self.strict and self.status == "new" else []
        return (*failed, *(check.text for check in self.exceeded), *missing)

    @property
    def is_bad(self) -> bool:
        """Whether a build should fail for it."""
        return bool(self.reasons)


def judge(
    measured: Measurement,
    baseline: Figures | None,
    limits: Limits,
    *,
    strict: bool = False,
    across_waits: bool = False,
) -> Verdict:
    """The verdict on one bench; `baseline` is None where it has none, which fails if `strict`.

    A baseline whose cycles wait for something else, such as a flash cache, is none, with a warning, unless
    `across_waits`.
    """
    new, warnings = measured.figures, measured.warnings
    if new is not None and baseline is not None and new.waits != baseline.waits and not across_waits:
        warnings = (*warnings, f"{other_waits(baseline, new)}: not compared; updating the baseline stores this")
        baseline = None
    if new is not None and measured.failure is None:
        measured = replace(measured, failure=_without_figure(new, limits))
    if new is not None and baseline is not None:
        warnings = (*warnings, *_gone(baseline, new), *_without_sizes(baseline, new, limits))
    checks = () if new is None else tuple(_checks(new, baseline, limits))
    return Verdict(
        name=measured.name,
        status=_status(measured, baseline, checks),
        figures=new,
        baseline=baseline,
        checks=checks,
        failure=measured.failure,
        warnings=warnings,
        where=None if new is None or baseline is None else where(baseline, new),
        sizes=() if new is None or baseline is None else sizes(baseline, new),
        strict=strict,
    )


def _gone(old: Figures, new: Figures) -> Iterable[str]:
    """Warnings of what the baseline has and this run has not: nobody can compare it."""
    if old.run is not None and new.run is not None:
        found = new.values
        yield from (
            f"{key} is gone: it was {value:,} {unit_of(key)}" for key, value in old.values.items() if key not in found
        )


def _without_sizes(old: Figures, new: Figures, limits: Limits) -> Iterable[str]:
    """A warning where code has a tolerance, and nobody wrote down what there was of it."""
    if limits.tolerance_of("code") is not None and old.executed_bytes is None is not new.executed_bytes:
        yield "the baseline has no sizes of functions: code is not compared; updating the baseline adds them"


def other_waits(old: Figures, new: Figures) -> str:
    """That the cycles of two runs wait for different things."""
    was, now = (figures.waits or "ideal flash" for figures in (old, new))
    return f"the baseline is with {was}, this is with {now}"


def _checks(new: Figures, old: Figures | None, limits: Limits) -> Iterable[Check]:
    olds = {} if old is None else old.values
    changes = () if old is None else sizes(old, new)
    for key, value in new.values.items():
        budget, tolerance = limits.budget_of(key), limits.tolerance_of(key)
        why = _why(new, changes) if key == "code" else ""
        if budget is not None:
            yield Check(f"max_{key}", key, budget, value, is_budget=True, why=why)
        if key in olds and tolerance is not None:
            most = olds[key] * (1 + tolerance)  # a Fraction: exact
            yield Check(f"tolerance_{key}", key, int(most), value, is_budget=False, why=why)


def _why(new: Figures, changes: Sequence[SizeChange]) -> str:
    """Such as ``fir 24 -> 26, mul8 12 (new)``: what grew, or the largest functions where that is not known."""
    grown = [f"{c.name} {c.new:,} (new)" if c.old is None else f"{c.name} {c.old:,} -> {c.new:,}"
             for c in changes if c.delta > 0]  # fmt: skip
    if grown:
        more = f", and {len(grown) - _MOST_NAMED} more" if len(grown) > _MOST_NAMED else ""
        return ", ".join(grown[:_MOST_NAMED]) + more
    largest = sorted(new.functions.items(), key=lambda item: (-(item[1].bytes or 0), item[0]))[:_MOST_NAMED]
    return "largest " + ", ".join(f"{name} {function.bytes or 0:,}" for name, function in largest)


def _without_figure(figures: Figures, limits: Limits) -> Failure | None:
    """Where a budget is for what there is none of, such as a handler that was never entered."""
    known = figures.values
    for name in limits.budgets:
        if name not in known and name not in map(figure_of, known):
            figure, _, part = name.partition(".")
            parts = [key.partition(".")[2] for key in known if key.startswith(f"{figure}.")]
            there = f"there are {', '.join(parts)}" if parts else "there is none"
            what = f"no {figure} of {part!r}" if part else f"no {figure.replace('_', ' ')}"
            return Failure("refused", f"max_{name}: {what} was measured ({there}){did_you_mean(part, parts)}")
    return None


def _status(measured: Measurement, old: Figures | None, checks: Iterable[Check]) -> Status:
    new = measured.figures
    if measured.failure is not None or new is None:
        return "failed"
    if any(check.exceeded for check in checks):
        return "regressed"
    if old is None:
        return "new"
    is_less = new.cycles < old.cycles or new.awake_cycles < old.awake_cycles
    return "improved" if is_less else "unchanged"


def written(verdict: Verdict, old: Figures | None) -> Verdict:
    """While updating: updated, where the baseline, `old`, changes with what was within its limits."""
    is_updated = verdict.status in ("unchanged", "improved") and is_new(old, verdict.figures)
    return replace(verdict, status="updated") if is_updated else verdict


def is_new(old: Figures | None, new: Figures | None) -> bool:
    """Whether a baseline changes with these figures: by a cycle, by a source line, by what an older m0sim left out.

    The code of the whole image is no figure of a bench.
    """
    return new is not None and (old is None or replace(old, code_bytes=0) != replace(new, code_bytes=0))


def summary(verdicts: Iterable[Verdict]) -> dict[Status, int]:
    """How many there are of each status; every status has a count."""
    counts = Counter(verdict.status for verdict in verdicts)
    return {status: counts[status] for status in STATUSES}


def closing_line(verdicts: Iterable[Verdict]) -> str:
    """``N unchanged, M improved, K regressed, L new``, and ``, U updated``, ``, F failed`` where any did."""
    counts = summary(verdicts)
    return ", ".join(f"{n} {status}" for status, n in counts.items() if n or status not in ("updated", "failed"))
