"""What all plots share: colours, style, and the figure as bytes, the same ones for the same figure.

Colours are Okabe and Ito's, which people with any colour vision tell apart; https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from matplotlib.figure import Figure

from m0sim.study.learn import methods
from m0sim.study.learn.comparison import KINDS

INK, PAPER = "#1b1c1e", "#fffffe"
"""Colours of text and background, used for nothing else: the HTML report replaces them by those of its page."""

WIDE, NARROW = 8.0, 3.8
"""Widths of a plot in inches: for a page, and for a telephone."""

BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#F0E442"
ORANGE, RED, PINK, GREY = "#E69F00", "#D55E00", "#CC79A7", "#8C8C8C"
BROWN = "#7A5C3E"
PHASE_COLOURS = {"forward": BLUE, "loss": RED, "backward": ORANGE, "update": GREEN, "prune": PINK}
KIND_COLOURS = dict(zip(KINDS, (BLUE, ORANGE, PINK, SKY, RED, GREEN, YELLOW, GREY), strict=True))
OTHER_COLOURS = ("#B9B9B9", BROWN, "#6C4FA3")
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "m0sim",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), PAPER),
}

Plot = Callable[[str, float], bytes]
"""Draws a figure as ``png`` or ``svg``, so many inches wide."""


def in_order(found: Iterable[str]) -> list[str]:
    """Methods in the registry's order, those that it does not know at the end."""
    known = methods.names()
    return sorted(set(found), key=lambda name: (known.index(name) if name in known else len(known), name))


def look_of(method: str, looks: Sequence[str]) -> str:
    """A method's colour or marker by the registry's order; they begin anew where there are more methods."""
    known = methods.names()
    return looks[(known.index(method) if method in known else len(known)) % len(looks)]


def to_bytes(figure: Figure, kind: str) -> bytes:
    """PNG or SVG."""
    metadata = {"Date": None, "Creator": "m0sim"} if kind == "svg" else {"Software": "m0sim"}
    file = io.BytesIO()
    figure.savefig(file, format=kind, dpi=160, metadata=metadata)
    return file.getvalue()


def inline(svg: bytes, prefix: str) -> str:
    """An SVG to put into an HTML page: ids of its own, no link to anywhere, the page's colours of ink and paper."""
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    # The page sets the size; the view box keeps the proportions.
    text = re.sub(r'<svg([^>]*?) height="[^"]*"', r"<svg\1", text, count=1)
    text = re.sub(r'<svg([^>]*?) width="[^"]*"', r"<svg\1", text, count=1)
    return text.replace(INK, "currentColor").replace(PAPER, "var(--paper)")
