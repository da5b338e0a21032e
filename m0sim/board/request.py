"""What is to be measured on a board: a call, with its operands as a person or a manifest has them."""

from __future__ import annotations

from dataclasses import dataclass

from m0sim.chip import operands
from m0sim.chip.arguments import ResultType
from m0sim.chip.operands import Operand

NAME_LIMIT = 100
"""Characters of a name in a log."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a function."""

    name: str
    """What the log calls it: a bench's name."""
    function: str
    args: tuple[Operand, ...]
    result: ResultType | None = None
    """How r0 is read; None for what the image declares."""
    before: tuple[operands.Call, ...] = ()
    """Functions to run first, not measured."""
    stop_after: int = 10_000_000_000
    """Cycles after which the simulated call is given up."""
