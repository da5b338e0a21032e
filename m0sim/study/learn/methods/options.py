"""Options of methods: what each may be, and what it is unless somebody says otherwise.

A method declares those that it uses (`Method.options`); any other is refused, never ignored. The ones here are fields
of `Config`, and mean the same for every method that has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_args, get_type_hints

from m0sim.errors import UsageError
from m0sim.study.learn.config import Config

Value = int | float | str


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a method: a number from `low` to `high`, whole where these and the default are, or a word."""

    default: Value
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    help: str = ""
    is_tuned: bool = True
    """Whether it only tunes the method: a study's untuned runs have the default then. False where another value makes
    another method of it, such as how many layers learn."""
    needs: tuple[str, str] | None = None
    """Another option and the value of that one without which this one has no effect."""

    def __post_init__(self) -> None:
        if bool(self.choices) == (self.low is not None and self.high is not None):
            raise ValueError("an option has either choices, or both low and high")
        if wrong := self.problem(self.default):
            raise ValueError(f"the default {wrong}")

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are right."""
        return not self.choices and all(isinstance(n, int) for n in (self.default, self.low, self.high))

    def problem(self, value: Any) -> str:
        """What is wrong with a value, nothing if all is well."""
        if self.choices:
            *others, last = self.choices
            known = f"{', '.join(others)} or {last}" if others else last
            return "" if value in self.choices else f"must be {known}, not {value!r}"
        assert self.low is not None
        assert self.high is not None
        kinds = (int,) if self.is_whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not self.low <= value <= self.high:
            whole = "a whole number " if self.is_whole else ""
            return f"must be {whole}from {self.low:g} to {self.high:g}, not {value!r}"
        return ""

    def parse(self, text: str) -> Value:
        """The value that somebody typed; the text itself where it is no number, which `problem` then says."""
        if self.choices:
            return text
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        return text

    def applies(self, given: Mapping[str, Any], options: Mapping[str, Option]) -> bool:
        """Whether it has an effect beside the others that are given, of a method's `options`."""
        if self.needs is None:
            return True
        name, value = self.needs
        return bool(given.get(name, options[name].default) == value)


def _choices(field: str) -> tuple[str, ...]:
    return get_args(get_type_hints(Config)[field])


SHARPNESS = "sharpness"
"""The one shared option that is no field of `Config`: it is added to two of them."""

SHARED: Mapping[str, Option] = {
    "trained": Option(Config.trained, 0, 64, help="only the last so many layers learn; 0 for all", is_tuned=False),
    "sharpness": Option(0, -8, 8, help="the loss sees the logits times 2**N"),
    "cool": Option(Config.cool, 0, 1_000_000, help="steps until the learning rate is halved; 0: never", is_tuned=False),
    "keep": Option(Config.keep, 0.0, 1.0, help="share of the scored edges that top-k keeps"),
    "refresh": Option(Config.refresh, 1, 1_000_000, help="steps until top-k's cut is renewed", is_tuned=False),
    "theta": Option(Config.theta, -127, 127, help="score from which on the threshold keeps an edge"),
    "deviation": Option(Config.deviation, 1, 127, help="standard deviation of the initial scores"),
    "fraction": Option(Config.fraction, 1e-6, 1.0, help="share of the edges that have a score", is_tuned=False),
    "prune": Option(Config.prune, choices=_choices("prune"), help="how edges are pruned", is_tuned=False),
    "selection": Option(Config.selection, choices=_choices("selection"), help="which are scored", is_tuned=False),
    "spread": Option(Config.spread, choices=_choices("spread"), help="how layers share them", is_tuned=False),
}
"""Options that mean the same for every method that has them."""

CONFIG_FIELDS = frozenset(field.name for field in fields(Config))


def shared(*names: str) -> dict[str, Option]:
    """Those of `SHARED` with these names: what a method declares that uses them as they are."""
    return {name: SHARED[name] for name in names}


def check_declared(options: Mapping[str, Option]) -> None:
    """Raises UsageError for a name of `Config` or of `SHARED` whose option does not mean what it means there."""
    for name, option in options.items():
        if not isinstance(option, Option):
            raise UsageError(f"its option {name!r} is no Option but {option!r}")
        own = name not in SHARED and name not in CONFIG_FIELDS
        if own and not (name.isidentifier() and name.islower()):
            raise UsageError(f"its option {name!r} needs a name of small letters, digits and _")
        if not own and (name not in SHARED or not _means(option, SHARED[name])):
            raise UsageError(f"its option {name!r} has a name that m0sim uses: take another, or shared({name!r})")
        if option.needs is not None and option.needs[0] not in options:
            raise UsageError(f"its option {name!r} needs {option.needs[0]!r}, which it does not declare")


def _means(option: Option, shared_one: Option) -> bool:
    """Whether it is the same but for what it needs, its default, and where its range begins."""
    is_within = option.low is None or shared_one.low is None or option.low >= shared_one.low
    alike = replace(option, needs=None, default=shared_one.default, low=shared_one.low)
    return is_within and alike == shared_one
