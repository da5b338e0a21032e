"""The curves of ``m0sim study``: accuracy against device time, all methods in one plot for each angle."""

from __future__ import annotations

from typing import Any

from matplotlib import colormaps, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m0sim.report.drawing import GREY, STYLE, to_bytes


def files(result: dict[str, Any]) -> dict[str, bytes]:
    """File name to contents: curves-ANGLE.png and .svg; none for a study that only tunes."""
    angles = result["angles"] if result["finals"] else []
    return {f"curves-{angle:g}.{kind}": curves(result, angle, kind) for angle in angles for kind in ("png", "svg")}


def curves(result: dict[str, Any], angle: float, kind: str = "svg") -> bytes:
    """Mean test accuracy of the tuned settings with a band from the worst to the best seed; logarithmic time."""
    finals = [f for f in result["finals"] if f["angle"] == angle and f["is_tuned"]]
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        colours = colormaps["tab20"].colors  # type: ignore[attr-defined]
        for i, final in enumerate(finals):
            _curve(axes, final, result["clock_hz"], colours[i % len(colours)])
        before = 100 * finals[0]["accuracy_before"]
        axes.axhline(before, color=GREY, linestyle=":", linewidth=1, label="no transfer")
        axes.set_xscale("log")
        axes.set_xlabel(f"seconds on {result['profile']} at {result['clock_hz'] / 1e6:g} MHz")
        axes.set_ylabel("test accuracy, %")
        title = f"{result['network']}, {result['data']} turned by {angle:g} degrees: {len(result['seeds'])} seeds"
        axes.set_title(title, loc="left", fontsize=10)
        figure.legend(loc="outside right upper", frameon=False, fontsize=8)
        return to_bytes(figure, kind)


def _curve(axes: Axes, final: dict[str, Any], clock_hz: int, colour: Any) -> None:
    seconds = [cycles / clock_hz for cycles in final["cycles_by_epoch"]]
    by_epoch = [[100 * value for value in epoch] for epoch in zip(*final["accuracy"], strict=True)]
    mean = [sum(values) / len(values) for values in by_epoch]
    name = final["label"] + "*" * final["is_reconstruction"]
    axes.plot(seconds, mean, color=colour, marker="o", markersize=3, linewidth=1.3, label=name)
    low, high = [min(v) for v in by_epoch], [max(v) for v in by_epoch]
    axes.fill_between(seconds, low, high, color=colour, alpha=0.15, linewidth=0)
