"""How wide the road is, as one picture: a small panel a method, in each a line a task.

Across: learning shifts from the best one of that method and task; down: how far the mean of the seeds is
below its best. The band is what counts as the road, and the thick part of a line is what lies on it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from m0sim.study.report.drawing import BLUE, GREEN, GREY, INK, ORANGE, PINK, STYLE, to_bytes
from m0sim.study.report.study_tasks import data_words, heads, short, task_of, tasks_of

MOST_PANELS = 8
_COLUMNS = 4
_PANEL, _MARGIN = (1.9, 1.65), (0.75, 0.75)
"""Width and height of a panel, and of what is around them all, in inches."""
_DEEPEST = 20.0
"""Points below the best that are still drawn in their place; what is lower is an arrow at the edge."""
_COLOURS = (BLUE, ORANGE, GREEN, PINK)
"""By task, the first anew where there are more."""

Values = Mapping[str, Any]


def files(result: Values) -> dict[str, bytes]:
    """robustness.png and .svg; none for a study that did not ask."""
    found = result.get("robustness")
    return {f"robustness.{kind}": roads(result, kind) for kind in ("png", "svg")} if found else {}


def roads(result: Values, kind: str = "svg") -> bytes:
    """Of the first `MOST_PANELS` methods of the study, on validation images after the last epoch."""
    found = result["robustness"]
    labels = list(dict.fromkeys(road["label"] for road in found["roads"]))
    shown = labels[:MOST_PANELS]
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with style.context(["default", STYLE]):
        width, height = _PANEL[0] * max(columns, 2) + _MARGIN[0], _PANEL[1] * rows + _MARGIN[1]
        figure = Figure(figsize=(width, height))
        edges = {"left": 0.62 / width, "right": 1 - 0.1 / width, "bottom": 0.55 / height, "top": 1 - 0.6 / height}
        space = {"wspace": 0.12, "hspace": 0.36}
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False, gridspec_kw=edges | space)
        panels = list(grid.flat)
        for axes, label in zip(panels, shown, strict=False):
            _panel(axes, result, [road for road in found["roads"] if road["label"] == label])
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        for axes in panels[max(len(shown) - columns, 0) : len(shown)]:
            axes.tick_params(labelbottom=True)
        panels[0].set_ylim(-_DEEPEST * 1.06, 1.5)
        panels[0].xaxis.set_major_locator(MaxNLocator(6, integer=True))
        left_out = f"; the first {MOST_PANELS} of {len(labels)} methods" if len(labels) > MOST_PANELS else ""
        seeds = f"{len(found['seeds'])} seed{'s' * (len(found['seeds']) != 1)}"
        title = f"{result['network']}, {data_words(result)}: validation accuracy, {seeds}{left_out}"
        figure.text(0.1 / width, 1 - 0.1 / height, title, ha="left", va="top", fontsize=9)
        across = f"learning shift, bits off the best (+: slower); band: within {found['points']} points"
        figure.text(0.5, 0.08 / height, across, ha="center", va="bottom", fontsize=8)
        down = "accuracy minus the best, points"
        figure.text(0.08 / width, 0.5, down, rotation=90, ha="left", va="center", fontsize=8)
        return to_bytes(figure, kind)


def _panel(axes: Axes, result: Values, roads: Sequence[Values]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
    axes.axhspan(-result["robustness"]["points"], 0, color=GREY, alpha=0.22, linewidth=0)
    tasks, unit = tasks_of(result), heads(result)[1]
    for road in roads:
        number = tasks.index(task_of(road))
        colour = _COLOURS[number % len(_COLOURS)]
        _line(axes, road, colour)
        more = "+" if road["is_low_open"] or road["is_high_open"] else ""
        name = f"{short(task_of(road))}\N{DEGREE SIGN}" if unit == "degrees" else short(task_of(road))
        text = f"{name}: {road['width_bits']}{more} bits"
        up = 0.04 + 0.1 * (len(roads) - 1 - number)
        below_the_best = axes.get_xaxis_transform()
        axes.text(0, up, text, color=colour, transform=below_the_best, ha="center", va="bottom", fontsize=7)
    name = roads[0]["label"] + "*" * roads[0]["is_reconstruction"]
    axes.set_title(_broken(name), fontsize=7.5, loc="left", color=INK)


def _line(axes: Axes, road: Values, colour: str) -> None:
    """The means; thick on the road; a thin bar from the worst to the best seed; an arrow where it is far below."""
    best = {trial["shift"]: trial for trial in road["shifts"]}[road["best_shift"]]
    at = [trial["shift"] - road["best_shift"] for trial in road["shifts"]]
    below = [max(-trial["points_below_best"], -_DEEPEST) for trial in road["shifts"]]
    axes.plot(at, below, color=colour, linewidth=0.9, marker="o", markersize=2.5)
    on = [road["low_shift"] <= trial["shift"] <= road["high_shift"] for trial in road["shifts"]]
    axes.plot(*_only(at, below, on), color=colour, linewidth=2.8, solid_capstyle="round")
    for x, trial in zip(at, road["shifts"], strict=True):
        low, high = (100 * (trial["spread"][end] - best["spread"]["mean"]) for end in ("min", "max"))
        axes.plot([x, x], [max(low, -_DEEPEST), max(high, -_DEEPEST)], color=colour, linewidth=0.6, alpha=0.7)
    deep = [trial["points_below_best"] > _DEEPEST for trial in road["shifts"]]
    axes.plot(*_only(at, below, deep), color=colour, linestyle="", marker="v", markersize=5, clip_on=False)


def _only(x: Sequence[float], y: Sequence[float], wanted: Sequence[bool]) -> tuple[list[float], list[float]]:
    kept = [(a, b) for a, b, is_wanted in zip(x, y, wanted, strict=True) if is_wanted]
    return [a for a, _ in kept], [b for _, b in kept]


def _broken(name: str, most: int = 27) -> str:
    """In lines that are no longer than a panel is wide."""
    return "\n".join(textwrap.wrap(name, most))
