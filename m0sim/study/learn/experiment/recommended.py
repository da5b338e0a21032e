"""What `m0sim train` does unless a method is named: one recipe a network, which fits 264 KB of SRAM.

Chosen by validation images: that of vgg11-quarter by the tuning of docs/study.md at 30 and 45 degrees, that of tiny-cnn
by the same; that of tiny-cnn-8 by single runs with seeds 5 to 7 at both angles, which no study has followed.
"""

from __future__ import annotations

from collections.abc import Mapping

from m0sim.errors import UsageError
from m0sim.study.learn.methods.base import Tuned

_PRUNED = {"selection": "sensitive", "prune": "threshold", "deviation": 16}

RECIPES: Mapping[str, tuple[str, Tuned]] = {
    "tiny-cnn-8": ("niti-static", Tuned(-1, {"cool": 1024})),
    "tiny-cnn": ("priot-s-head", Tuned(-5, {**_PRUNED, "spread": "root", "theta": -32, "fraction": 0.5, "cool": 2048})),
    "vgg11-quarter": ("priot-s", Tuned(-6, {**_PRUNED, "theta": -64, "fraction": 0.2, "cool": 1024})),
}
"""By network: a method, its learning shift, and its options."""


def of(network: str) -> tuple[str, Tuned]:
    """The recipe of a network. Raises UsageError where there is none."""
    if network not in RECIPES:
        known = ", ".join(RECIPES)
        raise UsageError(f"{network}: by which method? Name one with --method; only {known} have a recommended recipe")
    return RECIPES[network]
