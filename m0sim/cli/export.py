"""``m0sim export``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from m0sim import files
from m0sim.cli import options, voice
from m0sim.cli.calling import CallCommand, show_fault
from m0sim.cli.options import PATH
from m0sim.cli.shared import Bar, device_of, emit, image_of, show_notes
from m0sim.errors import UsageError
from m0sim.names import printable

if TYPE_CHECKING:
    from m0sim.board.layout import Code, Layout
    from m0sim.board.prepared import Prepared
    from m0sim.board.request import Request
    from m0sim.image import Image


@click.command(cls=CallCommand)
@click.argument("target", metavar="[IMAGE|MANIFEST]", type=PATH, required=False, help="Firmware, or a m0sim.toml.")
@click.argument("function", required=False, help="Of an image: the function that is measured.")
@click.argument("args", nargs=-1, help="What it is called with, as in `m0sim call`.")
@click.option("--read", "log", metavar="LOG", type=PATH, help="Compare what a board printed with what was simulated.")
@click.option("--only", multiple=True, metavar="NAME", help="Of a manifest, only this bench. Repeatable.")
@click.option("--no-build", is_flag=True, help="Do not run the manifest's build command.")
@click.option("--flash", "in_flash", is_flag=True, help="Run the code from flash: with a cold cache, then a warm one.")
@click.option(
    "--repeats", metavar="N", type=click.IntRange(1, 1000), help="How often the board calls each: 3, or 2 from flash."
)
@click.option("--result", metavar="TYPE", help="Type of the result, as in `m0sim call`.")
@click.option("--before", multiple=True, metavar="FUNC", help="Call this first, not measured. Repeatable.")
@options.base
@options.symbols
@options.json_wanted
@options.output(help="The image to write, a .uf2; with --read, the JSON object.")
@voice.options
def export(
    target: Path | None,
    function: str | None,
    args: tuple[str, ...],
    log: Path | None,
    only: tuple[str, ...],
    no_build: bool,
    in_flash: bool,
    repeats: int | None,
    result: str | None,
    before: tuple[str, ...],
    base: str | None,
    symbols: Path | None,
    json_wanted: bool,
    output: Path | None,
) -> None:
    """Write an image that measures a call, or the benches of a manifest, on a Raspberry Pi Pico.

    The board prints what it counts at its UART. `m0sim export --read LOG` puts that beside what was simulated, and
    exits with 1 where they differ. docs/board.md says what to wire.
    """
    if log is not None:
        if target is not None:
            raise UsageError("--read takes the log alone: the image that was exported says in it what was simulated")
        _read(log, json_wanted, output)
        return
    if target is None:
        raise UsageError("name an image and a function, a manifest, or --read LOG")
    if output is None:
        raise UsageError("say where the image goes: -o bench.uf2")
    files.check_folder(output)
    code: Code = "flash" if in_flash else "sram"
    if target.suffix == ".toml":
        for given, name in ((function, "a function"), (result, "--result"), (before, "--before"), (base, "--base")):
            if given:
                raise UsageError(f"{target} says itself what is called: leave out {name}")
        image, requests, left_out = _of_manifest(target, only, code, builds=not no_build)
    else:
        if function is None:
            raise UsageError("name the function that is to be measured, behind the image")
        if only:
            raise UsageError("--only chooses benches of a manifest: leave it out")
        image, left_out = image_of(target, base, symbols), {}
        requests = [_request(function, args, result, before)]
    _export(image, requests, left_out, code, repeats, json_wanted, output)


def _request(function: str, args: Sequence[str], result: str | None, before: Iterable[str]) -> Request:
    from m0sim.board.request import NAME_LIMIT, Request
    from m0sim.chip import arguments, operands

    given = []
    for text in args:
        try:
            given.append(operands.read(text))
        except UsageError as error:
            raise UsageError(f"argument {text!r}: {error}") from error
    kind = arguments.result_type(result) if result else None
    return Request(
        printable(function)[:NAME_LIMIT], function, tuple(given), kind, tuple(map(operands.read_call, before))
    )


def _of_manifest(
    path: Path, only: tuple[str, ...], code: Code, *, builds: bool
) -> tuple[Image, list[Request], dict[str, str]]:
    """The benches that a board can measure, and why others are left out."""
    from m0sim.check import manifest as manifests
    from m0sim.check import measure, on_board

    manifest = manifests.load(path)
    if builds:
        measure.build(manifest)
    images = measure.Images()
    benches = manifest.only(only)
    measure.verify(benches, images)
    found, left_out = [], {}
    first = None
    for bench in benches:
        image = images.image(bench.image, bench.base, bench.symbols)
        try:
            request = on_board.request(bench, code)
            if first is not None and image is not first:
                raise UsageError(f"is of another image than the first bench: {bench.image}")
        except UsageError as error:
            left_out[bench.name] = str(error)
            continue
        first = image
        found.append(request)
    if first is None:
        raise UsageError(f"{path}: has no bench that a board can measure: " + "; ".join(left_out.values()))
    return first, found, left_out


def _export(
    image: Image,
    requests: Sequence[Request],
    left_out: dict[str, str],
    code: Code,
    repeats: int | None,
    json_wanted: bool,
    output: Path,
) -> None:
    from m0sim.board import image as images
    from m0sim.board.layout import laid_out
    from m0sim.report import board_json, board_text, text

    layout = laid_out(image, code)
    prepared = _prepared(image, requests, left_out, layout)
    done = images.exported(layout, prepared, repeats=repeats)
    files.write(output, done.uf2)
    show_notes(image)
    emit(board_json.exported(done, output, left_out), json_wanted, None)
    for bench in prepared:
        for warning in bench.warnings:
            voice.note(f"warning: {printable(bench.name)}: {printable(warning)}")
    if not json_wanted:
        text.show(board_text.exported(done, output, left_out))


def _prepared(image: Image, requests: Sequence[Request], left_out: dict[str, str], layout: Layout) -> list[Prepared]:
    """The calls, simulated. One alone that cannot be made is an error, of a manifest's it is left out, and said."""
    from m0sim.board.prepared import prepare
    from m0sim.chip.fault import Fault, Interrupted

    chip = device_of("rp2040", None)
    found = []
    with Bar(len(requests)) as bar:
        for number, request in enumerate(requests):
            bar.share(number, len(requests), request.name)
            try:
                found.append(prepare(request, image, layout, chip))
            except Interrupted:
                raise
            except (Fault, UsageError) as error:
                if len(requests) == 1 and not left_out and isinstance(error, Fault):
                    show_fault(error)
                    raise click.exceptions.Exit(1) from error
                if len(requests) == 1:
                    raise
                left_out[request.name] = str(error)
    if not found:
        raise UsageError("no bench can be measured on a board: " + "; ".join(left_out.values()))
    return found


def _read(path: Path, json_wanted: bool, output: Path | None) -> None:
    from m0sim.board import log
    from m0sim.report import board_json, board_text, text

    files.check_folder(output)
    found = log.read(path)
    emit(board_json.log(found), json_wanted, output)
    if json_wanted:
        for note in found.notes:
            voice.note(f"warning: {note}")
    else:
        text.show(board_text.log(found))
    if not found.is_equal:
        raise click.exceptions.Exit(1)
