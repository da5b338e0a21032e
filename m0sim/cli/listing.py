"""``m0sim list``."""

from __future__ import annotations

from m0sim.cli.shared import SETTINGS, Base, ImageFile, Json, OutputFile, Symbols, app, emit, image_of


@app.command("list", context_settings=SETTINGS)
def list_(
    image_file: ImageFile,
    base: Base = "",
    symbols: Symbols = None,
    json_wanted: Json = False,
    output: OutputFile = None,
) -> None:
    """Show the functions and sections of an image."""
    from m0sim.report import data

    image = image_of(image_file, base, symbols)
    emit(data.listing(image), json_wanted, output)
    if not json_wanted:
        from m0sim.report import text

        text.show(text.listing(image))
