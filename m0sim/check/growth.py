"""How cycles grow with a size: what the benches of a matrix say of it, and what they do not.

A growth is told where more sizes were measured than a formula has coefficients, so that it could have been wrong. It is
*exact* where rational coefficients give every count; else the best of the simplest formulas is told with how far off it
is, if that is little. Two sizes fit a line whatever the code does, so they tell nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Literal

import numpy as np

from m0sim.check.bench import Bench, Value
from m0sim.check.matrix import text_of
from m0sim.check.verdict import Verdict
from m0sim.report.units import count

Kind = Literal["constant", "linear", "n log n", "quadratic", "cubic"]
KINDS: tuple[Kind, ...] = ("constant", "linear", "n log n", "quadratic", "cubic")
"""From slow to fast."""

OFF = 0.02
"""How far a formula that is not exact may be off: a part of every count, and of the range of all."""
LEVEL = 0.01
"""The range of counts that are told to be constant, as a part of the largest."""

Points = Sequence[tuple[int | float, int]]
"""Sizes, all different, with the cycles of each."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What sizes and cycles say of their growth."""

    points: tuple[tuple[int | float, int], ...]
    """By size."""
    kind: Kind | None = None
    """None where these points do not tell."""
    formula: str = ""
    """Of the cycles, such as ``26 + 18·n``; empty where `kind` is None."""
    off: float = 0.0
    """How far the formula is off at most, as a part of the cycles at that size; 0 where it is exact."""
    is_exact: bool = False
    also: tuple[Kind, ...] = ()
    """Other kinds with as many coefficients that are not further off than `OFF`."""


@dataclass(frozen=True, slots=True)
class Growth:
    """One axis of a matrix, the others held."""

    family: str
    """What the bench is called in the manifest."""
    axis: str
    held: tuple[tuple[str, Value], ...]
    """The other axes, and their values."""
    fit: Fit
    before: Fit | None
    """Of the same sizes in the baseline; None where it has fewer than two of them."""

    @property
    def title(self) -> str:
        """Such as ``dot with n``, or ``dot flash=cold with n``."""
        return " ".join([self.family, *(f"{axis}={text_of(value)}" for axis, value in self.held), "with", self.axis])

    @property
    def change(self) -> str:
        """Such as ``linear -> quadratic``; empty where both are known and the same, or one is not known."""
        old, new = None if self.before is None else self.before.kind, self.fit.kind
        return f"{old} -> {new}" if old is not None and new is not None and old != new else ""

    @property
    def is_worse(self) -> bool:
        """Whether it grows faster than before."""
        old, new = None if self.before is None else self.before.kind, self.fit.kind
        return old is not None and new is not None and KINDS.index(new) > KINDS.index(old)

    @property
    def line(self) -> str:
        """All that there is to say of it."""
        change = f"{self.change}; now " if self.change else ""
        was = "" if self.before is None or self.before.formula == self.fit.formula else _was(self.before)
        return f"growth of {self.title}: {change}{told(self.fit, self.axis)}{was}"


def told(fit: Fit, axis: str) -> str:
    """Such as ``linear, 26 + 18·n cycles, exact at all 3 sizes``."""
    number = len(fit.points)
    if fit.kind is None:
        moved = f"{count(fit.points[0][1])} -> {count(fit.points[-1][1])} cycles"
        if number == 2:
            return f"2 sizes do not tell linear from quadratic ({moved}): a third would"
        more = "; more sizes may tell" if number <= _MOST_TERMS else ""
        return f"none that fits within {100 * OFF:g} % at {number} sizes ({moved}{_slope(fit.points, axis)}){more}"
    also = f"; {' and '.join(fit.also)} would do as well" if fit.also else ""
    if fit.is_exact:
        return f"{fit.kind}, {fit.formula} cycles, exact at all {number} sizes"
    return f"{fit.kind}, about {fit.formula} cycles, off by at most {100 * fit.off:.2g} % at {number} sizes{also}"


def _was(before: Fit) -> str:
    return f"; was {before.formula}" if before.formula else ""


