"""The exception for simulated code that went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from m0sim.chip.cost import Cost
from m0sim.chip.stops import FaultKind
from m0sim.errors import M0simError


@dataclass(frozen=True, slots=True)
class CallSite:
    """One open call: the function, and the address that it will return to (None for the function asked for)."""

    function: str
    return_address: int | None
    source: tuple[str, int] | None

    @property
    def place(self) -> str:
        """Such as ``filter, called before 0x10000012 (main.c:40)``.

        A function that the one asked for jumped to, a tail call, returns to the outside as well: it has no address.
        """
        returns = "" if self.return_address is None else f", called before {self.return_address:#010x}"
        where = "" if self.source is None else f" ({self.source[0]}:{self.source[1]})"
        return f"{self.function}{returns}{where}"


class Fault(M0simError):
    """The simulated code cannot go on, or did what no correct code does.

    `kind` is a string too, and compares with one: ``fault.kind == "stack-overflow"``; see `FaultKind` for all.
    `cost` holds what was counted up to the instruction at `address`, which is not counted itself.
    """

    def __init__(
        self,
        kind: FaultKind,
        reason: str,
        *,
        address: int,
        function: str,
        offset: int,
        source: tuple[str, int] | None,
        registers: dict[str, int],
        call_stack: tuple[CallSite, ...],
        cost: Cost,
    ) -> None:
        self.kind = kind
        self.reason = reason
        self.address = address
        self.function = function
        self.offset = offset
        self.source = source
        self.registers = registers
        self.call_stack = call_stack
        self.cost = cost
        super().__init__(f"{reason} in {self.place}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Faults travel between processes: pytest-xdist, pools."""
        details = {
            "address": self.address,
            "function": self.function,
            "offset": self.offset,
            "source": self.source,
            "registers": self.registers,
            "call_stack": self.call_stack,
            "cost": self.cost,
        }
        return _rebuild, (type(self), self.kind, self.reason, details)

    @property
    def place(self) -> str:
        """Such as ``filter+0x12 (filter.c:40)``."""
        where = f"{self.function}+{self.offset:#x}"
        return where if self.source is None else f"{where} ({self.source[0]}:{self.source[1]})"


def _rebuild(kind_of_fault: type[Fault], kind: FaultKind, reason: str, details: dict[str, Any]) -> Fault:
    return kind_of_fault(kind, reason, **details)


class Interrupted(Fault, KeyboardInterrupt):
    """Ctrl-C during a run. Code that only handles `Exception` lets it through, as any KeyboardInterrupt."""
