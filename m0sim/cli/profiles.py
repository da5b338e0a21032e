"""``m0sim profiles``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from m0sim.cli import options, voice
from m0sim.cli.shared import emit
from m0sim.errors import UsageError

if TYPE_CHECKING:
    from m0sim.chip.device import Device


@click.command
@click.argument("name", metavar="[NAME|FILE]", required=False, help="Show this one in full.")
@options.json_wanted
@options.output()
@voice.options
def profiles(name: str | None, json_wanted: bool, output: Path | None) -> None:
    """List the device profiles, or show one."""
    from m0sim.chip import device
    from m0sim.report import cost_json as data

    chosen = [device.load(name)] if name else [*map(device.load, device.names()), *_installed()]
    objects = [data.device(d) for d in chosen]
    emit(objects[0] if name else {"schema": data.SCHEMA, "profiles": objects}, json_wanted, output)
    if not json_wanted:
        from m0sim.report import text

        text.show(text.profile(chosen[0]) if name else text.profiles(chosen))


def _installed() -> Iterator[Device]:
    """Those of installed packages; a note for each that cannot be read."""
    from m0sim.chip import device

    for name in device.installed_names():
        try:
            yield device.load(name)
        except UsageError as error:
            voice.note(f"left out: {error}")
