"""``m0sim budget``."""

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
@click.option("--sram", required=True, metavar="SIZES", help="Budgets such as 16K,64K, or banks: 256K+4K+4K.")
@click.option(
    "--network",
    default="tiny-cnn",
    help="A name (tiny-cnn, tiny-cnn-8, mlp, lenet, vgg11...), FILE.toml, or a backbone FILE.npz.",
)
@click.option("--methods", default="all", help="Methods, separated by commas: names, FILE.py:CLASS, or all.")
@click.option(
    "--solve",
    metavar="[KNOB]",
    is_flag=False,
    flag_value="fraction",
    help="The most that fits: fraction (default), width or layers.",
)
@click.option("--fraction", type=float, help="Share of the edges that priot-s scores (0.1).")
@memory
@click.option("--trained", type=int, metavar="K", help="Only the last K layers learn; 0 for all.")
@click.option("--width", type=float, default=1.0, help="Times the network's channels.")
@click.option("--batch", type=int, default=1, help="Images whose gradients add up before an update; planned only.")
@click.option("--reuse/--no-reuse", default=True, help="Let tensors share bytes over time.")
@click.option("--stack-reserve", metavar="SIZE", help="Stack to set aside; what the kernels need by default.")
@options.profile
@options.clock
@data(None, "What to measure on: digits, mnist, cifar10, random")
@click.option("--plan-only", is_flag=True, help="Run nothing: no cycles, at once.")
@options.json_wanted
@options.output("DIR|FILE.json", "Write JSON, HTML and pictures, or the JSON.")
@needs("matplotlib")
@voice.options
def budget(
    sram: str,
    network: str,
    methods: str,
    solve: str | None,
    fraction: float | None,
    memory: MemoryWords,
    trained: int | None,
    width: float,
    batch: int,
    reuse: bool,
    stack_reserve: str | None,
    profile: str,
    clock: str | None,
    data: DataWords,
    plan_only: bool,
    json_wanted: bool,
    output: Path | None,
) -> None:
    """What can be trained in so much SRAM, what it costs, and the best that fits."""
    one_blas_thread()
    from m0sim.study import tasks
    from m0sim.study.report import budget_data
    from m0sim.study.whatif import budget as asking

    knobs = {"width": width, "trained": trained, "fraction": fraction, "reuse": reuse, "batch": batch}
    chip = device_of(profile, clock)
    question = tasks.question(sram, network, methods, memory, chip, knobs, solve=solve, stack_reserve=stack_reserve)
    if output is not None and output.suffix != ".json":
        files.make_folder(output)
    else:
        files.check_folder(output)
    bench = None if plan_only else tasks.bench(question, data)
    with Bar(0) as bar:
        result = asking.answer(question, bench, bar.share)
    for line in tasks.left_out(methods, question):
        voice.note(line)
    if output is not None:
        _write(result, output)
    if json_wanted:
        emit(budget_data.to_json(result), True, None)
        return
    from m0sim.report import text
    from m0sim.study.report import budget_text

    text.show(budget_text.budget(result))


def _write(result: Any, output: Path) -> None:
    from m0sim.study.report import budget_data

    if output.suffix == ".json":
        emit(budget_data.to_json(result), False, output)
        return
    from m0sim.study.report import budget_html, budget_plots

    emit(budget_data.to_json(result), False, output / "budget.json")
    files.write(output / "budget.html", budget_html.page(result))
    for name, content in budget_plots.files(result).items():
        files.write(output / name, content)
    voice.note(f"written to {output}: budget.json, budget.html, and the pictures as PNG and SVG")
