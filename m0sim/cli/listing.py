"""``m0sim list``."""

from __future__ import annotations

from pathlib import Path

import click

from m0sim.cli import options, voice
from m0sim.cli.shared import emit, image_of


@click.command("list")
@options.image_file
@click.option("--signatures", is_flag=True, help="What functions take and return, from DWARF.")
@options.base
@options.symbols
@options.json_wanted
@options.output()
@voice.options
def list_(
    image_file: Path,
    signatures: bool,
    base: str | None,
    symbols: Path | None,
    json_wanted: bool,
    output: Path | None,
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
            voice.note(f"note: {note}")
