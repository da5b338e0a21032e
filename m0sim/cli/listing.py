"""``m0sim list``."""

from __future__ import annotations

from typing import Annotated

import typer

from m0sim.cli.shared import SETTINGS, Base, ImageFile, Json, OutputFile, Symbols, app, emit, image_of


@app.command("list", context_settings=SETTINGS)
def list_(
    image_file: ImageFile,
    signatures: Annotated[
        bool, typer.Option("--signatures", help="What functions take and return, from DWARF.")
    ] = False,
    base: Base = "",
    symbols: Symbols = None,
    json_wanted: Json = False,
    output: OutputFile = None,
) -> None:
    """Show the functions and sections of an image."""
    from m0sim.report import cost_json as data

    image = image_of(image_file, base, symbols)
    emit(data.listing(image, signatures=signatures), json_wanted, output)
    if not json_wanted:
        from m0sim.report import text

        text.show(text.listing(image, signatures=signatures))
    if signatures:
        for note in image.signature_notes:
            typer.echo(f"m0sim: note: {note}", err=True)
