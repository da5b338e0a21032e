"""Static bounds for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from m0sim.bounds.cycles import CycleBound
from m0sim.bounds.observed import Observed
from m0sim.bounds.reasons import Reason, in_source
from m0sim.bounds.stack import Bound
from m0sim.bounds.vectors import Interrupts
from m0sim.report.bounds_json import Report
from m0sim.report.text import grid
from m0sim.report.units import count

_MOST_REASONS = 20
_MOST_EXCEPTIONS = 3


def report(found: Report) -> RenderableType:
    """One function."""
    stack = found.stack
    parts: list[RenderableType] = [*_stack(stack, found.observed)]
    if found.interrupts is not None:
        parts += [Text(), *interrupts(found.interrupts)]
        if found.total_bytes is not None:
            parts.append(Text(f"{stack.function} and all of these: at most {count(found.total_bytes)} bytes"))
    if found.cycles is not None:
        parts += [Text(), *_cycles(found.cycles, found.observed)]
    parts += [Text(f"error: {line}", style="bold red") for line in found.wrong]
    return Group(*parts)


def listing(bounds: Sequence[Bound], found: Interrupts | None) -> RenderableType:
    """All functions."""
    table = grid("function", "own", "with callees")
    table.add_column("deepest way, or what is missing", no_wrap=True)
    for bound in bounds:
        _row(table, bound.function, count(bound.frame_bytes), _bytes(bound.stack_bytes), _way(bound))
    more = [] if found is None else [Text(), *interrupts(found)]
    return Group(table, *more)


def _row(table: Table, *cells: str) -> None:
    table.add_row(*map(Text, cells))  # a name may look like markup


def _exceptions(names: Sequence[str]) -> str:
    more = len(names) - _MOST_EXCEPTIONS
    return ", ".join(names[:_MOST_EXCEPTIONS]) + (f" and {more} more" if more > 0 else "")


def _bytes(number: int | None) -> str:
    return "unbounded" if number is None else count(number)


def _way(bound: Bound) -> str:
    if bound.stack_bytes is not None:
        return " > ".join(part.function for part in bound.path[1:])
    return next((f"{reason.place}: {reason.text}" for reason in bound.reasons), "")


def _stack(bound: Bound, seen: Observed | None) -> Iterator[RenderableType]:
    observed = "" if seen is None else f"; {count(seen.stack_bytes)} observed"
    if bound.stack_bytes is None:
        yield Text.assemble((bound.function, "bold"), f": stack unbounded{observed}")
        yield from _reasons(bound.reasons)
        return
    yield Text.assemble(
        (bound.function, "bold"), ": at most ", (count(bound.stack_bytes), "bold"), f" bytes of stack{observed}"
    )
    yield Text()
    yield _path(bound)


def _path(bound: Bound) -> Table:
    table = grid("deepest way", "bytes", "so far")
    table.add_column("", style="dim")
    total = 0
    for part in bound.path:
        total += part.stack_bytes
        _row(table, part.function, count(part.stack_bytes), count(total), part.note)
    return table


def _reasons(reasons: Sequence[Reason]) -> Iterator[Text]:
    for reason in reasons[:_MOST_REASONS]:
        yield Text(f"  {reason.line}", style="yellow")
    left = len(reasons) - _MOST_REASONS
    if left > 0:
        yield Text(f"  ... and {left} more", style="dim")


def interrupts(found: Interrupts) -> Iterator[RenderableType]:
    """Handlers, and what all that may be active at once take."""
    table = grid("handler", "own", "with callees", "with saved registers")
    table.add_column("exceptions")
    for handler in found.handlers:
        bound = handler.bound
        own, all_of_it, taken = count(bound.frame_bytes), _bytes(bound.stack_bytes), _bytes(handler.stack_bytes)
        _row(table, bound.function, own, all_of_it, taken, _exceptions(handler.exceptions))
    yield table
    for handler in found.handlers:
        yield from _reasons(handler.bound.reasons)
    if found.nested_bytes is not None:
        yield Text(
            f"nested: at most {count(found.nested_bytes)} bytes: "
            "a handler of each of the four priorities, NMI and HardFault at once"
        )


def _cycles(bound: CycleBound, seen: Observed | None) -> Iterator[RenderableType]:
    observed = "" if seen is None or seen.cycles is None else f"; {count(seen.cycles)} observed"
    if bound.cycles is None:
        yield Text.assemble((bound.function, "bold"), f": cycles unbounded{observed}")
        yield from _reasons(bound.reasons)
        return
    yield Text.assemble(
        (bound.function, "bold"),
        ": at most ",
        (count(bound.cycles), "bold"),
        f" cycles{observed}; an upper bound, for memory without wait states",
    )
    if bound.loops:
        table = grid("loop", "rounds, at most")
        for loop in bound.loops:
            _row(table, f"{loop.place}{in_source(loop.source)}", count(loop.most))
        yield from (Text(), table)
    yield from (Text(f"note: {note}", style="yellow") for note in bound.notes)
