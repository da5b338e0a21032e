"""``m0sim data``."""

from __future__ import annotations

from pathlib import Path

import click

from m0sim.cli.options import PATH
from m0sim.errors import UsageError


@click.group
def data() -> None:
    """Data sets."""


@data.command
@click.argument("name", metavar="NAME", help="mnist")
@click.argument(
    "directory",
    metavar="[DIR]",
    type=PATH,
    default=Path("data/mnist"),
    help="Where to put the files; data/mnist by default.",
)
def fetch(name: str, directory: Path) -> None:
    """Download a data set and check its checksums."""
    from m0sim.study.learn import datasets

    if name != "mnist":
        raise UsageError(f"cannot fetch {name!r}: only mnist; digits are bundled")
    datasets.fetch_mnist(directory)
    click.echo(f"mnist is in {directory}")
