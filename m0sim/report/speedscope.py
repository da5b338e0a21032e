"""The call tree as a file for speedscope (https://www.speedscope.app)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from m0sim.chip.cost import CHIP, Cost
from m0sim.image import Image
from m0sim.report import inlined
from m0sim.report.stacks import walk

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def profile(cost: Cost, image: Image) -> str:
    """A speedscope file with one profile of type ``sampled``: a sample is a node of the tree, its weight self cycles.

    Speedscope has no unit for cycles: the unit is ``none`` and the profile's name says what it counts. The samples are
    in the order of first calls, not of time: each node's cycles stand together. Inlined functions are nodes.
    """
    roots = (CHIP,) if cost.has_several_roots else ()
    stacks = inlined.stacks(cost, inlined.inlining(cost, image))
    frames = {name: index for index, name in enumerate((*cost.functions, *roots, *stacks.files))}
    spent = [(stack, node.self_cycles) for stack, node in walk(stacks.tree) if node.self_cycles]
    name = f"{cost.function}: cycles" + ("" if cost.flash_model == "ideal" else f" with {cost.flash_model} flash")
    return json.dumps(
        {
            "$schema": SCHEMA,
            "name": f"{image.path.name} {cost.function} on {cost.profile}",
            "exporter": "m0sim",
            "activeProfileIndex": 0,
            "shared": {"frames": [_frame(name, cost, image, stacks.files) for name in frames]},
            "profiles": [
                {
                    "type": "sampled",
                    "name": name,
                    "unit": "none",
                    "startValue": 0,
                    "endValue": cost.cycles,
                    "samples": [[frames[name] for name in stack] for stack, _ in spent],
                    "weights": [cycles for _, cycles in spent],
                }
            ],
        }
    )


def _frame(name: str, cost: Cost, image: Image, files: Mapping[str, str]) -> dict[str, Any]:
    if name in files:
        return {"name": name, "file": files[name]} if files[name] else {"name": name}
    source = None if name == CHIP else image.source_line(cost.functions[name].address)
    return {"name": name} if source is None else {"name": name, "file": source[0], "line": source[1]}
