"""The plots of ``m0sim compare``: PNG and SVG bytes, the same ones for the same comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from m0sim.study.learn.comparison import PHASES, RECONSTRUCTION, Comparison, MethodResult
from m0sim.study.report.compare_data import kinds
from m0sim.study.report.drawing import INK, KIND_COLOURS, OTHER_COLOURS, PAPER, PHASE_COLOURS, STYLE, WIDE, to_bytes

_ROW = 0.32  # inches of height for a method
_OUTLIER = 4  # a bar this many times longer than the next leaves the others too short to read

Panel = tuple[MethodResult, ...]


@dataclass(frozen=True)
class _Plot:
    title: str
    remark: str
    panels: Sequence[Panel]
    colours: Mapping[str, str]
    draw: Callable[[Axes, Panel], None]
    headroom: float
    """Points above the bars of a panel that `draw` writes into."""


def files(comparison: Comparison) -> dict[str, bytes]:
    """File name to contents: cycles.png, cycles.svg, sram.png, sram.svg."""
    plots = {"cycles": cycles, "sram": sram}
    return {f"{name}.{kind}": plot(comparison, kind) for name, plot in plots.items() for kind in ("png", "svg")}


def cycles(comparison: Comparison, kind: str = "svg", width: float = WIDE) -> bytes:
    """Stacked bars of mean cycles a step by phase, with a whisker from the fastest image to the slowest."""

    def draw(axes: Axes, panel: Panel) -> None:
        scale, unit = _scale(max(m.cycles_max for m in panel))
        _stack(axes, panel, [{phase: m.phases.get(phase, 0.0) / scale for phase in PHASES} for m in panel], colours)
        for row, m in enumerate(panel):
            spread = ([(m.cycles_mean - m.cycles_min) / scale], [(m.cycles_max - m.cycles_mean) / scale])
            axes.errorbar(m.cycles_mean / scale, row, xerr=spread, color=INK, capsize=2.5, linewidth=1)
        _ends(axes, [m.cycles_max / scale for m in panel], [m.cycles_mean / scale for m in panel])
        axes.set_xlabel(f"{unit}cycles a step")

    colours = {phase: c for phase, c in PHASE_COLOURS.items() if any(m.phases.get(phase) for m in comparison.methods)}
    panels = _panels(comparison.methods, lambda m: m.cycles_max)
    remark = "zero wait states; bars: mean, whiskers: min to max"
    return _render(_Plot("Cycles a training step, by phase", remark, panels, colours, draw, 0), kind, width)


def sram(comparison: Comparison, kind: str = "svg", width: float = WIDE) -> bytes:
    """Stacked bars of measured SRAM by kind, with the device's SRAM as a line."""

    def draw(axes: Axes, panel: Panel) -> None:
        bars = [{k: m.sram.get(k, 0) / 1024 for k in colours} for m in panel]
        _stack(axes, panel, bars, colours)
        totals = [m.sram["total"] / 1024 for m in panel]
        longest = [max(total, sum(bar.values())) for total, bar in zip(totals, bars, strict=True)]
        _ends(axes, longest, totals)
        _device_line(axes, comparison, max(longest))
        axes.set_xlabel("KiB of SRAM")

    shown = [k for k in kinds(comparison.methods) if any(m.sram.get(k) for m in comparison.methods)]
    colours = {k: KIND_COLOURS[k] for k in shown if k in KIND_COLOURS}
    others = [k for k in shown if k not in KIND_COLOURS]
    colours |= {k: OTHER_COLOURS[i % len(OTHER_COLOURS)] for i, k in enumerate(others)}
    panels = _panels(comparison.methods, lambda m: m.sram["total"])
    remark = "measured on the simulated chip; 1 KiB = 1,024 bytes"
    return _render(_Plot("SRAM of a training step, by kind", remark, panels, colours, draw, 12), kind, width)


def _panels(methods: Panel, length: Callable[[MethodResult], float]) -> list[Panel]:
    """All methods; and again without those whose bars dwarf the others, so that these can be read."""
    ordered = sorted(methods, key=length)
    for i in range(len(ordered) - 1, 1, -1):
        if length(ordered[i]) > _OUTLIER * length(ordered[i - 1]):
            return [methods, tuple(m for m in methods if m in ordered[:i])]
    return [methods]


def _scale(largest: float) -> tuple[float, str]:
    """What to divide by, and its word in front of the unit."""
    scales = ((1e9, "billion "), (1e6, "million "), (1e3, "thousand "), (0.0, ""))
    scale, word = next((scale, word) for scale, word in scales if largest >= scale)
    return scale or 1.0, word


