"""A check's result for a person: a table, then for each bench that moved or failed, why and where."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from m0sim.check.assembly import assembly
from m0sim.check.figures import InstructionRow
from m0sim.check.limits import FIGURES, unit_of
from m0sim.check.result import Result
from m0sim.check.verdict import Verdict, closing_line, other_waits
from m0sim.check.where import FunctionChange, Pair, Where
from m0sim.names import printable
from m0sim.report.units import count

_MOST_FUNCTIONS = 10
_MOST_LINES = 10
_MOST_GROWTHS = 10
_MOST_INSTRUCTIONS = 40
_STYLES = {
    "regressed": "red",
    "failed": "red",
    "improved": "green",
    "new": "yellow",
    "updated": "yellow",
    "unchanged": "",
}

Seen = dict[Hashable, str]
"""Instructions of a function that were shown, and for which bench."""


def text(result: Result) -> str:
    """The whole report, plain."""
    return "\n".join(line for line, _ in _report(result)) + "\n"


def styled(result: Result) -> Text:
    """The whole report, in colours."""
    return Text("\n").join(Text(line, style) for line, style in _report(result))


def _report(result: Result) -> Iterator[tuple[str, str]]:
    """Lines with their styles."""
    styles = ["bold", *(_STYLES[verdict.status] for verdict in result.verdicts)]
    yield from zip(table(row(verdict) for verdict in result.verdicts), styles, strict=True)
    seen: Seen = {}
    for verdict in result.verdicts:
        why, more = reasons(verdict), details(verdict, seen)
        if why or more:
            yield "", ""
            yield title(verdict), _STYLES[verdict.status]
            yield from ((f"  {reason}", "red") for reason in why)
            yield from ((f"  {line}".rstrip(), "") for line in more)
    yield "", ""
    yield from growth(result)
    yield from ((line, "") for line in image_code(result.verdicts))
    yield from ((f"note: {printable(note)}", "yellow") for note in result.notes)
    yield closing_line(result.verdicts), "bold red" if result.is_bad else "bold green"


def growth(result: Result) -> Iterator[tuple[str, str]]:
    """A line for each series of sizes, with its style; first those whose growth changed."""
    ordered = sorted(result.growths, key=lambda each: not each.change)
    for each in ordered[:_MOST_GROWTHS]:
        yield printable(each.line), "red" if each.is_worse else ""
    yield from ((line, "") for line in _more(len(ordered) - _MOST_GROWTHS, "series of sizes"))


def headings(first: str = "bench") -> tuple[str, ...]:
    """Those of the table; `first` is what has a row."""
    return (first, "status", "cycles", "stack", "SRAM", "code")


def table(rows: Iterable[Sequence[str]], first: str = "bench") -> list[str]:
    """Aligned lines of headings and of what `row` gives."""
    return columns([headings(first), *rows], left=(0, 1))


def row(verdict: Verdict) -> tuple[str, ...]:
    """The cells of a bench in the table."""
    return (label(verdict), verdict.status, *(cell(verdict, figure) for figure in FIGURES))


def label(verdict: Verdict) -> str:
    """The bench's name, and what its cycles wait for where they do: such as ``dot 1k (warm flash)``."""
    waits = "" if verdict.figures is None else verdict.figures.waits
    return f"{verdict.name} ({waits})" if waits else verdict.name


def cell(verdict: Verdict, figure: str, changed: str = "{new}|{old} ({change})") -> str:
    """Such as ``13,012`` when nothing changed, ``13,012|13,000 (+0.1 %)`` when it did, ``-`` after a fault."""
    if verdict.figures is None:
        return "-"
    new = verdict.figures.value(figure)
    old = new if verdict.baseline is None else verdict.baseline.value(figure)
    if new is None:
        return "-"
    if new == old or old is None:
        return count(new)
    return changed.format(new=count(new), old=count(old), change=change(old, new))


