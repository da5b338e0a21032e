"""The call tree as a file for speedscope (https://www.speedscope.app)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from m0sim.chip.cost import Cost
from m0sim.image import Image
from m0sim.report.on_core import OnCore
from m0sim.report.stacks import Frame, StackSamples, samples

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def profile(cost: Cost, image: Image) -> str:
    """A speedscope file with one profile of type ``sampled``: a sample is a node of the tree, its weight self cycles.

    Speedscope has no unit for cycles: the unit is ``none`` and the profile's name says what it counts. The samples are
    in the order of first calls, not of time: each node's cycles stand together. Inlined functions are nodes.
    """
    return profile_of((OnCore(cost),), image)


def profile_of(cores: Sequence[OnCore], image: Image) -> str:
    """The same with a profile for each core, which speedscope lets choose."""
    found, cost = samples(cores, image), cores[0].cost
    return json.dumps(
        {
            "$schema": SCHEMA,
            "name": f"{image.path.name} {cost.function} on {cost.profile}",
            "exporter": "m0sim",
            "activeProfileIndex": 0,
            "shared": {"frames": [_frame(frame) for frame in found[0].frames]},
            "profiles": [_profile(core, each) for core, each in zip(cores, found, strict=True)],
        }
    )


def _profile(core: OnCore, found: StackSamples) -> dict[str, Any]:
    cost = core.cost
    of = f"{cost.function}, {core.name}" if core.name else cost.function
    return {
        "type": "sampled",
        "name": f"{of}: cycles" + ("" if cost.flash_model == "ideal" else f" with {cost.flash_model} flash"),
        "unit": "none",
        "startValue": 0,
        "endValue": cost.cycles,
        "samples": [stack for stack, _ in found.samples],
        "weights": [cycles for _, cycles in found.samples],
    }


def _frame(frame: Frame) -> dict[str, Any]:
    place = {key: value for key, value in (("file", frame.file), ("line", frame.line)) if value}
    return {"name": frame.name, **place}
