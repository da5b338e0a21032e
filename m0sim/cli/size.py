"""``m0sim size``."""

from __future__ import annotations

from pathlib import Path

import click

from m0sim.cli import options, voice
from m0sim.cli.options import PATH
from m0sim.cli.shared import emit, image_of
from m0sim.errors import UsageError, did_you_mean

_LIMIT = 20


@click.command
@options.image_file
@click.option("--against", metavar="OLD", type=PATH, help="Compare with this image: what grew.")
@click.option("--by", multiple=True, metavar="NAME", help="section, object or symbol; all by default. Repeatable.")
@click.option("--map", "map_file", metavar="FILE", type=PATH, help="IMAGE's map, of GNU ld or LLVM's lld.")
@click.option("--against-map", metavar="FILE", type=PATH, help="The map of OLD.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help=f"Rows of a table; {_LIMIT} by default.")
@click.option("--all", "everything", is_flag=True, help="Show every row.")
@options.base
@options.symbols
@options.json_wanted
@options.output()
@voice.options
def size(
    image_file: Path,
    against: Path | None,
    by: tuple[str, ...],
    map_file: Path | None,
    against_map: Path | None,
    limit: int | None,
    everything: bool,
    base: str | None,
    symbols: Path | None,
    json_wanted: bool,
    output: Path | None,
) -> None:
    """Show what an image takes in flash and SRAM.

    By section, object file and symbol; the rows of each table add up to the sections' sizes. JSON has every row.
    """
    from m0sim.report import size_data, size_json, size_text

    if everything and limit is not None:
        raise UsageError("--all shows every row: leave out --limit")
    if against is None and against_map is not None:
        raise UsageError("--against-map is the map of another image: give that with --against")
    if against is not None and (map_file is None) != (against_map is None):
        raise UsageError("object files have other names without a map: give --map and --against-map, or neither")
    for name in by:
        if name not in size_data.ALL_BY:
            known = ", ".join(size_data.ALL_BY)
            raise UsageError(f"--by {name!r}: there are {known}{did_you_mean(name, size_data.ALL_BY)}")
    wanted = tuple(name for name in size_data.ALL_BY if not by or name in by)
    image = image_of(image_file, base, symbols)
    if by:
        size_data.require_symbols(image, wanted)
    found, old = size_data.size_of(image, map_file, wanted), None
    if against is not None:
        other = image_of(against, base if image.base is not None else None)
        if image.is_flat != other.is_flat:
            raise UsageError(f"{against}: compare two ELF files, or two that are none: they do not tell the same")
        if by:
            size_data.require_symbols(other, wanted)
        old = size_data.size_of(other, against_map, wanted)
        found = size_data.compared(found, old)
    emit(size_json.to_json(found, wanted, old), json_wanted, output)
    if not json_wanted:
        from m0sim.report import text

        text.show(size_text.report(found, wanted, None if everything else limit or _LIMIT, old))
