"""A check's result as GitHub's Markdown: for a job's summary, or a comment on a pull request."""

from __future__ import annotations

import html
from collections.abc import Sequence

from m0sim.check.formats import text
from m0sim.check.limits import FIGURES
from m0sim.check.result import Result
from m0sim.check.verdict import Verdict, closing_line
from m0sim.names import printable

_CHANGED = "{new} (was {old}, {change})"


def markdown(result: Result) -> str:
    """What marks it, and a table; folded below it, why each bench failed and where its cycles changed."""
    lines = [_marker(result), _row(text.headings()), "|---|---|" + "---:|" * len(FIGURES)]
    lines += [_row(_cells(verdict)) for verdict in result.verdicts]
    lines += ["", f"**{closing_line(result.verdicts)}**", ""]
    for verdict in result.verdicts:
        inside = text.below_title(verdict)
        if inside:
            summary = f"<summary>{html.escape(text.title(verdict))}</summary>"
            content = html.escape("\n".join(inside), quote=False)
            # A block of <details> ends at an empty line, one of <pre> at its end: so they have to be blocks apart.
            lines += [f"<details>{summary}", "", f"<pre>{content}</pre>", "", "</details>", ""]
    lines += [f"> {_escaped(line)}\n" for line, _ in text.growth(result)]
    lines += [f"> {line}\n" for line in text.image_code(result.verdicts)]
    lines += [f"> {html.escape(printable(note))}\n" for note in result.notes]
    return "\n".join(lines)


def _marker(result: Result) -> str:
    """A comment that nobody sees: by it a script finds what it wrote before about the same manifest."""
    name = "diff" if result.manifest is None else result.manifest.as_posix()
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "/._") else f"%{ord(c):02X}" for c in name)
    return f"<!-- m0sim check {safe} -->\n"


def _cells(verdict: Verdict) -> list[str]:
    status = f"**{verdict.status}**" if verdict.is_bad else verdict.status
    return [_escaped(text.label(verdict)), status, *(text.cell(verdict, figure, _CHANGED) for figure in FIGURES)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(name: str) -> str:
    """A name that is nothing but text: Markdown takes numeric references for what else would mean something to it."""
    printable = "".join(c if c.isprintable() else "\ufffd" for c in name)
    return "".join(c if c.isalnum() or c in " -.,:/" else f"&#{ord(c)};" for c in printable)
