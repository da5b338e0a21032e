"""What the study's verbs share: their common options, and the packages that they need."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.util import find_spec

import click

from m0sim.cli.options import Decorator
from m0sim.errors import UsageError


def needs(*modules: str) -> Decorator:
    """Before the verb does anything, refuse it where one of these is not installed. They are the extra's."""

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(verb)
        def checked(*args: object, **options: object) -> None:
            if any(find_spec(module) is None for module in modules):
                name = click.get_current_context().info_name
                raise UsageError(f"{name} needs the study: pip install 'm0sim[study]'")
            verb(*args, **options)

        return checked

    return decorate


def data_name(default: str | None, help: str) -> Decorator:
    """``--data``: a data set by its name."""
    return click.option("--data", "data_name", default=default, help=help)
