"""What a person may set for a method, and what is refused because no method that is meant uses it.

An option that has no effect is a mistake of whoever gives it: it is refused, in one line that says which methods use
it, and never ignored. Where several methods are meant at once it is enough that one of them does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import methods
from m0sim.study.learn.methods import Method
from m0sim.study.learn.step import MASK_FORMS

Use = Callable[[Method], bool]


def check_options(method: Method, options: Mapping[str, Any]) -> None:
    """Raises UsageError for a value out of range, and for an option that the method has not or that has no effect."""
    for name, value in options.items():
        option = method.options.get(name)
        if option is None and name in known_options():
            raise UsageError(f"{method.name} has no option {name}{_used_by(partial(_has, name))}")
        if option is None:
            known = ", ".join(method.options) or "none"
            meant = did_you_mean(name, known_options())
            raise UsageError(f"{method.name} has no option {name!r} (it has: {known}){meant}")
        if wrong := option.problem(value):
            raise UsageError(f"{name} {wrong}")
        if not option.applies(options, method.options):
            assert option.needs is not None
            other, needed = option.needs
            raise UsageError(
                f"{name} has no effect on {method.name} unless {other} is {needed}: set that, or leave it out"
            )


def _has(name: str, method: Method) -> bool:
    return name in method.options


def known_options() -> tuple[str, ...]:
    """Names of the options of all methods that are loaded."""
    return tuple(dict.fromkeys(name for method in methods.loaded() for name in method.options))


def check_shares(names: Sequence[str], *, fraction: bool = False, trained: bool = False, prefix: str = "--") -> None:
    """Refuse a share of scored edges, or a number of layers that learn, that none of the methods has."""
    if fraction:
        _check(f"{prefix}fraction", names, lambda method: method.has_fraction)
    if trained:
        _check(f"{prefix}trained", names, lambda method: method.can_leave_layers)


def check_memory(
    names: Sequence[str],
    *,
    mask: str | None = None,
    scratch: str | None = None,
    form: str | None = None,
    weights: str | None = None,
    is_part: bool = False,
    prefix: str = "--",
) -> None:
    """Refuse what is given of how a step is deployed (None: nothing) and none of the methods uses.

    `is_part`: not all layers learn, so that every method has weights that never change.
    """
    if mask in MASK_FORMS:  # another is refused where the step is built
        _check(f"{prefix}mask {mask}", names, lambda method: mask in method.mask_forms)
    if form is not None:
        _check(f"{prefix}form", names, lambda method: bool(method.mask_forms or method.scratch_forms))
    if scratch is not None:
        _check(f"{prefix}scratch", names, lambda method: bool(method.scratch_forms))
    if weights is not None and not is_part:
        _check(f"{prefix}weights", names, lambda method: method.freezes_weights, " whose weights never change")


def _check(what: str, names: Sequence[str], use: Use, why: str = "") -> None:
    if not any(use(methods.get(name)) for name in names):
        raise UsageError(f"{what} is of no use to {', '.join(names)}{_used_by(use, why)}")


def _used_by(use: Use, why: str = "") -> str:
    found = [method.name for method in methods.loaded() if use(method)]
    return f": it is for {_listed(found)}{why}" if found else ""


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