def _stack(axes: Axes, panel: Panel, bars: Sequence[Mapping[str, float]], colours: Mapping[str, str]) -> None:
    starts = [0.0] * len(panel)
    for part, colour in colours.items():
        sizes = [bar[part] for bar in bars]
        axes.barh(range(len(panel)), sizes, left=starts, height=0.66, color=colour, edgecolor=PAPER, linewidth=0.4)
        starts = [start + size for start, size in zip(starts, sizes, strict=True)]
    names = [f"{m.method}{'*' * m.is_reconstruction}" for m in panel]
    axes.set_yticks(range(len(panel)), names)
    axes.set_ylim(len(panel) - 0.45, -0.55)


def _ends(axes: Axes, ends: Sequence[float], figures: Sequence[float]) -> None:
    """The figure of each bar behind its end, with room for it."""
    for row, (end, figure) in enumerate(zip(ends, figures, strict=True)):
        shown = f"{figure:,.0f}" if figure >= 1000 else f"{figure:#.3g}".rstrip(".")
        behind = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}  # hides the device's line, if it is there
        where: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(shown, (end, row), fontsize=8, bbox=behind, **where)
    axes.set_xlim(0, 1.16 * max(ends) or 1)


def _device_line(axes: Axes, comparison: Comparison, longest: float) -> None:
    """The device's SRAM; only its figure where a line would squeeze the bars."""
    kib = comparison.sram_bytes / 1024
    words = f"{comparison.profile}: {kib:g} KiB"
    is_near = kib <= _OUTLIER * longest
    if is_near:
        axes.axvline(kib, color=INK, linestyle="--", linewidth=1.2)
        axes.set_xlim(0, max(1.16 * longest, 1.05 * kib))
    at = kib / axes.get_xlim()[1] if is_near else 1.0
    side = "right" if at > 0.5 else "left"
    axes.annotate(
        words if is_near else f"{words} \N{RIGHTWARDS ARROW}",
        (at, 1),
        xytext=(0, 3),
        xycoords="axes fraction",
        textcoords="offset points",
        ha=side,
        fontsize=8,
    )


def _render(plot: _Plot, kind: str, width: float) -> bytes:
    """A figure as bytes: title and legend, a panel below the other, and below them the remark."""
    rows = [len(panel) for panel in plot.panels]
    columns = 8 if width >= WIDE else 3
    is_starred = any(m.is_reconstruction for m in plot.panels[0])
    remark = f"{plot.remark}\n* {RECONSTRUCTION}" if is_starred else plot.remark
    above = 0.38 + 0.19 * -(-len(plot.colours) // columns)
    below = 0.12 + 0.15 * (1 + is_starred)
    height = above + below + sum(_ROW * n + 0.75 for n in rows)
    with style.context(["default", STYLE]):
        rect = (0, below / height, 1, 1 - (above + below) / height)
        layout = ConstrainedLayoutEngine(rect=rect, w_pad=0.1, h_pad=0.07)
        figure = Figure(figsize=(width, height), layout=layout)
        grid = figure.subplots(len(rows), 1, squeeze=False, height_ratios=rows)
        for axes, panel in zip(grid[:, 0], plot.panels, strict=True):
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
            plot.draw(axes, panel)
            if panel != plot.panels[0]:
                gone = ", ".join(m.method for m in plot.panels[0] if m not in panel)
                axes.set_title(f"without {gone}", fontsize=9, weight="bold", loc="left", pad=4 + plot.headroom)
        figure.text(0.1 / width, 1 - 0.08 / height, plot.title, va="top", fontsize=11, weight="bold")
        figure.text(0.1 / width, 0.08 / height, remark, va="bottom", fontsize=8, linespacing=1.3)
        _legend(figure, plot.colours, columns, 1 - 0.28 / height)
        return to_bytes(figure, kind)


def _legend(figure: Figure, colours: Mapping[str, str], columns: int, top: float) -> None:
    """Row by row in the order of the bars; matplotlib itself goes column by column."""
    patches = [Patch(facecolor=colour, label=part) for part, colour in colours.items()]
    figure.legend(
        handles=[patch for i in range(columns) for patch in patches[i::columns]],
        ncols=columns,
        loc="upper left",
        bbox_to_anchor=(0, top),
        frameon=False,
        fontsize=8,
        handlelength=1,
        columnspacing=1.2,
    )
