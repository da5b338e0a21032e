"""What the HTML reports of the study share: one file that needs no network and no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

import m0sim
from m0sim.report.page_template import render
from m0sim.report.units import count
from m0sim.study.report import drawing
from m0sim.study.report.compare_data import Sheet
from m0sim.study.report.drawing import Plot

_LONG = 100_000  # from here on digits are in groups


@dataclass(frozen=True)
class Picture:
    """A plot in both forms, of which the page shows one; an SVG shows figures where the mouse rests."""

    title: str
    wide: Markup
    narrow: Markup


@dataclass(frozen=True)
class PagePart:
    """A section: a table, a picture, or both."""

    title: str
    sheet: Sheet | None = None
    picture: Picture | None = None


def page(
    title: str,
    heading: Sequence[str],
    parts: Sequence[PagePart],
    notes: Sequence[tuple[str, str]],
    provenance: Mapping[str, Any],
) -> str:
    """The report. A note is of something, such as a method, or of ``""``: of all. `provenance` is a result's JSON
    values by name: what decided about the figures; the version is added."""
    return render(
        "study.html.j2",
        "m0sim.study.report",
        title=title,
        heading=heading,
        parts=parts,
        notes=notes,
        provenance=[*_facts(provenance), ("m0sim", m0sim.__version__)],
    )


def drawn(plots: Mapping[str, tuple[str, Plot]]) -> dict[str, Picture]:
    """Plots, by name with their titles, as markup: an SVG is our own, so nothing in it needs escaping, and its ids have
    nothing of the names, which may be somebody's."""
    return {name: _picture(f"plot-{number}", *plot) for number, (name, plot) in enumerate(plots.items(), 1)}


def _picture(prefix: str, title: str, plot: Plot) -> Picture:
    wide, narrow = (
        Markup(drawing.inline(plot("svg", width), f"{prefix}-{form}"))
        for form, width in (("wide", drawing.WIDE), ("narrow", drawing.NARROW))
    )
    return Picture(title, wide, narrow)


def pictured(plots: Mapping[str, tuple[str, Plot]]) -> list[PagePart]:
    """A section for each plot."""
    return [PagePart(picture.title, picture=picture) for picture in drawn(plots).values()]


def _facts(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and texts of what is known; values within values have both names."""
    for name, value in values.items():
        words, text = _fact(name, value)
        if isinstance(value, Mapping):
            yield from _facts(value, f"{prefix}{words}: ")
        elif text:
            yield prefix + words, text


def _fact(name: str, value: Any) -> tuple[str, str]:
    if name == "clock_hz":
        return "clock", f"{value / 1e6:g} MHz"
    if name.endswith("_bytes"):
        return name.removesuffix("_bytes"), drawing.kib_tip(value)
    return name.replace("_", " "), _text(value)


def _text(value: Any) -> str:
    """Empty for what is not known."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(_text, value))
        case float():
            return f"{value:g}"
        case int() if abs(value) >= _LONG:
            return count(value)
    return str(value)
