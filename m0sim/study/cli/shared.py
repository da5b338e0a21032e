"""What the study's verbs share: their common options, and the packages that they need."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from m0sim.cli.options import Decorator
from m0sim.errors import UsageError

if TYPE_CHECKING:
    from m0sim.study.learn.config import DeviceOptions


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


def memory_forms(verb: Callable[..., None]) -> Callable[..., None]:
    """``--form`` and ``--scratch``: what is given of memory for time."""
    named = click.option("--form", default="default", help="Mask and scratch by one name: fast, default or small.")
    return named(
        click.option("--scratch", help="Memory that kernels are given: full (default), or least: slower.")(verb)
    )


def device_options(mask: str | None, scratch: str | None, form: str, weights: str) -> DeviceOptions:
    """How a step is deployed: the form, and what is named besides it."""
    from m0sim.study.learn import step
    from m0sim.study.learn.config import DeviceOptions

    mask_form, scratch_form = step.form(form)
    return DeviceOptions(mask or mask_form, weights, scratch=scratch or scratch_form)


def data_name(default: str | None, help: str) -> Decorator:
    """``--data``: a data set by its name."""
    return click.option("--data", "data_name", default=default, help=help)
