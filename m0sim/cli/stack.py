"""``m0sim stack``."""

from __future__ import annotations

from pathlib import Path

import click

from m0sim.cli import options, voice
from m0sim.cli.options import PATH
from m0sim.cli.shared import device_of, emit, image_of
from m0sim.errors import UsageError


@click.command
@options.image_file
@click.argument("function", metavar="[FUNC]", required=False, help="As m0sim list shows it; all where none is given.")
@click.option(
    "--annotations",
    "annotations_file",
    metavar="FILE",
    type=PATH,
    help="TOML with what code does not tell: docs/stack.md.",
)
@click.option("--max", "most", metavar="BYTES", help="Exit with 1 if FUNC may take more, or has no bound.")
@click.option("--observed", metavar="FILE", type=PATH, help="Of FUNC, what m0sim call --json wrote: shown beside it.")
@click.option("--interrupts", "with_interrupts", is_flag=True, help="What handlers add, by the vector table.")
@click.option("--cycles", "with_cycles", is_flag=True, help="Of FUNC, an upper bound of its cycles, too.")
@options.base
@options.symbols
@options.profile
@options.json_wanted
@options.output()
@voice.options
def stack(
    image_file: Path,
    function: str | None,
    annotations_file: Path | None,
    most: str | None,
    observed: Path | None,
    with_interrupts: bool,
    with_cycles: bool,
    base: str | None,
    symbols: Path | None,
    profile: str,
    json_wanted: bool,
    output: Path | None,
) -> None:
    """Bound the stack of functions by their code alone.

    The deepest way through the call graph, without a run. What code does not tell, such as where a call by a
    register goes or how deep recursion is, is named, and an annotation says it; until then there is no bound.
    """
    if function is None and (most is not None or observed is not None or with_cycles):
        raise UsageError("--max, --observed and --cycles are of one function: name it behind the image")
    from m0sim.bounds.analysis import Analysis
    from m0sim.bounds.annotations import Annotations
    from m0sim.bounds.observed import read
    from m0sim.check.manifest import TOP_KEYS
    from m0sim.chip.operands import size
    from m0sim.report import bounds_json, bounds_text, text

    limit = None if most is None else size(most)
    image = image_of(image_file, base, symbols)
    given = None if annotations_file is None else Annotations.load(annotations_file, TOP_KEYS)
    analysis = Analysis(image, device_of(profile, None), given)
    if function is None:
        bounds = analysis.stacks()
        interrupts = analysis.interrupts() if with_interrupts else None
        emit(bounds_json.listing(bounds, interrupts, image), json_wanted, output)
        if not json_wanted:
            text.show(bounds_text.listing(bounds, interrupts))
        return
    seen = None if observed is None else read(observed, image, image.find(function).name)
    found = bounds_json.Report(
        analysis.stack(function),
        analysis.cycles(function) if with_cycles else None,
        analysis.interrupts() if with_interrupts else None,
        seen,
        limit,
    )
    emit(bounds_json.report(found, image), json_wanted, output)
    if not json_wanted:
        text.show(bounds_text.report(found))
    if found.wrong:
        raise click.exceptions.Exit(1)
