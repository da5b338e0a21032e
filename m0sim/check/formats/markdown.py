"""A check's result as GitHub's Markdown: for a job's summary, or a comment on a pull request."""

from __future__ import annotations

import html
from collections.abc import Sequence

from m0sim.check.compare import Verdict, closing_line
from m0sim.check.formats import text
from m0sim.check.limits import FIGURES
from m0sim.check.result import Result
from m0sim.report.units import count

_HEADINGS = ("bench", "status", "cycles", "stack", "SRAM", "code")


def markdown(result: Result) -> str:
    """A table; folded below it, why each bench failed and where its cycles changed."""
    lines = [_row(_HEADINGS), "|---|---|" + "---:|" * len(FIGURES)]
    lines += [_row(_cells(verdict, bool(result.reasons(verdict)))) for verdict in result.verdicts]
    lines += ["", f"**{closing_line(result.verdicts)}**", ""]
    for verdict in result.verdicts:
        inside = [*result.reasons(verdict), *text.details(verdict)]
        if inside:
            summary = f"<summary>{html.escape(text.title(verdict))}</summary>"
            content = html.escape("\n".join(inside), quote=False)
            lines += [f"<details>{summary}", f"<pre>{content}</pre>", "</details>", ""]
    lines += [f"> {html.escape(note)}\n" for note in result.notes]
    return "\n".join(lines)


def _cells(verdict: Verdict, is_bad: bool) -> list[str]:
    status = f"**{verdict.status}**" if is_bad else verdict.status
    return [_escaped(verdict.name), status, *(_cell(verdict, figure) for figure in FIGURES)]


def _cell(verdict: Verdict, figure: str) -> str:
    if verdict.figures is None:
        return "-"
    new = verdict.figures.value(figure)
    old = new if verdict.baseline is None else verdict.baseline.value(figure)
    return count(new) if new == old else f"{count(new)} (was {count(old)}, {text.change(old, new)})"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(name: str) -> str:
    """A name that is nothing but text: Markdown takes numeric references for what else would mean something to it."""
    printable = "".join(c if c.isprintable() else "\ufffd" for c in name)
    return "".join(c if c.isalnum() or c in " -.,:/" else f"&#{ord(c)};" for c in printable)
