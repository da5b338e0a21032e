"""What a verb says on stderr beside its results and errors: nothing with ``-q``, more with ``-v``."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from m0sim.errors import UsageError

_QUIET, _VERBOSE = "m0sim.quiet", "m0sim.verbose"


def _set(context: click.Context, parameter: click.Parameter, is_wanted: bool) -> None:
    if not is_wanted or context.resilient_parsing:
        return
    key, other = (_QUIET, _VERBOSE) if parameter.name == "quiet" else (_VERBOSE, _QUIET)
    if context.meta.get(other):
        raise UsageError("--quiet and --verbose are opposites: leave one out")
    context.meta[key] = True
    if key == _VERBOSE:
        began = time.monotonic()
        context.call_on_close(lambda: detail(f"{context.info_name}: {time.monotonic() - began:.2f} s"))


_OPTIONS = (
    click.option(
        *("--quiet", "-q"),
        is_flag=True,
        expose_value=False,
        callback=_set,
        help="Results and errors only: no progress, no notes.",
    ),
    click.option(
        *("--verbose", "-v"),
        is_flag=True,
        expose_value=False,
        callback=_set,
        help="Say on stderr what is read, what runs it, and how long it takes.",
    ),
)


def options(verb: Callable[..., None]) -> Callable[..., None]:
    """``-q`` and ``-v`` for a verb; it gets no parameter of them."""
    for decorate in reversed(_OPTIONS):
        verb = decorate(verb)
    return verb


def is_quiet() -> bool:
    """Whether results and errors are all that is wanted."""
    return _is(_QUIET)


def note(text: str) -> None:
    """Something that a person may want to know; not with ``-q``."""
    if not is_quiet():
        click.echo(f"m0sim: {text}", err=True)


def detail(text: str) -> None:
    """Something that only ``-v`` shows."""
    if _is(_VERBOSE):
        click.echo(f"m0sim: {text}", err=True)


def _is(key: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(key))
