"""Names come from other people's files: here they are made safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` on one line, with escapes for what would break a line or talk to a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
