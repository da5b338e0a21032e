"""``m0sim profiles``."""

from __future__ import annotations

from pathlib import Path

import click

from m0sim.cli import options
from m0sim.cli.shared import emit


@click.command
@click.argument("name", metavar="[NAME|FILE]", required=False, help="Show this one in full.")
@options.json_wanted
@options.output()
def profiles(name: str | None, json_wanted: bool, output: Path | None) -> None:
    """List the device profiles, or show one."""
    from m0sim.chip import device
    from m0sim.report import cost_json as data

    chosen = [device.load(name)] if name else [device.load(n) for n in device.names()]
    objects = [data.device(d) for d in chosen]
    emit(objects[0] if name else {"schema": data.SCHEMA, "profiles": objects}, json_wanted, output)
    if not json_wanted:
        from m0sim.report import text

        text.show(text.profile(chosen[0]) if name else text.profiles(chosen))
