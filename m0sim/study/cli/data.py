"""``m0sim data``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from m0sim.cli.shared import SETTINGS, app, help_without_verb
from m0sim.errors import UsageError

data_app = typer.Typer(
    help="Data sets.",
    callback=help_without_verb,
    invoke_without_command=True,
    context_settings=SETTINGS,
    rich_markup_mode=None,
)
app.add_typer(data_app, name="data")


@data_app.command("fetch", context_settings=SETTINGS)
def fetch(
    name: Annotated[str, typer.Argument(help="mnist")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put the files.")] = Path("data/mnist"),
) -> None:
    """Download a data set and check its checksums."""
    from m0sim.study.learn import datasets

    if name != "mnist":
        raise UsageError(f"cannot fetch {name!r}: only mnist; digits are bundled")
    datasets.fetch_mnist(directory)
    typer.echo(f"mnist is in {directory}")
