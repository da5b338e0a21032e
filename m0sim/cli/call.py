"""``m0sim call``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from m0sim import files
from m0sim.cli import calling, options, voice
from m0sim.cli.calling import CallCommand
from m0sim.cli.shared import command_of, emit, exports_of, image_of, show_notes
from m0sim.names import printable

if TYPE_CHECKING:
    from m0sim.chip.cost import Cost
    from m0sim.report.inlined import Inlining


@click.command(cls=CallCommand)
@calling.asked
@click.option("--level", help="cycles (default), or memory: adds traffic per symbol and buffer, and findings.")
@click.option(
    "--fail-on",
    metavar="KIND[,KIND]",
    help="Exit 1 where code reads what is outside of anything, or uninitialised. Counts at level memory.",
)
@calling.source_root
@options.profiles
@click.option("--html", metavar="FILE", type=options.PATH, help="Write a report for a browser, all in one file.")
@options.exports
@options.json_wanted
@options.output()
@voice.options
def call(
    level: str | None,
    fail_on: str | None,
    source_root: tuple[Path, ...],
    html: Path | None,
    exports: tuple[str, ...],
    json_wanted: bool,
    output: Path | None,
    **typed: Any,
) -> None:
    """Call one function and show what it costs.

    \b
    Arguments:
      5, -5, 0x10     a 32-bit integer
      i64:N, u64:N    a 64-bit integer
      f32:X, f64:X    a float or double, as its bits
      @file.bin       a buffer with the bytes of a file
      @file.npy       a buffer with a NumPy array
      out:N           a zeroed buffer of N bytes (16, 0x10, 4K), shown after the call
      out:N:file      the same, written to a file
      str:TEXT        a buffer with the text and a NUL
      hex:0a0b        a buffer with these bytes
      sym:NAME+N      the address of an object, or a pointer to a function
      struct:{A,B}    the address of a struct with these members, such as struct:{@file.bin,5,{1,2}}
      {A,B}           a struct by value
    """
    from m0sim.chip.cost import FINDING_KINDS
    from m0sim.report import cost_json as data
    from m0sim.report.inlined import inlining
    from m0sim.report.sources import Sources

    profiles = {name: typed.pop(name) for name in options.PROFILES}
    asked = calling.Asked(**typed)
    sources = Sources(asked.image_file, source_root)
    for path in (*profiles.values(), html, output):
        files.check_folder(path)  # what cannot be written is better refused before the work
    if profiles["lcov"] is not None:
        from m0sim.report.lcov import require_lines

        require_lines(image_of(asked.image_file, asked.base, asked.symbols))
    if fail_on is not None and level is None:
        voice.note("note: --fail-on counts at level memory")
    wanted = exports_of(exports)
    kinds = () if fail_on is None else fail_on.split(",")
    done = calling.run(asked, level or "cycles", kinds, flash_report=True)
    if any(profiles.values()):
        from m0sim.report import profile_files
        from m0sim.report.on_core import OnCore

        cores = (OnCore(done.cost),)
        profile_files.write(cores, done.machine.program, profiles, sources)
        for note in profile_files.notes(cores, done.machine.program, profiles):
            voice.note(f"note: {printable(note)}")
    for export, path in wanted:
        files.write(path, export(done.cost, done.machine.program))
    if html is not None:
        from m0sim.report.page import page

        command = command_of(click.get_current_context(), without=options.WRITTEN)
        files.write(html, page(done.cost, done.machine, fault=done.fault, sources=sources, command=command))
    found = inlining(done.cost, done.machine.program)
    show_notes(done.machine.image)
    for note in sources.notes():
        voice.note(f"note: {printable(note)}")
    notes = (*done.machine.image.notes_so_far, *sources.notes())
    if done.fault is not None:
        emit(data.call(done.cost, done.fault, notes, found), json_wanted, output)
        if not json_wanted:
            has_returned = done.fault.kind in FINDING_KINDS  # all of it is counted
            if has_returned:
                _show_cost(done, found)
            calling.show_fault(done.fault)
            if not has_returned:
                _show_output(done.cost)
        raise click.exceptions.Exit(1)
    outputs = {"outputs": [_shown(out) for out in done.outputs]}
    emit(data.call(done.cost, notes=notes, found=found) | outputs, json_wanted, output)
    if not json_wanted:
        _show_cost(done, found)
        _show_outputs(done.outputs)


def _show_cost(done: calling.Outcome, found: Inlining) -> None:
    from m0sim.report import text

    text.show(text.call(done.cost, done.machine.device, found))


def _show_output(cost: Cost) -> None:
    """What had been printed when the fault came: it may say why."""
    from m0sim.report import text

    if cost.output:
        text.show(text.output(cost), stderr=True)


def _shown(out: Any) -> dict[str, Any]:
    path = None if out.path is None else str(out.path)
    return {"address": out.buffer.address, "bytes": out.buffer.read().tobytes().hex(), "file": path}


def _show_outputs(outputs: list[Any]) -> None:
    for out in outputs:
        if out.path is not None:
            click.echo(f"\n{out.buffer.name}: {out.buffer.size} bytes written to {out.path}")
            continue
        click.echo(f"\n{out.buffer.name} at {out.buffer.address:#010x}")
        contents = out.buffer.read().tobytes()
        for at in range(0, min(len(contents), 256), 16):
            click.echo(f"  {at:04x}  {contents[at : at + 16].hex(' ')}")
        if len(contents) > 256:
            click.echo(f"  ... {len(contents) - 256} more bytes; out:{out.buffer.size}:FILE writes all to a file")
