"""The forms that a check's result is written in: data in, text out."""

from __future__ import annotations

from collections.abc import Callable

from m0sim.check.formats import folded, github, junit, markdown, text, workflow
from m0sim.check.formats import json_object as data
from m0sim.check.result import Result


def _page(result: Result) -> str:
    from m0sim.check.formats.page import page  # its templates take time to load, which the others need not

    return page(result)


FORMATS: dict[str, Callable[[Result], str]] = {
    "text": text.text,
    "markdown": markdown.markdown,
    "json": data.json_text,
    "junit": junit.junit,
    "github": github.github,
    "annotations": workflow.commands,
    "folded": folded.folded,
    "html": _page,
}
"""By the names that ``--format`` and ``--write`` take."""
