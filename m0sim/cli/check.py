"""``m0sim check`` and ``m0sim diff``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m0sim import files
from m0sim.cli.shared import SETTINGS, Bar, Json, OutputFile, app
from m0sim.errors import M0simError, UsageError, did_you_mean

if TYPE_CHECKING:
    from m0sim.check.manifest import Manifest
    from m0sim.check.result import Result
    from m0sim.check.run import Options

Format = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="text (default), markdown, json, junit, github, annotations."),
]
Targets = list[tuple[str, Path | None]]
"""Names of formats, and the files they go to: None for stdout."""
Write = Annotated[
    list[str] | None, typer.Option("--write", metavar="NAME=FILE", help="Also write a format to a file. Repeatable.")
]


@app.command(context_settings=SETTINGS)
def check(
    manifest_file: Annotated[Path, typer.Argument(metavar="MANIFEST", help="What to measure.")] = Path("m0sim.toml"),
    update: Annotated[bool, typer.Option("--update", help="Make these costs the new baseline.")] = False,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this bench. Repeatable.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Processes to measure in.")] = 1,
    strict: Annotated[bool, typer.Option("--strict", help="A bench without a baseline fails.")] = False,
    no_build: Annotated[bool, typer.Option("--no-build", help="Do not run the manifest's build command.")] = False,
    against: Annotated[
        Path | None, typer.Option(metavar="IMAGE", help="Compare with this image instead of the baseline.")
    ] = None,
    baseline_file: Annotated[
        Path | None, typer.Option("--baseline", metavar="FILE", help="NAME-baseline.json beside NAME.toml by default.")
    ] = None,
    format_name: Format = None,
    json_wanted: Json = False,
    write: Write = None,
    output: OutputFile = None,
) -> None:
    """Measure the benches of a manifest and compare them with the baseline.

    \b
    Exit codes:
      0  as expected
      1  a cost is over its limit, a bench failed, or the build did
      2  the manifest, the baseline or the command line is wrong
    """
    from m0sim.check import manifest as manifests
    from m0sim.check import measure, run

    targets = _targets(format_name, json_wanted, write or [], output)
    if against is not None and (update or baseline_file is not None):
        raise UsageError("--against compares with an image, not with a baseline: leave out --update and --baseline")
    manifest = manifests.load(manifest_file)
    if not no_build:
        measure.build(manifest)
    options = run.Options(tuple(only or ()), jobs, against, baseline_file, strict, update)
    result = _checked(manifest, options)
    _show(result, targets)
    if update:
        is_new = run.update(manifest, options, result)
        typer.echo(f"m0sim: {options.path(manifest)} {'written' if is_new else 'is up to date'}", err=True)
    if result.is_bad:
        raise typer.Exit(1)


def _checked(manifest: Manifest, options: Options) -> Result:
    """The result, with a bar meanwhile. Ctrl-C tells which bench it met: it may be the one that hangs."""
    from m0sim.check import run

    running = ""

    def show(name: str, done: int, todo: int) -> None:
        nonlocal running
        running = name
        bar.share(done, todo, name)

    with Bar(0) as bar:
        try:
            return run.check(manifest, options, show)
        except KeyboardInterrupt as stop:
            if not running:
                raise
            raise M0simError(f"bench {running!r}: {stop if str(stop) else 'interrupted'}") from stop


@app.command(context_settings=SETTINGS)
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A baseline, or the JSON of `m0sim call`.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The same, later.")],
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if a cost went up.")] = False,
    format_name: Format = None,
    json_wanted: Json = False,
    write: Write = None,
    output: OutputFile = None,
) -> None:
    """Compare two baselines, or two results of `m0sim call --json`."""
    from m0sim.check import run

    targets = _targets(format_name, json_wanted, write or [], output)
    result = run.diff(old, new)
    _show(result, targets)
    if exit_code and result.is_bad:
        raise typer.Exit(1)


def _targets(name: str | None, json_wanted: bool, write: list[str], output: Path | None) -> Targets:
    """What goes where; what is wrong with it is better said before the work than after it."""
    from m0sim.check.formats import FORMATS

    if json_wanted and name not in (None, "json"):
        raise UsageError(f"--json and --format {name} both want stdout: leave one out, or use --write {name}=FILE")
    targets: Targets = [("json" if json_wanted else name or "text", None)]
    targets += [_target(text) for text in write]
    if output is not None:
        targets.append(("json", output))
    for format_name, path in targets:
        if format_name not in FORMATS:
            known = ", ".join(FORMATS)
            raise UsageError(f"no format {format_name!r}{did_you_mean(format_name, FORMATS)} (there are {known})")
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{path}: cannot write: there is no folder {path.parent}")
    return targets


def _target(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not equals or not path:
        raise UsageError(f"--write {text!r}: write NAME=FILE, such as --write markdown=summary.md")
    return name, Path(path)


def _show(result: Result, targets: Targets) -> None:
    from rich.console import Console

    from m0sim.check.formats import FORMATS, text

    for name, path in targets:
        if path is not None:
            files.write(path, FORMATS[name](result).encode("utf-8", "backslashreplace"))
        elif name == "text" and sys.stdout.isatty():
            Console(highlight=False).print(text.styled(result), soft_wrap=True)  # the terminal wraps, and copies whole
        else:
            sys.stdout.write(FORMATS[name](result))
    if targets[0][0] != "text":  # what a program reads has no room for them
        for note in result.notes:
            typer.echo(f"m0sim: {note}", err=True)
