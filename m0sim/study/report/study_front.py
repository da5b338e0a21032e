"""What an answer costs: test accuracy against SRAM, and against time and energy, with the fronts that nobody beats.

A row of two panels for each task. The first eight methods of the study file have colours, all others are grey dots. A
method that does not fit the device has a hollow marker. The line is the front of those that fit: no other one that fits
is as good and as cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from m0sim.study.learn.experiment import recommended
from m0sim.study.report import drawing, study_lines
from m0sim.study.report.drawing import (
    GREY,
    INK,
    PAPER,
    STYLE,
    WIDE,
    Plot,
    dot_tip,
    kib_tip,
    log_axis,
    to_bytes,
    wrapped,
)
from m0sim.study.report.study_tasks import data_words, place, task_of, tasks_of

Values = Mapping[str, Any]

_ROW, _LINE = 2.7, 0.17
"""In inches: of a row of panels, of a line of the legend."""


def plots(result: Values) -> dict[str, tuple[str, Plot]]:
    """The plot by its name, ``front``, with its title; none for a study that only tunes."""
    return {"front": ("What an answer costs", partial(draw, result))} if result["finals"] else {}


def files(result: Values) -> dict[str, bytes]:
    """front.png and .svg."""
    return drawing.files(plots(result))


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (cost, accuracy) those that no other equals or beats in both, cheapest first; of equal points one."""
    found: list[tuple[float, float]] = []
    for cost, right in sorted(points, key=lambda point: (point[0], -point[1])):
        if not found or right > found[-1][1]:
            found.append((cost, right))
    return found


def is_recommended(result: Values, final: Values) -> bool:
    """Whether `m0sim train` would use this method with these options on this network; the learning shift may differ."""
    method, tuned = recommended.RECIPES.get(result["network"], (None, None))
    return tuned is not None and method == final["method"] and dict(tuned.options) == dict(final["options"])


