"""A comparison as JSON (docs/json.md), as Markdown, and as the tables that text, Markdown and HTML share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from m0sim.report import cost_json
from m0sim.report.cost_json import SCHEMA
from m0sim.report.units import count, kib, si
from m0sim.study.learn.comparison import KINDS, PHASES, RECONSTRUCTION, Comparison, MethodResult
from m0sim.study.learn.methods import record


@dataclass(frozen=True)
class Sheet:
    """A table of strings: names in the first column, figures to the right of it."""

    title: str
    remark: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The object that ``m0sim compare --json`` prints and compare.json holds."""
    return {
        "schema": SCHEMA,
        "network": comparison.network,
        "width": comparison.width,
        "data": comparison.data,
        "task": comparison.task,
        "split": comparison.split,
        "profile": comparison.profile,
        "clock_hz": comparison.clock_hz,
        "sram_bytes": comparison.sram_bytes,
        "flash_bytes": comparison.flash_bytes,
        "steps": comparison.steps,
        "base": comparison.base,
        "seed": comparison.seed,
        "methods": [_method(m) for m in comparison.methods],
    }


def _method(m: MethodResult) -> dict[str, Any]:
    return {
        "method": m.method,
        **record(m.method),
        "cycles": {"mean": m.cycles_mean, "min": m.cycles_min, "max": m.cycles_max},
        "phases": {phase: m.phases.get(phase, 0.0) for phase in PHASES},
        "sram": {kind: m.sram.get(kind, 0) for kind in (*kinds([m]), "total")},
        "sram_planned": m.sram_planned["total"],
        "sram_planned_by_kind": {kind: m.sram_planned.get(kind, 0) for kind in (*kinds([m]), "total")},
        "flash_bytes": m.flash_bytes,
        "flash_estimate_cycles": m.flash_estimate_cycles,
        "flash_misses_words": m.flash_misses_words,
        "fits": m.fits,
        "ratio": m.ratio,
        "ratio_with_flash": m.ratio_with_flash,
        "seconds": m.seconds,
        **cost_json.energy(m.energy),
        "options": dict(m.options),
        "is_reconstruction": m.is_reconstruction,
        "note": m.remark,
    }


def kinds(methods: Sequence[MethodResult]) -> tuple[str, ...]:
    """`KINDS`, then whatever other kinds the results have, without the total."""
    found = dict.fromkeys(KINDS)
    for m in methods:
        found |= dict.fromkeys((*m.sram, *m.sram_planned))
    return tuple(kind for kind in found if kind != "total")


def heading(c: Comparison) -> str:
    """One line: what was compared, where and how long."""
    steps = f"{count(c.steps)} training step{'s' * (c.steps != 1)} a method"
    width = f" at {c.width:g} times its width" if c.width != 1 else ""
    return f"{c.network}{width}, {c.data}, on {c.profile} ({c.clock_hz / 1e6:g} MHz): {steps}, seed {c.seed}"


def sheets(comparison: Comparison) -> tuple[Sheet, ...]:
    """The tables: cycles, memory, and what flash adds where the profile says how it waits."""
    both = (_cycles(comparison), _memory(comparison))
    has_estimate = any(m.flash_estimate_cycles is not None for m in comparison.methods)
    return (*both, _flash(comparison)) if has_estimate else both


def _cycles(c: Comparison) -> Sheet:
    rows = [
        (
            m.method,
            *(count(round(cycles)) for cycles in (m.cycles_mean, m.cycles_min, m.cycles_max)),
            f"{1e3 * m.seconds:,.3f}",
            "unknown" if m.energy is None else si(m.energy.joules, "J"),
            "yes" if m.fits else "no",
            _ratio(m.ratio),
            *(count(round(m.phases.get(phase, 0.0))) for phase in PHASES),
        )
        for m in c.methods
    ]
    return Sheet(
        "cycles a training step",
        f"Exact for zero-wait-state memory; mean, min and max over the images. ms: mean at {c.clock_hz / 1e6:g} MHz. "
        f"Phases: mean cycles a step. Ratio: mean cycles over those of {c.base}.",
        ("method", "mean", "min", "max", "ms", "energy", "fits", "ratio", *PHASES),
        tuple(rows),
    )


