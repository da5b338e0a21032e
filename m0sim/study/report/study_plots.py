"""The curves of ``m0sim study``: accuracy against device time, at most eight methods in one plot for each task."""

from __future__ import annotations

from functools import partial
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m0sim.study.learn.transfer import Transfer
from m0sim.study.report import drawing, study_lines
from m0sim.study.report.drawing import GREY, INK, STYLE, WIDE, Plot, dot_tip, log_axis, to_bytes, wrapped
from m0sim.study.report.study_tasks import data_words, file_of, place, task_of, tasks_of


def plots(result: dict[str, Any]) -> dict[str, tuple[str, Plot]]:
    """By name, curves-ANGLE (or curves-noise-8): what the picture shows, and the function that draws it. None for a
    study that only tunes."""
    tasks = tasks_of(result) if result["finals"] else []
    return {f"curves-{file_of(w)}": (f"Accuracy against time: {place(w)}", partial(curves, result, w)) for w in tasks}


def files(result: dict[str, Any]) -> dict[str, bytes]:
    """File name to contents: the plots as PNG and SVG."""
    return drawing.files(plots(result))


def curves(result: dict[str, Any], what: Transfer, kind: str = "svg", width: float = WIDE) -> bytes:
    """Mean validation accuracy of the tuned settings with a band from the worst to the best seed; logarithmic time. A
    diamond is the mean test accuracy after the last epoch.

    The axis begins below the lowest mean. Where a band goes on below it, its end is written there.
    """
    named = study_lines.shown(result)
    finals = [f for f in result["finals"] if task_of(f) == what and f["is_tuned"] and f["label"] in named]
    with style.context(["default", STYLE]):
        columns = 2 if width >= WIDE else 1
        entries = -(-(len(finals) + 1) // columns)
        figure = Figure(figsize=(width, 0.6 * WIDE + 0.17 * entries), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xscale("log")
        for final in sorted(finals, key=lambda f: -f["last"]["mean"]):
            _curve(axes, final, result)
        before = 100 * finals[0]["accuracy_before"]
        axes.axhline(before, color=GREY, linestyle=":", linewidth=1, label="no transfer (test)")
        log_axis(axes, width)
        axes.set_xlabel(f"seconds on {result['profile']} at {result['clock_hz'] / 1e6:g} MHz")
        _floor(axes, finals, result, before)
        axes.set_ylabel("validation accuracy, %")
        seeds, others = len(result["seeds"]), study_lines.left_out(result)
        title = f"{result['network']}, {data_words(result)} {what.words}: {seeds} seeds{others}"
        said = "diamonds: test accuracy after the last epoch; bands: worst to best seed"
        figure.suptitle(wrapped(f"{title}\n{said}", width, 9), x=0.01, ha="left", fontsize=9)
        figure.legend(loc="outside lower left", ncols=columns, frameon=False, fontsize=8, handlelength=3)
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


def _curve(axes: Axes, final: dict[str, Any], result: dict[str, Any]) -> None:
    seconds = [cycles / result["clock_hz"] for cycles in final["cycles_by_epoch"]]
    by_epoch = [[100 * value for value in epoch] for epoch in zip(*final["accuracy_validation"], strict=True)]
    mean = [sum(values) / len(values) for values in by_epoch]
    colour, marker = study_lines.look(result, final["label"])
    axes.plot(seconds, mean, color=colour, linewidth=1.3, marker=marker, markersize=3.5, label=study_lines.named(final))
    end: dict[str, Any] = {"marker": "D", "markersize": 6, "markeredgecolor": INK, "markeredgewidth": 0.7}
    axes.plot(seconds[-1:], [100 * final["last"]["mean"]], color=colour, **end)
    low, high = [min(v) for v in by_epoch], [max(v) for v in by_epoch]
    name, epochs = study_lines.named(final), len(mean)
    for number, (at, value) in enumerate(zip(seconds, mean, strict=True), 1):
        spread = f"{low[number - 1]:.2f} to {high[number - 1]:.2f}"
        text = f"{name}, epoch {number} of {epochs}, {at:,.1f} s: validation {value:.2f} % ({spread})"
        dot_tip(axes, at, value, text)
    test = {end: 100 * final["last"][end] for end in ("mean", "min", "max")}
    words = f"test {test['mean']:.2f} % ({test['min']:.2f} to {test['max']:.2f})"
    dot_tip(axes, seconds[-1], test["mean"], f"{name}, after the last epoch, {seconds[-1]:,.1f} s: {words}")
    axes.fill_between(seconds, low, high, color=colour, alpha=0.1, linewidth=0)
