"""``m0sim init``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from m0sim import files
from m0sim.cli import options, voice
from m0sim.cli.shared import emit, machine_of
from m0sim.errors import UsageError

if TYPE_CHECKING:
    from m0sim.check.first import Proposal


@click.command
@options.image_file
@options.profile
@options.base
@options.symbols
@click.option("--output", "-o", metavar="FILE", type=options.PATH, default=Path("m0sim.toml"), help="What to write.")
@options.json_wanted
@voice.options
def init(
    image_file: Path, profile: str, base: str | None, symbols: Path | None, output: Path, json_wanted: bool
) -> None:
    """Write a first m0sim.toml: benches for the largest functions of an image.

    Functions that take numbers alone are tried, and are benches if they return. Others are written as comments, with
    what is left for you to say. A file that is there is not overwritten.
    """
    from m0sim.check import first
    from m0sim.chip.device import DEFAULT
    from m0sim.report.cost_json import SCHEMA

    files.check_folder(output)
    if os.path.lexists(output):
        raise UsageError(f"{output}: is there already: name another file with -o, or delete it")
    machine = machine_of(image_file, base, profile, symbols)
    found = first.proposals(machine)
    settings: list[tuple[str, str | int]] = [("image", _from(image_file, output))]
    settings += [] if symbols is None else [("symbols", _from(symbols, output))]
    settings += [] if base is None else [("base", int(base, 0))]
    is_file = profile.endswith(".toml")
    settings += [] if profile == DEFAULT else [("profile", _from(Path(profile), output) if is_file else profile)]
    files.write(output, first.text(found, settings))
    benches = [{"name": each.function, "args": list(each.args), "missing": each.missing or None} for each in found]
    emit({"schema": SCHEMA, "file": str(output), "benches": benches}, json_wanted, None)
    if not json_wanted:
        ready = sum(not each.missing for each in found)
        benches_word = "bench" if ready == 1 else "benches"
        click.echo(
            f"{output}: {ready} {benches_word}, and {len(found) - ready} more as comments that want their operands"
        )
        click.echo(f"next: {_next(found, ready)}")


def _next(found: Sequence[Proposal], ready: int) -> str:
    if ready:
        return "m0sim check --update"
    if any(each.declared for each in found):
        return "give one of them its operands"
    return "give one of them its operands; an image of C that was compiled with -g tells which"


def _from(path: Path, manifest: Path) -> str:
    """A path as a manifest has it: from its own folder on."""
    try:
        return Path(os.path.relpath(path.resolve(), manifest.parent.resolve())).as_posix()
    except ValueError:  # another drive of Windows
        return path.resolve().as_posix()
