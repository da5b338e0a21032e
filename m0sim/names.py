"""Names come from other people's files: here they are made safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` on one line, with escapes for what would break a line or talk to a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(output: bytes) -> list[str]:
    """What a program printed, as lines that are safe to print; bytes that are no UTF-8 are replaced."""
    lines = output.decode("utf-8", "replace").removesuffix("\n").split("\n") if output else []
    return [printable(line.removesuffix("\r").expandtabs()) for line in lines]
