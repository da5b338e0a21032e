"""The training methods by name: those that m0sim brings, those of installed packages, and files that somebody names.

base.py has their interface. Each of m0sim's has a module, and a line here. Packages have entry points in the group
``m0sim.methods``; they are loaded when they are asked for. A file is known by its method's name once `add` was told of
it, in every process that is to use it: `specs` says of which.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from m0sim.errors import UsageError, did_you_mean
from m0sim.plugins import packages
from m0sim.study.learn.config import Config
from m0sim.study.learn.methods import (
    bias_last,
    fp32,
    niti_dynamic,
    niti_partial,
    niti_replay,
    niti_static,
    plugins,
    priot,
    priot_s,
    priot_s_head,
    priot_threshold,
    tin_tin,
    zo_int8,
)
from m0sim.study.learn.methods.base import Method, Model
from m0sim.study.learn.methods.integer import IntegerMethod, StepTrace
from m0sim.study.learn.methods.plugins import Plugin, is_file
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
    "add",
    "add_all",
    "available",
    "code_of",
    "get",
    "integer_names",
    "is_file",
    "is_reconstruction",
    "left_out",
    "loaded",
    "names",
    "record",
    "specs",
]

_METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        niti_dynamic.METHOD,
        niti_static.METHOD,
        niti_partial.METHOD,
        niti_replay.METHOD,
        priot.METHOD,
        priot_threshold.METHOD,
        priot_s.METHOD,
        priot_s_head.METHOD,
        tin_tin.METHOD,
        bias_last.METHOD,
        zo_int8.METHOD,
        fp32.METHOD,
    )
}

BASE = niti_static.METHOD.name
"""What ratios and gaps refer to unless somebody says otherwise."""

_PLUGINS: dict[str, Plugin] = {}
"""Methods from outside that were loaded in this process."""


def names() -> tuple[str, ...]:
    """Every method, in the order in which reports show them: m0sim's, installed ones, files. None is loaded for it."""
    return tuple(dict.fromkeys((*_METHODS, *plugins.installed_once(), *_PLUGINS)))


def integer_names() -> tuple[str, ...]:
    """Those of m0sim that compute in integers: the golden model equals the device byte for byte."""
    return tuple(name for name, method in _METHODS.items() if isinstance(method, IntegerMethod))


def loaded() -> tuple[Method, ...]:
    """Those that can be asked without loading anything."""
    return (*_METHODS.values(), *(plugin.method for plugin in _PLUGINS.values()))


def available() -> tuple[str, ...]:
    """Those of m0sim and of installed packages that can run here; files are there only where they are named."""
    return tuple(name for name in _for_all() if not _obstacle(name))


def left_out() -> dict[str, str]:
    """Those that `available` leaves out, and why."""
    found = {name: why for name in _for_all() if (why := _obstacle(name))}
    clashes = {name: points for name, points in plugins.installed_once().items() if name in _METHODS}
    return found | {f"{name} of {packages(p)}": "m0sim has a method of this name" for name, p in clashes.items()}


def _for_all() -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_METHODS, *plugins.installed_once())))


def _obstacle(name: str) -> str:
    """Why a method cannot run here, nothing where it can: fp32 is compiled, and a package may be broken."""
    try:
        method = get(name)
    except UsageError as error:
        return str(error)
    return "" if method.is_available() else method.requirement


def get(name: str) -> Method:
    """The method called `name`; UsageError if there is none, or if it is an installed one that cannot be loaded."""
    if name in _METHODS:  # a package's of the same name is never used
        return _METHODS[name]
    if name not in _PLUGINS:
        points = plugins.installed_once().get(name)
        if not points:
            raise UsageError(f"unknown method {name!r} (known: {', '.join(names())}){did_you_mean(name, names())}")
        _PLUGINS[name] = plugins.from_entry_point(points)
    return _PLUGINS[name].method


def add(text: str, folder: Path = Path()) -> str:
    """The name of the method that `text` means: a name as it is, or that of ``FILE.py:CLASS``, known from now on.

    A relative path is from `folder`. Raises UsageError for a file that brings no method, or one with a name that
    another method has.
    """
    if not is_file(text):
        return text
    plugin = plugins.from_file(text, folder)
    name = plugin.method.name
    known = _PLUGINS.get(name)
    if name in _METHODS or name in plugins.installed_once():
        raise UsageError(f"{plugin.spec}: its name {name!r} is another method's: give it one of its own")
    if known is None:
        _PLUGINS[name] = plugin
    elif known.spec != plugin.spec:
        raise UsageError(f"{plugin.spec}: {known.spec} is called {name!r}, too: give it a name of its own")
    elif known.code != plugin.code:
        raise UsageError(f"{plugin.spec}: was changed after it was loaded: start anew")
    return name


def specs() -> tuple[tuple[str, str], ...]:
    """What `add_all` takes in another process, so that the same files are known there: their paths, and hashes."""
    return tuple((plugin.spec, plugin.code) for plugin in _PLUGINS.values() if is_file(plugin.spec))


def add_all(given: Iterable[tuple[str, str]]) -> None:
    """`add` each file that is not known yet. UsageError for one whose content is another by now."""
    for spec, code in given:
        known = next((plugin for plugin in _PLUGINS.values() if plugin.spec == spec), None)
        if (known.code if known is not None else code_of(add(spec))) != code:
            raise UsageError(f"{spec}: was changed after it was loaded: start anew")


def code_of(name: str) -> str:
    """A hash of what a method from outside is written in; empty for m0sim's own, which its version tells."""
    get(name)
    return "" if name in _METHODS else _PLUGINS[name].code


def record(name: str) -> dict[str, str]:
    """What results say of a method from outside besides its name: ``method_code``, as `code_of`. Nothing of others."""
    code = code_of(name) if name in names() else ""
    return {"method_code": code} if code else {}


def is_reconstruction(name: str) -> bool:
    """Whether the method is known from an abstract only: its numbers are never the paper's. False for unknown names."""
    return any(method.name == name and method.is_reconstruction for method in loaded())
