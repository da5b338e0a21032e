"""What several verbs share: reading images, JSON output, progress."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from m0sim import files
from m0sim.cli import voice
from m0sim.errors import UsageError

if TYPE_CHECKING:
    from m0sim.chip.device import Device
    from m0sim.chip.firmware import Firmware
    from m0sim.chip.machine import Machine
    from m0sim.image import Image
    from m0sim.report.profile_files import Export


def device_of(profile: str, clock: str | None) -> Device:
    """The device that the options --profile and --clock say."""
    from m0sim.chip import device

    chosen = device.load(profile)
    if clock is not None:
        chosen = chosen.at_clock(device.clock(clock))
    voice.detail(f"profile {chosen.name}: {chosen.core} at {chosen.clock_hz / 1e6:g} MHz, from {chosen.path}")
    return chosen


def machine_of(
    image_file: Path,
    base: str | None,
    profile: str,
    symbols: Path | None = None,
    clock: str | None = None,
    *,
    bootrom: Path | None = None,
) -> Machine:
    """The image in a device, as the options --base, --profile, --symbols, --clock and --bootrom say."""
    from m0sim.chip.machine import Machine

    chosen = device_of(profile, clock)
    return Machine(image_of(image_file, base, symbols), chosen, bootrom=bootrom)


def image_of(path: Path, base: str | None, symbols: Path | None = None) -> Image:
    """An ELF, HEX or UF2 file, or a raw binary where --base was given; with the names of the ELF `symbols`."""
    from m0sim import image

    try:
        address = int(base, 0) if base else None
    except ValueError:
        raise UsageError(f"--base {base!r} is not an address, such as 0x10000000") from None
    found = image.load_file(path, base=address, symbols=symbols)
    size = sum(len(segment.data) for segment in found.segments)
    names = "" if symbols is None else f", names from {symbols}"
    voice.detail(f"image {path}: {size:,} bytes to load, {len(found.functions):,} functions{names}")
    return found


def integer_of(option: str, text: str) -> int:
    """The number that an option was given. Raises `UsageError` that names the option."""
    from m0sim.chip import operands

    try:
        return operands.integer(text)
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None


def command_of(context: click.Context, without: Sequence[str]) -> str:
    """What was typed, for a shell: the verb, its arguments, and its options but those with the parameters `without`."""
    words: list[str] = []
    for parameter in context.command.params:
        name = str(parameter.name)
        if name in without or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        values = value if isinstance(value, tuple) else (value,)
        if isinstance(parameter, click.Argument):
            words += map(str, values)
        else:
            words += [word for each in values for word in _option(max(parameter.opts, key=len), each)]
    return shlex.join(["m0sim", context.command.name or "", *words])


def _option(name: str, value: object) -> list[str]:
    if value is True:
        return [name]
    return [f"{name}={value}"] if str(value).startswith("-") or name == "--startup" else [name, str(value)]


def exports_of(texts: tuple[str, ...]) -> tuple[tuple[Export, Path], ...]:
    """What ``--export NAME=FILE`` asks for; better refused before the work than after it."""
    if not texts:
        return ()
    from m0sim.report import profile_files

    return profile_files.installed_exports(texts)


def show_notes(image: Image) -> None:
    """Say on stderr what could not be read of the debug information, where something asked for it."""
    for note in image.notes_so_far:
        voice.note(f"note: {note}")


def emit(result: dict[str, Any], to_stdout: bool, output: Path | None) -> None:
    """Write a JSON object to stdout, to a file, to both or to neither."""
    if not to_stdout and output is None:
        return
    text = files.json_text(result)
    if to_stdout:
        click.echo(text, nl=False)
    if output is not None:
        files.write(output, text)


def one_blas_thread() -> None:
    """Small matrices are slower on more threads; it has to be said before NumPy is imported."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _is_shown() -> bool:
    """Whether anybody wants to see how far the work is."""
    return sys.stderr.isatty() and not voice.is_quiet()


class Bar:
    """A progress bar on stderr where that is a terminal."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def __enter__(self) -> Bar:
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True, disable=not _is_shown())
        self._task = self._bar.add_task("", total=self._total or None)
        self._bar.start()
        return self

    def advance(self, label: str, done: int, todo: int) -> None:
        """One more step of the method `label`."""
        self._done += 1
        self._bar.update(self._task, description=f"{label} {done}/{todo}", completed=self._done)

    def share(self, done: int, todo: int, label: str = "") -> None:
        """`done` of `todo`, all told, and what is going on."""
        from rich.markup import escape

        self._bar.update(self._task, description=escape(label), completed=done, total=todo)

    def part(self, label: str, done: int, todo: int) -> None:
        """`done` of `todo` of the part `label`."""
        self._bar.update(self._task, description=label, completed=done, total=todo)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


class PointsBar:
    """How far a sweep is, and the time that is left, on stderr where that is a terminal."""

    def __enter__(self) -> PointsBar:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not _is_shown())
        self._task = self._bar.add_task("points", total=None)
        self._bar.start()
        return self

    def show(self, done: int, points: int, failed: int) -> None:
        """`done` of all `points`, `failed` of them without figures."""
        words = f"points, {failed} failed" if failed else "points"
        self._bar.update(self._task, description=words, completed=done, total=points)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


class Progress:
    """A line on the terminal once a call has run for a second; nothing where stderr is no terminal."""

    _AFTER_SECONDS = 1.0

    def __init__(self, machine: Machine | Firmware) -> None:
        self._machine = machine
        self._shown = False

    def __enter__(self) -> None:
        self._started = time.monotonic()
        if _is_shown():
            self._machine.progress = self._show

    def _show(self, cycles: int) -> None:
        if time.monotonic() - self._started < self._AFTER_SECONDS:
            return
        self._shown = True
        seconds = self._machine.device.seconds(cycles)
        sys.stderr.write(f"\r{cycles:,} cycles, {seconds:.1f} s on the device (Ctrl-C stops) ")
        sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
