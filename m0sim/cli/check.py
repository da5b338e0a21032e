"""``m0sim check`` and ``m0sim diff``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from m0sim import files
from m0sim.cli import options, voice
from m0sim.cli.options import PATH
from m0sim.cli.shared import Bar
from m0sim.errors import M0simError, UsageError, did_you_mean

if TYPE_CHECKING:
    from m0sim.check.manifest import Manifest
    from m0sim.check.result import Result
    from m0sim.check.run import Options

Targets = list[tuple[str, Path | None]]
"""Names of formats, and the files they go to: None for stdout."""
format_name = click.option(
    "--format",
    "format_name",
    metavar="NAME",
    help="text (default), markdown, json, junit, github, annotations, folded, html.",
)
html = click.option("--html", metavar="FILE", type=PATH, help="Also write a page for a browser, all in one file.")
write = click.option("--write", multiple=True, metavar="NAME=FILE", help="Also write a format to a file. Repeatable.")


@click.command
@click.argument(
    "manifest_file",
    metavar="[MANIFEST]",
    type=PATH,
    default=Path("m0sim.toml"),
    help="What to measure; m0sim.toml by default.",
)
@click.option("--update", is_flag=True, help="Make these costs the new baseline.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this bench. Repeatable.")
@click.option("--jobs", "-j", metavar="N", type=click.IntRange(min=1), default=1, help="Processes to measure in.")
@click.option("--strict", is_flag=True, help="A bench without a baseline fails.")
@click.option("--no-build", is_flag=True, help="Do not run the manifest's build command.")
@click.option("--against", metavar="IMAGE", type=PATH, help="Compare with this image instead of the baseline.")
@click.option(
    "--baseline",
    "baseline_file",
    metavar="FILE",
    type=PATH,
    help="NAME-baseline.json beside NAME.toml by default.",
)
@click.option("--engine", metavar="NAME", help="unicorn or timed for all benches, or all: both, and they must agree.")
@click.option("--board", metavar="LOG", type=PATH, help="What a board printed (`m0sim export`) must agree, too.")
@click.option("--history", "history_file", metavar="FILE", type=PATH, help="Add a line for this run to FILE.")
@click.option("--commit", metavar="ID", help="What that line says was measured, instead of git.")
@format_name
@options.json_wanted
@write
@html
@options.output()
@voice.options
def check(
    manifest_file: Path,
    update: bool,
    only: tuple[str, ...],
    jobs: int,
    strict: bool,
    no_build: bool,
    against: Path | None,
    baseline_file: Path | None,
    engine: str | None,
    board: Path | None,
    history_file: Path | None,
    commit: str | None,
    **shown: Any,
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
    from m0sim.chip.options import engine_of

    targets = _targets(**shown)
    if against is not None and (update or baseline_file is not None):
        raise UsageError("--against compares with an image, not with a baseline: leave out --update and --baseline")
    if commit is not None and history_file is None:
        raise UsageError("--commit is for a line of --history FILE: give that, too, or leave it out")
    engine_name = None if engine in (None, "all") else engine_of(str(engine), also=("all",))
    chosen = run.Options(only, jobs, against, baseline_file, strict, update, engine_name, engine == "all", board)
    manifest = manifests.load(manifest_file)
    voice.detail(f"manifest {manifest.path}: {len(manifest.benches)} benches; baseline {chosen.path(manifest)}")
    remember = _history(history_file, commit, manifest, chosen)
    if not no_build:
        measure.build(manifest)
    result = _checked(manifest, chosen)
    _show(result, targets)
    remember(result)
    if update:
        voice.note(f"{chosen.path(manifest)} {run.update(manifest, chosen, result)}")
    if result.is_bad:
        raise click.exceptions.Exit(1)


def _history(path: Path | None, commit: str | None, manifest: Manifest, chosen: Options) -> Callable[[Result], None]:
    """What adds a result to the history, if there is one. What was checked out is looked up before it may change."""
    if path is None:
        return lambda _: None
    from m0sim.check import history

    history.verify(path)
    found = (
        history.commit_in(manifest.folder, (path, chosen.path(manifest)))
        if commit is None
        else history.commit_of(commit)
    )
    return lambda result: history.append(path, history.run_of(result, found, datetime.now(UTC)))


def _checked(manifest: Manifest, chosen: Options) -> Result:
    """The result, with a bar meanwhile. Ctrl-C tells which bench it met: it may be the one that hangs."""
    from m0sim.check import run

    running = ""

    def show(name: str, done: int, todo: int) -> None:
        nonlocal running
        running = name
        voice.detail(f"bench {name}, {done + 1} of {todo}")
        bar.share(done, todo, name)

    with Bar(0) as bar:
        try:
            return run.check(manifest, chosen, show)
        except KeyboardInterrupt as stop:
            if not running:
                raise
            raise M0simError(f"bench {running!r}: {stop if str(stop) else 'interrupted'}") from stop


@click.command
@click.argument("old", type=PATH, help="A baseline, or the JSON of `m0sim call`.")
@click.argument("new", type=PATH, help="The same, later.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if a cost went up.")
@format_name
@options.json_wanted
@write
@html
@options.output()
@voice.options
def diff(old: Path, new: Path, exit_code: bool, **shown: Any) -> None:
    """Compare two baselines, or two results of `m0sim call --json`."""
    from m0sim.check import run

    targets = _targets(**shown)
    result = run.diff(old, new)
    _show(result, targets)
    if exit_code and result.is_bad:
        raise click.exceptions.Exit(1)


def _targets(
    format_name: str | None, json_wanted: bool, write: tuple[str, ...], html: Path | None, output: Path | None
) -> Targets:
    """What goes where; what is wrong with it is better said before the work than after it."""
    from m0sim.check.formats import FORMATS

    if json_wanted and format_name not in (None, "json"):
        instead = f"--write {format_name}=FILE"
        raise UsageError(f"--json and --format {format_name} both want stdout: leave one out, or use {instead}")
    targets: Targets = [("json" if json_wanted else format_name or "text", None)]
    targets += [_target(text) for text in write]
    if html is not None:
        targets.append(("html", html))
    if output is not None:
        targets.append(("json", output))
    for name, path in targets:
        if name not in FORMATS:
            raise UsageError(f"no format {name!r}{did_you_mean(name, FORMATS)} (there are {', '.join(FORMATS)})")
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
            voice.note(note)