def draw(result: Values, kind: str = "svg", width: float = WIDE) -> bytes:
    """Mean test accuracy of the seeds after the last epoch, with a bar from the worst to the best one. Of a narrow
    figure all panels are in one column, those of SRAM first."""
    tasks = tasks_of(result)
    rows, columns = (len(tasks), 2) if width >= WIDE else (2 * len(tasks), 1)
    with style.context(["default", STYLE]):
        handles = _handles(result)
        below = _LINE * -(-len(handles) // (3 if columns > 1 else 1)) + 0.3
        height = _ROW * rows + below + (0.6 if columns == 1 else 0.2)
        figure = Figure(figsize=(width, height))
        grid = figure.subplots(rows, columns, squeeze=False, sharex="col" if columns > 1 else False, sharey="row")
        edges = (0.68 / width, (below + 0.42) / height, 1 - 0.24 / width, 1 - 0.6 / height)
        figure.subplots_adjust(*edges, wspace=0.09, hspace=0.2 if columns > 1 else 0.34)
        for number, what in enumerate(tasks):
            finals = [f for f in result["finals"] if f["is_tuned"] and task_of(f) == what]
            left, right = grid[number] if columns > 1 else (grid[number][0], grid[len(tasks) + number][0])
            _panel(left, result, finals, lambda f: f["sram_bytes"] / 1024)
            _panel(right, result, finals, lambda f: f["seconds"])
            for axes in [left] if columns > 1 else [left, right]:
                axes.set_title(place(what), loc="left", fontsize=9, weight="bold", pad=3)
        for axes in grid.flat:
            log_axis(axes, width)
        sram, time = grid[-1] if columns > 1 else (grid[len(tasks) - 1][0], grid[-1][0])
        sram.set_xlabel("KiB of SRAM, stack included")
        time.set_xlabel(_time_words(result))
        title = f"{result['network']}, {data_words(result)}: {len(result['seeds'])} seeds, after the last epoch"
        figure.text(0.01, 1 - 0.1 / height, wrapped(title, width, 10), ha="left", va="top", fontsize=10)
        figure.text(0.1 / width, 0.5 + 0.4 / height, "test accuracy, %", rotation=90, ha="left", va="center")
        few = {"ncols": 3 if columns > 1 else 1, "handlelength": 1.6}
        figure.legend(handles=handles, loc="lower left", frameon=False, fontsize=7.5, **few)
        return to_bytes(figure, kind)


def _time_words(result: Values) -> str:
    known = [f for f in result["finals"] if f["energy_joules"]]
    words = f"seconds on {result['profile']} at {result['clock_hz'] / 1e6:g} MHz"
    if not known:
        return words
    watts = known[0]["energy_joules"] / known[0]["seconds"]
    return f"{words}; x {1000 * watts:.0f} mW = joules"


def _panel(axes: Axes, result: Values, finals: Sequence[Values], cost: Callable[[Values], float]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xscale("log")
    axes.margins(x=0.08)
    before = 100 * finals[0]["accuracy_before"]
    axes.axhline(before, color=GREY, linestyle=":", linewidth=1)
    bottom = study_lines.floor([before, *(100 * f["last"]["mean"] for f in finals)])
    best = front([(cost(f), 100 * f["last"]["mean"]) for f in finals if f["fits"]])
    if best:
        axes.plot(*zip(*best, strict=True), color=GREY, linewidth=1, drawstyle="steps-post", zorder=1)
    for final in reversed(finals):
        _bar(axes, result, final, cost(final), bottom)
        _point(axes, result, final, cost(final))
    axes.set_ylim(bottom=bottom)


def _look(result: Values, final: Values) -> tuple[str, str, float]:
    """Colour, marker, size."""
    if final["label"] in study_lines.shown(result):
        return *study_lines.look(result, final["label"]), 6.0
    return GREY, "o", 3.5


def _bar(axes: Axes, result: Values, final: Values, cost: float, bottom: float) -> None:
    """From the worst seed to the best; where it goes on below the axis, its end is written there."""
    low, high = (100 * final["last"][name] for name in ("min", "max"))
    colour, _, _ = _look(result, final)
    axes.plot([cost, cost], [max(low, bottom), high], color=colour, linewidth=0.8, alpha=0.8, zorder=2)
    if low < bottom:
        beside: dict[str, Any] = {"xytext": (3, 3), "textcoords": "offset points"}
        axes.annotate(f"to {low:.0f} %", (cost, bottom), fontsize=7, color=colour, **beside)


def _point(axes: Axes, result: Values, final: Values, cost: float) -> None:
    colour, marker, size = _look(result, final)
    mean, face = 100 * final["last"]["mean"], colour if final["fits"] else PAPER
    ends = f"{100 * final['last']['min']:.2f} to {100 * final['last']['max']:.2f}"
    needs = f"{kib_tip(final['sram_bytes'])}{'' if final['fits'] else ', does not fit'}, {final['seconds']:,.1f} s"
    dot_tip(axes, cost, mean, f"{study_lines.named(final)}: {mean:.2f} % ({ends}), {needs}")
    above = 4 if size > 5 else 3
    axes.plot(cost, mean, marker, color=colour, markerfacecolor=face, markersize=size, zorder=above)
    if is_recommended(result, final):
        axes.plot(cost, mean, "o", color=INK, markerfacecolor="none", markersize=12, zorder=5)


def _handles(result: Values) -> list[Line2D]:
    """For the legend."""
    by_label = {f["label"]: f for f in reversed(result["finals"])}
    handles = []
    for label in study_lines.shown(result):
        colour, marker = study_lines.look(result, label)
        name = study_lines.named(by_label[label])
        handles.append(Line2D([], [], linestyle="", marker=marker, color=colour, label=name))
    dot: dict[str, Any] = {"linestyle": "", "marker": "o", "color": GREY}
    if study_lines.left_out(result):
        handles.append(Line2D([], [], markersize=3.5, label="other methods", **dot))
    if not all(final["fits"] for final in result["finals"]):
        handles.append(Line2D([], [], markerfacecolor=PAPER, label="hollow: does not fit", **dot))
    handles += [
        Line2D([], [], color=GREY, linewidth=1, label="the best of those that fit"),
        Line2D([], [], color=GREY, linewidth=1, linestyle=":", label="no transfer"),
    ]
    if any(is_recommended(result, final) for final in result["finals"]):
        ring: dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "markersize": 10, "color": INK}
        handles.append(Line2D([], [], linestyle="", label="recommended: what m0sim train does", **ring))
    return handles
