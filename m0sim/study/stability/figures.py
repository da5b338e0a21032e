"""What the runs gave, and the tables of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev, stdev
from typing import Any

from m0sim.errors import UsageError
from m0sim.study.stability.remedies import REFERENCES
from m0sim.study.stability.runs import LATE, Spec

FILE = "stability.jsonl"


@dataclass(frozen=True)
class StabilityFigures:
    """What stability.jsonl holds."""

    runs: Mapping[Spec, tuple[float, ...]]
    """Accuracy, %, in the late epochs."""
    costs: Mapping[tuple[str, int, str], Mapping[str, Any]]
    """By remedy, shift and form of the mask."""

    def remedies(self, angle: int) -> list[str]:
        return sorted({spec.remedy for spec in self.runs if spec.angle == angle})

    def swept(self, remedy: str, angle: int) -> dict[int, tuple[float, ...]]:
        """Seed 0 by shift."""
        found = {s.shift: a for s, a in self.runs.items() if (s.remedy, s.angle, s.seed) == (remedy, angle, 0)}
        return dict(sorted(found.items()))

    def best(self, remedy: str, angle: int) -> tuple[int, dict[int, tuple[float, ...]]]:
        """The shift with the best mean of seed 0, and every seed's accuracies with it."""
        swept = self.swept(remedy, angle)
        shift = max(swept, key=lambda s: fmean(swept[s]))
        seeds = {s.seed: a for s, a in self.runs.items() if (s.remedy, s.shift, s.angle) == (remedy, shift, angle)}
        return shift, dict(sorted(seeds.items()))


def figures(lines: Iterable[str]) -> StabilityFigures:
    """Raises UsageError where two lines say different things of the same run."""
    runs: dict[Any, Any] = {}
    costs: dict[Any, Any] = {}
    for line in arranged(lines):
        found = json.loads(line)
        if "cycles" in found:
            _put(costs, (found["remedy"], found["shift"], found["mask"]), found)
        else:
            late = tuple(100 * a for a in found.pop("accuracy")[LATE])
            _put(runs, Spec(**found), late)
    return StabilityFigures(runs, costs)


def _put(where: dict[Any, Any], key: Any, value: Any) -> None:
    if key in where:
        raise UsageError(f"{FILE}: two lines differ about {key}: it was not reproduced, keep one of them")
    where[key] = value


def arranged(lines: Iterable[str]) -> list[str]:
    """Every line once: runs by remedy, angle, shift and seed, then costs."""

    def order(line: str) -> tuple[Any, ...]:
        found = json.loads(line)
        return "cycles" in found, found["remedy"], found.get("angle", 0), found["shift"], line

    return sorted(set(lines), key=order)


ESTIMATES = {
    "priot-psto": ("up to +0.21 M", "+0"),
    "priot-16-bit": ("+0.16 M", "+52,192 SRAM"),
    "priot-threshold-hysteresis": ("priot-threshold's + 0.15 M", "+6,505 SRAM"),
    "priot-frozen-mask": ("as with refresh", "+6,505 SRAM"),
}
"""Cycles a step and bytes of what has no kernels: arithmetic that stands at the end of the page."""


def table(header: str, rows: Iterable[Sequence[object]]) -> str:
    """Markdown; the first column is text."""
    names = header.split("; ")
    lines = [names, ["---"] + ["--:"] * (len(names) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def compact(data: StabilityFigures) -> str:
    """Every remedy at its best shift, with what it costs: the table that docs/study/findings.md repeats."""
    header = "remedy; 30: shift; mean (worst), %; sd of seeds; 45: shift; mean (worst), %; sd of seeds"
    remedies = sorted({spec.remedy for spec in data.runs})
    rows = [(r, *_short(data, r, 30), *_short(data, r, 45), *_cost(data, r)) for r in remedies]
    return table(header + "; costs at shift; cycles a step; bytes; costs are", rows)


def _short(data: StabilityFigures, remedy: str, angle: int) -> tuple[str, str, str]:
    if remedy not in data.remedies(angle):
        return "", "not run", ""
    shift, seeds = data.best(remedy, angle)
    return f"{shift:+}", f"{_mean(seeds):.1f} ({_worst(seeds):.1f})", _deviation(seeds)


def _cost(data: StabilityFigures, remedy: str) -> tuple[str, str, str, str]:
    name = remedy.split(",")[0]
    if name in ESTIMATES:
        return "", *ESTIMATES[name], "estimated"
    cost = [c for (r, _, mask), c in data.costs.items() if r == remedy and mask == "list"][-1]
    shift = f"{cost['shift']:+}"
    if remedy in REFERENCES:
        return shift, f"{cost['cycles']:,}", f"{cost['sram']:,} SRAM, {cost['flash']:,} flash", "measured"
    reference = data.costs[next(r for r in REFERENCES if name.startswith(r)), cost["shift"], "list"]
    more = {key: cost[key] - reference[key] for key in ("cycles", "sram", "flash")}
    share = f"{more['cycles']:+,} ({100 * more['cycles'] / reference['cycles']:+.1f} %)"
    return shift, share, f"{more['sram']:+,} SRAM, {more['flash']:+,} flash", "measured"


def _mean(seeds: Mapping[int, Sequence[float]]) -> float:
    return fmean(fmean(a) for a in seeds.values())


def _worst(seeds: Mapping[int, Sequence[float]]) -> float:
    return min(min(a) for a in seeds.values())


def _deviation(seeds: Mapping[int, Sequence[float]]) -> str:
    return f"{stdev(fmean(a) for a in seeds.values()):.2f}" if len(seeds) > 1 else "one seed"


def sweep(data: StabilityFigures, angle: int) -> str:
    """Seed 0 by shift."""
    shifts = sorted({spec.shift for spec in data.runs if spec.angle == angle and spec.seed == 0})
    rows = []
    for remedy in data.remedies(angle):
        swept = data.swept(remedy, angle)
        cells = (f"{fmean(swept[s]):.1f} ({min(swept[s]):.1f})" if s in swept else "" for s in shifts)
        rows.append((remedy, *cells))
    return table("; ".join(["remedy", *(f"{s:+}" for s in shifts)]), rows)


def seeds(data: StabilityFigures, angle: int) -> str:
    """The best shift of seed 0 on all seeds."""
    header = "remedy; shift; settings tried; seeds; mean; sd of seeds; mean without seed 0; sd in a run; worst; last"
    rows = []
    for remedy in data.remedies(angle):
        shift, found = data.best(remedy, angle)
        others = {seed: a for seed, a in found.items() if seed}
        last, inside = fmean(a[-1] for a in found.values()), fmean(pstdev(a) for a in found.values())
        rest = f"{_mean(others):.1f}" if others else "not run"
        row = [remedy, f"{shift:+}", len(data.swept(remedy, angle)), len(found), f"{_mean(found):.1f}"]
        rows.append([*row, _deviation(found), rest, f"{inside:.2f}", f"{_worst(found):.1f}", f"{last:.1f}"])
    return table(header, rows)


def costs(data: StabilityFigures) -> str:
    """What was measured on the device."""
    keys = ("cycles", "prune", "sram", "flash")
    rows = [(r, f"{shift:+}", mask, *(f"{c[k]:,}" for k in keys)) for (r, shift, mask), c in data.costs.items()]
    return table("remedy; shift; mask; cycles; of them prune; SRAM with stack; flash", rows)