def _memory(c: Comparison) -> Sheet:
    shown = kinds(c.methods)
    rows = []
    for m in c.methods:
        sizes = [kib(m.sram.get(kind, 0)) for kind in (*shown, "total")]
        plan = [kib(m.sram_planned.get(kind, 0)) for kind in (*shown, "total")]
        rows += [(m.method, *sizes, kib(m.flash_bytes)), ("  planned", *plan, "")]
    return Sheet(
        "KiB of SRAM by kind, and of flash",
        "Measured on the simulated chip, from the first to the last byte of each tensor that steps touch; "
        "below each row, what was planned without running. "
        f"{c.profile} has {c.sram_bytes / 1024:,.10g} KiB of SRAM and {c.flash_bytes / 1024:,.10g} of flash.",
        ("method", *shown, "total", "flash"),
        tuple(rows),
    )


def _flash(c: Comparison) -> Sheet:
    rows = []
    for m in c.methods:
        extra = m.flash_estimate_cycles
        total = None if extra is None else m.cycles_mean + extra
        found = (m.cycles_mean, m.flash_misses_words, extra, total)
        shown = ("-" if value is None else count(round(value)) for value in found)
        rows.append((m.method, *shown, _ratio(m.ratio), _ratio(m.ratio_with_flash)))
    return Sheet(
        "estimate: code and constants in flash",
        "An estimate by a model, not a measurement: cycles that code and data in flash wait for, added to the exact "
        "zero-wait count. Words: what the flash's cache misses, warm from the step before; without a cache, what is "
        f"read. Both ratios are to {c.base}.",
        ("method", "zero-wait", "words", "flash (est.)", "sum (est.)", "ratio", "ratio (est.)"),
        tuple(rows),
    )


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def notes(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """(method, what a reader of its figures must know): reconstruction, options, compiler, that it does not fit."""
    found = []
    for m in comparison.methods:
        parts = [m.remark, *(f"{name}: {value}" for name, value in m.options.items())]
        if not m.fits:
            parts.append(f"does not fit in {comparison.profile}: ran in an enlarged copy of it")
        found.append((m.method, "; ".join(filter(None, parts))))
    return tuple((method, text) for method, text in found if text)


def markdown(comparison: Comparison) -> str:
    """compare.md: the tables, the pictures beside it (`compare_plots.files`) and the notes."""
    parts = ["# m0sim compare", f"{plain(heading(comparison))}."]
    pictures = ("![Cycles a training step by phase](cycles.png)", "![SRAM by kind](sram.png)", "")
    for sheet, picture in zip(sheets(comparison), pictures, strict=False):
        title = f"{sheet.title[:1].upper()}{sheet.title[1:]}"
        parts += [f"## {title}", plain(sheet.remark), markdown_table(sheet), picture]
    listed = "\n".join(f"- **{plain(method)}**: {plain(text)}" for method, text in notes(comparison))
    parts += ["## Notes", listed] if listed else []
    if any(m.is_reconstruction for m in comparison.methods):
        parts.append(
            f'Methods marked "{RECONSTRUCTION}" are built from an abstract; none of this is a paper\'s number.'
        )
    return "\n\n".join(filter(None, parts)) + "\n"


def markdown_table(sheet: Sheet) -> str:
    rules = ["---", *("--:" for _ in sheet.columns[1:])]
    lines = [" | ".join(map(plain, row)) for row in (sheet.columns, rules, *sheet.rows)]
    return "\n".join(f"| {line} |" for line in lines)


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    for mark in "\\`*_<>[]|":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", " ").strip()
