"""The vector table of an image, and what handlers add to the stack that they interrupt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from m0sim.bounds.code import CodeReader
from m0sim.bounds.flow import EXCEPTION_FRAME
from m0sim.bounds.stack import Bound
from m0sim.chip.device import Device
from m0sim.chip.engine.start import VECTOR_TABLES

RESET, NMI, HARD_FAULT, SUPERVISOR_CALL = 1, 2, 3, 11
_MOST_VECTORS = 48
_RESERVED = (4, 5, 6, 7, 8, 9, 10, 12, 13)
PRIORITIES = 4
"""How many an exception may be given in ARMv6-M: DDI 0419, B1.5.4."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that exceptions run."""

    exceptions: tuple[str, ...]
    numbers: tuple[int, ...]
    bound: Bound

    @property
    def stack_bytes(self) -> int | None:
        """With the registers that the core saves, and what may be needed to align them."""
        return None if self.bound.stack_bytes is None else EXCEPTION_FRAME + self.bound.stack_bytes


@dataclass(frozen=True, slots=True)
class Interrupts:
    """All handlers of a vector table."""

    table: int
    handlers: tuple[Handler, ...]
    """The deepest first, those without a bound before them."""

    @property
    def nested_bytes(self) -> int | None:
        """The most that exceptions take, whatever their priorities are; None where one has no bound.

        Of one priority no two are active at once: at most one at each of the four, NMI, and HardFault.
        """
        fixed, others = [], []
        for handler in self.handlers:
            taken = handler.stack_bytes
            if taken is None:
                return None
            fixed += [taken for number in handler.numbers if number in (NMI, HARD_FAULT)]
            others += [taken for number in handler.numbers if number not in (NMI, HARD_FAULT)]
        return sum(fixed) + sum(sorted(others, reverse=True)[:PRIORITIES])


def find(code: CodeReader, device: Device) -> int | None:
    """Where the table is: at a symbol that start-up files call it, at flash's begin, or 256 bytes behind it.

    None where no such place has a stack and a reset handler that is code.
    """
    flash = [region.base for region in device.regions if region.kind == "flash"]
    places = [symbol.address for symbol in code.image.symbols if symbol.linkage_name in VECTOR_TABLES]
    places += [base + offset for base in flash for offset in (0, 256)]
    return next((place for place in places if _is_table(code, place)), None)


def handlers(code: CodeReader, table: int) -> dict[int, int]:
    """Where the handlers of a table begin, by the number of the exception; Reset is none."""
    found = {}
    for number in range(NMI, _MOST_VECTORS):
        entry = code.constant(table + 4 * number, 4)
        if entry is None or (entry and not _is_code(code, entry)):
            if number in _RESERVED:  # some parts have a checksum or a signature there
                continue
            break  # the table is over
        if entry and number not in _RESERVED:
            found[number] = entry & ~1
    return found


def grouped(entries: Mapping[int, int]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Each function once, and the numbers of the exceptions that run it."""
    for entry in dict.fromkeys(entries.values()):
        yield entry, tuple(number for number, each in entries.items() if each == entry)


def _is_table(code: CodeReader, place: int) -> bool:
    stack, reset = (code.constant(place + 4 * number, 4) for number in (0, RESET))
    return stack is not None and not stack & 3 and stack > 0 and reset is not None and _is_code(code, reset)


def _is_code(code: CodeReader, entry: int) -> bool:
    return entry & 1 == 1 and code.is_code(entry - 1)
