"""The training methods by name. base.py has their interface; each has a module, and a line here."""

from __future__ import annotations

from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn.config import Config
from m0sim.study.learn.methods import fp32, niti_dynamic, niti_static, priot, priot_s, priot_threshold, tin_tin
from m0sim.study.learn.methods.base import Method, Model
from m0sim.study.learn.methods.integer import IntegerMethod, StepTrace
from m0sim.study.learn.state import Frozen, Selection, State

__all__ = [
    "BASE",
    "Config",
    "Frozen",
    "IntegerMethod",
    "Method",
    "Model",
    "Selection",
    "State",
    "StepTrace",
    "available",
    "get",
    "integer_names",
    "is_reconstruction",
    "names",
]

_METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        niti_dynamic.METHOD,
        niti_static.METHOD,
        priot.METHOD,
        priot_threshold.METHOD,
        priot_s.METHOD,
        tin_tin.METHOD,
        fp32.METHOD,
    )
}

BASE = niti_static.METHOD.name
"""What ratios and gaps refer to unless somebody says otherwise."""


def names() -> tuple[str, ...]:
    """Every method, in the order in which reports show them."""
    return tuple(_METHODS)


def integer_names() -> tuple[str, ...]:
    """Those that compute in integers: the golden model equals the device byte for byte."""
    return tuple(name for name, method in _METHODS.items() if isinstance(method, IntegerMethod))


def available() -> tuple[str, ...]:
    """Those that can run here: fp32 is compiled, and needs its compiler."""
    return tuple(name for name, method in _METHODS.items() if method.is_available())


def get(name: str) -> Method:
    """The method called `name`; UsageError if there is none."""
    if name not in _METHODS:
        known = ", ".join(_METHODS)
        raise UsageError(f"unknown method {name!r} (known: {known}){did_you_mean(name, _METHODS)}")
    return _METHODS[name]


def is_reconstruction(name: str) -> bool:
    """Whether the method is known from an abstract only: its numbers are never the paper's. False for unknown names."""
    return name in _METHODS and _METHODS[name].is_reconstruction
