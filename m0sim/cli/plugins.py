"""``m0sim plugins``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from m0sim.cli import options
from m0sim.cli.shared import emit


@click.command
@options.json_wanted
@options.output()
def plugins(json_wanted: bool, output: Path | None) -> None:
    """List the exports, profiles and methods that installed packages add to m0sim. None of them is loaded."""
    from m0sim import plugins as groups
    from m0sim.report.cost_json import SCHEMA

    found = [
        {"kind": kind, "name": name, "packages": groups.packages(points)}
        for kind, group in zip(("export", "profile", "method"), groups.GROUPS, strict=True)
        for name, points in groups.installed(group).items()
    ]
    result: dict[str, Any] = {"schema": SCHEMA, "plugins": found}
    emit(result, json_wanted, output)
    if json_wanted:
        return
    for each in found:
        click.echo(f"{each['kind']:9}{each['name']:24}{each['packages']}")
    if not found:
        click.echo("no installed package adds anything; docs/plugins.md says how one does")