def change(old: int, new: int) -> str:
    """Such as ``+5.5 %``; small ones keep one digit that is not 0."""
    if old == 0:
        return f"{new - old:+,}"
    percent = 100 * (new - old) / old
    return f"{percent:+.1f} %" if abs(percent) >= 0.1 or new == old else f"{percent:+.1g} %"


def title(verdict: Verdict) -> str:
    """One line on a bench."""
    if verdict.figures is None or verdict.baseline is None:
        return printable(f"{label(verdict)}: {verdict.status}")
    old, new = verdict.baseline.cycles, verdict.figures.cycles
    cycles = f"{count(old)} -> {count(new)} cycles ({change(old, new)})" if old != new else f"{count(new)} cycles"
    return printable(f"{label(verdict)}: {verdict.status}, {cycles}")


def image_code(verdicts: Iterable[Verdict]) -> list[str]:
    """How the code of whole images changed, a line each: it is no figure of any bench."""
    compared = ((v.baseline, v.figures) for v in verdicts if v.baseline is not None and v.figures is not None)
    return [
        f"code of the whole image: {count(old)} -> {count(new)} bytes ({change(old, new)})"
        for old, new in sorted({(before.code_bytes, after.code_bytes) for before, after in compared})
        if old != new
    ]


def explain(verdict: Verdict) -> str:
    """All there is to say on one bench: its title, why it failed, and where cycles changed."""
    return "\n".join([title(verdict), *(f"  {line}".rstrip() for line in below_title(verdict))])


def below_title(verdict: Verdict) -> list[str]:
    """Why it failed, and `details`."""
    return [*reasons(verdict), *details(verdict)]


def reasons(verdict: Verdict) -> list[str]:
    """Why it failed, a line each."""
    return [printable(reason) for reason in verdict.reasons]


def details(verdict: Verdict, seen: Seen | None = None) -> list[str]:
    """Warnings, and where cycles changed. Instructions in `seen` are not shown again; those shown are put there."""
    lines = [f"warning: {warning}" for warning in verdict.warnings] + remarks(verdict) + _of_run(verdict)
    places = [] if verdict.where is None else where(verdict.where, verdict.name, {} if seen is None else seen)
    sizes = _sizes(verdict)
    return [*(printable(line) for line in lines), *sizes, *([""] if sizes and places else []), *places]


def _sizes(verdict: Verdict) -> list[str]:
    """The functions that have other bytes now."""
    shown = verdict.sizes[:_MOST_FUNCTIONS]
    if not shown:
        return []
    rows = [("bytes of code", "old", "new", "change"), *((s.name, *moved(s.old, s.new)) for s in shown)]
    return [*columns(rows), *_more(len(verdict.sizes) - len(shown), "functions")]


def remarks(verdict: Verdict) -> list[str]:
    """What makes a comparison one of different things."""
    old, new = verdict.baseline, verdict.figures
    if old is None or new is None:
        return []
    pairs = (("function", old.function, new.function), ("profile", old.profile, new.profile))
    found = [f"the baseline is of the {what} {was}, this is {now}" for what, was, now in pairs if was != now]
    if old.run is not None and new.run is not None and old.run.exit != new.run.exit:
        found.append(f"the run of the baseline ended by {old.run.exit}, this one by {new.run.exit}")
    return found if old.waits == new.waits else [*found, other_waits(old, new)]


def _of_run(verdict: Verdict) -> list[str]:
    """The figures that only a run has: all of a new one, and those that changed."""
    if verdict.figures is None or verdict.figures.run is None:
        return []
    new, old = verdict.figures.details, {} if verdict.baseline is None else verdict.baseline.details
    keys = [key for key in {**new, **old} if new.get(key) != old.get(key)]
    if not keys:
        return []
    if not old:
        return columns([("figure", "", ""), *((key, count(new[key]), unit_of(key)) for key in keys)])
    rows = [(key, *moved(old.get(key), new.get(key)), unit_of(key)) for key in keys]
    return columns([("figure", "old", "new", "change", ""), *rows], left=(0, 4))


