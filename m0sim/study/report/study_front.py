"""What an answer costs: test accuracy against SRAM, and against time and energy, with the fronts that nobody beats.

A row of two panels for each task. The first eight methods of the study file have colours, all others are grey dots. A
method that does not fit the device has a hollow marker. The line is the front of those that fit: no other one that fits
is as good and as cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from m0sim.study.learn.experiment import recommended
from m0sim.study.learn.transfer import Transfer
from m0sim.study.report import study_lines
from m0sim.study.report.drawing import GREY, INK, PAPER, STYLE, to_bytes
from m0sim.study.report.study_tasks import data_words, place, task_of, tasks_of

Values = Mapping[str, Any]

_WIDTH, _ROW, _LEGEND = 8.0, 2.7, 1.15
"""In inches: of the figure, of a row of panels, of what is below them."""


def files(result: Values) -> dict[str, bytes]:
    """front.png and .svg; none for a study that only tunes."""
    return {f"front.{kind}": draw(result, kind) for kind in ("png", "svg")} if result["finals"] else {}


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


def draw(result: Values, kind: str = "svg") -> bytes:
    """Mean test accuracy of the seeds after the last epoch, with a bar from the worst to the best one."""
    tasks = tasks_of(result)
    height = _ROW * len(tasks) + _LEGEND
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(_WIDTH, height))
        grid = figure.subplots(len(tasks), 2, squeeze=False, sharex="col", sharey="row")
        figure.subplots_adjust(0.085, (_LEGEND + 0.42) / height, 0.97, 1 - 0.42 / height, wspace=0.05, hspace=0.16)
        for row, what in zip(grid, tasks, strict=True):
            finals = [f for f in result["finals"] if f["is_tuned"] and task_of(f) == what]
            _panel(row[0], result, finals, lambda f: f["sram_bytes"] / 1024)
            _panel(row[1], result, finals, lambda f: f["seconds"])
            _name(row[0], what)
        grid[-1][0].set_xlabel("KiB of SRAM, stack included")
        grid[-1][1].set_xlabel(_time_words(result))
        title = f"{result['network']}, {data_words(result)}: {len(result['seeds'])} seeds, after the last epoch"
        figure.text(0.01, 1 - 0.1 / height, title, ha="left", va="top", fontsize=10)
        figure.text(0.012, 0.5 + 0.4 / height, "test accuracy, %", rotation=90, ha="left", va="center")
        _legend(figure, result)
        return to_bytes(figure, kind)


def _time_words(result: Values) -> str:
    known = [f for f in result["finals"] if f["energy_joules"]]
    words = f"seconds on {result['profile']} at {result['clock_hz'] / 1e6:g} MHz"
    if not known:
        return words
    watts = known[0]["energy_joules"] / known[0]["seconds"]
    return f"{words}; x {1000 * watts:.0f} mW = joules"


def _name(axes: Axes, what: Transfer) -> None:
    axes.text(0.02, 0.97, place(what), transform=axes.transAxes, ha="left", va="top", weight="bold")


def _panel(axes: Axes, result: Values, finals: Sequence[Values], cost: Callable[[Values], float]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")
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
    above = 4 if size > 5 else 3
    axes.plot(cost, mean, marker, color=colour, markerfacecolor=face, markersize=size, zorder=above)
    if is_recommended(result, final):
        axes.plot(cost, mean, "o", color=INK, markerfacecolor="none", markersize=12, zorder=5)


def _legend(figure: Figure, result: Values) -> None:
    by_label = {f["label"]: f for f in reversed(result["finals"])}
    handles = []
    for label in study_lines.shown(result):
        colour, marker = study_lines.look(result, label)
        name = study_lines.named(by_label[label])
        handles.append(Line2D([], [], linestyle="", marker=marker, color=colour, label=name))
    handles += [
        Line2D([], [], linestyle="", marker="o", color=GREY, markersize=3.5, label="other methods"),
        Line2D([], [], linestyle="", marker="o", color=GREY, markerfacecolor=PAPER, label="hollow: does not fit"),
        Line2D([], [], color=GREY, linewidth=1, label="the best of those that fit"),
        Line2D([], [], color=GREY, linewidth=1, linestyle=":", label="no transfer"),
    ]
    if any(is_recommended(result, final) for final in result["finals"]):
        ring: dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "markersize": 10, "color": INK}
        handles.append(Line2D([], [], linestyle="", label="recommended: what m0sim train does", **ring))
    figure.legend(handles=handles, loc="lower left", ncols=3, frameon=False, fontsize=7.5, handlelength=1.6)
