"""``m0sim annotate``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from m0sim.cli import calling, options, voice
from m0sim.cli.calling import CallCommand
from m0sim.cli.shared import emit, show_notes
from m0sim.errors import UsageError


@click.command(cls=CallCommand)
@calling.asked
@click.option("--function", "chosen", multiple=True, metavar="NAME", help="Show this one. May be repeated.")
@click.option("--all", "everything", is_flag=True, help="Show every function that ran.")
@calling.source_root
@options.json_wanted
@options.output()
@voice.options
def annotate(
    chosen: tuple[str, ...],
    everything: bool,
    source_root: tuple[Path, ...],
    json_wanted: bool,
    output: Path | None,
    **typed: Any,
) -> None:
    """Call one function and show what each instruction costs.

    Arguments are those of `m0sim call`. Shown are the functions that have 90 % of the cycles, with their
    source lines; `>` marks the hottest loop of each, `!` the instruction that a fault ended the run at.
    """
    if chosen and everything:
        raise UsageError("--all already shows every function: leave out --function")
    from m0sim.report import annotate_data, annotate_text
    from m0sim.report.annotate import listing
    from m0sim.report.sources import Sources

    asked = calling.Asked(**typed)
    sources = Sources(asked.image_file, source_root)
    done = calling.run(asked)
    shown = listing(
        done.cost, done.machine.program, fault=done.fault, names=chosen, everything=everything, sources=sources
    )
    show_notes(done.machine.image)
    notes = (*done.machine.image.notes_so_far, *shown.notes)
    emit(annotate_data.to_json(replace(shown, notes=notes)), json_wanted, output)
    if not json_wanted:
        annotate_text.show(shown)
    if done.fault is not None:
        if not json_wanted:
            calling.show_fault(done.fault)
        raise click.exceptions.Exit(1)