def where(found: Where, bench: str, seen: Seen) -> list[str]:
    """The functions that changed, what that is by functions of the source, then each one's lines and instructions,
    unless `seen` has just these."""
    shown = found.functions[:_MOST_FUNCTIONS]
    rows = [("function", "old", "new", "change"), *((f.name, *moved(f.old, f.new)) for f in shown)]
    lines = [*columns(rows), *_more(len(found.functions) - len(shown), "functions")]
    if found.sources:
        sources = [(source.name, *moved(source.old, source.new)) for source in found.sources[:_MOST_FUNCTIONS]]
        lines += ["", *columns([("by source function", "old", "new", "change"), *sources])]
        lines += _more(len(found.sources) - len(sources), "functions")
    for function in shown:
        first = seen.setdefault(codes(function), bench) if function.hunks else bench
        if first == bench:
            lines += _inside(function)
        else:
            lines += ["", printable(f"{function.name}: the same instructions as in bench {first!r}")]
    return lines


def codes(function: FunctionChange) -> Hashable:
    """What is the same wherever the same instructions changed, however often each bench runs them."""
    return function.name, tuple(
        tuple((old and (old.offset, old.code), new and (new.offset, new.code)) for old, new in hunk)
        for hunk in function.hunks
    )


def moved(old: int | None, new: int | None) -> tuple[str, str, str]:
    """Old, new and how they differ: such as ``+1,234``, ``new`` or ``removed``."""
    word = "new" if old is None else "removed" if new is None else f"{new - old:+,}"
    return "-" if old is None else count(old), "-" if new is None else count(new), word


def _inside(function: FunctionChange) -> list[str]:
    lines: list[str] = []
    if function.lines:
        shown = function.lines[:_MOST_LINES]
        rows = [(f"{function.name} by line", "old", "new", "change")]
        rows += [(line.source, *moved(line.old, line.new)) for line in shown]
        lines += ["", *columns(rows), *_more(len(function.lines) - len(shown), "lines")]
    if function.hunks:
        lines += ["", *_instructions(function)]
    return lines


def _instructions(function: FunctionChange) -> list[str]:
    heading = ("offset", f"{function.name}, old", "executions", "cycles")
    rows: list[tuple[str, ...]] = [("", *heading, "|", "offset", "new", "executions", "cycles", "")]
    room = _MOST_INSTRUCTIONS
    for i, hunk in enumerate(function.hunks):
        if i and room > 0:
            rows.append(("", "...", "", "", "", "|", "...", "", "", "", ""))
        rows += [_side_by_side(pair) for pair in hunk[: max(0, room)]]
        room -= len(hunk)
    return [*columns(rows, left=(0, 2, 5, 7, 10)), *_more(-room, "instructions")]


def _side_by_side(pair: Pair) -> tuple[str, ...]:
    old, new = pair
    source = new.source if new is not None else old.source if old is not None else ""
    return (mark(pair), *_instruction(old), "|", *_instruction(new), source)


def mark(pair: Pair) -> str:
    """As diff has it: + what came, - what went, ! what changed."""
    old, new = pair
    if old is None or new is None:
        return "+" if old is None else "-"
    same = (old.executions, old.cycles) == (new.executions, new.cycles) and assembly(old) == assembly(new)
    return "" if same else "!"


def _instruction(row: InstructionRow | None) -> tuple[str, ...]:
    if row is None:
        return ("", "", "", "")
    return (f"{row.offset:04x}", assembly(row), count(row.executions), count(row.cycles))


def _more(number: int, what: str) -> list[str]:
    return [f"... {number} more {what}"] if number > 0 else []


def columns(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """Aligned lines: the columns `left` to the left, the others to the right."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(_padded(row[i], widths[i], i in left) for i in range(len(row))).rstrip() for row in cells]


def _padded(text: str, width: int, left: bool) -> str:
    """A terminal's columns are not letters: some letters take two."""
    blanks = " " * (width - cell_len(text))
    return text + blanks if left else blanks + text
