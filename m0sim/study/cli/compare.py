"""``m0sim compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from m0sim import files
from m0sim.cli import options, voice
from m0sim.cli.shared import Bar, device_of, emit, one_blas_thread
from m0sim.study.cli.shared import data, memory, needs
from m0sim.study.words import DataWords, MemoryWords


@click.command
@click.option(
    "--network",
    help="A name (tiny-cnn, tiny-cnn-8, mlp, lenet, vgg11...), FILE.toml, or a backbone FILE.npz.",
)
@click.option("--width", type=float, default=1.0, help="Times the network's channels.")
@data(None, "digits (bundled), mnist, cifar10, random: noise, for costs alone (default: digits or noise)", task=True)
@click.option("--methods", default="all", help="Methods, separated by commas: names, FILE.py:CLASS, or all.")
@click.option("--steps", type=int, default=5, help="Training steps of each method.")
@click.option("--base", metavar="METHOD", help="What ratios refer to; the first method by default.")
@memory
@options.profile
@options.clock
@options.json_wanted
@options.output("DIR", "Write JSON, Markdown, plots and HTML there.")
@needs("matplotlib")
@voice.options
def compare(
    network: str | None,
    width: float,
    data: DataWords,
    methods: str,
    steps: int,
    base: str | None,
    memory: MemoryWords,
    profile: str,
    clock: str | None,
    json_wanted: bool,
    output: Path | None,
) -> None:
    """Run one training step of every method on the chip: cycles, SRAM and flash side by side."""
    one_blas_thread()
    from m0sim.study import tasks
    from m0sim.study.learn import side_by_side as comparing
    from m0sim.study.report import compare_data

    chip = device_of(profile, clock)
    task = tasks.comparison(network, data, methods, memory, chip, width=width, steps=steps, base=base)
    for line in comparing.left_out(methods, task.methods, task.network):
        voice.note(line)
    if output is not None:
        files.make_folder(output)  # better refused before the work than after it
    with Bar(steps * len(task.methods)) as bar:
        result = comparing.compare(task, bar.advance)
    if output is not None:
        _write_comparison(result, output)
    if json_wanted:
        emit(compare_data.to_json(result), True, None)
        return
    from m0sim.report import text
    from m0sim.study.report import compare_text

    text.show(compare_text.compare(result))
    if output is not None and not voice.is_quiet():
        click.echo(f"\nwritten to {output}: compare.json, compare.md, compare.html, and the plots as PNG and SVG")


def _write_comparison(result: Any, folder: Path) -> None:
    from m0sim.study.report import compare_data, compare_html, compare_plots

    emit(compare_data.to_json(result), False, folder / "compare.json")
    files.write(folder / "compare.md", compare_data.markdown(result))
    files.write(folder / "compare.html", compare_html.page(result))
    for name, content in compare_plots.files(result).items():
        files.write(folder / name, content)
