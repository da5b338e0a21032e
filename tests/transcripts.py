"""Console blocks of a page in docs/: the commands, and whether what they print is what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GAP = "..."
"""A line that stands for any number of lines that are left out."""


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Of each fenced block its kind, its contents, and the text before it back to the block before."""
    behind = 0
    for block in BLOCK.finditer(page):
        yield block[1], block[2], page[behind : block.start()]
        behind = block.end()


def commands(console: str) -> Iterator[tuple[str, list[str]]]:
    """Each command, and the lines that the page shows of what it prints."""
    for part in console.removeprefix("$ ").split("\n$ "):
        command, *output = part.rstrip("\n").split("\n")
        yield command, output


def missing(shown: list[str], printed: list[str]) -> str | None:
    """The first line shown that was not printed where it has to be: behind the one before, or behind a gap later."""
    at, may_skip = 0, False
    for line in shown:
        if line == GAP:
            may_skip = True
            continue
        found = next((i for i in range(at, len(printed)) if printed[i] == line), None)
        if found is None or (found != at and not may_skip):
            return line
        at, may_skip = found + 1, False
    return None if may_skip or at == len(printed) or not shown else f"(end, but {printed[at]!r} follows)"
