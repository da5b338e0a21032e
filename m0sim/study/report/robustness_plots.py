"""How wide the road is, as one picture: a small panel a method, in each a line a task.

Across: learning shifts from the best one of that method and task; down: how far the mean of the seeds is
below its best. The band is what counts as the road, and the thick part of a line is what lies on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from m0sim.study.report import drawing
from m0sim.study.report.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MOST,
    ORANGE,
    PAPER,
    PINK,
    STYLE,
    WIDE,
    Plot,
    dot_tip,
    to_bytes,
    wrapped,
)
from m0sim.study.report.study_tasks import data_words, heads, short, task_of, tasks_of

_COLUMNS = 4
_PANEL, _MARGIN = (1.81, 1.65), (0.75, 0.75)
"""Width and height of a panel, and of what is around them all, in inches."""
_DEEPEST = 20.0
"""Points below the best that are still drawn in their place; what is lower is an arrow at the edge."""
_COLOURS = (BLUE, ORANGE, GREEN, PINK)
"""By task; a panel has no more lines."""

Values = Mapping[str, Any]


def plots(result: Values) -> dict[str, tuple[str, Plot]]:
    """The plot by its name, ``robustness``, with its title; none for a study that did not ask."""
    return {"robustness": ("How wide the road is", partial(roads, result))} if result.get("robustness") else {}


def files(result: Values) -> dict[str, bytes]:
    """robustness.png and .svg."""
    return drawing.files(plots(result))


def roads(result: Values, kind: str = "svg", width: float = WIDE) -> bytes:
    """Of the first `MOST` methods of the study, on validation images after the last epoch: in each panel at most as
    many tasks as there are colours for them."""
    found = result["robustness"]
    labels = list(dict.fromkeys(road["label"] for road in found["roads"]))
    shown, tasks = labels[:MOST], tasks_of(result)[: len(_COLOURS)]
    columns = min(_COLUMNS if width >= WIDE else 2, len(shown))
    rows = -(-len(shown) // columns)
    with style.context(["default", STYLE]):
        is_small = columns < _COLUMNS  # what is above and below the panels has two lines
        width = min(width, _PANEL[0] * max(columns, 2) + _MARGIN[0])
        height = _PANEL[1] * rows + _MARGIN[1] + 0.3 * is_small
        figure = Figure(figsize=(width, height))
        edges = {"left": 0.62 / width, "right": 1 - 0.1 / width, "bottom": 0.55 / height, "top": 1 - 0.6 / height}
        if is_small:
            edges["top"], edges["bottom"] = 1 - 0.8 / height, 0.65 / height
        space = {"wspace": 0.12, "hspace": 0.36}
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False, gridspec_kw=edges | space)
        panels = list(grid.flat)
        for axes, label in zip(panels, shown, strict=False):
            of_label = [road for road in found["roads"] if road["label"] == label and task_of(road) in tasks]
            _panel(axes, result, of_label, width / columns)
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        for axes in panels[max(len(shown) - columns, 0) : len(shown)]:
            axes.tick_params(labelbottom=True)
        panels[0].set_ylim(-_DEEPEST * 1.06, 1.5)
        panels[0].xaxis.set_major_locator(MaxNLocator(6, integer=True))
        figure.text(0.1 / width, 1 - 0.1 / height, wrapped(_title(result), width, 9), ha="left", va="top", fontsize=9)
        across = f"learning shift, bits off the best (+: slower); band: within {found['points']} points"
        figure.text(0.5, 0.08 / height, wrapped(across, width, 8), ha="center", va="bottom", fontsize=8)
        down = "accuracy minus the best, points"
        figure.text(0.08 / width, 0.5, down, rotation=90, ha="left", va="center", fontsize=8)
        return to_bytes(figure, kind)


def _title(result: Values) -> str:
    found, tasks = result["robustness"], len(tasks_of(result))
    count = len({road["label"] for road in found["roads"]})
    left_out = f"; the first {MOST} of {count} methods" * (count > MOST)
    left_out += f"; the first {len(_COLOURS)} of {tasks} tasks" * (tasks > len(_COLOURS))
    seeds = f"{len(found['seeds'])} seed{'s' * (len(found['seeds']) != 1)}"
    return f"{result['network']}, {data_words(result)}: validation accuracy, {seeds}{left_out}"


def _panel(axes: Axes, result: Values, roads: Sequence[Values], inches: float) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
    axes.axhspan(-result["robustness"]["points"], 0, color=GREY, alpha=0.22, linewidth=0)
    tasks = tasks_of(result)
    for road in roads:
        number = tasks.index(task_of(road))
        colour = _COLOURS[number]
        _line(axes, road, colour, _task(result, road))
        more = "+" if road["is_low_open"] or road["is_high_open"] else ""
        text = f"{_task(result, road)}: {road['width_bits']}{more} bits"
        up = 0.04 + 0.1 * (len(roads) - 1 - number)
        below_the_best = axes.get_xaxis_transform()
        behind = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
        axes.text(0, up, text, color=colour, transform=below_the_best, ha="center", fontsize=7, bbox=behind, zorder=6)
    name = roads[0]["label"] + "*" * roads[0]["is_reconstruction"]
    axes.set_title(_broken(name, inches), fontsize=7.5, loc="left", color=INK)


def _task(result: Values, road: Values) -> str:
    return short(task_of(road)) + "\N{DEGREE SIGN}" * (heads(result)[1] == "degrees")


def _line(axes: Axes, road: Values, colour: str, task: str) -> None:
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
        spread, less = (f"{100 * trial['spread'][end]:.2f}" for end in ("mean", "min"))
        words = f"{spread} % (worst {less}), {trial['points_below_best']:.2f} points below the best"
        down = max(-trial["points_below_best"], -_DEEPEST)
        dot_tip(axes, x, down, f"{road['label']}, {task}, shift {trial['shift']:+d}: {words}")
    deep = [trial["points_below_best"] > _DEEPEST for trial in road["shifts"]]
    axes.plot(*_only(at, below, deep), color=colour, linestyle="", marker="v", markersize=5, clip_on=False)


def _only(x: Sequence[float], y: Sequence[float], wanted: Sequence[bool]) -> tuple[list[float], list[float]]:
    kept = [(a, b) for a, b, is_wanted in zip(x, y, wanted, strict=True) if is_wanted]
    return [a for a, _ in kept], [b for _, b in kept]


def _broken(name: str, inches: float) -> str:
    """In lines that are no longer than a panel is wide."""
    return wrapped(name, inches - 0.1, 7)
