"""Which methods of a study are drawn, and how each looks: the first eight of the study file, alike in all its plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from m0sim.study.report.drawing import LOOKS, MOST, Look

Values = Mapping[str, Any]


def tuned_labels(result: Values) -> list[str]:
    """Of the tuned settings with final runs, in the order of the study file."""
    return list(dict.fromkeys(final["label"] for final in result["finals"] if final["is_tuned"]))


def shown(result: Values) -> list[str]:
    """The labels that plots name."""
    return tuned_labels(result)[:MOST]


def look(result: Values, label: str) -> Look:
    """Of one of those that are shown."""
    return LOOKS[shown(result).index(label)]


def left_out(result: Values) -> str:
    """For the title of a plot that draws nothing else; empty where it shows all."""
    count = len(tuned_labels(result))
    return f"; the first {MOST} of {count} methods" if count > MOST else ""


def named(final: Values) -> str:
    """The label with its star where the method is a reconstruction."""
    return str(final["label"]) + "*" * bool(final["is_reconstruction"])


def floor(percents: Sequence[float]) -> float:
    """Where an axis begins that shows these: a little below the lowest, or bands of a collapse would flatten it all."""
    return min(percents) - 0.05 * (max(percents) - min(percents)) - 1
