"""What the study's verbs share: their common options, and the packages that they need."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable
from dataclasses import fields
from importlib.util import find_spec
from typing import Any

import click

from m0sim.cli.options import Decorator, data_dir
from m0sim.errors import UsageError
from m0sim.study.words import DataWords, MemoryWords


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


_MEMORY_OPTIONS = (
    click.option(
        "--mask",
        help="How PRIOT keeps its mask: list (default), fused (least SRAM), bits, or copy (fast if many are pruned).",
    ),
    click.option("--scratch", help="Memory that kernels are given: full (default), or least: slower."),
    click.option("--form", help="Mask and scratch by one name: fast, default or small."),
    click.option("--weights", help="Where frozen weights are: flash (default) or sram."),
)


def memory(verb: Callable[..., None]) -> Callable[..., None]:
    """What is given of memory for time, as the parameter `memory` of a verb."""

    @functools.wraps(verb)
    def gathered(**typed: Any) -> None:
        verb(memory=MemoryWords(**{each.name: typed.pop(each.name) for each in fields(MemoryWords)}), **typed)

    for option in reversed(_MEMORY_OPTIONS):
        gathered = option(gathered)
    return gathered


_FILE_OPTIONS = (
    click.option("--split", metavar="PARTS", help="Of a file: transfer=0.2,validation=0.15,test=0.25; rest: backbone."),
    click.option("--split-seed", type=int, default=0, help="Of a file: decides which image is of which part."),
    click.option("--range", metavar="LOW:HIGH", help="Of a file: what becomes 0 and 255; default 0:255, floats 0:1."),
    click.option("--window", metavar="LENGTHxCHANNELS", help="Of a .csv: samples and channels of each row."),
    click.option("--label", metavar="COLUMN", default="", help="Of a .csv: first, last, or the name of a column."),
)
_TASK = click.option(
    "--task",
    metavar="TASK",
    help="What is to be learned: rotate:30, noise:SIGMA, contrast:FACTOR, none, or other data.",
)


def data(default: str | None, known: str, *, task: bool = False) -> Decorator:
    """``--data`` and what goes with it, as the parameter `data` of a verb; with `task` also what is to be learned."""

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(verb)
        def gathered(**typed: Any) -> None:
            names = [each.name for each in fields(DataWords) if each.name in typed]
            verb(data=DataWords(**{name: typed.pop(name) for name in names}), **typed)

        named = click.option(
            "--data", "data_name", default=default, help=f"{known}, or a file: .npz, .csv, PNG folder."
        )
        for option in reversed((named, data_dir, *([_TASK] if task else []), *_FILE_OPTIONS)):
            gathered = option(gathered)
        return gathered

    return decorate


def resuming() -> str:
    """What to type to go on with the run that this process was."""
    words = [word for word in sys.argv[1:] if word != "--resume"]
    return shlex.join(["m0sim", *words, "--resume"])
