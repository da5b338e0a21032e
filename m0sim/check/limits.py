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
"""What can be limited of every bench. All but cycles are bytes."""
CALL_FIGURES = (*FIGURES, "stack_static")
"""What can be limited of a call. The last is no figure of the run: its deepest stack by the code alone."""
RUN_FIGURES = ("cycles", "awake", "first_output", "latency", "entries", "stack", "sram", "code", "energy")
"""What can be limited of a run of whole firmware."""
_IN_CYCLES = ("cycles", "awake", "first_output", "latency")
_WITH_PARTS = ("latency", "entries", "stack")
"""Figures that a run has several of: of each handler, of each stack. Their keys are such as ``stack.msp``."""
_NANOJOULES = {"J": Fraction(10**9), "mJ": Fraction(10**6), "uJ": Fraction(10**3), "nJ": Fraction(1)}

DEFAULT = {"cycles": Fraction(0)}
"""Tolerances where nobody says otherwise: counts are exact, so any cycle more is one."""

Budget = int | str | Mapping[str, int | str]
"""One for every handler or stack, or each one's own, by its name."""
Fail = Callable[[str, str], NoReturn]
"""Raises a `UsageError` for a key and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """By names in `RUN_FIGURES`."""

    budgets: Mapping[str, int] = field(default_factory=dict)
    """The most that a figure may be; that of one handler or stack by keys such as ``latency.SysTick``."""
    tolerances: Mapping[str, Fraction] = field(default_factory=lambda: DEFAULT)
    """By what part of the baseline a figure may exceed it: 1/20 for "5%". Figures that are not here may rise, but those
    in cycles do as the cycles do."""

    def budget_of(self, key: str) -> int | None:
        """The budget for a figure, such as ``stack``, or for its part, such as ``stack.msp``."""
        return self.budgets.get(key, self.budgets.get(figure_of(key)))

    def tolerance_of(self, key: str) -> Fraction | None:
        """The tolerance of a figure."""
        figure = figure_of(key)
        found = self.tolerances.get(figure)
        return self.tolerances.get("cycles") if found is None and figure in _IN_CYCLES else found

    @classmethod
    def of(
        cls,
        *,
        max_cycles: int | None = None,
        max_stack: Budget | None = None,
        max_sram: int | str | None = None,
        max_code: int | str | None = None,
        max_awake: int | None = None,
        max_first_output: int | None = None,
        max_latency: Budget | None = None,
        max_entries: Budget | None = None,
        max_energy: str | None = None,
        tolerance: str | Mapping[str, str] = "0%",
    ) -> Limits:
        """Limits as a person writes them: bytes also as "16K", energy as "3.5mJ"; `tolerance` as "5%", which means
        cycles, or as a mapping from names in `RUN_FIGURES`. Raises `UsageError` that names the argument.
        """
        __tracebackhide__ = True
        given = {
            "max_cycles": max_cycles,
            "max_stack": max_stack,
            "max_sram": max_sram,
            "max_code": max_code,
            "max_awake": max_awake,
            "max_first_output": max_first_output,
            "max_latency": max_latency,
            "max_entries": max_entries,
            "max_energy": max_energy,
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
    """The hard limits among `given`, by figure or part of one; the keys there are such as ``max_stack``."""
    found = {}
    for figure in dict.fromkeys((*CALL_FIGURES, *RUN_FIGURES)):
        key = f"max_{figure}"
        if key in given:
            try:
                found.update(_budgets(figure, given[key]))
            except UsageError as error:
                fail(key, str(error))
    return found


def figure_of(key: str) -> str:
    """The name in `RUN_FIGURES` of a figure, or of its part: ``stack`` of ``stack.msp``."""
    return key.partition(".")[0]


def unit_of(key: str) -> str:
    """What a figure, or its part, is counted in."""
    figure = figure_of(key)
    return "cycles" if figure in _IN_CYCLES else {"entries": "entries", "energy": "nJ"}.get(figure, "bytes")


def _budgets(figure: str, value: object) -> dict[str, int]:
    """By the figure's name, or by those of its parts."""
    if figure in _WITH_PARTS and isinstance(value, Mapping):
        return {f"{figure}.{part}": _budget(figure, one) for part, one in value.items()}
    return {figure: _budget(figure, value)}


def tolerances(given: Mapping[str, object], fail: Fail) -> dict[str, Fraction]:
    """The ``tolerance`` in `given` by figure: of "5%" that of the cycles; none where there is no such key."""
    if "tolerance" not in given:
        return {}
    try:
        return _tolerances(given["tolerance"])
    except UsageError as error:
        fail("tolerance", str(error))


def _budget(figure: str, value: object) -> int:
    """An integer from 0, or, where it is bytes, a size such as "16K"; of energy the nanojoules of "3.5mJ"."""
    if figure == "energy":
        return _nanojoules(value)
    is_size = unit_of(figure) == "bytes"
    if isinstance(value, str) and is_size:
        return operands.size(value)
    if type(value) is not int:
        wanted = 'an integer, or a size such as "16K"' if is_size else "an integer"
        raise UsageError(f"must be {wanted}, not {value!r}")
    if value < 0:
        raise UsageError(f"must be 0 or more, not {value}")
    return value


def _nanojoules(value: object) -> int:
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([mun]?J)\s*", value) if isinstance(value, str) else None
    if found is None:
        raise UsageError(f'must be an energy such as "3.5mJ" or "20uJ", not {value!r}')
    return int(Fraction(found[1]) * _NANOJOULES[found[2]])


def _tolerances(value: object) -> dict[str, Fraction]:
    if isinstance(value, str):
        return {"cycles": percent(value)}
    if not isinstance(value, Mapping):
        raise UsageError(f'must be a percentage such as "5%", or a table such as {{cycles = "5%"}}, not {value!r}')
    for name in value:
        if name not in RUN_FIGURES:
            known = ", ".join(RUN_FIGURES)
            raise UsageError(f"unknown figure {name!r}{did_you_mean(str(name), RUN_FIGURES)} (there are {known})")
    return {name: percent(part) for name, part in value.items()}


def percent(value: object) -> Fraction:
    """ "2.5%" as 1/40, exactly. Raises `UsageError`."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%", value.strip()) if isinstance(value, str) else None
    if found is None:
        raise UsageError(f'must be a percentage such as "5%" or "0.5%", not {value!r}')
    return Fraction(found[1]) / 100
