"""``m0sim schema``."""

from __future__ import annotations

import json

import click


@click.command
@click.argument("name", metavar="[NAME]", required=False, help="A verb, or baseline or manifest. Without it: a list.")
def schema(name: str | None) -> None:
    """Print the JSON Schema of what a verb prints with --json, or of a file; or list them."""
    from m0sim import schemas

    if name is not None:
        click.echo(json.dumps(schemas.whole(name), indent=2))
        return
    for each in schemas.names():
        click.echo(f"{each:14}{schemas.load(each)['description']}")
