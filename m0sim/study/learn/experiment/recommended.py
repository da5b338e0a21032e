"""What `m0sim train` does unless a method is named: one recipe a network, which fits 264 KB of SRAM.

Provisional: chosen among a few dozen single runs by validation images, with seeds 5 and 6 (tiny-cnn at 45 degrees,
vgg11-quarter at 30) or 5 to 7 (tiny-cnn-8 at both). No study has compared them with other methods on test images yet.
"""

from __future__ import annotations

from collections.abc import Mapping

from m0sim.errors import UsageError
from m0sim.study.learn.methods.base import Tuned

_PRUNED = {"selection": "sensitive", "prune": "threshold", "deviation": 16}

RECIPES: Mapping[str, tuple[str, Tuned]] = {
    "tiny-cnn-8": ("niti-static", Tuned(-1, {"cool": 1024})),
    "tiny-cnn": ("priot-s-head", Tuned(-5, {**_PRUNED, "spread": "root", "theta": -32, "fraction": 0.5, "cool": 2048})),
    "vgg11-quarter": ("priot-s-head", Tuned(-5, {**_PRUNED, "theta": -64, "fraction": 0.2, "cool": 1024})),
}
"""By network: a method, its learning shift, and its options."""


def of(network: str) -> tuple[str, Tuned]:
    """The recipe of a network. Raises UsageError where there is none."""
    if network not in RECIPES:
        known = ", ".join(RECIPES)
        raise UsageError(f"{network}: by which method? Name one with --method; only {known} have a recommended recipe")
    return RECIPES[network]
