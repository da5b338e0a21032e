"""``m0sim annotate``."""

from __future__ import annotations

from typing import Annotated

import typer

from m0sim.cli import calling
from m0sim.cli.calling import (
    MAX_CYCLES,
    Arguments,
    Before,
    Function,
    MaxCycles,
    Register,
    Result,
    SourceRoot,
    Stdout,
    Stub,
)
from m0sim.cli.shared import (
    NEGATIVE_NUMBERS,
    Base,
    ImageFile,
    Json,
    OutputFile,
    Profile,
    Symbols,
    app,
    emit,
    show_notes,
)
from m0sim.errors import UsageError


@app.command(context_settings=NEGATIVE_NUMBERS)
def annotate(
    image_file: ImageFile,
    function: Function,
    args: Arguments = None,
    chosen: Annotated[
        list[str] | None, typer.Option("--function", metavar="NAME", help="Show this one. May be repeated.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every function that ran.")] = False,
    profile: Profile = "rp2040",
    result: Result = "",
    before: Before = None,
    stub: Stub = None,
    register: Register = None,
    stdout: Stdout = None,
    max_cycles: MaxCycles = MAX_CYCLES,
    base: Base = "",
    symbols: Symbols = None,
    source_root: SourceRoot = None,
    json_wanted: Json = False,
    output: OutputFile = None,
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

    sources = Sources(image_file, source_root or [])
    done = calling.run(
        "annotate",
        image_file,
        function,
        args,
        profile=profile,
        base=base,
        symbols=symbols,
        result=result,
        before=before,
        stub=stub,
        register=register,
        stdout=stdout,
        max_cycles=max_cycles,
    )
    shown = listing(
        done.cost, done.machine.image, fault=done.fault, names=chosen or [], everything=everything, sources=sources
    )
    show_notes(done.machine.image)
    emit(annotate_data.to_json(shown), json_wanted, output)
    if not json_wanted:
        annotate_text.show(shown)
    if done.fault is not None:
        if not json_wanted:
            calling.show_fault(done.fault)
        raise typer.Exit(1)
