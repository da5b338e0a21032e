"""``m0sim profiles``."""

from __future__ import annotations

from typing import Annotated

import typer

from m0sim.cli.shared import SETTINGS, Json, OutputFile, app, emit


@app.command(context_settings=SETTINGS)
def profiles(
    name: Annotated[str, typer.Argument(metavar="[NAME|FILE]", help="Show this one in full.")] = "",
    json_wanted: Json = False,
    output: OutputFile = None,
) -> None:
    """List the device profiles, or show one."""
    from m0sim.chip import device
    from m0sim.report import cost_json as data

    chosen = [device.load(name)] if name else [device.load(n) for n in device.names()]
    objects = [data.device(d) for d in chosen]
    emit(objects[0] if name else {"schema": data.SCHEMA, "profiles": objects}, json_wanted, output)
    if not json_wanted:
        from m0sim.report import text

        text.show(text.profile(chosen[0]) if name else text.profiles(chosen))