def _slope(points: Points, axis: str) -> str:
    """The exponent between the two largest sizes: what growth looks like there."""
    (size, cycles), (most, last) = points[-2:]
    apart = math.log(most) - math.log(size) if size > 0 else 0.0
    if not apart or min(cycles, last) <= 0:
        return ""
    return f"; as {axis}^{math.log(last / cycles) / apart:.2f} from {size} to {most}"


def growths(benches: Iterable[Bench], verdicts: Iterable[Verdict]) -> tuple[Growth, ...]:
    """Of every axis of numbers in the manifest's matrices, for each combination of the others; of benches that failed
    nothing is known. `benches` and `verdicts` belong together, in the manifest's order.
    """
    series: defaultdict[tuple[object, ...], list[tuple[int | float, Verdict]]] = defaultdict(list)
    for bench, verdict in zip(benches, verdicts, strict=True):
        if bench.case is None:
            continue
        for axis, value in bench.case.values:
            held = tuple((name, other) for name, other in bench.case.values if name != axis)
            if isinstance(value, int | float) and not isinstance(value, bool):
                series[bench.place.at, bench.case.family, axis, held].append((value, verdict))
    return tuple(_growths(series))


def _growths(series: Mapping[tuple[object, ...], list[tuple[int | float, Verdict]]]) -> Iterator[Growth]:
    for (_, family, axis, held), members in series.items():
        new = [(n, v.figures.cycles) for n, v in members if v.figures is not None and v.failure is None]
        old = [(n, v.baseline.cycles) for n, v in members if v.baseline is not None]
        if len(new) >= 2:
            before = fitted(old, str(axis)) if len(old) >= 2 else None
            yield Growth(str(family), str(axis), held, fitted(new, str(axis)), before)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------------ fitting

Term = tuple[str, Callable[[int | float], Fraction | float]]
"""How a formula writes it, ``{n}`` being the axis, and its value: a `Fraction` where that is exact."""


def _exact(size: int | float) -> Fraction:
    return Fraction(str(size))  # 0.1 is a tenth, as it is written


def _n_log_n(size: int | float) -> Fraction | float:
    number = _exact(size)
    if number <= 1:  # of 0 the limit; what is smaller is refused by who asks
        return Fraction(0)
    if number.denominator == 1 and number.numerator & (number.numerator - 1) == 0:
        return number * (number.numerator.bit_length() - 1)
    try:
        return float(number) * math.log2(float(number))
    except OverflowError:
        return math.inf


_ONE: Term = ("", lambda _: Fraction(1))
_N: Term = ("{n}", _exact)
_LOG: Term = ("{n}·log2({n})", _n_log_n)
_SQUARE: Term = ("{n}²", lambda size: _exact(size) ** 2)
_CUBE: Term = ("{n}³", lambda size: _exact(size) ** 3)
_FORMULAS: tuple[tuple[Kind, tuple[Term, ...]], ...] = (
    ("constant", (_ONE,)),
    ("linear", (_ONE, _N)),
    ("n log n", (_ONE, _LOG)),
    ("quadratic", (_ONE, _SQUARE)),
    ("n log n", (_ONE, _N, _LOG)),
    ("quadratic", (_ONE, _N, _SQUARE)),
    ("cubic", (_ONE, _N, _SQUARE, _CUBE)),
)
"""From few coefficients to many."""
_MOST_TERMS = max(len(terms) for _, terms in _FORMULAS)


def fitted(points: Points, axis: str) -> Fit:
    """The growth of at least two points, no size twice: the simplest exact formula, else the simplest that is close."""
    ordered = tuple(sorted(points))
    usable = [each for each in _FORMULAS if len(each[1]) < len(ordered) and (_LOG not in each[1] or ordered[0][0] >= 0)]
    if len(ordered) == 2:
        usable = []  # even two equal counts may be of a curve that comes back
    for kind, terms in usable:
        exact = _solved(ordered, terms)
        if exact is not None:
            return Fit(ordered, kind, _formula(exact, terms, axis), is_exact=True)
    for _, group in groupby(usable, key=lambda each: len(each[1])):
        close = sorted((f for kind, terms in group if (f := _approximate(ordered, kind, terms, axis))), key=_by_off)
        if close:
            return close[0] if len(close) == 1 else _with_rivals(close)
    return Fit(ordered)


