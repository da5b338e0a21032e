"""Options and arguments that several verbs have: decorators with the names of the parameters that they give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


class _Path(click.Path):
    """A path as it was typed: whoever opens the file says what is wrong with it. Shells complete it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return Path(value)


PATH = _Path()

image_file = click.argument(
    "image_file", metavar="IMAGE", type=PATH, help="ELF, Intel HEX or UF2 file, or a raw binary with --base."
)
profile = click.option(
    "--profile", "-p", metavar="NAME|FILE", default="rp2040", help="Device: a bundled profile or a .toml file."
)
clock = click.option(
    "--clock", metavar="HZ", help="Run at another clock, such as 64M: its wait states, seconds and energy."
)
flash = click.option(
    "--flash", metavar="MODEL", default="ideal", help="What cycles mean: ideal (no wait states), or cold or warm flash."
)
engine = click.option(
    "--engine", metavar="NAME", help="unicorn or timed. Default: unicorn, and timed where flash waits."
)
base = click.option("--base", metavar="ADDRESS", help="IMAGE is a raw binary that runs here.")
bootrom = click.option(
    "--bootrom", metavar="FILE", type=PATH, help="The vendor's boot ROM, ELF or .bin. Default: m0sim's own."
)
symbols = click.option(
    "--symbols", metavar="ELF", type=PATH, help="The ELF that a HEX, UF2 or raw IMAGE was made from."
)
exports = click.option(
    "--export",
    "exports",
    multiple=True,
    metavar="NAME=FILE",
    help="Write what an installed package makes of it: see `m0sim plugins`. Repeatable.",
)
PROFILES = {
    "callgrind": "a profile for KCachegrind and callgrind_annotate",
    "speedscope": "the call tree for speedscope",
    "collapsed": "collapsed stacks for flame graph tools",
    "pprof": "a profile for pprof",
    "firefox": "a profile for the Firefox Profiler",
    "lcov": "coverage of source lines, for genhtml",
}
"""What m0sim exports of a cost, by option: the formats of `report.profile_files`."""
WRITTEN = (
    *PROFILES,
    "core",
    "html",
    "exports",
    "vcd",
    "timeline",
    "timeline_limit",
    "json_wanted",
    "output",
    "quiet",
    "verbose",
)
"""Parameters that say what becomes of results, and nothing of what they are."""


def profiles(command: Callable[..., None]) -> Callable[..., None]:
    """An option for a file in each of the formats of `PROFILES`."""
    for name, what in reversed(PROFILES.items()):
        command = click.option(f"--{name}", metavar="FILE", type=PATH, help=f"Write {what}.")(command)
    return command


data_dir = click.option("--data-dir", metavar="DIR", type=PATH, help="Where the files of mnist or cifar10 are.")
json_wanted = click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")


def output(metavar: str = "FILE", help: str = "Also write the JSON object to a file.", **settings: Any) -> Decorator:
    """``--output`` and ``-o``: where results go to."""
    return click.option("--output", "-o", metavar=metavar, type=PATH, help=help, **settings)
