"""What all plots share: colours, style, what the mouse shows, and the figure as bytes, the same for the same figure.

Colours are Okabe and Ito's, which people with any colour vision tell apart; https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import pairwise
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator

from m0sim.names import printable
from m0sim.report.units import count
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

MOST = 8
"""Methods with a look of their own in one plot: more are told apart by nobody. The tables have them all."""
Look = tuple[str, str]
"""Colour and marker."""
LOOKS: tuple[Look, ...] = tuple(zip((RED, ORANGE, SKY, BLUE, GREEN, PINK, BROWN, INK), "os^vDPX*", strict=True))
"""`MOST` of them."""
_OFF = 3
"""What is so many times larger than the next leaves the others too small to read: it is drawn off the scale."""
_TIP = "tip:"
_STEPS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0))
"""Figures in a power of ten, from those of a long axis to those of a short one."""
STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a $ in somebody's file name is a $
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


def scale_end(sizes: Collection[float]) -> float:
    """The largest that is drawn to scale: all of them, or those that few others dwarf. At least two are, and half."""
    ordered = sorted(sizes)
    for smaller, larger in pairwise(ordered[max(1, (len(ordered) - 1) // 2) :]):
        if larger > _OFF * smaller > 0:
            return smaller
    return ordered[-1]


def kib(bytes_: float) -> str:
    """Three digits or more, such as ``19.8 KiB``."""
    return f"{three_digits(bytes_ / 1024)} KiB"


def three_digits(value: float) -> str:
    """Such as ``0.277``, ``19.8`` or ``1,197``."""
    return f"{value:,.0f}" if value >= 999.5 else f"{value:#.3g}".rstrip(".")


def kib_tip(bytes_: int) -> str:
    """For a tip, which has room for the exact figure."""
    return f"{kib(bytes_)} ({count(bytes_)} bytes)"


def wrapped(text: str, width: float, size: float) -> str:
    """Somebody's text in lines that a figure so many inches wide has room for, at so many points a letter's height."""
    letters = int(72 * width / (0.6 * size))
    return "\n".join(line for part in text.splitlines() for line in textwrap.wrap(part, letters) or [""])


def log_axis(axes: Axes, width: float) -> None:
    """Plain figures along a logarithmic x axis, on which everything has been drawn: few, and round ones."""
    low, high = axes.get_xlim()
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in _STEPS:
        ticks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(ticks) >= (4 if width >= WIDE else 3):
            break
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")


def tip(artist: Artist, text: str) -> None:
    """What an SVG shows when the mouse rests on it."""
    artist.set_gid(_TIP + printable(text))


def dot_tip(axes: Axes, x: float, y: float, text: str) -> None:
    """A tip of a point: on a spot that nobody sees, large enough to be hit."""
    (spot,) = axes.plot([x], [y], "o", markersize=11, markeredgewidth=0, color=GREY, alpha=0.0, zorder=9)
    spot.set_in_layout(False)
    tip(spot, text)


def files(plots: Mapping[str, tuple[str, Plot]]) -> dict[str, bytes]:
    """File name to contents: plots by name with their titles, as PNG and SVG."""
    return {f"{name}.{kind}": plot(kind, WIDE) for name, (_, plot) in plots.items() for kind in ("png", "svg")}


def make_printable(figure: Figure) -> None:
    """Texts may hold what somebody chose, and a font has no letter for all that can be in it."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text("\n".join(map(printable, text.get_text().split("\n"))))


def to_bytes(figure: Figure, kind: str) -> bytes:
    """PNG or SVG; only this one has tips."""
    make_printable(figure)
    metadata = {"Date": None, "Creator": "m0sim"} if kind == "svg" else {"Software": "m0sim"}
    file = io.BytesIO()
    figure.savefig(file, format=kind, dpi=160, metadata=metadata)
    if kind != "svg":
        return file.getvalue()
    # matplotlib has escaped the text for an attribute in whichever quotes, and so for an element.
    tips = rf"<g id=([\"'])({_TIP})(.*?)\1"
    return re.sub(tips, r'<g class="tip"><title>\3</title', file.getvalue().decode()).encode()


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
