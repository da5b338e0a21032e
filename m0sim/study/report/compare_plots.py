"""The plots of ``m0sim compare``: PNG and SVG bytes, the same ones for the same comparison."""

from __future__ import annotations

from functools import partial

from m0sim.report.units import count
from m0sim.study.learn.comparison import PHASES, RECONSTRUCTION, Comparison, MethodResult
from m0sim.study.report import bars, drawing
from m0sim.study.report.bars import BarChart, MethodBar
from m0sim.study.report.compare_data import kinds
from m0sim.study.report.drawing import KIND_COLOURS, OTHER_COLOURS, PHASE_COLOURS, WIDE, Plot, kib, kib_tip


def plots(comparison: Comparison) -> dict[str, tuple[str, Plot]]:
    """By name: what the picture shows, and the function that draws it."""
    return {
        "cycles": ("Cycles a training step, by phase", partial(cycles, comparison)),
        "sram": ("SRAM of a training step, by kind", partial(sram, comparison)),
    }


def files(comparison: Comparison) -> dict[str, bytes]:
    """File name to contents: cycles.png, cycles.svg, sram.png, sram.svg."""
    return drawing.files(plots(comparison))


def cycles(comparison: Comparison, kind: str = "svg", width: float = WIDE) -> bytes:
    """Stacked bars of mean cycles a step by phase, with a whisker from the fastest image to the slowest."""
    scale, unit = _scale(drawing.scale_end([m.cycles_max for m in comparison.methods]))
    colours = {phase: c for phase, c in PHASE_COLOURS.items() if any(m.phases.get(phase) for m in comparison.methods)}
    chart = BarChart(
        title="Cycles a training step, by phase",
        remark=_with_star("zero wait states; bars: mean, whiskers: min to max", comparison),
        unit=f"{unit}cycles a step",
        bars=[_cycles(m, scale) for m in comparison.methods],
        colours=colours,
    )
    return bars.draw(chart, kind, width)


def _cycles(m: MethodResult, scale: float) -> MethodBar:
    whole = f"of {count(round(m.cycles_mean))} cycles a step ({count(m.cycles_min)} to {count(m.cycles_max)})"
    return MethodBar(
        name=_name(m),
        parts={phase: m.phases.get(phase, 0.0) / scale for phase in PHASES},
        figure=drawing.three_digits(m.cycles_mean / scale),
        tips={p: f"{m.method}, {p}: {count(round(m.phases.get(p, 0.0)))} {whole}" for p in PHASES},
        whisker=(m.cycles_min / scale, m.cycles_max / scale),
    )


def sram(comparison: Comparison, kind: str = "svg", width: float = WIDE) -> bytes:
    """Stacked bars of measured SRAM by kind, with the device's SRAM as a line."""
    shown = [k for k in kinds(comparison.methods) if any(m.sram.get(k) for m in comparison.methods)]
    colours = {k: KIND_COLOURS[k] for k in shown if k in KIND_COLOURS}
    others = [k for k in shown if k not in KIND_COLOURS]
    colours |= {k: OTHER_COLOURS[i % len(OTHER_COLOURS)] for i, k in enumerate(others)}
    chart = BarChart(
        title="SRAM of a training step, by kind",
        remark=_with_star("measured on the simulated chip; 1 KiB = 1,024 bytes", comparison),
        unit="KiB of SRAM",
        bars=[_sram(m, shown) for m in comparison.methods],
        colours=colours,
        lines=[(comparison.sram_bytes / 1024, f"{comparison.profile}: {comparison.sram_bytes / 1024:g} KiB")],
    )
    return bars.draw(chart, kind, width)


def _sram(m: MethodResult, shown: list[str]) -> MethodBar:
    return MethodBar(
        name=_name(m),
        parts={k: m.sram.get(k, 0) / 1024 for k in shown},
        figure=kib(m.sram["total"]).removesuffix(" KiB"),
        tips={k: f"{m.method}, {k}: {kib_tip(m.sram.get(k, 0))} of {kib(m.sram['total'])}" for k in shown},
    )


def _name(m: MethodResult) -> str:
    return f"{m.method}{'*' * m.is_reconstruction}"


def _with_star(remark: str, comparison: Comparison) -> str:
    is_starred = any(m.is_reconstruction for m in comparison.methods)
    return f"{remark}\n* {RECONSTRUCTION}" if is_starred else remark


def _scale(largest: float) -> tuple[float, str]:
    """What to divide by, and its word in front of the unit."""
    scales = ((1e9, "billion "), (1e6, "million "), (1e3, "thousand "), (0.0, ""))
    scale, word = next((scale, word) for scale, word in scales if largest >= scale)
    return scale or 1.0, word