def _by_off(fit: Fit) -> float:
    return fit.off


def _with_rivals(close: Sequence[Fit]) -> Fit:
    best = close[0]
    also = tuple(fit.kind for fit in close[1:] if fit.kind is not None)
    return Fit(best.points, best.kind, best.formula, best.off, also=also)


def _solved(points: Points, terms: Sequence[Term]) -> list[Fraction] | None:
    """The rational coefficients that give every count exactly; None where there are none."""
    rows = [[term(size) for _, term in terms] for size, _ in points]
    exact = [[value for value in row if isinstance(value, Fraction)] for row in rows]
    if any(len(row) < len(terms) for row in exact):
        return None
    found = _eliminated([[*row, Fraction(cycles)] for row, (_, cycles) in zip(exact, points, strict=True)])
    if found is None:
        return None
    sums = (sum((c * value for c, value in zip(found, row, strict=True)), Fraction(0)) for row in exact)
    return found if all(s == cycles for s, (_, cycles) in zip(sums, points, strict=True)) else None


def _eliminated(rows: list[list[Fraction]]) -> list[Fraction] | None:
    """The solution of the first equations that determine one, by Gauss and Jordan; None where none do."""
    width = len(rows[0]) - 1
    for column in range(width):
        pivot = next((i for i in range(column, len(rows)) if rows[i][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column][column]
        rows[column] = [value / head for value in rows[column]]
        for i, row in enumerate(rows):
            if i != column and row[column]:
                factor = row[column]
                rows[i] = [a - factor * b for a, b in zip(row, rows[column], strict=True)]
    return [rows[i][width] for i in range(width)]


def _approximate(points: Points, kind: Kind, terms: Sequence[Term], axis: str) -> Fit | None:
    """The formula with the smallest relative errors, if it is close and rises with its leading term."""
    cycles = np.array([float(c) for _, c in points])
    reach = float(np.ptp(cycles))
    if cycles.min() <= 0:
        return None
    if kind == "constant":
        middle = _rounded(float(cycles.min() + cycles.max()) / 2)
        off = float(np.abs(cycles - middle).max() / cycles.min())
        return Fit(tuple(points), kind, _formula([middle], terms, axis), off) if reach <= LEVEL * cycles.max() else None
    try:
        table = np.array([[float(term(size)) for _, term in terms] for size, _ in points])
    except OverflowError:  # a power of a size that no float reaches
        return None
    if not np.isfinite(table).all():
        return None
    scale = np.abs(table).max(axis=0)
    weighted = table / scale / cycles[:, None]
    found, _, rank, _ = np.linalg.lstsq(weighted, np.ones(len(cycles)), rcond=None)
    coefficients = np.array([_rounded(float(c)) for c in found / scale])  # as they are shown: `off` is of those
    errors = np.abs(table @ coefficients - cycles)
    off = float((errors / cycles).max())
    if rank < len(terms) or off > OFF or errors.max() > OFF * reach or (kind != "linear" and coefficients[-1] <= 0):
        return None
    return Fit(tuple(points), kind, _formula(coefficients.tolist(), terms, axis), off)


def _rounded(value: float) -> float:
    """To four digits."""
    return float(f"{value:.4g}")


def _formula(coefficients: Sequence[Fraction | float], terms: Sequence[Term], axis: str) -> str:
    text = ""
    for value, (written, _) in zip(coefficients, terms, strict=True):
        if value == 0:
            continue
        sign = "-" if value < 0 else "+"
        number, name = _number(-value if value < 0 else value), written.replace("{n}", axis)
        term = number if not name else name if number == "1" else f"{number}·{name}"
        text += f" {sign} {term}" if text else f"{'-' * (value < 0)}{term}"
    return text or "0"


def _number(value: Fraction | float) -> str:
    """An exact one as a decimal where that ends soon, else as a quotient; another one with its four digits."""
    if not isinstance(value, Fraction):
        return count(round(value)) if value >= 1000 else f"{value:.4g}"
    if value.denominator == 1:
        return count(value.numerator)
    if 1000 % value.denominator == 0:
        return f"{float(value):.3f}".rstrip("0")
    return f"{value.numerator}/{value.denominator}"
