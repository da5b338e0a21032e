"""On-device learning: methods and networks, what-if questions about memory, their reports and verbs. Extra: study.

    from m0sim.study import compare, train
    rows = compare("tiny-cnn-8", data="digits", methods="priot,priot-s").table()

The calls are those of the command line, with its options as keywords: docs/api.md. Names are imported when first used:
``import m0sim.study`` alone is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from m0sim.study.answers import Budget, Comparison, Training
    from m0sim.study.api import budget, compare, load_data, load_network, pretrain, train
    from m0sim.study.learn.networks import Add, AveragePool, Conv, Dense, Depthwise, Network, Pool
    from m0sim.study.learn.pretrain import Backbone

__all__ = [
    "Add",
    "AveragePool",
    "Backbone",
    "Budget",
    "Comparison",
    "Conv",
    "Dense",
    "Depthwise",
    "Network",
    "Pool",
    "Training",
    "budget",
    "compare",
    "load_data",
    "load_network",
    "pretrain",
    "train",
]

_HOMES = {
    "Add": "learn.networks",
    "AveragePool": "learn.networks",
    "Backbone": "learn.pretrain",
    "Budget": "answers",
    "Comparison": "answers",
    "Conv": "learn.networks",
    "Dense": "learn.networks",
    "Depthwise": "learn.networks",
    "Network": "learn.networks",
    "Pool": "learn.networks",
    "Training": "answers",
    "budget": "api",
    "compare": "api",
    "load_data": "api",
    "load_network": "api",
    "pretrain": "api",
    "train": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'm0sim.study' has no attribute {name!r}")
    return getattr(import_module(f"m0sim.study.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
