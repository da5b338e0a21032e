"""The curves of ``m0sim study``: accuracy against device time, at most eight methods in one plot for each task."""

from __future__ import annotations

from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from m0sim.study.learn.transfer import Transfer
from m0sim.study.report import study_lines
from m0sim.study.report.drawing import GREY, INK, STYLE, to_bytes
from m0sim.study.report.study_tasks import data_words, file_of, task_of, tasks_of


def files(result: dict[str, Any]) -> dict[str, bytes]:
    """File name to contents: curves-ANGLE.png (or curves-noise-8.png) and .svg; none for a study that only tunes."""
    tasks = tasks_of(result) if result["finals"] else []
    kinds = [(what, kind) for what in tasks for kind in ("png", "svg")]
    return {f"curves-{file_of(what)}.{kind}": curves(result, what, kind) for what, kind in kinds}


def curves(result: dict[str, Any], what: Transfer, kind: str = "svg") -> bytes:
    """Mean validation accuracy of the tuned settings with a band from the worst to the best seed; logarithmic time. A
    diamond is the mean test accuracy after the last epoch.

    The axis begins below the lowest mean. Where a band goes on below it, its end is written there.
    """
    named = study_lines.shown(result)
    finals = [f for f in result["finals"] if task_of(f) == what and f["is_tuned"] and f["label"] in named]
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(9.5, 6.5), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        for final in sorted(finals, key=lambda f: -f["last"]["mean"]):
            _curve(axes, final, result)
        before = 100 * finals[0]["accuracy_before"]
        axes.axhline(before, color=GREY, linestyle=":", linewidth=1, label="no transfer (test)")
        _seconds(axes, result)
        _floor(axes, finals, result, before)
        axes.set_ylabel("validation accuracy, %; diamonds: test accuracy after the last epoch")
        seeds, others = len(result["seeds"]), study_lines.left_out(result)
        title = f"{result['network']}, {data_words(result)} {what.words}: {seeds} seeds{others}"
        axes.set_title(title, loc="left", fontsize=10)
        figure.legend(loc="outside right upper", frameon=False, fontsize=8, handlelength=3)
        return to_bytes(figure, kind)


def _floor(axes: Axes, finals: list[dict[str, Any]], result: dict[str, Any], before: float) -> None:
    epochs = (values for final in finals for values in zip(*final["accuracy_validation"], strict=True))
    means = [100 * sum(values) / len(values) for values in epochs] + [100 * final["last"]["mean"] for final in finals]
    floor = study_lines.floor([before, *means])
    axes.set_ylim(bottom=floor)
    for final in finals:
        worst = [100 * min(values) for values in zip(*final["accuracy_validation"], strict=True)]
        if min(worst) < floor:
            place = final["cycles_by_epoch"][worst.index(min(worst))] / result["clock_hz"]
            axes.annotate(
                f"to {min(worst):.0f} %",
                (place, floor),
                (3, 3),
                textcoords="offset points",
                color=study_lines.look(result, final["label"])[0],
                fontsize=8,
            )


def _seconds(axes: Axes, result: dict[str, Any]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    axes.set_xlabel(f"seconds on {result['profile']} at {result['clock_hz'] / 1e6:g} MHz")


def _curve(axes: Axes, final: dict[str, Any], result: dict[str, Any]) -> None:
    seconds = [cycles / result["clock_hz"] for cycles in final["cycles_by_epoch"]]
    by_epoch = [[100 * value for value in epoch] for epoch in zip(*final["accuracy_validation"], strict=True)]
    mean = [sum(values) / len(values) for values in by_epoch]
    colour, marker = study_lines.look(result, final["label"])
    axes.plot(seconds, mean, color=colour, linewidth=1.3, marker=marker, markersize=3.5, label=study_lines.named(final))
    end: dict[str, Any] = {"marker": "D", "markersize": 6, "markeredgecolor": INK, "markeredgewidth": 0.7}
    axes.plot(seconds[-1:], [100 * final["last"]["mean"]], color=colour, **end)
    low, high = [min(v) for v in by_epoch], [max(v) for v in by_epoch]
    axes.fill_between(seconds, low, high, color=colour, alpha=0.1, linewidth=0)
