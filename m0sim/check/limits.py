"""Limits of a bench: hard budgets, and how far a figure may rise above the baseline."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NoReturn

from m0sim.chip import operands
from m0sim.errors import UsageError, did_you_mean

FIGURES = ("cycles", "stack", "sram", "code")
"""What can be limited. All but cycles are bytes."""

DEFAULT = {"cycles": Fraction(0)}
"""Tolerances where nobody says otherwise: counts are exact, so any cycle more is one."""

Fail = Callable[[str, str], NoReturn]
"""Raises a `UsageError` for a key and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """By names in `FIGURES`."""

    budgets: Mapping[str, int] = field(default_factory=dict)
    """The most that a figure may be."""
    tolerances: Mapping[str, Fraction] = field(default_factory=lambda: DEFAULT)
    """By what part of the baseline a figure may exceed it: 1/20 for "5%". Figures that are not here may rise."""

    @classmethod
    def of(
        cls,
        *,
        max_cycles: int | None = None,
        max_stack: int | str | None = None,
        max_sram: int | str | None = None,
        max_code: int | str | None = None,
        tolerance: str | Mapping[str, str] = "0%",
    ) -> Limits:
        """Limits as a person writes them: bytes also as "16K"; `tolerance` as "5%", which means cycles, or as a
        mapping from names in `FIGURES`. Raises `UsageError` that names the argument.
        """
        __tracebackhide__ = True
        given = {
            "max_cycles": max_cycles,
            "max_stack": max_stack,
            "max_sram": max_sram,
            "max_code": max_code,
            "tolerance": tolerance,
        }
        wanted = {key: value for key, value in given.items() if value is not None}
        return cls(budgets(wanted, _fail), DEFAULT | tolerances(wanted, _fail))

    def while_updating(self) -> Limits:
        """What holds for figures that become the baseline themselves: the budgets."""
        return Limits(self.budgets, {})


def _fail(key: str, what: str) -> NoReturn:
    raise UsageError(f"{key}: {what}")


def budgets(given: Mapping[str, object], fail: Fail) -> dict[str, int]:
    """The hard limits among `given`, by figure; the keys there are such as ``max_stack``."""
    found = {}
    for figure in FIGURES:
        key = f"max_{figure}"
        if key in given:
            try:
                found[figure] = _budget(figure, given[key])
            except UsageError as error:
                fail(key, str(error))
    return found


def tolerances(given: Mapping[str, object], fail: Fail) -> dict[str, Fraction]:
    """The ``tolerance`` in `given` by figure: of "5%" that of the cycles; none where there is no such key."""
    if "tolerance" not in given:
        return {}
    try:
        return _tolerances(given["tolerance"])
    except UsageError as error:
        fail("tolerance", str(error))


def _budget(figure: str, value: object) -> int:
    """An integer from 0, or, where it is bytes, a size such as "16K"."""
    if isinstance(value, str) and figure != "cycles":
        return operands.size(value)
    if type(value) is not int:
        wanted = "an integer" if figure == "cycles" else 'an integer, or a size such as "16K"'
        raise UsageError(f"must be {wanted}, not {value!r}")
    if value < 0:
        raise UsageError(f"must be 0 or more, not {value}")
    return value


def _tolerances(value: object) -> dict[str, Fraction]:
    if isinstance(value, str):
        return {"cycles": percent(value)}
    if not isinstance(value, Mapping):
        raise UsageError(f'must be a percentage such as "5%", or a table such as {{cycles = "5%"}}, not {value!r}')
    for name in value:
        if name not in FIGURES:
            known = ", ".join(FIGURES)
            raise UsageError(f"unknown figure {name!r}{did_you_mean(str(name), FIGURES)} (there are {known})")
    return {name: percent(part) for name, part in value.items()}


def percent(value: object) -> Fraction:
    """ "2.5%" as 1/40, exactly. Raises `UsageError`."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%", value.strip()) if isinstance(value, str) else None
    if found is None:
        raise UsageError(f'must be a percentage such as "5%" or "0.5%", not {value!r}')
    return Fraction(found[1]) / 100
