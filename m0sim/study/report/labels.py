"""Names beside points that do not lie on each other, on the points or outside the plot: each takes the freest place.

Widths are estimated from the letters, so that the same figure has the same labels everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m0sim.names import printable
from m0sim.study.report.drawing import GREY, make_printable

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in points of 1/72 inch."""

_LETTER, _LINE = 0.6, 1.25  # of the font's size: the width of a letter, about, and the height of a line
_POINT = 4.0  # half the side of a point
_NEAR, _STEP, _FURTHEST = 5.0, 7.0, 7  # from a point to its name, in steps, as far as a thin line may lead


def place(
    figure: Figure,
    axes: Axes,
    named: Sequence[tuple[float, float, str]],
    points: Sequence[tuple[float, float]],
    size: float = 6.5,
) -> None:
    """Write the names of `named` (x, y and text) beside them, clear of `points` (x, y). Limits and scales must be set:
    the layout is made here."""
    make_printable(figure)
    figure.draw_without_rendering()
    inch = 72 / figure.dpi
    to_points = axes.transData.transform
    taken = [_around(*(inch * to_points(point))) for point in points]
    left, bottom, right, top = (inch * value for value in axes.bbox.extents)
    for x, y, name in named:
        text = printable(name)
        at = inch * to_points((x, y))
        wide, high = _LETTER * size * len(text), _LINE * size
        choices = [_box(at, dx, dy, wide, high) for dx, dy in _offsets(wide, high)]
        inside = [b for b in choices if b[0] >= left and b[1] >= bottom and b[2] <= right + 20 and b[3] <= top + 4]
        box = min(inside or choices, key=lambda b: sum(_overlap(b, other) for other in taken))
        taken.append(box)
        _write(axes, (x, y), at, box, text, size)


def _around(x: float, y: float) -> Box:
    return x - _POINT, y - _POINT, x + _POINT, y + _POINT


def _offsets(wide: float, high: float) -> list[tuple[float, float]]:
    """From a point to the lower left corner of its name, the nearest first: right, left, above, below."""
    found = []
    for step in range(_FURTHEST):
        far = _NEAR + _STEP * step
        for dy in sorted({0.0, step * _STEP, -step * _STEP}, key=abs):
            found += [(far, dy - high / 2), (-far - wide, dy - high / 2)]
        found += [(-wide / 2, far), (-wide / 2, -far - high), (far, far), (far, -far - high)]
        found += [(-far - wide, far), (-far - wide, -far - high)]
    return found


def _box(at: Any, dx: float, dy: float, wide: float, high: float) -> Box:
    return at[0] + dx, at[1] + dy, at[0] + dx + wide, at[1] + dy + high


def _overlap(a: Box, b: Box) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _write(axes: Axes, point: tuple[float, float], at: Any, box: Box, text: str, size: float) -> None:
    middle = ((box[0] + box[2]) / 2 - at[0], (box[1] + box[3]) / 2 - at[1])
    gap = max(box[0] - at[0], at[0] - box[2], box[1] - at[1], at[1] - box[3])
    line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
    far: dict[str, Any] = {"arrowprops": line} if gap > 1.5 * _NEAR else {}
    written = axes.annotate(
        text, point, middle, textcoords="offset points", ha="center", va="center", fontsize=size, **far
    )
    written.set_in_layout(False)  # or the plot would move under what was placed
