"""``m0sim history``."""

from __future__ import annotations

from pathlib import Path

import click

from m0sim import files
from m0sim.cli import options, voice
from m0sim.cli.options import PATH
from m0sim.cli.shared import emit


@click.command
@click.argument("history_file", metavar="FILE", type=PATH, help="What `m0sim check --history FILE` wrote.")
@click.option(
    *("--html", "--output", "-o", "output"),
    metavar="PAGE",
    type=PATH,
    help="Write a page for a browser, all in one file, instead of printing tables.",
)
@options.json_wanted
@voice.options
def history(history_file: Path, output: Path | None, json_wanted: bool) -> None:
    """Show how costs changed from run to run, or draw it on a page.

    \b
    m0sim check --history costs.jsonl
    m0sim history costs.jsonl --html costs.html
    """
    from m0sim.check import history as histories
    from m0sim.check import history_page

    files.check_folder(output)
    runs, notes = histories.read(history_file)
    if output is not None:
        files.write(output, history_page.page(history_file, runs, notes).encode("utf-8", "backslashreplace"))
    emit(
        {"schema": histories.SCHEMA, "runs": [histories.run_object(run) for run in runs], "notes": notes},
        json_wanted,
        None,
    )
    if output is None and not json_wanted:
        click.echo(history_page.text(runs, notes), nl=False)
    else:
        for note in notes:
            voice.note(note)
