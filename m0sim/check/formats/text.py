"""A check's result for a person: a table, then for each bench that moved or failed, why and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from m0sim.check.assembly import assembly
from m0sim.check.compare import Verdict, closing_line
from m0sim.check.figures import Row
from m0sim.check.limits import FIGURES
from m0sim.check.result import Result
from m0sim.check.where import FunctionChange, Pair, Where
from m0sim.report.units import count

_MOST_FUNCTIONS = 10
_MOST_LINES = 10
_MOST_INSTRUCTIONS = 40
_STYLES = {"regressed": "red", "failed": "red", "improved": "green", "new": "yellow", "unchanged": ""}
_HEADINGS = ("bench", "status", "cycles", "stack", "SRAM", "code")


def text(result: Result) -> str:
    """The whole report, plain."""
    return "\n".join(line for line, _ in _report(result)) + "\n"


def styled(result: Result) -> Text:
    """The whole report, in colours."""
    return Text("\n").join(Text(line, style) for line, style in _report(result))


def _report(result: Result) -> Iterator[tuple[str, str]]:
    """Lines with their styles."""
    rows = [_HEADINGS, *(row(verdict) for verdict in result.verdicts)]
    styles = ["bold", *(_STYLES[verdict.status] for verdict in result.verdicts)]
    yield from zip(columns(rows, left=(0, 1)), styles, strict=True)
    for verdict in result.verdicts:
        reasons = result.reasons(verdict)
        if reasons or worth_details(verdict):
            yield "", ""
            yield title(verdict), _STYLES[verdict.status]
            yield from ((f"  {reason}", "red") for reason in reasons)
            yield from ((f"  {line}".rstrip(), "") for line in details(verdict))
    yield "", ""
    yield from ((f"note: {note}", "yellow") for note in result.notes)
    yield closing_line(result.verdicts), "bold red" if result.is_bad else "bold green"


def row(verdict: Verdict) -> tuple[str, ...]:
    """The cells of a bench in the table."""
    return (verdict.name, verdict.status, *(cell(verdict, figure) for figure in FIGURES))


def cell(verdict: Verdict, figure: str) -> str:
    """Such as ``13,012`` when nothing changed, ``13,012|13,000 (+0.1 %)`` when it did, ``-`` after a fault."""
    if verdict.figures is None:
        return "-"
    new = verdict.figures.value(figure)
    old = new if verdict.baseline is None else verdict.baseline.value(figure)
    return count(new) if new == old else f"{count(new)}|{count(old)} ({change(old, new)})"


def change(old: int, new: int) -> str:
    """Such as ``+5.5 %``; small ones keep one digit that is not 0."""
    if old == 0:
        return f"{new - old:+,}"
    percent = 100 * (new - old) / old
    return f"{percent:+.1f} %" if abs(percent) >= 0.1 or new == old else f"{percent:+.1g} %"


def worth_details(verdict: Verdict) -> bool:
    """Whether there is more to say than the table does and why it failed."""
    return verdict.where is not None or bool(verdict.warnings)


def title(verdict: Verdict) -> str:
    """One line on a bench."""
    if verdict.figures is None or verdict.baseline is None:
        return f"{verdict.name}: {verdict.status}"
    old, new = verdict.baseline.cycles, verdict.figures.cycles
    moved = f"{count(old)} -> {count(new)} cycles ({change(old, new)})" if old != new else f"{count(new)} cycles"
    return f"{verdict.name}: {verdict.status}, {moved}"


def explain(verdict: Verdict) -> str:
    """All there is to say on one bench: its title, what failed, and where cycles changed."""
    lines = [*verdict.reasons, *details(verdict)]
    return "\n".join([title(verdict), *(f"  {line}".rstrip() for line in lines)])


def details(verdict: Verdict) -> list[str]:
    """Warnings, and where cycles changed."""
    lines = [f"warning: {warning}" for warning in verdict.warnings]
    old, new = verdict.baseline, verdict.figures
    if old is not None and new is not None and old.profile != new.profile:
        lines.append(f"the baseline is of the profile {old.profile}, this is {new.profile}")
    return lines if verdict.where is None else [*lines, *where(verdict.where)]


def where(found: Where) -> list[str]:
    """The functions that changed, then each one's lines and instructions."""
    shown = found.functions[:_MOST_FUNCTIONS]
    rows = [("function", "old", "new", "change"), *((f.name, *_moved(f.old, f.new)) for f in shown)]
    lines = [*columns(rows), *_more(len(found.functions) - len(shown), "functions")]
    for function in shown:
        lines += _inside(function)
    return lines


def _moved(old: int | None, new: int | None) -> tuple[str, str, str]:
    word = "new" if old is None else "removed" if new is None else f"{new - old:+,}"
    return "-" if old is None else count(old), "-" if new is None else count(new), word


def _inside(function: FunctionChange) -> list[str]:
    lines: list[str] = []
    if function.lines:
        shown = function.lines[:_MOST_LINES]
        rows = [(f"{function.name} by line", "old", "new", "change")]
        rows += [(line.source, *_moved(line.old, line.new)) for line in shown]
        lines += ["", *columns(rows), *_more(len(function.lines) - len(shown), "lines")]
    if function.hunks:
        lines += ["", *_instructions(function)]
    return lines


def _instructions(function: FunctionChange) -> list[str]:
    heading = ("offset", f"{function.name}, old", "executions", "cycles")
    rows: list[tuple[str, ...]] = [("", *heading, "|", "offset", "new", "executions", "cycles", "")]
    for i, hunk in enumerate(function.hunks):
        if i:
            rows.append(("", "...", "", "", "", "|", "...", "", "", "", ""))
        rows += [_side_by_side(pair) for pair in hunk]
    shown = rows[: _MOST_INSTRUCTIONS + 1]
    return [*columns(shown, left=(0, 2, 5, 7, 10)), *_more(len(rows) - len(shown), "instructions")]


def _side_by_side(pair: Pair) -> tuple[str, ...]:
    old, new = pair
    source = new.source if new is not None else old.source if old is not None else ""
    return (_mark(pair), *_instruction(old), "|", *_instruction(new), source)


def _mark(pair: Pair) -> str:
    """As diff has it: + what came, - what went, ! what changed."""
    old, new = pair
    if old is None or new is None:
        return "+" if old is None else "-"
    same = (old.executions, old.cycles) == (new.executions, new.cycles) and assembly(old) == assembly(new)
    return "" if same else "!"


def _instruction(row: Row | None) -> tuple[str, ...]:
    if row is None:
        return ("", "", "", "")
    return (f"{row.offset:04x}", assembly(row), count(row.executions), count(row.cycles))


def _more(number: int, what: str) -> list[str]:
    return [f"... {number} more {what}"] if number > 0 else []


def columns(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """Aligned lines: the columns `left` to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_cell(row, i, widths[i], left) for i in range(len(row))).rstrip() for row in rows]


def _cell(row: Sequence[str], i: int, width: int, left: Sequence[int]) -> str:
    return row[i].ljust(width) if i in left else row[i].rjust(width)
