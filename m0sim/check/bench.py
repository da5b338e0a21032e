"""What a manifest asks to be measured: calls of functions, and runs of whole firmware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from m0sim.bounds.annotations import Annotations
from m0sim.check.limits import Limits
from m0sim.chip import operands
from m0sim.chip.arguments import ResultType
from m0sim.chip.cost import FindingKind
from m0sim.chip.operands import Operand
from m0sim.chip.options import Engine, FlashModel, Level
from m0sim.chip.replies import Replies
from m0sim.errors import UsageError
from m0sim.toml import KeyPath, Lines


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bench is written, for errors that only the image or a file can show."""

    path: Path
    lines: Lines
    at: KeyPath
    inherited: frozenset[str]
    """Keys that stand at the top of the file instead."""
    name: str

    @property
    def line(self) -> int:
        return self.lines.of(self.at)

    def error(self, key: str, what: str) -> UsageError:
        """An error that names file, line, bench and key."""
        line = self.lines.of((key,) if key in self.inherited else (*self.at, key))
        return UsageError(f"{self.path}:{line}: bench {self.name!r}: {key}: {what}")


Value = int | float | str | bool
"""One of an axis of a matrix."""


@dataclass(frozen=True, slots=True)
class Case:
    """Which combination of its matrix a bench is."""

    family: str
    """The name that they all were written under."""
    values: tuple[tuple[str, Value], ...]
    """By axis, in the manifest's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What every bench has."""

    name: str
    limits: Limits
    stop_after: int
    """Cycles after which it is a fault."""
    image: Path
    base: int | None
    """Where a raw binary runs; None for what says so itself."""
    symbols: Path | None
    """The ELF that a HEX, UF2 or raw image was made from; None for an ELF, and where there are no names."""
    profile: str
    """A bundled profile's name, or a .toml file's path."""
    clock_hz: int | None
    """None for the profile's own."""
    bootrom: Path | None
    """The vendor's boot ROM; None for m0sim's own, or none."""
    engine: Engine | None
    """None for the one that can count what is asked for."""
    all_engines: bool = False
    """Whether it is also measured on the other one, where both can count it, and they must agree."""
    place: Place
    """Where in the manifest it is."""
    case: Case | None = None
    """None for one without a matrix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBench(_Bench):
    """One call of a function."""

    function: str
    args: tuple[Operand, ...]
    result: ResultType
    """Type of the result."""
    expect: int | float | None
    """What the function must return; None where anything will do."""
    startup: str | None
    """Where the image's own start-up code, uncounted, has come to before that; None where it does not run."""
    before: tuple[operands.Call, ...]
    """Functions to run first, uncounted."""
    stubs: Mapping[str, Replies]
    """Functions replaced by a return of values in turn."""
    registers: Mapping[int, Replies]
    """By address, what loads from registers of peripherals give."""
    stdout: tuple[str, ...]
    """Functions that print, which are replaced: ``FUNC``, ``FUNC:char`` or ``FUNC:str``."""
    fail_on: tuple[FindingKind, ...]
    """Kinds of findings of level ``memory`` that are faults."""
    flash: FlashModel
    """What flash does to the cycles."""
    told: Annotations
    """What the manifest says of code, for the stack that is bounded without a run."""

    @property
    def runs_on_both(self) -> bool:
        """Whether either engine can count what is asked for."""
        return self.level == "cycles" and self.flash == "ideal"

    @property
    def bounds_stack(self) -> bool:
        """Whether the deepest stack by the code alone is one of its figures."""
        return "stack_static" in self.limits.budgets

    @property
    def level(self) -> Level:
        """What is counted."""
        return "memory" if self.fail_on else "cycles"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBench(_Bench):
    """One run of the firmware from reset. Symbols are names of functions, or addresses."""

    until: str | None
    """Where control must come to."""
    until_output: str
    """What must be printed; empty where that does not matter."""
    seconds: Fraction | None
    """How long it runs; with either of those, how long they may take."""
    begin: str | None
    """Where counting begins; at reset where None."""
    end: str | None
    """Where counting, and the run, ends then."""
    stdin: Path | None
    """What the first UART receives."""
    expect: int
    """The exit code of a program that ends by itself."""
    flash: FlashModel | None
    """None for what the part has after a reset."""

    @property
    def waits_for_something(self) -> bool:
        """Whether it is over when something has happened, not when its time is."""
        return self.until is not None or bool(self.until_output) or self.end is not None


Bench = CallBench | RunBench
