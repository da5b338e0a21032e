"""The integer training methods by name; base.py has their interface."""

from __future__ import annotations

from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn.methods import niti_dynamic, niti_static, priot, priot_s, priot_threshold, tin_tin
from m0sim.study.learn.methods.base import Config, Frozen, Method, Selection, State, StepTrace

__all__ = ["Config", "Frozen", "Method", "Selection", "State", "StepTrace", "get", "names"]

_METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        niti_dynamic.METHOD,
        niti_static.METHOD,
        priot.METHOD,
        priot_threshold.METHOD,
        priot_s.METHOD,
        tin_tin.METHOD,
    )
}


def names() -> tuple[str, ...]:
    """Every integer method."""
    return tuple(_METHODS)


def get(name: str) -> Method:
    """The method called `name`; UsageError if there is none."""
    if name not in _METHODS:
        known = ", ".join(_METHODS)
        raise UsageError(f"unknown method {name!r} (known: {known}){did_you_mean(name, _METHODS)}")
    return _METHODS[name]
